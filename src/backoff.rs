//! Growing pauses between attempts. Who pauses, and for how long in all, is the caller's.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// What comes between attempts that fail: each pause is twice the one before, up to a bound.
///
/// A server may ask for more time (`Retry-After`). That is given to it, up to
/// [`LONGEST_ASKED`](Self::LONGEST_ASKED). By chance each pause is up to a quarter longer: those whom a server has
/// sent away at the same moment do not come back at the same moment.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    /// Of the pauses in all.
    patience: Duration,
    failures: u32,
    /// What the pauses have been, without what chance or a server added.
    paused: Duration,
}

impl Backoff {
    /// The most that a server is waited for at its own word.
    pub(crate) const LONGEST_ASKED: Duration = Duration::from_secs(60);

    /// What is waited for a server in all, unless another patience is asked for: enough for a proxy's restart.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(6);

    /// No attempt has failed yet, and there may be as many as there need to be.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, patience: Duration::MAX, failures: 0, paused: Duration::ZERO }
    }

    /// For who asks a server for something that a run waits for, and gives up when the pauses have been as long as its
    /// patience; with none it asks once.
    pub(crate) const fn of_a_question(patience: Duration) -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(15)).with_patience(patience)
    }

    /// Gives up when the pauses have been so long in all.
    #[must_use]
    pub(crate) const fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whether one more attempt may be made.
    pub(crate) fn may_try_again(&self) -> bool {
        self.paused < self.patience
    }

    /// Told that an attempt failed, and what the server asked for; says how long to pause.
    #[must_use]
    pub(crate) fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures));
        let pause = doubled.min(self.longest);
        self.failures = self.failures.saturating_add(1);
        self.paused = self.paused.saturating_add(pause);
        lengthened(pause.max(asked.unwrap_or_default().min(Self::LONGEST_ASKED)))
    }

    /// Told that an attempt succeeded, or came further than those before it.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.paused = Duration::ZERO;
    }

    /// Attempts that failed since the last that succeeded.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// By up to a quarter.
fn lengthened(pause: Duration) -> Duration {
    // Each state has keys of its own, which nobody can foresee.
    let [chance, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    pause.saturating_add(pause.saturating_mul(u32::from(chance)) / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether it is that long, or by chance up to a quarter longer.
    fn is_about(pause: Duration, length: Duration) -> bool {
        (length..=length + length / 4).contains(&pause)
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(SECOND, SECOND * 5);
        for length in [1, 2, 4, 5, 5] {
            let pause = backoff.failed(None);
            assert!(is_about(pause, SECOND * length), "{pause:?} for {length} s");
        }
        assert_eq!(backoff.failures(), 5);
        backoff.succeeded();
        assert_eq!(backoff.failures(), 0);
        assert!(is_about(backoff.failed(None), SECOND));
        (0..200).for_each(|_| assert!(backoff.failed(None) <= SECOND * 7));
    }

    #[test]
    fn a_question_is_given_up_when_the_pauses_have_been_as_long_as_the_patience() {
        let attempts = |seconds, asked| {
            let mut backoff = Backoff::of_a_question(Duration::from_secs(seconds));
            while backoff.may_try_again() {
                let _ = backoff.failed(asked);
            }
            backoff.failures()
        };
        assert_eq!((attempts(0, None), attempts(1, None), attempts(6, None)), (0, 4, 6));
        // 12.7 s until the pauses do not grow any more.
        assert_eq!(attempts(600, None), 8 + 39);
        // What a server asks for is its own.
        assert_eq!(attempts(6, Some(SECOND * 12)), 6);
        let mut backoff = Backoff::of_a_question(SECOND);
        (0..4).for_each(|_| assert!(backoff.failed(None) < SECOND * 2));
        backoff.succeeded();
        assert!(backoff.may_try_again());
    }

    #[test]
    fn those_who_failed_at_the_same_moment_do_not_come_back_at_the_same() {
        let pauses = (0..100).map(|_| Backoff::new(SECOND, SECOND).failed(None));
        let pauses: std::collections::BTreeSet<_> = pauses.collect();
        assert!(pauses.len() > 30, "{pauses:?}");
    }

    #[test]
    fn a_server_that_asks_for_more_time_gets_it_within_reason() {
        let mut backoff = Backoff::new(SECOND, SECOND * 5);
        assert!(is_about(backoff.failed(Some(SECOND * 12)), SECOND * 12));
        assert!(is_about(backoff.failed(Some(Duration::ZERO)), SECOND * 2));
        assert!(is_about(backoff.failed(Some(SECOND * 86_400)), Backoff::LONGEST_ASKED));
    }
}
