//! The source that is several connections, the lanes: each fetches a part of the body at a time.
//!
//! It begins with the connection that there was, which goes on to the end of its part while the
//! others ask for the next. Only when one of them has its answer is the server known to give
//! parts, and the first connection let go; until then it is kept, to go on alone if need be. A
//! connection is used for the next part where the server keeps it open.
//!
//! The file may change between two requests. What the answers say of its version has to agree. Of a store that says
//! nothing (Girder) the whole is held against the sum in its record, if there is one (`sums`).

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use mio::Token;

use crate::http::{HttpError, RangeError, Read, Validator};
use crate::pump::carrier::ring::Ring;
use crate::pump::error::TransferError;
use crate::pump::far::fetch::{Fetch, Ticket};
use crate::pump::far::lane::Lane;
use crate::pump::turn::Context;

/// Connections that fetch one body.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(in crate::pump) lanes: Vec<Lane>,
    pub(in crate::pump) standing: Standing,
    /// How long the first connection, at its part's end, waits for an answer to another.
    patience_ends: Option<Instant>,
    width: usize,
    /// How long a connection takes to be there.
    pub(in crate::pump) round_trip: Duration,
    /// One that has nothing to do looks again whether the first is too slow.
    pub(in crate::pump) looks_again: Option<Instant>,
    /// Lanes that there have been, which number their requests.
    made: u32,
    /// Bytes that have come over all of them.
    come: u64,
    resumed: u32,
    /// What the answers say of the file's version.
    version: Option<Validator>,
}

/// Whether the server gives parts of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pump) enum Standing {
    /// It has been asked.
    Unproven,
    Proven,
    /// It does not, or not to so many: the first connection goes on alone.
    Refused,
}

/// How a lane's turn ended.
enum Paused {
    /// It waits for its connection.
    Blocked,
    /// There is nothing for it to fetch now.
    Idle,
    /// The turn is over.
    OutOfBudget,
    /// The server gives no parts.
    Refused,
    /// The server gives parts, but none over this connection, again and again.
    Busy,
}

/// A GET, and the number under which its socket is registered.
pub(crate) type Single = (Fetch, Option<(u32, u32)>);

impl Lanes {
    /// Goes on with the connection of `single`, which fetches `part`, the first bytes that are to come, and
    /// with others.
    pub(crate) fn around(single: Single, part: Range<u64>, width: usize, now: Instant) -> Self {
        let (fetch, registered) = single;
        let round_trip = fetch.round_trip();
        let mut first = Lane::new(fetch, round_trip, now);
        first.registered = registered;
        first.takes(part, now);
        first.has_nothing_yet = false;
        Self {
            lanes: vec![first],
            standing: Standing::Unproven,
            patience_ends: None,
            width,
            round_trip,
            looks_again: None,
            made: 0,
            come: 0,
            resumed: 0,
            version: None,
        }
    }

    /// Uses so many connections from now on.
    pub(crate) fn widen(&mut self, width: usize) {
        self.width = width;
    }

    /// Whether the server gives no parts.
    pub(crate) fn are_refused(&self) -> bool {
        self.standing == Standing::Refused
    }

    /// Bytes that have come over all of them.
    pub(crate) fn come(&self) -> u64 {
        self.come
    }

    /// One connection again, when all that was begun has been drained; `frontier` is what it goes
    /// on with. The first connection goes on if it stands there, otherwise a new one is made.
    pub(crate) fn single(&mut self, frontier: u64) -> Result<Single, TransferError> {
        let stands_there = |lane: &Lane| {
            lane.fetch.goes_on_to_the_end() && lane.fetch.is_open() && lane.part.start == frontier
        };
        let there = self.lanes.iter().position(stands_there);
        if self.lanes.is_empty() {
            return Err(NOBODY);
        }
        let Lane { mut fetch, registered, .. } = self.lanes.swap_remove(there.unwrap_or(0));
        fetch.add_resumed(self.resumed());
        if there.is_none() {
            fetch.ask_to_the_end();
            fetch.begin(frontier)?;
        }
        Ok((fetch, registered))
    }

    /// How often a connection broke off and its part was gone on with.
    pub(crate) fn resumed(&self) -> u32 {
        self.resumed + self.lanes.iter().map(|lane| lane.fetch.resumed()).sum::<u32>()
    }

