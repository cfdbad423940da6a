//! What is still to be told to a job in Girder: text in its order, with a bound. Pure.

use std::collections::VecDeque;

use crate::event::JobProgress;
use crate::girder::{JobStatus, JobUpdate};

/// What is to be told and was not yet.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    pieces: VecDeque<String>,
    length: usize,
    lost: usize,
    statuses: VecDeque<JobStatus>,
    progress: JobProgress,
}

impl Backlog {
    /// Takes more of the log. Beyond the bound the oldest goes: the end is what people look for.
    pub(crate) fn log(&mut self, text: &str) {
        self.length += text.len();
        match self.pieces.back_mut() {
            Some(last) if last.len() + text.len() <= PIECE_BYTES => last.push_str(text),
            _ => self.pieces.push_back(text.to_owned()),
        }
        while self.length > LOG_BYTES {
            let Some(oldest) = self.pieces.pop_front() else { break };
            self.length -= oldest.len();
            self.lost += oldest.len();
        }
    }

    /// Every status is told, one after the other: Girder does not let one be left out.
    pub(crate) fn status(&mut self, status: JobStatus) {
        self.statuses.push_back(status);
    }

    /// The last word counts, for each of the three.
    pub(crate) fn progress(&mut self, progress: JobProgress) {
        let JobProgress { total, current, message } = progress;
        self.progress.total = total.or(self.progress.total);
        self.progress.current = current.or(self.progress.current);
        self.progress.message = message.or_else(|| self.progress.message.take());
    }

    /// Puts back a status that could not be told, before all others.
    pub(crate) fn status_again(&mut self, status: JobStatus) {
        self.statuses.push_front(status);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
            && self.lost == 0
            && self.statuses.is_empty()
            && self.progress == JobProgress::default()
    }

    /// The next update: everything but the statuses behind the first, whose log this may be.
    pub(crate) fn take(&mut self) -> JobUpdate {
        let mut log = String::new();
        if self.lost > 0 {
            log = format!("\n[gantline: {} bytes of the log were lost here]\n", self.lost);
            self.lost = 0;
        }
        log.extend(self.pieces.drain(..));
        self.length = 0;
        let JobProgress { total, current, message } = std::mem::take(&mut self.progress);
        JobUpdate {
            log,
            status: self.statuses.pop_front(),
            progress_total: total,
            progress_current: current,
            progress_message: message,
        }
    }
}

/// Makes text of bytes that come in pieces: a character may be in two of them. What is none is
/// U+FFFD.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of a character, at most three bytes.
    held: Vec<u8>,
}

impl Decoder {
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> String {
        let mut joined = std::mem::take(&mut self.held);
        joined.extend_from_slice(bytes);
        let mut text = String::with_capacity(joined.len());
        let mut chunks = joined.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            if chunks.peek().is_none() && is_beginning(invalid) {
                self.held = invalid.to_vec();
            } else {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }
}

/// Whether bytes that are no character may become one.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Bytes of the log that wait to be sent. Girder takes minutes for more.
const LOG_BYTES: usize = 1 << 20;

/// What is lost at once, at least.
const PIECE_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_survive_every_split_and_the_rest_is_replaced() {
        let bytes = b"a\xc3\xa9\xf0\x9f\x8e\x89z\xff\xc3(\xe2\x82!".as_slice();
        let expected = String::from_utf8_lossy(bytes);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut decoder = Decoder::default();
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let text: String = pieces.iter().map(|piece| decoder.decode(piece)).collect();
                assert_eq!(text, expected, "split at {first}, {second}");
                assert!(decoder.held.is_empty());
            }
        }
        let mut decoder = Decoder::default();
        assert_eq!(decoder.decode(b"x\xf0\x9f\x8e"), "x");
        assert_eq!(decoder.held.len(), 3);
    }

    #[test]
    fn the_oldest_of_a_log_that_nobody_takes_is_lost_and_that_is_said() {
        let mut backlog = Backlog::default();
        let line = "x".repeat(9_999) + "\n";
        (0..300).for_each(|_| backlog.log(&line));
        backlog.log("the end\n");
        assert!(backlog.length <= LOG_BYTES);
        let log = backlog.take().log;
        assert!(log.starts_with("\n[gantline: ") && log.ends_with("the end\n"));
        assert!(log.len() < LOG_BYTES + 100 && backlog.is_empty());
        backlog.log(&"y".repeat(LOG_BYTES + 1));
        assert!(!backlog.is_empty() && backlog.take().log.len() < 100);
    }

    #[test]
    fn statuses_are_told_one_by_one_and_of_progress_the_last() {
        let mut backlog = Backlog::default();
        backlog.status(JobStatus::Running);
        backlog.status(JobStatus::Error);
        backlog.log("a");
        let number = |current| JobProgress { current: Some(current), ..JobProgress::default() };
        backlog.progress(JobProgress { message: Some("m".to_owned()), ..number(1.0) });
        backlog.progress(number(2.0));
        let first = backlog.take();
        assert_eq!((first.status, first.log.as_str()), (Some(JobStatus::Running), "a"));
        assert_eq!(first.progress_current, Some(2.0));
        assert_eq!(first.progress_message.as_deref(), Some("m"));
        assert!(!backlog.is_empty());
        let only_status = JobUpdate { status: Some(JobStatus::Error), ..JobUpdate::default() };
        assert_eq!(backlog.take(), only_status);
        assert!(backlog.is_empty());
    }
}
