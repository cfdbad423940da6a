//! A file that is to be downloaded, and what its store knows it by.

use std::path::PathBuf;

use crate::http::Get;

/// A file that is to be downloaded.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Its place in the plan.
    pub(super) download: usize,
    pub(super) origin: Origin,
    /// Its path in the volume.
    pub(super) inside: PathBuf,
    pub(super) size: Option<u64>,
    pub(super) sha512: Option<String>,
    pub(super) get: Get,
}

/// What Girder knows it by.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    File {
        id: String,
        name: String,
    },
    /// The only file of an item, whose own id nobody has told.
    Item {
        id: String,
        name: String,
    },
}

impl Origin {
    /// What it is for people.
    pub(super) fn label(&self) -> String {
        match self {
            Self::File { id, name } => format!("the file {id} ({name:?}) of Girder"),
            Self::Item { id, name } => format!("the file of the item {id} ({name:?}) of Girder"),
        }
    }

    /// What events and the report call it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::File { id, .. } => format!("girder:{id}"),
            Self::Item { id, .. } => format!("girder:item/{id}"),
        }
    }

    /// The file's, and that of the item where the file's is not known.
    pub(super) fn into_ids(self) -> (Option<String>, Option<String>) {
        match self {
            Self::File { id, .. } => (Some(id), None),
            Self::Item { id, .. } => (None, Some(id)),
        }
    }
}
