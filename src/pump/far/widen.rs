//! From one connection to several and back, while a transfer goes on.

use crate::pump::carrier::ring::Ring;
use crate::pump::carrier::{Carrier, Load};
use crate::pump::deadline::set_low_water;
use crate::pump::driver::{Context, Driver};
use crate::pump::error::TransferError;
use crate::pump::far::lanes::Lanes;
use crate::pump::far::low_water::LowWater;
use crate::pump::far::pace::Verdict;
use crate::pump::source::Source;

/// What came of a look at the connections.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pump) enum Considered {
    /// They stay as they are.
    Nothing,
    /// There is another step to do now.
    Step,
    /// There is another turn to have: the source is to be opened.
    Turn,
}

/// With less to come there is nothing to fetch side by side.
const LEAST_LEFT: u64 = 8 << 20;

impl Driver {
    /// Nothing can be moved now: whether that would be otherwise with more connections.
    pub(in crate::pump) fn consider_lanes(
        &mut self,
        context: &Context<'_>,
    ) -> Result<Considered, TransferError> {
        if let Load::Ring(ring) = &self.load
            && ring.is_over()
            && !ring.is_complete()
        {
            return self.go_on_alone(context);
        }
        match self.look(context) {
            Verdict::Widen(width) => self.widen(width, context),
            Verdict::Narrow => {
                if let Load::Ring(ring) = &mut self.load {
                    ring.close();
                }
                Ok(Considered::Nothing)
            }
            Verdict::Keep => Ok(Considered::Nothing),
        }
    }

    fn look(&mut self, context: &Context<'_>) -> Verdict {
        let Some(pace) = self.pace.as_mut().filter(|pace| !pace.is_over()) else {
            return Verdict::Keep;
        };
        let taken = self.transfer.taken();
        let Some(left) = self.source.total().map(|total| total.saturating_sub(taken)) else {
            return Verdict::Keep;
        };
        let is_starved = self.transfer.is_starved();
        match &self.source {
            Source::Fetch(_) => pace.look(taken, left, is_starved, context.now),
            Source::Lanes(lanes) if lanes.are_refused() => {
                pace.give_up();
                Verdict::Keep
            }
            Source::Lanes(lanes) => pace.look(lanes.come(), left, is_starved, context.now),
            _ => Verdict::Keep,
        }
    }

    fn widen(&mut self, width: usize, context: &Context<'_>) -> Result<Considered, TransferError> {
        if let Source::Lanes(lanes) = &mut self.source {
            lanes.widen(width);
            self.transfer.source_became_ready(self.load.room());
            return Ok(Considered::Step);
        }
        let is_one = matches!(&self.source, Source::Fetch(fetch) if fetch.is_open());
        let (true, 0, Some(end)) = (is_one, self.transfer.held(), self.source.total()) else {
            // Bytes are on their way through another carrier.
            if let Some(pace) = &mut self.pace {
                pace.take_back();
            }
            return Ok(Considered::Nothing);
        };
        let taken = self.transfer.taken();
        if end.saturating_sub(taken) < LEAST_LEFT {
            if let Some(pace) = &mut self.pace {
                pace.give_up();
            }
            return Ok(Considered::Nothing);
        }
        self.hear(context.registry)?;
        let Source::Fetch(fetch) = std::mem::replace(&mut self.source, Source::Spent) else {
            return Err(TransferError::Bug("a source that is not fetched was widened"));
        };
        if let Some((socket, _)) = fetch.socket() {
            let _ = set_low_water(socket, 1);
        }
        self.low_water = LowWater::new();
        let mut ring = Ring::new(taken..end);
        let registered = self.registered_socket.take();
        let lanes = Lanes::around(*fetch, registered, width, &mut ring, context.pool, context.now)?;
        tracing::debug!(transfer = self.id, width, "one connection is too slow for its round trip");
        self.source = Source::Lanes(Box::new(lanes));
        self.load = Load::Ring(ring);
        self.tally.carrier = Carrier::Ring;
        // A direct move that blocked has left both ends in doubt, and no edge will come of a sink
        // that had room all the time.
        self.transfer.source_became_ready(self.load.room());
        self.transfer.sink_became_ready(self.load.room());
        Ok(Considered::Step)
    }

    /// The ring is closed and drained: one connection goes on.
    fn go_on_alone(&mut self, context: &Context<'_>) -> Result<Considered, TransferError> {
        let Source::Lanes(lanes) = std::mem::replace(&mut self.source, Source::Spent) else {
            return Err(TransferError::Bug("a ring that nobody fills"));
        };
        let (fetch, registered) = lanes.into_single(self.transfer.taken())?;
        self.source = Source::Fetch(Box::new(fetch));
        self.registered_socket = registered;
        self.load = Load::Copy(None);
        if let Some(pace) = &mut self.pace {
            pace.give_up();
        }
        if self.source.is_open() {
            self.opened(context.connections)?;
        } else {
            self.transfer.source_blocked();
        }
        Ok(Considered::Turn)
    }
}
