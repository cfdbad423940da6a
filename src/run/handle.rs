//! A run that goes on, for whoever started it: wait for its end, look for it, await it, be called at it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::cancel::Canceller;
use super::error::{Cause, RunError};
use super::outcome::Outcome;
use crate::event::RunId;

/// A run that goes on. Dropping it lets it go on.
///
/// Its end is given once. There are four ways to it: [`wait`](Self::wait) blocks; it is a future, for any
/// executor; [`try_wait`](Self::try_wait) looks, and [`on_end`](Self::on_end) says when looking is worth it,
/// so that one thread can watch a hundred runs:
///
/// ```no_run
/// # fn example(runner: &gantline::Runner, jobs: &[gantline::JobSpec]) -> Result<(), gantline::RunError> {
/// let (sender, ended) = std::sync::mpsc::channel();
/// let mut runs = std::collections::HashMap::new();
/// for job in jobs {
///     let (run, sender) = (runner.start(job)?, sender.clone());
///     run.on_end(move |id| drop(sender.send(id.clone())));
///     runs.insert(run.id().clone(), run);
/// }
/// while let Some(mut run) = ended.recv().ok().and_then(|id| runs.remove(&id)) {
///     let ended = run.try_wait().map(|end| end.is_ok());
///     println!("{}: {ended:?}", run.id());
/// #   if runs.is_empty() { break }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RunHandle {
    id: RunId,
    image: String,
    canceller: Canceller,
    end: Arc<End>,
}

impl RunHandle {
    /// A handle, and what tells it the end.
    pub(super) fn new(id: RunId, image: String, canceller: Canceller) -> (Self, Ending) {
        let end = Arc::new(End::default());
        let ending = Ending { id: id.clone(), image: image.clone(), end: Arc::clone(&end) };
        (Self { id, image, canceller, end }, ending)
    }

    /// The run's id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Asks the run to stop: the first time with the grace period, the second time at once.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }

    /// What cancels this run from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// As [`Runner::run`](super::Runner::run); [`Cause::EndTaken`] if the end was given before.
    pub fn wait(self) -> Result<Outcome, RunError> {
        let mut state = self.end.lock();
        loop {
            match state.take() {
                Taken::End(end) => return *end,
                Taken::Before => return Err(self.taken()),
                Taken::NotYet => {
                    state = self.end.over.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Gives the end, once, if the run is over. Does not block.
    pub fn try_wait(&mut self) -> Option<Result<Outcome, RunError>> {
        match self.end.lock().take() {
            Taken::End(end) => Some(*end),
            Taken::NotYet | Taken::Before => None,
        }
    }

    /// Whether the run is over: nothing of it is left on the host and in the engine but what it is to leave.
    pub fn is_over(&self) -> bool {
        !matches!(*self.end.lock(), State::GoesOn { .. })
    }

    /// Calls `notice` when the run is over, in the run's thread; of one that is over already, now. Return
    /// quickly.
    pub fn on_end(&self, notice: impl FnOnce(&RunId) + Send + 'static) {
        match &mut *self.end.lock() {
            State::GoesOn { notices, .. } => return notices.push(Box::new(notice)),
            State::Over(_) | State::Taken => {}
        }
        notice(&self.id);
    }

    fn taken(&self) -> RunError {
        RunError::before_the_run(&self.id, &self.image, Cause::EndTaken)
    }
}

impl Future for RunHandle {
    type Output = Result<Outcome, RunError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.end.lock();
        match state.take() {
            Taken::End(end) => Poll::Ready(*end),
            Taken::Before => Poll::Ready(Err(self.taken())),
            Taken::NotYet => {
                if let State::GoesOn { waker, .. } = &mut *state {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// The run's side of a [`RunHandle`]. Dropped without a word, the run's thread has panicked.
#[derive(Debug)]
pub(super) struct Ending {
    id: RunId,
    image: String,
    end: Arc<End>,
}

impl Ending {
    /// The run is over.
    pub(super) fn tell(self, end: Result<Outcome, RunError>) {
        self.over(end);
    }

    fn over(&self, result: Result<Outcome, RunError>) {
        let before = std::mem::replace(&mut *self.end.lock(), State::Over(Box::new(result)));
        self.end.over.notify_all();
        let State::GoesOn { waker, notices } = before else { return };
        if let Some(waker) = waker {
            waker.wake();
        }
        notices.into_iter().for_each(|notice| notice(&self.id));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let goes_on = matches!(*self.end.lock(), State::GoesOn { .. });
        if goes_on {
            let cause = Cause::Bug("the thread of a run panicked");
            self.over(Err(RunError::before_the_run(&self.id, &self.image, cause)));
        }
    }
}

/// What the two sides share.
#[derive(Debug, Default)]
struct End {
    state: Mutex<State>,
    over: Condvar,
}

impl End {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Notice = Box<dyn FnOnce(&RunId) + Send>;

enum State {
    GoesOn { waker: Option<Waker>, notices: Vec<Notice> },
    Over(Box<Result<Outcome, RunError>>),
    Taken,
}

impl State {
    fn take(&mut self) -> Taken {
        match std::mem::replace(self, Self::Taken) {
            Self::Over(end) => Taken::End(end),
            Self::Taken => Taken::Before,
            goes_on @ Self::GoesOn { .. } => {
                *self = goes_on;
                Taken::NotYet
            }
        }
    }
}

/// What came of taking the end.
#[must_use]
enum Taken {
    End(Box<Result<Outcome, RunError>>),
    NotYet,
    /// Somebody has it.
    Before,
}

impl Default for State {
    fn default() -> Self {
        Self::GoesOn { waker: None, notices: Vec::new() }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoesOn { .. } => "GoesOn",
            Self::Over(_) => "Over",
            Self::Taken => "Taken",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::run::outcome::Report;

    fn run() -> (RunHandle, Ending) {
        RunHandle::new(RunId::random(), "i".to_owned(), Canceller::new().0)
    }

    fn outcome() -> Result<Outcome, RunError> {
        Ok(Outcome::of(Report { exit_code: Some(3), ..Report::default() }))
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_end_is_given_once_and_said_to_everybody() {
        let (mut run, ending) = run();
        let told = Arc::new(AtomicUsize::new(0));
        let notice = || {
            let told = Arc::clone(&told);
            move |_: &RunId| {
                told.fetch_add(1, Ordering::Relaxed);
            }
        };
        run.on_end(notice());
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        assert!(run.try_wait().is_none() && !run.is_over());
        assert!(Pin::new(&mut run).poll(&mut context).is_pending());
        ending.tell(outcome());
        run.on_end(notice());
        assert_eq!((told.load(Ordering::Relaxed), woken.0.load(Ordering::Relaxed)), (2, 1));
        let Poll::Ready(Ok(end)) = Pin::new(&mut run).poll(&mut context) else { panic!("{run:?}") };
        assert_eq!(end.exit_code(), Some(3));
        assert!(run.try_wait().is_none() && run.is_over());
        assert!(matches!(*run.wait().unwrap_err().cause, Cause::EndTaken));
    }

    #[test]
    fn a_thread_that_panics_is_the_end_too() {
        let (run, ending) = run();
        let thread = std::thread::spawn(move || drop(ending));
        assert!(matches!(*run.wait().unwrap_err().cause, Cause::Bug(_)));
        thread.join().unwrap();
    }
}
