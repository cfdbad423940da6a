//! What is done with results when the container has exited.

use serde_json::{Map, Value};

use super::volume::VolumePath;

/// One thing that is done with results. Ids are letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Hook {
    /// Uploads a file, or the files directly in a folder, to an item
    /// (`GirderUploadVolumePathToItem`).
    UploadToItem {
        /// The file or folder.
        path: VolumePath,
        /// The item's id.
        item_id: String,
        /// How.
        options: UploadOptions,
    },
    /// Uploads a file, or a folder with all that is in it, to a folder
    /// (`GirderUploadVolumePathToFolder`).
    UploadToFolder {
        /// The file or folder.
        path: VolumePath,
        /// The folder's id.
        folder_id: String,
        /// How.
        options: UploadOptions,
    },
    /// Attaches a file, or the files directly in a folder, to the job in Girder; nothing if there
    /// is none (`GirderUploadVolumePathJobArtifact`).
    JobArtifact {
        /// The file or folder.
        path: VolumePath,
        /// The job's id. Default: the job of [`JobSpec::girder_job`](super::JobSpec::girder_job).
        job_id: Option<String>,
        /// What a single file is called. Default: its own name.
        name: Option<String>,
        /// Whether this is also done after a run that failed or was cancelled.
        upload_on_exception: bool,
    },
    /// Merges values into an item's metadata (`GirderItemMetadata`).
    ItemMetadata {
        /// The item's id.
        item_id: String,
        /// The values.
        metadata: Metadata,
    },
}

impl Hook {
    /// The file or folder of a volume that this hook reads, if it reads one.
    pub fn path(&self) -> Option<&VolumePath> {
        match self {
            Self::UploadToItem { path, .. }
            | Self::UploadToFolder { path, .. }
            | Self::JobArtifact { path, .. }
            | Self::ItemMetadata { metadata: Metadata::File(path), .. } => Some(path),
            Self::ItemMetadata { metadata: Metadata::Values(_), .. } => None,
        }
    }
}

/// How something is uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadOptions {
    /// Deletes what was uploaded. Default: false.
    pub delete_file: bool,
    /// Uploads also after a run that failed or was cancelled. Default: false.
    pub upload_on_exception: bool,
    /// Whether it is an error if there is nothing to upload. Default: true.
    pub must_exist: bool,
    /// Handed to Girder's event handlers as it is.
    pub reference: Option<String>,
    /// The type of every file that is uploaded. Default: guessed by its name.
    pub mime_type: Option<String>,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self {
            delete_file: false,
            upload_on_exception: false,
            must_exist: true,
            reference: None,
            mime_type: None,
        }
    }
}

/// What is merged into an item's metadata.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Metadata {
    /// These values.
    Values(Map<String, Value>),
    /// The JSON object in a file that the container wrote.
    File(VolumePath),
}
