//! Asking a run to stop, once or twice.

use std::future::pending;
use std::sync::Arc;

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
        (canceller.clone(), Cancellation(receiver, canceller))
    }
}

/// The run's side of a [`Canceller`].
#[derive(Debug, Clone)]
pub(crate) struct Cancellation(watch::Receiver<Asked>, Canceller);

impl Cancellation {
    /// What stops the run from within: the job in Girder was cancelled.
    pub(crate) fn canceller(&self) -> Canceller {
        self.1.clone()
    }

    /// Whether the run is to stop.
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow() != Asked::Nothing
    }

    /// Comes back when the run is to stop.
    pub(crate) async fn asked(&mut self) {
        self.until(Asked::Stop).await;
    }

    /// Comes back when the run is to stop at once.
    pub(crate) async fn insisted(&mut self) {
        self.until(Asked::Kill).await;
    }

    async fn until(&mut self, least: Asked) {
        if self.0.wait_for(|asked| *asked >= least).await.is_err() {
            // Nobody is left who could ask.
            pending::<()>().await;
        }
    }
}

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
        let (canceller, mut cancellation) = Canceller::new();
        assert!(!is_ready(cancellation.asked()));
        canceller.cancel();
        assert!(cancellation.is_asked());
        assert!(is_ready(cancellation.asked()));
        assert!(!is_ready(cancellation.insisted()));
        canceller.cancel();
        assert!(is_ready(cancellation.asked()));
        assert!(is_ready(cancellation.insisted()));
    }

    #[test]
    fn when_nobody_is_left_to_ask_nothing_is_asked() {
        let (canceller, mut cancellation) = Canceller::new();
        drop(canceller);
        assert!(!is_ready(cancellation.asked()));
    }
}
