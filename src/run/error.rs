//! Why a run failed.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::chain::chain;
use super::clean_up_error::CleanUpError;
use super::outcome::Report;
use crate::docker::{ApiVersion, DockerError, StartFailure};
use crate::event::{Phase, RunId};
use crate::hook::HookError;
use crate::http::HttpError;
use crate::plan::PlanError;
use crate::pump::{PumpError, TransferError};
use crate::reporter::ReporterError;
use crate::run::transfers::downloads::error::DownloadError;
use crate::run::transfers::host_file::HostFileError;
use crate::store::StoreError;
use crate::volume::VolumeError;

/// A run that failed. The container's own failure is none: see [`Outcome`](super::Outcome).
#[derive(Debug)]
#[non_exhaustive]
pub struct RunError {
    /// The phase that failed.
    pub phase: Phase,
    /// Why.
    pub cause: Box<Cause>,
    /// What could not be cleaned up; it is never the cause.
    pub clean_up: Vec<CleanUpError>,
    /// The run in numbers, as far as it went.
    pub report: Box<Report>,
}

impl RunError {
    /// An error of a run that made nothing.
    pub(super) fn before_the_run(id: &RunId, image: &str, cause: Cause) -> Self {
        let report = Report {
            run_id: id.to_string(),
            image: image.to_owned(),
            error: Some(chain(&cause)),
            ..Report::default()
        };
        Self {
            phase: Phase::Prepare,
            cause: Box::new(cause),
            clean_up: Vec::new(),
            report: Box::new(report),
        }
    }

