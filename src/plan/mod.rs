//! What a job will do, before anything is done: mounts, arguments, FIFOs, transfers.
//!
//! Pure: no I/O, no clock, no randomness; the names of temporary volumes come in. What only a plan
//! can tell (two transfers into one FIFO, a FIFO in a volume that the host cannot see) is refused
//! here, so that `gantline check` finds it without an engine.

mod argument;
mod fast_stdout;
mod girder;
pub(crate) mod planner;
mod room;
mod warnings;

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

pub(crate) use self::argument::{PlannedArgument, Resolved};
pub(crate) use self::fast_stdout::{FastStdout, OPENER};
use self::planner::Planner;
use crate::spec::{
    Connect, ContainerOptions, Direction, Downloaded, GirderJob, Hook, JobSpec, PullPolicy, Sink,
    Source, Verify,
};
use crate::volume::{Bind, ContainerPath, HostPath, PathError, RelativePath};

/// What one run of a job will mount, pass and move.
#[derive(Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The image reference.
    pub(crate) image: String,
    /// Whether it is pulled.
    pub(crate) pull: PullPolicy,
    /// What downloads are held against, if the job says so.
    pub(crate) verify: Option<Verify>,
    /// Replaces the image's entrypoint.
    pub(crate) entrypoint: Option<Vec<String>>,
    /// What has the container write its output into FIFOs, if the job wants that.
    pub(crate) fast_stdout: Option<FastStdout>,
    /// The container's command.
    pub(crate) arguments: Vec<PlannedArgument>,
    /// The job in Girder that is told what happens.
    pub(crate) girder_job: Option<GirderJob>,
    /// [`JobSpec::volumes`] in their order; behind them the default temporary volume, if anything names it.
    pub(crate) mounts: Vec<Mount>,
    /// What is put into volumes before the container starts; each once.
    pub(crate) downloads: Vec<PlannedDownload>,
    /// Every FIFO that is made.
    pub(crate) fifos: Vec<PlannedFifo>,
    /// Those of the arguments, those of `stream_connectors`, then the container's own streams.
    pub(crate) transfers: Vec<PlannedTransfer>,
    /// What is done with results, in this order.
    pub(crate) hooks: Vec<PlannedHook>,
    /// Whether the container goes when the run is over.
    pub(crate) remove_container: bool,
    /// docker-py's keywords.
    pub(crate) container: ContainerOptions,
    /// What the user should know and that fails nothing.
    pub(crate) warnings: Vec<String>,
}

impl Plan {
    /// Whether the container's own output goes somewhere as data, and the container goes as well.
    /// The engine writes all of it into its log, too, which takes a hundred times what moving it
    /// takes, on a disk that it may fill; and nobody could read that log after the run.
    pub(crate) fn output_is_data(&self) -> bool {
        let is_data = |transfer: &PlannedTransfer| {
            transfer.source.is_container_stream() && !transfer.sink.is_our_stream()
        };
        self.remove_container && self.transfers.iter().any(is_data)
    }

    /// Plans a job. `name` is called once for each temporary volume, for a name that no other has.
    ///
    /// # Errors
    /// [`PlanError`]: the job cannot work as it is written.
    pub fn new(job: &JobSpec, mut name: impl FnMut() -> String) -> Result<Self, PlanError> {
        let plan = Planner::new(job, &mut name)?.plan(&mut name)?;
        plan.refuse_too_long(&plan.resolve(&Resolved::default()))?;
        Ok(plan)
    }

    /// The container's command, as it will be passed; `<Girder API URL>` and `<Girder token>` stand where the
    /// address of a Girder server and a token for it will be.
    pub fn arguments(&self) -> Vec<String> {
        self.resolve(&Resolved::placeholders())
    }

    /// The container's command, with what the run has found out.
    pub(crate) fn resolve(&self, resolved: &Resolved) -> Vec<String> {
        self.arguments.iter().map(|argument| argument.resolve(resolved)).collect()
    }

    /// The mounts of what is there already, as docker's bind strings. Beside them a run mounts the
    /// temporary volumes that it makes.
    pub fn binds(&self) -> Vec<String> {
        let bind = |mount: &Mount| match mount {
            Mount::Bind { bind, .. } => Some(bind.to_string()),
            Mount::Temporary { .. } => None,
        };
        self.mounts.iter().filter_map(bind).collect()
    }

    /// What will be moved: `<source> → <sink>`, as the report calls them.
    pub fn transfers(&self) -> Vec<String> {
        self.transfers.iter().map(PlannedTransfer::to_string).collect()
    }

    /// What will be downloaded into volumes: `girder:<id> → <path in the container>`.
    pub fn downloads(&self) -> Vec<String> {
        self.downloads.iter().map(PlannedDownload::to_string).collect()
    }

    /// What will be done with results: the hook's name, and where it leads.
    pub fn hooks(&self) -> Vec<String> {
        self.hooks.iter().map(PlannedHook::label).collect()
    }

