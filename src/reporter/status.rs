//! What it means that Girder does not take a job's status. Pure.
//!
//! A job goes from inactive over running to its end. While somebody wants it to be canceled it can
//! only become canceled, or an error; after its end nothing.

use std::sync::Arc;

use super::Begun;
use crate::girder::{GirderError, JobStatus};

/// What follows a status that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is left as it is.
    Leave,
    /// This one in its place.
    Instead(JobStatus),
    /// This one before it.
    First(JobStatus),
}

/// Decides what follows when a job that is `found` does not become `wanted`.
pub(super) fn after_refusal(wanted: JobStatus, found: JobStatus) -> Next {
    match (wanted, found) {
        (JobStatus::Canceled, _) => Next::Leave,
        (_, JobStatus::Canceling) => Next::Instead(JobStatus::Canceled),
        (JobStatus::Success | JobStatus::Error, JobStatus::Inactive | JobStatus::Queued) => {
            Next::First(JobStatus::Running)
        }
        _ => Next::Leave,
    }
}

/// What it means to who begins that a job is `found`, and does not become running.
pub(super) fn begun(found: JobStatus) -> Begun {
    match found {
        JobStatus::Success | JobStatus::Error => Begun::Ended(found),
        JobStatus::Canceled | JobStatus::Canceling => Begun::Canceled,
        // A status of a plugin's, which is not ours to judge.
        _ => Begun::Running,
    }
}

/// What it means to who begins that Girder refuses to be told.
pub(super) fn refused(error: Arc<GirderError>) -> Begun {
    match &*error {
        GirderError::NotFound { .. } => Begun::Deleted,
        _ => Begun::Refused(error),
    }
}

/// Whether a job that we run and that is `found` is to be stopped.
pub(super) fn is_cancel(found: JobStatus) -> bool {
    matches!(found, JobStatus::Canceling | JobStatus::Canceled)
}

#[cfg(test)]
mod tests {
    use JobStatus::{Canceled, Canceling, Error, Inactive, Queued, Running, Success};

    use super::*;

    #[test]
    fn a_refused_status_is_left_or_replaced_by_what_girder_takes() {
        for (wanted, found, next) in [
            (Success, Canceling, Next::Instead(Canceled)),
            (Running, Canceling, Next::Instead(Canceled)),
            (Success, Canceled, Next::Leave),
            (Error, Canceled, Next::Leave),
            (Canceled, Success, Next::Leave),
            (Canceled, Canceled, Next::Leave),
            (Error, Success, Next::Leave),
            (Error, Inactive, Next::First(Running)),
            (Success, Queued, Next::First(Running)),
        ] {
            assert_eq!(after_refusal(wanted, found), next, "{wanted:?} of {found:?}");
        }
    }

    #[test]
    fn a_job_that_does_not_begin_is_one_that_ended_or_was_cancelled() {
        assert!(matches!(begun(Success), Begun::Ended(Success)));
        assert!(matches!(begun(Error), Begun::Ended(Error)));
        assert!(matches!(begun(Canceled), Begun::Canceled));
        assert!(matches!(begun(Canceling), Begun::Canceled));
    }
}
