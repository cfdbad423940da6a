//! Counting system calls, by strace(1): in a run of its own, which is not timed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::BenchError;
use super::measure::unprepared;

/// Whether there is a strace.
pub(super) fn check() -> Result<(), BenchError> {
    let mut command = Command::new("strace");
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(_) => Ok(()),
        Err(_) => Err(BenchError::Unfit(
            "system calls are counted by strace, which is not installed".to_owned(),
        )),
    }
}

/// What a program is started by to be counted, all of its threads.
pub(super) fn command(into: &Path) -> Vec<String> {
    let words = ["strace", "--follow-forks", "--summary-only", "--output"];
    let mut words: Vec<_> = words.into_iter().map(str::to_owned).collect();
    words.push(into.display().to_string());
    words
}

/// How many there were.
pub(super) fn total(counted: &Path) -> Result<u64, BenchError> {
    let text = fs::read_to_string(counted).map_err(|source| unprepared(counted, source))?;
    total_of(&text).ok_or(BenchError::SystemCalls)
}

/// The fourth column of the last line: `100.00  0.000421  1  402  17 total`.
fn total_of(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found_with_and_without_errors() {
        let head = "% time     seconds  usecs/call     calls    errors syscall\n";
        let with =
            format!("{head}------\n100.00    0.000421           1       402        17 total\n");
        let without = format!("{head}100.00    0.000421           1       402           total\n");
        assert_eq!((total_of(&with), total_of(&without)), (Some(402), Some(402)));
        assert_eq!(total_of(head), None);
    }
}
