//! What runs jobs: one [`Runner`], which any number of runs share.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::cancel::{Cancellation, Canceller};
#[cfg(feature = "worker")]
use super::container::stop::remove;
use super::error::{Cause, RunError, no_memory};
use super::handle::{Ending, RunHandle};
#[cfg(feature = "worker")]
use super::labels::{HOST_LABEL, this_host};
use super::live::Live;
use super::outcome::Outcome;
use super::phases;
#[cfg(feature = "worker")]
use super::prune::{Prune, PruneError, Pruned, looks_left};
use super::settings::{Defaults, Given, RunSettings};
use super::shared::Shared;
use super::store::JobStore;
use crate::docker;
use crate::event::{EventSink, RunId};
use crate::http::{self, HttpError};
use crate::plan::Plan;
use crate::pump::{self, Pump, PumpError};
use crate::spec::{JobSpec, Verify};
use crate::store::GirderSettings;
use crate::sys::memory;
use crate::volume::RecordFolders;

/// Runs jobs on one engine. Its runs share a pump: its threads and its buffers.
#[derive(Debug, Clone)]
pub struct Runner {
    shared: Arc<Shared>,
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
        self.start_with(job, RunSettings::new())
    }

    /// Starts a run with settings of its own.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        &self,
        job: &JobSpec,
        mut settings: RunSettings,
    ) -> Result<RunHandle, RunError> {
        let job = match settings.run_options.take() {
            Some(options) => {
                let mut job = job.clone();
                options.merge_into(&mut job);
                Cow::Owned(job)
            }
            None => Cow::Borrowed(job),
        };
        let id = settings.id.take().unwrap_or_else(RunId::random);
        let failed = |cause| RunError::before_the_run(&id, job.image(), cause);
        if !memory::may_have(ROOM_OF_A_RUN) {
            return Err(failed(Cause::NoMemory { bytes: ROOM_OF_A_RUN }));
        }
        let plan = Plan::new(&job, || Uuid::new_v4().simple().to_string())
            .map_err(|error| failed(Cause::Plan(error)))?;
        let given = settings.over(&self.shared.defaults);
        let store = given.stores.of(&job);
        if plan.needs_girder() && !store.is_named() {
            return Err(failed(Cause::NoGirder));
        }
        let (canceller, cancellation) = Canceller::new();
        let name = format!("gantline-{}", id.as_str().get(..6).unwrap_or_default());
        let (handle, ending) = RunHandle::new(id.clone(), job.image().to_owned(), canceller);
        let shared = Arc::clone(&self.shared);
        let caller = tracing::Span::current();
        let begin = move || {
            let _entered = caller.entered();
            in_its_thread(id, plan, store, (shared, given), (cancellation, ending));
        };
        match thread::Builder::new().name(name).spawn(begin) {
            Ok(_) => Ok(handle),
            Err(error) => {
                Err(RunError::before_the_run(handle.id(), job.image(), Cause::Begin(error)))
            }
        }
    }
}

fn in_its_thread(
    id: RunId,
    plan: Plan,
    store: JobStore,
    (shared, given): (Arc<Shared>, Given),
    (cancellation, ending): (Cancellation, Ending),
) {
    let span = tracing::info_span!("run", %id);
    let _entered = span.enter();
    let (runtime, reserve) = match begin() {
        Ok(begun) => begun,
        Err(error) => {
            let cause = Cause::Begin(error);
            return ending.tell(Err(RunError::before_the_run(&id, &plan.image, cause)));
        }
    };
    let mut live = Live::new(id, plan, store, (shared, given), cancellation);
    live.reserve = reserve;
    match runtime.block_on(phases::run(live)) {
        (ended, None) => {
            // A call that was given up may still block a thread; nobody waits for it.
            runtime.shutdown_background();
            ending.tell(ended);
        }
        (ended, Some(rest)) => {
            ending.tell(ended);
            runtime.block_on(rest.carry_out());
            runtime.shutdown_background();
        }
    }
}

