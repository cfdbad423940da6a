//! The log of a job in Girder: what of it is shown, and how much of it one update may bring. Pure.
//!
//! Girder keeps of a log, at each update, the last ⌊4 MiB ÷ characters of that update⌋ entries, and
//! an entry is what one update brought. So an update to a job with `n` entries that is not to push
//! any of them out has at most 4 MiB ÷ (`n` + 1) characters: a burst is sent in several. How many
//! entries there were before us has to be [`known`](JobLog::known) first.
//!
//! MongoDB refuses a job of more than 16 MiB, so there is an end to what is shown: its first
//! [`SHOWN`] bytes, and its last [`TAIL`], with a line between them that says what was left out.

use std::collections::VecDeque;

use crate::girder::LogSize;

/// What a job's log is, and what of it is still to be sent.
#[derive(Debug, Default)]
pub(super) struct JobLog {
    /// Entries that Girder has, or may have; not known at first.
    entries: Option<u64>,
    /// Bytes of the beginning, sent or not.
    shown: usize,
    waiting: String,
    /// What came after the beginning.
    rest: Option<Rest>,
    is_closed: bool,
}

/// What comes after what is shown: the last of it is kept.
#[derive(Debug, Default)]
struct Rest {
    tail: VecDeque<u8>,
    left_out: u64,
}

impl JobLog {
    /// Told what the job's log had before us.
    pub(super) fn known(&mut self, size: LogSize) {
        self.entries = Some(size.entries);
        self.shown = self.shown.saturating_add(usize::try_from(size.bytes).unwrap_or(SHOWN));
    }

    /// Whether that was told.
    pub(super) fn is_known(&self) -> bool {
        self.entries.is_some()
    }

    /// Takes more of the log.
    pub(super) fn push(&mut self, text: &str) {
        if self.is_closed {
            return;
        }
        if let Some(rest) = &mut self.rest {
            return rest.push(text);
        }
        let room = boundary(text, SHOWN.saturating_sub(self.shown));
        let (shown, rest) = text.split_at(room);
        self.shown += shown.len();
        self.waiting.push_str(shown);
        if !rest.is_empty() {
            self.waiting.push_str(NOT_SHOWN);
            self.rest.insert(Rest::default()).push(rest);
        }
    }

    /// Nothing more comes: what was kept of the end is to be sent, too.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        if let Some(Rest { tail, left_out }) = self.rest.take() {
            let tail = Vec::from(tail);
            self.waiting.push_str(&gap(left_out));
            self.waiting.push_str(&String::from_utf8_lossy(&tail));
        }
    }

    /// Whether there is nothing to be sent for now.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether one update does not bring everything.
    pub(super) fn is_long(&self) -> bool {
        self.waiting.len() > self.room(0)
    }

    /// What the next update brings. It stays here until it has [`arrived`](Self::arrived).
    pub(super) fn piece(&mut self) -> &str {
        if self.is_closed {
            self.shorten();
        }
        let end = boundary(&self.waiting, self.room(0));
        self.waiting.get(..end).unwrap_or_default()
    }

    /// An update with a piece was sent; whether it arrived is not known yet.
    pub(super) fn sent(&mut self) {
        self.entries = self.entries.map(|entries| entries + 1);
    }

    /// Girder has so many bytes more.
    pub(super) fn arrived(&mut self, bytes: usize) {
        self.waiting.drain(..boundary(&self.waiting, bytes));
    }

    /// Characters that the update after `more` others may have. Bytes are counted: never fewer.
    fn room(&self, more: u64) -> usize {
        let entries = self.entries.unwrap_or_default() + more;
        let room = KEPT / entries.saturating_add(1);
        usize::try_from(room).unwrap_or(PIECE).clamp(SHORTEST, PIECE)
    }

    /// Leaves out of the middle what [`LAST_UPDATES`] do not bring: an end that takes minutes helps
    /// nobody.
    fn shorten(&mut self) {
        // A cut between characters may leave three bytes of room.
        let room: usize = (0..LAST_UPDATES).map(|more| self.room(more) - 3).sum();
        let length = self.waiting.len();
        if length <= room {
            return;
        }
        let tail = boundary(&self.waiting, length - TAIL.min(room / 2));
        let head = (room - (length - tail)).saturating_sub(GAP);
        let head = boundary(&self.waiting, head);
        self.waiting.replace_range(head..tail, &gap((tail - head) as u64));
    }
}

impl Rest {
    fn push(&mut self, text: &str) {
        self.tail.extend(text.as_bytes());
        let mut over = self.tail.len().saturating_sub(TAIL);
        // Not within a character.
        let goes_on = |byte: &u8| byte & 0xC0 == 0x80;
        if over > 0 {
            over += self.tail.range(over..).take_while(|byte| goes_on(byte)).count();
        }
        self.tail.drain(..over);
        self.left_out += over as u64;
    }
}

/// The last place between two characters that is not behind `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

fn gap(bytes: u64) -> String {
    format!("\n[gantline: {bytes} bytes of the log are left out here]\n")
}

/// Said where what is shown ends.
const NOT_SHOWN: &str =
    "\n[gantline: the log has more than 8 MiB: the rest is not shown, but for its end]\n";

