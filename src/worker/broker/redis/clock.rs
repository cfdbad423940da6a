//! The time by which messages are noted as taken, and given to others when their holder is silent. Pure but for the clock.
//!
//! kombu writes each machine's own time. A machine whose clock is a day ahead would give away what all others hold, and
//! what one holds whose clock is a day behind would be given away at once. So two clocks are looked at, ours and
//! Redis': a message is held for as long as it is by either.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Redis' clock, as we know it.
#[derive(Debug)]
pub(super) struct Clock {
    /// The seconds since 1970 on Redis' machine, if it has said so.
    then: Option<f64>,
    since: Instant,
}

impl Clock {
    /// By what Redis has just answered to `TIME`.
    pub(super) fn new(answer: Option<(u64, u64)>) -> Self {
        let then = answer.map(|(seconds, micros)| {
            Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros)).as_secs_f64()
        });
        Self { then, since: Instant::now() }
    }

    /// What is noted beside a message that is held.
    pub(super) fn latest(&self) -> f64 {
        self.by_both(ours(), f64::max)
    }

    /// What time it is at the least, for who gives away what others hold.
    pub(super) fn earliest(&self) -> f64 {
        self.by_both(ours(), f64::min)
    }

    fn by_both(&self, ours: f64, choose: fn(f64, f64) -> f64) -> f64 {
        self.then.map_or(ours, |then| choose(ours, then + self.since.elapsed().as_secs_f64()))
    }
}

fn ours() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_held_for_as_long_as_it_is_by_either_clock() {
        let now = ours();
        for (theirs, latest, earliest) in
            [(now + 86_400.0, now + 86_400.0, now), (now - 86_400.0, now, now - 86_400.0)]
        {
            let clock = Clock { then: Some(theirs), since: Instant::now() };
            assert!((clock.latest() - latest).abs() < 60.0, "{theirs}");
            assert!((clock.earliest() - earliest).abs() < 60.0, "{theirs}");
        }
        // A user who may not ask for the time has one clock.
        let clock = Clock::new(None);
        assert!((clock.latest() - clock.earliest()).abs() < 60.0);
        let end = Clock::new(Some((u64::MAX, u64::MAX)));
        assert!(end.latest() > now && (end.earliest() - now).abs() < 60.0);
    }
}