/// The runtime of a run, and the descriptors that it keeps for its end.
fn begin() -> io::Result<(Runtime, Vec<File>)> {
    // The runtime panics where there are none left for it.
    drop(hold(RUNTIMES)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("gantline-blocking")
        .build()?;
    Ok((runtime, hold(RESERVED)?))
}

/// So many descriptors.
fn hold(descriptors: usize) -> io::Result<Vec<File>> {
    let first = File::open("/dev/null")?;
    let others = (1..descriptors).map(|_| first.try_clone());
    let mut held = others.collect::<io::Result<Vec<_>>>()?;
    held.push(first);
    Ok(held)
}

/// Addresses that a run may need: the stacks of its threads, buffers, what the allocator keeps for each thread. Who asks
/// for memory in the middle of a run and gets none is ended at once, with everything that was made.
const ROOM_OF_A_RUN: usize = 64 << 20;

/// Descriptors of a runtime: its poll, its waker, what its signals come by.
const RUNTIMES: usize = 8;

/// Descriptors that a clean-up needs: a connection to the engine, folders inside each other.
const RESERVED: usize = 8;

/// Blocking calls at once: questions to Girder, checksums, directories that are removed. More than
/// the downloads at once and their lister, which wait for each other.
const MAX_BLOCKING: usize = 8;

/// For who runs many jobs on one engine.
#[cfg(feature = "worker")]
impl Runner {
    /// Asks the engine for its version.
    pub(crate) async fn check_engine(&self) -> Result<(), docker::DockerError> {
        docker::Client::connect(self.shared.engine.clone()).await.map(drop)
    }

    /// Removes what runs have left that were killed themselves, of those whose containers have a label.
    /// Blocks.
    pub(crate) fn prune_of(&self, label: &str, value: &str) -> Result<Pruned, PruneError> {
        let (engine, records) = (self.shared.engine.clone(), self.shared.record_folders.clone());
        Prune::of_records(engine, records).with_label(label, value).run()
    }

    /// Whether a run on this host has left a container that has a label, and was killed itself.
    pub(crate) async fn has_left_behind(
        &self,
        label: &str,
        value: &str,
    ) -> Result<bool, docker::DockerError> {
        let engine = docker::Client::connect(self.shared.engine.clone()).await?;
        let host = this_host();
        let found = engine.list(&[(label, Some(value)), (HOST_LABEL, Some(&host))]).await?;
        Ok(found.iter().any(|container| looks_left(&container.labels)))
    }

    /// Removes containers of runs that have a label, whether they run or not.
    pub(crate) async fn remove_container_of(
        &self,
        label: &str,
        value: &str,
    ) -> Result<(), docker::DockerError> {
        let engine = docker::Client::connect(self.shared.engine.clone()).await?;
        for container in engine.list(&[(label, Some(value))]).await? {
            remove(&engine, &container.id).await?;
        }
        Ok(())
    }
}

/// Makes a [`Runner`].
#[derive(Default)]
pub struct RunnerBuilder {
    engine: docker::Settings,
    http: http::ClientOptions,
    pump: pump::Options,
    record_folder: Option<PathBuf>,
    defaults: Defaults,
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
        self.defaults.stores.set_girder(girder);
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
        self.defaults.events = Arc::new(events);
        self
    }

    /// How long a cancelled container may take to stop before it is killed. Default: 10 s.
    #[must_use]
    pub fn stop_timeout(mut self, grace: Duration) -> Self {
        self.defaults.stop_timeout = grace;
        self
    }

    /// Which files are held against the sum in their record, if a job does not say. Default:
    /// [`Verify::UnlessSpliced`].
    #[must_use]
    pub fn verify(mut self, verify: Verify) -> Self {
        self.defaults.verify = verify;
        self
    }

    /// Where temporary volumes are made, unless they say themselves. Default: `/tmp`.
    #[must_use]
    pub fn temporary_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.defaults.temporary_folder = folder.into();
        self
    }

    /// Where runs write down what they make, for `gantline prune`: each user in a folder
    /// `gantline-<uid>` of its own. Default: `/var/tmp`, or the temporary folder where that cannot
    /// be used.
    #[must_use]
    pub fn record_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.record_folder = Some(folder.into());
        self
    }

    /// What `HostStdOut` is. Default: this process's standard output.
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<OwnedFd>) -> Self {
        self.defaults.stdout = Some(Arc::new(stdout.into()));
        self
    }

    /// What `HostStdErr` is. Default: this process's standard error.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<OwnedFd>) -> Self {
        self.defaults.stderr = Some(Arc::new(stderr.into()));
        self
    }

    /// Starts the pump. The engine is not spoken to before a run.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn build(mut self) -> Result<Runner, BuildError> {
        if !memory::may_have(ROOM_OF_A_RUN) {
            return Err(BuildError::NoMemory { bytes: ROOM_OF_A_RUN });
        }
        let options = self.http.clone();
        let http = http::Client::new(self.http).map_err(BuildError::Http)?;
        self.defaults.stores.talk_as(&options, &http);
        let shared = Shared {
            engine: self.engine,
            http,
            pump: Pump::start(self.pump).map_err(BuildError::Pump)?,
            record_folders: match &self.record_folder {
                Some(folder) => RecordFolders::only(folder),
                None => RecordFolders::usual(&self.defaults.temporary_folder),
            },
            defaults: self.defaults,
        };
        Ok(Runner { shared: Arc::new(shared) })
    }
}

impl std::fmt::Debug for RunnerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunnerBuilder").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Why a [`Runner`] cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The options of downloads cannot be used.
    #[error("cannot prepare downloads")]
    Http(#[source] HttpError),
    /// This process has too little memory for a run.
    #[error("{}", no_memory(*bytes))]
    NoMemory {
        /// What a run may need.
        bytes: usize,
    },
    /// The pump does not start.
    #[error("cannot start the pump")]
    Pump(#[source] PumpError),
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};

    use super::*;

    #[test]
    fn so_many_calls_of_a_run_block_at_once_and_the_next_waits_for_one_of_them() {
        let (runtime, _reserve) = begin().unwrap();
        let (entering, entered) = channel();
        let (letting_go, let_go) = channel::<()>();
        let let_go = Arc::new(std::sync::Mutex::new(let_go));
        for nth in 0..=MAX_BLOCKING {
            let (entering, let_go) = (entering.clone(), Arc::clone(&let_go));
            runtime.spawn_blocking(move || {
                entering.send(nth).unwrap();
                let_go.lock().unwrap().recv().unwrap();
            });
        }
        let long = Duration::from_secs(20);
        for _ in 0..MAX_BLOCKING {
            entered.recv_timeout(long).unwrap();
        }
        let soon = entered.recv_timeout(Duration::from_millis(100));
        assert_eq!(soon, Err(RecvTimeoutError::Timeout));
        letting_go.send(()).unwrap();
        entered.recv_timeout(long).unwrap();
        (0..MAX_BLOCKING).for_each(|_| letting_go.send(()).unwrap());
    }
}
