//! What is still to be told to a job in Girder: its log, its statuses, its progress. Pure.

use std::collections::VecDeque;

use super::log::JobLog;
use crate::event::JobProgress;
use crate::girder::{JobStatus, JobUpdate, LogSize};

/// What is to be told, and has not arrived yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    log: JobLog,
    statuses: VecDeque<JobStatus>,
    progress: JobProgress,
    /// What the log is told with the job's beginning.
    first_line: String,
}

/// How much there is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    Nothing,
    /// What one update brings, and what may be joined by more.
    Something,
    /// A status, or more than one update.
    Much,
    /// The job's end, with all that is left.
    End,
}

impl Backlog {
    /// More of the log.
    pub(super) fn log(&mut self, text: &str) {
        self.log.push(text);
    }

    /// Every status is told, one after the other: Girder does not let one be left out.
    pub(super) fn status(&mut self, status: JobStatus) {
        self.statuses.push_back(status);
    }

    /// That the job runs, and a line of the log in the same update.
    pub(super) fn begin(&mut self, first_line: String) {
        self.first_line = first_line;
        self.status(JobStatus::Running);
    }

    /// The last word counts, for each of the three.
    pub(super) fn progress(&mut self, progress: JobProgress) {
        let JobProgress { total, current, message } = progress;
        self.progress.total = total.or(self.progress.total);
        self.progress.current = current.or(self.progress.current);
        self.progress.message = message.or_else(|| self.progress.message.take());
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        self.log.close();
    }

    /// How much there is to be told.
    pub(super) fn waiting(&self) -> Waiting {
        let ends = self.statuses.len() == 1 && self.statuses.iter().all(|status| status.is_end());
        if ends && !self.log.is_long() {
            Waiting::End
        } else if !self.statuses.is_empty() || self.log.is_long() {
            Waiting::Much
        } else if !self.log.is_empty() || self.progress != JobProgress::default() {
            Waiting::Something
        } else {
            Waiting::Nothing
        }
    }

    /// Whether the log's size has to be [`known`](Self::known) before the next update.
    pub(super) fn asks_for_size(&self) -> bool {
        !self.begins() && !self.log.is_empty() && !self.log.is_known()
    }

    /// What the job's log had before us.
    pub(super) fn known(&mut self, size: LogSize) {
        self.log.known(size);
    }

    /// The next update: a piece of the log, and the first status once all of the log before it is
    /// there. That the job runs is told first.
    pub(super) fn next(&mut self) -> JobUpdate {
        let begins = self.begins();
        let is_last = !self.log.is_long();
        let log = match begins {
            true => self.first_line.clone(),
            false => self.log.piece().to_owned(),
        };
        if !log.is_empty() && !begins {
            self.log.sent();
        }
        let status = self.statuses.front().copied().filter(|_| begins || is_last);
        let JobProgress { total, current, message } = self.progress.clone();
        JobUpdate {
            log,
            status,
            progress_total: total,
            progress_current: current,
            progress_message: message,
        }
    }

    /// Girder has taken an update.
    pub(super) fn arrived(&mut self, update: &JobUpdate) {
        match update.status {
            Some(JobStatus::Running) => self.first_line.clear(),
            _ => self.log.arrived(update.log.len()),
        }
        if update.status.is_some() {
            self.statuses.pop_front();
        }
        let JobProgress { total, current, message } = &mut self.progress;
        total.take_if(|total| Some(*total) == update.progress_total);
        current.take_if(|current| Some(*current) == update.progress_current);
        message.take_if(|message| Some(&*message) == update.progress_message.as_ref());
    }

    /// The first status will not be taken: leaves it out.
    pub(super) fn leave_status(&mut self) {
        self.statuses.pop_front();
    }

    /// Puts a status before the first.
    pub(super) fn status_first(&mut self, status: JobStatus) {
        self.statuses.push_front(status);
    }

    fn begins(&self) -> bool {
        self.statuses.front() == Some(&JobStatus::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_one_by_one_and_of_progress_the_last() {
        let mut backlog = Backlog::default();
        backlog.status(JobStatus::Running);
        backlog.status(JobStatus::Error);
        backlog.log("a");
        let number = |current| JobProgress { current: Some(current), ..JobProgress::default() };
        backlog.progress(JobProgress { message: Some("m".to_owned()), ..number(1.0) });
        backlog.progress(number(2.0));
        let first = backlog.next();
        assert_eq!((first.status, first.log.as_str()), (Some(JobStatus::Running), ""));
        assert_eq!(first.progress_current, Some(2.0));
        assert_eq!(first.progress_message.as_deref(), Some("m"));
        backlog.progress(number(3.0));
        backlog.arrived(&first);
        assert!(backlog.asks_for_size());
        backlog.known(LogSize::default());
        let second = JobUpdate {
            log: "a".to_owned(),
            status: Some(JobStatus::Error),
            progress_current: Some(3.0),
            ..JobUpdate::default()
        };
        assert_eq!(backlog.next(), second);
        backlog.arrived(&second);
        assert_eq!(backlog.waiting(), Waiting::Nothing);
    }

    #[test]
    fn the_first_line_comes_with_the_beginning_and_is_none_of_what_waits() {
        let mut backlog = Backlog::default();
        backlog.begin("here\n".to_owned());
        backlog.log("a\n");
        let first = backlog.next();
        assert_eq!((first.status, first.log.as_str()), (Some(JobStatus::Running), "here\n"));
        backlog.arrived(&first);
        // What it is counted in is asked only now.
        assert!(backlog.asks_for_size());
        backlog.known(LogSize { entries: 1, bytes: 5 });
        assert_eq!(backlog.next().log, "a\n");
    }

    #[test]
    fn a_status_comes_with_the_last_piece_of_the_log_before_it() {
        let mut backlog = Backlog::default();
        backlog.known(LogSize::default());
        backlog.log(&"x".repeat(600 << 10));
        backlog.status(JobStatus::Success);
        backlog.close();
        let mut statuses = Vec::new();
        while backlog.waiting() != Waiting::Nothing {
            let update = backlog.next();
            backlog.arrived(&update);
            statuses.push(update.status);
        }
        assert_eq!(statuses, [None, None, Some(JobStatus::Success)]);
    }
}
