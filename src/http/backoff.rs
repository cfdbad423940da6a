//! Growing pauses between attempts. Who pauses, and for how long in all, is the caller's.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// What comes between attempts that fail: each pause is twice the one before, up to a bound.
///
/// A server may ask for more time (`Retry-After`). That is given to it, up to
/// [`LONGEST_ASKED`](Self::LONGEST_ASKED). By chance each pause is up to a quarter longer: those whom a server has
/// sent away at the same moment do not come back at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// The most that a server is waited for at its own word.
    pub const LONGEST_ASKED: Duration = Duration::from_secs(60);

    /// No attempt has failed yet.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// For who asks a server for something that a run waits for: it gives up after [`ATTEMPTS`](Self::ATTEMPTS), which
    /// with their pauses are a little more than six seconds, enough for a proxy's restart.
    pub const fn of_a_question() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(15))
    }

    /// Attempts that may fail one after the other.
    pub const ATTEMPTS: u32 = 6;

    /// Whether one more attempt may be made.
    pub fn may_try_again(&self) -> bool {
        self.failures < Self::ATTEMPTS
    }

    /// Told that an attempt failed, and what the server asked for; says how long to pause.
    #[must_use]
    pub fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        lengthened(
            doubled.min(self.longest).max(asked.unwrap_or_default().min(Self::LONGEST_ASKED)),
        )
    }

    /// Told that an attempt succeeded, or came further than those before it.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Attempts that failed since the last that succeeded.
    pub fn failures(&self) -> u32 {
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
