//! What the readers of a FIFO bring about, and how a transfer comes to its end.

use std::io;
use std::os::fd::OwnedFd;

use super::carrier::Load;
use super::driver::{Context, Driver, Life, Turn};
use super::error::TransferError;
use super::open::{Finished, Reaction};
use super::report::Finish;
use super::sink::Sink;
use super::source::Source;
use super::transfer::{Step, Transfer};
use crate::sys::inotify::{Seen, Watch};
use crate::sys::pipe;

/// What inotify saw of one FIFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glimpse {
    Opened,
    Read,
    ReaderClosed,
    /// Something, but it was lost what.
    Unknown,
}

impl Glimpse {
    /// Takes what was seen of one FIFO out of what was seen of all.
    pub(crate) fn of(watch: Watch, sightings: &mut Vec<Seen>) -> Vec<Self> {
        let mut own = Vec::new();
        sightings.retain(|seen| {
            let glimpse = match seen {
                Seen::Opened(of) if *of == watch => Self::Opened,
                Seen::Read(of) if *of == watch => Self::Read,
                Seen::ReaderClosed(of) if *of == watch => Self::ReaderClosed,
                Seen::Overflow => {
                    // The others have to know, too.
                    own.push(Self::Unknown);
                    return true;
                }
                _ => return true,
            };
            own.push(glimpse);
            false
        });
        own
    }
}

impl Driver {
    /// The watch of its FIFO, if it has one.
    pub(crate) fn watch(&self) -> Option<Watch> {
        match &self.sink {
            Sink::Fifo(fifo) => fifo.watch(),
            _ => None,
        }
    }

    /// Whether a thread has to wait for its reader.
    pub(crate) fn needs_a_thread(&self) -> bool {
        matches!(&self.sink, Sink::Fifo(fifo) if fifo.is_waiting_in_thread())
    }

    /// Waits for its reader in a thread.
    pub(crate) fn wait_in_thread(
        &self,
        opened: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
    ) -> io::Result<()> {
        match &self.sink {
            Sink::Fifo(fifo) => fifo.wait_in_thread(opened),
            _ => Ok(()),
        }
    }

    /// Lets that thread go; see [`InputFifo::let_go`](super::open::InputFifo::let_go).
    pub(crate) fn let_go(&self) -> Option<OwnedFd> {
        match &self.sink {
            Sink::Fifo(fifo) => fifo.let_go(),
            _ => None,
        }
    }

    /// That thread has the writing end.
    pub(crate) fn opened_by_thread(
        &mut self,
        writer: io::Result<OwnedFd>,
        context: &Context<'_>,
    ) -> Turn {
        let Sink::Fifo(fifo) = &mut self.sink else { return Turn::Wait };
        let answer = writer
            .and_then(|writer| fifo.opened_by_thread(writer))
            .map_err(TransferError::Reopen)
            .and_then(|()| self.register_sink(context.registry))
            .map(|()| self.try_again());
        answer.unwrap_or_else(|error| self.fail(error))
    }

    /// inotify saw something of its FIFO: all that it had to tell by now, oldest first.
    pub(crate) fn glimpsed(&mut self, glimpses: &[Glimpse], context: &Context<'_>) -> Turn {
        let mut turn = Turn::Wait;
        for (place, glimpse) in glimpses.iter().enumerate() {
            if matches!(self.life, Life::Failed | Life::Over) {
                return turn;
            }
            let is_last_opening = !glimpses.iter().skip(place + 1).any(|g| *g == Glimpse::Opened);
            let reaction = self.heed(*glimpse, is_last_opening, context);
            match reaction.and_then(|reaction| self.react(reaction, context)) {
                Ok(Turn::Wait) => {}
                Ok(other) => turn = other,
                Err(error) => return self.fail(error),
            }
        }
        turn
    }

    fn heed(
        &mut self,
        glimpse: Glimpse,
        is_last_opening: bool,
        context: &Context<'_>,
    ) -> Result<Reaction, TransferError> {
        let written = self.transfer.delivered();
        let Sink::Fifo(fifo) = &mut self.sink else { return Ok(Reaction::Nothing) };
        match glimpse {
            Glimpse::Opened => fifo.opened(),
            Glimpse::Read => {
                fifo.read_from(context.watches);
                Ok(Reaction::Nothing)
            }
            Glimpse::ReaderClosed if is_last_opening => {
                fifo.reader_closed(written, context.watches)
            }
            Glimpse::ReaderClosed => fifo.reader_was_followed(written, context.watches),
            Glimpse::Unknown => fifo.look(written, context.watches),
        }
    }

    /// Hears what inotify has to tell of its FIFO, so that what follows is decided by what is the
    /// case now. What it tells of other FIFOs is kept for them.
    fn catch_up(&mut self, context: &mut Context<'_>) -> Turn {
        let (Some(watches), Some(watch)) = (context.watches, self.watch()) else {
            return Turn::Wait;
        };
        while let Ok(seen) = watches.seen()
            && !seen.is_empty()
        {
            context.sightings.extend(seen);
        }
        let glimpses = Glimpse::of(watch, context.sightings);
        self.glimpsed(&glimpses, context)
    }

