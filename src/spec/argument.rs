//! An argument of the container's command.

use super::connect::{Connect, Fifo};
use super::download::Download;
use super::volume::{VolumePath, VolumeRef};

/// One argument of the container's command.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Argument {
    /// Passed as it is. Numbers were made strings as Python's `str` does.
    Literal(String),
    /// Becomes the path in the container at which the volume is mounted.
    Volume(VolumeRef),
    /// Becomes the path of a file or folder in a volume.
    VolumePath(VolumePath),
    /// Becomes the path of the FIFO; nothing is moved through it.
    Fifo(Fifo),
    /// Becomes the path of the FIFO in it (the sink's, if both ends are one; an empty string
    /// without one), and bytes are moved.
    Connect(Box<Connect>),
    /// Becomes the path in the container of what is downloaded.
    Download(Download),
    /// Becomes the paths of its parts, joined by commas: each is a volume, a path in one, or a
    /// download.
    CommaJoined(Vec<Self>),
    /// Becomes the address of the Girder server's API, with a slash at its end, as Girder Worker's.
    GirderApiUrl,
    /// Becomes the token for it: the container's other users can read it there.
    GirderToken,
}
