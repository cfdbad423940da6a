//! Asking a run to stop, once or twice.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Stops a run from another thread, or from a signal's.
///
/// The first [`cancel`](Self::cancel) stops the container with its grace period, the second kills
/// it. A run that is over takes no notice.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<watch::Sender<Asked>>);

impl Canceller {
    /// Asks once more.
    pub fn cancel(&self) {
        self.0.send_modify(|asked| {
            *asked = match asked {
                Asked::Nothing => Asked::Stop,
                Asked::Stop | Asked::Kill => Asked::Kill,
            }
        });
    }

    /// One that has not been asked yet, and the run's side of it.
    pub(crate) fn new() -> (Self, Cancellation) {
        let (sender, receiver) = watch::channel(Asked::Nothing);
        let canceller = Self(Arc::new(sender));
        let cancellation =
            Cancellation { asked: receiver, canceller: canceller.clone(), silence: Arc::default() };
        (canceller, cancellation)
    }
}

/// The run's side of a [`Canceller`].
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    asked: watch::Receiver<Asked>,
    canceller: Canceller,
    /// The engine was found not to answer when the run was to end.
    silence: Arc<AtomicBool>,
}

impl Cancellation {
    /// What stops the run from within: the job in Girder was cancelled.
    pub(crate) fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Lets `work` go on until it is done or the run is cancelled, to this level; then `work` is dropped.
    ///
    /// This is how a run notices that it is cancelled. Work that must not be dropped halfway comes before
    /// a [`go_on`](Self::go_on).
    pub(crate) async fn unless<T>(
        &self,
        level: Level,
        work: impl Future<Output = T>,
    ) -> Result<T, Cancelled> {
        tokio::select! {
            biased;
            () = self.until(level) => Err(Cancelled),
            done = work => Ok(done),
        }
    }

    /// Whether the run goes on.
    pub(crate) fn go_on(&self) -> Result<(), Cancelled> {
        match *self.asked.borrow() {
            Asked::Nothing => Ok(()),
            Asked::Stop | Asked::Kill => Err(Cancelled),
        }
    }

    /// Whether the engine was found not to answer when the run was to end.
    pub(crate) fn has_met_silence(&self) -> bool {
        self.silence.load(Ordering::Relaxed)
    }

    /// The engine does not answer, and the run is to end.
    pub(crate) fn meets_silence(&self) {
        self.silence.store(true, Ordering::Relaxed);
    }

    /// Comes back when the run is cancelled, to this level.
    pub(crate) async fn until(&self, level: Level) {
        let least = match level {
            Level::Asked => Asked::Stop,
            Level::Insisted => Asked::Kill,
        };
        let mut receiver = self.asked.clone();
        if receiver.wait_for(|asked| *asked >= least).await.is_err() {
            // Nobody is left who could ask.
            pending::<()>().await;
        }
    }
}

/// How often somebody has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Asked,
    Insisted,
}

impl Level {
    /// What stops the work of a run that may be cancelled already: that goes on until somebody insists.
    pub(crate) fn beyond(is_cancelled: bool) -> Self {
        if is_cancelled { Self::Insisted } else { Self::Asked }
    }
}

/// The run was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancelled;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Nothing,
    Stop,
    Kill,
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn is_ready(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_first_asks_and_the_second_insists() {
        let (canceller, cancellation) = Canceller::new();
        assert!(cancellation.go_on().is_ok());
        assert!(!is_ready(cancellation.until(Level::Asked)));
        canceller.cancel();
        assert!(cancellation.go_on().is_err());
        assert!(is_ready(cancellation.until(Level::Asked)));
        assert!(!is_ready(cancellation.until(Level::Insisted)));
        canceller.cancel();
        assert!(is_ready(cancellation.until(Level::Asked)));
        assert!(is_ready(cancellation.until(Level::Insisted)));
    }

    #[test]
    fn work_goes_on_until_somebody_asks() {
        let (canceller, cancellation) = Canceller::new();
        assert!(is_ready(cancellation.unless(Level::Asked, async {})));
        assert!(!is_ready(cancellation.unless(Level::Asked, pending::<()>())));
        canceller.cancel();
        assert!(is_ready(cancellation.unless(Level::Asked, pending::<()>())));
        assert!(!is_ready(cancellation.unless(Level::beyond(true), pending::<()>())));
    }

    #[test]
    fn when_nobody_is_left_to_ask_nothing_is_asked() {
        let (canceller, cancellation) = Canceller::new();
        drop(canceller);
        assert!(!is_ready(cancellation.until(Level::Asked)));
    }
}
