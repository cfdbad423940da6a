//! When a transfer wants a turn without an event, and what it does then.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::pump::driver::{Driver, Life, TELL_EVERY};
use crate::pump::sink::Sink;
use crate::pump::source::Source;
use crate::sys::socket::set_receive_low_water;

impl Driver {
    /// When it wants a turn without an event: the way to the source has a deadline, and so has a
    /// source that gives nothing; and bytes that were not told of yet will be.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (told, bytes) = self.tally.told;
        let telling = (self.delivered() != bytes).then_some(told + TELL_EVERY);
        match (self.source_deadline(), telling) {
            (Some(source), Some(telling)) => Some(source.min(telling)),
            (source, telling) => source.or(telling),
        }
    }

    fn source_deadline(&self) -> Option<Instant> {
        if self.life != Life::Running {
            return None;
        }
        let stalls = self.source.stall().and_then(|limit| self.stall.deadline(limit));
        let lanes = match &self.source {
            Source::Lanes(lanes) if !self.transfer.has_source_ended() => lanes.deadline(),
            _ => None,
        };
        let sink = match &self.sink {
            Sink::Post(post) => post.deadline(),
            _ => None,
        };
        [self.opening_until, stalls, lanes, self.low_water.deadline(), sink]
            .into_iter()
            .flatten()
            .min()
    }

    /// Its deadline has passed: a socket that gathers is looked at, and a source that stalls is
    /// opened again.
    pub(crate) fn timed_out(&mut self, now: Instant) {
        if let Some(mark) = self.low_water.expired(now)
            && let Some((socket, _)) = self.source.socket()
        {
            self.low_water.is_set(set_low_water(socket, mark));
            self.transfer.source_became_ready(self.load.room());
        }
        if let Sink::Post(post) = &mut self.sink {
            post.timed_out(now);
        }
        if let Source::Lanes(lanes) = &self.source
            && lanes.deadline().is_some_and(|deadline| deadline <= now)
        {
            self.transfer.source_became_ready(self.load.room());
        }
        let Some(limit) = self.source.stall() else { return };
        if self.life != Life::Running || !self.stall.has_lasted(limit, now) {
            return;
        }
        self.stall.forgive();
        if !self.sink.has_room() {
            return;
        }
        let taken = self.transfer.taken();
        let answer = match &mut self.source {
            Source::Fetch(fetch) => fetch.stalled(taken, now),
            Source::Lanes(lanes) => {
                self.transfer.source_became_ready(self.load.room());
                lanes.stalled(now)
            }
            _ => Ok(()),
        };
        if let Err(error) = answer {
            let _ = self.fail(error);
        }
    }
}

/// Sets a mark, and gives the one that there is now. One that cannot be set costs wake-ups, no bytes.
pub(super) fn set_low_water(socket: BorrowedFd<'_>, mark: usize) -> usize {
    set_receive_low_water(&socket, mark).unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot set SO_RCVLOWAT");
        1
    })
}
