//! sendfile(2): bytes of a file into a socket inside the kernel.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::uninterrupted;

/// Sends up to `limit` bytes of `file` from `at` on; the file's own offset is left alone. Zero is the file's end.
///
/// The pages of the file are sent, not a copy: what is written there before the peer has them changes them.
///
/// # Errors
/// `EAGAIN`: the socket has no room. `EPIPE`, `ECONNRESET`: the peer is gone. `EINVAL`: this file cannot be sent so.
pub fn send_file(
    file: &impl AsFd,
    at: u64,
    socket: &impl AsFd,
    limit: usize,
) -> Result<usize, Errno> {
    let mut at = i64::try_from(at).map_err(|_| Errno::EOVERFLOW)?;
    uninterrupted(|| nix::sys::sendfile::sendfile(socket, file, Some(&mut at), limit))
}
