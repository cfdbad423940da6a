//! Who has begun a job, as its log says. Pure.
//!
//! Who begins a job that others may have been given leaves a line of its own, in the same update that says that the
//! job runs; who gives the job away leaves another as its last. In both is a word that nobody else knows beforehand.
//! So the log tells whether the job ran before our word, or by our word whose answer was lost; and whether the one
//! who had it has given it away. What the container says cannot be taken for either: it does not know the word.

use crate::girder::JobRecord;

/// What one worker leaves in the log of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    node: String,
    word: String,
}

/// By whom a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// By our own word, or by that of one who has given it away: it is ours.
    Us,
    Another,
    /// Girder does not show the log.
    Unknown,
}

impl Mark {
    /// What this node leaves. The word has to be a new one for each message.
    pub fn new(node: &str, word: String) -> Self {
        Self { node: node.to_owned(), word }
    }

    /// The line of who begins the job.
    pub fn begins(&self) -> String {
        format!("{BEGINS}{} ({})\n", self.node, self.word)
    }

    /// The last line of who gives the job away: it runs there no more.
    pub fn leaves(&self) -> String {
        format!("{} is stopped: {}", self.node, leaves(&self.word))
    }

    /// By whom a job runs, of which this is the record. `has_waited`: it was seen to wait since we began to
    /// tell that it runs.
    pub(super) fn by(&self, record: &JobRecord, has_waited: bool) -> By {
        let Some(log) = &record.log else { return By::Unknown };
        let ours = self.begins();
        let Some(at) = log.iter().position(|entry| *entry == ours) else { return By::Another };
        let (before, after) =
            (log.get(..at).unwrap_or_default(), log.get(at..).unwrap_or_default());
        if let Some(word) = before.iter().rev().find_map(|entry| word_of(entry)) {
            let last = before.last().filter(|_| !word.is_empty());
            let has_left = last.is_some_and(|last| last.ends_with(&leaves(word)));
            return if has_left { By::Us } else { By::Another };
        }
        // Some workers leave no line. One time is noted for all that an update changes: if it is also that of the
        // status, the status is ours, unless somebody has told more since.
        let is_told_more = after.iter().any(|entry| *entry != ours && word_of(entry).is_some());
        if has_waited || is_told_more || !record.was_so_before() { By::Us } else { By::Another }
    }
}

/// The word in the line of who begins; empty for one that has none.
fn word_of(entry: &str) -> Option<&str> {
    let line = entry.strip_prefix(BEGINS)?;
    let word = line.strip_suffix(")\n").and_then(|line| line.rsplit_once(" ("));
    Some(word.map_or("", |(_, word)| word))
}

fn leaves(word: &str) -> String {
    format!("the job runs again on another worker ({word})\n")
}

const BEGINS: &str = "delivered to ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::girder::JobStatus;

    fn record(log: &[&str], since: &str) -> JobRecord {
        JobRecord {
            status: JobStatus::Running,
            created: None,
            log: Some(log.iter().map(|entry| (*entry).to_owned()).collect()),
            since: Some(since.to_owned()),
            updated: Some("now".to_owned()),
        }
    }

    fn mark(node: &str, word: &str) -> (Mark, String, String) {
        let mark = Mark::new(node, word.to_owned());
        let (begins, leaves) = (mark.begins(), mark.leaves());
        (mark, begins, leaves)
    }

    #[test]
    fn a_job_is_ours_by_our_own_word_and_when_its_worker_has_given_it_away() {
        let (ours, begins, _) = mark("b@h", "2");
        let (_, other, left) = mark("a@h", "1");
        let (_, _, forged) = mark("a@h", "");
        let [begins, other, left, forged] = [&begins, &other, &left, &forged].map(|line| &**line);
        let with_more = format!("the last of it\n{left}");
        let is = |log: &[&str], since: &str, by| {
            for has_waited in [false, true] {
                assert_eq!(ours.by(&record(log, since), has_waited), by, "{log:?} {since}");
            }
        };
        is(&[begins], "now", By::Us);
        is(&["before\n", begins, begins], "now", By::Us);
        is(&[], "now", By::Another);
        is(&[other], "now", By::Another);
        is(&[other, "says\n", begins], "before", By::Another);
        is(&[other, "says\n", left, begins], "before", By::Us);
        is(&[other, &with_more, begins, begins], "before", By::Us);
        // What a container says is no word of its worker's.
        is(&[other, forged, begins], "before", By::Another);
        is(&[other, left, "says\n", begins], "before", By::Another);
        // Another came later, and lets us run.
        is(&[begins, other], "before", By::Us);
        // One without a word is a worker all the same.
        is(&["delivered to a@h\n", forged, begins], "before", By::Another);
        assert_eq!(ours.by(&JobRecord { log: None, ..record(&[], "now") }, true), By::Unknown);
    }

    #[test]
    fn of_a_worker_that_leaves_no_line_the_times_tell() {
        let (ours, begins, _) = mark("b@h", "2");
        let log = ["a line of the job's\n", &begins];
        assert_eq!(ours.by(&record(&log, "before"), false), By::Another);
        assert_eq!(ours.by(&record(&log, "before"), true), By::Us);
        assert_eq!(ours.by(&record(&log, "now"), false), By::Us);
    }
}
