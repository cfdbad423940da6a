//! What is done with results when the container has exited: uploads, artifacts, metadata.
//!
//! A `Task` is one hook with its volume on the host; `Session::perform` carries it out,
//! blocking. The container is not trusted with what it left: links are not followed, and only
//! regular files are read (see [`volume`](crate::volume)). Bytes leave the file inside the kernel, chunk by
//! chunk, and a chunk that fails is sent again (`send`; what follows is decided in `course`). Those of a small file go
//! with the request that makes it (`whole`), and the files of a folder four at a time (`side_by_side`). A file that a container writes into an item is
//! uploaded while it runs (`stream`).

mod artifact;
mod course;
mod error;
mod found;
mod gather;
mod metadata;
mod send;
mod side_by_side;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod upload;
mod whole;

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

pub use self::error::HookError;
use self::send::Sent;
pub(crate) use self::stream::{Inlet, Settled, Settlement, StreamUpload, StreamedFile};
pub(crate) use self::target::look_at_targets;
use crate::event::Ledger;
use crate::spec::Hook;
use crate::store::{Store, StoreError, UploadedFile};

/// One hook, ready to be carried out.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) hook: Hook,
    /// The host's side of the volume that it reads; empty if it reads none.
    pub(crate) root: PathBuf,
    /// The job that artifacts are attached to.
    pub(crate) job_id: Option<String>,
}

/// What came of one hook.
#[derive(Debug)]
pub(crate) struct Performed {
    pub(crate) ended: Result<(), HookError>,
    /// What was uploaded, also before an error.
    pub(crate) uploads: Vec<Uploaded>,
    pub(crate) warnings: Vec<String>,
}

impl Performed {
    /// What came of one that was cancelled before it could do anything.
    pub(crate) fn none(path: String) -> Self {
        let ended = Err(HookError::Cancelled { path });
        Self { ended, uploads: Vec::new(), warnings: Vec::new() }
    }
}

/// A file that has come to Girder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uploaded {
    /// The item that it is in; none of an artifact.
    pub(crate) item_id: Option<String>,
    /// The file; none of an artifact.
    pub(crate) file_id: Option<String>,
    /// The job that it is an artifact of.
    pub(crate) job_id: Option<String>,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// From the request with its first byte to the answer that Girder has it.
    pub(crate) took: Duration,
}

impl Uploaded {
    /// A file of an item.
    fn to_item(sent: Sent, name: &str) -> Self {
        let Sent { file: UploadedFile { record, item_id }, bytes, took } = sent;
        let name = name.to_owned();
        Self { item_id, file_id: Some(record.id), job_id: None, name, bytes, took }
    }
}

/// Where results go, and who is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) client: Store,
    pub(crate) ledger: Ledger,
}

impl Access {
    /// Begins to carry hooks out. They stop when `cancelled` is disconnected.
    pub(crate) fn session(self, cancelled: Receiver<Infallible>) -> Session {
        let Self { client, ledger } = self;
        Session { client, ledger, cancelled, uploads: Vec::new(), warnings: Vec::new() }
    }
}

/// Where hooks are carried out, and what came of them.
pub(crate) struct Session {
    client: Store,
    ledger: Ledger,
    /// Disconnected when the hook has to stop.
    cancelled: Receiver<Infallible>,
    uploads: Vec<Uploaded>,
    warnings: Vec<String>,
}

impl Session {
    /// Carries out one hook.
    pub(crate) fn perform(mut self, task: &Task) -> Performed {
        let ended = self.carry_out(task);
        Performed { ended, uploads: self.uploads, warnings: self.warnings }
    }

    fn carry_out(&mut self, task: &Task) -> Result<(), HookError> {
        let root = &task.root;
        match &task.hook {
            Hook::UploadToItem { path, item_id, options } => {
                self.upload_to_item(root, &path.filename, item_id, options)
            }
            Hook::UploadToFolder { path, folder_id, options } => {
                self.upload_to_folder(root, &path.filename, folder_id, options)
            }
            Hook::JobArtifact { path, name, .. } => {
                let job = task.job_id.as_deref().unwrap_or_default();
                self.attach_artifact(root, &path.filename, job, name.as_deref())
            }
            Hook::ItemMetadata { item_id, metadata } => self.merge(root, item_id, metadata),
        }
    }

    /// Asks what belongs to a folder or an item, again while the store cannot answer.
    fn ask<T>(
        &self,
        (kind, id): (&str, &str),
        question: impl Fn(&Store) -> Result<T, StoreError>,
    ) -> Result<T, HookError> {
        self.client
            .ask(&self.cancelled, question)
            .map_err(|error| HookError::target(kind, id, error))
    }

    /// Pauses. False: it was cancelled meanwhile.
    fn waits(&self, pause: Duration) -> bool {
        self.cancelled.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected)
    }

    fn skips(&mut self, path: &str, what: &str) {
        self.warnings.push(skipped(path, what));
    }
}

fn skipped(path: &str, what: &str) -> String {
    format!("{path:?} was not uploaded: it is {what}")
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("uploads", &self.uploads).finish_non_exhaustive()
    }
}