    /// The source has ended and the carrier is empty.
    pub(super) fn source_is_done(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Turn, TransferError> {
        let turn = self.catch_up(context);
        if self.life != Life::Running {
            return Ok(turn);
        }
        if self.transfer.next(self.load.room()) != Step::Finish {
            // The reader had left, and the next one has come: it is another reading.
            return Ok(Turn::Again);
        }
        let written = self.transfer.delivered();
        let Sink::Fifo(fifo) = &mut self.sink else { return Ok(self.over(self.fed_finish)) };
        match fifo.finish(written)? {
            Finished::Closed => {
                let is_watched = fifo.watch().is_some();
                self.tally.bytes += written;
                self.life = Life::Served(Finish::Complete);
                self.source.stop();
                Ok(if is_watched { Turn::Wait } else { self.over(Finish::Complete) })
            }
            Finished::Waiting => {
                self.life = Life::Unread;
                Ok(Turn::Wait)
            }
            Finished::Refused => {
                self.life = Life::Unread;
                self.refused(context)
            }
        }
    }

    /// The sink takes no more.
    pub(super) fn refused(&mut self, context: &mut Context<'_>) -> Result<Turn, TransferError> {
        // Another reader may have come since, and may have left again.
        let turn = self.catch_up(context);
        if !matches!(self.life, Life::Running | Life::Unread) || turn == Turn::Again {
            return Ok(turn);
        }
        let written = self.transfer.delivered();
        match &mut self.sink {
            Sink::Fifo(fifo) => {
                let reaction = fifo.reader_left(written, context.watches)?;
                self.react(reaction, context)
            }
            Sink::File(_) | Sink::Shared(_) => match &mut self.load {
                Load::Spool(spool) => {
                    spool.clear();
                    self.life = Life::Discarding;
                    Ok(Turn::Wait)
                }
                _ => Ok(self.over(Finish::Refused)),
            },
        }
    }

    fn react(&mut self, reaction: Reaction, context: &Context<'_>) -> Result<Turn, TransferError> {
        match reaction {
            Reaction::Nothing => Ok(Turn::Wait),
            Reaction::TryAgain => Ok(self.try_again()),
            Reaction::Over { unread } => {
                self.end_reading(unread);
                Ok(Turn::Wait)
            }
            Reaction::OverAndNext { unread } => {
                self.end_reading(unread);
                self.begin_reading(context)
            }
            Reaction::Next => self.begin_reading(context),
        }
    }

    fn try_again(&mut self) -> Turn {
        if self.life == Life::Unread {
            self.life = Life::Running;
        }
        self.transfer.sink_became_ready(self.load.room());
        Turn::Again
    }

    fn end_reading(&mut self, unread: u64) {
        let finish = match self.life {
            Life::Served(finish) => {
                self.tally.bytes = self.tally.bytes.saturating_sub(unread);
                if unread > 0 { Finish::Refused } else { finish }
            }
            _ => {
                self.tally.bytes += self.transfer.delivered().saturating_sub(unread);
                Finish::Refused
            }
        };
        self.life = Life::Served(finish);
        self.source.stop();
        match &mut self.load {
            Load::Spool(spool) => spool.clear(),
            load => *load = Load::Copy(None),
        }
    }

    fn begin_reading(&mut self, context: &Context<'_>) -> Result<Turn, TransferError> {
        if !self.source.begin_again()? {
            return Err(TransferError::ReadOnce);
        }
        self.transfer = Transfer::new();
        self.life = Life::Running;
        self.tally.readings += 1;
        self.register_sink(context.registry)?;
        if self.source.is_open() {
            self.route()?;
        } else {
            self.transfer.source_blocked();
        }
        Ok(Turn::Again)
    }

    /// The container has exited: nobody reads its input any more, and nobody writes its output.
    pub(crate) fn container_exited(&mut self) -> Turn {
        if let Source::Fifo(fifo) = &mut self.source {
            fifo.writers_are_gone();
            self.transfer.source_became_ready(self.load.room());
        }
        match (self.life, &self.sink) {
            (Life::Failed, _) => self.over(Finish::Failed),
            (_, Sink::Fifo(_)) => {
                let finish = self.last_finish();
                self.over(finish)
            }
            _ => Turn::Again,
        }
    }

    /// How its FIFO's last reading ended, now that there is no reader any more.
    fn last_finish(&mut self) -> Finish {
        let Sink::Fifo(fifo) = &self.sink else { return Finish::Complete };
        if let Life::Served(finish) = self.life {
            return finish;
        }
        if fifo.is_unopened() {
            return Finish::NotOpened;
        }
        let unread = fifo.descriptor().and_then(|writer| pipe::unread(&writer).ok()).unwrap_or(0);
        let read = self.transfer.delivered().saturating_sub(unread);
        self.tally.bytes += read;
        let is_whole = match self.source.total() {
            Some(total) => read == total,
            None => self.life == Life::Unread && unread == 0,
        };
        // The tally has it all now.
        self.life = Life::Served(if is_whole { Finish::Complete } else { Finish::Refused });
        if is_whole { Finish::Complete } else { Finish::Refused }
    }

    /// The container's output: so many bytes of it are for this transfer.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Turn {
        if !matches!(self.life, Life::Running) {
            return Turn::Wait;
        }
        let Load::Spool(spool) = &mut self.load else {
            return self.fail(TransferError::Bug("output for a transfer that is not fed"));
        };
        match spool.push(bytes) {
            Ok(()) => {
                self.transfer.filled(bytes.len());
                Turn::Again
            }
            Err(error) => self.fail(TransferError::Spool(error)),
        }
    }

    /// The container's output has come to its end, or is given up.
    pub(crate) fn feed_ended(&mut self, finish: Finish) -> Turn {
        match self.life {
            Life::Running => {
                self.transfer.source_ended();
                self.fed_finish = finish;
                Turn::Again
            }
            Life::Discarding => self.over(Finish::Refused),
            _ => Turn::Wait,
        }
    }
}
