//! Why something could not be done with a result.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::store::StoreError;
use crate::volume::VolumeError;

/// A result that did not come to where it belongs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HookError {
    /// The container did not write it.
    #[error("there is no {path:?} to upload in the volume: the container did not write it")]
    Missing {
        /// Its path in the volume.
        path: String,
    },
    /// It is nothing that could be uploaded.
    #[error("cannot upload {path:?}: it is {what}")]
    NotAFile {
        /// Its path in the volume.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// It cannot be found, or not removed.
    #[error("cannot use {path:?} of the volume")]
    Volume {
        /// Its path in the volume.
        path: String,
        /// Why not.
        source: VolumeError,
    },
    /// It cannot be read.
    #[error("cannot read {path:?} of the volume")]
    Read {
        /// Its path in the volume.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// It became shorter while it was uploaded.
    #[error("{path:?} changed while it was uploaded: it had {size} bytes, and ends after {found}")]
    Shorter {
        /// Its path in the volume.
        path: String,
        /// Bytes that it had.
        size: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// It was written to while it was uploaded: pages that were on their way may be the old ones or the new ones.
    #[error("{path:?} changed while it was uploaded{}", in_girder(stays.as_deref()))]
    Changed {
        /// Its path in the volume.
        path: String,
        /// The file of Girder's that has what came of it, if that is not removed.
        stays: Option<String>,
    },
    /// What a container writes into a file has fewer bytes than it was to have.
    #[error("{path:?} was to have {size} bytes, and ends after {found}")]
    Short {
        /// The file's name.
        path: String,
        /// Bytes that it was to have.
        size: u64,
        /// Bytes that came.
        found: u64,
    },
    /// What a container writes into a file has more bytes than it was to have.
    #[error("{path:?} was to have {size} bytes, and more come")]
    Longer {
        /// The file's name.
        path: String,
        /// Bytes that it was to have.
        size: u64,
    },
    /// What a container is to write into has no pipe, or no thread that reads it.
    #[error("cannot make ready what the file is written into")]
    Prepare {
        /// What the kernel said.
        source: io::Error,
    },
    /// What a container writes into a file cannot be kept until it is sent.
    #[error("cannot keep a part of the file until it is uploaded")]
    Gather {
        /// What the kernel said.
        source: io::Error,
    },
    /// A request broke off while the container wrote, and the beginning of the file is kept nowhere.
    #[error(
        "cannot upload {path:?}: a request broke off halfway, and the {sent} bytes before it cannot \
         be sent again"
    )]
    Interrupted {
        /// The file's name.
        path: String,
        /// Bytes that Girder had.
        sent: u64,
    },
    /// Girder does not take the file.
    #[error("cannot upload {path:?}: {missing} of its {size} bytes are missing in Girder")]
    Upload {
        /// Its path in the volume.
        path: String,
        /// Bytes that it has.
        size: u64,
        /// Bytes that Girder does not have.
        missing: u64,
        /// Why not.
        source: Box<StoreError>,
    },
    /// Girder cannot be asked for what a hook needs.
    #[error("cannot use the {target} of Girder")]
    Target {
        /// What is uploaded to.
        target: String,
        /// Why not.
        source: Box<StoreError>,
    },
    /// What the container wrote is no metadata.
    #[error("{path:?} is no metadata: {reason}")]
    NotMetadata {
        /// Its path in the volume.
        path: String,
        /// Why not.
        reason: String,
    },
    /// More than can be meant.
    #[error("{path:?} has folders inside each other beyond {limit}")]
    TooDeep {
        /// The path in the volume.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// The run was cancelled.
    #[error("the upload of {path:?} was cancelled")]
    Cancelled {
        /// Its path in the volume.
        path: String,
    },
}

impl HookError {
    /// Girder refuses what a hook needs: its item, its folder.
    pub(super) fn target(kind: &str, id: &str, error: StoreError) -> Self {
        Self::Target { target: format!("{kind} {id}"), source: Box::new(error) }
    }
}

fn in_girder(file: Option<&str>) -> String {
    let told = |file| format!("; Girder's file {file} is neither the old content nor the new one");
    file.map(told).unwrap_or_default()
}

/// Why a request of an upload came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    stopped: Option<Stopped>,
    error: StoreError,
}

/// Why a part was not read to its end.
#[derive(Debug)]
pub(super) enum Stopped {
    Cancelled,
    /// It ends after so many bytes.
    Shorter(u64),
    Unreadable(io::Error),
}

impl Failure {
    /// `stopped` says why the body was not read to its end, if that is so.
    pub(super) fn new(stopped: Option<Stopped>, error: StoreError) -> Self {
        Self { stopped, error }
    }

    /// The server at that address does what makes no sense.
    pub(super) fn of_protocol(server: &str, reason: &str) -> Self {
        let (server, reason) = (server.to_owned(), reason.to_owned());
        Self::new(None, StoreError::Protocol { server, reason })
    }

    /// Whether the same request may well succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        self.stopped.is_none() && self.error.is_transient()
    }

    /// How long the server wants to be left alone, if it says so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.error.retry_after()
    }

    /// The next request was not waited for.
    pub(super) fn and_cancelled(self) -> Self {
        Self { stopped: Some(Stopped::Cancelled), ..self }
    }

    /// What it means for a file, of whose `size` bytes so many are `missing`.
    pub(super) fn of_file(self, path: String, size: u64, missing: u64) -> HookError {
        match self.stopped {
            Some(Stopped::Cancelled) => HookError::Cancelled { path },
            Some(Stopped::Shorter(found)) => HookError::Shorter { path, size, found },
            Some(Stopped::Unreadable(source)) => HookError::Read { path, source },
            None => HookError::Upload { path, size, missing, source: Box::new(self.error) },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(None, error)
    }
}
