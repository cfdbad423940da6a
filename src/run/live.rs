//! One run while it goes on: what it was given, what it has made, what it will report.
//!
//! The phases own what only they know; what must survive a phase that fails is here, so that
//! clean-up and the report have it whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use tokio::task::JoinHandle;

use super::cancel::Cancellation;
use super::chain::chain;
use super::clean_up_error::CleanUpError;
use super::end::{ContainerEnd, Ended, Failed, Stop};
use super::error::{Cause, RunError};
use super::failure::Tail;
use super::labels::{
    HOST_LABEL, KEEP_LABEL, PID_LABEL, RUN_LABEL, SINCE_LABEL, UID_LABEL, this_host,
};
use super::outcome::{Outcome, Report, UploadRecord};
use super::settings::{ClosedStdout, Given};
use super::shared::Shared;
use super::store::JobStore;
use crate::docker::{Client, ContainerId, DockerError};
use crate::event::{Event, Ledger, Phase, RunId, TransferId};
use crate::guard::Watched;
use crate::plan::{FifoFolder, Mount, Plan, Resolved};
use crate::reporter::{JobReporter, JobTeller};
use crate::run::container::usage::Usage;
use crate::run::phases::late::LateRemoval;
use crate::run::transfers::Transfers;
use crate::run::transfers::host_file::Unfinished;
use crate::run::transfers::relay::Relay;
use crate::volume::{Bind, ContainerName, HostFifo, Note, Owner, Record, TempDirectory, Thing};

/// One run.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) ledger: Ledger,
    pub(super) plan: Arc<Plan>,
    pub(super) store: JobStore,
    pub(super) shared: Arc<Shared>,
    pub(super) given: Given,
    pub(super) cancellation: Cancellation,
    pub(super) transfers: Transfers,
    pub(super) made: Made,
    pub(super) owner: Owner,
    /// Where the run writes down what it makes, before it makes it.
    pub(super) record: Record,
    /// A transfer's failure, and its phase: the run goes on until the container has exited, and
    /// then fails.
    pub(super) failure: Option<(Phase, Cause)>,
    /// Descriptors for the clean-up, which must not fail for want of them.
    pub(super) reserve: Vec<File>,
    /// Only written while the run goes on.
    pub(super) report: Report,
    /// Where is told what happens, for the job in Girder.
    pub(super) teller: Option<JobTeller>,
    /// The run's own reporter to that job.
    pub(super) job: Option<JobReporter>,
    /// Whether the hooks were carried out.
    pub(super) has_collected: bool,
    /// Those that nothing kept from being carried out, whatever came of it: indices into the plan's.
    pub(super) has_tried: BTreeSet<usize>,
    /// The program ended well, and nobody had asked it to end: what it made is whole.
    pub(super) has_results: bool,
    /// What the arguments wait for.
    pub(super) resolved: Resolved,
    /// The container's last words.
    pub(super) stderr_tail: Arc<Mutex<Tail>>,
    /// Lines of progress pipes that said nothing.
    pub(super) bad_progress: Arc<AtomicU64>,
    phase: (Phase, Instant),
}

/// What a run has made on the host and in the engine, and has to take away again.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) engine: Option<Client>,
    pub(super) container: MadeContainer,
    /// Of the container that has started, if it reads from us.
    pub(super) watched: Option<Watched>,
    /// Of the container that has started.
    pub(super) usage: Usage,
    /// Of the container, in the record.
    pub(super) container_note: Option<Note>,
    /// The container, if there was no time to remove it.
    pub(super) late: Option<LateRemoval>,
    /// In the plan's order.
    pub(super) fifos: Vec<HostFifo>,
    /// What the engine is to see, until the container starts.
    pub(super) markers: Vec<HostFifo>,
    /// Those of the temporary mounts, in the plan's order.
    pub(super) directories: Vec<TempDirectory>,
    /// Files under temporary names, with the transfers that write them.
    pub(super) files: Vec<(TransferId, Unfinished)>,
    /// The threads of writers.
    pub(super) relays: Vec<Relay>,
    /// Temporary mounts that stay, because a result is in them: indices into the plan's mounts.
    pub(super) staying: BTreeSet<usize>,
}

/// How far the container has come.
#[derive(Debug, Default)]
pub(super) enum MadeContainer {
    /// The engine was not asked for one.
    #[default]
    None,
    /// The engine was asked, and may have made one without our knowing.
    Asked,
    /// The engine was asked and has said that it failed: either it has made one, or it never will.
    Refused,
    /// It exists.
    Created(ContainerId),
    /// It runs, or has run.
    Started(ContainerId),
    /// It has exited.
    Exited(ContainerId, ContainerEnd),
    /// It has exited, and the engine is removing it.
    Removing(ContainerId, ContainerEnd, JoinHandle<Result<(), DockerError>>),
}

