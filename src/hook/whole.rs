//! A small file, whose bytes go with the request that makes it.

use super::HookError;
use super::course::Onward;
use super::error::Failure;
use super::send::{Sending, guess};
use crate::store::{NewFile, UploadState};

impl Sending<'_, '_> {
    /// Whether it is new, small, and all there; and the store takes such.
    pub(super) fn goes_whole(&self) -> bool {
        self.supply.is_none()
            && self.target.existing.is_none()
            && (1..=MOST).contains(&self.content.size())
            && self.session.client.takes_whole_files()
    }

    /// Asks for an upload, with all bytes.
    ///
    /// When the answer is lost, the file may be there all the same; and sent once more it would be there twice. So
    /// the store is asked whether it has one of that name and those bytes.
    pub(super) fn begin_whole(&mut self) -> Result<UploadState, HookError> {
        let (name, size) = (self.target.name, self.content.size());
        let guessed = guess(name);
        let options = self.target.options;
        let mime_type = options.mime_type.as_deref().or(guessed.as_deref());
        let reference = options.reference.as_deref();
        let file = NewFile { parent: self.target.parent, name, size, mime_type, reference };
        loop {
            let mut part = self.content.part(0, size, self.session, self.id);
            let sent = self.session.client.upload_whole(&file, &mut part);
            let stopped = part.stopped();
            match sent {
                Ok(UploadState::Whole(file)) => return Ok(UploadState::Whole(file)),
                Ok(open) => return self.go_on_open(open),
                Err(error) => {
                    if let Some(file) = self.pause_and_look(Failure::new(stopped, error))? {
                        return Ok(UploadState::Whole(file));
                    }
                }
            }
        }
    }

    /// The store has made an upload, and no file: whether it has taken the bytes is for it to say.
    fn go_on_open(&mut self, open: UploadState) -> Result<UploadState, HookError> {
        let UploadState::Open(upload) = &open else { return Ok(open) };
        let client = &self.session.client;
        match client.upload_offset(upload).map(|there| self.course.found(there)) {
            Ok(Onward::Again | Onward::Next) => Ok(open),
            Ok(Onward::Anew | Onward::Lost) | Err(_) => {
                let _ = client.discard_upload(upload);
                self.begin()
            }
        }
    }
}

/// Bytes of a file that is small: what is sent once more if one answer is lost.
const MOST: u64 = 8 * 1024 * 1024;
