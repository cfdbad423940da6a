//! Pipes: making one, its size, what is in it, whether anybody reads it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;

/// The size that is asked for of a pipe: the largest that a user may have as the kernel comes
/// (`/proc/sys/fs/pipe-max-size`). With the default of 64 KiB the same splice is seven times slower.
pub const PIPE_BYTES: usize = 1 << 20;

/// Makes an anonymous pipe: its reading and its writing end, neither of which blocks.
///
/// # Errors
/// `EMFILE`, `ENFILE`: no descriptors left.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?)
}

/// Asks for a pipe or FIFO of `bytes` and returns what it holds afterwards.
///
/// The kernel rounds up, and refuses to grow beyond `/proc/sys/fs/pipe-max-size`, or the user's
/// share of pages (both `EPERM`): the answer is then the size that it had. See pipe(7).
///
/// # Errors
/// `EBADF`: it is not a pipe.
pub fn resize(pipe: &impl AsFd, bytes: usize) -> io::Result<usize> {
    let asked = i32::try_from(bytes).unwrap_or(i32::MAX);
    if let Ok(granted) = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(asked)) {
        return Ok(usize::try_from(granted).unwrap_or(0));
    }
    let has = fcntl(pipe.as_fd(), FcntlArg::F_GETPIPE_SZ)?;
    Ok(usize::try_from(has).unwrap_or(0))
}

/// How many bytes are in a pipe or FIFO, asked at either end, or have come to a socket.
///
/// # Errors
/// `EBADF`, `ENOTTY`: it is neither.
pub fn unread(pipe: &impl AsFd) -> io::Result<u64> {
    Ok(rustix::io::ioctl_fionread(pipe)?)
}

/// Whether anybody has the other end of this writing end open: poll(2) answers `POLLERR` if not.
///
/// # Errors
/// `ENOMEM`.
pub fn has_reader(writer: &impl AsFd) -> io::Result<bool> {
    let mut ask = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
    poll(&mut ask, PollTimeout::ZERO)?;
    Ok(!ask[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLERR)))
}

/// Waits until nobody has the other end of this writing end open, or the time is over.
///
/// # Errors
/// `ENOMEM`.
pub fn wait_for_no_reader(writer: &impl AsFd, most: Duration) -> io::Result<()> {
    let timeout = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
    // `POLLERR` is told unasked.
    let mut ask = [PollFd::new(writer.as_fd(), PollFlags::empty())];
    match poll(&mut ask, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a write would not block now.
///
/// # Errors
/// `ENOMEM`.
pub fn has_room(writer: &impl AsFd) -> io::Result<bool> {
    let mut ask = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
    poll(&mut ask, PollTimeout::ZERO)?;
    Ok(ask[0].revents().is_some_and(|seen| seen.contains(PollFlags::POLLOUT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_the_one_that_was_granted() {
        let (reader, _writer) = pipe().unwrap();
        assert_eq!(resize(&reader, 1 << 20).unwrap(), 1 << 20);
        assert_eq!(resize(&reader, 100_000).unwrap(), 1 << 17);
    }

    #[test]
    fn a_size_that_is_refused_leaves_the_one_it_had() {
        let (reader, writer) = pipe().unwrap();
        resize(&reader, 1 << 16).unwrap();
        nix::unistd::write(&writer, &[7; 40_000]).unwrap();
        // EBUSY: what is in it does not fit into one page.
        assert_eq!(resize(&reader, 4096).unwrap(), 1 << 16);
        assert_eq!(unread(&reader).unwrap(), 40_000);
        assert_eq!(unread(&writer).unwrap(), 40_000);
    }

    #[test]
    fn a_writer_sees_whether_anybody_reads() {
        let (reader, writer) = pipe().unwrap();
        assert!(has_reader(&writer).unwrap());
        assert!(has_room(&writer).unwrap());
        while nix::unistd::write(&writer, &[0; 4096]).is_ok() {}
        assert!(!has_room(&writer).unwrap());
        drop(reader);
        assert!(!has_reader(&writer).unwrap());
    }
}
