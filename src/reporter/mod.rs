//! The job in Girder that is told what happens: its status, its log, its progress.
//!
//! A [`JobReporter`] has a thread that sends what has gathered. It needs no run: it can say of a
//! job that never started that it was canceled. Whoever has something to tell leaves it with a
//! [`JobTeller`] and goes on.
//!
//! ```no_run
//! # use gantline::internal::reporter::{Begun, JobReporter, ReporterOptions};
//! # use gantline::spec::GirderJob;
//! # fn example(job: &GirderJob) -> Result<(), Box<dyn std::error::Error>> {
//! use gantline::internal::girder::JobStatus;
//!
//! let stop = |why| println!("the job is to be stopped: {why:?}");
//! let reporter = JobReporter::start(job, ReporterOptions::default(), stop)?;
//! if let Begun::Running = reporter.begin() {
//!     reporter.teller().log("it works\n");
//!     reporter.teller().status(JobStatus::Success);
//! }
//! reporter.flush()?; // blocks; `finish` does not
//! # Ok(())
//! # }
//! ```
//!
//! # What is guaranteed
//!
//! - An update begins at most twice a second; the one with the job's end does not wait for that. What
//!   is told is sent within a second, unless an update is under way or there is more than one update
//!   may bring.
//! - The log comes in its order, and no update pushes an earlier one out of Girder's log. Of a long
//!   log the beginning and the end are shown; `log` has the numbers. An update that timed out may
//!   have arrived all the same; then its part of the log is there twice.
//! - A final status comes with the last of the log before it, never sooner.
//! - What Girder answers is heeded. Every answer has the job's status: when somebody cancelled the
//!   job in Girder, the owner is told so, once. A job that nothing is told of is looked at from
//!   time to time, for that. What a refused status means is decided in `status`.
//! - A Girder that is away is asked again with growing pauses, as long as the job runs; what comes
//!   meanwhile is kept, within the log's bounds. So is one in whose place a proxy says 404, or shows a page of its own.
//!   Who waits for the beginning or the end waits for
//!   [`patience`](ReporterOptions::patience); who does not want to work for a Girder that does not
//!   come back says so with [`absence`](ReporterOptions::absence). A Girder that refuses an update
//!   gets no other.
//!
//! What decides is pure: `log` and `backlog` say what is sent, `pace` says when, `status` what an
//! answer means. `sender` is the thread around them.

mod backlog;
mod decoder;
mod desk;
mod error;
mod log;
mod mark;
mod pace;
mod sender;
mod status;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use self::decoder::Decoder;
use self::desk::{Desk, State};
pub use self::error::{ReporterError, Untold};
pub use self::mark::Mark;
use self::pace::Pace;
use self::sender::Sender;
use crate::event::JobProgress;
use crate::girder::{self, GirderError, JobClient, JobStatus, Token};
use crate::span::carried;
use crate::spec::GirderJob;

/// Reports to one job in Girder. Dropped without [`finish`](Self::finish) or [`flush`](Self::flush),
/// it sends what is left all the same.
#[derive(Debug)]
pub struct JobReporter {
    desk: Arc<Desk>,
}

/// Where things to be told are left. Cheap to clone.
#[derive(Clone)]
pub struct JobTeller(Arc<Desk>);

/// How a reporter speaks with Girder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReporterOptions {
    /// Certificate authorities, and what we call ourselves.
    pub girder: girder::Options,
    /// How long a Girder that is away is waited for when a job begins, and at its end. Default: 20 s.
    pub patience: Duration,
    /// How often a job that nothing is told of is looked at. Default: every 30 s.
    pub look: Duration,
    /// How long Girder may be away while the job runs, before the owner is told to stop it. Default:
    /// as long as the job runs.
    pub absence: Option<Duration>,
    /// Whether the job's address is known to be right, as one that Girder itself has given: what a proxy says in its
    /// place is waited out then. Default: not before Girder has taken an update.
    pub knows_address: bool,
    /// Counts the requests that failed and are sent again.
    pub retries: Arc<AtomicU64>,
}

impl Default for ReporterOptions {
    fn default() -> Self {
        let (patience, look) = (Duration::from_secs(20), Duration::from_secs(30));
        let (absence, knows_address, retries) = (None, false, Arc::default());
        Self { girder: girder::Options::default(), patience, look, absence, knows_address, retries }
    }
}

/// Why a job that runs is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// Somebody cancelled it in Girder.
    Cancelled,
    /// Girder was away for longer than [`absence`](ReporterOptions::absence).
    Away,
}

/// How a job has begun. Only one that is running is to be worked on.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub enum Begun {
    /// Girder knows now that it runs.
    Running,
    /// It has ended already, so this is a second delivery. It is told nothing more.
    Ended(JobStatus),
    /// Somebody else has begun it, and it runs: this is a second delivery. It is told nothing more.
    Elsewhere,
    /// It was cancelled before it began, and is canceled now. It is told nothing more.
    Canceled,
    /// It was deleted.
    Deleted,
    /// Girder does not take updates of it from us: the token is not valid, or has expired.
    Refused(Arc<GirderError>),
    /// Girder is away, and was waited for. It is asked again until the reporter is closed.
    Unreachable(Arc<GirderError>),
    /// The reporter was closed before Girder had answered.
    Closed,
}

