//! How a command fails.

use super::exit;

/// A command that came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    /// One line, without the name of the program.
    pub(super) message: String,
    pub(super) code: u8,
}

impl Failure {
    /// A bad job, or bad usage.
    pub(super) fn bad_usage(error: &dyn std::error::Error) -> Self {
        Self { message: crate::run::chain(error), code: exit::BAD_JOB }
    }

    /// We or the engine failed.
    pub(super) fn failed(error: &dyn std::error::Error) -> Self {
        Self { message: crate::run::chain(error), code: exit::FAILED }
    }
}
