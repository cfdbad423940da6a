//! What is fetched from Girder into a volume before the container starts.

use std::fmt;
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

/// What is downloaded. Ids are letters, digits, `-` and `_`, so that they are safe in a path. Displayed as
/// reports call it.
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

    /// What an argument becomes, inside the volume. A name that the job does not say is known when the
    /// store was asked; until then [`NAME_IN_GIRDER`] stands for it.
    pub(crate) fn told_path(&self) -> String {
        match self {
            Self::File { filename: Some(filename), .. } => filename.clone(),
            Self::File { id, .. } | Self::Item { id } => format!("{id}/{NAME_IN_GIRDER}"),
            Self::Folder { id, folder_name } => {
                format!("{id}/{}", folder_name.as_deref().unwrap_or(NAME_IN_GIRDER))
            }
        }
    }

    /// The path in the volume, where the job names it: no two files can be there.
    pub(crate) fn named_path(&self) -> Option<&str> {
        match self {
            Self::File { filename, .. } => filename.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Downloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { id, direct: Some(path), .. } => {
                write!(f, "girder:{id} (or {}, if it can be mounted)", path.display())
            }
            Self::File { id, .. } | Self::Item { id } | Self::Folder { id, .. } => {
                write!(f, "girder:{id}")
            }
        }
    }
}

/// Stands for a name that only Girder knows.
const NAME_IN_GIRDER: &str = "<name in Girder>";
