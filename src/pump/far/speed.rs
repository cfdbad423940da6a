//! How fast bytes come, of late. Pure.

use std::time::{Duration, Instant};

/// Bytes a second over the last one or two periods.
#[derive(Debug, Clone)]
pub(crate) struct Speed {
    period: Duration,
    /// When a period began and with how many bytes: the one before, and this one.
    marks: [(Instant, u64); 2],
}

impl Speed {
    /// Counts from `now` and `bytes` on.
    pub(crate) fn new(period: Duration, bytes: u64, now: Instant) -> Self {
        Self { period, marks: [(now, bytes); 2] }
    }

    /// Counts from `now` and `bytes` on.
    pub(crate) fn begin(&mut self, bytes: u64, now: Instant) {
        self.marks = [(now, bytes); 2];
    }

    /// Bytes a second, when `bytes` have come. None: for less than a period it has not been
    /// looked at.
    pub(crate) fn look(&mut self, bytes: u64, now: Instant) -> Option<f64> {
        let [before, present] = self.marks;
        if now.saturating_duration_since(present.0) >= self.period {
            self.marks = [present, (now, bytes)];
        }
        let lasted = now.saturating_duration_since(before.0);
        #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let come = bytes.saturating_sub(before.1) as f64;
        (lasted >= self.period).then(|| come / lasted.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(100);

    #[test]
    fn a_speed_is_that_of_the_last_periods_and_not_known_before_the_first_is_over() {
        let (mut now, mut bytes) = (Instant::now(), 5000);
        let mut speed = Speed::new(PERIOD, bytes, now);
        assert_eq!(speed.look(bytes + 700, now + PERIOD / 2), None);
        for _ in 0..10 {
            (now, bytes) = (now + PERIOD / 2, bytes + 500);
            let known = speed.look(bytes, now);
            assert!(known.is_none_or(|rate| (rate - 10_000.0).abs() < 1.0), "{known:?}");
        }
        // It has stopped: two periods later nothing of what came before counts.
        for _ in 0..4 {
            now += PERIOD / 2;
            let _ = speed.look(bytes, now);
        }
        assert_eq!(speed.look(bytes, now + PERIOD / 2), Some(0.0));
        speed.begin(bytes, now);
        assert_eq!(speed.look(bytes, now), None);
    }
}
