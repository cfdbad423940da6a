//! Where a job's files come from and where its results go: a Girder server.
//!
//! What [`run`](crate::run) and [`hook`](crate::hook) ask a store for, they ask here: records, listings and
//! the GET of a file; uploads in chunks; folders and metadata. That it is Girder that answers is said in this
//! module alone, so a second store has its place: what is a name for Girder's own today becomes an enum of
//! the two, and its `match`es stand here. There is no trait for a store that is not there.

mod access;

pub use self::access::GirderSettings;
pub(crate) use self::access::Server;
/// What a store refused, or why it could not be asked.
pub use crate::girder::GirderError as StoreError;
pub(crate) use crate::girder::{
    Archive, ArchiveError, Client as Store, FileRecord, FolderRecord, ItemRecord, Manner, NewFile,
    Options as StoreOptions, Pages, Parent, Payload, Sha512, UploadId, UploadState, UploadedFile,
};
