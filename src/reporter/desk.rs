//! Where what is to be told is left, and picked up by the thread that tells it.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::backlog::Backlog;
use super::pace::Work;
use super::{Begun, Untold};
use crate::girder::{GirderError, JobStatus};

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
    /// The job begins only if nobody else has begun it.
    pub(super) begins_alone: bool,
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

    /// Whether a job that ran before our word that it runs is another's. After a failure it may have been our own
    /// word, whose answer did not reach us.
    pub(super) fn lets_another_run(&self) -> bool {
        self.begins_alone && self.begun.is_some() && self.failure.is_none()
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
