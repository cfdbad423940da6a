//! What a result hook does, without a run: for a result that a run could not put into Girder.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use thiserror::Error;

use super::outcome::UploadRecord;
use super::store::NamedStore;
use crate::event::{Ledger, RunId, Silent};
use crate::hook::{Access, HookError, Task};
use crate::spec::Hook;

/// One hook that somebody wants to have carried out.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) hook: Hook,
    /// The folder that its path is in.
    pub(crate) root: PathBuf,
    /// The job, of an artifact.
    pub(crate) job_id: Option<String>,
    pub(crate) store: NamedStore,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ended: Result<(), HookError>,
    /// Also before an error.
    pub(crate) uploads: Vec<UploadRecord>,
    pub(crate) warnings: Vec<String>,
}

/// Why it did not begin.
#[derive(Debug, Error)]
pub(crate) enum ByHandError {
    #[error("no Girder server is named")]
    NoGirder,
    #[error("cannot use the Girder server")]
    Girder(#[source] Box<dyn Error + Send + Sync>),
    #[error("cannot begin")]
    Begin(#[source] io::Error),
}

impl ByHand {
    /// Carries it out in a thread of its own: a request may hang. Stops when `cancelled` is disconnected.
    pub(crate) fn start(
        self,
        cancelled: Receiver<Infallible>,
    ) -> Result<Receiver<Done>, ByHandError> {
        let Self { hook, root, job_id, store } = self;
        let opened = store.open().ok_or(ByHandError::NoGirder)?;
        let client = opened.map_err(|error| ByHandError::Girder(error.into()))?;
        let ledger = Ledger::new(RunId::random(), Arc::new(Silent));
        let session = Access { client, ledger }.session(cancelled);
        let (teller, told) = bounded(1);
        let work = move || {
            let performed = session.perform(&Task { hook, root, job_id });
            let uploads = performed.uploads.into_iter().map(UploadRecord::from).collect();
            let (ended, warnings) = (performed.ended, performed.warnings);
            // Who insists on the end does not listen any more.
            let _ = teller.send(Done { ended, uploads, warnings });
        };
        let thread = thread::Builder::new().name("gantline-upload".to_owned());
        thread.spawn(work).map_err(ByHandError::Begin)?;
        Ok(told)
    }
}
