//! What the runs of one runner share.

use std::fmt;

use super::settings::Defaults;
use crate::docker;
use crate::http;
use crate::pump::Pump;
use crate::volume::RecordFolders;

/// What the runs of a [`Runner`](super::Runner) share.
pub(super) struct Shared {
    pub(super) engine: docker::Settings,
    pub(super) http: http::Client,
    pub(super) pump: Pump,
    pub(super) record_folders: RecordFolders,
    pub(super) defaults: Defaults,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("engine", &self.engine).finish_non_exhaustive()
    }
}