impl JobReporter {
    /// Starts the thread. Nothing is sent before there is something to tell. `stop` is called in that
    /// thread, at most once: when the job is to be stopped after its beginning.
    ///
    /// # Errors
    /// [`ReporterError`].
    pub fn start(
        job: &GirderJob,
        options: ReporterOptions,
        stop: impl FnOnce(Stop) + Send + 'static,
    ) -> Result<Self, ReporterError> {
        let headers = job.headers.iter();
        let headers =
            headers.map(|(name, value)| (name.clone(), Token::new(value.expose()))).collect();
        let girder = options_for(job, &options.girder);
        let client = JobClient::new(job.url.as_url(), &job.method, headers, &girder)
            .map_err(|error| ReporterError::Unusable(Box::new(error)))?;
        let desk = Arc::new(Desk::default());
        let ReporterOptions { patience, look, absence, knows_address, retries, .. } = options;
        let sender = Sender {
            client,
            desk: Arc::clone(&desk),
            pace: Pace::new(patience, look, absence),
            stop: Some(Box::new(stop)),
            retries,
            knows_address,
            refusals: 0,
        };
        let thread = thread::Builder::new().name("gantline-job".to_owned());
        thread.spawn(carried(move || sender.work())).map_err(ReporterError::Thread)?;
        Ok(Self { desk })
    }

    /// Where to leave things.
    pub fn teller(&self) -> JobTeller {
        JobTeller(Arc::clone(&self.desk))
    }

    /// When the job was made, in ISO 8601, as far as Girder has said so yet.
    pub fn created(&self) -> Option<String> {
        self.desk.lock().created.clone()
    }

    /// Tells Girder that the job runs, and waits for what it says to that: at most for
    /// [`patience`](ReporterOptions::patience) and one request. To be called once.
    pub fn begin(&self) -> Begun {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        self.begin_then(move |begun| drop(sender.send(begun)));
        receiver.recv().unwrap_or(Begun::Closed)
    }

    /// As [`begin`](Self::begin), without waiting: `then` is called in the reporter's thread.
    pub fn begin_then(&self, then: impl FnOnce(Begun) + Send + 'static) {
        self.desk.change(|state| {
            state.begun = Some(Box::new(then));
            state.backlog.status(JobStatus::Running);
        });
    }

    /// As [`begin_then`](Self::begin_then), for a job that may have been given to others as well: of those who
    /// begin it so, one does. The mark's line comes with it into the log. By it Girder tells that an update has
    /// changed something, so that its answer says what; and we know our own word again when its answer was lost.
    pub fn begin_alone_then(&self, mark: Mark, then: impl FnOnce(Begun) + Send + 'static) {
        self.desk.change(|state| {
            state.begun = Some(Box::new(then));
            state.backlog.begin(mark.begins());
            state.mark = Some(mark);
        });
    }

    /// Nothing more will be told. Blocks until everything is sent, or Girder was away for longer
    /// than [`patience`](ReporterOptions::patience).
    ///
    /// # Errors
    /// [`Untold`]: Girder was not told everything.
    pub fn flush(self) -> Result<(), Untold> {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        self.finish(move |told| drop(sender.send(told)));
        receiver.recv().unwrap_or(Err(Untold::Bug("the reporter's thread panicked")))
    }

    /// As [`flush`](Self::flush), without waiting: `then` is called in the reporter's thread.
    pub fn finish(self, then: impl FnOnce(Result<(), Untold>) + Send + 'static) {
        self.desk.change(|state| {
            state.told = Some(Box::new(then));
            state.close();
        });
    }
}

/// How to speak with the Girder of a job: as the runner says, and as the job does.
pub(crate) fn options_for(job: &GirderJob, given: &girder::Options) -> girder::Options {
    let mut options = given.clone();
    options.ca_files.extend(job.session.ca_file.clone());
    options.unverified |= job.session.unverified;
    options.certificate = job.session.certificate.clone().or(options.certificate);
    let proxy = job.session.proxy_for(&job.url).map(|proxy| Token::new(proxy.expose()));
    options.proxy = proxy.or(options.proxy);
    options
}

impl Drop for JobReporter {
    fn drop(&mut self) {
        self.desk.change(|state| state.close());
    }
}

impl JobTeller {
    /// More of the log. Lines have their ends with them.
    pub fn log(&self, text: &str) {
        self.leave(|state| state.backlog.log(text));
    }

    /// How the job is. Every status is told, one after the other.
    pub fn status(&self, status: JobStatus) {
        self.leave(|state| state.backlog.status(status));
    }

    /// How far the job is. Of what comes between two updates the last is told.
    pub fn progress(&self, progress: JobProgress) {
        self.leave(|state| state.backlog.progress(progress));
    }

    /// Looks at once whether the job was cancelled in Girder: word of that may have been lost.
    pub fn look(&self) {
        self.0.change(|state| state.looks = true);
    }

    /// What is left when this time is over is not sent, once the reporter is closed.
    pub fn hurry(&self, within: Duration) {
        self.0.change(|state| state.hurry = Some(Instant::now() + within));
    }

    fn leave(&self, what: impl FnOnce(&mut State)) {
        self.0.change(|state| {
            // Nobody will pick it up.
            if !state.is_dead {
                what(state);
            }
        });
    }
}

impl fmt::Debug for JobTeller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobTeller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
