//! What is mounted into a container, and how transforms point into it.

use std::path::PathBuf;

/// A volume of a job: the default temporary one, or one of
/// [`JobSpec::volumes`](super::JobSpec::volumes). It says something only to the job that it is of,
/// see [`JobSpec::volume`](super::JobSpec::volume).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeRef(Option<usize>);

impl VolumeRef {
    /// The default temporary volume, which a run has if anything in its job names it.
    pub const DEFAULT: Self = Self(None);

    pub(super) fn at(index: usize) -> Self {
        Self(Some(index))
    }

    /// An index into [`JobSpec::volumes`](super::JobSpec::volumes); `None` for the default one.
    pub fn listed(self) -> Option<usize> {
        self.0
    }
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
#[non_exhaustive]
pub struct BindMount {
    /// The absolute path on the host, or the name of an engine's volume: none of one that the engine
    /// makes anew. No colon, no NUL.
    pub host_path: String,
    /// The absolute path in the container, as it was written: it may end in a slash, and it is what
    /// an argument becomes. No colon, no NUL, no `..`, not the root.
    pub container_path: String,
    /// docker's mode: `rw`, `ro`, with options behind commas (`ro,z`).
    pub mode: String,
}

impl BindMount {
    /// The name of a volume that the engine makes anew.
    pub(super) const ANONYMOUS: &str = "";

    /// Whether the engine makes a volume of its own, which goes with the container.
    pub(super) fn is_anonymous(&self) -> bool {
        self.host_path == Self::ANONYMOUS
    }

    /// Whether `host_path` is the name of an engine's volume: then there is no folder of the host
    /// that we could open.
    pub fn is_named_volume(&self) -> bool {
        !self.host_path.starts_with('/')
    }
}

/// A temporary volume that is not the default one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemporaryVolume {
    /// What other transforms call it by.
    pub name: Option<String>,
    /// The absolute path of the folder in which the directory is made. Default: `TMPDIR`.
    pub host_dir: Option<PathBuf>,
    /// The permissions of `host_dir` if it has to be made.
    pub mode: u32,
}

impl TemporaryVolume {
    /// The permissions of `host_dir` when the job does not say: everybody's, as Girder Worker's.
    pub const DEFAULT_MODE: u32 = 0o777;
}

/// A file or folder in a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VolumePath {
    /// Relative, without `..`, as it was written (`out/` keeps its slash).
    pub filename: String,
    /// The volume that it is in.
    pub volume: VolumeRef,
}
