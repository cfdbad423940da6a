//! Where bytes go, whatever it is.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::uio::writev;

use super::error::TransferError;
use super::open::{InputFifo, PIPE_BYTES};
use super::post::PostSink;
use super::route::is_to_fall_back;
use crate::sys::splice::splice_bytes;
use crate::sys::{pipe, uninterrupted};

/// One end of a transfer.
#[derive(Debug)]
pub(crate) enum Sink {
    /// A FIFO that the container reads.
    Fifo(Box<InputFifo>),
    /// A file that is ours alone.
    File(File),
    /// A descriptor that others hold as well.
    Shared(Shared),
    /// A server.
    Post(Box<PostSink>),
    /// Somebody in this process.
    Listener(Listener),
}

/// Somebody in this process who takes whatever comes.
pub(crate) struct Listener(pub(crate) Box<dyn super::Listen>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// What giving came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gave {
    Bytes(usize),
    Blocked,
    /// Nobody takes bytes any more.
    Refused,
}

/// What splicing came to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spliced {
    Gave(Gave),
    /// The kernel does not splice this pair: nothing was moved, and a copy may be.
    Unfit(Errno),
}

impl Sink {
    /// The descriptor to splice into, if that can be tried.
    pub(crate) fn raw(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Fifo(fifo) => fifo.writer(),
            Self::File(file) => Some(file.as_fd()),
            Self::Shared(shared) => shared.can_splice().then(|| shared.descriptor.as_fd()),
            Self::Post(_) | Self::Listener(_) => None,
        }
    }

    /// Whether it would take a byte now.
    pub(crate) fn has_room(&self) -> bool {
        match self {
            Self::Fifo(fifo) => {
                fifo.writer().is_some_and(|writer| pipe::has_room(&writer).unwrap_or(true))
            }
            Self::File(_) | Self::Post(_) | Self::Listener(_) => true,
            Self::Shared(shared) => pipe::has_room(&shared.descriptor).unwrap_or(true),
        }
    }

    /// Whether splicing into it is worth a try, now or once its reader has come.
    pub(crate) fn takes_splices(&self) -> bool {
        match self {
            Self::Fifo(_) | Self::File(_) => true,
            Self::Shared(shared) => shared.can_splice(),
            Self::Post(post) => post.is_plain(),
            Self::Listener(_) => false,
        }
    }

    pub(crate) fn is_pipe(&self) -> bool {
        match self {
            Self::Fifo(_) => true,
            Self::File(_) | Self::Post(_) | Self::Listener(_) => false,
            Self::Shared(shared) => shared.kind == Kind::Pipe,
        }
    }

    /// The descriptor whose edges tell of room; none if it never blocks.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Fifo(fifo) => fifo.descriptor(),
            Self::File(_) | Self::Post(_) | Self::Listener(_) => None,
            Self::Shared(shared) => (shared.kind != Kind::File).then(|| shared.descriptor.as_fd()),
        }
    }

    /// Writes what it takes of `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<Gave, TransferError> {
        match self {
            Self::Post(post) => return post.write(bytes),
            Self::Listener(listener) => {
                listener.0.hear(bytes);
                return Ok(Gave::Bytes(bytes.len()));
            }
            _ => {}
        }
        let answer = uninterrupted(|| match self {
            Self::Fifo(fifo) => match fifo.writer() {
                Some(writer) => nix::unistd::write(writer, bytes),
                None => Err(Errno::EAGAIN),
            },
            Self::File(file) => nix::unistd::write(file, bytes),
            Self::Shared(shared) => shared.write(bytes),
            Self::Post(_) | Self::Listener(_) => Err(Errno::EBADF),
        });
        Self::judge(answer).map_err(TransferError::Write)
    }

    /// Splices what it takes of the `held` bytes in the pipe of `reader`.
    pub(crate) fn splice(
        &mut self,
        reader: &impl AsFd,
        held: usize,
        now: Instant,
    ) -> Result<Spliced, TransferError> {
        if let Self::Post(post) = self {
            return post.splice(reader, held, now);
        }
        let Some(sink) = self.raw() else {
            return Err(TransferError::Bug("a sink that cannot be spliced into"));
        };
        match splice_bytes(reader, &sink, held) {
            Err(errno) if is_to_fall_back(errno) => Ok(Spliced::Unfit(errno)),
            answer => Self::judge(answer).map(Spliced::Gave).map_err(TransferError::Write),
        }
    }

    /// Writes what a file, a pipe or a terminal takes of `pieces` in one call. Other sinks take
    /// nothing: they have their own order of things.
    pub(crate) fn write_at_once(&mut self, pieces: &[IoSlice<'_>]) -> Result<Gave, TransferError> {
        let answer = uninterrupted(|| match self {
            Self::File(file) => writev(file, pieces),
            Self::Shared(Shared { descriptor, kind: Kind::File | Kind::Pipe | Kind::Terminal }) => {
                writev(descriptor, pieces)
            }
            _ => Ok(0),
        });
        Self::judge(answer).map_err(TransferError::Write)
    }

    /// What a write or a splice into it came to.
    pub(crate) fn judge(answer: Result<usize, Errno>) -> io::Result<Gave> {
        match answer {
            Ok(bytes) => Ok(Gave::Bytes(bytes)),
            Err(Errno::EAGAIN) => Ok(Gave::Blocked),
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(Gave::Refused),
            Err(errno) => Err(errno.into()),
        }
    }
}

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

    fn can_splice(&self) -> bool {
        match self.kind {
            Kind::Pipe => true,
            Kind::Socket | Kind::Terminal | Kind::Blocking => false,
            // splice(2): EINVAL for a file opened for appending.
            Kind::File => fcntl(&self.descriptor, FcntlArg::F_GETFL)
                .is_ok_and(|flags| !OFlag::from_bits_retain(flags).contains(OFlag::O_APPEND)),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

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
