//! What events name: the run, and what it moves.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

/// The id of one run. Cheap to clone.
///
/// The container's name and label hold it, and so do the names of temporary files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(Arc<str>);

impl RunId {
    /// An id that no other run has.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string().into())
    }

    /// An id of the caller's choice. No other run on the same engine may have it.
    ///
    /// # Errors
    /// [`BadRunId`]: it cannot be a part of a container's name.
    pub fn new(id: &str) -> Result<Self, BadRunId> {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        match (1..=MOST_BYTES).contains(&id.len()) && id.bytes().all(is_safe) {
            true => Ok(Self(id.into())),
            false => Err(BadRunId),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that cannot be the id of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the id of a run has 1 to {MOST_BYTES} characters: letters of ASCII, digits, `_`, `.`, `-`"
)]
pub struct BadRunId;

/// File names have at most 255 bytes, and more than the id is in them.
const MOST_BYTES: usize = 100;

/// A transfer, a download or an upload of one run: its number there, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(usize);

impl TransferId {
    /// The number, which no other of the same run has.
    pub fn number(self) -> usize {
        self.0
    }

    /// The one with this [`number`](Self::number).
    pub fn new(number: usize) -> Self {
        Self(number)
    }
}

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_be_a_part_of_a_containers_name() {
        for good in ["a", "2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d.2", &"x".repeat(MOST_BYTES)] {
            assert_eq!(RunId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a/b", "a b", "é", "a\n", &"x".repeat(MOST_BYTES + 1)] {
            assert_eq!(RunId::new(bad), Err(BadRunId), "{bad:?}");
        }
        assert_ne!(RunId::random(), RunId::random());
        assert!(RunId::new(RunId::random().as_str()).is_ok());
    }
}
