//! The thread that sends what lies on the desk, and heeds what Girder answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::backlog::Waiting;
use super::desk::Desk;
use super::pace::{Pace, Turn};
use super::status::{self, Next};
use super::{Begun, Stop, Untold};
use crate::girder::{GirderError, JobClient, JobRecord, JobStatus, JobUpdate, LogSize};

/// The thread's side.
pub(super) struct Sender {
    pub(super) client: JobClient,
    pub(super) desk: Arc<Desk>,
    pub(super) pace: Pace,
    /// Called when the job is to be stopped.
    pub(super) stop: Option<Box<dyn FnOnce(Stop) + Send>>,
    /// Requests that failed and are sent again.
    pub(super) retries: Arc<AtomicU64>,
    /// Statuses that Girder did not take.
    pub(super) refusals: u32,
}

impl Sender {
    /// Sends until there is nothing left to send, and nothing will come.
    pub(super) fn work(mut self) {
        while let Some((update, within)) = self.next() {
            self.client.set_timeout(within);
            let sent = match update {
                Some(update) => self.send(update),
                None => self.ask_for_size(),
            };
            if let Err(error) = sent {
                self.failed(error);
            }
        }
        self.ends();
    }

    /// Waits for the next update, and how long its request may take. `None` inside: how long the
    /// log is has to be asked first.
    fn next(&mut self) -> Option<(Option<JobUpdate>, Duration)> {
        let desk = Arc::clone(&self.desk);
        let mut state = desk.lock();
        loop {
            match self.pace.next(state.work(), Instant::now()) {
                Turn::End => return None,
                Turn::Wait(until) => state = desk.wait(state, until),
                Turn::GiveUpBeginning => {
                    let begun = state.failure.clone().map(status::refused);
                    drop(state);
                    self.tell_begun(begun.unwrap_or(Begun::Closed));
                    state = desk.lock();
                }
                Turn::Away => {
                    self.pace.gives_up();
                    drop(state);
                    self.tell_stop(Stop::Away);
                    state = desk.lock();
                }
                Turn::Send { within } if state.backlog.asks_for_size() => {
                    return Some((None, within));
                }
                Turn::Send { within } => {
                    state.looks = false;
                    self.pace.begins(Instant::now());
                    return Some((Some(state.backlog.next()), within));
                }
            }
        }
    }

    fn send(&mut self, update: JobUpdate) -> Result<(), GirderError> {
        match self.client.update(&update) {
            Ok(answer) => {
                self.arrived(&update, answer);
                Ok(())
            }
            Err(GirderError::JobStatus { status, .. }) if self.refusals < REFUSALS => {
                self.refusals += 1;
                let found = self.client.record()?.status;
                tracing::debug!(?status, ?found, "Girder does not take the job's status");
                self.was_refused(status, found);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn arrived(&mut self, update: &JobUpdate, answer: Option<JobRecord>) {
        self.pace.took(Instant::now());
        let created = answer.as_ref().and_then(|record| record.created.clone());
        let ran_before = update.status == Some(JobStatus::Running)
            && answer.as_ref().is_some_and(JobRecord::was_so_before);
        let mut is_anothers = false;
        self.desk.change(|state| {
            state.backlog.arrived(update);
            state.created = created.or_else(|| state.created.take());
            is_anothers = ran_before && state.lets_another_run();
            state.failure = None;
            // What was to begin was to be canceled, or is another's: nothing more is said of it.
            state.is_dead |= is_anothers
                || (state.begun.is_some() && update.status == Some(JobStatus::Canceled));
        });
        match update.status {
            Some(JobStatus::Running) if is_anothers => self.tell_begun(Begun::Elsewhere),
            Some(JobStatus::Running) => self.tell_begun(Begun::Running),
            Some(JobStatus::Canceled) => self.tell_begun(Begun::Canceled),
            _ => {}
        }
        if update.status.is_none_or(|status| !status.is_end())
            && answer.is_some_and(|record| status::is_cancel(record.status))
        {
            self.tell_stop(Stop::Cancelled);
        }
    }

    fn was_refused(&mut self, wanted: JobStatus, found: JobStatus) {
        self.pace.took(Instant::now());
        let next = status::after_refusal(wanted, found);
        let mut begun = status::begun(found);
        self.desk.change(|state| {
            // Two began in the same moment: Girder has taken the other's word.
            if (wanted, found) == (JobStatus::Running, JobStatus::Running)
                && state.lets_another_run()
            {
                begun = Begun::Elsewhere;
            }
            state.failure = None;
            if !matches!(next, Next::First(_)) {
                state.backlog.leave_status();
            }
            match next {
                Next::Instead(another) | Next::First(another) => {
                    state.backlog.status_first(another)
                }
                // It is another's, or over: nothing is said of it.
                Next::Leave if state.begun.is_some() && !matches!(begun, Begun::Running) => {
                    state.is_dead = true;
                    state.ended = Some(found);
                }
                Next::Leave => {}
            }
        });
        if next == Next::Leave {
            self.tell_begun(begun);
        }
    }

    /// Some jobs have a log before we add to it.
    fn ask_for_size(&self) -> Result<(), GirderError> {
        let size = match self.client.record() {
            Ok(record) => record.log.unwrap_or_default(),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                // Updates say what there is to say about it.
                tracing::debug!(%error, "Girder does not say how long the job's log is");
                LogSize::default()
            }
        };
        self.desk.lock().backlog.known(size);
        Ok(())
    }

    fn failed(&mut self, error: GirderError) {
        tracing::debug!(%error, "an update of the job failed");
        let is_over = !error.is_transient();
        if !is_over {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        let now = Instant::now();
        self.pace.begins(now);
        self.pace.failed(error.retry_after(), now);
        let error = Arc::new(error);
        self.desk.change(|state| {
            state.failure = Some(Arc::clone(&error));
            state.is_dead |= is_over;
        });
        if is_over {
            self.tell_begun(status::refused(error));
        }
    }

    /// Tells who waits for it how the job has begun. The desk is not locked meanwhile.
    fn tell_begun(&self, begun: Begun) {
        let then = self.desk.lock().begun.take();
        if let Some(then) = then {
            then(begun);
        }
    }

    fn tell_stop(&mut self, why: Stop) {
        if let Some(stop) = self.stop.take() {
            stop(why);
        }
    }

    /// Says whether everything was told.
    fn ends(self) {
        let mut state = self.desk.lock();
        let is_all = state.backlog.waiting() == Waiting::Nothing;
        let ended = state.ended.filter(|status| *status != JobStatus::Canceled);
        let told = match state.failure.take() {
            Some(error) if state.is_dead => Err(Untold::Refused(error)),
            Some(error) => Err(Untold::Unreachable(error)),
            None => match ended {
                Some(status) => Err(Untold::Ended(status)),
                None if is_all || state.is_dead => Ok(()),
                None => Err(Untold::Late),
            },
        };
        state.is_dead = true;
        let (begun, then) = (state.begun.take(), state.told.take());
        drop(state);
        if let Some(begun) = begun {
            begun(match &told {
                Err(Untold::Refused(error) | Untold::Unreachable(error)) => {
                    status::refused(Arc::clone(error))
                }
                _ => Begun::Closed,
            });
        }
        if let Some(then) = then {
            then(told);
        }
    }
}

/// Refused statuses of one job, each of which is followed by another.
const REFUSALS: u32 = 8;
