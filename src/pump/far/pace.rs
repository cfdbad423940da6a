//! When a body is worth several connections, and how many. Pure.
//!
//! One connection carries at most a window a round trip: on a long path that can be less than the
//! line has. Nobody can know beforehand, so it is tried: a transfer that waits for its source,
//! over a connection that took long to be there, is given more of them, and keeps them if that
//! made it faster.
//!
//! A body that is neither short nor long has come before that is known, most of it while a connection was still
//! gaining speed. On a path that is far enough it begins with several, which together gain it sooner. If it
//! turns out to take long after all, one connection shows whether it would have done.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Below this round trip one connection is enough: with a sender's buffer of 4 MiB, Linux's
/// default, it carries 800 MB/s.
const FAR: Duration = Duration::from_millis(5);

/// How long a rate is measured, in round trips; a connection's window doubles in each at first.
const ROUND_TRIPS: u32 = 3;

/// The least and the most time for it.
const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(2);

/// What is to come must be worth it: it would take this long at the present rate.
const WORTH: f64 = 1.0;

/// Connections at first.
const FIRST: usize = 4;

/// From this round trip on a connection needs long to come to its speed: it doubles it in each, some nine times.
const VERY_FAR: Duration = Duration::from_millis(20);

/// Bodies of which several connections fetch the beginning: with less there is little to share, with more the
/// beginning is little.
const MIDDLING: RangeInclusive<u64> = 16 << 20..=256 << 20;

/// Seconds to come that make it worth finding out whether one connection would have done.
const LONG: f64 = 3.0;

/// Connections whose rate has grown this much since the window before still gain speed.
const GROWTH: f64 = 1.25;

/// What more connections must bring to be kept, at least.
const GAIN: f64 = 1.1;

/// What they must bring, of as many times the rate as there are times the connections, for still more
/// to be tried. Where they bring less the line is full, and more would only make it lose packets.
const IN_PROPORTION: f64 = 0.75;

/// Windows that more connections have, at least, before they are found to be of no use: they begin
/// with small windows of their own, and the first one's is lost.
const SETTLING: u32 = 6;

/// Looks in a window that make it count.
const LOOKS: u32 = 4;

/// What a rate is measured for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// One connection, of what several are to begin.
    Begin,
    /// Several since the beginning: how fast they are.
    Begun,
    /// One connection: whether it is the bottleneck.
    Single,
    /// One after several that had this rate: whether it is as fast.
    Alone { several: f64 },
    /// More connections: whether they are faster than `before`, and as much as they are more.
    Proving { before: f64, in_proportion: f64 },
    /// What it has is what it keeps.
    Done,
}

/// What to do about the connections.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Keep,
    /// Have so many.
    Widen(usize),
    /// Go back to one: more were no faster, or it is to show what it can do.
    Narrow,
}

/// The measurement of one transfer.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    stage: Stage,
    width: usize,
    most: usize,
    window: Duration,
    began: Option<(Instant, u64)>,
    looks: u32,
    starved: u32,
    /// The rate of the window before this one, and the best with so many connections.
    last: f64,
    best: f64,
    /// Windows since the number of connections was changed.
    windows: u32,
}

impl Pace {
    /// Begins with one connection, which took `round_trip` to be there, for a body of `size` bytes, if that is
    /// known; at most `most` connections.
    pub(crate) fn new(round_trip: Duration, size: Option<u64>, most: usize) -> Self {
        let is_middling = size.is_some_and(|size| MIDDLING.contains(&size));
        Self {
            stage: if most < 2 || round_trip < FAR {
                Stage::Done
            } else if is_middling && round_trip >= VERY_FAR {
                Stage::Begin
            } else {
                Stage::Single
            },
            width: 1,
            most,
            window: (round_trip * ROUND_TRIPS).clamp(LEAST, MOST),
            began: None,
            looks: 0,
            starved: 0,
            last: 0.0,
            best: 0.0,
            windows: 0,
        }
    }

    /// Whether looks are of any use.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether several fetch the beginning.
    pub(crate) fn is_beginning(&self) -> bool {
        self.stage == Stage::Begun
    }

    /// More connections cannot be had now; it may ask again.
    pub(crate) fn take_back(&mut self) {
        let stage = if self.stage == Stage::Begun { Stage::Begin } else { Stage::Single };
        (self.stage, self.width) = (stage, 1);
    }

    /// More connections than one cannot be had.
    pub(crate) fn give_up(&mut self) {
        self.stage = Stage::Done;
    }

    /// There is one connection again.
    pub(crate) fn is_alone(&mut self) {
        if !matches!(self.stage, Stage::Alone { .. }) {
            self.stage = Stage::Done;
        }
        self.width = 1;
        self.forget();
    }

