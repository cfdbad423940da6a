//! How many bytes a socket gathers before it wakes its worker (`SO_RCVLOWAT`).
//!
//! A fast source sends a segment at a time, and a wake-up for each costs more than the splice that
//! follows. So a source that filled its last turn well is asked for a lot at once. That is a risk:
//! a source that slows down, or has less left than was asked for, would never wake the worker. So
//! never more is asked for than the body has left, and a wait that was raised has a short deadline,
//! after which the socket is looked at anyway and every byte wakes again.

use std::time::{Duration, Instant};

use crate::sys::pipe::PIPE_BYTES;

/// What a fast source gathers, as much as a pipe holds. With 512 KiB a sixth more CPU time was needed,
/// and with 2 MiB not less. The kernel makes room in the socket's buffer for so much, or less of the mark.
const RAISED: usize = PIPE_BYTES;

/// A source that gave this much since the last wait is fast.
const FAST: usize = 64 << 10;

/// How long a raised wait may last. A byte of a source that turns slow is late by this, once.
const PATIENCE: Duration = Duration::from_millis(10);

/// The low-water mark of one socket.
#[derive(Debug, Clone)]
pub(crate) struct LowWater {
    mark: usize,
    /// What the kernel made of it.
    in_force: usize,
    moved: usize,
    until: Option<Instant>,
}

impl LowWater {
    /// The mark that every socket begins with: one byte.
    pub(crate) fn new() -> Self {
        Self { mark: 1, in_force: 1, moved: 0, until: None }
    }

    /// The kernel has set this mark.
    pub(crate) fn is_set(&mut self, mark: usize) {
        self.in_force = mark;
    }

    /// Whether the socket gathers.
    pub(crate) fn is_raised(&self) -> bool {
        self.in_force > 1
    }

    /// Whether a socket with so many `unread` bytes is better left to gather more.
    pub(crate) fn is_little(&self, unread: usize) -> bool {
        self.is_raised() && unread < self.in_force / 2
    }

    /// Bytes have come.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
        self.until = None;
    }

    /// A wait begins, with `left` bytes to come: the mark to set now, if it is another.
    pub(crate) fn waits(&mut self, left: u64, now: Instant) -> Option<usize> {
        let is_fast = std::mem::take(&mut self.moved) >= FAST;
        let left = usize::try_from(left).unwrap_or(usize::MAX).max(1);
        let wanted = if is_fast { RAISED.min(left) } else { self.mark.min(left) };
        if wanted > 1 && self.until.is_none() {
            self.until = Some(now + PATIENCE);
        }
        (std::mem::replace(&mut self.mark, wanted) != wanted).then_some(wanted)
    }

    /// When patience ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Patience may have ended: the mark to set now, if it has.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<usize> {
        self.until.filter(|until| *until <= now)?;
        *self = Self::new();
        Some(self.mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_source_gathers_but_never_more_than_it_has_left() {
        let now = Instant::now();
        let mut low_water = LowWater::new();
        assert_eq!(low_water.waits(u64::MAX, now), None);
        assert_eq!(low_water.deadline(), None);
        low_water.moved(FAST);
        assert_eq!(low_water.waits(1 << 30, now), Some(RAISED));
        assert_eq!(low_water.deadline(), Some(now + PATIENCE));
        low_water.moved(FAST);
        assert_eq!(low_water.waits(1 << 30, now), None);
        low_water.moved(FAST);
        assert_eq!(low_water.waits(1000, now), Some(1000));
        low_water.moved(999);
        assert_eq!(low_water.waits(1, now), Some(1));
    }

    #[test]
    fn a_source_that_turns_slow_wakes_for_every_byte_again() {
        let now = Instant::now();
        let mut low_water = LowWater::new();
        low_water.moved(FAST);
        assert_eq!(low_water.waits(1 << 30, now), Some(RAISED));
        assert_eq!(low_water.expired(now), None);
        let later = now + PATIENCE;
        assert_eq!(low_water.expired(later), Some(1));
        assert_eq!(low_water.deadline(), None);
        low_water.moved(100);
        assert_eq!(low_water.waits(1 << 30, later), None);
        assert_eq!(low_water.deadline(), None);
    }

    #[test]
    fn what_is_little_is_measured_by_the_mark_that_the_kernel_made() {
        let mut low_water = LowWater::new();
        assert!(!low_water.is_little(0));
        low_water.moved(FAST);
        assert!(low_water.waits(1 << 30, Instant::now()).is_some());
        low_water.is_set(100_000);
        assert!(low_water.is_little(49_999) && !low_water.is_little(50_000));
    }

    #[test]
    fn a_wait_that_goes_on_does_not_get_more_patience() {
        let now = Instant::now();
        let mut low_water = LowWater::new();
        low_water.moved(FAST);
        assert!(low_water.waits(1 << 30, now).is_some());
        assert_eq!(low_water.waits(1 << 30, now + PATIENCE / 2), None);
        assert_eq!(low_water.deadline(), Some(now + PATIENCE));
    }
}
