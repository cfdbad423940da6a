//! What is fetched from Girder into a volume before the container starts.

use std::path::PathBuf;

use super::volume::VolumeRef;

/// A file, an item or a folder of Girder that is downloaded into a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Download {
    /// What is downloaded.
    pub what: Downloaded,
    /// Where it is put; never an engine's named volume.
    pub volume: VolumeRef,
}

/// What is downloaded. Ids are letters, digits, `-` and `_`, so that they are safe in a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Downloaded {
    /// One file (`GirderFileIdToVolume`). As an argument it becomes the file's path.
    File {
        /// The file's id.
        id: String,
        /// Its path in the volume: one or more ordinary components. Default: `<id>/<name>`, with
        /// the name that it has in Girder.
        filename: Option<String>,
        /// A path that the file may have on this host: mounted, read-only, instead of a download
        /// if it can be read here (`DirectGirderFileIdToVolume`).
        direct: Option<PathBuf>,
    },
    /// All files of an item (`GirderItemIdToVolume`). As an argument it becomes their folder.
    Item {
        /// The item's id.
        id: String,
    },
    /// A folder with all that is in it (`GirderFolderIdToVolume`). As an argument it becomes the
    /// folder.
    Folder {
        /// The folder's id.
        id: String,
        /// What it is called, under `<id>/` in the volume: one or more ordinary components.
        /// Default: the name that it has in Girder.
        folder_name: Option<String>,
    },
}

impl Downloaded {
    /// Whether this host may have it.
    pub(crate) fn may_be_here(&self) -> bool {
        matches!(self, Self::File { direct: Some(_), .. })
    }

    /// The path in the volume, where the job names it: no two files can be there.
    pub(crate) fn named_path(&self) -> Option<&str> {
        match self {
            Self::File { filename, .. } => filename.as_deref(),
            _ => None,
        }
    }
}
