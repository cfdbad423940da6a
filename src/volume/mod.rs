//! What a container sees of the host: paths, bind mounts, temporary directories, FIFOs in them.
//!
//! Nothing in here knows what a run is. The container is not trusted with what it mounts: it may
//! plant symbolic links, swap a FIFO for one, or leave directories that nobody may read. So a FIFO
//! is made, and removed, beneath its folder and by its inode (`fifo`), and a temporary
//! directory is emptied without a link being followed or a mount entered (`temp`, `empty`). What is
//! made is written down before it is made (`record`): that is what `gantline prune` goes by.

mod bind;
mod empty;
mod error;
mod fifo;
mod owner;
mod path;
mod place;
mod readable;
mod record;
mod temp;
mod written;

pub(crate) use self::{
    bind::{Bind, Told},
    fifo::HostFifo,
    owner::Owner,
    path::{ContainerPath, HostPath, RelativePath},
    place::{Place, Placed, UnfinishedFile},
    readable::is_readable,
    record::{
        ContainerName, DeadRecord, Kind, LeftContainer, Note, Record, RecordFolder, RecordFolders,
        Thing, Unread,
    },
    temp::TempDirectory,
    written::{
        FolderId, MAX_DEPTH, Written, WrittenFile, WrittenFolder, find_written, remove_written,
    },
};
pub use self::{error::VolumeError, path::PathError};
