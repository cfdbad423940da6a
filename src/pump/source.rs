//! Where bytes come from, whatever it is.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::http::{HttpError, Read};
use crate::pump::error::TransferError;
use crate::pump::far::fetch::{Fetch, Opening};
use crate::pump::far::lanes::Lanes;
use crate::sys::{pipe, uninterrupted};

/// One end of a transfer.
#[derive(Debug)]
pub(crate) enum Source {
    /// The body of a GET.
    Fetch(Box<Fetch>),
    /// The body of a GET, over several connections. It is put into the ring from here.
    Lanes(Box<Lanes>),
    /// A regular file of the host.
    File(FileSource),
    /// A FIFO that the container writes.
    Fifo(FifoSource),
    /// The container's output: what comes is put into the carrier from outside.
    Fed,
    /// It was closed, and cannot be read again.
    Spent,
}

/// What taking came to.
#[must_use]
#[derive(Debug)]
pub(crate) enum Took {
    Bytes(usize),
    /// So many have come that are not next in their order.
    Ahead(usize),
    Blocked,
    Ended,
    /// It broke; the source pauses and is opened again, see [`Source::open`].
    Broken,
}

impl Source {
    /// Goes towards the first byte. Only a fetch has to.
    pub(crate) fn open(&mut self, taken: u64, now: Instant) -> Result<Opening, TransferError> {
        match self {
            Self::Fetch(fetch) => fetch.open(taken, now),
            Self::Lanes(_) | Self::File(_) | Self::Fifo(_) | Self::Fed | Self::Spent => {
                Ok(Opening::Open)
            }
        }
    }

    /// Whether bytes can be asked for without [`open`](Self::open) first.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Fetch(fetch) => fetch.is_open(),
            Self::Lanes(_) | Self::File(_) | Self::Fifo(_) | Self::Fed | Self::Spent => true,
        }
    }

    /// The descriptor to splice from and the most that may be, if this source can be spliced.
    pub(crate) fn raw(&self) -> Option<(BorrowedFd<'_>, u64)> {
        match self {
            Self::Fetch(fetch) => fetch.raw(),
            Self::File(file) => Some((file.file.as_fd(), u64::MAX)),
            Self::Fifo(fifo) => Some((fifo.reader.as_fd(), u64::MAX)),
            Self::Lanes(_) | Self::Fed | Self::Spent => None,
        }
    }

    /// The socket of a body, and the bytes still to come.
    pub(crate) fn socket(&self) -> Option<(BorrowedFd<'_>, u64)> {
        match self {
            Self::Fetch(fetch) => fetch.socket(),
            _ => None,
        }
    }

    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self, Self::Fifo(_))
    }

    /// What a splice came to, `taken` bytes having come before it.
    pub(crate) fn spliced(
        &mut self,
        answer: io::Result<usize>,
        taken: u64,
        now: Instant,
    ) -> Result<Took, TransferError> {
        match answer {
            Ok(0) => match self {
                Self::Fetch(fetch) => match fetch.peer_closed(taken) {
                    Ok(()) => Ok(Took::Ended),
                    Err(error) => broke(fetch, error, taken, now),
                },
                Self::File(file) => file.end(taken),
                Self::Fifo(fifo) => fifo.without_bytes(),
                Self::Lanes(_) | Self::Fed | Self::Spent => {
                    Err(TransferError::Bug("a splice from nowhere"))
                }
            },
            Ok(bytes) => {
                if let Self::Fetch(fetch) = self {
                    fetch.moved(bytes);
                    fetch.check(taken + bytes as u64)?;
                }
                Ok(Took::Bytes(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match self {
                Self::Fifo(fifo) => fifo.without_bytes(),
                _ => Ok(Took::Blocked),
            },
            Err(error) => match self {
                Self::Fetch(fetch) => match fetch.broken(error) {
                    Some(error) => broke(fetch, error, taken, now),
                    None => Err(TransferError::Bug("a splice without a body")),
                },
                _ => Err(TransferError::Read(error)),
            },
        }
    }

    /// Reads into `buffer`, `taken` bytes having come before.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        taken: u64,
        now: Instant,
    ) -> Result<Took, TransferError> {
        let descriptor = match self {
            Self::Fetch(fetch) => {
                return match fetch.read(buffer, taken) {
                    Ok(Read::Bytes(bytes)) => {
                        fetch.check(taken + bytes as u64).map(|()| Took::Bytes(bytes))
                    }
                    Ok(Read::Ended) => Ok(Took::Ended),
                    Ok(_) => Ok(Took::Blocked),
                    Err(error) => broke(fetch, error, taken, now),
                };
            }
            Self::File(file) => file.file.as_fd(),
            Self::Fifo(fifo) => fifo.reader.as_fd(),
            Self::Lanes(_) => return Err(TransferError::Bug("lanes fill a ring and nothing else")),
            Self::Fed | Self::Spent => return Ok(Took::Blocked),
        };
        let answer =
            uninterrupted(|| nix::unistd::read(descriptor, buffer)).map_err(io::Error::from);
        self.spliced(answer, taken, now)
    }

    /// Begins anew at the first byte. False: this source can be read only once.
    pub(crate) fn begin_again(&mut self) -> Result<bool, TransferError> {
        match self {
            Self::Fetch(fetch) => {
                fetch.stop();
                fetch.ask_to_the_end();
                fetch.begin(0).map(|()| true)
            }
            Self::Lanes(_) => Err(TransferError::Bug("lanes begin again as one connection")),
            Self::File(file) => {
                file.file.seek(SeekFrom::Start(0)).map_err(TransferError::Read).map(|_| true)
            }
            Self::Fifo(_) | Self::Fed | Self::Spent => Ok(false),
        }
    }

    /// How long it may give nothing.
    pub(crate) fn stall(&self) -> Option<Duration> {
        match self {
            Self::Fetch(fetch) => Some(fetch.stall()),
            Self::Lanes(lanes) => lanes.stall(),
            Self::File(_) | Self::Fifo(_) | Self::Fed | Self::Spent => None,
        }
    }

    /// Lets go of what is under way; [`begin_again`](Self::begin_again) may follow.
    /// The writers of a FIFO get `EPIPE` from now on.
    pub(crate) fn stop(&mut self) {
        match self {
            Self::Fetch(fetch) => fetch.stop(),
            Self::Lanes(lanes) => {
                if let Some(mut fetch) = lanes.take_one() {
                    fetch.stop();
                    *self = Self::Fetch(Box::new(fetch));
                }
            }
            Self::Fifo(_) => *self = Self::Spent,
            Self::File(_) | Self::Fed | Self::Spent => {}
        }
    }

    /// How many bytes there will be, when that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        match self {
            Self::Fetch(fetch) => fetch.size(),
            Self::Lanes(lanes) => lanes.size(),
            Self::File(file) => Some(file.size),
            Self::Fifo(_) | Self::Fed | Self::Spent => None,
        }
    }
}