impl MadeContainer {
    /// Its id, if there is one.
    pub(super) fn id(&self) -> Option<&ContainerId> {
        match self {
            Self::None | Self::Asked | Self::Refused => None,
            Self::Created(id)
            | Self::Started(id)
            | Self::Exited(id, _)
            | Self::Removing(id, ..) => Some(id),
        }
    }

    /// How it ended, if it is known.
    pub(super) fn end(&self) -> Option<ContainerEnd> {
        match self {
            Self::Exited(_, end) | Self::Removing(_, end, _) => Some(*end),
            Self::None | Self::Asked | Self::Refused | Self::Created(_) | Self::Started(_) => None,
        }
    }
}

impl Live {
    /// Begins with nothing made. The first phase begins here.
    pub(super) fn new(
        id: RunId,
        plan: Plan,
        store: JobStore,
        (shared, given): (Arc<Shared>, Given),
        cancellation: Cancellation,
    ) -> Self {
        let ledger = Ledger::new(id, Arc::clone(&given.events));
        let transfers = Transfers::new(&shared.pump, &plan.transfers, ledger.clone());
        let run_id = ledger.run().to_string();
        let record = shared.record_folders.begin(&run_id);
        let report = Report { run_id, image: plan.image.clone(), ..Report::default() };
        let live = Self {
            ledger,
            plan: Arc::new(plan),
            store,
            cancellation,
            transfers,
            made: Made::default(),
            owner: Owner::this_process(),
            record,
            failure: None,
            reserve: Vec::new(),
            report,
            teller: None,
            job: None,
            has_collected: false,
            has_tried: BTreeSet::new(),
            has_results: false,
            resolved: Resolved::default(),
            stderr_tail: Arc::default(),
            bad_progress: Arc::default(),
            phase: (Phase::Prepare, Instant::now()),
            shared,
            given,
        };
        live.tell(&Event::PhaseStarted(Phase::Prepare));
        live
    }

    /// Ends the phase, and begins the next.
    pub(super) fn enters(&mut self, phase: Phase) {
        self.leaves();
        self.phase = (phase, Instant::now());
        tracing::debug!(phase = phase.as_str(), "enters");
        self.tell(&Event::PhaseStarted(phase));
    }

    /// Ends the last phase.
    pub(super) fn leaves(&mut self) {
        let (phase, since) = self.phase;
        let took: Duration = since.elapsed();
        self.report.phases.push((phase, took));
        self.tell(&Event::PhaseEnded(phase, took));
    }

    /// The phase that the run is in.
    pub(super) fn phase(&self) -> Phase {
        self.phase.0
    }

    /// Tells the world.
    pub(super) fn tell(&self, event: &Event) {
        self.ledger.tell(event);
        self.tells_job(event);
    }

    /// Notes something that the user should know.
    pub(super) fn warns(&mut self, warning: String) {
        self.tell(&Event::Warning(warning.clone()));
        self.report.warnings.push(warning);
    }

    /// Whether nobody takes our standard output any more, and that is to end the run.
    pub(super) fn has_lost_its_reader(&self) -> bool {
        self.given.closed_stdout == ClosedStdout::Stop && self.transfers.is_stdout_closed()
    }

    /// Stops the run if nobody takes our standard output any more.
    pub(super) fn heeds_closed_stdout(&self) {
        if self.has_lost_its_reader() && self.cancellation.go_on().is_ok() {
            self.cancellation.canceller().cancel_unhurried();
        }
    }

    /// The container's name.
    pub(super) fn container_name(&self) -> String {
        let own = self.plan.container.name();
        own.map_or_else(|| format!("gantline-{}", self.ledger.run()), str::to_owned)
    }

    /// Writes down that the engine is asked for the container.
    pub(super) fn notes_container(&mut self) -> Result<(), Cause> {
        if self.made.container_note.is_some() {
            return Ok(());
        }
        let name = ContainerName {
            engine: self.shared.engine.endpoint.to_string(),
            name: self.container_name(),
            keep: !self.plan.remove_container,
        };
        let note = self.record.intends(Thing::Container(name)).map_err(Cause::Volume)?;
        self.made.container_note = Some(note);
        Ok(())
    }

