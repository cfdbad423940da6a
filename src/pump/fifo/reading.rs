//! What the readers of a FIFO bring about, and how a transfer comes to its end.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::pump::carrier::Load;
use crate::pump::driver::{Context, Driver, Life, Turn};
use crate::pump::error::TransferError;
use crate::pump::fifo::glimpse::Glimpse;
use crate::pump::fifo::input::{Finished, Reaction};
use crate::pump::report::Finish;
use crate::pump::sink::{Gave, Sink};
use crate::pump::source::Source;
use crate::pump::transfer::{Step, Transfer};
use crate::sys::inotify::Watch;
use crate::sys::pipe;

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
        &mut self,
        opened: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
    ) -> io::Result<()> {
        match &mut self.sink {
            Sink::Fifo(fifo) => fifo.wait_in_thread(opened),
            _ => Ok(()),
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
        for glimpse in glimpses {
            if matches!(self.life, Life::Failed | Life::Over) {
                return turn;
            }
            let written = self.transfer.delivered();
            let Sink::Fifo(fifo) = &mut self.sink else { return turn };
            if fifo.is_unopened() {
                // What waited for its reader until now was not moving.
                self.tally.began = context.now;
            }
            let reaction = fifo.heed(*glimpse, written, context.watches);
            match reaction.and_then(|reaction| self.react(reaction, context)) {
                Ok(Turn::Wait) => {}
                Ok(other) => turn = other,
                Err(error) => return self.fail(error),
            }
        }
        turn
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
    pub(in crate::pump) fn source_is_done(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Turn, TransferError> {
        let written = self.transfer.delivered();
        // Once more if somebody has read unheard; not for ever, for some readers are never heard.
        for _ in 0..2 {
            let turn = self.catch_up(context);
            if self.life != Life::Running {
                return Ok(turn);
            }
            if self.transfer.next(self.load.room()) != Step::Finish {
                // The reader had left, and the next one has come: it is another reading.
                return Ok(Turn::Again);
            }
            if !matches!(&self.sink, Sink::Fifo(fifo) if fifo.has_more_to_tell(written)) {
                break;
            }
        }
        let Sink::Fifo(fifo) = &mut self.sink else { return Ok(self.over(self.fed_finish)) };
        match fifo.finish(written)? {
            Finished::Closed => {
                let is_watched = fifo.watch().is_some();
                self.life = Life::Served(self.settle(0));
                self.source.stop();
                if !is_watched {
                    return Ok(self.over(Finish::Complete));
                }
                // Who opened it before our end was closed is heard of now.
                let turn = self.catch_up(context);
                if let Sink::Fifo(fifo) = &mut self.sink {
                    fifo.seal();
                }
                Ok(turn)
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
    pub(in crate::pump) fn refused(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Turn, TransferError> {
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
            Sink::File(_) | Sink::Shared(_) | Sink::Post(_) | Sink::Listener(_) => {
                match &mut self.load {
                    Load::Spool(spool) => {
                        spool.clear();
                        self.life = Life::Discarding;
                        Ok(Turn::Wait)
                    }
                    _ => Ok(self.over(Finish::Refused)),
                }
            }
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
            _ => self.settle(unread),
        };
        self.life = Life::Served(finish);
        self.source.stop();
        match &mut self.load {
            Load::Spool(spool) => spool.clear(),
            load => *load = Load::Copy(None),
        }
    }

    /// Adds a reading to the tally, of which `unread` bytes were left in the FIFO.
    fn settle(&mut self, unread: u64) -> Finish {
        let read = self.transfer.delivered().saturating_sub(unread);
        let is_all = self.transfer.is_complete() || self.source.total() == Some(read);
        self.tally.bytes += read;
        self.transfer = Transfer::new();
        if is_all && unread == 0 { Finish::Complete } else { Finish::Refused }
    }

    fn begin_reading(&mut self, context: &Context<'_>) -> Result<Turn, TransferError> {
        if !self.source.begin_again()? {
            return Err(TransferError::ReadOnce);
        }
        self.stall.forgive();
        self.pace = None;
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
        self.is_container_over = true;
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
        self.settle(unread)
    }

    /// The container's output: these bytes of it are for this transfer. What the sink takes at once
    /// is written from where it lies; the rest is spooled.
    pub(crate) fn feed(&mut self, pieces: &[IoSlice<'_>], now: Instant) -> Turn {
        if !matches!(self.life, Life::Running) {
            return Turn::Wait;
        }
        let Load::Spool(spool) = &mut self.load else {
            return self.fail(TransferError::Bug("output for a transfer that is not fed"));
        };
        let mut written = 0;
        if self.transfer.is_drained() {
            match self.sink.write_at_once(pieces) {
                Ok(Gave::Bytes(bytes)) => written = bytes,
                Ok(Gave::Blocked) => self.transfer.sink_blocked(),
                // It says so again when the spool is drained.
                Ok(Gave::Refused) | Err(_) => {}
            }
        }
        let mut spooled = Ok(());
        let mut before = 0;
        for piece in pieces {
            let rest = piece.get(written.saturating_sub(before)..).unwrap_or_default();
            before += piece.len();
            if !rest.is_empty() {
                spooled = spooled.and_then(|()| spool.push(rest));
            }
        }
        self.transfer.filled(before);
        if written > 0 {
            self.transfer.drained(written);
            self.progressed(now);
        }
        match spooled {
            Ok(()) => Turn::Again,
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
