//! Asking a run to stop, once or twice.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Stops a run from another thread, or from a signal's.
///
/// The first [`cancel`](Self::cancel) stops the container with its grace period, the second kills
/// it. A run that is over takes no notice.
#[derive(Debug, Clone)]
pub struct Canceller(Arc<watch::Sender<Asked>>);

impl Canceller {
    /// Asks once more.
    pub fn cancel(&self) {
        let now = Instant::now();
        self.0.send_modify(|asked| match *asked {
            Asked { first: None, .. } => asked.first = Some(now),
            Asked { second: None, .. } => asked.second = Some(now),
            Asked { .. } => {}
        });
    }

    /// Asks, and nobody waits for the end: the engine has the time that it needs, within reason.
    pub(crate) fn cancel_unhurried(&self) {
        self.0.send_modify(|asked| {
            if asked.first.is_none() {
                *asked = Asked { first: Some(Instant::now()), leisure: LEISURE, ..*asked };
            }
        });
    }

    /// One that has not been asked yet, and the run's side of it.
    pub(crate) fn new() -> (Self, Cancellation) {
        let (sender, receiver) = watch::channel(Asked::default());
        let canceller = Self(Arc::new(sender));
        let cancellation =
            Cancellation { asked: receiver, canceller: canceller.clone(), silence: Arc::default() };
        (canceller, cancellation)
    }
}

/// The run's side of a [`Canceller`]: what is done is handed to it, and it says what becomes of that when the run is
/// cancelled.
///
/// | | when the run is cancelled, the work |
/// |---|---|
/// | [`unless`](Self::unless) | is dropped at once |
/// | [`in_time`](Self::in_time) | is dropped when a cancelled run has had its time |
/// | [`beside`](Self::beside) | goes on, and something else begins |
/// | [`go_on`](Self::go_on) | is done: it must not be dropped halfway, and what comes after it is left out |
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
        match self.asked.borrow().first {
            None => Ok(()),
            Some(_) => Err(Cancelled),
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

    /// Lets `work` go on until it is done. When the run is cancelled, `then` begins beside it, and ends it if that is
    /// done first. Both are boxed: what waits for them would hold them twice.
    pub(crate) fn beside<T, U>(
        &self,
        work: impl Future<Output = T>,
        then: impl Future<Output = U>,
    ) -> impl Future<Output = Result<T, U>> {
        let (work, then) = (Box::pin(work), Box::pin(then));
        async move {
            tokio::select! {
                biased;
                done = work => Ok(done),
                done = async { self.until(Level::Asked).await; then.await } => Err(done),
            }
        }
    }

    /// Comes back when the run is cancelled, to this level.
    async fn until(&self, level: Level) {
        let is_reached = |asked: &Asked| match level {
            Level::Asked => asked.first.is_some(),
            Level::Insisted => asked.second.is_some(),
        };
        let mut receiver = self.asked.clone();
        if receiver.wait_for(is_reached).await.is_err() {
            // Nobody is left who could ask.
            pending::<()>().await;
        }
    }

    /// Lets `work` go on until it is done, or the run was cancelled and has had its time: the container's
    /// `grace` after the first asking, none after the second, and `spare` beyond it; more if nobody waits. Then `work`
    /// is dropped, whatever it waits for.
    pub(crate) async fn in_time<T>(
        &self,
        (grace, spare): (Duration, Duration),
        work: impl Future<Output = T>,
    ) -> Result<T, Cancelled> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.has_had_its_time(grace, spare) => Err(Cancelled),
        }
    }

    async fn has_had_its_time(&self, grace: Duration, spare: Duration) {
        self.until(Level::Asked).await;
        let asked = *self.asked.borrow();
        let first = asked.first.unwrap_or_else(Instant::now) + asked.leisure;
        tokio::select! {
            () = sleep_until(first + grace + spare) => return,
            () = self.until(Level::Insisted) => {}
        }
        let second = self.asked.borrow().second.unwrap_or_else(Instant::now);
        sleep_until((second + spare).min(first + grace + spare)).await;
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

/// How long beyond a container's grace the phases of a run that was cancelled may take, then the removal of
/// the container, then the rest of the clean-up, then telling Girder: a second in all, with what the
/// process itself takes.
pub(crate) const PHASES_END: Duration = Duration::from_millis(550);
/// See [`PHASES_END`].
pub(crate) const CONTAINER_GOES: Duration = Duration::from_millis(700);
/// See [`PHASES_END`].
pub(crate) const CLEAN_UP_ENDS: Duration = Duration::from_millis(850);
/// See [`PHASES_END`].
pub(crate) const GIRDER_IS_TOLD: Duration = Duration::from_millis(900);

/// The run was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancelled;

/// When somebody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Asked {
    first: Option<Instant>,
    second: Option<Instant>,
    /// Beyond the time that a run has that somebody waits for.
    leisure: Duration,
}

