//! How many requests a server is asked at once. Pure: it is told how each went.

use std::time::Duration;

/// The width of a lane. It grows by one with each answer until the server is slow for the first time, from then
/// on by one with each round of answers, and is halved when the server refuses, or answers much later than it can.
#[derive(Debug, Clone)]
pub struct Window {
    room: u32,
    most: u32,
    /// Nothing has shown yet how much is too much.
    is_starting: bool,
    /// Answers since it grew.
    answers: u32,
    /// Answers to come of what was asked before it was halved: they say nothing of the width since.
    outdated: u32,
    round: Round,
    /// The least that a round's answers have taken, on average.
    best: Option<Duration>,
}

/// How long the answers of one round took.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    answers: u32,
    time: Duration,
}

impl Window {
    /// Begins with room for [`FIRST`], and grows to `most`.
    pub fn new(most: u32) -> Self {
        Self {
            room: FIRST.min(most.max(1)),
            most: most.max(1),
            is_starting: true,
            answers: 0,
            outdated: 0,
            round: Round::default(),
            best: None,
        }
    }

    /// How many may be under way.
    pub fn room(&self) -> u32 {
        self.room
    }

    /// A request was answered, after so long.
    pub fn answered(&mut self, took: Duration) {
        if self.outdated > 0 {
            self.outdated -= 1;
            return;
        }
        self.answers += 1;
        if self.is_starting || self.answers >= self.room {
            self.answers = 0;
            self.room = (self.room + 1).min(self.most);
        }
        self.round.answers += 1;
        self.round.time += took;
        if self.round.answers < self.room {
            return;
        }
        let Round { answers, time } = std::mem::take(&mut self.round);
        let mean = time / answers;
        let best = self.best.map_or(mean, |best| best.min(mean));
        self.best = Some(best);
        if mean > best * SLOW + GRACE && self.room > FIRST {
            self.halve(FIRST);
        }
    }

    /// A request was refused, or its connection broke.
    pub fn refused(&mut self) {
        match self.outdated {
            // Those of one burst are one refusal.
            0 => self.halve(1),
            _ => self.outdated -= 1,
        }
    }

    fn halve(&mut self, least: u32) {
        self.outdated = self.room - 1;
        self.room = (self.room / 2).max(least);
        self.is_starting = false;
        self.answers = 0;
        self.round = Round::default();
    }
}

/// Where it begins: what every server has borne so far.
const FIRST: u32 = 4;

/// Answers that take so many times the best are late: then requests wait for each other in the server.
const SLOW: u32 = 3;

/// No answer is late for want of so little.
const GRACE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(50);

    fn after(window: &mut Window, answers: u32, took: Duration) -> u32 {
        (0..answers).for_each(|_| window.answered(took));
        window.room()
    }

    #[test]
    fn it_grows_with_each_answer_to_the_most() {
        let mut window = Window::new(16);
        assert_eq!(window.room(), 4);
        assert_eq!(after(&mut window, 4, QUICK), 8);
        assert_eq!(after(&mut window, 100, QUICK), 16);
        assert_eq!(Window::new(2).room(), 2);
        assert_eq!(Window::new(0).room(), 1);
    }

    #[test]
    fn a_burst_of_refusals_halves_it_once_and_then_it_grows_by_one_a_round() {
        let mut window = Window::new(16);
        after(&mut window, 100, QUICK);
        (0..16).for_each(|_| window.refused());
        assert_eq!(window.room(), 8);
        assert_eq!(after(&mut window, 8, QUICK), 9);
        assert_eq!(after(&mut window, 9, QUICK), 10);
        (0..1000).for_each(|_| window.refused());
        assert_eq!(window.room(), 1);
        assert_eq!(after(&mut window, 1, QUICK), 2);
    }

    #[test]
    fn a_server_that_answers_later_and_later_is_asked_less_but_never_less_than_at_first() {
        let mut window = Window::new(16);
        after(&mut window, 100, QUICK);
        assert_eq!(after(&mut window, 16, QUICK * 5), 8);
        assert_eq!(after(&mut window, 200, QUICK * 50), 4);
        // Late is late only beyond what a busy machine adds by itself.
        let mut near = Window::new(16);
        after(&mut near, 100, Duration::from_micros(100));
        assert_eq!(after(&mut near, 100, Duration::from_millis(10)), 16);
    }

    #[test]
    fn whatever_comes_it_has_room_for_one_and_never_for_more_than_the_most() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let most = random.u32(0..20);
            let mut window = Window::new(most);
            for _ in 0..300 {
                match random.u8(0..8) {
                    0 => window.refused(),
                    _ => window.answered(Duration::from_millis(random.u64(0..500))),
                }
                assert!((1..=most.max(1)).contains(&window.room()), "seed {seed}");
            }
        }
    }
}
