//! An input FIFO: held for its reader, opened when the reader comes, served again to the next one.
//!
//! A reader that finds no writer waits inside open(2), unseen. So we hold both ends open from the
//! start: its open returns at once and inotify tells of it; meanwhile the source may fill the FIFO.
//! Then we let go of the reading end, so that a reader that leaves shows as `EPIPE`.
//!
//! [`Readers`] decides; this asks, hears and does, in the order that it relies on: what is the case is
//! asked first, and then everything is heard that had happened by then. What of that comes before the
//! thing that is considered is considered first.
//!
//! Where inotify is not to be had, a thread waits in open(2) instead (see `waiter`); the FIFO is
//! then filled only once its reader has come, and served once.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::rc::Rc;

use crate::pump::error::TransferError;
use crate::pump::fifo::ears::Ears;
use crate::pump::fifo::ends::{Ends, FifoEnds, Seen};
use crate::pump::fifo::readers::{AtTheEnd, Case, LeftOver, Order, Readers, Told};
use crate::sys::fifo::Fifo;

/// A FIFO that the container reads, from our side.
#[derive(Debug)]
pub(crate) struct InputFifo<E = FifoEnds> {
    ends: E,
    readers: Readers,
    /// What was heard and is not considered yet, oldest first.
    heard: VecDeque<Seen>,
}

/// What the transfer is to do after something happened to its FIFO.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    Nothing,
    /// Try the sink again: its reader has come.
    TryAgain,
    /// This reading is over and so many bytes of it were never read.
    Over { unread: u64 },
    /// What looked like the end of a reading was none: all of it is still to be read.
    Untouched,
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
    /// Something happened that comes first.
    First(Reaction),
}

impl InputFifo {
    /// Holds a FIFO and watches it, or says why it cannot be watched.
    ///
    /// To be called before the container starts: nobody else may have it open.
    pub(crate) fn hold(fifo: Fifo, ears: Option<&Rc<Ears>>) -> io::Result<Self> {
        let ends = FifoEnds::hold(fifo, ears)?;
        let is_watched = ends.is_watched();
        let readers = if is_watched { Readers::held() } else { Readers::in_thread() };
        Ok(Self::new(ends, readers))
    }

    /// Whether inotify tells of its readers.
    pub(crate) fn is_watched(&self) -> bool {
        self.ends.is_watched()
    }

    /// Where it was made.
    pub(crate) fn path(&self) -> PathBuf {
        self.ends.path()
    }

    /// Hears no more of its readers.
    pub(crate) fn unwatch(&mut self) {
        self.ends.unwatch();
    }

    /// Waits for the reader in a thread of its own, which gives `opened` the writing end.
    pub(crate) fn wait_in_thread(
        &mut self,
        opened: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
    ) -> io::Result<()> {
        self.ends.wait_in_thread(opened)
    }

    /// Takes the writing end that the thread opened.
    pub(crate) fn opened_by_thread(&mut self, writer: OwnedFd) -> io::Result<()> {
        self.ends.opened_by_thread(writer)?;
        self.readers.opened_by_thread();
        Ok(())
    }

    /// The end that takes bytes now.
    pub(crate) fn writer(&self) -> Option<BorrowedFd<'_>> {
        self.ends.writer().filter(|_| self.takes_bytes())
    }

    /// The descriptor to be watched for room and for `EPIPE`.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.ends.writer()
    }
}

impl<E: Ends> InputFifo<E> {
    pub(super) fn new(ends: E, readers: Readers) -> Self {
        Self { ends, readers, heard: VecDeque::new() }
    }

    /// Whether a thread has to wait for its reader.
    pub(crate) fn needs_a_thread(&self) -> bool {
        self.readers.need_a_thread()
    }

    /// Whether no reader has come so far.
    pub(crate) fn is_unopened(&self) -> bool {
        self.readers.are_none_yet()
    }

    /// Whether it takes bytes now.
    pub(super) fn takes_bytes(&self) -> bool {
        self.readers.takes_bytes()
    }

    /// Hears what inotify has to tell, and considers what was heard until something is to be done.
    /// `written` bytes of this reading went in. To be called again until it says `Nothing`.
    ///
    /// # Errors
    /// Somebody may have got the middle of the file; or an end cannot be opened or asked.
    pub(crate) fn next(&mut self, written: u64) -> Result<Reaction, TransferError> {
        self.hear();
        while let Some(first) = self.heard.pop_front() {
            let case = self.ask(first, written)?;
            let is_followed = self.is_opened();
            let told = match first {
                Seen::Opened => Told::Opened,
                Seen::Read => Told::Read,
                Seen::Closed if is_followed => Told::Followed,
                Seen::Closed => Told::Closed,
                Seen::Lost => Told::Lost,
            };
            let order = self.readers.told(told, case);
            match self.obey(order, case)? {
                Reaction::Nothing => {}
                reaction => return Ok(reaction),
            }
        }
        Ok(Reaction::Nothing)
    }

