//! How long a source has given nothing while nothing else was in the way.

use std::time::{Duration, Instant};

/// The clock of a source that is waited for.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    /// Since when, and how many bytes had come.
    since: Option<(Instant, u64)>,
}

impl Stall {
    /// A turn has ended, `taken` bytes having come in all; whether it waits for more of them.
    /// Every byte starts the clock anew.
    pub(crate) fn turned(&mut self, is_starved: bool, taken: u64, now: Instant) {
        self.since = match self.since {
            _ if !is_starved => None,
            Some((since, before)) if before == taken => Some((since, before)),
            _ => Some((now, taken)),
        };
    }

    /// It was not the source that held things up.
    pub(crate) fn forgive(&mut self) {
        self.since = None;
    }

    /// When it will have lasted as long as `limit`.
    pub(crate) fn deadline(&self, limit: Duration) -> Option<Instant> {
        self.since.map(|(since, _)| since + limit)
    }

    /// Whether it has.
    pub(crate) fn has_lasted(&self, limit: Duration, now: Instant) -> bool {
        self.deadline(limit).is_some_and(|deadline| deadline <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn a_source_that_gives_a_little_now_and_then_never_stalls() {
        let mut stall = Stall::default();
        let mut now = Instant::now();
        for taken in 0..10 {
            stall.turned(true, taken, now);
            now += LIMIT - Duration::from_secs(1);
            assert!(!stall.has_lasted(LIMIT, now), "after {taken} bytes");
        }
    }

    #[test]
    fn turns_without_a_byte_do_not_put_the_stall_off() {
        let mut stall = Stall::default();
        let begin = Instant::now();
        stall.turned(true, 7, begin);
        stall.turned(true, 7, begin + LIMIT / 2);
        assert_eq!(stall.deadline(LIMIT), Some(begin + LIMIT));
        assert!(stall.has_lasted(LIMIT, begin + LIMIT));
        stall.turned(false, 7, begin + LIMIT);
        assert_eq!(stall.deadline(LIMIT), None);
    }
}
