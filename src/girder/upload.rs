//! What is put into Girder: files in chunks, folders, metadata, artifacts.
//!
//! These are the single requests; what is done when one fails is for the caller.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use ureq::http::Method;

use super::call::{Body, Call, Manner};
use super::reply::Asked;
use super::{Client, FileRecord, FolderRecord, GirderError};
use crate::http::Payload;

/// A file that is to be.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Where.
    pub parent: Parent<'a>,
    /// Its name.
    pub name: &'a str,
    /// Bytes.
    pub size: u64,
    /// What kind of file it is, if that is known.
    pub mime_type: Option<&'a str>,
    /// For whoever listens in Girder.
    pub reference: Option<&'a str>,
}

impl<'a> NewFile<'a> {
    /// What a request says of it; `size` is its own.
    pub(super) fn query(&self, size: &'a str) -> Vec<(&'static str, &'a str)> {
        let (kind, id) = self.parent.to_parts();
        let mut query =
            vec![("parentType", kind), ("parentId", id), ("name", self.name), ("size", size)];
        query.extend(self.mime_type.map(|kind| ("mimeType", kind)));
        query.extend(self.reference.map(|reference| ("reference", reference)));
        query
    }
}

/// Where a file is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parent<'a> {
    /// Into this item.
    Item(&'a str),
    /// Into a new item of its name in this folder.
    Folder(&'a str),
}

impl<'a> Parent<'a> {
    /// The word for it, and its id.
    pub(crate) fn to_parts(self) -> (&'static str, &'a str) {
        match self {
            Self::Item(id) => ("item", id),
            Self::Folder(id) => ("folder", id),
        }
    }
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadState {
    /// More is to come.
    Open(UploadId),
    /// It is a file now.
    Whole(UploadedFile),
}

/// What an upload is called while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId {
    id: String,
    begun: Option<String>,
}

impl UploadId {
    /// When it was begun, as a file's record says when that was made.
    pub fn begun(&self) -> Option<&str> {
        self.begun.as_deref()
    }
}

/// A file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedFile {
    /// What Girder knows of it.
    pub record: FileRecord,
    /// The item that it is in.
    pub item_id: Option<String>,
}

impl Client {
    /// Finds out whether there is such a parent, and whether files may be put into it. A store that does
    /// not tell rights is taken to give them. Nothing is changed.
    ///
    /// # Errors
    /// [`GirderError::ReadOnly`], beside those of [`Client::item`].
    pub fn check_parent(&self, parent: Parent<'_>) -> Result<(), GirderError> {
        let folder = match parent {
            Parent::Folder(id) => self.folder(id)?,
            Parent::Item(id) => match self.item(id)?.folder_id {
                Some(folder) => self.folder(&folder)?,
                None => return Ok(()),
            },
        };
        if folder.access_level.is_none_or(|level| level >= WRITE) {
            return Ok(());
        }
        let (kind, id) = parent.to_parts();
        let object = self.asked(kind, id)?.object;
        Err(GirderError::ReadOnly { object, server: self.api_url().to_owned() })
    }

    /// Begins an upload. A file without bytes is whole at once.
    ///
    /// # Errors
    /// There is no such parent, it is not ours to write, or Girder has no room.
    pub fn begin_upload(&self, file: &NewFile<'_>) -> Result<UploadState, GirderError> {
        let (kind, id) = file.parent.to_parts();
        let size = file.size.to_string();
        let query = file.query(&size);
        let call = Call { query: &query, ..Call::new(self, Method::POST, &["file"]) };
        let asked = self.asked_to_write(kind, id)?;
        self.call::<Answer>(call, &asked).map(Answer::into_state)
    }

    /// Begins an upload in place of what a file holds.
    ///
    /// # Errors
    /// As [`Client::begin_upload`].
    pub fn begin_replacement(
        &self,
        id: &str,
        size: u64,
        reference: Option<&str>,
    ) -> Result<UploadState, GirderError> {
        let size = size.to_string();
        let mut query = vec![("size", &*size)];
        query.extend(reference.map(|reference| ("reference", reference)));
        let segments = ["file", id, "contents"];
        let call = Call { query: &query, ..Call::new(self, Method::PUT, &segments) };
        let asked = self.asked_to_write("file", id)?;
        self.call::<Answer>(call, &asked).map(Answer::into_state)
    }

    /// Sends `length` bytes of `body` as the chunk at `offset`.
    ///
    /// # Errors
    /// Besides the usual, [`GirderError::TooLarge`]; and `body` could not be read.
    pub fn upload_chunk(
        &self,
        upload: &UploadId,
        offset: u64,
        (body, length): (&mut dyn Payload, u64),
        manner: Manner,
    ) -> Result<UploadState, GirderError> {
        let offset = offset.to_string();
        let query = [("uploadId", &*upload.id), ("offset", &*offset)];
        let call = Call {
            query: &query,
            body: Body::Bytes(body, length),
            timeout: time_for(length),
            manner,
            ..Call::new(self, Method::POST, &["file", "chunk"])
        };
        let asked = self.asked_to_write("upload", &upload.id)?;
        self.call::<Answer>(call, &asked).map(Answer::into_state)
    }

