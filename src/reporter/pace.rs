//! When the job in Girder is told something, and when that is given up. Pure: it is told the time.

use std::time::{Duration, Instant};

use super::backlog::Waiting;
use crate::backoff::Backoff;

/// Keeps the pace of updates.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Duration,
    look: Duration,
    absence: Option<Duration>,
    backoff: Backoff,
    /// When the last request began.
    last: Option<Instant>,
    /// Not before that, after a failure.
    resumes: Option<Instant>,
    /// Requests have failed since.
    failing: Option<Instant>,
    /// When Girder took the last update.
    took: Option<Instant>,
    /// The job is stopped, since Girder is away.
    has_given_up: bool,
}

/// What there is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) waiting: Waiting,
    /// Somebody waits to hear whether the job has begun.
    pub(super) begins: bool,
    /// Somebody wants to know at once how the job is.
    pub(super) looks: bool,
    /// Nothing more comes, since then.
    pub(super) closed: Option<Instant>,
    /// There is no time after that.
    pub(super) hurry: Option<Instant>,
    /// Girder takes nothing from us.
    pub(super) is_dead: bool,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Send an update, which may take so long.
    Send { within: Duration },
    /// Wait for something to change, at most until then.
    Wait(Option<Instant>),
    /// Nobody is to wait for the job's beginning any longer.
    GiveUpBeginning,
    /// The job is to be stopped: Girder is away for too long.
    Away,
    /// It is over: everything is told, or there is no more time for it.
    End,
}

impl Pace {
    pub(super) fn new(patience: Duration, look: Duration, absence: Option<Duration>) -> Self {
        Self {
            patience,
            look,
            absence,
            backoff: Backoff::new(INTERVAL, LONGEST_PAUSE),
            last: None,
            resumes: None,
            failing: None,
            took: None,
            has_given_up: false,
        }
    }

    /// Says what is to be done.
    pub(super) fn next(&self, work: Work, now: Instant) -> Turn {
        let end = self.end(work);
        let is_idle = work.is_dead || work.waiting == Waiting::Nothing;
        if (work.closed.is_some() && is_idle) || end.is_some_and(|end| end <= now) {
            return Turn::End;
        }
        let gives_up = self.failing.filter(|_| work.begins).map(|since| since + self.patience);
        if gives_up.is_some_and(|then| then <= now) {
            return Turn::GiveUpBeginning;
        }
        let is_away = self.away(work);
        if is_away.is_some_and(|then| then <= now) {
            return Turn::Away;
        }
        let Some(due) = self.due(work) else { return Turn::Wait(None) };
        let due = due.max(self.resumes_before(end));
        if due.is_none_or(|due| due <= now) {
            let left = end.map_or(REQUEST, |end| end.saturating_duration_since(now));
            return Turn::Send { within: left.clamp(SHORTEST_REQUEST, REQUEST) };
        }
        Turn::Wait([due, end, gives_up, is_away].into_iter().flatten().min())
    }

