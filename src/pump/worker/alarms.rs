//! When the loop of a worker has to wake without an event.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::pump::worker::slot::Key;

/// One alarm a slot, at most.
///
/// Deadlines move at every turn, nearly always to a later time. An alarm is moved only to an
/// earlier one; one that has become too early is found out when it rings.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    order: BTreeSet<(Instant, Key)>,
    set: HashMap<Key, Instant>,
}

impl Alarms {
    /// Sees to it that a slot's alarm rings at `deadline` or before.
    pub(crate) fn arm(&mut self, key: Key, deadline: Instant) {
        match self.set.get_mut(&key) {
            Some(earlier) if *earlier <= deadline => {}
            Some(later) => {
                self.order.remove(&(*later, key));
                *later = deadline;
                self.order.insert((deadline, key));
            }
            None => {
                self.set.insert(key, deadline);
                self.order.insert((deadline, key));
            }
        }
    }

    /// Takes a slot's alarm away.
    pub(crate) fn disarm(&mut self, key: Key) {
        if let Some(when) = self.set.remove(&key) {
            self.order.remove(&(when, key));
        }
    }

    /// When the next one rings.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(when, _)| *when)
    }

    /// Takes one that rings by `now`.
    pub(crate) fn ring(&mut self, now: Instant) -> Option<Key> {
        let (_, key) = *self.order.first().filter(|(when, _)| *when <= now)?;
        self.disarm(key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_rings_first_and_each_once() {
        let (mut alarms, now) = (Alarms::default(), Instant::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        alarms.arm(1, at(3));
        alarms.arm(2, at(2));
        alarms.arm(3, at(9));
        assert_eq!(alarms.next(), Some(at(2)));
        assert_eq!(alarms.ring(at(1)), None);
        assert_eq!(alarms.ring(at(5)), Some(2));
        assert_eq!(alarms.ring(at(5)), Some(1));
        assert_eq!(alarms.ring(at(5)), None);
        assert_eq!(alarms.next(), Some(at(9)));
    }

    #[test]
    fn deadlines_that_move_to_and_fro_leave_nothing_behind() {
        let (mut alarms, now) = (Alarms::default(), Instant::now());
        for turn in 0..1000 {
            // As a transfer does that is told of every 100 ms and stalls after 60 s.
            let when = now + Duration::from_millis(100 * turn);
            alarms.arm(7, when + Duration::from_secs(60));
            alarms.arm(7, when + Duration::from_millis(100));
            assert_eq!((alarms.order.len(), alarms.set.len()), (1, 1));
            assert_eq!(alarms.ring(when + Duration::from_millis(100)), Some(7));
        }
        alarms.disarm(7);
        assert_eq!(alarms.next(), None);
    }
}
