//! Files that come to Girder with the request that makes them.

use std::sync::atomic::Ordering;

use serde::de::IgnoredAny;
use ureq::http::Method;

use super::call::{Body, Call};
use super::upload::{Answer, time_for};
use super::{Client, GirderError, ItemRecord, NewFile, Parent, UploadState, UploadedFile};
use crate::http::Payload;

impl Client {
    /// Whether the server is not known to be one that takes bytes only in chunks, as Girder before 2.3.
    pub fn takes_whole_files(&self) -> bool {
        self.shared.takes_whole_files.load(Ordering::Relaxed)
    }

    /// Uploads a file in one request: `body` has its bytes, at least one. A server that takes none of them yet
    /// leaves the upload open.
    ///
    /// # Errors
    /// As [`Client::begin_upload`]; `body` could not be read. Whether the file is there then is not known.
    pub fn upload_whole(
        &self,
        file: &NewFile<'_>,
        body: &mut dyn Payload,
    ) -> Result<UploadState, GirderError> {
        let (kind, id) = file.parent.to_parts();
        let size = file.size.to_string();
        let query = file.query(&size);
        let call = Call {
            query: &query,
            body: Body::Bytes(body, file.size),
            timeout: time_for(file.size),
            ..Call::new(self, Method::POST, &["file"])
        };
        let asked = self.asked_to_write(kind, id)?;
        let state = self.call::<Answer>(call, &asked).map(Answer::into_state)?;
        if matches!(state, UploadState::Open(_)) {
            self.shared.takes_whole_files.store(false, Ordering::Relaxed);
        }
        Ok(state)
    }

    /// The files of that name that a parent has; in a folder, those of items of that name.
    ///
    /// # Errors
    /// As [`Client::file`].
    pub fn files_named(
        &self,
        parent: Parent<'_>,
        name: &str,
    ) -> Result<Vec<UploadedFile>, GirderError> {
        let items = match parent {
            Parent::Item(id) => vec![id.to_owned()],
            Parent::Folder(id) => {
                let items = self.items_in(id, &[("name", name)])?;
                items.into_iter().filter(|item| item.name == name).map(|item| item.id).collect()
            }
        };
        self.files_named_in(items, name)
    }

    /// The same, of those that were made last: Girder calls an item `name (1)` if the folder has another one of its name.
    ///
    /// # Errors
    /// As [`Client::file`].
    pub fn newest_files_named(
        &self,
        parent: Parent<'_>,
        name: &str,
    ) -> Result<Vec<UploadedFile>, GirderError> {
        let items = match parent {
            Parent::Item(id) => vec![id.to_owned()],
            Parent::Folder(id) => {
                let items = self.items_in(id, &[("sort", "created"), ("sortdir", "-1")])?;
                let is_called = |item: &ItemRecord| item.name.starts_with(name);
                items.into_iter().filter(is_called).map(|item| item.id).collect()
            }
        };
        self.files_named_in(items, name)
    }

    fn items_in(
        &self,
        folder: &str,
        which: &[(&str, &str)],
    ) -> Result<Vec<ItemRecord>, GirderError> {
        let query = [&[("folderId", folder), ("limit", "50")], which].concat();
        let call = Call { query: &query, ..Call::new(self, Method::GET, &["item"]) };
        self.call(call, &self.asked("folder", folder)?)
    }

    fn files_named_in(
        &self,
        items: Vec<String>,
        name: &str,
    ) -> Result<Vec<UploadedFile>, GirderError> {
        let mut files = Vec::new();
        for item in items {
            for record in self.files_of_item(&item) {
                let record = record?;
                if record.name == name {
                    files.push(UploadedFile { record, item_id: Some(item.clone()) });
                }
            }
        }
        Ok(files)
    }

    /// What a file holds, at most so many bytes. A redirect to where it lies is not followed.
    ///
    /// # Errors
    /// As [`Client::file`].
    pub fn content(&self, id: &str, most: u64) -> Result<Vec<u8>, GirderError> {
        let segments = ["file", id, "download"];
        let asked = self.asked("file", id)?;
        let call = Call { limit: most, ..Call::new(self, Method::GET, &segments) };
        let reply = self.reply(call, &self.shared.api.join(&segments), &asked)?;
        match reply.status {
            200 => Ok(reply.body),
            _ => reply.record::<IgnoredAny>(&asked).and_then(|_| {
                let (server, reason) = (self.api_url().to_owned(), "it gives no file".to_owned());
                Err(GirderError::Protocol { server, reason })
            }),
        }
    }
}
