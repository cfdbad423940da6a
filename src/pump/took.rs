//! What taking from a source and giving to a sink came to.

use nix::errno::Errno;

/// What taking came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Took {
    Bytes(usize),
    Blocked,
    Ended,
    /// It broke; the source pauses and is opened again.
    Broken,
}

/// What taking into a buffer came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    Took(Took),
    /// So many have come that are not next in their order.
    Ahead(usize),
}

impl From<Took> for Filled {
    fn from(took: Took) -> Self {
        Self::Took(took)
    }
}

/// What giving came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gave {
    Bytes(usize),
    Blocked,
    /// Nobody takes bytes any more.
    Refused,
}

impl Gave {
    /// What a write or a splice into a sink came to.
    pub(crate) fn judge(answer: Result<usize, Errno>) -> Result<Self, Errno> {
        match answer {
            Ok(bytes) => Ok(Self::Bytes(bytes)),
            Err(Errno::EAGAIN) => Ok(Self::Blocked),
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(Self::Refused),
            Err(errno) => Err(errno),
        }
    }
}

/// What splicing came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spliced {
    Gave(Gave),
    /// The kernel does not splice this pair: nothing was moved, and a copy may be.
    Unfit(Errno),
}
