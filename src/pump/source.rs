//! Where bytes come from, whatever it is.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use crate::pump::error::TransferError;
use crate::pump::far::Far;
use crate::pump::took::Took;
use crate::sys::{pipe, uninterrupted};

/// One end of a transfer.
#[derive(Debug)]
pub(crate) enum Source {
    /// The body of a GET.
    Far(Box<Far>),
    /// A regular file of the host.
    File(FileSource),
    /// A FIFO that the container writes.
    Fifo(FifoSource),
    /// A FIFO that was closed, and cannot be read again.
    Spent,
}

impl Source {
    /// The descriptor to splice from and the most that may be, if this source can be spliced.
    pub(crate) fn raw(&self) -> Option<(BorrowedFd<'_>, u64)> {
        match self {
            Self::Far(far) => far.raw(),
            Self::File(file) => Some((file.file.as_fd(), u64::MAX)),
            Self::Fifo(fifo) => Some((fifo.reader.as_fd(), u64::MAX)),
            Self::Spent => None,
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
    ) -> Result<Took, TransferError> {
        let descriptor = match self {
            Self::Far(far) => return far.read(buffer, taken, now),
            Self::File(file) => file.file.as_fd(),
            Self::Fifo(fifo) => fifo.reader.as_fd(),
            Self::Spent => return Ok(Took::Blocked),
        };
        let answer =
            uninterrupted(|| nix::unistd::read(descriptor, buffer)).map_err(io::Error::from);
        self.spliced(answer, taken, now)
    }

    /// Begins anew at the first byte. False: this source can be read only once.
    pub(crate) fn begin_again(&mut self) -> Result<bool, TransferError> {
        match self {
            Self::Far(far) => far.begin().map(|()| true),
            Self::File(file) => {
                file.file.seek(SeekFrom::Start(0)).map_err(TransferError::Read).map(|_| true)
            }
            Self::Fifo(_) | Self::Spent => Ok(false),
        }
    }

    /// Lets go of what is under way; [`begin_again`](Self::begin_again) may follow.
    /// The writers of a FIFO get `EPIPE` from now on.
    pub(crate) fn stop(&mut self) {
        match self {
            Self::Far(far) => far.stop(),
            Self::Fifo(_) => *self = Self::Spent,
            Self::File(_) | Self::Spent => {}
        }
    }

    /// How many bytes there will be, when that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        match self {
            Self::Far(far) => far.total(),
            Self::File(file) => Some(file.size),
            Self::Fifo(_) | Self::Spent => None,
        }
    }
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

    /// Of a pipe that others may have open, too: `O_NONBLOCK` belongs to the open file, so the pipe is
    /// opened anew through /proc.
    pub(crate) fn of_pipe(pipe: &OwnedFd) -> io::Result<Self> {
        pipe::unread(pipe)?;
        let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
        let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
        let reader = File::options().read(true).custom_flags(flags).open(path)?;
        pipe::resize(&reader, pipe::PIPE_BYTES)?;
        Ok(Self { reader: reader.into(), writers: Writers::Present })
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
            Writers::Present | Writers::Gone => is_empty().map_err(TransferError::Read)?,
        };
        Ok(if is_over { Took::Ended } else { Took::Blocked })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
