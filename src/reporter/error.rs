//! Why the job in Girder cannot be reported to, or was not told everything.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::girder::{GirderError, JobStatus};

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

/// Why the job in Girder was not told everything.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Untold {
    /// Girder took updates, but there was no time for all of them.
    #[error("the job in Girder was not told everything in time")]
    Late,
    /// Girder could not be asked, for as long as it is waited for.
    #[error("the job in Girder was not told everything: the last update of it failed")]
    Unreachable(#[source] Arc<GirderError>),
    /// Girder takes no updates of this job from us. Nothing was sent after the first that it
    /// refused.
    #[error("an update of the job in Girder failed, and no other was sent after it")]
    Refused(#[source] Arc<GirderError>),
    /// The job had ended before.
    #[error("the job in Girder was {} before this began, and is not told of it", .0.as_str())]
    Ended(JobStatus),
    /// We are to blame.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}
