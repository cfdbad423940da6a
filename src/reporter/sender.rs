//! The thread that sends what lies on the desk, and heeds what Girder answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::backlog::Waiting;
use super::desk::Desk;
use super::mark::By;
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
    /// Whether the job's address is known to be right.
    pub(super) knows_address: bool,
    /// Statuses that Girder did not take.
    pub(super) refusals: u32,
}

impl Sender {
    /// Sends until there is nothing left to send, and nothing will come.
    pub(super) fn work(mut self) {
        while let Some((update, within)) = self.next() {
            self.client.set_timeout(within);
            let sent = match update {
                Request::Update(update) => self.send(update),
                Request::Size => self.ask_for_size(),
                Request::Beginning => self.ask_for_beginning(),
            };
            if let Err(error) = sent {
                self.failed(error);
            }
        }
        self.ends();
    }

    /// Waits for the next request, and says how long it may take.
    fn next(&mut self) -> Option<(Request, Duration)> {
        let desk = Arc::clone(&self.desk);
        let mut state = desk.lock();
        loop {
            match self.pace.next(state.work(), Instant::now()) {
                Turn::End => return None,
                Turn::Wait(until) => state = desk.wait(state, until),
                Turn::GiveUpBeginning => {
                    let begun = state.failure.clone().map(Begun::Unreachable);
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
                Turn::Send { within } if state.doubts && state.begins_alone() => {
                    return Some((Request::Beginning, within));
                }
                Turn::Send { within } if state.backlog.asks_for_size() => {
                    return Some((Request::Size, within));
                }
                Turn::Send { within } => {
                    state.looks = false;
                    self.pace.begins(Instant::now());
                    return Some((Request::Update(state.backlog.next()), within));
                }
            }
        }
    }

    fn send(&mut self, update: JobUpdate) -> Result<(), GirderError> {
        match self.client.update(&update) {
            Ok(answer) if self.has_come_second(&update, &answer) => {
                let record = self.client.record()?;
                self.runs(record);
                Ok(())
            }
            Ok(answer) => {
                self.arrived(&update, answer);
                Ok(())
            }
            Err(GirderError::JobStatus { status, .. }) if self.refusals < REFUSALS => {
                self.refusals += 1;
                let record = self.client.record()?;
                let found = record.status;
                tracing::debug!(?status, ?found, "Girder does not take the job's status");
                // Two began in the same moment: Girder has taken the other's word.
                if (status, found) == (JobStatus::Running, JobStatus::Running)
                    && self.desk.lock().begins_alone()
                {
                    self.runs(record);
                } else {
                    self.was_refused(status, found);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn arrived(&mut self, update: &JobUpdate, answer: JobRecord) {
        self.pace.took(Instant::now());
        self.desk.change(|state| {
            state.backlog.arrived(update);
            state.created = answer.created.or_else(|| state.created.take());
            state.failure = None;
            // What was to begin was to be canceled: nothing more is said of it.
            state.is_dead |= state.begun.is_some() && update.status == Some(JobStatus::Canceled);
        });
        match update.status {
            Some(JobStatus::Running) => self.tell_begun(Begun::Running),
            Some(JobStatus::Canceled) => self.tell_begun(Begun::Canceled),
            _ => {}
        }
        if update.status.is_none_or(|status| !status.is_end()) && status::is_cancel(answer.status) {
            self.tell_stop(Stop::Cancelled);
        }
    }

    fn was_refused(&mut self, wanted: JobStatus, found: JobStatus) {
        self.pace.took(Instant::now());
        let next = status::after_refusal(wanted, found);
        let begun = status::begun(found);
        self.desk.change(|state| {
            state.failure = None;
            if !matches!(next, Next::First(_)) {
                state.backlog.leave_status();
            }
            match next {
                Next::Instead(another) | Next::First(another) => {
                    state.backlog.status_first(another)
                }
                // It is over: nothing is said of it.
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

    /// Whether a job that begins only if nobody else has begun it ran already, when Girder took our word that it does.
    fn has_come_second(&self, update: &JobUpdate, answer: &JobRecord) -> bool {
        update.status == Some(JobStatus::Running)
            && answer.was_so_before()
            && self.desk.lock().begins_alone()
    }

    /// A job runs that begins only if nobody else has begun it: by our own word, or by another's.
    fn runs(&mut self, record: JobRecord) {
        let (by, has_failed) = {
            let state = self.desk.lock();
            (state.by(&record), state.failure.is_some())
        };
        tracing::debug!(?by, has_failed, "the job runs already");
        // Without a log it may have been our own word, if an answer to it was lost.
        if by == By::Us || (by == By::Unknown && has_failed) {
            let size = record.log_size();
            let ours = JobUpdate { status: Some(JobStatus::Running), ..JobUpdate::default() };
            self.arrived(&ours, record);
            if let Some(size) = size {
                self.desk.change(|state| state.backlog.known(size));
            }
            return;
        }
        self.pace.took(Instant::now());
        self.desk.change(|state| {
            state.created = record.created.or_else(|| state.created.take());
            state.failure = None;
            // Nothing more is said of what is another's.
            state.is_dead = true;
        });
        self.tell_begun(Begun::Elsewhere);
    }

    /// An answer to our word that the job runs was lost: looks whether Girder has taken it, before it is said again.
    fn ask_for_beginning(&mut self) -> Result<(), GirderError> {
        let record = self.client.record()?;
        match record.status {
            JobStatus::Running => self.runs(record),
            found => self.desk.change(|state| {
                state.doubts = false;
                state.has_waited |= matches!(found, JobStatus::Inactive | JobStatus::Queued);
            }),
        }
        Ok(())
    }

    /// Some jobs have a log before we add to it.
    fn ask_for_size(&self) -> Result<(), GirderError> {
        let size = match self.client.record() {
            Ok(record) => record.log_size().unwrap_or_default(),
            Err(error) if self.may_pass(&error) => return Err(error),
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
        let is_over = !self.may_pass(&error);
        if !is_over {
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
        let now = Instant::now();
        self.pace.begins(now);
        self.pace.failed(error.retry_after(), now);
        let error = Arc::new(error);
        self.desk.change(|state| {
            state.failure = Some(Arc::clone(&error));
            state.doubts = true;
            state.is_dead |= is_over;
        });
        if is_over {
            self.tell_begun(status::refused(error));
        }
    }

    /// Whether it is waited until the same request is taken. A first answer that is not Girder's says that the address
    /// is wrong, unless it is known to be right; and a redirect that it is so no more.
    fn may_pass(&self, error: &GirderError) -> bool {
        let is_of_another = match self.pace.has_taken() {
            true => error.is_no_word_of_girders(),
            false => self.knows_address && error.is_of_another(),
        };
        error.is_transient() || is_of_another
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
                Err(Untold::Refused(error)) => status::refused(Arc::clone(error)),
                Err(Untold::Unreachable(error)) => Begun::Unreachable(Arc::clone(error)),
                _ => Begun::Closed,
            });
        }
        if let Some(then) = then {
            then(told);
        }
    }
}

/// What Girder is asked.
enum Request {
    Update(JobUpdate),
    /// How long the log is that we add to.
    Size,
    /// Whether it has heard that the job runs.
    Beginning,
}

/// Refused statuses of one job, each of which is followed by another.
const REFUSALS: u32 = 8;