    /// A request begins.
    pub(super) fn begins(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// Girder took it.
    pub(super) fn took(&mut self, now: Instant) {
        self.backoff.succeeded();
        (self.resumes, self.failing, self.took) = (None, None, Some(now));
        self.has_given_up = false;
    }

    /// Whether Girder has taken something.
    pub(super) fn has_taken(&self) -> bool {
        self.took.is_some()
    }

    /// The job is stopped, since Girder is away.
    pub(super) fn gives_up(&mut self) {
        self.has_given_up = true;
    }

    /// It failed in a way that may pass, and the server wants to be left alone for so long.
    pub(super) fn failed(&mut self, asked: Option<Duration>, now: Instant) {
        self.failing.get_or_insert(now);
        self.resumes = Some(now + self.backoff.failed(asked));
    }

    /// When the pause after a failure is over. One that would outlast the time that is left is cut short for a last
    /// attempt.
    fn resumes_before(&self, end: Option<Instant>) -> Option<Instant> {
        let resumes = self.resumes?;
        let last = end.filter(|end| resumes >= *end).and_then(|end| end.checked_sub(LAST_ATTEMPT));
        let is_to_come = |last: &Instant| self.last.is_none_or(|began| began < *last);
        Some(last.filter(is_to_come).unwrap_or(resumes))
    }

    /// When an update is due; `None` inside: at once. `None`: there is none.
    fn due(&self, work: Work) -> Option<Option<Instant>> {
        let pause = match work.waiting {
            _ if work.is_dead => return None,
            // Who waits for the job's end has waited for all of it, and nothing comes after it.
            Waiting::End if work.closed.is_some() => return Some(None),
            Waiting::Much | Waiting::End => INTERVAL,
            Waiting::Something if work.closed.is_some() => INTERVAL,
            Waiting::Something => GATHERS,
            Waiting::Nothing if work.looks => INTERVAL,
            Waiting::Nothing => return self.last.map(|last| Some(last + self.look)),
        };
        Some(self.last.map(|last| last + pause))
    }

    /// When a job that runs is to be stopped, since nothing is taken of it.
    fn away(&self, work: Work) -> Option<Instant> {
        let is_over = work.is_dead || work.closed.is_some() || self.has_given_up;
        if is_over || work.begins {
            return None;
        }
        self.failing?.checked_add(self.absence?)
    }

    /// When what is left at the end is given up: nothing was taken for as long as patience is.
    fn end(&self, work: Work) -> Option<Instant> {
        let closed = work.closed?;
        let patience = if self.has_given_up { LAST_TRY } else { self.patience };
        let patient = closed.max(self.took.unwrap_or(closed)) + patience;
        Some(work.hurry.map_or(patient, |hurry| hurry.min(patient)))
    }
}

/// Between the beginnings of two requests, at least; but the job's end is told at once.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

/// The same where one update brings everything: fewer entries leave more room for each.
const GATHERS: Duration = Duration::from_millis(900);

/// Between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// For what is left of a job that was stopped since Girder is away.
const LAST_TRY: Duration = Duration::from_secs(5);

/// Before the end, the last attempt.
const LAST_ATTEMPT: Duration = Duration::from_secs(1);

/// For one request.
const REQUEST: Duration = Duration::from_secs(15);

/// For one request when there is hardly any time left.
const SHORTEST_REQUEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn pace() -> (Pace, Instant) {
        (Pace::new(PATIENCE, SECOND * 30, None), Instant::now())
    }

    fn work(waiting: Waiting) -> Work {
        let (closed, hurry) = (None, None);
        Work { waiting, begins: false, looks: false, closed, hurry, is_dead: false }
    }

    /// The times of updates while there is always something to tell, and what comes after them.
    fn updates(pace: &mut Pace, work: Work, from: Instant, goes: bool) -> (Vec<Duration>, Turn) {
        let (mut now, mut times) = (from, Vec::new());
        loop {
            match pace.next(work, now) {
                Turn::Send { .. } if times.len() < 8 => {
                    times.push(now - from);
                    pace.begins(now);
                    if goes { pace.took(now) } else { pace.failed(None, now) }
                }
                Turn::Wait(Some(until)) => now = until,
                turn => return (times, turn),
            }
        }
    }

