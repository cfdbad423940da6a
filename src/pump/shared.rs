//! A descriptor of an open file that others have too, as a sink.

use std::fs::OpenOptions;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::uio::writev;

use crate::sys::pipe::{self, PIPE_BYTES};

/// Our own standard output or error.
///
/// `O_NONBLOCK` belongs to the open file, which our parent and our siblings share, so it is not
/// touched. A pipe or terminal is opened anew through /proc, which makes another open file of it.
#[derive(Debug)]
pub(crate) struct Shared {
    descriptor: OwnedFd,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A regular file, or a device that is always ready, as /dev/null.
    File,
    /// A pipe that we opened anew, and that does not block.
    Pipe,
    /// A terminal that we opened anew, and that does not block.
    Terminal,
    Socket,
    /// A pipe or terminal that we may not open (it belongs to another user).
    Blocking,
}

/// What a pipe that poll(2) calls writable takes without blocking, see pipe(7).
const SURE_ROOM: usize = 4096;

impl Shared {
    /// Takes a descriptor of an open file that others have too.
    pub(crate) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let mode = SFlag::from_bits_truncate(fstat(&descriptor)?.st_mode) & SFlag::S_IFMT;
        if mode == SFlag::S_IFSOCK {
            return Ok(Self { descriptor, kind: Kind::Socket });
        }
        let is_pipe = mode == SFlag::S_IFIFO;
        let is_terminal = !is_pipe && nix::unistd::isatty(&descriptor).unwrap_or(false);
        if !is_pipe && !is_terminal {
            return Ok(Self { descriptor, kind: Kind::File });
        }
        let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
        match OpenOptions::new().write(true).custom_flags(flags).open(path) {
            Ok(anew) => {
                let kind = if is_pipe { Kind::Pipe } else { Kind::Terminal };
                if is_pipe {
                    pipe::resize(&anew, PIPE_BYTES)?;
                }
                Ok(Self { descriptor: anew.into(), kind })
            }
            Err(_) => Ok(Self { descriptor, kind: Kind::Blocking }),
        }
    }

    pub(crate) fn is_pipe(&self) -> bool {
        self.kind == Kind::Pipe
    }

    /// The descriptor whose edges tell of room; none if it never blocks.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (self.kind != Kind::File).then(|| self.descriptor.as_fd())
    }

    pub(crate) fn can_splice(&self) -> bool {
        match self.kind {
            Kind::Pipe => true,
            Kind::Socket | Kind::Terminal | Kind::Blocking => false,
            // splice(2): EINVAL for a file opened for appending.
            Kind::File => fcntl(&self.descriptor, FcntlArg::F_GETFL)
                .is_ok_and(|flags| !OFlag::from_bits_retain(flags).contains(OFlag::O_APPEND)),
        }
    }

    /// Writes what a file, a pipe or a terminal takes of `pieces` in one call; others take nothing.
    pub(crate) fn write_at_once(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
        match self.kind {
            Kind::File | Kind::Pipe | Kind::Terminal => writev(&self.descriptor, pieces),
            Kind::Socket | Kind::Blocking => Ok(0),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.kind {
            Kind::File | Kind::Pipe | Kind::Terminal => nix::unistd::write(&self.descriptor, bytes),
            Kind::Socket => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                send(self.descriptor.as_raw_fd(), bytes, flags)
            }
            Kind::Blocking => {
                let mut ask = [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLOUT)];
                if poll(&mut ask, PollTimeout::ZERO)? == 0 {
                    return Err(Errno::EAGAIN);
                }
                nix::unistd::write(&self.descriptor, bytes.get(..SURE_ROOM).unwrap_or(bytes))
            }
        }
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::pump::sink::Sink;
    use crate::pump::took::Gave;

    #[test]
    fn a_shared_pipe_does_not_become_non_blocking_for_the_others() {
        let (reader, writer) = io::pipe().unwrap();
        let mut sink =
            Sink::Shared(Shared::new(OwnedFd::from(writer.try_clone().unwrap())).unwrap());
        let chunk = vec![7; 1 << 20];
        while sink.write(&chunk).unwrap() != Gave::Blocked {}
        let flags = OFlag::from_bits_retain(fcntl(&writer, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK));
        drop(reader);
        assert_eq!(sink.write(&chunk).unwrap(), Gave::Refused);
    }

    #[test]
    fn a_file_keeps_the_offset_that_it_shares() {
        let mut file = tempfile::tempfile().unwrap();
        let shared = OwnedFd::from(file.try_clone().unwrap());
        nix::unistd::write(&file, b"before ").unwrap();
        let mut sink = Sink::Shared(Shared::new(shared).unwrap());
        assert_eq!(sink.write(b"after").unwrap(), Gave::Bytes(5));
        io::Seek::rewind(&mut file).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "before after");
    }

    #[test]
    fn a_file_opened_for_appending_is_not_spliced_into() {
        let named = tempfile::NamedTempFile::new().unwrap();
        let file = OpenOptions::new().append(true).open(named.path()).unwrap();
        assert!(Sink::Shared(Shared::new(file.into()).unwrap()).raw().is_none());
    }

    #[test]
    fn a_socket_whose_peer_has_gone_refuses_without_a_signal() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(theirs);
        let mut sink = Sink::Shared(Shared::new(ours.into()).unwrap());
        assert_eq!(sink.write(b"x").unwrap(), Gave::Refused);
    }
}
