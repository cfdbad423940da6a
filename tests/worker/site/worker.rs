//! A worker of ours that a test has started.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::jobs::SOON;

/// A worker that runs. Dropped, it is stopped with what it runs.
pub(crate) struct Worker {
    pub(super) child: Child,
    pub(super) folder: TempDir,
}

impl Worker {
    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits until it has ended, with this code and a last line with these words.
    pub(crate) fn has_ended_saying(mut self, code: i32, words: &str) {
        self.ends_with(code);
        let log = self.log();
        assert!(log.lines().next_back().is_some_and(|line| line.contains(words)), "{log}");
    }

    /// Waits until it has ended, with this code.
    pub(crate) fn has_ended(mut self, code: i32) {
        self.ends_with(code);
    }

    fn ends_with(&mut self, code: i32) {
        let deadline = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            thread::park_timeout(Duration::from_millis(50));
        };
        assert_eq!(status.code(), Some(code), "{}", self.log());
    }

    /// Kills it. What it has left stays until this is dropped.
    pub(crate) fn dies(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Bytes of memory that it has for itself, and that are no file's.
    pub(crate) fn own_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    /// What lies in its temporary folder, beside its log.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "log").collect()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn ends_well(self) {
        self.signal(Signal::SIGTERM);
        self.has_ended(0);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // The second stops what runs, so that no container is left.
        for _ in 0..2 {
            let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
            thread::park_timeout(Duration::from_millis(100));
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while !matches!(self.child.try_wait(), Ok(Some(_))) && Instant::now() < deadline {
            thread::park_timeout(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
