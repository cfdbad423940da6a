//! Where what is to be told is left, and picked up by the thread that tells it.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::backlog::Backlog;
use super::mark::{By, Mark};
use super::pace::Work;
use super::{Begun, Untold};
use crate::girder::{GirderError, JobRecord, JobStatus};

/// Shared by everybody who tells something and the thread that sends it.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

/// What lies there.
#[derive(Default)]
pub(super) struct State {
    pub(super) backlog: Backlog,
    /// Somebody wants to know at once how the job is.
    pub(super) looks: bool,
    /// Nothing more comes, since then.
    pub(super) closed: Option<Instant>,
    /// There is no time after that.
    pub(super) hurry: Option<Instant>,
    /// Girder takes nothing from us any more, or there is nothing that it should be told.
    pub(super) is_dead: bool,
    /// It had ended before we began.
    pub(super) ended: Option<JobStatus>,
    /// When the job was made, as Girder says.
    pub(super) created: Option<String>,
    /// The last failure that was not made good.
    pub(super) failure: Option<Arc<GirderError>>,
    /// Waits to hear whether the job has begun.
    pub(super) begun: Option<Then<Begun>>,
    /// What we leave in the log of a job that begins only if nobody else has begun it.
    pub(super) mark: Option<Mark>,
    /// Whether Girder has heard that it runs is not known: an answer was lost.
    pub(super) doubts: bool,
    /// It was seen to wait after such a doubt.
    pub(super) has_waited: bool,
    /// Waits to hear that everything is told.
    pub(super) told: Option<Then<Result<(), Untold>>>,
}

/// Called once, in the reporter's thread.
pub(super) type Then<T> = Box<dyn FnOnce(T) + Send>;

impl Desk {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics while they hold it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and wakes the thread.
    pub(super) fn change(&self, what: impl FnOnce(&mut State)) {
        what(&mut self.lock());
        self.changed.notify_one();
    }

    /// Waits until somebody changes something, at most until then.
    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        let Some(until) = until else {
            return self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        let left = until.saturating_duration_since(Instant::now());
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        self.closed.get_or_insert_with(Instant::now);
        self.backlog.close();
    }

    /// Whether the job begins only if nobody else has begun it, and that is not decided yet.
    pub(super) fn begins_alone(&self) -> bool {
        self.mark.is_some() && self.begun.is_some()
    }

    /// By whom a job runs that begins only if nobody else has begun it.
    pub(super) fn by(&self, record: &JobRecord) -> By {
        self.mark.as_ref().map_or(By::Unknown, |mark| mark.by(record, self.has_waited))
    }

    pub(super) fn work(&self) -> Work {
        Work {
            waiting: self.backlog.waiting(),
            begins: self.begun.is_some(),
            looks: self.looks,
            closed: self.closed,
            hurry: self.hurry,
            is_dead: self.is_dead,
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("backlog", &self.backlog).finish_non_exhaustive()
    }
}
