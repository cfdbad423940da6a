//! The exit code of the command: `docker run`'s.

use std::process::ExitCode;

use crate::run::{Outcome, RunError};

/// Everything went as it should.
pub(super) const DONE: u8 = 0;
/// A bad job, or bad usage.
pub(super) const BAD_JOB: u8 = 2;
/// We or the engine failed.
pub(super) const FAILED: u8 = 125;

/// The container's program is not there.
pub(super) const NOT_THERE: u8 = 127;

/// The exit code of a run, given the signal that cancelled it.
pub(super) fn of_run(ended: &Result<Outcome, RunError>, signal: Option<i32>) -> u8 {
    match ended {
        Err(error) => error.exit_code(),
        Ok(outcome) if outcome.is_stdout_closed() && signal.is_none() => of_signal(Some(SIGPIPE)),
        // Without a signal it was cancelled in Girder, which stops it as SIGTERM does.
        Ok(outcome) if outcome.is_cancelled() => of_signal(signal.or(Some(SIGTERM))),
        // The exit status of a process has eight bits.
        Ok(outcome) => outcome.exit_code().map_or(FAILED, |code| code.to_le_bytes()[0]),
    }
}

const SIGTERM: i32 = 15;
const SIGPIPE: i32 = 13;

/// A shell's code for a command that a signal ended.
pub(super) fn of_signal(signal: Option<i32>) -> u8 {
    signal.and_then(|signal| u8::try_from(signal).ok()?.checked_add(128)).unwrap_or(FAILED)
}

/// As main returns it.
pub(super) fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Report;

    fn outcome(exit_code: Option<i64>, cancelled: bool) -> Result<Outcome, RunError> {
        Ok(Outcome::of(Report { exit_code, cancelled, ..Report::default() }))
    }

    #[test]
    fn the_containers_exit_code_is_ours() {
        for code in [0_u8, 3, 137, 255] {
            assert_eq!(of_run(&outcome(Some(code.into()), false), None), code);
        }
    }

    #[test]
    fn a_cancelled_run_tells_the_signal() {
        assert_eq!(of_run(&outcome(Some(143), true), Some(2)), 130);
        assert_eq!(of_run(&outcome(None, true), Some(15)), 143);
        assert_eq!(of_run(&outcome(Some(0), true), None), 143);
    }

    #[test]
    fn a_signal_that_came_too_late_changes_nothing() {
        assert_eq!(of_run(&outcome(Some(0), false), Some(2)), 0);
    }
}
