//! How a run's phases ended, and how its container did.

use super::cancel::Cancelled;
use super::error::Cause;
use crate::event::Phase;

/// The end of the phases: of all of them, or of one that broke off.
pub(crate) type Ended = Result<End, Stop>;

/// The container has exited, and the phases have come to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) container: ContainerEnd,
    /// Whether the run was cancelled by then.
    pub(crate) is_cancelled: bool,
}

impl End {
    /// Whether its results are results.
    pub(crate) fn has_succeeded(self) -> bool {
        self.container.exit_code == 0 && !self.is_cancelled
    }
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContainerEnd {
    pub(crate) exit_code: i64,
    /// Something in it was killed for want of memory. False until the engine was asked.
    pub(crate) oom_killed: bool,
}

/// Why the phases did not come to their end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody asked for it.
    Cancelled,
    /// Something went wrong.
    Failed(Failed),
}

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cause: Box<Cause>,
    /// None: in the phase that the run is in.
    pub(crate) phase: Option<Phase>,
    /// Whether the run was cancelled as well.
    pub(crate) is_cancelled: bool,
}

impl Failed {
    /// It went wrong in the phase that the run is in.
    pub(crate) fn new(cause: Cause, is_cancelled: bool) -> Self {
        Self { cause: Box::new(cause), phase: None, is_cancelled }
    }
}

impl Stop {
    /// The same, of a run that was cancelled since.
    pub(crate) fn cancelled_since(self, is_cancelled: bool) -> Self {
        match self {
            Self::Failed(failed) => {
                let is_cancelled = failed.is_cancelled || is_cancelled;
                Self::Failed(Failed { is_cancelled, ..failed })
            }
            Self::Cancelled => Self::Cancelled,
        }
    }
}

/// Whether the run was cancelled.
pub(crate) fn is_cancelled(ended: &Ended) -> bool {
    match ended {
        Ok(end) => end.is_cancelled,
        Err(Stop::Cancelled) => true,
        Err(Stop::Failed(failed)) => failed.is_cancelled,
    }
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Failed(Failed::new(cause, false))
    }
}

impl From<Cancelled> for Stop {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}
