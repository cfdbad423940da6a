//! How the container ended.

/// The end of a container, and whether the run was cancelled by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) exit_code: i64,
    /// Something in it was killed for want of memory.
    pub(crate) oom_killed: bool,
    pub(crate) is_cancelled: bool,
}

impl End {
    /// Whether its results are results.
    pub(crate) fn has_succeeded(self) -> bool {
        self.exit_code == 0 && !self.is_cancelled
    }
}
