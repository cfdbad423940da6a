//! Girder's REST API, as far as a run needs it.
//!
//! A [`Client`] asks for records, blocking, with JSON; the bytes of a file do not pass through it:
//! [`Client::download`] makes the [`http::Get`](crate::http::Get) that the data plane carries out, and the data
//! plane brings files there as well ([`Client::sending_over`]).
//! An error says what was asked of which server, what Girder said about it, and what can be done.

mod agent;
mod archive;
mod auth;
mod call;
mod client;
mod error;
mod file;
mod hosts;
mod job;
mod job_status;
mod listing;
mod question;
mod reply;
mod sender;
mod upload;
mod url;
mod whole;
mod wire;

/// What the bytes of an upload come from.
pub use crate::http::Payload;
/// What a file's record has of its bytes.
pub(crate) use crate::http::Sha512;
pub use archive::{Archive, ArchiveError};
pub use auth::{ApiKey, Credentials, Token};
pub use call::Manner;
pub use client::{Client, Options};
pub use error::GirderError;
pub use file::FileRecord;
pub use job::{JobClient, JobRecord, JobUpdate, LogSize};
pub use job_status::JobStatus;
pub use listing::{FolderRecord, ItemRecord, Pages};
pub use upload::{NewFile, Parent, UploadId, UploadState, UploadedFile};
