//! An input FIFO: held for its reader, opened when the reader comes, served again to the next one.
//!
//! A reader that finds no writer waits inside open(2), unseen. So we hold both ends open from the
//! start: its open returns at once and inotify tells of it; meanwhile the source may fill the FIFO.
//! Then we let go of the reading end, so that a reader that leaves shows as `EPIPE`.
//!
//! inotify says *when* to look and in which order things happened, and merges events that are
//! alike; *what is the case* is asked of the FIFO itself ([`pipe::has_reader`], [`pipe::unread`]).
//! While we open ends ourselves the watch is off, so none of its events is ours.
//!
//! Where inotify is not to be had, a thread waits in open(2) instead (see `waiter`); the FIFO is
//! then filled only once its reader has come, and served once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use crate::pump::error::TransferError;
use crate::pump::fifo::glimpse::Glimpse;
use crate::pump::fifo::waiter::Waiter;
use crate::sys::fifo::Fifo;
use crate::sys::inotify::{Watch, Watches};
use crate::sys::pipe;

/// The size that is asked for: the largest that a user may have as the kernel comes
/// (`/proc/sys/fs/pipe-max-size`). The default of 64 KiB makes the same splice seven times slower.
pub(crate) const PIPE_BYTES: usize = 1 << 20;

/// A FIFO that the container reads, from our side.
#[derive(Debug)]
pub(crate) struct InputFifo {
    fifo: Fifo,
    watch: Option<Watch>,
    state: State,
    /// Readers that inotify told of and that it has not told the closing of.
    readers: u32,
    /// One of them was found, and its opening may still be told.
    is_one_untold: bool,
    /// Some of this reading was read: inotify told it, or there was less in the FIFO than written.
    is_read_from: bool,
    /// Our end was closed, and all was heard that had happened until then.
    is_sealed: bool,
}

#[derive(Debug)]
enum State {
    /// Before the first reader: both ends are ours.
    Held { _hold: OwnedFd, writer: OwnedFd },
    /// A thread waits in open(2), or is about to be started.
    InThread { _waiter: Option<Waiter> },
    /// A reader is there.
    Read { writer: OwnedFd },
    /// The reader left without having taken a byte; all of them wait for the next one.
    Parked { writer: OwnedFd },
    /// Everything is in the FIFO and our end is closed; the reader reads on. Nobody can open it
    /// now, but somebody may have just before.
    Ended,
    /// A reading is over, nothing is in the FIFO, and the next reader may come.
    Awaiting { writer: OwnedFd },
}

impl State {
    /// Takes the state out to make another one of it.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Ended)
    }
}

/// What the transfer is to do after something happened to its FIFO.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    Nothing,
    /// Try the sink again: its reader has come.
    TryAgain,
    /// This reading is over and so many bytes of it were never read; nobody reads now.
    Over { unread: u64 },
    /// The reading is over and the next reader is there already: begin at the first byte.
    OverAndNext { unread: u64 },
    /// The next reader has come: begin at the first byte.
    Next,
}

/// Where a reading stands once the source has given everything.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finished {
    /// Our end is closed behind the last byte.
    Closed,
    /// Nobody is known to read: our end stays open until somebody comes.
    Waiting,
    /// The reader had left.
    Refused,
}

impl InputFifo {
    /// Holds a FIFO and watches it, or says why it cannot be watched.
    ///
    /// To be called before the container starts: nobody else may have it open.
    pub(crate) fn hold(fifo: Fifo, watches: Option<&Watches>) -> io::Result<Self> {
        let Some(watches) = watches else {
            return Ok(Self::new(fifo, None, State::InThread { _waiter: None }));
        };
        let hold = fifo.open_hold()?;
        let writer = fifo.open_writer()?;
        pipe::resize(&writer, PIPE_BYTES)?;
        Ok(match watches.add(&fifo.path(), &fifo.folder()) {
            Ok(watch) => Self::new(fifo, Some(watch), State::Held { _hold: hold, writer }),
            // ENOSPC: the user has no watches left.
            Err(_) => Self::new(fifo, None, State::InThread { _waiter: None }),
        })
    }

