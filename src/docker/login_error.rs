//! Why Docker's configuration gives no login.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no login for a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The configuration cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The configuration is not what docker writes. The cause is a place, as the text holds secrets.
    #[error("{} is not a docker configuration: line {line}, column {column}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// An `auth` member is not the base64 of `user:password`.
    #[error("its auth in {} is not the base64 of user:password", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
    },
    /// The name of a credential helper is none.
    #[error("{name:?} in {} is not the name of a credential helper", path.display())]
    HelperName {
        /// As it stands there.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The credential helper cannot be run.
    #[error("cannot run {helper}, which the docker configuration names")]
    Run {
        /// The program.
        helper: String,
        /// What the system says.
        source: io::Error,
    },
    /// The credential helper did not answer in time.
    #[error("{helper} gave no answer within {} s", after.as_secs())]
    TimedOut {
        /// The program.
        helper: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The credential helper failed.
    #[error("{helper} failed: {message}")]
    Failed {
        /// The program.
        helper: String,
        /// Its own words.
        message: String,
    },
    /// The credential helper's answer is none.
    #[error("{helper} did not answer with ServerURL, Username and Secret")]
    Answer {
        /// The program.
        helper: String,
    },
}
