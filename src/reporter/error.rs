//! Why the job in Girder cannot be reported to.

use std::io;

use thiserror::Error;

use crate::girder::GirderError;

/// Why there is no reporter.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReporterError {
    /// The job's address, method or headers cannot be used.
    #[error("cannot use the job's address, method or headers")]
    Unusable(#[source] Box<GirderError>),
    /// There is no thread for it.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// What the job in Girder was not told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Untold {
    /// Girder took it, but not all of it in time.
    #[error("the job in Girder was not told everything in time")]
    Late,
    /// Girder did not take it.
    #[error(
        "{failures} update{} of the job in Girder failed{}",
        if *failures == 1 { "" } else { "s" },
        if *is_all_sent { "" } else { ", and not all is sent" }
    )]
    Failed {
        /// Updates that failed.
        failures: u64,
        /// Whether what came after them was sent.
        is_all_sent: bool,
        /// Why the last one failed.
        source: Box<GirderError>,
    },
}