    /// What the user should know and that fails nothing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether anything comes from Girder, or goes there.
    pub(crate) fn needs_girder(&self) -> bool {
        !self.downloads.is_empty()
            || self.arguments.iter().any(PlannedArgument::names_girder)
            || !self.hooks.is_empty()
            || self.transfers.iter().any(|t| {
                matches!(t.source, Source::GirderFile { .. })
                    || matches!(t.sink, Sink::GirderItem { .. })
            })
    }
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mount {
    /// Something that is there already.
    Bind { bind: Bind, host_path: String, target: ContainerPath },
    /// A directory that is made for the run; `access` is a bind string's, `rw` or `ro`.
    Temporary { host_dir: Option<PathBuf>, mode: u32, access: &'static str, target: ContainerPath },
}

impl Mount {
    pub(crate) fn target(&self) -> &ContainerPath {
        match self {
            Self::Bind { target, .. } | Self::Temporary { target, .. } => target,
        }
    }
}

/// One download into a volume. Displayed as `girder:<id> → <path in the container>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedDownload {
    pub(crate) what: Downloaded,
    /// An index into [`Plan::mounts`].
    pub(crate) mount: usize,
    pub(crate) target: ContainerPath,
    /// Its path in the container, as far as it can be told without Girder.
    pub(crate) told: String,
}

impl fmt::Display for PlannedDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.what, self.told)
    }
}

/// One result hook.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedHook {
    pub(crate) hook: Hook,
    /// The volume that it reads, if it reads one: an index into [`Plan::mounts`].
    pub(crate) mount: Option<usize>,
    /// The job in Girder, of an artifact.
    pub(crate) job_id: Option<String>,
}

impl PlannedHook {
    /// Whether it is also carried out after a run that failed or was cancelled.
    pub(crate) fn is_marked(&self) -> bool {
        match &self.hook {
            Hook::UploadToItem { options, .. } | Hook::UploadToFolder { options, .. } => {
                options.upload_on_exception
            }
            Hook::JobArtifact { upload_on_exception, .. } => *upload_on_exception,
            Hook::ItemMetadata { .. } => false,
        }
    }

    /// Its name, and where it leads.
    pub(crate) fn label(&self) -> String {
        let path = self.hook.path().map_or("values", |path| &path.filename);
        match &self.hook {
            Hook::UploadToItem { item_id, .. } => format!("{path} → girder:item/{item_id}"),
            Hook::UploadToFolder { folder_id, .. } => format!("{path} → girder:folder/{folder_id}"),
            Hook::JobArtifact { .. } => {
                format!("{path} → girder:job/{}", self.job_id.as_deref().unwrap_or_default())
            }
            Hook::ItemMetadata { item_id, .. } => {
                format!("{path} → girder:item/{item_id}/metadata")
            }
        }
    }
}

/// One FIFO that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedFifo {
    pub(crate) folder: FifoFolder,
    pub(crate) name: RelativePath,
    pub(crate) direction: Direction,
}

/// The folder of the host that a FIFO is made in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum FifoFolder {
    /// The host's side of a mount: an index into [`Plan::mounts`].
    Mount(usize),
    /// A folder that the job names.
    Host(HostPath),
}

/// One transfer. Displayed as `<source> → <sink>`, without secrets.
pub(crate) type PlannedTransfer = Connect<FifoRef>;

/// A FIFO of a plan. Displayed as its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FifoRef {
    /// An index into [`Plan::fifos`].
    pub(crate) at: usize,
    name: String,
}

impl fmt::Display for FifoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A job that cannot work as it is written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A path cannot be used where it stands.
    #[error("cannot use the path of {what}")]
    Path {
        /// What it is the path of.
        what: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// Two downloads would overwrite each other.
    #[error("two files are downloaded to {path}")]
    DownloadedTwice {
        /// The path in the container.
        path: String,
    },
    /// Nobody says which job artifacts are attached to.
    #[error("GirderUploadVolumePathJobArtifact needs a job_id, or the job's girder_job")]
    NoJob,
    /// Two mounts would hide each other.
    #[error("two volumes are mounted at {target}")]
    MountedTwice {
        /// The path in the container.
        target: String,
    },
    /// The engine would have to make a mount point where it cannot.
    #[error(
        "the volume {volume} is mounted read-only at {target}, and temporary volumes are mounted in \
         {beneath}: mount it elsewhere, such as at /data, or so that it can be written to"
    )]
    BeneathReadOnly {
        /// The host's side of the volume.
        volume: String,
        /// Where the container has it.
        target: String,
        /// What lies beneath that.
        beneath: &'static str,
    },
    /// The container looks for a FIFO where it has none of the host's folders.
    #[error(
        "the FIFO {fifo} is looked for in {container_path}, and no volume of the job is mounted \
         there: the container would not find it"
    )]
    FifoNotMounted {
        /// The FIFO's name.
        fifo: String,
        /// Its folder in the container.
        container_path: String,
    },
    /// A FIFO has one direction.
    #[error("the FIFO {fifo} is named as an input and as an output")]
    FifoBothWays {
        /// The FIFO's name.
        fifo: String,
    },
    /// An argument that no program can be given.
    #[error(
        "argument {number} of the container has {bytes} bytes, and Linux passes at most {most} to a program"
    )]
    TooLong {
        /// Which, from 1 on.
        number: usize,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// More than any program can be given.
    #[error(
        "the container's arguments and variables take {bytes} bytes, and Linux passes at most {most} to a program"
    )]
    TooMuch {
        /// What they take.
        bytes: usize,
        /// What they may take.
        most: usize,
    },
    /// There is nothing that opens the FIFOs.
    #[error(
        "`fast_stdout` is only there on x86-64 machines: leave it out, and the engine passes the output on"
    )]
    NoFastStdout,
    /// A mistake of ours.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}
