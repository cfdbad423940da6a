//! The downloads, the hooks and the job in Girder of a job.

use std::path::PathBuf;

use serde_json::{Map, Number, Value as Json};

use super::declared::Volumes;
use super::result_hook::{ITEM_METADATA, JOB_ARTIFACT, UPLOAD_TO_FOLDER};
use super::streams;
use super::transform::{
    DIRECT_GIRDER_FILE_ID_TO_VOLUME, GIRDER_FOLDER_ID_TO_VOLUME, GIRDER_ITEM_ID_TO_VOLUME,
    VOLUME_PATH,
};
use crate::spec::download::{Download, Downloaded};
use crate::spec::girder_job::GirderJob;
use crate::spec::hook::{Hook, Metadata, UploadOptions};
use crate::spec::json::fields::Fields;
use crate::spec::json::{Fault, Node, Value, shortened};
use crate::spec::volume::VolumePath;

/// What is downloaded into a volume.
pub(in crate::spec) fn download(node: &Node, volumes: &mut Volumes) -> Result<Download, Fault> {
    let fields = Fields::of(node);
    let kind = fields.type_name();
    let id = fields.text("id")?.to_owned();
    let volume = volumes.referenced(fields.get("volume"))?;
    volumes.on_host(volume, node.at, format!("the download of `{}`", shortened(&id)))?;
    let text = |name| fields.optional_text(name).map(str::to_owned);
    let what = if kind == GIRDER_ITEM_ID_TO_VOLUME.name {
        Downloaded::Item { id }
    } else if kind == GIRDER_FOLDER_ID_TO_VOLUME.name {
        Downloaded::Folder { id, folder_name: text("folder_name") }
    } else {
        let direct = match kind == DIRECT_GIRDER_FILE_ID_TO_VOLUME.name {
            true => fields.optional_text("direct_file_path"),
            false => None,
        };
        let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
        let filename = text("filename").or_else(|| direct.and_then(last));
        Downloaded::File { id, filename, direct: direct.map(PathBuf::from) }
    };
    Ok(Download { what, volume })
}

/// What is done with results.
pub(in crate::spec) fn hook(node: &Node, volumes: &mut Volumes) -> Result<Hook, Fault> {
    let fields = Fields::of(node);
    let kind = fields.type_name();
    if kind == ITEM_METADATA.name {
        let item_id = fields.text("item_id")?.to_owned();
        return Ok(Hook::ItemMetadata { item_id, metadata: metadata(&fields, volumes)? });
    }
    let path = result_path(fields.need("volumepath")?, volumes)?;
    if kind == JOB_ARTIFACT.name {
        return Ok(Hook::JobArtifact {
            path,
            job_id: fields.optional_text("job_id").map(str::to_owned),
            name: fields.optional_text("name").map(str::to_owned),
            upload_on_exception: flag(&fields, "upload_on_exception", false),
        });
    }
    let options = upload_options(&fields);
    Ok(match kind == UPLOAD_TO_FOLDER.name {
        true => {
            Hook::UploadToFolder { path, folder_id: fields.text("folder_id")?.to_owned(), options }
        }
        false => Hook::UploadToItem { path, item_id: fields.text("item_id")?.to_owned(), options },
    })
}

/// The job in Girder that is told about the run.
pub(in crate::spec) fn girder_job(node: &Node) -> Result<GirderJob, Fault> {
    let fields = Fields::of(node);
    Ok(GirderJob {
        url: streams::url(&fields)?,
        headers: streams::headers(&fields)?,
        method: fields.optional_text("method").unwrap_or(GirderJob::METHOD).to_owned(),
    })
}

/// A path in a volume.
pub(in crate::spec) fn volume_path(
    node: &Node,
    volumes: &mut Volumes,
) -> Result<VolumePath, Fault> {
    let fields = Fields::of(node);
    let filename = fields.text("filename")?.to_owned();
    let volume = volumes.referenced(fields.get("volume"))?;
    Ok(VolumePath { filename, volume })
}

/// A path in a volume that we read.
fn result_path(node: &Node, volumes: &mut Volumes) -> Result<VolumePath, Fault> {
    let path = volume_path(node, volumes)?;
    let what = format!("the upload of `{}`", shortened(&path.filename));
    volumes.on_host(path.volume, node.at, what)?;
    Ok(path)
}

fn metadata(fields: &Fields<'_>, volumes: &mut Volumes) -> Result<Metadata, Fault> {
    let node = fields.need("metadata")?;
    if Fields::of(node).type_name() == VOLUME_PATH.name {
        return Ok(Metadata::File(result_path(node, volumes)?));
    }
    Ok(Metadata::Values(values(node)))
}

fn upload_options(fields: &Fields<'_>) -> UploadOptions {
    let kwargs = fields.get("upload_kwargs").map(Fields::of);
    let text = |name| kwargs.and_then(|kwargs| kwargs.optional_text(name)).map(str::to_owned);
    UploadOptions {
        delete_file: flag(fields, "delete_file", false),
        upload_on_exception: flag(fields, "upload_on_exception", false),
        must_exist: flag(fields, "must_exist", true),
        reference: text("reference"),
        mime_type: text("mimeType"),
    }
}

fn flag(fields: &Fields<'_>, name: &str, default: bool) -> bool {
    fields.get(name).and_then(Node::as_bool).unwrap_or(default)
}

/// The members of an object as serde_json has them.
fn values(node: &Node) -> Map<String, Json> {
    Fields::of(node).iter().map(|(name, value)| (name.to_owned(), json(value))).collect()
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        // The check has seen that a float can hold it.
        Value::Number(digits) => digits.parse::<Number>().map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text.clone()),
        Value::Array(items) => Json::Array(items.iter().map(json).collect()),
        Value::Object(_) => Json::Object(values(node)),
    }
}
