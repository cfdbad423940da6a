//! One file on its way into Girder: in chunks, each sent again when it fails.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::course::{Course, Onward};
use super::error::{Failure, Stopped};
use super::{HookError, Session, Uploaded};
use crate::event::{Finish, TransferId};
use crate::spec::UploadOptions;
use crate::store::{Manner, NewFile, Parent, Payload, UploadId, UploadState, UploadedFile};
use crate::volume::WrittenFile;

/// Where a file goes.
pub(super) struct Target<'a> {
    pub(super) parent: Parent<'a>,
    pub(super) name: &'a str,
    /// The file whose contents it takes the place of.
    pub(super) existing: Option<&'a str>,
    pub(super) options: &'a UploadOptions,
}

impl Session {
    /// Uploads one file.
    pub(super) fn send(
        &mut self,
        path: &str,
        file: &WrittenFile,
        target: &Target<'_>,
    ) -> Result<(), HookError> {
        self.send_content(Content::open(path, file)?, target)
    }

    pub(super) fn send_content(
        &mut self,
        content: Content,
        target: &Target<'_>,
    ) -> Result<(), HookError> {
        let sent = self.sent(content, target)?;
        self.uploads.push(sent);
        Ok(())
    }

    /// Uploads one file, and tells what it is then.
    pub(super) fn sent(
        &self,
        content: Content,
        target: &Target<'_>,
    ) -> Result<Uploaded, HookError> {
        let parent = match target.parent {
            Parent::Item(id) => format!("item/{id}"),
            Parent::Folder(id) => format!("folder/{id}"),
        };
        let label = format!("{} → girder:{parent}", content.path);
        let id = self.ledger.begin(label, Some(content.size));
        let sent = Sending::new(self, content, target).told_as(id).send();
        let bytes = sent.as_ref().map_or(0, |sent| sent.bytes);
        let finish = match &sent {
            Ok(_) => Finish::Complete,
            Err(HookError::Cancelled { .. }) => Finish::Cancelled,
            Err(_) => Finish::Failed,
        };
        self.ledger.ended(id, bytes, finish);
        Ok(Uploaded::to_item(sent?, target.name))
    }
}

/// A file that was sent.
pub(super) struct Sent {
    pub(super) file: UploadedFile,
    pub(super) bytes: u64,
    pub(super) took: Duration,
}

/// What is uploaded while it comes: says when a chunk is there.
pub(super) trait Supply {
    /// Waits until the bytes before `end` are there; of the last chunk, until it may be sent.
    fn wait_for(&mut self, end: u64) -> Result<(), HookError>;

    /// [`CHUNK`](super::course::CHUNK) bytes more have come to Girder, and are not needed any more.
    fn arrived(&mut self);
}

/// What follows a chunk that failed.
enum After {
    Goes(Onward),
    /// Nothing: only the answer to the last one was lost.
    Done(UploadedFile),
}

/// One upload that goes on.
pub(super) struct Sending<'a, 'b> {
    pub(super) session: &'a Session,
    pub(super) content: Content,
    pub(super) target: &'a Target<'b>,
    /// None: events do not tell of it.
    pub(super) id: Option<TransferId>,
    /// None: everything is there.
    pub(super) supply: Option<&'a mut dyn Supply>,
    pub(super) course: Course,
    /// When its first byte was there to be sent.
    pub(super) began: Option<Instant>,
}

impl<'a, 'b> Sending<'a, 'b> {
    pub(super) fn new(session: &'a Session, content: Content, target: &'a Target<'b>) -> Self {
        let course = Course::new(content.size, session.client.patience());
        Self { session, content, target, id: None, supply: None, course, began: None }
    }

