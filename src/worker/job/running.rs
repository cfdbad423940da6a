//! A job that goes on.

use std::cell::Cell;
use std::rc::Rc;
use std::time::SystemTime;

use ring::digest::{SHA256, digest};
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

    /// The id of its run: the same wherever its message comes, and as often as it does.
    pub(super) fn run_id(&self) -> RunId {
        run_of(&self.task().head.id)
    }
}

/// The run of a task. Celery's ids are UUIDs, but need not be: one that cannot be a part of a container's name is told by
/// its sum. Two that differ make two runs.
fn run_of(task_id: &str) -> RunId {
    let is_uuid =
        task_id.len() == uuid::fmt::Hyphenated::LENGTH && Uuid::try_parse(task_id).is_ok();
    let safe = if is_uuid { task_id.replace('-', "") } else { task_id.to_owned() };
    let sum = || {
        let sum = digest(&SHA256, task_id.as_bytes());
        let hex: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        RunId::new(&hex)
    };
    RunId::new(&safe).or_else(|_| sum()).unwrap_or_else(|_| RunId::random())
}

/// A word that nobody else knows beforehand.
fn word() -> String {
    format!("{:08x}", Uuid::new_v4().as_fields().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_one_run_whatever_its_id_is() {
        let run = |id: &str| run_of(id).to_string();
        assert_eq!(run("6b08ed6b-02a5-488d-22c9-913860000000"), "6b08ed6b02a5488d22c9913860000000");
        assert_eq!(run("nightly_2.csv"), "nightly_2.csv");
        let odd = ["a/b", "a b", "", "\u{e9}", &"x".repeat(101), &"x".repeat(102)];
        let runs = odd.map(run);
        assert_eq!(runs, odd.map(run));
        for (at, one) in runs.iter().enumerate() {
            assert_eq!((one.len(), runs.iter().position(|other| other == one)), (64, Some(at)));
        }
    }
}