/// A busy engine needs seconds to stop a container that writes as fast as it can.
const LEISURE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::time::timeout;

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

    #[tokio::test]
    async fn who_was_asked_has_the_grace_and_who_is_pressed_has_none() {
        const FOR_EVER: Duration = Duration::from_secs(3600);
        const AT_ONCE: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(1));
        let long = (FOR_EVER, Duration::from_millis(1));
        let (canceller, cancellation) = Canceller::new();
        assert!(!is_ready(cancellation.in_time(AT_ONCE, pending::<()>())));
        canceller.cancel();
        assert_eq!(cancellation.in_time(AT_ONCE, pending::<()>()).await, Err(Cancelled));
        assert!(!is_ready(cancellation.in_time(long, pending::<()>())));
        canceller.cancel();
        assert_eq!(cancellation.in_time(long, pending::<()>()).await, Err(Cancelled));
        // What is done at once is done, however late it is.
        assert_eq!(cancellation.in_time(AT_ONCE, async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn where_nobody_waits_the_engine_has_its_time_until_somebody_does() {
        const AT_ONCE: (Duration, Duration) = (Duration::ZERO, Duration::from_millis(1));
        let (canceller, cancellation) = Canceller::new();
        canceller.cancel_unhurried();
        assert!(is_ready(cancellation.until(Level::Asked)));
        assert!(!is_ready(cancellation.until(Level::Insisted)));
        let ends = cancellation.in_time(AT_ONCE, pending::<()>());
        assert!(timeout(Duration::from_millis(50), ends).await.is_err(), "it had no time");
        canceller.cancel();
        assert_eq!(cancellation.in_time(AT_ONCE, pending::<()>()).await, Err(Cancelled));
        // Whoever was asked in earnest does not get more time by it.
        let (canceller, cancellation) = Canceller::new();
        canceller.cancel();
        canceller.cancel_unhurried();
        assert_eq!(cancellation.in_time(AT_ONCE, pending::<()>()).await, Err(Cancelled));
    }

    #[test]
    fn what_stops_the_work_begins_beside_it_when_somebody_asks() {
        let (canceller, cancellation) = Canceller::new();
        let has_begun = std::cell::Cell::new(false);
        let then = || async { has_begun.set(true) };
        assert!(!is_ready(cancellation.beside(pending::<()>(), then())));
        assert!(!has_begun.get());
        canceller.cancel();
        assert!(!is_ready(cancellation.beside(pending::<()>(), pending::<()>())));
        assert!(is_ready(cancellation.beside(pending::<()>(), then())));
        assert!(has_begun.replace(false));
        // What is done is done.
        assert!(is_ready(cancellation.beside(async {}, then())));
        assert!(!has_begun.get());
    }

    #[test]
    fn when_nobody_is_left_to_ask_nothing_is_asked() {
        let (canceller, cancellation) = Canceller::new();
        drop(canceller);
        assert!(!is_ready(cancellation.until(Level::Asked)));
    }
}
