//! What runs jobs: one [`Runner`], which any number of runs share.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use super::cancel::{Cancellation, Canceller};
use super::error::{Cause, chain};
use super::girder_server::{GirderServer, GirderSettings};
use super::live::Live;
use super::{Outcome, Report, RunError};
use crate::docker;
use crate::event::{EventSink, Ledger, Phase, RunId, Silent};
use crate::girder;
use crate::http::{self, HttpError};
use crate::plan::Plan;
use crate::pump::{self, Pump, PumpError};
use crate::spec::JobSpec;

/// Runs jobs on one engine. Its runs share a pump: its threads and its buffers.
#[derive(Debug, Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

/// What the runs of a [`Runner`] share.
pub(super) struct Shared {
    pub(super) engine: docker::Settings,
    pub(super) girder: GirderSettings,
    pub(super) girder_options: girder::Options,
    pub(super) http: http::Client,
    pub(super) pump: Pump,
    pub(super) events: Arc<dyn EventSink>,
    pub(super) stop_timeout: Duration,
    pub(super) temporary_folder: PathBuf,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

impl Runner {
    /// Begins with the defaults: the engine on its usual socket, no Girder server, no events.
    pub fn builder() -> RunnerBuilder {
        RunnerBuilder::default()
    }

    /// Runs a job to its end. Blocks; may be called from anywhere, an async runtime too.
    ///
    /// # Errors
    /// [`RunError`]: the run failed, and everything that it made was cleaned up as far as
    /// possible. What the container does is no error.
    pub fn run(&self, job: &JobSpec) -> Result<Outcome, RunError> {
        self.start(job)?.wait()
    }

    /// Starts a run in a thread of its own.
    ///
    /// # Errors
    /// [`RunError`]: the job cannot be planned, or there is no thread for it.
    pub fn start(&self, job: &JobSpec) -> Result<RunHandle, RunError> {
        let id = RunId::random();
        let failed = |cause| before_the_run(&id, job.image(), cause);
        let plan = Plan::new(job, || Uuid::new_v4().simple().to_string())
            .map_err(|error| failed(Cause::Plan(error)))?;
        let girder = self.shared.girder.server_for(job);
        if plan.needs_girder() && girder.is_none() {
            return Err(failed(Cause::NoGirder));
        }
        let (canceller, cancellation) = Canceller::new();
        let shared = Arc::clone(&self.shared);
        let begin = {
            let ledger = Ledger::new(id.clone(), Arc::clone(&self.shared.events));
            move || in_its_thread(ledger, plan, girder, shared, cancellation)
        };
        let name = format!("gantline-{}", id.as_str().get(..6).unwrap_or_default());
        let thread = thread::Builder::new().name(name).spawn(begin);
        let thread = thread.map_err(|error| failed(Cause::Begin(error)))?;
        Ok(RunHandle { id, image: job.image().to_owned(), canceller, thread })
    }
}

/// A run that goes on. Dropping it lets it go on.
#[derive(Debug)]
pub struct RunHandle {
    id: RunId,
    image: String,
    canceller: Canceller,
    thread: JoinHandle<Result<Outcome, RunError>>,
}

impl RunHandle {
    /// The run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Asks the run to stop: the first time with the grace period, the second time at once.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }

    /// What cancels this run from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub fn wait(self) -> Result<Outcome, RunError> {
        let Self { id, image, thread, .. } = self;
        thread.join().unwrap_or_else(|_| {
            Err(before_the_run(&id, &image, Cause::Bug("the thread of a run panicked")))
        })
    }
}

fn in_its_thread(
    ledger: Ledger,
    plan: Plan,
    girder: Option<GirderServer>,
    shared: Arc<Shared>,
    cancellation: Cancellation,
) -> Result<Outcome, RunError> {
    let span = tracing::info_span!("run", id = %ledger.run());
    let _entered = span.enter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("gantline-blocking")
        .build()
        .map_err(|error| before_the_run(ledger.run(), &plan.image, Cause::Begin(error)))?;
    let live = Live::new(ledger, plan, girder, shared, cancellation);
    let ended = runtime.block_on(super::run(live));
    // A call that was given up may still block a thread; nobody waits for it.
    runtime.shutdown_background();
    ended
}

