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

/// Whether the kernel does not move bytes inside itself between these two, so that the same bytes may be copied: splice(2)
/// and sendfile(2) say `EINVAL` or `EOPNOTSUPP` for a pair that they cannot do, an older kernel `ENOSYS`, and one in which a
/// filter forbids the call (seccomp(2)) what the filter says, `EPERM` as a rule.
pub fn is_to_copy(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP)
}
