//! When a connection that has nothing to do takes over what another fetches too slowly.

use std::time::{Duration, Instant};

use crate::pump::carrier::ring::Ring;
use crate::pump::error::TransferError;
use crate::pump::far::lane::PERIOD;
use crate::pump::far::lanes::{Lanes, Standing};

/// A part is split only into pieces of this many bytes, or more.
const LEAST_SHARE: u64 = 64 << 10;

/// What relief must gain, in round trips. It costs some: the connection that loses the end of its part is
/// made anew, and has to come to its speed again.
const LEAST_GAIN: f64 = 10.0;

impl Lanes {
    /// The lane `at` has nothing to do. If the part that all wait for comes too slowly, the lane takes over
    /// the end of that part, or all of it. True: it does.
    pub(in crate::pump) fn relieve(
        &mut self,
        at: usize,
        ring: &mut Ring,
        now: Instant,
    ) -> Result<bool, TransferError> {
        let is_held_up = ring.front().is_empty() && !ring.is_complete();
        let is_free = self.lanes.get(at).is_some_and(|lane| lane.part.is_empty());
        if self.standing != Standing::Proven || !is_held_up || !is_free {
            return Ok(false);
        }
        self.looks_again = Some(now + self.round_trip * PERIOD);
        let frontier = ring.frontier();
        let helper = self.lanes.get(at).and_then(|lane| lane.rate);
        let first = self.lanes.iter_mut().find(|lane| lane.is_at(frontier));
        // Who has no answer yet has deadlines of its own.
        let Some(first) = first.filter(|lane| lane.fetch.is_open()) else { return Ok(false) };
        let Some(rate) = first.speed.look(frontier, now) else { return Ok(false) };
        let left = first.part.end - frontier;
        let Some(stays) = share(left, rate, helper.unwrap_or(rate), self.round_trip) else {
            return Ok(false);
        };
        let rest = match stays {
            0 => Some(first.part.clone()),
            _ => ring.split(frontier, frontier + stays),
        };
        let Some(rest) = rest else { return Ok(false) };
        first.part.end = rest.start;
        if first.part.is_empty() {
            first.fetch.stop();
        }
        tracing::debug!(frontier, stays, left, rate, helper, "a connection is relieved by another");
        if let Some(lane) = self.lanes.get_mut(at) {
            lane.ask(rest, now)?;
        }
        Ok(true)
    }
}

/// Shares the `left` bytes of a part between two connections, so that both end at the same time. The one
/// that has the part fetches `rate` bytes a second. The helper fetches `helper` bytes a second, and begins
/// a round trip later. Says how many bytes stay with the first, which may be 0. None: the helper would gain
/// too little.
#[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
fn share(left: u64, rate: f64, helper: f64, round_trip: Duration) -> Option<u64> {
    let (rate, helper, round_trip) = (rate.max(1.0), helper.max(1.0), round_trip.as_secs_f64());
    let stays = (round_trip + left as f64 / helper) / (1.0 / rate + 1.0 / helper);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than left")]
    let mut stays = (stays.min(left as f64) as u64).max(LEAST_SHARE);
    if LEAST_SHARE as f64 / rate >= LEAST_GAIN * round_trip {
        stays = 0;
    }
    let taken = left.checked_sub(stays).filter(|taken| stays == 0 || *taken >= LEAST_SHARE)?;
    (taken as f64 / rate >= LEAST_GAIN * round_trip).then_some(stays)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_millis(50);
    const MIB: u64 = 1 << 20;

    #[test]
    fn a_slow_connection_keeps_what_it_can_fetch_while_another_fetches_the_rest() {
        // A megabyte a second has 0.28 s for what stays, another with twenty 0.23 and the way.
        let stays = share(5 * MIB, 1e6, 20e6, FAR).unwrap();
        assert!((280_000..320_000).contains(&stays), "{stays}");
        assert_eq!(share(5 * MIB, 2e5, 20e6, FAR), Some(LEAST_SHARE));
    }

    #[test]
    fn a_connection_that_gives_next_to_nothing_keeps_nothing() {
        assert_eq!(share(5 * MIB, 0.0, 20e6, FAR), Some(0));
        assert_eq!(share(5 * MIB, 1e5, 20e6, FAR), Some(0));
        assert_eq!(share(10_000, 1e3, 20e6, FAR), Some(0));
    }

    #[test]
    fn a_connection_is_not_relieved_where_that_gains_less_than_its_loss_costs() {
        assert_eq!(share(5 * MIB, 15e6, 15e6, FAR), None);
        assert_eq!(share(5 * MIB, 1e6, 0.0, FAR), None);
        assert_eq!(share(MIB / 10, 2e5, 20e6, FAR), None);
        assert!(share(5 * MIB, 15e6, 15e6, FAR / 50).is_some());
    }
}
