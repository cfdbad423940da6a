//! One of several connections that fetch a body: a part of it at a time.
//!
//! How much it is asked for at once is a matter of its speed: it should take the same time whoever
//! fetches it, so that a slow connection does not hold up what the fast ones have.

use std::ops::Range;
use std::time::{Duration, Instant};

use mio::{Interest, Token};

use crate::pump::carrier::pool::SEGMENT_BYTES;
use crate::pump::carrier::ring::{LEAST_PART, MOST_SEGMENTS, Ring};
use crate::pump::error::TransferError;
use crate::pump::far::fetch::{Fetch, Opening};
use crate::pump::far::speed::Speed;
use crate::pump::turn::Context;

/// How long a connection fetches a part, in round trips: one of them is the pause between its request and
/// the first byte. Longer parts wait longer behind one that has become slow.
const PART_ROUND_TRIPS: u32 = 4;

/// What a connection fetches whose speed is not known yet.
pub(in crate::pump) const UNKNOWN_PART: u64 = 4 << 20;

/// What the first one, at full speed, goes on with while the others gain theirs: half of what a ring has.
pub(in crate::pump) const FIRST_PART: u64 = (MOST_SEGMENTS * SEGMENT_BYTES / 2) as u64;

/// How long a connection's speed is measured, in round trips.
pub(in crate::pump) const PERIOD: u32 = 2;

/// One connection.
#[derive(Debug)]
pub(in crate::pump) struct Lane {
    pub(in crate::pump) fetch: Fetch,
    /// Where it goes on, and to where; empty if it has nothing to fetch.
    pub(in crate::pump) part: Range<u64>,
    /// No byte has come of what was asked for last.
    pub(in crate::pump) has_nothing_yet: bool,
    /// How fast it fetches its part.
    pub(in crate::pump) speed: Speed,
    round_trip: Duration,
    /// When it asked for its part, and where that began.
    asked: (Instant, u64),
    /// Bytes a second of the part before.
    pub(in crate::pump) rate: Option<f64>,
    pub(in crate::pump) registered: Option<(u32, u32)>,
    pub(in crate::pump) opening_until: Option<Instant>,
}

impl Lane {
    /// A connection that has not begun.
    pub(in crate::pump) fn new(fetch: Fetch, round_trip: Duration, now: Instant) -> Self {
        Self {
            fetch,
            part: 0..0,
            has_nothing_yet: true,
            speed: Speed::new(round_trip * PERIOD, 0, now),
            round_trip,
            asked: (now, 0),
            rate: None,
            registered: None,
            opening_until: None,
        }
    }

    /// Finds something to fetch and asks for it. False: there is nothing now.
    pub(in crate::pump) fn find_part(
        &mut self,
        ring: &mut Ring,
        width: usize,
        context: &Context<'_>,
    ) -> Result<bool, TransferError> {
        self.rate = self.rate_of_part(context.now).or(self.rate);
        let most = self.most(ring, width);
        let Some(part) = ring.claim(most, context.pool) else { return Ok(false) };
        if self.fetch.goes_on_to_the_end() && self.fetch.is_open() && self.part.end == part.start {
            self.takes(part, context.now);
        } else {
            self.ask(part, context.now)?;
        }
        Ok(true)
    }

    /// How much it may be asked for: so much that a slow one does not hold up the others for long.
    fn most(&self, ring: &Ring, width: usize) -> u64 {
        let seconds = (self.round_trip * PART_ROUND_TRIPS).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is clamped"
        )]
        let wanted = self.rate.map_or(UNKNOWN_PART, |rate| (rate * seconds) as u64);
        // At the end all are to be done at about the same time, but not wait more than they fetch.
        let share = ring.unclaimed() / (2 * width as u64);
        wanted.min(share).max(wanted / u64::from(PART_ROUND_TRIPS)).max(LEAST_PART)
    }

    pub(in crate::pump) fn ask(
        &mut self,
        part: Range<u64>,
        now: Instant,
    ) -> Result<(), TransferError> {
        self.has_nothing_yet = true;
        self.takes(part.clone(), now);
        self.fetch.ask(part)
    }

    /// Others fetch what it has not fetched.
    pub(in crate::pump) fn leaves_its_part(&self, ring: &mut Ring) {
        if !self.part.is_empty() {
            ring.disclaim(self.part.start);
        }
    }

    pub(in crate::pump) fn takes(&mut self, part: Range<u64>, now: Instant) {
        self.asked = (now, part.start);
        self.speed.begin(part.start, now);
        self.part = part;
    }

    /// Bytes a second that its part came at, from its request on. None: a rest that was small tells
    /// only how long a round trip is.
    fn rate_of_part(&self, now: Instant) -> Option<f64> {
        let (asked, start) = self.asked;
        let lasted = now.saturating_duration_since(asked).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let rate = (self.part.start - start) as f64 / lasted;
        let is_small = self.part.start - start < LEAST_PART
            && lasted < (self.round_trip * PART_ROUND_TRIPS).as_secs_f64();
        (self.part.start > start && lasted > 0.0 && !is_small).then_some(rate)
    }

    /// There is nothing to fetch. What still comes of a part that others took over, or to the end,
    /// is not wanted, unless it `may_go_on` with it.
    pub(in crate::pump) fn rest(&mut self, may_go_on: bool) {
        self.asked.1 = self.part.start;
        if !may_go_on && self.fetch.is_open() && !self.fetch.has_all(self.part.start) {
            self.fetch.stop();
        }
    }

    /// Whether it fetches what is next.
    pub(in crate::pump) fn is_at(&self, frontier: u64) -> bool {
        !self.part.is_empty() && self.part.start == frontier
    }

    /// Goes towards the first byte. False: it has to wait.
    pub(in crate::pump) fn open(
        &mut self,
        token: Token,
        context: &mut Context<'_>,
    ) -> Result<bool, TransferError> {
        if self.fetch.is_open() {
            return Ok(true);
        }
        self.opening_until = None;
        loop {
            let opening = self.fetch.open(self.part.start, context.now)?;
            if let Some((number, socket)) = self.fetch.connection()
                && self.registered != Some(number)
            {
                self.registered = Some(number);
                context
                    .registry
                    .register(socket, token, Interest::READABLE | Interest::WRITABLE)
                    .map_err(TransferError::Register)?;
            }
            match opening {
                Opening::Open => return Ok(true),
                Opening::Blocked(deadline) => {
                    self.opening_until = Some(deadline);
                    return Ok(false);
                }
                Opening::Lookup(ticket, lookup) => context.lookups.push((ticket, lookup)),
                Opening::Idle => return Err(TransferError::Bug("a lane that was never begun")),
            }
        }
    }
}