    /// A look: `come` bytes have come from all connections and `left` are to come; `is_starved`:
    /// nothing is in the way of more.
    pub(crate) fn look(&mut self, come: u64, left: u64, is_starved: bool, now: Instant) -> Verdict {
        if self.is_over() {
            return Verdict::Keep;
        }
        if self.stage == Stage::Begin {
            let verdict = self.widen(FIRST);
            self.stage = Stage::Begun;
            return verdict;
        }
        let (began, before) = *self.began.get_or_insert((now, come));
        self.looks += 1;
        self.starved += u32::from(is_starved);
        let lasted = now.saturating_duration_since(began);
        if lasted < self.window || self.looks < LOOKS {
            return Verdict::Keep;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let (rate, left) = (come.saturating_sub(before) as f64 / lasted.as_secs_f64(), left as f64);
        let is_starved = self.starved * 4 >= self.looks * 3;
        (self.began, self.looks, self.starved) = (None, 0, 0);
        // Connections that still gain speed have not shown what they can do.
        let is_growing = rate > self.last * GROWTH;
        self.last = rate;
        self.best = self.best.max(rate);
        self.windows += 1;
        match self.stage {
            _ if is_growing => Verdict::Keep,
            Stage::Begun if self.windows >= SETTLING && left > self.best * LONG => {
                self.stage = Stage::Alone { several: self.best };
                Verdict::Narrow
            }
            Stage::Alone { several } if is_starved && rate * GAIN >= several => {
                self.stage = Stage::Done;
                Verdict::Keep
            }
            Stage::Single | Stage::Alone { .. } if is_starved && left > rate * WORTH => {
                self.widen(FIRST)
            }
            Stage::Begin | Stage::Begun | Stage::Single | Stage::Alone { .. } | Stage::Done => {
                Verdict::Keep
            }
            Stage::Proving { in_proportion, .. } if rate >= in_proportion * IN_PROPORTION => {
                self.widen(self.width * 2)
            }
            Stage::Proving { .. } if self.windows < SETTLING => Verdict::Keep,
            Stage::Proving { before, .. } => {
                self.stage = Stage::Done;
                let is_first = self.width == FIRST.min(self.most);
                if is_first && rate < before * GAIN { Verdict::Narrow } else { Verdict::Keep }
            }
        }
    }

    fn widen(&mut self, width: usize) -> Verdict {
        let width = width.min(self.most);
        if width == self.width {
            self.stage = Stage::Done;
            return Verdict::Keep;
        }
        #[expect(clippy::cast_precision_loss, reason = "a few connections")]
        let times = width as f64 / self.width as f64;
        let before = self.best;
        self.width = width;
        self.forget();
        self.stage = Stage::Proving { before, in_proportion: before * times };
        Verdict::Widen(width)
    }

    /// What was measured was of other connections.
    fn forget(&mut self) {
        (self.last, self.best, self.windows) = (0.0, 0.0, 0);
        (self.began, self.looks, self.starved) = (None, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);
    const LEFT: u64 = 1 << 40;

    /// Runs with a source that gives `rate(width)` bytes a second, for ten seconds.
    fn run(
        pace: &mut Pace,
        is_starved: bool,
        left: u64,
        rate: impl Fn(usize) -> u64,
    ) -> Vec<Verdict> {
        let (mut now, mut come, mut verdicts) = (Instant::now(), 0, Vec::new());
        for _ in 0..1000 {
            now += Duration::from_millis(10);
            come += rate(pace.width) / 100;
            let verdict = pace.look(come, left, is_starved, now);
            if verdict != Verdict::Keep {
                verdicts.push(verdict);
            }
        }
        verdicts
    }

    #[test]
    fn connections_are_added_as_long_as_they_bring_something() {
        let mut pace = Pace::new(RTT, None, 8);
        let line = |width: usize| 160_000_000.min(50_000_000 * width as u64);
        assert_eq!(
            run(&mut pace, true, LEFT, line),
            [Verdict::Widen(4), Verdict::Widen(8)],
            "eight are no faster than four, and stay"
        );
        assert!(pace.is_over());
    }

    #[test]
    fn where_some_fill_the_line_more_are_not_tried() {
        let mut pace = Pace::new(RTT, None, 8);
        let line = |width: usize| 120_000_000.min(50_000_000 * width as u64);
        assert_eq!(run(&mut pace, true, LEFT, line), [Verdict::Widen(4)]);
        assert!(pace.is_over());
    }

    #[test]
    fn where_more_are_no_faster_it_goes_back_to_one() {
        let mut pace = Pace::new(RTT, None, 8);
        let verdicts = run(&mut pace, true, LEFT, |_| 10_000_000);
        assert_eq!(verdicts, [Verdict::Widen(4), Verdict::Narrow]);
    }

    #[test]
    fn connections_that_begin_slowly_are_given_their_time() {
        let mut pace = Pace::new(RTT, None, 4);
        let (mut now, mut come) = (Instant::now(), 0);
        let mut since: Option<Instant> = None;
        let mut verdicts = Vec::new();
        for _ in 0..500 {
            now += Duration::from_millis(10);
            let is_new = since.is_some_and(|since| now - since < Duration::from_millis(500));
            // For half a second four are slower than one was, at a steady pace.
            come += match pace.width {
                4 if is_new => 200_000,
                4 => 1_100_000,
                _ => 500_000,
            };
            let verdict = pace.look(come, LEFT, true, now);
            if verdict != Verdict::Keep {
                verdicts.push(verdict);
                since = Some(now);
            }
        }
        assert_eq!(verdicts, [Verdict::Widen(4)]);
    }

    #[test]
    fn a_middling_body_begins_with_several_and_ends_with_them() {
        let mut pace = Pace::new(RTT, Some(100 << 20), 8);
        // What is left takes less than three seconds.
        let line = |width: usize| 20_000_000 * width as u64;
        assert_eq!(run(&mut pace, true, 200_000_000, line), [Verdict::Widen(4)]);
        // Nothing is measured before: bytes may be on their way through another carrier.
        let mut pace = Pace::new(RTT, Some(100 << 20), 8);
        assert_eq!(pace.look(0, LEFT, true, Instant::now()), Verdict::Widen(4));
        pace.take_back();
        assert_eq!(pace.look(0, LEFT, true, Instant::now()), Verdict::Widen(4));
        // Neither a small one nor a large one, and not where it is near.
        for (size, round_trip) in [(15 << 20, RTT), (257 << 20, RTT), (100 << 20, RTT / 5)] {
            let mut pace = Pace::new(round_trip, Some(size), 8);
            assert_eq!(pace.look(0, LEFT, true, Instant::now()), Verdict::Keep, "{size}");
        }
        let mut pace = Pace::new(RTT, Some(100 << 20), 1);
        assert!(pace.is_over());
        assert_eq!(pace.look(0, LEFT, true, Instant::now()), Verdict::Keep);
    }

    #[test]
    fn a_middling_body_that_takes_long_goes_on_with_one_connection_if_that_is_as_fast() {
        for (alone, verdicts) in [
            (10_000_000, vec![Verdict::Widen(4), Verdict::Narrow]),
            (3_000_000, vec![Verdict::Widen(4), Verdict::Narrow, Verdict::Widen(4)]),
        ] {
            let mut pace = Pace::new(RTT, Some(200 << 20), 4);
            let (mut now, mut come, mut told) = (Instant::now(), 0, Vec::new());
            for _ in 0..600 {
                now += Duration::from_millis(10);
                come += if pace.width == 1 { alone } else { 10_000_000 } / 100;
                match pace.look(come, 200 << 20, true, now) {
                    Verdict::Keep => {}
                    Verdict::Narrow => {
                        told.push(Verdict::Narrow);
                        pace.is_alone();
                    }
                    more => told.push(more),
                }
            }
            assert_eq!(told, verdicts, "{alone}");
            assert!(pace.is_over());
        }
    }

    #[test]
    fn a_near_source_a_slow_reader_a_short_rest_and_a_limit_of_one_change_nothing() {
        let far = || Pace::new(RTT, None, 8);
        let slow = |_| 1_000_000;
        assert_eq!(run(&mut Pace::new(RTT / 50, Some(100 << 20), 8), true, LEFT, slow), []);
        assert_eq!(run(&mut far(), false, LEFT, slow), []);
        assert_eq!(run(&mut far(), true, 900_000, slow), []);
        assert_eq!(run(&mut Pace::new(RTT, None, 1), true, LEFT, slow), []);
    }

    #[test]
    fn a_connection_that_gains_speed_is_let_gain_it() {
        let mut pace = Pace::new(RTT, None, 8);
        let (mut now, mut come, mut rate) = (Instant::now(), 0, 1_000_000);
        for _ in 0..150 {
            now += Duration::from_millis(10);
            come += rate / 100;
            // It doubles in about half a second.
            rate += rate / 70;
            assert_eq!(pace.look(come, LEFT, true, now), Verdict::Keep);
        }
    }

    #[test]
    fn no_more_are_asked_for_than_there_may_be() {
        let mut pace = Pace::new(RTT, None, 3);
        let verdicts = run(&mut pace, true, LEFT, |width| 1_000_000 * width as u64);
        assert_eq!(verdicts, [Verdict::Widen(3)]);
    }
}
