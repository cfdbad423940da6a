//! Files that are sent side by side: a store needs most of its time for a file's record, not for its bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Scope};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::send::{Content, Target};
use super::{HookError, Session, Uploaded};
use crate::span::carried;
use crate::spec::UploadOptions;
use crate::store::Parent;
use crate::volume::WrittenFile;

/// A file that is to be sent.
pub(super) struct Outgoing {
    pub(super) path: String,
    pub(super) file: WrittenFile,
    pub(super) name: String,
    pub(super) into: Into,
    /// The file whose contents it takes the place of.
    pub(super) existing: Option<String>,
}

/// Where it goes.
#[derive(Debug, Clone)]
pub(super) enum Into {
    Item(String),
    Folder(String),
}

/// Takes files to be sent.
pub(super) struct Lot<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    shared: &'env Shared<'env>,
    files: Sender<(usize, Outgoing)>,
    taken: usize,
    senders: usize,
}

/// What those who send share.
struct Shared<'a> {
    session: &'a Session,
    options: &'a UploadOptions,
    waiting: Receiver<(usize, Outgoing)>,
    has_failed: AtomicBool,
    /// By the place of each in the lot.
    ended: Mutex<Vec<(usize, Result<Uploaded, HookError>)>>,
}

impl Session {
    /// Sends what `walk` puts into the lot, [`AT_ONCE`] files at a time. Of those that fail the first is the error;
    /// after it nothing more is begun. Warnings of the walk are the session's.
    pub(super) fn send_side_by_side(
        &mut self,
        options: &UploadOptions,
        walk: impl FnOnce(&mut Lot<'_, '_>, &mut Vec<String>) -> Result<(), HookError>,
    ) -> Result<(), HookError> {
        let (files, waiting) = bounded(0);
        let shared = Shared {
            session: self,
            options,
            waiting,
            has_failed: AtomicBool::new(false),
            ended: Mutex::default(),
        };
        let mut warnings = Vec::new();
        let walked = thread::scope(|scope| {
            let mut lot = Lot { scope, shared: &shared, files, taken: 0, senders: 0 };
            walk(&mut lot, &mut warnings)
        });
        let mut ended = shared.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.warnings.append(&mut warnings);
        ended.sort_by_key(|(place, _)| *place);
        let mut failure = None;
        for (_, sent) in ended {
            match sent {
                Ok(uploaded) => self.uploads.push(uploaded),
                // Of those that were under way when another failed, or was cancelled.
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        failure.map_or(walked, Err)
    }
}

impl<'env> Lot<'_, 'env> {
    pub(super) fn session(&self) -> &'env Session {
        self.shared.session
    }

    /// Has a file sent, as soon as there is somebody to do it. False: one has failed, and no more are wanted.
    #[must_use]
    pub(super) fn send(&mut self, file: Outgoing) -> bool {
        let next = (self.taken, file);
        self.taken += 1;
        // Whoever waits for a file takes it. While nobody does, there may be one more of them.
        if let Err(TrySendError::Full(next) | TrySendError::Disconnected(next)) =
            self.files.try_send(next)
        {
            if self.senders < AT_ONCE {
                self.begin();
            }
            if self.senders == 0 {
                self.shared.send(next);
            } else {
                // They end only when the lot does.
                let _ = self.files.send(next);
            }
        }
        !self.shared.has_failed.load(Ordering::Relaxed)
    }

    /// Has one more thread take files.
    fn begin(&mut self) {
        let shared = self.shared;
        let work = move || shared.waiting.iter().for_each(|next| shared.send(next));
        let thread = thread::Builder::new().name("gantline-send".into());
        match thread.spawn_scoped(self.scope, carried(work)) {
            Ok(_) => self.senders += 1,
            Err(error) => tracing::debug!(%error, "there is no thread for more uploads"),
        }
    }
}

impl Shared<'_> {
    fn send(&self, (place, file): (usize, Outgoing)) {
        if self.has_failed.load(Ordering::Relaxed) {
            return;
        }
        let Outgoing { path, file, name, into, existing } = file;
        let parent = match &into {
            Into::Item(id) => Parent::Item(id),
            Into::Folder(id) => Parent::Folder(id),
        };
        let existing = existing.as_deref();
        let target = Target { parent, name: &name, existing, options: self.options };
        let sent = Content::open(&path, &file);
        let sent = sent.and_then(|content| self.session.sent(content, &target));
        if sent.is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push((place, sent));
    }
}

/// Files that are sent at the same time.
const AT_ONCE: usize = 4;
