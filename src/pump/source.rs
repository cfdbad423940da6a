//! Where bytes come from, whatever it is.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};

use crate::pump::error::TransferError;
use crate::pump::far::Far;
use crate::pump::took::{Filled, Took};
use crate::sys::{pipe, uninterrupted};

/// One end of a transfer.
#[derive(Debug)]
pub(crate) enum Source {
    /// The body of a GET.
    Far(Box<Far>),
    /// A regular file of the host.
    File(FileSource),
    /// A FIFO that the container writes, or a pipe.
    Fifo(FifoSource),
    /// A socket or a device, which does not block.
    Descriptor(OwnedFd),
    /// A FIFO that was closed, and cannot be read again.
    Spent,
}

impl Source {
    /// What a descriptor is that others may have, too.
    ///
    /// `O_NONBLOCK` belongs to the open file, which they share. A pipe or a terminal is opened anew, which makes another
    /// open file of it. A socket cannot be, nor what belongs to another user: those do not block from now on, whoever has
    /// them.
    pub(crate) fn of_descriptor(descriptor: OwnedFd) -> io::Result<Self> {
        match SFlag::from_bits_truncate(fstat(&descriptor)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => Ok(Self::File(FileSource::new(descriptor.into())?)),
            SFlag::S_IFIFO => {
                let reader = anew(&descriptor).or_else(|_| unblocked(descriptor))?;
                Ok(Self::Fifo(FifoSource::of_pipe(reader)?))
            }
            SFlag::S_IFSOCK => Ok(Self::Descriptor(unblocked(descriptor)?)),
            _ => Ok(Self::Descriptor(anew(&descriptor).or_else(|_| unblocked(descriptor))?)),
        }
    }

    /// The descriptor to splice from and the most that may be, if this source can be spliced.
    pub(crate) fn raw(&self) -> Option<(BorrowedFd<'_>, u64)> {
        match self {
            Self::Far(far) => far.raw(),
            Self::File(file) => Some((file.file.as_fd(), u64::MAX)),
            Self::Fifo(fifo) => Some((fifo.reader.as_fd(), u64::MAX)),
            Self::Descriptor(descriptor) => Some((descriptor.as_fd(), u64::MAX)),
            Self::Spent => None,
        }
    }

    /// The descriptor whose edges tell of bytes, if it has any and is there from the start.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Fifo(fifo) => Some(fifo.reader.as_fd()),
            Self::Descriptor(descriptor) => Some(descriptor.as_fd()),
            Self::Far(_) | Self::File(_) | Self::Spent => None,
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
        if let Self::Far(far) = self {
            return far.spliced(answer, taken, now);
        }
        match (answer, self) {
            (Ok(0), Self::File(file)) => file.end(taken),
            (Ok(0), Self::Fifo(fifo)) => fifo.without_bytes(Found::End),
            (Ok(0), Self::Descriptor(_)) => Ok(Took::Ended),
            (Ok(0), _) => Ok(Took::Blocked),
            (Ok(bytes), _) => Ok(Took::Bytes(bytes)),
            (Err(error), of) if error.kind() == io::ErrorKind::WouldBlock => match of {
                Self::Fifo(fifo) => fifo.without_bytes(Found::Nothing),
                _ => Ok(Took::Blocked),
            },
            (Err(error), _) => Err(TransferError::Read(error)),
        }
    }

    /// Reads into `buffer`, `taken` bytes having come before.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        taken: u64,
        now: Instant,
    ) -> Result<Filled, TransferError> {
        let descriptor = match self {
            Self::Far(far) => return far.read(buffer, taken, now),
            Self::File(file) => file.file.as_fd(),
            Self::Fifo(fifo) => fifo.reader.as_fd(),
            Self::Descriptor(descriptor) => OwnedFd::as_fd(descriptor),
            Self::Spent => return Ok(Took::Blocked.into()),
        };
        let answer =
            uninterrupted(|| nix::unistd::read(descriptor, buffer)).map_err(io::Error::from);
        self.spliced(answer, taken, now).map(Filled::Took)
    }

    /// Begins anew with the byte that was the first. False: this source can be read only once.
    pub(crate) fn begin_again(&mut self) -> Result<bool, TransferError> {
        match self {
            Self::Far(far) => far.begin().map(|()| true),
            Self::File(file) => {
                let sought = file.file.seek(SeekFrom::Start(file.begins));
                sought.map_err(TransferError::Rewind).map(|_| true)
            }
            Self::Fifo(_) | Self::Descriptor(_) | Self::Spent => Ok(false),
        }
    }

    /// Lets go of what is under way; [`begin_again`](Self::begin_again) may follow.
    /// The writers of a FIFO get `EPIPE` from now on.
    pub(crate) fn stop(&mut self) {
        match self {
            Self::Far(far) => far.stop(),
            Self::Fifo(_) | Self::Descriptor(_) => *self = Self::Spent,
            Self::File(_) | Self::Spent => {}
        }
    }

    /// How many bytes there will be, when that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        match self {
            Self::Far(far) => far.total(),
            Self::File(file) => Some(file.size),
            Self::Fifo(_) | Self::Descriptor(_) | Self::Spent => None,
        }
    }
}

