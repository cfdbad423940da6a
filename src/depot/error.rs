//! What goes wrong with a depot as a whole. What goes wrong with one request is told to who made it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A depot cannot be opened, or cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DepotError {
    /// The folder, or its very list of entries, cannot be read.
    #[error("cannot serve the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What was named is no folder.
    #[error("cannot serve {}: it is a file, and a depot serves a folder: {} has it", path.display(), folder.display())]
    File {
        /// What was named.
        path: PathBuf,
        /// The folder that it is in.
        folder: PathBuf,
    },
    /// There are more files and folders than an index may hold.
    #[error("cannot serve the folder {}: it holds more than {limit} files and folders", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Two paths give one id.
    #[error("cannot serve {} and {} in one folder: both have the id {id}", first.display(), second.display())]
    Collision {
        /// The id.
        id: String,
        /// One path.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The listening socket cannot be waited for.
    #[error("cannot wait for connections")]
    Wait {
        /// Why.
        source: io::Error,
    },
}
