//! What one run is given: where its events and its output go, and how it is told apart from others.
//!
//! A [`Runner`](super::Runner) has the defaults. [`RunSettings`] of a run go before them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clean_up_error::CleanUpError;
use super::store::{OwnGirder, Stores};
use crate::event::{EventSink, RunId, Silent};
use crate::pump::{Listen, Outlet};
use crate::reporter::JobTeller;
use crate::run::transfers::listeners::Listeners;
use crate::spec::{RunOptions, Verify};

/// The settings of one run. What is not set is as the [`Runner`](super::Runner) has it.
#[derive(Default)]
#[must_use]
pub struct RunSettings {
    pub(super) id: Option<RunId>,
    pub(super) run_options: Option<RunOptions>,
    events: Option<Arc<dyn EventSink>>,
    stdout: Option<HostStream>,
    stderr: Option<HostStream>,
    stop_timeout: Option<Duration>,
    pub(super) girder: Option<OwnGirder>,
    temporary_folder: Option<PathBuf>,
    labels: BTreeMap<String, String>,
    reporting: Reporting,
    listeners: Listeners,
    closed_stdout: ClosedStdout,
    timeout: Option<Duration>,
    verify: Option<Verify>,
    keep: Keep,
    cleaned_up: Option<CleanedUp>,
}

impl RunSettings {
    /// As the runner has everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// The run's id. Default: a random one. The container is named after it.
    pub fn with_id(mut self, id: RunId) -> Self {
        self.id = Some(id);
        self
    }

    /// Who is told what happens.
    pub fn with_events(mut self, events: impl EventSink + 'static) -> Self {
        self.events = Some(Arc::new(events));
        self
    }

    /// What `HostStdOut` is: a descriptor, which the kernel can move bytes into. The run holds it until
    /// it is over.
    pub fn with_stdout(mut self, stdout: impl Into<OwnedFd>) -> Self {
        self.stdout = Some(HostStream::given(stdout.into()));
        self
    }

    /// What `HostStdErr` is. See [`with_stdout`](Self::with_stdout).
    pub fn with_stderr(mut self, stderr: impl Into<OwnedFd>) -> Self {
        self.stderr = Some(HostStream::given(stderr.into()));
        self
    }

    /// What `HostStdOut` is: a writer. A thread of the run writes, so the writer may block. The run is over
    /// when the writer has everything, was flushed and dropped; unless it failed, or the run was cancelled
    /// a second time. What it fails with is a warning of the run.
    pub fn with_stdout_writer(mut self, stdout: impl Write + Send + 'static) -> Self {
        self.stdout = Some(HostStream::Writer(Mutex::new(Box::new(stdout))));
        self
    }

    /// What `HostStdErr` is. See [`with_stdout_writer`](Self::with_stdout_writer).
    pub fn with_stderr_writer(mut self, stderr: impl Write + Send + 'static) -> Self {
        self.stderr = Some(HostStream::Writer(Mutex::new(Box::new(stderr))));
        self
    }

    /// Hears the container's stdout as it passes, wherever it goes. Called in the pump's thread, so it
    /// has to return quickly. May be said more than once.
    pub fn with_stdout_listener(mut self, listener: impl Listen + 'static) -> Self {
        self.listeners.add(Outlet::StdOut, listener);
        self
    }

    /// Hears the container's stderr. See [`with_stdout_listener`](Self::with_stdout_listener).
    pub fn with_stderr_listener(mut self, listener: impl Listen + 'static) -> Self {
        self.listeners.add(Outlet::StdErr, listener);
        self
    }

    /// How long the container may take to stop before it is killed, when the run is cancelled.
    pub fn with_stop_timeout(mut self, grace: Duration) -> Self {
        self.stop_timeout = Some(grace);
        self
    }

    /// What becomes of the container when nobody takes what goes to `HostStdOut` any more. Default: it
    /// goes on.
    pub fn with_closed_stdout(mut self, closed: ClosedStdout) -> Self {
        self.closed_stdout = closed;
        self
    }

    /// When a temporary volume stays on this host. Default: when a result in it could not be put into
    /// Girder.
    pub fn with_keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// How long the run may take. Then it is cancelled, and fails with
    /// [`Cause::TimedOut`](super::Cause::TimedOut). Default: as long as it takes.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Which files are held against the sum in their record, if the job does not say.
    pub fn with_verify(mut self, verify: Verify) -> Self {
        self.verify = Some(verify);
        self
    }

