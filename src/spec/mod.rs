//! What a job is: data, no I/O, no clock.
//!
//! A [`JobSpec`] is parsed once, by [`JobSpec::from_json`], into types that cannot be wrong: every
//! volume that is named exists, every `Connect` joins one source to one sink, every path inside a
//! volume is relative and stays in it. Nothing behind this module looks at the job document again,
//! and nothing in it knows which form the job arrived in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// One job: an image, what it is given, and where its results go.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobSpec {
    /// The image reference, as `docker run` takes it.
    pub image: String,
    /// Whether the image is pulled first. Default: [`PullPolicy::Always`], as `docker_run`'s.
    pub pull: PullPolicy,
    /// Replaces the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// What the container's command is given, in order.
    pub container_args: Vec<Argument>,
    /// Every volume but the default temporary one, in the order in which they were first named:
    /// those of `volumes`, then those that only a transform holds.
    pub volumes: Vec<Volume>,
    /// Removes the container when the run is over. Default: true.
    pub remove_container: bool,
    /// Streams beside those in `container_args`.
    pub stream_connectors: Vec<Connect>,
    /// The Girder server of the job's files, when the document names one.
    pub girder_api_url: Option<String>,
    /// The token for it.
    pub girder_client_token: Option<Secret>,
}

/// When the image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PullPolicy {
    /// Before every run (`true`).
    #[default]
    Always,
    /// Never (`false`): an image that is not there fails the run.
    Never,
    /// Only when the engine does not have it (`"if-not-present"`).
    IfNotPresent,
}

/// One argument of the container's command.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Argument {
    /// Passed as it is. Numbers were made strings as Python's `str` does.
    Literal(String),
    /// Becomes the path in the container at which the volume is mounted.
    Volume(VolumeRef),
    /// Becomes the path of a file or folder in a volume.
    VolumePath(VolumePath),
    /// Becomes the path of the FIFO; nothing is streamed.
    Fifo(Fifo),
    /// Becomes the path of the FIFO in it (an empty string without one), and streams.
    Connect(Box<Connect>),
}

/// A volume of the job, by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VolumeRef {
    /// The default temporary volume, which every run has.
    Default,
    /// An index into [`JobSpec::volumes`].
    Listed(usize),
}

/// Something that is mounted into the container.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Volume {
    /// A folder or file of the host, or an engine's named volume.
    Bind(BindMount),
    /// A new directory, mounted under `/mnt/girder_worker/<uuid>` and removed after the run.
    Temporary(TemporaryVolume),
}

/// A bind mount, in docker's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// The path on the host, or the name of an engine's volume.
    pub host_path: String,
    /// The absolute path in the container.
    pub container_path: String,
    /// docker's mode: `rw`, `ro`, with options behind commas (`ro,z`).
    pub mode: String,
}

/// A temporary volume that is not the default one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryVolume {
    /// What other transforms call it by.
    pub name: Option<String>,
    /// Where the directory is made. Default: `TMPDIR`.
    pub host_dir: Option<PathBuf>,
    /// The permissions of `host_dir` if it has to be made.
    pub mode: u32,
}

/// A file or folder in a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePath {
    /// Relative, without `..`.
    pub filename: String,
    /// The volume that it is in.
    pub volume: VolumeRef,
}

/// A named pipe between the host and the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fifo {
    /// Its file name: relative, without `..`.
    pub name: String,
    /// Where it is made.
    pub place: FifoPlace,
    /// Which way the bytes go.
    pub direction: Direction,
}

/// Where a FIFO is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FifoPlace {
    /// In a volume.
    Volume(VolumeRef),
    /// In a pair of folders that the user says are the same one.
    Paths {
        /// The folder in the container.
        container_path: String,
        /// The folder on the host.
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

/// One source joined to one sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Connect {
    /// Where the bytes come from.
    pub source: Source,
    /// Where they go.
    pub sink: Sink,
}

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// A Girder file, by its id (`GirderFileIdToStream`).
    GirderFile {
        /// The file's id.
        id: String,
    },
    /// An HTTP GET (`UrlToStream`).
    Url {
        /// `http://` or `https://`.
        url: String,
        /// Sent with the request; not to another host after a redirect.
        headers: BTreeMap<String, Secret>,
    },
    /// A file of the host (`HostFileToStream`).
    HostFile {
        /// Its path.
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
        /// Its path.
        path: PathBuf,
    },
}

/// A token or a header's value: it is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the request that it belongs in.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
