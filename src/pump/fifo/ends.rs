//! Our ends of an input FIFO, and what is told and asked of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use crate::guard::{self, Kept};
use crate::pump::fifo::ears::{Ears, Hearer};
use crate::pump::fifo::waiter::Waiter;
use crate::sys::fifo::Fifo;
use crate::sys::pipe::{self, PIPE_BYTES};

/// What inotify saw of one FIFO. What we do ourselves is seen as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Somebody's open has returned.
    Opened,
    /// Somebody has read from it.
    Read,
    /// A reader has closed it.
    Closed,
    /// Something, but it was lost what.
    Lost,
}

/// What is done with the ends of a FIFO. Each call is one step, between which others may do theirs.
pub(crate) trait Ends {
    /// Where it was made, for messages.
    fn path(&self) -> PathBuf;

    /// What inotify has seen of it since the last call, oldest first. Nothing if it is not watched.
    fn hear(&mut self) -> Vec<Seen>;

    /// How many bytes are in it, and then whether anybody has it open for reading. Without our writing
    /// end nothing can be asked, and nobody is the answer.
    fn ask(&mut self) -> io::Result<(u64, bool)>;

    /// Waits until nobody has it open for reading, or somebody must be there to stay.
    fn wait_for_leavers(&self) -> io::Result<()>;

    /// Tells no more of reads.
    fn mute_reads(&mut self);

    /// Tells of reads again.
    fn tell_reads(&mut self) -> io::Result<()>;

    fn has_writer(&self) -> bool;

    /// Opens the writing end, which lets in who waits for a writer. There must be a reader.
    fn open_writer(&mut self) -> io::Result<()>;

    fn close_writer(&mut self);

    /// Opens a reading end, which lets nobody in who waits for a writer.
    fn open_reader(&mut self) -> io::Result<()>;

    /// Opens both ends as one, whose closing is not seen.
    fn open_hold(&mut self) -> io::Result<()>;

    /// Closes the reading end, or the hold.
    fn close_reader(&mut self);

    /// How many bytes are in it, asked at our reading end.
    fn count(&mut self) -> io::Result<u64>;

    /// Throws away what is in it, through our reading end, and says how much that was.
    fn empty(&mut self) -> io::Result<u64>;
}

/// Our writing end, and the guard's: it is closed there first.
#[derive(Debug)]
struct Writer {
    _kept: Option<Kept>,
    /// Nobody else has it for longer than `_kept` is there.
    end: Arc<OwnedFd>,
}

impl Writer {
    fn new(end: OwnedFd) -> io::Result<Self> {
        pipe::resize(&end, PIPE_BYTES)?;
        let end = Arc::new(end);
        Ok(Self { _kept: guard::keep(&end), end })
    }
}

impl AsFd for Writer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// The ends of a FIFO.
#[derive(Debug)]
pub(crate) struct FifoEnds {
    fifo: Fifo,
    ears: Option<Hearer>,
    writer: Option<Writer>,
    /// For reading; at first for both.
    reader: Option<OwnedFd>,
    waiter: Option<Waiter>,
}

impl FifoEnds {
    /// Holds a FIFO by both its ends, and has it watched if that can be.
    pub(crate) fn hold(fifo: Fifo, ears: Option<&Rc<Ears>>) -> io::Result<Self> {
        let nothing = Self { fifo, ears: None, writer: None, reader: None, waiter: None };
        let Some(ears) = ears else { return Ok(nothing) };
        let hold = nothing.fifo.open_hold()?;
        let writer = Writer::new(nothing.fifo.open_writer()?)?;
        Ok(match ears.watch(&nothing.fifo) {
            Ok(ears) => {
                Self { ears: Some(ears), writer: Some(writer), reader: Some(hold), ..nothing }
            }
            // ENOSPC: the user has no watches left.
            Err(error) => {
                tracing::debug!(%error, "a FIFO is not watched: a thread waits for its reader");
                nothing
            }
        })
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.ears.is_some()
    }

    pub(crate) fn unwatch(&mut self) {
        self.ears = None;
    }

    pub(crate) fn writer(&self) -> Option<BorrowedFd<'_>> {
        self.writer.as_ref().map(AsFd::as_fd)
    }

    /// Waits for the reader in a thread of its own, which gives `opened` the writing end.
    pub(crate) fn wait_in_thread(
        &mut self,
        opened: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
    ) -> io::Result<()> {
        self.waiter = Some(Waiter::start(&self.fifo, opened)?);
        Ok(())
    }

    /// Takes the writing end that the thread opened.
    pub(crate) fn opened_by_thread(&mut self, writer: OwnedFd) -> io::Result<()> {
        (self.writer, self.waiter) = (Some(Writer::new(writer)?), None);
        Ok(())
    }
}

impl Ends for FifoEnds {
    fn path(&self) -> PathBuf {
        self.fifo.made_at()
    }

    fn hear(&mut self) -> Vec<Seen> {
        self.ears.as_mut().map(Hearer::hear).unwrap_or_default()
    }

    fn ask(&mut self) -> io::Result<(u64, bool)> {
        let Some(writer) = &self.writer else { return Ok((0, false)) };
        // Who reads is asked last: one that came before the bytes were counted may have taken some.
        let unread = pipe::unread(writer)?;
        Ok((unread, pipe::has_reader(writer)?))
    }

    fn wait_for_leavers(&self) -> io::Result<()> {
        self.writer.as_ref().map_or(Ok(()), |writer| pipe::wait_for_no_reader(writer, LEAVING))
    }

    fn mute_reads(&mut self) {
        if let Some(ears) = &self.ears {
            ears.mute_reads(&self.fifo);
        }
    }

    fn tell_reads(&mut self) -> io::Result<()> {
        self.ears.as_ref().map_or(Ok(()), |ears| ears.tell_reads(&self.fifo))
    }

    fn has_writer(&self) -> bool {
        self.writer.is_some()
    }

    fn open_writer(&mut self) -> io::Result<()> {
        self.writer = Some(Writer::new(self.fifo.open_writer()?)?);
        Ok(())
    }

    fn close_writer(&mut self) {
        self.writer = None;
    }

    fn open_reader(&mut self) -> io::Result<()> {
        self.reader = Some(self.fifo.open_reader()?);
        Ok(())
    }

    fn open_hold(&mut self) -> io::Result<()> {
        self.reader = Some(self.fifo.open_hold()?);
        Ok(())
    }

    fn close_reader(&mut self) {
        self.reader = None;
    }

    fn count(&mut self) -> io::Result<u64> {
        self.reader.as_ref().map_or(Ok(0), pipe::unread)
    }

    fn empty(&mut self) -> io::Result<u64> {
        let Some(reader) = &self.reader else { return Ok(0) };
        let mut scrap = vec![0; 64 << 10];
        let mut total = 0;
        loop {
            match nix::unistd::read(reader, &mut scrap) {
                Ok(0) | Err(Errno::EAGAIN) => return Ok(total),
                Ok(bytes) => total += bytes as u64,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// How long a close(2) may take that was told already: on a busy machine it may be put aside in the middle.
const LEAVING: Duration = Duration::from_millis(250);
