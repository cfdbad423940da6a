//! A file that has come into the store, although the answer that says so has not.
//!
//! What is sent once more is there twice. So the store is asked first.

use std::io::{self, Read};

use super::send::Sending;
use crate::store::{FileRecord, Parent, Sha512, UploadId, UploadedFile};

impl Sending<'_, '_> {
    /// A file of that name and those bytes, which are few.
    pub(super) fn look_for_it(&self) -> Option<UploadedFile> {
        let (parent, name, client) = (self.target.parent, self.target.name, &self.session.client);
        let bytes = std::cell::LazyCell::new(|| self.bytes());
        let is_it = |file: &UploadedFile| {
            let is_alike = self.is_as_long(&file.record);
            is_alike && bytes.as_ref().is_ok_and(|bytes| self.holds(&file.record, bytes))
        };
        let newest = client.newest_files_named(parent, name).ok()?;
        newest.into_iter().find(is_it).or_else(|| {
            let all = client.files_named(parent, name).ok()?;
            all.into_iter().find(is_it)
        })
    }

    /// The file that an upload has become. Girder forgets an upload when it has made the file of it, so that nothing
    /// can be asked of it any more. The file is one of that name and length that was made since the upload was begun,
    /// by the server's own clock; where the server tells a sum, of those bytes.
    pub(super) fn look_for_file_of(&self, upload: &UploadId) -> Option<UploadedFile> {
        let begun = upload.begun()?;
        let client = &self.session.client;
        let found = match (self.target.existing, self.target.parent) {
            (Some(id), Parent::Item(item)) => {
                let item_id = Some(item.to_owned());
                vec![UploadedFile { record: client.file(id).ok()?, item_id }]
            }
            (Some(_), Parent::Folder(_)) => return None,
            (None, parent) => client.newest_files_named(parent, self.target.name).ok()?,
        };
        let is_later = |file: &UploadedFile| {
            file.record.created.as_deref().is_some_and(|created| created >= begun)
        };
        found
            .into_iter()
            .filter(|file| self.is_as_long(&file.record) && is_later(file))
            .find(|file| self.has_this_sum(&file.record))
    }

    fn is_as_long(&self, file: &FileRecord) -> bool {
        file.size == Some(self.content.size())
    }

    /// Whether a file holds these bytes. Girder by itself tells no sum.
    fn holds(&self, file: &FileRecord, bytes: &[u8]) -> bool {
        match &file.sha512 {
            Some(sum) => sum.eq_ignore_ascii_case(&Sha512::of(bytes)),
            None => {
                let held = self.session.client.content(&file.id, self.content.size() + 1);
                held.is_ok_and(|held| held == bytes)
            }
        }
    }

    /// Whether the sum that the store tells of a file, if it does, is that of what was sent, if that is still there.
    fn has_this_sum(&self, file: &FileRecord) -> bool {
        let told = file.sha512.as_deref().filter(|_| self.content.is_at_rest());
        told.is_none_or(|told| self.sum().is_ok_and(|sum| sum.eq_ignore_ascii_case(told)))
    }

    fn sum(&self) -> io::Result<String> {
        let mut part = self.content.part(0, self.content.size(), self.session, None);
        let (mut sum, mut buffer) = (Sha512::new(), vec![0; 1 << 20]);
        loop {
            match part.read(&mut buffer)? {
                0 => return Ok(sum.end()),
                bytes => sum.add(buffer.get(..bytes).unwrap_or_default()),
            }
        }
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut part = self.content.part(0, self.content.size(), self.session, None);
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
