//! What is streamed: FIFOs, and the sources and sinks that a `Connect` joins.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::secret::{HttpUrl, Secret};
use super::volume::VolumeRef;

/// One source joined to one sink. At least one end is the container's: a FIFO, or its standard
/// output or error.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    /// Where the bytes come from.
    pub source: Source,
    /// Where they go.
    pub sink: Sink,
}

impl Connect {
    /// The FIFO whose path this is as an argument: the sink's, or else the source's.
    pub fn fifo(&self) -> Option<&Fifo> {
        match (&self.source, &self.sink) {
            (_, Sink::Fifo(fifo)) | (Source::Fifo(fifo), _) => Some(fifo),
            _ => None,
        }
    }
}

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// A Girder file, by its id (`GirderFileIdToStream`).
    GirderFile {
        /// The file's id: letters, digits, `-` and `_`, so that it is safe in a path.
        id: String,
    },
    /// An HTTP GET (`UrlToStream`).
    Url {
        /// `http://` or `https://`.
        url: HttpUrl,
        /// Sent with the request; not to another host after a redirect.
        headers: BTreeMap<String, Secret>,
    },
    /// A file of the host (`HostFileToStream`).
    HostFile {
        /// Its path; a relative one starts at the working directory of the process.
        path: PathBuf,
    },
    /// A FIFO that the container writes (`NamedOutputPipe`).
    Fifo(Fifo),
    /// The container's standard output (`ContainerStdOut`).
    ContainerStdOut,
    /// The container's standard error (`ContainerStdErr`).
    ContainerStdErr,
}

/// Where bytes go.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Sink {
    /// A FIFO that the container reads (`NamedInputPipe`).
    Fifo(Fifo),
    /// Our own standard output (`HostStdOut`).
    HostStdOut,
    /// Our own standard error (`HostStdErr`).
    HostStdErr,
    /// A file of the host, which appears under its name when it is whole (`HostFile`).
    HostFile {
        /// Its path; a relative one starts at the working directory of the process.
        path: PathBuf,
    },
    /// An HTTP POST whose body is sent in chunks as it comes (`ChunkedTransferEncodingStream`).
    ChunkedPost {
        /// `http://` or `https://`.
        url: HttpUrl,
        /// Sent with the request.
        headers: BTreeMap<String, Secret>,
    },
    /// A new file in an item of Girder (`GirderStreamToItem`), if the container succeeds.
    GirderItem {
        /// The item's id: letters, digits, `-` and `_`.
        item_id: String,
        /// The file's name.
        name: String,
        /// Its size in bytes, if it is known beforehand; another one fails the run.
        size: Option<u64>,
    },
}

/// A named pipe between the host and the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifo {
    /// Its file name: one or more ordinary components, relative, without `.` and `..`.
    pub name: String,
    /// Where it is made.
    pub place: FifoPlace,
    /// Which way the bytes go.
    pub direction: Direction,
}

impl Fifo {
    /// The name of a `ProgressPipe` that does not say another.
    pub const PROGRESS: &str = ".girder_progress";
}

/// Where a FIFO is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FifoPlace {
    /// In a volume; never an engine's named one.
    Volume(VolumeRef),
    /// In a pair of folders that the user says are the same one.
    Paths {
        /// The folder in the container: absolute, without `..`.
        container_path: String,
        /// The folder on the host: absolute.
        host_path: PathBuf,
    },
}

/// Which way the bytes of a FIFO go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// Into the container (`NamedInputPipe`).
    Input,
    /// Out of the container (`NamedOutputPipe`).
    Output,
}
