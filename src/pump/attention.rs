//! Whether we have looked at a container's output often enough.
//!
//! The engine waits two seconds for who does not take a container's last words, throws them away, and ends the
//! connection as if they had been all.
//!
//! What comes at once after a long time may have waited for us, while we were stopped or had no processor. Or it was
//! sent just now, by a container that was started slowly or was silent: the kernel does not say when bytes came into a
//! socket, and a stop while we sleep in epoll is not told from the sleep. So what is said here is a doubt
//! ([`OutputEnd::Late`](super::OutputEnd::Late)), which costs nothing to raise. The run settles it: it asks the
//! engine for how long the container had been over when the connection ended. Less than the two seconds, and
//! nothing was thrown away.

use std::time::{Duration, Instant};

/// When we have looked last, and what has come since if that was long ago.
#[derive(Debug)]
pub(crate) struct Attention {
    looked: Instant,
    /// Bytes that have come without a pause since we looked again after a long time.
    since_late: Option<usize>,
}

impl Attention {
    pub(crate) fn new(now: Instant) -> Self {
        Self { looked: now, since_late: None }
    }

    pub(crate) fn read(&mut self, bytes: usize, now: Instant) {
        if now.duration_since(self.looked) >= LATE {
            self.since_late = Some(0);
        }
        if let Some(since_late) = &mut self.since_late {
            *since_late += bytes;
        }
        self.looked = now;
    }

    /// Whatever the engine had to give we have: it did not wait for us.
    pub(crate) fn found_nothing(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Whether an end that comes now may be that of an engine that has lost its patience.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.since_late.is_some_and(|bytes| bytes >= FULL)
    }
}

/// Half of what the engine waits for.
const LATE: Duration = Duration::from_secs(1);

/// The least that a socket may hold that takes no more: some hundred frames of a byte.
const FULL: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(900);

    #[test]
    fn an_end_after_bytes_that_came_at_once_after_a_long_time_is_in_doubt() {
        let begin = Instant::now();
        let mut attention = Attention::new(begin);
        attention.read(FULL, begin + LATE);
        assert!(attention.is_in_doubt());
        // However many come without a pause, and however soon we take them.
        attention.read(1 << 20, begin + LATE + SOON);
        assert!(attention.is_in_doubt());
    }

    #[test]
    fn who_has_looked_or_had_all_or_could_not_be_waited_for_is_not() {
        let begin = Instant::now();
        let mut attention = Attention::new(begin);
        assert!(!attention.is_in_doubt());
        for turn in 1..10 {
            attention.read(1 << 20, begin + SOON * turn);
        }
        assert!(!attention.is_in_doubt(), "never late");
        let begin = begin + SOON * 9 + LATE;
        attention.read(FULL - 1, begin);
        assert!(!attention.is_in_doubt(), "a socket would have held more");
        attention.read(1, begin);
        assert!(attention.is_in_doubt());
        attention.found_nothing(begin);
        assert!(!attention.is_in_doubt(), "nothing waited");
        attention.read(FULL, begin + SOON);
        assert!(!attention.is_in_doubt());
    }
}