    /// How many bytes of an upload Girder has.
    ///
    /// # Errors
    /// The upload is gone, or the server cannot be asked.
    pub fn upload_offset(&self, upload: &UploadId) -> Result<u64, GirderError> {
        #[derive(Deserialize)]
        struct Offset {
            offset: u64,
        }
        let query = [("uploadId", &*upload.id)];
        let call = Call { query: &query, ..Call::new(self, Method::GET, &["file", "offset"]) };
        let asked = self.asked_to_write("upload", &upload.id)?;
        self.call::<Offset>(call, &asked).map(|answer| answer.offset)
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// The upload is gone, or the server cannot be asked.
    pub fn discard_upload(&self, upload: &UploadId) -> Result<(), GirderError> {
        let asked = self.asked_to_write("upload", &upload.id)?;
        let segments = ["file", "upload", &upload.id];
        self.call::<Value>(Call::new(self, Method::DELETE, &segments), &asked).map(drop)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// There is no such file, or it is not ours to remove.
    pub fn remove_file(&self, id: &str) -> Result<(), GirderError> {
        let asked = self.asked_to_write("file", id)?;
        self.call::<Value>(Call::new(self, Method::DELETE, &["file", id]), &asked).map(drop)
    }

    /// The folder `name` in a folder; it is made if it is not there.
    ///
    /// # Errors
    /// There is no such parent, or it is not ours to write.
    pub fn ensure_folder(&self, parent: &str, name: &str) -> Result<FolderRecord, GirderError> {
        let query = [
            ("parentType", "folder"),
            ("parentId", parent),
            ("name", name),
            ("reuseExisting", "true"),
        ];
        let call = Call { query: &query, ..Call::new(self, Method::POST, &["folder"]) };
        self.call(call, &self.asked_to_write("folder", parent)?)
    }

    /// Merges values into an item's metadata: those of other keys stay.
    ///
    /// # Errors
    /// There is no such item, or it is not ours to write, or Girder refuses a key.
    pub fn merge_metadata(
        &self,
        item: &str,
        values: &Map<String, Value>,
    ) -> Result<(), GirderError> {
        let asked = self.asked_to_write("item", item)?;
        let text = Value::Object(values.clone()).to_string();
        let segments = ["item", item, "metadata"];
        let body = Body::Json(text.as_bytes());
        let call = Call { body, ..Call::new(self, Method::PUT, &segments) };
        self.call::<Value>(call, &asked).map(drop)
    }

    /// Attaches a file to a job.
    ///
    /// # Errors
    /// Besides the usual, [`GirderError::NoRoute`]: this server has no artifacts.
    pub fn upload_artifact(
        &self,
        job: &str,
        (name, mime_type): (&str, Option<&str>),
        (body, length): (&mut dyn Payload, u64),
    ) -> Result<(), GirderError> {
        let size = length.to_string();
        let mut query = vec![("name", name), ("size", &*size)];
        query.extend(mime_type.map(|kind| ("mimeType", kind)));
        let segments = ["job", job, "artifact"];
        let call = Call {
            query: &query,
            body: Body::Bytes(body, length),
            timeout: time_for(length),
            ..Call::new(self, Method::POST, &segments)
        };
        self.call::<Value>(call, &self.asked_to_write("job", job)?).map(drop)
    }

    pub(super) fn asked_to_write(&self, kind: &str, id: &str) -> Result<Asked<'_>, GirderError> {
        Ok(Asked { is_write: true, ..self.asked(kind, id)? })
    }
}

/// A file's record, or an upload's.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    record: FileRecord,
    #[serde(rename = "itemId")]
    item_id: Option<String>,
    /// Only uploads have it.
    received: Option<u64>,
}

impl Answer {
    pub(super) fn into_state(self) -> UploadState {
        match self.received {
            Some(_) => {
                let FileRecord { id, created: begun, .. } = self.record;
                UploadState::Open(UploadId { id, begun })
            }
            None => UploadState::Whole(UploadedFile { record: self.record, item_id: self.item_id }),
        }
    }
}

/// Girder's number for the right to write.
const WRITE: i32 = 1;

/// How long sending so much may take: half a minute, and more for lines that are slow.
pub(super) fn time_for(bytes: u64) -> Duration {
    Duration::from_secs(30 + bytes / SLOWEST)
}

/// Bytes a second, below which an upload is given up.
const SLOWEST: u64 = 64 * 1024;