/// Characters that Girder keeps, by its reckoning.
const KEPT: u64 = 4 << 20;

/// Bytes of the log that are shown from its beginning. MongoDB has 16 MiB for the whole job.
const SHOWN: usize = 8 << 20;

/// Bytes of the log that are shown from its end.
const TAIL: usize = 64 << 10;

/// Bytes of one update. A form has up to three bytes for one, and proxies take bodies of 1 MiB.
const PIECE: usize = 256 << 10;

/// Bytes of an update to a job with more entries than anybody reads.
const SHORTEST: usize = 16;

/// Updates that what is left at the end may take, at two a second.
const LAST_UPDATES: u64 = 60;

/// The longest note of a gap.
const GAP: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    /// Girder's own rule.
    #[derive(Default)]
    struct Girder {
        entries: Vec<String>,
        updates: usize,
    }

    impl Girder {
        fn takes(&mut self, log: &str) {
            self.updates += 1;
            self.entries.push(log.to_owned());
            let kept = (4 << 20) / log.chars().count();
            let gone = self.entries.len().saturating_sub(kept);
            self.entries.drain(..gone);
        }

        fn takes_all(&mut self, log: &mut JobLog) {
            while !log.is_empty() {
                self.takes_one(log);
            }
        }

        fn takes_one(&mut self, log: &mut JobLog) {
            let piece = log.piece().to_owned();
            log.sent();
            self.takes(&piece);
            log.arrived(piece.len());
        }

        fn log(&self) -> String {
            self.entries.concat()
        }
    }

    fn fresh(entries: u64) -> JobLog {
        let mut log = JobLog::default();
        log.known(LogSize { entries, bytes: entries * 2 });
        log
    }

    #[test]
    fn early_lines_survive_a_burst() {
        let (mut log, mut girder) = (fresh(0), Girder::default());
        let mut expected = String::new();
        for number in 0..200 {
            let line = format!("line {number} \u{e4}\n");
            log.push(&line);
            expected.push_str(&line);
            girder.takes_all(&mut log);
        }
        let burst = "0123456789abcde\n".repeat(1 << 16);
        log.push(&burst);
        expected.push_str(&burst);
        girder.takes_all(&mut log);
        assert!(girder.log() == expected);
        assert_eq!(girder.entries.len(), girder.updates, "nothing was pushed out");
    }

    #[test]
    fn what_the_job_had_before_survives_too() {
        let (mut log, mut girder) = (fresh(500), Girder::default());
        girder.entries = vec!["x\n".to_owned(); 500];
        log.push(&"y".repeat(1 << 20));
        girder.takes_all(&mut log);
        assert!(girder.log() == "x\n".repeat(500) + &"y".repeat(1 << 20));
    }

    #[test]
    fn of_a_long_log_the_beginning_and_the_end_are_shown() {
        let (mut log, mut girder) = (fresh(0), Girder::default());
        let line = |number: u32| format!("{number:>63}\n");
        let lines = (20 << 20) / 64;
        for number in 0..lines {
            log.push(&line(number));
            if number % 2_500 == 0 && !log.is_empty() {
                girder.takes_one(&mut log);
            }
            assert!(log.waiting.len() <= SHOWN + 200);
            assert!(log.rest.as_ref().is_none_or(|rest| rest.tail.len() <= TAIL));
        }
        log.close();
        girder.takes_all(&mut log);
        let shown = girder.log();
        assert!(shown.len() < 10 << 20 && girder.updates < 200, "{}", girder.updates);
        assert!(shown.starts_with(&line(0)) && shown.ends_with(&line(lines - 1)));
        let left_out = (20 << 20) - SHOWN - TAIL;
        let note = format!("{left_out} bytes of the log are left out here");
        assert!(shown.contains(NOT_SHOWN) && shown.contains(&note));
    }

    #[test]
    fn what_is_left_at_the_end_of_a_log_of_many_entries_is_sent_in_a_bounded_time() {
        let (mut log, mut girder) = (fresh(20_000), Girder::default());
        log.push(&"\u{e4}b\n".repeat(1 << 18));
        log.push("the end\n");
        log.close();
        girder.takes_all(&mut log);
        assert!(girder.updates as u64 <= LAST_UPDATES, "{}", girder.updates);
        assert!(girder.log().ends_with("the end\n") && girder.log().contains("are left out here"));
    }

    #[test]
    fn every_cut_is_between_characters() {
        for shift in 0..4 {
            let (mut log, mut girder) = (fresh(0), Girder::default());
            log.push(&"x".repeat(shift));
            for _ in 0..5 {
                log.push(&"\u{1f389}".repeat((2 << 20) / 4));
            }
            log.close();
            girder.takes_all(&mut log);
            let shown = girder.log();
            assert!(!shown.contains(char::REPLACEMENT_CHARACTER) && shown.len() < 9 << 20);
        }
    }

    #[test]
    fn a_piece_stays_until_it_has_arrived() {
        let mut log = fresh(0);
        log.push("ab");
        assert_eq!(log.piece(), "ab");
        log.sent();
        log.push("c");
        assert_eq!(log.piece(), "abc");
        log.arrived(2);
        assert_eq!(log.piece(), "c");
        log.close();
        log.push("never");
        assert_eq!(log.piece(), "c");
    }
}