    /// Events tell how far it is.
    pub(super) fn told_as(self, id: TransferId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// What is sent is still on its way.
    pub(super) fn supplied_by(mut self, supply: &'a mut dyn Supply) -> Self {
        self.course.passing();
        Self { supply: Some(supply), ..self }
    }

    pub(super) fn send(mut self) -> Result<Sent, HookError> {
        self.began = Some(Instant::now());
        let begun = if self.goes_whole() { self.begin_whole()? } else { self.begin()? };
        self.carry_on(begun)
    }

    /// Sends everything into an upload that was begun.
    pub(super) fn carry_on(mut self, begun: UploadState) -> Result<Sent, HookError> {
        let mut upload = match begun {
            UploadState::Whole(file) => return self.whole(file),
            UploadState::Open(upload) => upload,
        };
        loop {
            let (offset, length) = self.course.chunk();
            if let Some(supply) = &mut self.supply
                && let Err(error) = supply.wait_for(offset + length)
            {
                let _ = self.session.client.discard_upload(&upload);
                return Err(error);
            }
            self.began.get_or_insert_with(Instant::now);
            let mut part = self.content.part(offset, length, self.session, self.id);
            let manner = if self.course.has_failed() { Manner::WhenAgreed } else { Manner::AtOnce };
            let body = (&mut part as &mut dyn Payload, length);
            let sent = self.session.client.upload_chunk(&upload, offset, body, manner);
            let stopped = part.stopped();
            match sent {
                Ok(UploadState::Whole(file)) => return self.whole(file),
                Ok(UploadState::Open(_)) if self.course.arrived() => self.arrived(),
                Ok(UploadState::Open(_)) => return Err(self.is_no_file()),
                Err(error) if error.is_too_large() && self.course.was_too_large() => {}
                Err(error) => match self.go_on(&upload, Failure::new(stopped, error))? {
                    After::Done(file) => return self.whole(file),
                    After::Goes(Onward::Again) => {}
                    After::Goes(Onward::Next) => self.arrived(),
                    After::Goes(Onward::Lost) => {
                        let path = self.content.path;
                        return Err(HookError::Interrupted { path, sent: offset });
                    }
                    After::Goes(Onward::Anew) => match self.begin()? {
                        UploadState::Whole(file) => return self.whole(file),
                        UploadState::Open(another) => upload = another,
                    },
                },
            }
        }
    }

    /// The file that Girder has made: a shorter one is not what was sent.
    fn whole(&self, file: UploadedFile) -> Result<Sent, HookError> {
        let size = self.content.size;
        match file.record.size {
            Some(found) if found != size => {
                let reason = format!("it has made a file of {found} bytes of them");
                let failure = Failure::of_protocol(self.session.client.api_url(), &reason);
                Err(self.content.failure(failure, found.min(size)))
            }
            _ if self.content.has_changed()? => Err(self.takes_back(file)),
            _ => {
                let took = self.began.map(|began| began.elapsed()).unwrap_or_default();
                Ok(Sent { file, bytes: size, took })
            }
        }
    }

    /// Removes what may be of two contents, unless it has taken the place of another one.
    fn takes_back(&self, file: UploadedFile) -> HookError {
        let (path, id) = (self.content.path.clone(), file.record.id);
        let is_removed =
            self.target.existing.is_none() && self.session.client.remove_file(&id).is_ok();
        HookError::Changed { path, stays: (!is_removed).then_some(id) }
    }

    fn is_no_file(&self) -> HookError {
        let server = self.session.client.api_url();
        let failure = Failure::of_protocol(server, "an upload has all its bytes and is no file");
        self.content.failure(failure, self.course.offset())
    }

    fn arrived(&mut self) {
        if let Some(supply) = &mut self.supply {
            (0..self.course.frees()).for_each(|_| supply.arrived());
        }
    }

    /// Asks for an upload.
    pub(super) fn begin(&mut self) -> Result<UploadState, HookError> {
        let Target { parent, name, existing, options } = *self.target;
        let reference = options.reference.as_deref();
        let size = self.content.size;
        loop {
            let guessed = guess(name);
            let mime_type = options.mime_type.as_deref().or(guessed.as_deref());
            let begun = match existing {
                Some(id) => self.session.client.begin_replacement(id, size, reference),
                None => {
                    let file = NewFile { parent, name, size, mime_type, reference };
                    self.session.client.begin_upload(&file)
                }
            };
            match begun {
                Ok(state) => return Ok(state),
                // A file without bytes is made at once.
                Err(error) if size == 0 && existing.is_none() => {
                    if let Some(file) = self.pause_and_look(error.into())? {
                        return Ok(UploadState::Whole(file));
                    }
                }
                Err(error) => self.pause(error.into())?,
            }
        }
    }

    /// Finds out what follows a chunk that failed, after a pause.
    fn go_on(&mut self, upload: &UploadId, mut why: Failure) -> Result<After, HookError> {
        loop {
            let may_be_there = why.is_transient();
            if let Err(error) = self.pause(why) {
                let may_be_there = may_be_there && self.course.is_at_the_last();
                if may_be_there
                    && !self.session.is_cancelled()
                    && let Some(file) = self.look_for_file_of(upload)
                {
                    return Ok(After::Done(file));
                }
                // What Girder has of it is of no use to anyone.
                let _ = self.session.client.discard_upload(upload);
                return Err(error);
            }
            let asked = self.session.client.upload_offset(upload);
            // It is forgotten when it has become a file, and has everything when it is about to.
            let may_be_a_file = match &asked {
                Ok(there) => *there == self.content.size(),
                Err(error) => self.course.is_at_the_last() && !error.is_transient(),
            };
            if may_be_a_file && let Some(file) = self.look_for_file_of(upload) {
                return Ok(After::Done(file));
            }
            match asked {
                Ok(there) => {
                    let onward = self.course.found(there);
                    if matches!(onward, Onward::Anew | Onward::Lost) {
                        let _ = self.session.client.discard_upload(upload);
                    }
                    return Ok(After::Goes(onward));
                }
                Err(error) => why = error.into(),
            }
        }
    }

    /// Waits before another attempt, unless there is to be none.
    pub(super) fn pause(&mut self, failure: Failure) -> Result<(), HookError> {
        let offset = self.course.offset();
        if !failure.is_transient() {
            return Err(self.content.failure(failure, offset));
        }
        let Some(pause) = self.course.failed(failure.retry_after()) else {
            return Err(self.content.failure(failure, offset));
        };
        tracing::debug!(?failure, offset, "an upload broke off");
        match self.session.waits(pause) {
            true => Ok(()),
            false => Err(self.content.failure(failure.and_cancelled(), offset)),
        }
    }

    /// The same where the request may have made the file: looks for it, also behind the last attempt.
    pub(super) fn pause_and_look(
        &mut self,
        failure: Failure,
    ) -> Result<Option<UploadedFile>, HookError> {
        let may_be_there = failure.is_transient();
        let paused = self.pause(failure);
        if !may_be_there || self.session.is_cancelled() {
            return paused.map(|()| None);
        }
        match self.look_for_it() {
            Some(file) => Ok(Some(file)),
            None => paused.map(|()| None),
        }
    }
}

/// What is uploaded.
#[derive(Debug)]
pub(super) struct Content {
    path: String,
    file: File,
    size: u64,
    /// A byte lies at its place modulo this.
    ring: u64,
    /// When it was written last. None: it is still being written.
    modified: Option<SystemTime>,
}

impl Content {
    pub(super) fn open(path: &str, file: &WrittenFile) -> Result<Self, HookError> {
        let failed = |source| HookError::Read { path: path.to_owned(), source };
        Self::of(path, file.open().map_err(failed)?)
    }

