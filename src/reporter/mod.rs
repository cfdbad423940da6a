//! The job in Girder that is told what happens: a thread sends what has gathered, in its order
//! and at most twice a second. It needs no run.
//!
//! Whoever has something to tell leaves it in a `Backlog` and goes on. What Girder does not take
//! never fails a run: it is tried again for a while, then it is a warning at the end. An update
//! that timed out may have arrived all the same; then its part of the log is there twice.

mod backlog;
mod error;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use parking::{Condvar, Mutex};

use self::backlog::Backlog;
pub(crate) use self::backlog::Decoder;
pub use self::error::{ReporterError, Untold};
use crate::event::JobProgress;
use crate::girder::{GirderError, JobClient, JobStatus, JobUpdate, Options, Token};
use crate::spec::GirderJob;

/// The thread's handle. Dropping it without [`flush`](Self::flush) lets the thread send what is
/// left, and end.
#[derive(Debug)]
pub(crate) struct JobReporter {
    desk: Arc<Desk>,
    /// Says nothing, and is over when the thread is.
    ended: Receiver<()>,
}

/// Where things to be told are left. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct JobTeller(Arc<Desk>);

#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    backlog: Backlog,
    /// No more will come; what is there is to be sent by then.
    closes: Option<Instant>,
    /// Girder will not take anything any more.
    is_dead: bool,
    failures: u64,
    last_failure: Option<GirderError>,
}

impl JobReporter {
    /// Starts the thread. Nothing is sent before there is something to tell.
    pub(crate) fn start(job: &GirderJob, options: &Options) -> Result<Self, ReporterError> {
        let headers = job.headers.iter();
        let headers =
            headers.map(|(name, value)| (name.clone(), Token::new(value.expose()))).collect();
        let options = Options { timeout: REQUEST.min(options.timeout), ..options.clone() };
        let client = JobClient::new(job.url.as_url(), &job.method, headers, &options)
            .map_err(|error| ReporterError::Unusable(Box::new(error)))?;
        let desk = Arc::new(Desk::default());
        let (alive, ended) = crossbeam_channel::bounded(0);
        let work = {
            let desk = Arc::clone(&desk);
            move || {
                Sender { client, desk, last: None }.work();
                drop(alive);
            }
        };
        let name = "gantline-job".to_owned();
        thread::Builder::new().name(name).spawn(work).map_err(ReporterError::Thread)?;
        Ok(Self { desk, ended })
    }

    /// Where to leave things.
    pub(crate) fn teller(&self) -> JobTeller {
        JobTeller(Arc::clone(&self.desk))
    }

    /// Blocks until everything is sent, or the time for it is over. What Girder did not take is
    /// the warning.
    pub(crate) fn flush(self) -> Result<(), Untold> {
        self.desk.close();
        // The request that is under way may be at its beginning when the time is over.
        let _ = self.ended.recv_timeout(FLUSH + Duration::from_secs(1));
        let mut state = self.desk.state.lock();
        let is_all_sent = state.backlog.is_empty() || state.is_dead;
        match state.last_failure.take() {
            None if is_all_sent => Ok(()),
            None => Err(Untold::Late),
            Some(source) => {
                let source = Box::new(source);
                Err(Untold::Failed { failures: state.failures, is_all_sent, source })
            }
        }
    }
}

impl Drop for JobReporter {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl JobTeller {
    pub(crate) fn log(&self, text: &str) {
        self.leave(|backlog| backlog.log(text));
    }

    pub(crate) fn status(&self, status: JobStatus) {
        self.leave(|backlog| backlog.status(status));
    }

    pub(crate) fn progress(&self, progress: JobProgress) {
        self.leave(|backlog| backlog.progress(progress));
    }