    #[test]
    fn updates_come_at_most_twice_a_second_and_at_least_once() {
        let (mut pace, now) = pace();
        let (times, _) = updates(&mut pace, work(Waiting::Much), now, true);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == INTERVAL), "{times:?}");
        let (times, _) = updates(&mut pace, work(Waiting::Something), now + SECOND * 60, true);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] < SECOND), "{times:?}");
        assert_eq!(times[0], Duration::ZERO, "the first line after a pause goes at once");
    }

    #[test]
    fn the_end_is_told_at_once_and_again_with_growing_pauses() {
        let (mut pace, now) = pace();
        pace.begins(now);
        pace.took(now);
        let end = work(Waiting::End);
        assert_eq!(pace.next(end, now), Turn::Wait(Some(now + INTERVAL)));
        let closed = Work { closed: Some(now), ..end };
        let (times, _) = updates(&mut pace, closed, now, false);
        assert_eq!(times[0], Duration::ZERO);
        assert!(times[1] >= INTERVAL, "{times:?}");
    }

    #[test]
    fn a_girder_that_is_away_is_tried_with_growing_pauses_as_long_as_the_job_runs() {
        let (mut pace, now) = pace();
        let (times, _) = updates(&mut pace, work(Waiting::Much), now, false);
        // Each is up to a quarter longer by chance.
        let pauses = [0.5, 1.0, 2.0, 4.0, 8.0, 15.0].map(Duration::from_secs_f64);
        for (pair, pause) in times.windows(2).zip(pauses) {
            assert!((pause..=pause + pause / 4).contains(&(pair[1] - pair[0])), "{times:?}");
        }
        assert!(times.len() > pauses.len(), "{times:?}");
    }

    #[test]
    fn at_the_end_patience_counts_from_the_last_update_that_was_taken() {
        let (mut pace, now) = pace();
        let closed = Work { closed: Some(now), ..work(Waiting::Much) };
        let (times, turn) = updates(&mut pace, closed, now, false);
        // The last is a second before the end, unless chance brings the sixth there.
        assert!((6..=7).contains(&times.len()) && turn == Turn::End, "{times:?}");
        assert!(times.last().is_some_and(|last| *last >= SECOND * 19), "{times:?}");
        let later = now + SECOND * 19;
        pace.took(later);
        assert_eq!(pace.next(closed, now + PATIENCE), Turn::Send { within: REQUEST });
        assert_eq!(pace.next(closed, later + PATIENCE), Turn::End);
        let hurry = Work { hurry: Some(later + SECOND * 2), ..closed };
        assert_eq!(pace.next(hurry, later + SECOND), Turn::Send { within: SECOND });
        assert_eq!(pace.next(hurry, later + SECOND * 2), Turn::End);
    }

    #[test]
    fn who_waits_for_the_beginning_waits_as_long_as_patience_is() {
        let (mut pace, now) = pace();
        let begins = Work { begins: true, ..work(Waiting::Much) };
        let (times, turn) = updates(&mut pace, begins, now, false);
        assert_eq!((times.len(), turn), (6, Turn::GiveUpBeginning), "{times:?}");
    }

    #[test]
    fn a_job_whose_girder_is_away_for_too_long_is_stopped_and_soon_left() {
        let (_, now) = pace();
        let mut pace = Pace::new(PATIENCE, SECOND * 30, Some(SECOND * 10));
        let (times, turn) = updates(&mut pace, work(Waiting::Much), now, false);
        assert_eq!((times.len(), turn), (5, Turn::Away), "{times:?}");
        pace.gives_up();
        let later = now + SECOND * 12;
        assert!(!matches!(pace.next(work(Waiting::Much), later), Turn::Away), "said once");
        let closed = Work { closed: Some(later), ..work(Waiting::Much) };
        assert_eq!(pace.next(closed, later + LAST_TRY), Turn::End);
        pace.took(later);
        assert_ne!(pace.next(closed, later + LAST_TRY), Turn::End, "it is back");
    }

    #[test]
    fn a_job_that_is_told_nothing_is_looked_at() {
        let (mut pace, now) = pace();
        let nothing = work(Waiting::Nothing);
        assert_eq!(pace.next(nothing, now), Turn::Wait(None));
        pace.begins(now);
        assert_eq!(pace.next(nothing, now), Turn::Wait(Some(now + SECOND * 30)));
        let at_once = Work { looks: true, ..nothing };
        assert_eq!(pace.next(at_once, now + SECOND), Turn::Send { within: REQUEST });
        assert_eq!(pace.next(Work { closed: Some(now), ..nothing }, now), Turn::End);
        let dead = Work { is_dead: true, ..work(Waiting::Much) };
        assert_eq!(pace.next(dead, now + SECOND * 99), Turn::Wait(None));
    }

    #[test]
    fn a_pause_that_would_outlast_the_end_is_cut_short_for_one_last_attempt() {
        let now = Instant::now();
        let mut pace = Pace::new(SECOND * 20, SECOND * 30, None);
        pace.begins(now);
        (0..6).for_each(|_| pace.failed(None, now + SECOND));
        let closed = Work { closed: Some(now), ..work(Waiting::Much) };
        let last = now + SECOND * 20 - LAST_ATTEMPT;
        pace.resumes = Some(now + SECOND * 30);
        assert_eq!(pace.next(closed, now + SECOND), Turn::Wait(Some(last)));
        assert!(matches!(pace.next(closed, last), Turn::Send { .. }));
        pace.begins(last);
        pace.failed(None, last);
        assert_eq!(pace.next(closed, last), Turn::Wait(Some(now + SECOND * 20)));
        assert_eq!(pace.next(closed, now + SECOND * 20), Turn::End);
    }

    #[test]
    fn a_server_that_asks_to_be_left_alone_is() {
        let (mut pace, now) = pace();
        pace.begins(now);
        pace.failed(Some(SECOND * 12), now);
        let turn = pace.next(work(Waiting::Much), now + SECOND);
        let Turn::Wait(Some(until)) = turn else { panic!("{turn:?}") };
        assert!((SECOND * 12..=SECOND * 15).contains(&(until - now)), "{turn:?}");
    }
}
