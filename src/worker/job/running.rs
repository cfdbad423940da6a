//! A job that goes on.

use std::cell::Cell;
use std::rc::Rc;
use std::time::SystemTime;

use tokio::sync::Notify;
use uuid::Uuid;

use super::stop::Stopper;
use crate::event::RunId;
use crate::reporter::Mark;
use crate::worker::celery::Task;
use crate::worker::taken::Taken;

/// A job that goes on.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) taken: Rc<Taken>,
    pub(crate) since: SystemTime,
    pub(crate) is_acknowledged: Cell<bool>,
    /// Whether it is not known yet if another worker has it.
    pub(crate) asks: Cell<bool>,
    pub(crate) stopper: Stopper,
    /// Whether Girder could not be told of its end.
    pub(super) is_untold: Cell<bool>,
    /// What is left of it in the log in Girder.
    pub(super) mark: Mark,
    /// Told when it is over.
    pub(super) over: Notify,
}

impl Job {
    /// One that begins, on the worker of this name.
    pub(super) fn new(taken: Rc<Taken>, hostname: &str) -> Self {
        Self {
            taken,
            since: SystemTime::now(),
            is_acknowledged: Cell::new(false),
            asks: Cell::new(false),
            is_untold: Cell::new(false),
            stopper: Stopper::default(),
            mark: Mark::new(hostname, word()),
            over: Notify::new(),
        }
    }

    /// The task.
    pub(crate) fn task(&self) -> &Task {
        &self.taken.task
    }

    /// The id of its run.
    pub(super) fn run_id(&self) -> RunId {
        // Celery's ids are UUIDs, but need not be. Two that differ make two runs.
        let id = &self.task().head.id;
        let is_uuid = id.len() == uuid::fmt::Hyphenated::LENGTH && Uuid::try_parse(id).is_ok();
        let safe = if is_uuid { &id.replace('-', "") } else { id };
        RunId::new(safe).unwrap_or_else(|_| RunId::random())
    }
}

/// A word that nobody else knows beforehand.
fn word() -> String {
    format!("{:08x}", Uuid::new_v4().as_fields().0)
}