    /// All of a file.
    pub(super) fn of(path: &str, file: File) -> Result<Self, HookError> {
        let failed = |source| HookError::Read { path: path.to_owned(), source };
        let found = file.metadata().map_err(failed)?;
        let content = Self::ring(path, file, found.len(), u64::MAX);
        Ok(Self { modified: found.modified().ok(), ..content })
    }

    /// Whether it has not only grown since it was opened.
    fn has_changed(&self) -> Result<bool, HookError> {
        let Some(before) = self.modified else { return Ok(false) };
        let found = self.file.metadata().and_then(|found| Ok((found.len(), found.modified()?)));
        let failed = |source| HookError::Read { path: self.path.clone(), source };
        let (size, modified) = found.map_err(failed)?;
        Ok(size < self.size || (size == self.size && modified != before))
    }

    /// What passes through a file of `ring` bytes, a multiple of a chunk's.
    pub(super) fn ring(path: &str, file: File, size: u64, ring: u64) -> Self {
        Self { path: path.to_owned(), file, size, ring, modified: None }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether all of it is there, and stays. What passes through a ring is written over when it has come.
    pub(super) fn is_at_rest(&self) -> bool {
        self.ring == u64::MAX
    }

    /// A part of it, to be read once.
    pub(super) fn part<'a>(
        &'a self,
        at: u64,
        length: u64,
        session: &'a Session,
        id: Option<TransferId>,
    ) -> Part<'a> {
        let told = Instant::now();
        Part { content: self, at, left: length, session, id, told, stopped: None }
    }