    /// What the container is found by, now and when this process is gone.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let keep = (!self.plan.remove_container).then(|| (KEEP_LABEL.to_owned(), String::new()));
        let (pid, since) = self.owner.to_parts();
        let labels = [
            (RUN_LABEL.to_owned(), self.ledger.run().to_string()),
            (HOST_LABEL.to_owned(), this_host()),
            (PID_LABEL.to_owned(), pid),
            (SINCE_LABEL.to_owned(), since),
            (UID_LABEL.to_owned(), geteuid().to_string()),
        ];
        self.given.labels.clone().into_iter().chain(labels).chain(keep).collect()
    }

    /// Every mount.
    pub(super) fn binds(&self) -> Result<Vec<Bind>, Cause> {
        let bind = |(at, mount): (usize, &Mount)| match mount {
            Mount::Bind { bind, .. } => Ok(bind.clone()),
            Mount::Temporary { target, access, .. } => {
                Bind::new(self.path_of(at)?, target.clone(), *access)
                    .map_err(|_| Cause::Bug("a temporary volume's place cannot be mounted"))
            }
        };
        let mounts = self.plan.mounts.iter().chain(&self.resolved.mounts);
        mounts.enumerate().map(bind).collect()
    }

    fn path_of(&self, mount: usize) -> Result<String, Cause> {
        let folder = self.host_side(mount).ok_or(Cause::Bug("a directory was not made"))?;
        folder.to_str().map(str::to_owned).ok_or_else(|| Cause::Unmountable(folder.into()))
    }

    /// Makes the run's result of how the phases ended, in `phase` the last of them.
    pub(super) fn ended(
        &mut self,
        ended: Ended,
        phase: Phase,
        clean_up: Vec<CleanUpError>,
    ) -> Result<Outcome, RunError> {
        for error in &clean_up {
            self.warns(chain(error));
        }
        let is_stdout_closed = self.has_lost_its_reader();
        let mut report = std::mem::take(&mut self.report);
        report.transfers = self.transfers.records();
        report.uploads.splice(0..0, self.transfers.arrived().cloned().map(UploadRecord::from));
        let Err(Stop::Failed(Failed { cause, phase: earlier, .. })) = ended else {
            return Ok(Outcome::of(report).with_closed_stdout(is_stdout_closed));
        };
        let phase = earlier.unwrap_or(phase);
        report.error = Some(chain(&*cause));
        Err(RunError { phase, cause, clean_up, report: Box::new(report) })
    }

    /// The folder of the host that a FIFO is to be made in.
    pub(super) fn folder_of(&self, folder: &FifoFolder) -> Option<PathBuf> {
        match folder {
            FifoFolder::Host(path) => Some(path.as_path().to_owned()),
            FifoFolder::Mount(at) => self.host_side(*at).map(Path::to_owned),
        }
    }

    /// The innermost folder that is mounted and has a folder of the host in it.
    pub(super) fn mounted_above(&self, folder: &FifoFolder) -> Option<PathBuf> {
        let FifoFolder::Host(path) = folder else { return None };
        let mounted = self.plan.mounts.iter().filter_map(|mount| match mount {
            Mount::Bind { host_path, .. } => Some(Path::new(host_path)),
            Mount::Temporary { .. } => None,
        });
        let above = mounted.filter(|mounted| path.as_path().starts_with(mounted));
        above.max_by_key(|mounted| mounted.components().count()).map(Path::to_owned)
    }

    /// The temporary volume that a FIFO is in.
    pub(super) fn own_mount_of(&self, fifo: usize) -> Option<usize> {
        let FifoFolder::Mount(mount) = self.plan.fifos.get(fifo)?.folder else { return None };
        matches!(self.plan.mounts.get(mount)?, Mount::Temporary { .. }).then_some(mount)
    }

    /// The folder of the temporary volume that a FIFO is in.
    pub(super) fn own_folder_of(&self, fifo: usize) -> Option<&Path> {
        self.own_mount_of(fifo).and_then(|mount| self.host_side(mount))
    }

    /// The host's side of a mount.
    pub(super) fn host_side(&self, mount: usize) -> Option<&Path> {
        match self.plan.mounts.get(mount)? {
            Mount::Bind { host_path, .. } => Some(Path::new(host_path)),
            Mount::Temporary { .. } => {
                let before = self.plan.mounts.iter().take(mount);
                let nth = before.filter(|mount| matches!(mount, Mount::Temporary { .. })).count();
                self.made.directories.get(nth).map(TempDirectory::path)
            }
        }
    }
}