    fn leave(&self, what: impl FnOnce(&mut Backlog)) {
        let mut state = self.0.state.lock();
        if !state.is_dead {
            what(&mut state.backlog);
            self.0.changed.notify();
        }
    }
}

impl Desk {
    fn close(&self) {
        let mut state = self.state.lock();
        state.closes.get_or_insert_with(|| Instant::now() + FLUSH);
        self.changed.notify();
    }
}

/// The thread's side.
struct Sender {
    client: JobClient,
    desk: Arc<Desk>,
    /// When the last request began.
    last: Option<Instant>,
}

impl Sender {
    fn work(mut self) {
        while self.waits_for_something() {
            self.keep_pace(INTERVAL);
            let update = self.desk.state.lock().backlog.take();
            self.send(update);
        }
    }

    /// False: there is nothing left, and nothing will come.
    fn waits_for_something(&self) -> bool {
        let mut state = self.desk.state.lock();
        loop {
            let is_late = state.closes.is_some_and(|closes| closes <= Instant::now());
            match (state.is_dead || state.backlog.is_empty(), state.closes.is_some()) {
                (true, true) => return false,
                _ if is_late => return false,
                (true, false) => state = self.desk.changed.wait(state),
                (false, _) => return true,
            }
        }
    }

    /// Lets time pass since the last request began, not beyond the last moment.
    fn keep_pace(&self, pause: Duration) {
        let Some(last) = self.last else { return };
        let mut state = self.desk.state.lock();
        loop {
            let until = state.closes.map_or(last + pause, |closes| closes.min(last + pause));
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.desk.changed.wait_timeout(state, left);
        }
    }

    fn send(&mut self, mut update: JobUpdate) {
        let mut pause = INTERVAL;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                self.keep_pace(pause);
                pause *= 2;
            }
            self.last = Some(Instant::now());
            match self.client.update(&update) {
                Ok(()) => return,
                Err(error @ GirderError::Status { status: 400, .. }) if update.status.is_some() => {
                    tracing::debug!(%error, "Girder does not take the job's status");
                    self.was_refused(update.status.take(), error);
                    if update.is_empty() {
                        return;
                    }
                    pause = INTERVAL;
                }
                Err(error) if error.is_transient() && !self.is_over() => {
                    tracing::debug!(attempt, %error, "an update of the job failed");
                    if attempt + 1 == ATTEMPTS {
                        self.gives_up(&update, error);
                        return;
                    }
                }
                Err(error) => {
                    self.gives_up(&update, error);
                    return;
                }
            }
        }
    }

    /// A job that was cancelled in Girder can only become canceled, or an error.
    fn was_refused(&self, status: Option<JobStatus>, error: GirderError) {
        let mut state = self.desk.state.lock();
        match status {
            Some(JobStatus::Success) => state.backlog.status_again(JobStatus::Canceled),
            Some(JobStatus::Running) => {}
            _ => {
                state.failures += 1;
                state.last_failure = Some(error);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.desk.state.lock().closes.is_some_and(|closes| closes <= Instant::now())
    }

    fn gives_up(&self, update: &JobUpdate, error: GirderError) {
        let mut state = self.desk.state.lock();
        state.failures += 1;
        // Without its status, the next one would not be taken either.
        if let (true, Some(status)) = (error.is_transient(), update.status) {
            state.backlog.status_again(status);
        }
        state.is_dead |= !error.is_transient();
        state.last_failure = Some(error);
    }
}

/// Between the beginnings of two requests, at least.
const INTERVAL: Duration = Duration::from_millis(500);

/// For one request.
const REQUEST: Duration = Duration::from_secs(15);

/// Requests for one update, with pauses of 0.5, 1, 2, 4 s between them: a server's restart.
const ATTEMPTS: u32 = 5;

/// For everything that is left when the run is over.
const FLUSH: Duration = Duration::from_secs(20);

/// std's own, without poison: nobody panics while they hold it.
mod parking {
    use std::sync::{MutexGuard, PoisonError};
    use std::time::Duration;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(std::sync::Condvar);

    impl Condvar {
        pub(crate) fn notify(&self) {
            self.0.notify_one();
        }

        pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
            self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn wait_timeout<'a, T>(
            &self,
            guard: MutexGuard<'a, T>,
            time: Duration,
        ) -> MutexGuard<'a, T> {
            self.0.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

#[cfg(test)]
mod tests;