    /// Where temporary volumes are made, unless they say themselves.
    pub fn with_temporary_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temporary_folder = Some(folder.into());
        self
    }

    /// A label of the container, beside the job's. The labels `gantline.…` are ours.
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Keywords of docker-py that the job gets, as `GIRDER_WORKER_DOCKER_RUN_OPTIONS` has them.
    pub fn with_run_options(mut self, options: RunOptions) -> Self {
        self.run_options = Some(options);
        self
    }

    /// The run tells the job in Girder nothing, also if the job document names one.
    pub fn without_reporter(mut self) -> Self {
        self.reporting = Reporting::Off;
        self
    }

    /// The run leaves its log and its progress with the caller's reporter, in place of one of its own. The
    /// status of the job in Girder is for the caller to tell, and so is the end of the reporter.
    #[doc(hidden)]
    pub fn with_reporter(mut self, teller: JobTeller) -> Self {
        self.reporting = Reporting::Given(teller);
        self
    }

    /// The run's end is told as soon as its results are in their places: a container that has exited is removed
    /// after it. `then` is called when that is done, with how long it took and with what could not be removed. A run
    /// that failed or was cancelled cleans up before its end, and drops `then`.
    #[cfg(feature = "worker")]
    pub(crate) fn with_clean_up_after_the_end(
        mut self,
        then: impl FnOnce(Duration, Vec<CleanUpError>) + Send + 'static,
    ) -> Self {
        self.cleaned_up = Some(CleanedUp(Mutex::new(Box::new(then))));
        self
    }

    /// Fills in what is not set.
    pub(super) fn over(self, defaults: &Defaults) -> Given {
        let stream = |own: Option<HostStream>, default: &Option<Arc<OwnedFd>>| {
            own.or_else(|| default.clone().map(HostStream::Descriptor)).unwrap_or_default()
        };
        Given {
            events: self.events.unwrap_or_else(|| Arc::clone(&defaults.events)),
            stdout: stream(self.stdout, &defaults.stdout),
            stderr: stream(self.stderr, &defaults.stderr),
            stop_timeout: self.stop_timeout.unwrap_or(defaults.stop_timeout),
            stores: defaults.stores.with(self.girder),
            temporary_folder: self
                .temporary_folder
                .unwrap_or_else(|| defaults.temporary_folder.clone()),
            labels: self.labels,
            reporting: self.reporting,
            listeners: Mutex::new(self.listeners),
            closed_stdout: self.closed_stdout,
            timeout: self.timeout,
            verify: self.verify.unwrap_or(defaults.verify),
            keep: self.keep,
            cleaned_up: self.cleaned_up,
        }
    }
}

impl fmt::Debug for RunSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunSettings").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What becomes of the container when nobody takes what goes to `HostStdOut` any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClosedStdout {
    /// The run is cancelled: the container is stopped.
    Stop,
    /// It goes on, and what it writes there is thrown away.
    #[default]
    Continue,
}

/// When a temporary volume stays on this host. [`Report::kept`](super::Report::kept) has its path, and it
/// is for the caller to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Keep {
    /// Its results go with it, whether they are in Girder or not.
    Never,
    /// When a result in it could not be put into Girder, or took the place of an output's FIFO and could not be delivered.
    #[default]
    OnFailure,
    /// Whatever happened, once the container was made.
    Always,
}

/// Whether a run reports to the job in Girder.
#[derive(Debug, Default)]
pub(super) enum Reporting {
    /// With a reporter of its own, if the job names a job in Girder.
    #[default]
    Own,
    Off,
    Given(JobTeller),
}

/// Told of a clean-up that comes after the run's end. In a mutex, because what has it is shared while the engine pulls.
pub(super) struct CleanedUp(Mutex<Box<ToldOfCleanUp>>);

type ToldOfCleanUp = dyn FnOnce(Duration, Vec<CleanUpError>) + Send;

impl CleanedUp {
    pub(super) fn tell(self, took: Duration, left: Vec<CleanUpError>) {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)(took, left);
    }
}

/// Where the container's output goes that is to be the host's.
#[derive(Default)]
pub(super) enum HostStream {
    /// This process's own.
    #[default]
    Inherited,
    Descriptor(Arc<OwnedFd>),
    /// In a mutex, because what has it is shared while the engine pulls.
    Writer(Mutex<Box<dyn Write + Send>>),
}

impl HostStream {
    fn given(descriptor: OwnedFd) -> Self {
        Self::Descriptor(Arc::new(descriptor))
    }
}

/// What the runs of a [`Runner`](super::Runner) have, unless their settings say otherwise.
pub(super) struct Defaults {
    pub(super) events: Arc<dyn EventSink>,
    pub(super) stdout: Option<Arc<OwnedFd>>,
    pub(super) stderr: Option<Arc<OwnedFd>>,
    pub(super) stop_timeout: Duration,
    pub(super) stores: Stores,
    pub(super) temporary_folder: PathBuf,
    pub(super) verify: Verify,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            events: Arc::new(Silent),
            stdout: None,
            stderr: None,
            stop_timeout: Duration::from_secs(10),
            stores: Stores::default(),
            temporary_folder: PathBuf::from("/tmp"),
            verify: Verify::default(),
        }
    }
}

/// The settings of one run, all of them.
pub(super) struct Given {
    pub(super) events: Arc<dyn EventSink>,
    pub(super) stdout: HostStream,
    pub(super) stderr: HostStream,
    pub(super) stop_timeout: Duration,
    pub(super) stores: Stores,
    pub(super) temporary_folder: PathBuf,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) reporting: Reporting,
    /// In a mutex for the same reason; taken when the container is attached to.
    pub(super) listeners: Mutex<Listeners>,
    pub(super) closed_stdout: ClosedStdout,
    pub(super) keep: Keep,
    pub(super) timeout: Option<Duration>,
    pub(super) verify: Verify,
    /// Who is told of a clean-up that comes after the end.
    pub(super) cleaned_up: Option<CleanedUp>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("labels", &self.labels).finish_non_exhaustive()
    }
}