    /// Whether the server has said which version of the file it sends, from the first byte on.
    pub(crate) fn know_their_version(&self) -> bool {
        self.lanes.iter().any(|lane| lane.fetch.knows_its_version())
    }

    /// Whether parts have come over several connections.
    pub(crate) fn are_proven(&self) -> bool {
        self.standing == Standing::Proven
    }

    /// Whether one of them has nothing to fetch.
    pub(crate) fn has_a_free_one(&self) -> bool {
        self.lanes.iter().any(|lane| lane.part.is_empty())
    }

    /// Any of the GETs: all are of the same.
    pub(crate) fn take_one(&mut self) -> Option<Fetch> {
        let resumed = self.resumed();
        let mut fetch = self.lanes.pop()?.fetch;
        fetch.add_resumed(resumed - fetch.resumed());
        Some(fetch)
    }

    /// How many bytes there will be, when that is known.
    pub(crate) fn size(&self) -> Option<u64> {
        self.lanes.first().and_then(|lane| lane.fetch.size())
    }

    /// How long nothing may come.
    pub(crate) fn stall(&self) -> Option<Duration> {
        self.lanes.first().map(|lane| lane.fetch.stall())
    }

    /// When it wants a turn without an event.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().filter_map(|lane| lane.opening_until);
        lanes.chain(self.patience_ends).chain(self.looks_again).min()
    }

    /// The answer to a look-up.
    pub(crate) fn resolved(&mut self, ticket: Ticket, addresses: &io::Result<Vec<SocketAddr>>) {
        for lane in &mut self.lanes {
            let addresses = match addresses {
                Ok(addresses) => Ok(addresses.clone()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            lane.fetch.resolved(ticket, addresses);
        }
    }

    /// Nothing has come for longer than is allowed: whoever has the first part that has not come
    /// asks for it anew.
    pub(crate) fn stalled(&mut self, now: Instant) -> Result<(), TransferError> {
        let at_work = self.lanes.iter_mut().filter(|lane| !lane.part.is_empty());
        let first = at_work.min_by_key(|lane| lane.part.start);
        first.map_or(Ok(()), |lane| lane.fetch.stalled(lane.part.start, now))
    }

    /// Takes up to about `most` bytes from all connections into the ring, and gives how many.
    pub(crate) fn gather(
        &mut self,
        ring: &mut Ring,
        most: usize,
        token: Token,
        context: &mut Context<'_>,
    ) -> Result<usize, TransferError> {
        self.man(ring, context.now);
        self.looks_again = None;
        let before = self.come;
        let budget = before + most as u64;
        let mut at = 0;
        while at < self.lanes.len() {
            match self.turn(at, ring, budget, token, context) {
                Ok(Paused::Blocked) => at += 1,
                Ok(Paused::Idle) => {
                    if !self.relieve(at, ring, context.now)? {
                        at += 1;
                    }
                }
                Ok(Paused::OutOfBudget) => break,
                Ok(Paused::Refused) => {
                    self.refused(ring);
                    at = 0;
                }
                Ok(Paused::Busy) => {
                    self.give_up(at, ring);
                    at = 0;
                }
                // Those that had nothing to do have what it had to fetch.
                Err(error) => {
                    self.lost(at, ring, error)?;
                    at = 0;
                }
            }
        }
        // The next turn begins with another, and the first part is not left behind by it: it is
        // read like all others until nothing more is there.
        if self.standing == Standing::Proven && !self.lanes.is_empty() {
            self.lanes.rotate_left(1);
        }
        Ok(usize::try_from(self.come - before).unwrap_or(usize::MAX))
    }

    /// Makes as many lanes as there should be.
    fn man(&mut self, ring: &Ring, now: Instant) {
        if self.standing == Standing::Refused || ring.is_complete() {
            return;
        }
        while self.lanes.len() < self.width {
            let Some(first) = self.lanes.first() else { return };
            self.made += 1;
            let fetch = first.fetch.lane(self.made);
            self.lanes.push(Lane::new(fetch, self.round_trip, now));
        }
    }

    fn turn(
        &mut self,
        at: usize,
        ring: &mut Ring,
        budget: u64,
        token: Token,
        context: &mut Context<'_>,
    ) -> Result<Paused, TransferError> {
        let (width, has_others) = (self.lanes.len(), self.lanes.len() > 1);
        let is_asked = self.lanes.iter().skip(1).any(|lane| !lane.part.is_empty());
        let Some(lane) = self.lanes.get_mut(at) else { return Ok(Paused::Idle) };
        lane.speed.look(lane.part.start, context.now);
        loop {
            let is_unproven = self.standing == Standing::Unproven;
            // Lanes change their places only when the server is proven.
            let is_first = at == 0;
            if lane.part.is_empty() {
                if is_first && is_unproven && !ring.is_complete() {
                    // It may have to go on beyond.
                    if !is_asked {
                        return Ok(Paused::Idle);
                    }
                    let ends = *self.patience_ends.get_or_insert(context.now + ANSWER_WITHIN);
                    let is_over = ends <= context.now;
                    return Ok(if is_over { Paused::Refused } else { Paused::Idle });
                }
                if !lane.find_part(ring, width, context)? {
                    lane.rest(is_unproven || ring.is_closed());
                    return Ok(Paused::Idle);
                }
            }
            if !lane.open(token, context)? {
                return Ok(match lane.fetch.failures_in_a_row() {
                    1.. if is_unproven && !is_first => Paused::Refused,
                    // One may be a connection that was kept for too long.
                    2.. if has_others && lane.has_nothing_yet => Paused::Busy,
                    _ => Paused::Blocked,
                });
            }
            if is_unproven && !is_first {
                self.standing = Standing::Proven;
                self.patience_ends = None;
            }
            if lane.has_nothing_yet {
                lane.fetch.agrees_on_version(&mut self.version)?;
            }
            if self.come >= budget {
                return Ok(Paused::OutOfBudget);
            }
            let room = usize::try_from(budget - self.come).unwrap_or(usize::MAX);
            let space = ring.space(lane.part.start, room.min(READ_BYTES));
            if space.is_empty() {
                return Err(TransferError::Bug("a lane reads into no room"));
            }
            match lane.fetch.read(space, lane.part.start) {
                Ok(Read::Bytes(bytes)) => {
                    lane.fetch.check(lane.part.start + bytes as u64)?;
                    ring.filled(lane.part.start, bytes);
                    lane.part.start += bytes as u64;
                    lane.has_nothing_yet = false;
                    self.come += bytes as u64;
                }
                Ok(Read::Ended) => return Err(TransferError::Bug("a part ended before its end")),
                Ok(_) => return Ok(Paused::Blocked),
                Err(error) => lane.fetch.failed(error, lane.part.start, context.now)?,
            }
        }
    }

    /// The first connection, which is always there, goes on alone.
    fn refused(&mut self, ring: &mut Ring) {
        tracing::debug!("the server gives no parts, or not soon: one connection goes on");
        for lane in self.lanes.drain(1..) {
            lane.leaves_its_part(ring);
        }
        self.standing = Standing::Refused;
        self.patience_ends = None;
        ring.close();
    }

    /// A lane has failed for good. Others fetch its part; an error if nobody can.
    fn lost(
        &mut self,
        at: usize,
        ring: &mut Ring,
        error: TransferError,
    ) -> Result<(), TransferError> {
        if matches!(error, TransferError::Bug(_)) {
            return Err(error);
        }
        if self.standing == Standing::Unproven && at > 0 {
            tracing::debug!(%error, "no answer to a request for a part");
            self.refused(ring);
            return Ok(());
        }
        // Nobody can fetch the rest of a file that is not there any more.
        if self.standing != Standing::Proven || self.lanes.len() == 1 || is_of_a_change(&error) {
            return Err(error);
        }
        tracing::debug!(%error, "a connection of several is lost");
        self.give_up(at, ring);
        Ok(())
    }

    /// Does without a lane. Others fetch its part.
    fn give_up(&mut self, at: usize, ring: &mut Ring) {
        let lane = self.lanes.remove(at);
        self.resumed += lane.fetch.resumed() + 1;
        self.width = self.lanes.len();
        lane.leaves_its_part(ring);
    }
}

/// Whether it says that the file is another one by now.
fn is_of_a_change(error: &TransferError) -> bool {
    let (TransferError::Fetch(source) | TransferError::Interrupted { source, .. }) = error else {
        return false;
    };
    matches!(source, HttpError::Range { source: RangeError::Changed, .. })
}

/// There always is a lane.
pub(super) const NOBODY: TransferError = TransferError::Bug("a body that no connection fetches");

/// How long the transfer may wait for that answer. A look-up, a connection and a head take two or
/// three round trips.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What one read takes at most, so that all connections are heard in a turn.
const READ_BYTES: usize = 256 << 10;
