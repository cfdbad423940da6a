//! Metadata for an item: literal, or a JSON object that the container wrote.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::{HookError, Session};
use crate::spec::Metadata;
use crate::volume::{Written, find_written};

impl Session {
    /// Merges the values into those that the item has.
    pub(super) fn merge(
        &self,
        root: &Path,
        item: &str,
        metadata: &Metadata,
    ) -> Result<(), HookError> {
        let merge = |values| self.ask(("item", item), |store| store.merge_metadata(item, values));
        match metadata {
            Metadata::Values(values) => merge(values),
            Metadata::File(path) => merge(&read_object(root, &path.filename)?),
        }
    }
}

fn read_object(root: &Path, path: &str) -> Result<Map<String, Value>, HookError> {
    let named = || path.to_owned();
    let not = |reason: String| HookError::NotMetadata { path: named(), reason };
    let found =
        find_written(root, path).map_err(|source| HookError::Volume { path: named(), source })?;
    let file = match found {
        None => return Err(HookError::Missing { path: named() }),
        Some(Written::File(file)) => file,
        Some(Written::Folder(_)) => return Err(not("it is a folder".to_owned())),
        Some(Written::Other(what)) => return Err(not(format!("it is {what}"))),
    };
    let failed = |source| HookError::Read { path: named(), source };
    let mut text = Vec::new();
    file.open().map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(not(format!("it has more than {MAX_BYTES} bytes")));
    }
    match serde_json::from_slice(&text) {
        Ok(Value::Object(values)) => Ok(values),
        Ok(_) => Err(not("it is no JSON object".to_owned())),
        Err(error) => Err(not(format!("it is no JSON: {error}"))),
    }
}

/// Bytes of metadata: a document of Girder's database has room for 16 MiB, and needs some itself.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
