//! How long to wait before the next try to connect: a decision, without clock or chance.

use std::time::Duration;

/// The pauses between tries: one second, doubling to thirty, each shortened by chance so that the workers of a
/// broker that was away do not all come back at the same moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Pauses {
    failures: u32,
}

impl Pauses {
    /// The pause after another failure. `chance` is from 0 to 1; the pause is from half of its length to all.
    pub(super) fn next_pause(&mut self, chance: f64) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// A session lasted this long. After a short one the pauses go on as they were: a broker that takes
    /// connections and drops them is not asked in a loop.
    pub(super) fn connected(&mut self, lasted: Duration) {
        if lasted >= LONGEST {
            self.failures = 0;
        }
    }
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(chance: f64, tries: usize) -> Vec<u64> {
        let mut pauses = Pauses::default();
        (0..tries).map(|_| pauses.next_pause(chance).as_millis().try_into().unwrap()).collect()
    }

    #[test]
    fn pauses_double_from_a_second_to_thirty_and_stay_there() {
        assert_eq!(pauses(1.0, 8), [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    }

    #[test]
    fn chance_shortens_a_pause_by_half_at_most() {
        assert_eq!(pauses(0.0, 3), [500, 1000, 2000]);
        assert_eq!(pauses(-7.0, 1), [500]);
        assert_eq!(pauses(7.0, 1), [1000]);
    }

    #[test]
    fn only_a_session_that_lasted_begins_anew() {
        let mut pauses = Pauses::default();
        pauses.next_pause(1.0);
        pauses.connected(Duration::from_secs(2));
        assert_eq!(pauses.next_pause(1.0), Duration::from_secs(2));
        pauses.connected(Duration::from_secs(31));
        assert_eq!(pauses.next_pause(1.0), Duration::from_secs(1));
    }

    #[test]
    fn a_year_of_failures_does_not_overflow() {
        let mut pauses = Pauses { failures: u32::MAX };
        assert_eq!(pauses.next_pause(1.0), LONGEST);
    }
}
