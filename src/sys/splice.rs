//! splice(2): bytes from one descriptor to another inside the kernel; one of them is a pipe.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice};

use super::uninterrupted;

/// Moves up to `limit` bytes, without waiting for the pipe of the two. Zero is the source's end.
///
/// The other descriptor must be non-blocking by itself: the flag speaks for pipes only.
///
/// # Errors
/// `EAGAIN`: one of the two ends has nothing or no room, it does not say which. `EPIPE`: nobody
/// reads the sink. `EINVAL`: this pair cannot be spliced (a file opened for appending, a file
/// system without splice).
pub fn splice_bytes(source: &impl AsFd, sink: &impl AsFd, limit: usize) -> Result<usize, Errno> {
    let flags =
        SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MORE;
    uninterrupted(|| splice(source.as_fd(), None, sink.as_fd(), None, limit, flags))
}
