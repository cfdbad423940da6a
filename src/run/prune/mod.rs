//! Removes what runs have left that were killed themselves.
//!
//! A run writes down what it makes before it makes it, see `volume::record`. What is removed here
//! is what such a record names, found again by its inode, and the container that has the run's id
//! and user in its labels. A label alone has nothing removed: an image may have any. The record of
//! a run that goes on is locked.
//!
//! No engine is needed for what lies in the file system. What cannot be removed stays in the
//! record, for the next time.

mod commands;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};

use self::commands::{path_command, record_command, remove_command};
use super::clean_up_error::CleanUpError;
use super::container::stop::{kill, remove};
use super::labels::{
    HOST_LABEL, KEEP_LABEL, PID_LABEL, RUN_LABEL, SINCE_LABEL, UID_LABEL, this_host,
};
use super::quoted::quoted;
use crate::docker::{Call, Client, ContainerId, ContainerSummary, DockerError, Endpoint, Settings};
use crate::volume::{DeadRecord, LeftContainer, Owner, RecordFolder, RecordFolders, Unread};

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub struct Prune {
    engine: Settings,
    folders: RecordFolders,
    scope: Scope,
    removal: Removal,
    label: Option<(String, String)>,
    gone: Option<Endpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    ThisUser,
    Everybody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Removal {
    Dry,
    Real,
}

/// What was removed, and what could not be.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// Names of containers.
    pub containers: Vec<String>,
    /// Names of containers that their jobs want to keep: they do not run any more.
    pub stopped: Vec<String>,
    /// Names of containers that went with their engine: no record names them any more.
    pub forgotten: Vec<String>,
    /// Temporary directories, FIFOs, unfinished files.
    pub paths: Vec<PathBuf>,
    /// What is still there.
    pub left: Vec<Left>,
    /// Names of containers that look like a killed run's, and that no record names. They are left
    /// alone.
    pub unrecorded: Vec<String>,
}

/// Something that could not be removed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Left {
    /// What, and why.
    pub error: CleanUpError,
    /// The command that would.
    pub command: String,
    /// The engine's address, if it could not be reached; see [`Prune::forget`].
    pub unreachable: Option<String>,
}

impl Prune {
    /// Looks for what this user's runs have left, on this `engine` and wherever their records say.
    /// `temporary_folder` is the runs' own.
    pub fn new(engine: Settings, temporary_folder: &Path) -> Self {
        Self::of_records(engine, RecordFolders::usual(temporary_folder))
    }

    pub(super) fn of_records(engine: Settings, folders: RecordFolders) -> Self {
        Self {
            engine,
            folders,
            scope: Scope::ThisUser,
            removal: Removal::Real,
            label: None,
            gone: None,
        }
    }

    /// Looks only for runs whose containers are there and have a label of their runner's.
    #[cfg(feature = "worker")]
    pub(super) fn with_label(mut self, label: &str, value: &str) -> Self {
        self.label = Some((label.to_owned(), value.to_owned()));
        self
    }

    /// Looks for records in this folder and in no other; see
    /// [`RunnerBuilder::record_folder`](super::RunnerBuilder::record_folder).
    #[must_use]
    pub fn record_folder(mut self, folder: &Path) -> Self {
        self.folders = RecordFolders::only(folder);
        self
    }

    /// Looks for what everybody's runs have left: root may remove it.
    #[must_use]
    pub fn everybody(mut self) -> Self {
        self.scope = Scope::Everybody;
        self
    }

    /// Forgets the containers of an engine that is gone for good. One that can be reached keeps none: its containers are
    /// removed as any others.
    ///
    /// # Errors
    /// [`DockerError::Address`]: this is no engine's address.
    pub fn forget(mut self, engine: &str) -> Result<Self, DockerError> {
        self.gone = Some(Endpoint::parse(engine)?);
        Ok(self)
    }

    /// Removes nothing, and says what would be removed.
    #[must_use]
    pub fn dry(mut self) -> Self {
        self.removal = Removal::Dry;
        self
    }

