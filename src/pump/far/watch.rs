//! What is watched while a far source is waited for: whether its socket may wake the worker, how much it
//! gathers first, and how long it may give nothing.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use mio::Registry;

use super::{Far, Fetching};
use crate::pump::error::TransferError;
use crate::sys::socket::set_receive_low_water;

/// What a deadline brought about.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    Nothing,
    /// The source is to be looked at.
    Look,
    /// It has given nothing for too long, if nothing else was in the way: call [`Far::stalled`].
    Stalled,
}

impl Far {
    /// An edge came from one of its sockets; `is_needed` if it was waited for.
    pub(crate) fn edge(&mut self, is_needed: bool) {
        self.hearing.edge(is_needed);
    }

    /// Bytes have come.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.low_water.moved(bytes);
    }

    /// Whether its socket gathers, and is better left alone for now if it has so little.
    pub(crate) fn gathers(&self) -> Option<BorrowedFd<'_>> {
        self.socket().filter(|_| self.low_water.is_raised()).map(|(socket, _)| socket)
    }

    /// Whether a socket with so many `unread` bytes is better left to gather more.
    pub(crate) fn is_little(&self, unread: u64) -> bool {
        self.low_water.is_little(usize::try_from(unread).unwrap_or(usize::MAX))
    }

    /// Nothing can be moved now; `is_waited_for`: for want of bytes. Sees to what may wake the worker.
    pub(crate) fn waits(
        &mut self,
        is_waited_for: bool,
        registry: &Registry,
        now: Instant,
    ) -> Result<(), TransferError> {
        let left = self.socket().map(|(_, left)| left).filter(|_| is_waited_for);
        if let Some(mark) = left.and_then(|left| self.low_water.waits(left, now)) {
            self.set_low_water(mark);
        }
        self.listen_if(is_waited_for, registry)
    }

    /// Listens to its socket only if that is what is waited for.
    pub(super) fn listen_if(
        &mut self,
        is_waited_for: bool,
        registry: &Registry,
    ) -> Result<(), TransferError> {
        let Fetching::One(fetch) = &mut self.fetching else { return Ok(()) };
        let Some((_, socket)) = fetch.connection() else { return Ok(()) };
        match self.hearing.waits(is_waited_for) {
            None => Ok(()),
            Some(interest) => {
                registry.reregister(socket, self.token, interest).map_err(TransferError::Register)
            }
        }
    }

    pub(super) fn set_low_water(&mut self, mark: usize) {
        let Some((socket, _)) = self.socket() else { return };
        // One that cannot be set costs wake-ups, no bytes.
        let in_force = set_receive_low_water(&socket, mark).unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot set SO_RCVLOWAT");
            1
        });
        self.low_water.is_set(in_force);
    }

    /// A turn has ended, `taken` bytes having come in all; whether it waits for more of them.
    pub(crate) fn turned(&mut self, is_starved: bool, taken: u64, now: Instant) {
        self.stall.turned(is_starved && self.is_open(), taken, now);
    }

    /// It was not the source that held things up.
    pub(crate) fn forgive(&mut self) {
        self.stall.forgive();
    }

    /// When it wants a turn without an event. `has_ended`: it has nothing more to give.
    pub(crate) fn deadline(&self, has_ended: bool) -> Option<Instant> {
        let stalls = self.stall().and_then(|limit| self.stall.deadline(limit));
        let lanes = self.lanes_deadline().filter(|_| !has_ended);
        [self.opening_until, stalls, lanes, self.low_water.deadline()].into_iter().flatten().min()
    }

    fn lanes_deadline(&self) -> Option<Instant> {
        match &self.fetching {
            Fetching::One(_) => None,
            Fetching::Several(several) => several.lanes.deadline(),
        }
    }

    /// Its deadline may have passed.
    pub(crate) fn timed_out(&mut self, now: Instant) -> Expired {
        let mut expired = Expired::Nothing;
        if let Some(mark) = self.low_water.expired(now) {
            self.set_low_water(mark);
            expired = Expired::Look;
        }
        if self.lanes_deadline().is_some_and(|deadline| deadline <= now) {
            expired = Expired::Look;
        }
        if self.stall().is_some_and(|limit| self.stall.has_lasted(limit, now)) {
            self.stall.forgive();
            expired = Expired::Stalled;
        }
        expired
    }

    /// Opens it again where it stands, `taken` bytes having come.
    pub(crate) fn stalled(&mut self, taken: u64, now: Instant) -> Result<(), TransferError> {
        match &mut self.fetching {
            Fetching::One(fetch) => fetch.stalled(taken, now),
            Fetching::Several(several) => several.lanes.stalled(now),
        }
    }
}
