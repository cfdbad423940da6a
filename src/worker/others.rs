//! Messages of other tasks, which are somebody else's: when each goes back to its queue. Pure.
//!
//! A message that is not ours goes to the tail of its queue at once, so that who can run it finds it. When it comes
//! back to us within [`PASS`], everything behind it has been looked at: it is kept until then, beside the slots, so that
//! a queue of such messages costs one pass in that time, and no message of ours waits for them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// A queue of messages that nobody here can run is gone through once in this time.
pub(super) const PASS: Duration = Duration::from_secs(5);

/// Which messages went back, and when.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The oldest first.
    sent_back: VecDeque<(Instant, String)>,
    /// When each goes back last.
    last: HashMap<String, Instant>,
    /// Names of tasks that have been reported.
    reported: BTreeSet<String>,
}

impl Others {
    /// When a message goes back to the tail of its queue.
    pub(super) fn goes_back_at(&mut self, id: &str, now: Instant) -> Instant {
        while self.sent_back.front().is_some_and(|(at, _)| *at + PASS <= now) {
            self.forget_oldest();
        }
        // Several may have one id, or none.
        let at = self.last.get(id).map_or(now, |before| (*before + PASS).min(now + PASS));
        if self.sent_back.len() >= MOST {
            self.forget_oldest();
        }
        self.sent_back.push_back((at, id.to_owned()));
        self.last.insert(id.to_owned(), at);
        at
    }

    fn forget_oldest(&mut self) {
        let Some((at, id)) = self.sent_back.pop_front() else { return };
        if self.last.get(&id) == Some(&at) {
            self.last.remove(&id);
        }
    }

    /// Whether a task is seen for the first time, and is to be reported.
    pub(super) fn is_new(&mut self, task: &str) -> bool {
        self.reported.len() < MOST_NAMES && self.reported.insert(task.to_owned())
    }

    /// Under which name a task is counted: beyond the first names all are one.
    pub(super) fn counted_as<'a>(&self, task: &'a str) -> &'a str {
        if self.reported.contains(task) { task } else { "other tasks" }
    }
}

/// Ids that are remembered; a message whose id is not, goes back at once.
const MOST: usize = 10_000;

/// Names that are reported, each once.
const MOST_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_back_at_once_and_when_it_comes_again_after_a_pass() {
        let mut others = Others::default();
        let began = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(others.goes_back_at("a", began), began);
        assert_eq!(others.goes_back_at("b", began + second), began + second);
        assert_eq!(others.goes_back_at("a", began + second), began + PASS);
        // It went back then; what comes later than a pass behind that goes at once.
        assert_eq!(others.goes_back_at("a", began + PASS), began + PASS * 2);
        let later = began + PASS * 4;
        assert_eq!(others.goes_back_at("a", later), later);
        assert_eq!(others.sent_back.len(), 1);
    }

    #[test]
    fn none_of_many_messages_of_one_id_is_kept_for_longer_than_a_pass() {
        let (mut others, now) = (Others::default(), Instant::now());
        let ends = (0..100).map(|_| others.goes_back_at("", now)).max();
        assert_eq!(ends, Some(now + PASS));
    }

    #[test]
    fn a_flood_of_other_messages_is_remembered_within_a_bound() {
        let mut others = Others::default();
        let now = Instant::now();
        for number in 0..MOST + 10 {
            assert_eq!(others.goes_back_at(&number.to_string(), now), now);
        }
        assert_eq!((others.sent_back.len(), others.last.len()), (MOST, MOST));
        assert!(others.is_new("x") && !others.is_new("x"));
        (0..MOST_NAMES + 10).for_each(|name| _ = others.is_new(&name.to_string()));
        assert_eq!(others.reported.len(), MOST_NAMES);
        assert_eq!(["x", "new"].map(|task| others.counted_as(task)), ["x", "other tasks"]);
    }
}