    /// Removes it. Blocks.
    ///
    /// # Errors
    /// [`PruneError`]: there was no looking. What cannot be removed is in [`Pruned::left`].
    pub fn run(self) -> Result<Pruned, PruneError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(PruneError::Begin)?;
        let (settings, removal) = (self.engine, self.removal);
        let mut sweep = Sweep { settings, removal, gone: self.gone, ..Sweep::default() };
        let folders = sweep.folders(&self.folders, self.scope);
        runtime.block_on(async {
            let deadline = Instant::now() + OTHERS_LOOK;
            loop {
                for folder in &folders {
                    sweep.folder(folder, self.label.as_ref()).await;
                }
                let Some(label) = &self.label else { return sweep.find_unrecorded().await };
                // Who prunes at the same time may have locked the record, to see whether it is its own.
                let is_over = !sweep.pruned.left.is_empty() || Instant::now() >= deadline;
                if is_over || !sweep.has_left(label).await {
                    return;
                }
                sleep(LOOKS_AGAIN).await;
            }
        });
        Ok(sweep.pruned)
    }
}

/// Goes through the records.
struct Sweep {
    settings: Settings,
    removal: Removal,
    /// The engine that is gone for good.
    gone: Option<Endpoint>,
    /// Each engine that was met, by its address.
    engines: BTreeMap<String, Client>,
    /// Those that do not answer, with what they were asked and for how long it was waited.
    silent: BTreeMap<String, (Call, Duration)>,
    /// The runs whose records were seen.
    runs: BTreeSet<String>,
    pruned: Pruned,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            removal: Removal::Dry,
            gone: None,
            engines: BTreeMap::new(),
            silent: BTreeMap::new(),
            runs: BTreeSet::new(),
            pruned: Pruned::default(),
        }
    }
}

impl Sweep {
    fn folders(&mut self, folders: &RecordFolders, scope: Scope) -> Vec<RecordFolder> {
        let (found, shut) = match scope {
            Scope::ThisUser => (folders.of_this_user(), Vec::new()),
            Scope::Everybody => folders.of_everybody(),
        };
        self.pruned.left.extend(shut.into_iter().map(unread));
        found
    }

    /// Goes through a folder, and has one record at a time.
    async fn folder(&mut self, folder: &RecordFolder, label: Option<&(String, String)>) {
        let failed = |source| unread(Unread { path: folder.path().to_owned(), source });
        let dead = match folder.dead() {
            Ok(dead) => dead,
            Err(source) => return self.pruned.left.push(failed(source)),
        };
        for record in dead {
            match record {
                Ok(record) if self.is_wanted(&record, label).await => self.record(record).await,
                Ok(_) => {}
                Err(error) => self.pruned.left.push(unread(error)),
            }
        }
    }

    async fn record(&mut self, mut record: DeadRecord) {
        self.runs.insert(record.run().to_owned());
        // First whoever reads: an input that is let go looks like the end of a file.
        for left in record.containers() {
            let is_gone = match self.container(&record, &left).await {
                Ok(()) => self.removal == Removal::Real,
                Err(source) if is_unreachable(&source) && self.is_given_up(&left) => {
                    self.pruned.forgotten.push(left.container.name);
                    self.removal == Removal::Real
                }
                Err(source) => {
                    self.meets_silence(&left.container.engine, &source);
                    let LeftContainer { container, .. } = left;
                    let command =
                        remove_command(&container.engine, &container.name, record.owner());
                    let unreachable = is_unreachable(&source).then_some(container.engine);
                    let error = CleanUpError::Container { name: container.name, source };
                    self.pruned.left.push(Left { error, command, unreachable });
                    false
                }
            };
            if is_gone {
                record.gone(left.number);
            }
        }
        for (number, kind, path) in record.paths() {
            let removed = record.find(number).and_then(|found| {
                let Some(found) = found else { return Ok(()) };
                if self.removal == Removal::Real {
                    found.remove()?;
                }
                self.pruned.paths.push(path.clone());
                Ok(())
            });
            match removed {
                Ok(()) if self.removal == Removal::Real => record.gone(number),
                Ok(()) => {}
                Err(error) => {
                    let error = CleanUpError::Volume(error);
                    let command = path_command(kind, &path, record.owner(), &error);
                    self.pruned.left.push(Left { error, command, unreachable: None });
                }
            }
        }
        self.pruned.left.extend(record.torn().iter().map(|line| torn(&record, line)));
        if self.removal == Removal::Real {
            record.close();
        }
    }