    /// The exit code that `docker run` would have.
    pub fn exit_code(&self) -> u8 {
        self.cause.exit_code()
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// Why a run failed. Each error that is in it has a name beside this one, so that a program can tell
/// them apart:
///
/// ```
/// use gantline::RunError;
/// use gantline::run::{Cause, HookError};
///
/// /// Whether the same job may go well when it is run again.
/// fn may_go_well(error: &RunError) -> bool {
///     match &*error.cause {
///         Cause::Girder(store) => store.is_transient(),
///         Cause::Connect(engine) | Cause::Create(engine) => engine.is_transient(),
///         Cause::Upload { source, .. } => match &**source {
///             HookError::Upload { source, .. } => source.is_transient(),
///             _ => false,
///         },
///         _ => false,
///     }
/// }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Cause {
    /// The job cannot work as it is written.
    #[error("cannot plan the job")]
    Plan(#[source] PlanError),
    /// The job uses Girder, and nobody said which.
    #[error(
        "the job uses Girder, but names no server: it needs girder_api_url, and there is no \
         GIRDER_API_URL"
    )]
    NoGirder,
    /// An argument is to be a token, and nobody gave one.
    #[error(
        "an argument is to be a token for Girder, but there is none: it needs girder_client_token, \
         GIRDER_TOKEN or GIRDER_API_KEY"
    )]
    NoGirderToken,
    /// The runtime, or a thread for it, could not be made.
    #[error("cannot begin the run")]
    Begin(#[source] io::Error),
    /// This process has too little memory for a run.
    #[error("{}", no_memory(*bytes))]
    NoMemory {
        /// What a run may need.
        bytes: usize,
    },
    /// The engine cannot be used.
    #[error("cannot use the engine")]
    Connect(#[source] DockerError),
    /// The image cannot be had.
    #[error("cannot get the image {image}")]
    Image {
        /// Its reference.
        image: String,
        /// Why not.
        source: DockerError,
    },
    /// The image cannot be pulled, and an older one is there.
    #[error(
        "cannot pull the image {image}; the engine has one of that name, which \"pull_image\": \"if-not-present\" uses"
    )]
    Pull {
        /// Its reference.
        image: String,
        /// Why not.
        source: DockerError,
    },
    /// The image is not there, and the job says not to pull it.
    #[error("the engine has no image {image}, and the job says not to pull it")]
    NoImage {
        /// Its reference.
        image: String,
    },
    /// What Girder knows of the job's files cannot be had.
    #[error("cannot get the job's files from Girder")]
    Girder(#[source] Box<StoreError>),
    /// The job in Girder cannot be told what happens.
    #[error("cannot report to the job in Girder")]
    Report(#[source] ReporterError),
    /// A file of Girder's cannot be put into its volume.
    #[error("cannot make the job's files ready")]
    Download(#[source] Box<DownloadError>),
    /// A directory or FIFO for the container cannot be made.
    #[error("cannot make a volume ready")]
    Volume(#[source] VolumeError),
    /// A folder for temporary volumes cannot be made.
    #[error("cannot make the folder {} for a temporary volume", folder.display())]
    HostDir {
        /// The job's `host_dir`.
        folder: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The folder of a temporary volume has a name that no mount can have.
    #[error("cannot mount {}: its path is not UTF-8", .0.display())]
    Unmountable(PathBuf),
    /// The engine has another file system than we.
    #[error(
        "the engine at {engine} does not see {} of this machine, which the job's data goes through: run gantline \
         where the engine is, or choose a folder that both have under the same path (TMPDIR)",
        folder.display()
    )]
    Unseen {
        /// The folder.
        folder: PathBuf,
        /// The engine's address.
        engine: String,
    },
    /// A file of the host cannot be read.
    #[error("cannot open {} for reading", path.display())]
    HostFileSource {
        /// The path that the job gives.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of the host cannot be written.
    #[error("cannot write a file of the host")]
    HostFile(#[source] HostFileError),
    /// Our own standard output or error cannot be used.
    #[error("cannot use our own {stream}")]
    HostStream {
        /// Which one.
        stream: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The job gives a header that HTTP does not allow.
    #[error("cannot ask for {label}")]
    Request {
        /// The source, as the report calls it.
        label: String,
        /// What is wrong with it.
        source: Box<HttpError>,
    },
    /// The job gives a header that HTTP does not allow.
    #[error("cannot send to {label}")]
    PostRequest {
        /// The sink, as the report calls it.
        label: String,
        /// What is wrong with it.
        source: Box<HttpError>,
    },
    /// The container cannot be created.
    #[error("cannot create the container")]
    Create(#[source] DockerError),
    /// A keyword of the job that the engine would pass over.
    #[error("the engine speaks API {version}, and the job's `{keyword}` needs {needs}")]
    EngineTooOld {
        /// The keyword.
        keyword: &'static str,
        /// The first version that has it.
        needs: ApiVersion,
        /// The version that is spoken.
        version: ApiVersion,
    },
    /// The job needs a GPU.
    #[error("the job requires a GPU, and the engine gives it none")]
    NoGpu(#[source] DockerError),
    /// The container's streams cannot be had.
    #[error("cannot attach to the container")]
    Attach(#[source] DockerError),
    /// The container cannot be started.
    #[error("cannot start the container{}", in_short(.0))]
    Start(#[source] DockerError),
    /// Whoever answered said that the container was started, and it was not.
    #[error(
        "the container was not started, although that was answered as done: is there a proxy before the engine?"
    )]
    NotStarted,
    /// The container's program cannot be given so much.
    #[error("cannot start the container: {}", too_much(*bytes))]
    TooMuch {
        /// What the job's arguments and variables take.
        bytes: usize,
        /// The engine's words.
        source: DockerError,
    },
    /// A transfer could not begin.
    #[error("cannot begin the transfer {label}")]
    Begun {
        /// `<source> → <sink>`.
        label: String,
        /// Why not.
        source: Box<PumpError>,
    },
    /// A transfer failed; the container was killed before its end could look like one.
    #[error("the transfer {label} failed")]
    Transfer {
        /// `<source> → <sink>`.
        label: String,
        /// Why.
        source: Box<TransferError>,
    },
    /// What a transfer brought does not become a file in Girder.
    #[error("the upload {label} failed")]
    Upload {
        /// `<source> → <sink>`.
        label: String,
        /// Why not.
        source: Box<HookError>,
    },
    /// The container put something in the place of a FIFO that it was to write.
    #[error("the FIFO of {label} was replaced by something that is no output: it is {what}")]
    Replaced {
        /// `<source> → <sink>`.
        label: String,
        /// What stands there.
        what: &'static str,
    },
    /// It cannot be found out whether the container put something in the place of a FIFO.
    #[error("cannot find out whether the FIFO of {label} was replaced")]
    Replacement {
        /// `<source> → <sink>`.
        label: String,
        /// Why not.
        source: VolumeError,
    },
    /// What is in a file that took the place of a FIFO does not come where the FIFO's bytes go.
    #[error("cannot deliver the file that took the place of the FIFO of {label}")]
    Undelivered {
        /// `<source> → <sink>`.
        label: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file that the container put in the place of a FIFO cannot be read.
    #[error("cannot read the file that took the place of the FIFO of {label}")]
    ReplacedFile {
        /// `<source> → <sink>`.
        label: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A result hook failed.
    #[error("the result hook {label} failed")]
    Hook {
        /// Its name, and where it leads.
        label: String,
        /// Why.
        source: Box<HookError>,
    },
    /// The helper that was to open up what a container of another user has made failed.
    #[error("the image's `chmod` exits with {exit_code}")]
    OpenUp {
        /// Its exit code.
        exit_code: i64,
    },
    /// The engine went away, or cannot say how the container ended.
    #[error("cannot wait for the container")]
    Exit(#[source] DockerError),
    /// The engine went away while the container ran, and did not come back.
    #[error(
        "the engine went away while the container ran, and was not met again within {} s",
        after.as_secs_f32()
    )]
    EngineLost {
        /// How long it was waited for.
        after: std::time::Duration,
        /// What it failed with at last.
        source: DockerError,
    },
    /// Some of the container's output is missing, or may be, where it would be taken for all.
    #[error("some of what the container wrote may be missing from {label}: the engine has lost it")]
    Incomplete {
        /// `<source> → <sink>`.
        label: String,
    },
    /// The run had a limit, and was cancelled.
    #[error("the run has not ended within {} s, and was stopped", after.as_secs_f32())]
    TimedOut {
        /// The limit.
        after: std::time::Duration,
    },
    /// A container that is to be made otherwise, or was only to help, stays.
    #[error("cannot remove the container")]
    Remove(#[source] DockerError),
    /// A container that was to stop could not be stopped.
    #[error("cannot stop the container")]
    Stop(#[source] DockerError),
    /// The engine says that it stopped the container, and not that it exited.
    #[error("the engine stopped the container, but does not say that it has exited")]
    NoExit,
    /// The end of the run was asked for a second time.
    #[error("the end of this run was given before")]
    EndTaken,
    /// We are to blame.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}

impl From<DownloadError> for Cause {
    fn from(error: DownloadError) -> Self {
        Self::Download(Box::new(error))
    }
}

impl From<StoreError> for Cause {
    fn from(error: StoreError) -> Self {
        Self::Girder(Box::new(error))
    }
}

impl Cause {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(_) | Self::NoGirder | Self::NoGirderToken => BAD_JOB,
            Self::Start(error) => match error.start_failure() {
                StartFailure::NotFound => NOT_FOUND,
                StartFailure::NotExecutable => NOT_EXECUTABLE,
                StartFailure::Other => FAILED,
            },
            _ => FAILED,
        }
    }
}

/// What the engine and its runtime say in many words, where that is about the program. A device that is not there has the
/// same exit code, as docker has it.
fn in_short(error: &DockerError) -> &'static str {
    let is_about_the_program =
        matches!(error, DockerError::Engine { message, .. } if message.contains("exec"));
    match error.start_failure() {
        _ if !is_about_the_program => "",
        StartFailure::NotFound => ": its program, or what runs it, is not there",
        StartFailure::NotExecutable => ": its program may not be executed",
        StartFailure::Other => "",
    }
}

/// Says that a container's program was given more than the kernel takes (`E2BIG`, execve(2)).
pub(super) fn too_much(bytes: usize) -> String {
    format!(
        "its arguments and variables take {bytes} bytes, beside those of the image, and a program is given at most a \
         quarter of what its stack may have: 2 MiB as a rule (`ulimits`, stack)"
    )
}

/// Says that a run needs more memory than there is.
pub(super) fn no_memory(bytes: usize) -> String {
    format!(
        "a run may need {} MiB of memory, and this process may not have that much more: the limit of its address space \
         is too low (`ulimit -v`, `prlimit --as`)",
        bytes >> 20
    )
}

/// The job, or the way in which we were called, is wrong.
const BAD_JOB: u8 = 2;
/// We or the engine failed: docker's number.
const FAILED: u8 = 125;
/// The container's command cannot be run: a shell's number.
const NOT_EXECUTABLE: u8 = 126;
/// The container's command is not there: a shell's number.
const NOT_FOUND: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::Call;

    fn refused_start(message: &str) -> Cause {
        let call = Call { method: "POST", path: "/containers/x/start".to_owned() };
        Cause::Start(DockerError::Engine { call, status: 400, message: message.to_owned() })
    }

    #[test]
    fn exit_codes_are_those_of_docker_run() {
        let missing = "exec: \"nope\": executable file not found in $PATH: unknown";
        assert_eq!(refused_start(missing).exit_code(), 127);
        assert!(
            chain(&refused_start(missing))
                .contains("container: its program, or what runs it, is not there")
        );
        assert_eq!(refused_start("exec: \"/etc\": permission denied").exit_code(), 126);
        let device = "error gathering device information while adding custom device \"/dev/sda\": \
                      no such file or directory";
        assert_eq!(refused_start(device).exit_code(), 127);
        let start = "cannot start the container: the engine refused";
        assert!(chain(&refused_start(device)).starts_with(start));
        assert_eq!(refused_start("no such network").exit_code(), 125);
        assert_eq!(Cause::NoExit.exit_code(), 125);
        assert_eq!(Cause::NoGirder.exit_code(), 2);
    }

    #[test]
    fn an_error_is_told_once_from_the_outside_in() {
        let cause = refused_start("no such network");
        assert_eq!(
            chain(&cause),
            "cannot start the container: the engine refused POST /containers/x/start: no such \
             network (status 400)"
        );
    }
}