/// A regular file: always ready, and it should not become shorter.
#[derive(Debug)]
pub(crate) struct FileSource {
    file: File,
    /// Its offset when it was given.
    begins: u64,
    /// Bytes from there on.
    size: u64,
}

impl FileSource {
    /// A file, from its offset on.
    pub(crate) fn new(mut file: File) -> io::Result<Self> {
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
        let begins = file.stream_position()?;
        Ok(Self { file, begins, size: metadata.len().saturating_sub(begins) })
    }

    /// Its end is where it ends, but what was there when it was opened must have come.
    fn end(&self, taken: u64) -> Result<Took, TransferError> {
        if taken < self.size {
            return Err(TransferError::Size { expected: self.size, found: taken });
        }
        Ok(Took::Ended)
    }
}

/// The reading end of a FIFO whose writers come and go, or of a pipe.
///
/// End-of-file only says that there is no writer now. Of a pipe that is its end. A FIFO's next writer may
/// come: it is over when all who could write it are, and nothing is left in it.
#[derive(Debug)]
pub(crate) struct FifoSource {
    reader: OwnedFd,
    writers: Writers,
}

/// What a read or a splice found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    End,
    Nothing,
}

/// Who may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writers {
    /// Those who have it open.
    Present,
    /// Others may come.
    Coming,
    /// Nobody any more.
    Gone,
}

impl FifoSource {
    /// Of a FIFO, which does not block.
    pub(crate) fn new(reader: OwnedFd) -> Self {
        Self { reader, writers: Writers::Coming }
    }

    /// Of a pipe, which does not block.
    pub(crate) fn of_pipe(reader: OwnedFd) -> io::Result<Self> {
        pipe::resize(&reader, pipe::PIPE_BYTES)?;
        Ok(Self { reader, writers: Writers::Present })
    }

    /// No writer will come any more.
    pub(crate) fn writers_are_gone(&mut self) {
        if self.writers == Writers::Coming {
            self.writers = Writers::Gone;
        }
    }

    /// A read or a splice found no bytes, or would block. Of a splice that may have been for want of room at
    /// its other end, so the FIFO itself is asked.
    fn without_bytes(&self, found: Found) -> Result<Took, TransferError> {
        let is_empty = || pipe::unread(&self.reader).map(|unread| unread == 0);
        let is_over = match self.writers {
            Writers::Present if found == Found::Nothing => false,
            Writers::Coming => false,
            Writers::Present | Writers::Gone => is_empty().map_err(TransferError::Unread)?,
        };
        Ok(if is_over { Took::Ended } else { Took::Blocked })
    }

    /// Whether somebody has opened it for writing since we have it. Without a writer poll(2) says `POLLHUP`
    /// only then.
    pub(crate) fn was_opened(&self) -> bool {
        if self.writers == Writers::Present {
            return true;
        }
        let mut asked = [PollFd::new(self.reader.as_fd(), PollFlags::empty())];
        let polled = poll(&mut asked, PollTimeout::ZERO);
        let events = asked.first().and_then(PollFd::revents);
        polled.is_err() || events.is_none_or(|events| events.contains(PollFlags::POLLHUP))
    }
}

/// Opens through /proc what others may have open, too: our end does not block, and theirs stays as it was.
pub(crate) fn anew(descriptor: &OwnedFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    Ok(File::options().read(true).custom_flags(flags).open(path)?.into())
}

fn unblocked(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
    fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(descriptor)
}