/// A body broke off: it pauses and goes on, unless nothing of it was missing but its end.
fn broke(
    fetch: &mut Fetch,
    error: HttpError,
    taken: u64,
    now: Instant,
) -> Result<Took, TransferError> {
    if fetch.has_all(taken) && error.is_transient() {
        return Ok(Took::Ended);
    }
    fetch.failed(error, taken, now).map(|()| Took::Broken)
}

/// A regular file: always ready, and it should not become shorter.
#[derive(Debug)]
pub(crate) struct FileSource {
    file: File,
    size: u64,
}

impl FileSource {
    /// A file, from its first byte.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        // Advice: read ahead further. A file system may ignore it.
        let _ = nix::fcntl::posix_fadvise(
            &file,
            0,
            0,
            nix::fcntl::PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL,
        );
        Ok(Self { size: metadata.len(), file })
    }

    /// Its end is where it ends, but what was there when it was opened must have come.
    fn end(&self, taken: u64) -> Result<Took, TransferError> {
        if taken < self.size {
            return Err(TransferError::Size { expected: self.size, found: taken });
        }
        Ok(Took::Ended)
    }
}

/// The reading end of a FIFO whose writers come and go.
///
/// End-of-file only says that there is no writer now: before the first, or between two. It is over
/// when the container is, and nothing is left in it.
#[derive(Debug)]
pub(crate) struct FifoSource {
    reader: OwnedFd,
    is_last: bool,
}

impl FifoSource {
    pub(crate) fn new(reader: OwnedFd) -> Self {
        Self { reader, is_last: false }
    }

    /// No writer will come any more.
    pub(crate) fn writers_are_gone(&mut self) {
        self.is_last = true;
    }

    /// A read or a splice gave nothing. Of a splice that may have been for want of room at its
    /// other end, so the FIFO itself is asked.
    fn without_bytes(&self) -> Result<Took, TransferError> {
        let is_over = self.is_last && pipe::unread(&self.reader).map_err(TransferError::Read)? == 0;
        Ok(if is_over { Took::Ended } else { Took::Blocked })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
