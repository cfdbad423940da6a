//! Growing pauses between attempts. Pure: who pauses, and for how long in all, is the caller's.

use std::time::Duration;

/// What comes between attempts that fail: each pause is twice the one before, up to a bound.
///
/// A server may ask for more time (`Retry-After`). That is given to it, up to
/// [`LONGEST_ASKED`](Self::LONGEST_ASKED).
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

    /// Told that an attempt failed, and what the server asked for; says how long to pause.
    #[must_use]
    pub fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.longest).max(asked.unwrap_or_default().min(Self::LONGEST_ASKED))
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new(SECOND, SECOND * 5);
        let pauses: Vec<u64> = (0..5).map(|_| backoff.failed(None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(backoff.failures(), 5);
        backoff.succeeded();
        assert_eq!((backoff.failures(), backoff.failed(None)), (0, SECOND));
        (0..200).for_each(|_| assert!(backoff.failed(None) <= SECOND * 5));
    }

    #[test]
    fn a_server_that_asks_for_more_time_gets_it_within_reason() {
        let mut backoff = Backoff::new(SECOND, SECOND * 5);
        assert_eq!(backoff.failed(Some(SECOND * 12)), SECOND * 12);
        assert_eq!(backoff.failed(Some(Duration::ZERO)), SECOND * 2);
        assert_eq!(backoff.failed(Some(SECOND * 86_400)), Backoff::LONGEST_ASKED);
    }
}