    /// A write was answered with `EPIPE`: somebody has left.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) fn reader_left(&mut self, written: u64) -> Result<Reaction, TransferError> {
        match self.consider(written)? {
            Considered::First(reaction) => Ok(reaction),
            Considered::Case(case) => {
                let order = self.readers.told(Told::Refused, case);
                self.obey(order, case)
            }
        }
    }

    /// The source has given everything and it is all in the FIFO.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) fn finish(&mut self, written: u64) -> Result<Finished, TransferError> {
        if written == 0 && self.readers.are_in_doubt() {
            // A closing is told a moment before it is one. Of an empty file nothing else would tell whether somebody
            // is there to see its end.
            self.wait_for_leavers()?;
        }
        let case = match self.consider(written)? {
            Considered::First(reaction) => return Ok(Finished::First(reaction)),
            Considered::Case(case) => case,
        };
        match self.readers.source_ended(case) {
            AtTheEnd::Close => {
                self.ends.close_writer();
                Ok(Finished::Closed)
            }
            AtTheEnd::Wait => Ok(Finished::Waiting),
            AtTheEnd::First(order) => self.obey(order, case).map(Finished::First),
        }
    }

    /// All was heard that had happened when [`finish`](Self::finish) closed our end.
    pub(crate) fn seal(&mut self) {
        self.readers.seal();
    }

    /// What is the case, when all is considered that inotify has told by then.
    fn consider(&mut self, written: u64) -> Result<Considered, TransferError> {
        loop {
            match self.next(written)? {
                Reaction::Nothing => {}
                reaction => return Ok(Considered::First(reaction)),
            }
            let case = self.case(written)?;
            self.hear();
            if self.heard.is_empty() {
                return Ok(Considered::Case(case));
            }
        }
    }

    /// Asks what is the case, and then hears what had happened by then.
    fn ask(&mut self, seen: Seen, written: u64) -> Result<Case, TransferError> {
        if seen == Seen::Lost {
            // With our own reading end there always is a reader.
            self.ends.close_reader();
        }
        let mut case = self.case(written)?;
        if seen == Seen::Closed && case.has_reader && case.unread != written {
            // Whose closing is told may not have left yet. Only somebody else stays.
            self.wait_for_leavers()?;
            case = self.case(written)?;
        }
        self.hear();
        Ok(case)
    }

    fn case(&mut self, written: u64) -> Result<Case, TransferError> {
        let (unread, has_reader) = self.ends.ask().map_err(self.failed(TransferError::Ask))?;
        Ok(Case { written, unread, has_reader })
    }

    fn wait_for_leavers(&self) -> Result<(), TransferError> {
        self.ends.wait_for_leavers().map_err(self.failed(TransferError::WaitForLeavers))
    }

    fn empty(&mut self) -> Result<u64, TransferError> {
        self.ends.empty().map_err(self.failed(TransferError::Empty))
    }

    /// The error of a step with it.
    fn failed(
        &self,
        step: fn(PathBuf, io::Error) -> TransferError,
    ) -> impl FnOnce(io::Error) -> TransferError {
        move |error| step(self.ends.path(), error)
    }

    fn hear(&mut self) {
        let heard = self.ends.hear();
        self.heard.extend(heard);
    }

    fn obey(&mut self, order: Order, case: Case) -> Result<Reaction, TransferError> {
        match order {
            Order::Nothing => Ok(Reaction::Nothing),
            Order::MuteReads => {
                self.ends.mute_reads();
                Ok(Reaction::Nothing)
            }
            Order::TryAgain => {
                self.ends.close_reader();
                Ok(Reaction::TryAgain)
            }
            Order::Next => Ok(Reaction::Next),
            Order::Renew => self.renew(case),
            Order::Over => {
                self.ends.close_writer();
                Ok(Reaction::Over { unread: case.unread })
            }
            Order::Overlap => Err(TransferError::Overlap),
        }
    }

    /// Empties the FIFO of the reading that is over and holds it for the next one.
    fn renew(&mut self, case: Case) -> Result<Reaction, TransferError> {
        match self.ends.has_writer() {
            true => self.renew_behind_an_open_end(case.unread),
            false => self.renew_behind_a_closed_end(case.written),
        }
    }

    /// Our end stays open until it is sure that all went well: who has come meanwhile must not see the
    /// end of a file.
    fn renew_behind_an_open_end(&mut self, unread: u64) -> Result<Reaction, TransferError> {
        self.open(E::open_hold)?;
        let gone = self.empty()?;
        self.ends.close_reader();
        let reaction = self.await_next(gone, unread, false)?;
        self.find_untold()?;
        Ok(reaction)
    }

    /// Only who had opened it before our end was closed can be inside; others wait in open(2).
    fn renew_behind_a_closed_end(&mut self, written: u64) -> Result<Reaction, TransferError> {
        self.open(E::open_reader)?;
        let unread = self.ends.count().map_err(self.failed(TransferError::Ask))?;
        self.hear();
        match self.readers.left_over(unread, written, self.is_opened()) {
            LeftOver::Keep => {
                self.open(E::open_writer)?;
                self.close_own_reader();
                self.find_untold()?;
                return Ok(Reaction::Untouched);
            }
            LeftOver::Leave => {
                self.close_own_reader();
                // It is one that was followed.
                self.heard.push_front(Seen::Closed);
                return Ok(Reaction::Nothing);
            }
            LeftOver::ThrowAway => {}
        }
        let gone = self.empty()?;
        self.ends.close_reader();
        self.hear();
        let is_opened = self.is_opened();
        self.heard.clear();
        let reaction = self.await_next(gone, unread, is_opened)?;
        // Whoever waited inside open(2) comes now, and finds nothing in it. One whose open(2) began before
        // our end was closed, and has taken until now, cannot be told from those. A writer alone would
        // find nobody to write to (`ENXIO`).
        self.open(E::open_hold)?;
        self.open(E::open_writer)?;
        self.ends.close_reader();
        self.find_untold()?;
        Ok(reaction)
    }

    fn await_next(
        &mut self,
        gone: u64,
        unread: u64,
        is_opened: bool,
    ) -> Result<Reaction, TransferError> {
        let Order::Over = self.readers.renewed(gone, unread, is_opened) else {
            return Err(TransferError::Overlap);
        };
        // What was told of reads was of the reading before.
        self.hear();
        self.heard.retain(|seen| *seen != Seen::Read);
        self.ends.tell_reads().map_err(self.failed(TransferError::Watch))?;
        Ok(Reaction::Over { unread: gone })
    }

    /// Whoever opened it beside us may be told as one with us: what was told until now is nothing to go by, and what is
    /// the case is asked.
    fn find_untold(&mut self) -> Result<(), TransferError> {
        self.hear();
        self.heard.clear();
        if self.case(0)?.has_reader {
            self.heard.push_front(Seen::Lost);
        }
        Ok(())
    }

    /// Whether somebody has opened it who was not considered.
    fn is_opened(&self) -> bool {
        self.heard.contains(&Seen::Opened)
    }

    /// Opens an end of ours. What inotify tells of that is not considered.
    fn open(&mut self, open: impl FnOnce(&mut E) -> io::Result<()>) -> Result<(), TransferError> {
        self.hear();
        open(&mut self.ends).map_err(self.failed(TransferError::Reopen))?;
        self.hear_but(Seen::Opened);
        Ok(())
    }

    /// Closes an end that is for reading only, of which inotify tells.
    fn close_own_reader(&mut self) {
        self.hear();
        self.ends.close_reader();
        self.hear_but(Seen::Closed);
    }

    /// Hears, and leaves out what we did ourselves. Which of several alike that is can only be guessed:
    /// readers that come one after the other are more likely than two at once.
    fn hear_but(&mut self, own: Seen) {
        let before = self.heard.len();
        self.hear();
        let alike = (before..self.heard.len()).filter(|at| self.heard.get(*at) == Some(&own));
        let alike: Vec<usize> = alike.collect();
        let likely = alike.iter().find(|at| self.are_in_turn_without(**at));
        if let Some(at) = likely.or_else(|| alike.last()) {
            self.heard.remove(*at);
        }
    }

    fn are_in_turn_without(&self, own: usize) -> bool {
        let mut is_read = false;
        self.heard.iter().enumerate().filter(|(at, _)| *at != own).all(|(_, seen)| match seen {
            Seen::Opened => !std::mem::replace(&mut is_read, true),
            Seen::Closed => std::mem::replace(&mut is_read, false),
            Seen::Read | Seen::Lost => true,
        })
    }
}

/// What came of considering.
enum Considered {
    /// What was told before has to be seen to first.
    First(Reaction),
    Case(Case),
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod step_tests;
#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
