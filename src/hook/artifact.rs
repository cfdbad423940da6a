//! Artifacts: files that are attached to the job in Girder.

use std::path::Path;
use std::time::Instant;

use super::error::Failure;
use super::send::{Content, file_name, guess};
use super::upload::each_file_in;
use super::{HookError, Session, Uploaded};
use crate::backoff::Backoff;
use crate::event::Finish;
use crate::volume::{Written, WrittenFile, find_written};

impl Session {
    /// Attaches a file, or the files directly in a folder; nothing if there is nothing. A server
    /// that has no artifacts is a warning.
    pub(super) fn attach_artifact(
        &mut self,
        root: &Path,
        path: &str,
        job: &str,
        name: Option<&str>,
    ) -> Result<(), HookError> {
        let found = find_written(root, path)
            .map_err(|source| HookError::Volume { path: path.to_owned(), source })?;
        match found {
            None => Ok(()),
            Some(Written::Other(what)) => {
                self.skips(path, what);
                Ok(())
            }
            Some(Written::File(file)) => {
                let name = name.map_or_else(|| file_name(path), str::to_owned);
                self.attach(path, &name, job, &file).map(drop)
            }
            Some(Written::Folder(folder)) => {
                let mut warnings = Vec::new();
                let attached = each_file_in(path, &folder, &mut warnings, |path, name, file| {
                    self.attach(&path, &name, job, &file).map(|attached| attached.is_some())
                });
                self.warnings.append(&mut warnings);
                attached
            }
        }
    }

    /// Attaches one file. `None`: this server takes none.
    fn attach(
        &mut self,
        path: &str,
        name: &str,
        job: &str,
        file: &WrittenFile,
    ) -> Result<Option<()>, HookError> {
        let content = Content::open(path, file)?;
        let size = content.size();
        let id = self.ledger.begin(format!("{path} → girder:job/{job}"), Some(size));
        let began = Instant::now();
        let mime_type = guess(name);
        let mut backoff = Backoff::of_a_question(self.client.patience());
        let (sent, stopped) = loop {
            let mut part = content.part(0, size, self, Some(id));
            let sent =
                self.client.upload_artifact(job, (name, mime_type.as_deref()), (&mut part, size));
            let stopped = part.stopped();
            match &sent {
                // If only its answer was lost, it is attached twice rather than not at all.
                Err(error)
                    if stopped.is_none()
                        && error.is_transient()
                        && backoff.may_try_again()
                        && self.waits(backoff.failed(error.retry_after())) => {}
                _ => break (sent, stopped),
            }
        };
        let finish = if sent.is_ok() { Finish::Complete } else { Finish::Failed };
        self.ledger.ended(id, size, finish);
        match sent {
            Ok(()) => {
                self.uploads.push(Uploaded {
                    item_id: None,
                    file_id: None,
                    job_id: Some(job.to_owned()),
                    name: name.to_owned(),
                    bytes: size,
                    took: began.elapsed(),
                });
                Ok(Some(()))
            }
            Err(error) => match error.server_without_route() {
                Some(server) => {
                    self.warnings.push(format!(
                        "{path:?} was not attached to the job {job}: Girder at {server} has no \
                         artifacts of jobs; servers with an older worker plugin do"
                    ));
                    Ok(None)
                }
                None => Err(content.failure(Failure::new(stopped, error), 0)),
            },
        }
    }
}