/// Blocking calls at once: questions to Girder, checksums, directories that are removed. More than
/// the downloads at once and their lister, which wait for each other.
const MAX_BLOCKING: usize = 8;

/// An error of a run that made nothing.
fn before_the_run(id: &RunId, image: &str, cause: Cause) -> RunError {
    let report = Report {
        run_id: id.to_string(),
        image: image.to_owned(),
        error: Some(chain(&cause)),
        ..Report::default()
    };
    RunError {
        phase: Phase::Prepare,
        cause: Box::new(cause),
        clean_up: Vec::new(),
        report: Box::new(report),
    }
}

/// Makes a [`Runner`].
pub struct RunnerBuilder {
    engine: docker::Settings,
    girder: GirderSettings,
    http: http::ClientOptions,
    pump: pump::Options,
    events: Arc<dyn EventSink>,
    stop_timeout: Duration,
    temporary_folder: PathBuf,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Default for RunnerBuilder {
    fn default() -> Self {
        Self {
            engine: docker::Settings::default(),
            girder: GirderSettings::default(),
            http: http::ClientOptions::default(),
            pump: pump::Options::default(),
            events: Arc::new(Silent),
            stop_timeout: Duration::from_secs(10),
            temporary_folder: PathBuf::from("/tmp"),
            stdout: None,
            stderr: None,
        }
    }
}

impl RunnerBuilder {
    /// Which engine. Default: the one on its usual socket.
    #[must_use]
    pub fn engine(mut self, engine: docker::Settings) -> Self {
        self.engine = engine;
        self
    }

    /// The Girder server of jobs that name none.
    #[must_use]
    pub fn girder(mut self, girder: GirderSettings) -> Self {
        self.girder = girder;
        self
    }

    /// Certificate authorities, limits and buffers of downloads.
    #[must_use]
    pub fn http(mut self, http: http::ClientOptions) -> Self {
        self.http = http;
        self
    }

    /// Threads and buffers.
    #[must_use]
    pub fn pump(mut self, pump: pump::Options) -> Self {
        self.pump = pump;
        self
    }

    /// Who is told what happens. Default: nobody.
    #[must_use]
    pub fn events(mut self, events: impl EventSink + 'static) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// How long a cancelled container may take to stop before it is killed. Default: 10 s.
    #[must_use]
    pub fn stop_timeout(mut self, grace: Duration) -> Self {
        self.stop_timeout = grace;
        self
    }

    /// Where temporary volumes are made, unless they say themselves. Default: `/tmp`.
    #[must_use]
    pub fn temporary_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temporary_folder = folder.into();
        self
    }

    /// What `HostStdOut` is. Default: this process's standard output.
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<OwnedFd>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// What `HostStdErr` is. Default: this process's standard error.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<OwnedFd>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Starts the pump. The engine is not spoken to before a run.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(self) -> Result<Runner, BuildError> {
        let girder_options = girder::Options {
            ca_files: self.http.ca_files.clone(),
            user_agent: self.http.user_agent.clone(),
            ..girder::Options::default()
        };
        let shared = Shared {
            girder_options,
            engine: self.engine,
            girder: self.girder,
            http: http::Client::new(self.http).map_err(BuildError::Http)?,
            pump: Pump::start(self.pump).map_err(BuildError::Pump)?,
            events: self.events,
            stop_timeout: self.stop_timeout,
            temporary_folder: self.temporary_folder,
            stdout: self.stdout,
            stderr: self.stderr,
        };
        Ok(Runner { shared: Arc::new(shared) })
    }
}

impl std::fmt::Debug for RunnerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunnerBuilder").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Why a [`Runner`] cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The options of downloads cannot be used.
    #[error("cannot prepare downloads")]
    Http(#[source] HttpError),
    /// The pump does not start.
    #[error("cannot start the pump")]
    Pump(#[source] PumpError),
}