    /// Whether a record names a container that is there and has this label. Any is wanted without one.
    async fn is_wanted(&mut self, record: &DeadRecord, label: Option<&(String, String)>) -> bool {
        let Some((name, value)) = label else { return true };
        for left in record.containers() {
            let found = self.find(record, &left).await;
            let has_it = |container: &ContainerSummary| container.labels.get(name) == Some(value);
            if found.is_ok_and(|(_, found)| found.iter().any(has_it)) {
                return true;
            }
        }
        false
    }

    /// The container that a record names, if it is there and the record's, with its engine.
    async fn find(
        &mut self,
        record: &DeadRecord,
        left: &LeftContainer,
    ) -> Result<(Client, Vec<ContainerSummary>), DockerError> {
        let engine = self.engine(&left.container.engine).await?;
        let owner = record.owner().to_string();
        let labels = [(RUN_LABEL, Some(record.run())), (UID_LABEL, Some(owner.as_str()))];
        let is_named = |container: &ContainerSummary| {
            let id = left.id.as_deref();
            id == Some(container.id.as_str()) || name_of(container) == left.container.name
        };
        let found = engine.list(&labels).await?.into_iter().filter(is_named).collect();
        Ok((engine, found))
    }

    /// Looks for a container that a record names. An engine that was asked for one before its run was killed may be
    /// about to make it: nobody has heard its id.
    async fn find_or_wait(
        &mut self,
        record: &DeadRecord,
        left: &LeftContainer,
    ) -> Result<(Client, Vec<ContainerSummary>), DockerError> {
        let deadline = Instant::now() + MAKING_ENDS.saturating_sub(record.age());
        loop {
            let (engine, found) = self.find(record, left).await?;
            let may_come = left.id.is_none() && self.removal == Removal::Real;
            if !found.is_empty() || !may_come || Instant::now() >= deadline {
                return Ok((engine, found));
            }
            sleep(LOOKS_AGAIN).await;
        }
    }

    /// Removes the container that a record names.
    async fn container(
        &mut self,
        record: &DeadRecord,
        left: &LeftContainer,
    ) -> Result<(), DockerError> {
        let (engine, found) = self.find_or_wait(record, left).await?;
        for container in found {
            let name = name_of(&container);
            let is_real = self.removal == Removal::Real;
            if !left.container.keep {
                if is_real {
                    remove(&engine, &container.id).await?;
                }
                self.pruned.containers.push(name);
            } else if self.runs_or_will(record, &engine, &container.id).await? {
                if is_real {
                    kill(&engine, &container.id).await?;
                }
                self.pruned.stopped.push(name);
            }
        }
        Ok(())
    }

    /// Whether a container runs, or does now that an engine has started it which was asked before its run was killed.
    ///
    /// Docker's list says `created` of one that it is starting; to look at the one waits until that is done (`containerStart`
    /// and `ContainerInspect` in moby's daemon take its lock).
    async fn runs_or_will(
        &self,
        record: &DeadRecord,
        engine: &Client,
        container: &ContainerId,
    ) -> Result<bool, DockerError> {
        let deadline = Instant::now() + MAKING_ENDS.saturating_sub(record.age());
        loop {
            let state = match engine.inspect(container).await {
                Err(error) if error.is_not_found() => return Ok(false),
                state => state?,
            };
            let may_start = state.status == "created" && self.removal == Removal::Real;
            if !may_start || Instant::now() >= deadline {
                return Ok(state.running || state.status == "paused");
            }
            sleep(LOOKS_AGAIN).await;
        }
    }

    /// Whether a container's engine is the one that is gone for good.
    fn is_given_up(&self, left: &LeftContainer) -> bool {
        let engine = Endpoint::parse(&left.container.engine).ok();
        engine.is_some() && engine == self.gone
    }

    /// An engine that does not even say which containers it has is not asked for each: that would take as often as long.
    fn meets_silence(&mut self, address: &str, error: &DockerError) {
        if let DockerError::TimedOut { call, after } = error
            && matches!(call.path.as_str(), "/_ping" | "/containers/json")
        {
            self.silent.insert(address.to_owned(), (call.clone(), *after));
        }
    }

