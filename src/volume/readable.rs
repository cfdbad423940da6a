//! Whether we may read what a container has written.

use std::io;
use std::path::Path;

use super::written::{Written, find_written};

/// Whether all that is at `inside` in the volume `root` can be read by us. What is not there can, and so
/// can what a link would lead to: nobody follows it.
pub(crate) fn is_readable(root: &Path, inside: &str) -> bool {
    match find_written(root, inside) {
        Ok(found) => found.is_none_or(|found| is_all(found, MAX_DEPTH)),
        Err(error) => !error.is_refused(),
    }
}

fn is_all(found: Written, depth: usize) -> bool {
    match found {
        Written::File(file) => !is_refusal(&file.open()),
        Written::Folder(folder) if depth > 0 => match folder.names() {
            Ok(names) => names.iter().all(|name| match folder.entry(name) {
                Ok(entry) => entry.is_none_or(|entry| is_all(entry, depth - 1)),
                refused => !is_refusal(&refused),
            }),
            refused => !is_refusal(&refused),
        },
        Written::Folder(_) | Written::Other(_) => true,
    }
}

fn is_refusal<T>(outcome: &io::Result<T>) -> bool {
    let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    outcome.as_ref().is_err_and(is_denied)
}

/// Folders inside each other; an upload takes no more.
const MAX_DEPTH: usize = 256;
