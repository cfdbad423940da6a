//! From one connection to several and back, while a transfer goes on.

use super::lane::{FIRST_PART, UNKNOWN_PART};
use super::lanes::Lanes;
use super::low_water::LowWater;
use super::pace::{Pace, Verdict};
use super::{Far, Fetching, Several};
use crate::pump::carrier::ring::Ring;
use crate::pump::error::TransferError;
use crate::pump::turn::Context;

/// What came of a look at the connections.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Considered {
    /// They stay as they are.
    Nothing,
    /// There are more than there were.
    More,
    /// There are several, and a ring for what they fetch.
    Several,
    /// There is one, and nothing in between: how its bytes travel is chosen anew. It may have to be opened.
    One,
}

/// Where the transfer stands that is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Bytes that have come, in their order.
    pub(crate) taken: u64,
    /// Those of them that the sink does not have.
    pub(crate) held: u64,
    /// Nothing is in the way of more.
    pub(crate) is_starved: bool,
}

/// With less to come there is nothing to fetch side by side.
const LEAST_LEFT: u64 = 8 << 20;

impl Far {
    /// Nothing can be moved now: whether that would be otherwise with more connections.
    pub(crate) fn consider(
        &mut self,
        standing: Standing,
        context: &Context<'_>,
    ) -> Result<Considered, TransferError> {
        if self.ring().is_some_and(|ring| ring.is_over() && !ring.is_complete()) {
            return self.go_on_alone(standing.taken);
        }
        if standing.held == 0 && self.is_left_to_the_kernel(standing.taken) {
            return Ok(Considered::One);
        }
        match self.look(standing, context) {
            Verdict::Widen(width) => self.widen(width, standing, context),
            Verdict::Narrow => {
                if let Fetching::Several(several) = &mut self.fetching {
                    several.ring.close();
                }
                Ok(Considered::Nothing)
            }
            Verdict::Keep => Ok(Considered::Nothing),
        }
    }

    fn look(&mut self, standing: Standing, context: &Context<'_>) -> Verdict {
        let Some(left) = self.total().map(|total| total.saturating_sub(standing.taken)) else {
            return Verdict::Keep;
        };
        let Some(pace) = self.pace.as_mut().filter(|pace| !pace.is_over()) else {
            return Verdict::Keep;
        };
        let come = match &self.fetching {
            Fetching::One(_) => standing.taken,
            Fetching::Several(several) if several.lanes.are_refused() => {
                pace.give_up();
                return Verdict::Keep;
            }
            // They come to their ends, and show nothing more.
            Fetching::Several(several) if several.ring.is_closed() => return Verdict::Keep,
            Fetching::Several(several) => several.lanes.come(),
        };
        pace.look(come, left, standing.is_starved, context.now)
    }

    fn widen(
        &mut self,
        width: usize,
        standing: Standing,
        context: &Context<'_>,
    ) -> Result<Considered, TransferError> {
        if let Fetching::Several(several) = &mut self.fetching {
            several.lanes.widen(width);
            return Ok(Considered::More);
        }
        let is_free = self.is_open() && self.one().is_some_and(|fetch| fetch.again().is_none());
        let (true, 0, Some(end)) = (is_free, standing.held, self.total()) else {
            // Bytes are on their way through another carrier.
            if let Some(pace) = &mut self.pace {
                pace.take_back();
            }
            return Ok(Considered::Nothing);
        };
        let taken = standing.taken;
        if end.saturating_sub(taken) < LEAST_LEFT {
            self.give_up();
            return Ok(Considered::Nothing);
        }
        let is_beginning = self.pace.as_ref().is_some_and(Pace::is_beginning);
        let mut ring = Ring::new(taken..end);
        let first_part = if is_beginning { UNKNOWN_PART } else { FIRST_PART };
        let share = ring.unclaimed() / width.max(1) as u64;
        let Some(part) = ring.claim(first_part.min(share), context.pool) else {
            self.give_up();
            return Ok(Considered::Nothing);
        };
        self.listen_if(true, context.registry)?;
        self.set_low_water(1);
        self.low_water = LowWater::new();
        let Fetching::One(fetch) = &mut self.fetching else { return Ok(Considered::Nothing) };
        let other = fetch.lane(0);
        let fetch = std::mem::replace(&mut **fetch, other);
        let registered = self.registered.take();
        let lanes = Lanes::around((fetch, registered), part, width, context.now);
        tracing::debug!(width, "one connection is too slow for its round trip");
        self.fetching = Fetching::Several(Box::new(Several { lanes, ring }));
        if let Some(sums) = &mut self.sums {
            sums.gathers();
        }
        Ok(Considered::Several)
    }

    fn give_up(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.give_up();
        }
    }

    /// The ring is closed and drained: one connection goes on.
    fn go_on_alone(&mut self, taken: u64) -> Result<Considered, TransferError> {
        if let Fetching::Several(several) = &mut self.fetching {
            let (fetch, registered) = several.lanes.single(taken)?;
            self.fetching = Fetching::One(Box::new(fetch));
            self.registered = registered;
            self.low_water = LowWater::new();
        }
        if let Some(pace) = &mut self.pace {
            pace.is_alone();
        }
        Ok(Considered::One)
    }
}
