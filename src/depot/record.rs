//! The records of files, items, folders and the collection, as Girder 5 writes them. What only a server
//! with users and assetstores knows is left out.

use std::path::Path;

use serde_json::{Value, json};

use super::date::Date;
use super::id::{Id, Kind};
use super::tree::{Node, Status};

/// The name of the collection, and of the folder in it that is the served one.
pub(super) const COLLECTION: &str = "depot";
pub(super) const ROOT_FOLDER: &str = "files";

/// The record of what an id stands for.
pub(super) fn of(node: &Node, status: &Status) -> Value {
    let (path, modified) =
        (&*node.path, Date::from_unix(status.modified.0, status.modified.1).iso());
    let collection = Id::of(Kind::Collection, Path::new("")).to_string();
    let mut record = json!({
        "_id": Id::of(node.kind, path).to_string(),
        "_modelType": node.kind.name(),
        "created": modified,
        "name": name(node),
        "size": status.size,
    });
    let more = match node.kind {
        Kind::File => json!({
            "exts": extensions(&name(node)),
            "itemId": Id::of(Kind::Item, path).to_string(),
            "mimeType": "application/octet-stream",
        }),
        Kind::Item => json!({
            "baseParentId": collection,
            "baseParentType": "collection",
            "description": "",
            "folderId": parent(path).to_string(),
            "meta": {},
            "updated": modified,
        }),
        Kind::Folder => {
            let top = path.as_os_str().is_empty();
            json!({
                "baseParentId": collection,
                "baseParentType": "collection",
                "description": "",
                "meta": {},
                "parentCollection": if top { "collection" } else { "folder" },
                "parentId": if top { collection } else { parent(path).to_string() },
                "public": true,
                // A folder's own size on the disk is not what its files have.
                "size": 0,
                "updated": modified,
            })
        }
        Kind::Collection => {
            json!({"description": null, "meta": {}, "public": true, "size": 0, "updated": modified})
        }
    };
    if let (Some(record), Value::Object(more)) = (record.as_object_mut(), more) {
        record.extend(more);
    }
    record
}

/// The name that Girder shows.
pub(super) fn name(node: &Node) -> String {
    match (node.kind, node.path.file_name()) {
        (Kind::Collection, _) => COLLECTION.to_owned(),
        (_, None) => ROOT_FOLDER.to_owned(),
        (_, Some(name)) => name.to_string_lossy().into_owned(),
    }
}

/// The id of the folder that a path is in.
fn parent(path: &Path) -> Id {
    Id::of(Kind::Folder, path.parent().unwrap_or_else(|| Path::new("")))
}

/// What stands behind the points of a name, in lower case.
fn extensions(name: &str) -> Vec<String> {
    name.split('.').skip(1).map(str::to_lowercase).collect()
}