    /// What the failure of the request at `offset` means.
    pub(super) fn failure(&self, failure: Failure, offset: u64) -> HookError {
        failure.of_file(self.path.clone(), self.size, self.size - offset)
    }
}

/// A part of a file, as it is read. The file's offset is left alone.
pub(super) struct Part<'a> {
    content: &'a Content,
    at: u64,
    left: u64,
    session: &'a Session,
    id: Option<TransferId>,
    told: Instant,
    stopped: Option<Stopped>,
}

impl Part<'_> {
    /// Why it was not read to its end, if that is so.
    pub(super) fn stopped(self) -> Option<Stopped> {
        self.stopped
    }

    fn passed(&mut self, bytes: usize) {
        self.at += bytes as u64;
        self.left = self.left.saturating_sub(bytes as u64);
        if let Some(id) = self.id
            && self.told.elapsed() >= TELL
        {
            self.told = Instant::now();
            self.session.ledger.advanced(id, self.at, Some(self.content.size));
        }
    }

    fn stops(&mut self, why: Stopped) -> io::Error {
        self.stopped = Some(why);
        io::ErrorKind::UnexpectedEof.into()
    }
}

impl Payload for Part<'_> {
    fn in_file(&mut self) -> io::Result<Option<(BorrowedFd<'_>, u64)>> {
        if self.session.is_cancelled() {
            return Err(self.stops(Stopped::Cancelled));
        }
        // Pages of what passes through a ring may be in a socket until it is written over.
        Ok(self.content.is_at_rest().then(|| (self.content.file.as_fd(), self.at)))
    }

    fn sent(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(self.stops(Stopped::Shorter(self.at)));
        }
        self.passed(bytes);
        Ok(())
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if self.session.is_cancelled() {
            return Err(self.stops(Stopped::Cancelled));
        }
        let room = usize::try_from(self.left).unwrap_or(buffer.len()).min(buffer.len());
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        match self.content.file.read_at(buffer, self.at % self.content.ring) {
            Ok(0) => Err(self.stops(Stopped::Shorter(self.at))),
            Ok(bytes) => {
                self.passed(bytes);
                Ok(bytes)
            }
            Err(error) => Err(self.stops(Stopped::Unreadable(error))),
        }
    }
}

/// What a file is called in Girder.
pub(super) fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// What kind of file has such a name.
pub(super) fn guess(name: &str) -> Option<String> {
    mime_guess::from_path(name).first_raw().map(str::to_owned)
}

/// Between two reports of how far an upload is.
const TELL: Duration = Duration::from_millis(100);
