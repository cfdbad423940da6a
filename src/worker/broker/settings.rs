//! What a session needs to know beside the broker's address.

use std::path::PathBuf;
use std::time::Duration;

use super::redis::Orphans;

/// How a worker wants to be connected.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The node's name, `gantline@host`: remote control is heard under it, and the broker shows it.
    pub hostname: String,
    /// Redis: how long a message may be held without a sign of life before any worker may put it back.
    pub visibility_timeout: Duration,
    /// The authorities that sign the broker's certificate, when its address names none.
    pub ca_file: Option<PathBuf>,
    /// What one session leaves to the next.
    pub(super) orphans: Orphans,
}

impl Settings {
    /// Those of a worker with this name.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            visibility_timeout: VISIBILITY_TIMEOUT,
            ca_file: None,
            orphans: Orphans::default(),
        }
    }
}

/// kombu's default.
pub const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(3600);