    /// The engine with this address. It is met once.
    async fn engine(&mut self, address: &str) -> Result<Client, DockerError> {
        if let Some((call, after)) = self.silent.get(address) {
            return Err(DockerError::TimedOut { call: call.clone(), after: *after });
        }
        if let Some(engine) = self.engines.get(address) {
            return Ok(engine.clone());
        }
        let endpoint = Endpoint::parse(address)?;
        let engine = Client::connect(Settings { endpoint, ..self.settings.clone() }).await?;
        self.engines.insert(address.to_owned(), engine.clone());
        Ok(engine)
    }

    /// Whether a container with this label is there whose process is gone. No engine, no containers.
    async fn has_left(&mut self, (name, value): &(String, String)) -> bool {
        let address = self.settings.endpoint.to_string();
        let Ok(engine) = self.engine(&address).await else { return false };
        let found = engine.list(&[(name.as_str(), Some(value.as_str()))]).await;
        found.is_ok_and(|found| found.iter().any(|container| looks_left(&container.labels)))
    }

    /// Looks for containers of dead processes that no record names. No engine, no containers.
    async fn find_unrecorded(&mut self) {
        let address = self.settings.endpoint.to_string();
        let Ok(engine) = self.engine(&address).await else { return };
        let host = this_host();
        let ours = [(RUN_LABEL, None), (HOST_LABEL, Some(host.as_str()))];
        let Ok(found) = engine.list(&ours).await else { return };
        let is_recorded = |container: &ContainerSummary| {
            container.labels.get(RUN_LABEL).is_some_and(|run| self.runs.contains(run))
        };
        let unrecorded =
            found.iter().filter(|found| looks_left(&found.labels) && !is_recorded(found));
        self.pruned.unrecorded.extend(unrecorded.map(name_of));
    }
}

/// How long after a run's death an engine may make its container. A busy one takes seconds.
const MAKING_ENDS: Duration = Duration::from_secs(10);

/// For how long others may have the record of a run that is looked for by a label: a busy engine takes seconds.
const OTHERS_LOOK: Duration = Duration::from_secs(5);

const LOOKS_AGAIN: Duration = Duration::from_millis(100);

fn unread(Unread { path, source }: Unread) -> Left {
    Left {
        command: format!("ls -l -- {}", quoted(&path.display().to_string())),
        error: CleanUpError::Record { path, source },
        unreachable: None,
    }
}

fn torn(record: &DeadRecord, line: &str) -> Left {
    let (path, line) = (record.path().to_owned(), line.to_owned());
    Left {
        command: record_command(&path, record.owner()),
        error: CleanUpError::Torn { path, line },
        unreachable: None,
    }
}

/// Whether nobody is there who could have the container.
fn is_unreachable(error: &DockerError) -> bool {
    matches!(error, DockerError::Connect { .. })
}

/// Whether who made a container is gone, and it was not to stay.
pub(super) fn looks_left(labels: &BTreeMap<String, String>) -> bool {
    let label = |name| labels.get(name).map(String::as_str).unwrap_or_default();
    let owner = Owner::from_parts(label(PID_LABEL), label(SINCE_LABEL));
    owner.is_some_and(|owner| owner.is_gone()) && !labels.contains_key(KEEP_LABEL)
}

fn name_of(container: &ContainerSummary) -> String {
    match container.names.first() {
        Some(name) => name.trim_start_matches('/').to_owned(),
        None => container.id.to_string(),
    }
}

/// Why there was no looking for what was left.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The runtime could not be made.
    #[error("cannot begin")]
    Begin(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_live_process_is_not_shown() {
        let labels = |(pid, since): (String, String)| {
            BTreeMap::from([(PID_LABEL.to_owned(), pid), (SINCE_LABEL.to_owned(), since)])
        };
        assert!(!looks_left(&labels(Owner::this_process().to_parts())));
        assert!(looks_left(&labels(Owner::gone().to_parts())));
        let mut kept = labels(Owner::gone().to_parts());
        kept.insert(KEEP_LABEL.to_owned(), String::new());
        assert!(!looks_left(&kept));
        assert!(!looks_left(&labels(("nonsense".to_owned(), "1".to_owned()))));
        assert!(!looks_left(&BTreeMap::new()));
    }
}
