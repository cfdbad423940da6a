//! What bytes lie in between the ends, and the one that a transfer uses now.

pub(in crate::pump) mod copy;
pub(in crate::pump) mod pool;
pub(in crate::pump) mod ring;
pub(in crate::pump) mod spool;

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;

use crate::pump::carrier::copy::CopyBuffer;
use crate::pump::carrier::pool::{BUFFER_BYTES, Pool, SPARE_BYTES};
use crate::pump::transfer::Room;
use crate::sys::pipe::{self, PIPE_BYTES};
use crate::sys::uninterrupted;

/// How the bytes of a transfer travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// One splice from end to end; one of them is a pipe.
    Direct,
    /// Two splices, with a kernel pipe between.
    Splice,
    /// Through a buffer of the pool.
    Copy,
    /// Through memory and, if the sink is slow, a file without a name.
    Spool,
    /// Through memory, from several connections that fetch ahead.
    Ring,
}

impl Carrier {
    /// The report's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Splice => "splice",
            Self::Copy => "copy",
            Self::Spool => "spool",
            Self::Ring => "ring",
        }
    }
}

/// A carrier with what it holds.
#[derive(Debug)]
pub(crate) enum Load {
    Direct,
    Splice(SplicePipe),
    /// The buffer is on loan only while there is something to do with it.
    Copy(Option<CopyBuffer>),
}

impl Load {
    pub(crate) fn room(&self) -> Room {
        match self {
            Self::Direct => Room::Direct,
            Self::Splice(between) => Room::Bytes(between.room()),
            Self::Copy(None) => Room::Bytes(BUFFER_BYTES),
            Self::Copy(Some(buffer)) => Room::Bytes(buffer.room()),
        }
    }

    /// Gives an empty buffer back to the pool.
    pub(crate) fn rest(&mut self) {
        if let Self::Copy(buffer) = self
            && buffer.as_ref().is_some_and(|buffer| buffer.held().is_empty())
        {
            *buffer = None;
        }
    }
}

/// The kernel pipe of the splice carrier.
#[derive(Debug)]
pub(crate) struct SplicePipe {
    pub(crate) reader: OwnedFd,
    pub(crate) writer: OwnedFd,
    size: usize,
    held: usize,
    is_full: bool,
    is_proven: bool,
}

/// Before the first drain has worked, no more is taken than any buffer could rescue.
const UNPROVEN_BYTES: usize = SPARE_BYTES;

impl SplicePipe {
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = pipe::pipe()?;
        let size = pipe::resize(&writer, PIPE_BYTES)?;
        Ok(Self { reader, writer, size, held: 0, is_full: false, is_proven: false })
    }

    fn room(&self) -> usize {
        if self.is_full {
            return 0;
        }
        let size = if self.is_proven { self.size } else { self.size.min(UNPROVEN_BYTES) };
        size.saturating_sub(self.held)
    }

    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn filled(&mut self, bytes: usize) {
        self.held += bytes;
    }

    pub(crate) fn drained(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.held, "drained more than was held");
        self.held = self.held.saturating_sub(bytes);
        self.is_full = false;
        self.is_proven = true;
    }

    /// A fill would block. With bytes in the pipe that may be for want of slots, although it has
    /// fewer bytes than its size says; then it is full until something is drained.
    #[must_use]
    pub(crate) fn is_full_rather_than_starved(&mut self) -> bool {
        self.is_full = self.held > 0;
        self.is_full
    }

    /// The sink cannot be spliced into: takes the bytes out into a buffer.
    ///
    /// # Errors
    /// `EIO`: there were more than a buffer holds, or fewer than was known of.
    pub(crate) fn rescue(&self, pool: &Pool) -> Result<CopyBuffer, Errno> {
        let mut buffer = CopyBuffer::new(pool.lend());
        while buffer.held().len() < self.held {
            let space = buffer.space(self.held - buffer.held().len());
            match uninterrupted(|| nix::unistd::read(&self.reader, space)) {
                Ok(0) | Err(Errno::EAGAIN) => return Err(Errno::EIO),
                Ok(bytes) => buffer.filled(bytes),
                Err(error) => return Err(error),
            }
        }
        Ok(buffer)
    }
}
