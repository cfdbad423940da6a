//! Why something cannot be made or removed on the host.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Something of a volume cannot be made or removed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// A temporary directory cannot be made.
    #[error("cannot make a temporary directory in {}", folder.display())]
    MakeDirectory {
        /// Where it was to be.
        folder: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What is to be made cannot be written down, and is not made.
    #[error(
        "cannot write down in {} what this run makes, for `gantline prune` should the run be killed",
        folder.display()
    )]
    Record {
        /// The folder of the record.
        folder: PathBuf,
        /// What the kernel said: `ENOSPC` when the disk is full.
        source: io::Error,
    },
    /// A temporary directory, or something that a container wrote, stays.
    #[error("cannot remove {}", path.display())]
    Remove {
        /// What stays.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The folder that is to hold a FIFO cannot be opened.
    #[error("cannot open the folder {}{} for the FIFO {name}", folder.display(), must_be_there(source))]
    OpenFolder {
        /// The folder.
        folder: PathBuf,
        /// The FIFO's name in it.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A FIFO cannot be made.
    #[error("cannot make the FIFO {}{}", path.display(), has_its_name(source))]
    MakeFifo {
        /// Its path.
        path: PathBuf,
        /// What the kernel said: `EEXIST` when something else has its name.
        source: io::Error,
    },
    /// A folder for files cannot be made.
    #[error("cannot make the folder {}", folder.display())]
    MakeFolder {
        /// The folder.
        folder: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The folder that is to hold a file cannot be opened.
    #[error("cannot open the folder {}", folder.display())]
    OpenPlace {
        /// The folder.
        folder: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What the container wrote cannot be looked at.
    #[error("cannot look at {}", path.display())]
    Find {
        /// Where it was to be.
        path: PathBuf,
        /// What the kernel said: `ELOOP` when a link is on the way.
        source: io::Error,
    },
    /// A file cannot be made.
    #[error("cannot make the file {}", path.display())]
    MakeFile {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file that is whole does not get its name.
    #[error("cannot put the file {} into its place", path.display())]
    KeepFile {
        /// Its path.
        path: PathBuf,
        /// What the kernel said: `EISDIR` when a folder has its name.
        source: io::Error,
    },
    /// A file that is not whole stays.
    #[error("cannot remove the unfinished file {}", path.display())]
    RemoveFile {
        /// Its temporary name.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A FIFO that we made stays.
    #[error("cannot remove the FIFO {}", path.display())]
    RemoveFifo {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Nobody makes it.
fn must_be_there(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::NotFound {
        ", which must be there before the run,"
    } else {
        ""
    }
}

/// Nobody else makes a FIFO there.
fn has_its_name(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::AlreadyExists {
        ", whose name is taken (what a killed run has left, `gantline prune` removes)"
    } else {
        ""
    }
}

impl VolumeError {
    /// Whether what is made in this folder cannot be made.
    #[cfg(feature = "command")]
    pub(crate) fn is_of_folder(&self, temporary: &Path) -> bool {
        let (Self::MakeDirectory { folder: path, .. }
        | Self::MakeFolder { folder: path, .. }
        | Self::OpenPlace { folder: path, .. }
        | Self::Remove { path, .. }
        | Self::MakeFifo { path, .. }
        | Self::Find { path, .. }
        | Self::MakeFile { path, .. }
        | Self::KeepFile { path, .. }
        | Self::RemoveFile { path, .. }
        | Self::RemoveFifo { path, .. }) = self
        else {
            // What was made is opened: its FIFO's name has a folder that nobody has made.
            return false;
        };
        path.starts_with(temporary)
    }

    /// Where something is mounted that stands in the way.
    pub(crate) fn mounted(&self) -> Option<&Path> {
        match self {
            Self::Remove { path, source } | Self::Find { path, source }
                if source.kind() == io::ErrorKind::CrossesDevices =>
            {
                Some(path)
            }
            _ => None,
        }
    }

    /// Whether we may not do what was to be done.
    pub(crate) fn is_refused(&self) -> bool {
        let (Self::MakeDirectory { source, .. }
        | Self::Record { source, .. }
        | Self::MakeFolder { source, .. }
        | Self::Remove { source, .. }
        | Self::OpenFolder { source, .. }
        | Self::MakeFifo { source, .. }
        | Self::OpenPlace { source, .. }
        | Self::Find { source, .. }
        | Self::MakeFile { source, .. }
        | Self::KeepFile { source, .. }
        | Self::RemoveFile { source, .. }
        | Self::RemoveFifo { source, .. }) = self;
        source.kind() == io::ErrorKind::PermissionDenied
    }
}
