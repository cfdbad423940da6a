//! What came of a run's downloads, gathered from all who have a part in them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::run::outcome::DownloadRecord;

/// What has been found out and what has come, also of downloads that failed.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<Inner>);

/// The same, when nobody adds to it any more.
#[derive(Debug, Default)]
pub(super) struct Inner {
    /// By their place in the plan: the path inside the volume that the argument becomes.
    pub(super) paths: HashMap<usize, PathBuf>,
    pub(super) records: Vec<DownloadRecord>,
    pub(super) warnings: Vec<String>,
}

impl Found {
    pub(super) fn leads_to(&self, download: usize, inside: PathBuf) {
        self.lock().paths.insert(download, inside);
    }

    pub(super) fn records(&self, record: DownloadRecord) {
        self.lock().records.push(record);
    }

    pub(super) fn warns(&self, warning: String) {
        self.lock().warnings.push(warning);
    }

    /// All of it.
    pub(super) fn take(&self) -> Inner {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