    fn new(fifo: Fifo, watch: Option<Watch>, state: State) -> Self {
        Self {
            fifo,
            watch,
            state,
            readers: 0,
            is_one_untold: false,
            is_read_from: false,
            is_sealed: false,
        }
    }

    pub(crate) fn watch(&self) -> Option<Watch> {
        self.watch
    }

    /// Waits for the reader in a thread of its own, which gives `opened` the writing end.
    pub(crate) fn wait_in_thread(
        &mut self,
        opened: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
    ) -> io::Result<()> {
        let waiter = Waiter::start(&self.fifo, opened)?;
        self.state = State::InThread { _waiter: Some(waiter) };
        Ok(())
    }

    pub(crate) fn is_waiting_in_thread(&self) -> bool {
        matches!(self.state, State::InThread { .. })
    }

    /// Takes the writing end that the thread opened.
    pub(crate) fn opened_by_thread(&mut self, writer: OwnedFd) -> io::Result<()> {
        pipe::resize(&writer, PIPE_BYTES)?;
        self.state = State::Read { writer };
        Ok(())
    }

    /// The end that takes bytes now.
    pub(crate) fn writer(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Held { writer, .. } | State::Read { writer } => Some(writer.as_fd()),
            _ => None,
        }
    }

    /// The descriptor to be watched for room and for `EPIPE`.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Held { writer, .. }
            | State::Read { writer }
            | State::Parked { writer }
            | State::Awaiting { writer } => Some(writer.as_fd()),
            State::InThread { .. } | State::Ended => None,
        }
    }

    /// Whether any reader has come so far.
    pub(crate) fn is_unopened(&self) -> bool {
        matches!(self.state, State::Held { .. } | State::InThread { .. })
    }

    /// inotify saw something of it. `written` bytes of this reading went in.
    pub(crate) fn heed(
        &mut self,
        glimpse: Glimpse,
        written: u64,
        watches: Option<&Watches>,
    ) -> Result<Reaction, TransferError> {
        match glimpse {
            Glimpse::Opened => self.opened(),
            Glimpse::Read => {
                self.read_from(watches);
                Ok(Reaction::Nothing)
            }
            Glimpse::ReaderClosed => self.reader_closed(written, watches),
            Glimpse::ReaderFollowed => self.reader_was_followed(written, watches),
            Glimpse::Unknown => self.look(written, watches),
        }
    }

    fn opened(&mut self) -> Result<Reaction, TransferError> {
        let was_found = std::mem::take(&mut self.is_one_untold);
        if !was_found {
            self.readers += 1;
        }
        match self.state.take() {
            State::Held { writer, .. } | State::Parked { writer } => {
                self.state = State::Read { writer };
                Ok(Reaction::TryAgain)
            }
            State::Awaiting { writer } => {
                // One that has left again is as if it had not come.
                let is_read = pipe::has_reader(&writer).unwrap_or(true);
                self.state = match is_read {
                    true => State::Read { writer },
                    false => State::Awaiting { writer },
                };
                Ok(if is_read { Reaction::Next } else { Reaction::Nothing })
            }
            other => {
                let is_awaited = matches!(other, State::Read { .. }) && self.readers == 1;
                let is_crowded = match other {
                    State::Read { .. } => self.readers > 1,
                    // It was there before our end closed. Beside another, or after another has
                    // read, it gets the rest of the file, or nothing; behind a look, all of it.
                    // One that is not heard of at once may have opened without waiting for a writer.
                    State::Ended => {
                        let has_less = self.is_read_from || self.is_sealed;
                        self.watch.is_some() && (self.readers > 1 || has_less && !was_found)
                    }
                    _ => false,
                };
                self.state = other;
                match is_crowded {
                    true => Err(TransferError::Overlap),
                    false if is_awaited => Ok(Reaction::TryAgain),
                    false => Ok(Reaction::Nothing),
                }
            }
        }
    }

    /// Somebody has read from it. That is to be known once a reading, and not to wake us for every
    /// read.
    fn read_from(&mut self, watches: Option<&Watches>) {
        self.is_read_from = true;
        if let Some(watches) = watches {
            // If it cannot be, we are woken more often than need be.
            let _ = watches.without_reads(&self.fifo.path());
        }
    }

    fn reader_closed(
        &mut self,
        written: u64,
        watches: Option<&Watches>,
    ) -> Result<Reaction, TransferError> {
        self.readers = self.readers.saturating_sub(1);
        self.is_one_untold = false;
        match &self.state {
            State::Read { writer } => {
                if !pipe::has_reader(writer).map_err(TransferError::Reopen)? {
                    return self.reader_left(written, watches);
                }
                // Somebody else has it open. Nothing is lost if the one that left took nothing.
                if self.is_read_from { Err(TransferError::Overlap) } else { Ok(Reaction::Nothing) }
            }
            State::Ended => self.begin_again(0, watches),
            _ => Ok(Reaction::Nothing),
        }
    }

    fn reader_was_followed(
        &mut self,
        written: u64,
        watches: Option<&Watches>,
    ) -> Result<Reaction, TransferError> {
        match self.state {
            // The follower came while our end was open, and reads what the other one has left.
            State::Read { .. } | State::Ended if self.is_read_from => Err(TransferError::Overlap),
            State::Ended => {
                self.readers = self.readers.saturating_sub(1);
                Ok(Reaction::Nothing)
            }
            _ => self.reader_closed(written, watches),
        }
    }

    /// A write was answered with `EPIPE`, or poll with `POLLERR`: nobody reads any more.
    pub(crate) fn reader_left(
        &mut self,
        written: u64,
        watches: Option<&Watches>,
    ) -> Result<Reaction, TransferError> {
        match self.state.take() {
            State::Read { writer } => {
                // Who reads is asked last: one that came before the bytes were counted may have taken
                // some.
                let asked = pipe::unread(&writer)
                    .and_then(|unread| Ok((unread, pipe::has_reader(&writer)?)));
                let Ok((unread, is_read)) = asked else {
                    self.state = State::Read { writer };
                    return asked.map(|_| Reaction::Nothing).map_err(TransferError::Reopen);
                };
                if unread == written && self.watch.is_some() {
                    // It opened and closed (a test whether the file is there): as if never opened.
                    // The opening of one that is there now may have been heard already; that of one
                    // that is yet to come is told.
                    let (state, reaction) = match is_read {
                        true => (State::Read { writer }, Reaction::TryAgain),
                        false => (State::Parked { writer }, Reaction::Nothing),
                    };
                    self.state = state;
                    return Ok(reaction);
                }
                if is_read {
                    self.state = State::Read { writer };
                    return Err(TransferError::Overlap);
                }
                self.state = State::Awaiting { writer };
                self.begin_again(unread, watches)
            }
            other => {
                self.state = other;
                Ok(Reaction::Nothing)
            }
        }
    }

    /// Events were lost: asks the FIFO what is the case.
    fn look(&mut self, written: u64, watches: Option<&Watches>) -> Result<Reaction, TransferError> {
        (self.readers, self.is_one_untold) = (0, false);
        match &self.state {
            State::Held { .. } | State::Parked { .. } | State::Awaiting { .. } => {
                let reaction = self.opened()?;
                let is_read = self.is_read().map_err(TransferError::Reopen)?;
                // Its opening may have been lost, or may still be told.
                (self.readers, self.is_one_untold) = (u32::from(is_read), is_read);
                if reaction == Reaction::TryAgain && !is_read {
                    return self.reader_left(written, watches);
                }
                Ok(reaction)
            }
            State::Read { .. } if self.is_read().map_err(TransferError::Reopen)? => {
                (self.readers, self.is_one_untold) = (1, true);
                Ok(Reaction::Nothing)
            }
            State::Read { .. } => self.reader_left(written, watches),
            State::InThread { .. } | State::Ended => Ok(Reaction::Nothing),
        }
    }

    fn is_read(&self) -> io::Result<bool> {
        self.descriptor().map_or(Ok(false), |writer| pipe::has_reader(&writer))
    }

    /// Empties the FIFO of the reading that is over and holds it for the next one.
    ///
    /// `unread` is what must still be in it if our end was open. A reader that took any of that
    /// has the middle of the file, and that is the one thing that cannot be mended.
    fn begin_again(
        &mut self,
        unread: u64,
        watches: Option<&Watches>,
    ) -> Result<Reaction, TransferError> {
        let (Some(watch), Some(watches)) = (self.watch.take(), watches) else {
            // Served by a thread: this was the only reading.
            self.state = State::Ended;
            return Ok(Reaction::Over { unread });
        };
        // Who came before the bytes were counted may have taken some, and may have left again.
        if watches.end(watch).map_err(TransferError::Reopen)? {
            return Err(TransferError::Overlap);
        }
        // Until it is sure that all went well, our end stays as it is: who has come meanwhile must
        // not see the end of a file.
        let reader = self.fifo.open_reader().map_err(TransferError::Reopen)?;
        let thrown_away = empty(&reader).map_err(TransferError::Reopen)?;
        if matches!(self.state, State::Awaiting { .. }) {
            if thrown_away != unread {
                return Err(TransferError::Overlap);
            }
        } else {
            // Without a writer nobody can have read since, but those who had it open already.
            let writer = self.fifo.open_writer().map_err(TransferError::Reopen)?;
            self.state = State::Awaiting { writer };
        }
        let State::Awaiting { writer } = &self.state else {
            return Err(TransferError::Bug("a FIFO that is not held for its next reader"));
        };
        pipe::resize(writer, PIPE_BYTES).map_err(TransferError::Reopen)?;
        drop(reader);
        (self.readers, self.is_one_untold) = (0, false);
        (self.is_read_from, self.is_sealed) = (false, false);
        let watch = watches.add(&self.fifo.path(), &self.fifo.folder());
        self.watch = Some(watch.map_err(TransferError::Reopen)?);
        if !pipe::has_reader(writer).map_err(TransferError::Reopen)? {
            return Ok(Reaction::Over { unread: thrown_away });
        }
        // It may have waited inside open(2) until now: then its opening is told yet.
        (self.readers, self.is_one_untold) = (1, true);
        if let State::Awaiting { writer } = self.state.take() {
            self.state = State::Read { writer };
        }
        Ok(Reaction::OverAndNext { unread: thrown_away })
    }

    /// Whether somebody has read of the `written` bytes and inotify has not told it: it is about to, and
    /// of what was before. Some kernels never tell it of readers that splice.
    pub(crate) fn has_more_to_tell(&self, written: u64) -> bool {
        match &self.state {
            State::Read { writer } if self.watch.is_some() && !self.is_read_from => {
                pipe::unread(writer).is_ok_and(|unread| unread != written)
            }
            _ => false,
        }
    }

    /// All was heard that had happened when [`finish`](Self::finish) closed our end.
    pub(crate) fn seal(&mut self) {
        self.is_sealed = matches!(self.state, State::Ended);
    }

    /// The source has given everything and it is all in the FIFO.
    pub(crate) fn finish(&mut self, written: u64) -> Result<Finished, TransferError> {
        let State::Read { writer } = &self.state else {
            let is_waiting = self.is_unopened() || matches!(self.state, State::Parked { .. });
            return Ok(if is_waiting { Finished::Waiting } else { Finished::Closed });
        };
        let unread = pipe::unread(writer).map_err(TransferError::Write)?;
        let has_reader = pipe::has_reader(writer).map_err(TransferError::Write)?;
        if has_reader && self.readers == 0 && self.watch.is_some() {
            // Either its opening is told yet, or it is closing and `EPIPE` comes. Without another
            // end, what is in the FIFO would be gone with it, and nothing would tell of the next.
            return Ok(Finished::Waiting);
        }
        if has_reader || (unread == 0 && written > 0) {
            self.is_read_from |= unread != written;
            self.state = State::Ended;
            return Ok(Finished::Closed);
        }
        Ok(Finished::Refused)
    }
}

/// Reads until nothing is left, and says how much that was.
fn empty(reader: &OwnedFd) -> io::Result<u64> {
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

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
