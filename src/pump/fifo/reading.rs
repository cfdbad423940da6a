//! What the readers of a FIFO bring about, and how a transfer comes to its end.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::pump::carrier::Load;
use crate::pump::driver::{Context, Driver, Life, Turn};
use crate::pump::error::TransferError;
use crate::pump::fifo::input::{Finished, Reaction};
use crate::pump::report::Finish;
use crate::pump::sink::{Gave, Sink};
use crate::pump::source::Source;
use crate::pump::transfer::Transfer;
use crate::sys::pipe;

impl Driver {
    /// Whether inotify tells of its FIFO's readers.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(&self.sink, Sink::Fifo(fifo) if fifo.is_watched())
    }

    /// Whether a thread has to wait for its reader.
    pub(crate) fn needs_a_thread(&self) -> bool {
        matches!(&self.sink, Sink::Fifo(fifo) if fifo.needs_a_thread())
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
            .map_err(TransferError::Open)
            .and_then(|()| self.register_sink(context.registry))
            .map(|()| self.try_again());
        answer.unwrap_or_else(|error| self.fail(error))
    }

    /// inotify may have something to tell of its FIFO: does what that brings about.
    pub(crate) fn readers_did(&mut self, context: &mut Context<'_>) -> Turn {
        self.hear_of_readers(context).unwrap_or_else(|error| self.fail(error))
    }

    fn hear_of_readers(&mut self, context: &Context<'_>) -> Result<Turn, TransferError> {
        let mut turn = Turn::Wait;
        loop {
            if matches!(self.life, Life::Failed | Life::Over) {
                return Ok(turn);
            }
            let written = self.transfer.delivered();
            let Sink::Fifo(fifo) = &mut self.sink else { return Ok(turn) };
            let was_unopened = fifo.is_unopened();
            let reaction = fifo.next(written)?;
            if was_unopened && !fifo.is_unopened() {
                // What waited for its reader until now was not moving.
                self.tally.began = context.now;
            }
            if reaction == Reaction::Nothing {
                return Ok(turn);
            }
            match self.react(reaction, context)? {
                Turn::Wait => {}
                other => turn = other,
            }
        }
    }

    /// The source has ended and the carrier is empty.
    pub(in crate::pump) fn source_is_done(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Turn, TransferError> {
        let written = self.transfer.delivered();
        let Sink::Fifo(fifo) = &mut self.sink else { return Ok(self.over(self.fed_finish)) };
        match fifo.finish(written)? {
            Finished::First(reaction) => {
                let turn = self.react(reaction, context)?;
                let others = self.hear_of_readers(context)?;
                let is_to_run = self.life == Life::Running && turn == Turn::Wait;
                Ok(if is_to_run {
                    Turn::Again
                } else if others == Turn::Wait {
                    turn
                } else {
                    others
                })
            }
            Finished::Closed => {
                self.life = Life::Closed;
                self.source.stop();
                if !self.is_watched() {
                    let finish = self.settle(0);
                    return Ok(self.over(finish));
                }
                // Who opened it before our end was closed is heard of now.
                let turn = self.hear_of_readers(context)?;
                if let Sink::Fifo(fifo) = &mut self.sink {
                    fifo.seal();
                }
                Ok(turn)
            }
            Finished::Waiting => {
                self.life = Life::Unread;
                Ok(Turn::Wait)
            }
        }
    }

    /// The sink takes no more.
    pub(in crate::pump) fn refused(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<Turn, TransferError> {
        let written = self.transfer.delivered();
        match (&mut self.sink, &mut self.load) {
            (Sink::Fifo(fifo), _) => {
                // Another reader may have come since, and may have left again.
                let reaction = fifo.reader_left(written)?;
                let turn = self.react(reaction, context)?;
                let others = self.hear_of_readers(context)?;
                Ok(if others == Turn::Wait { turn } else { others })
            }
            (_, Load::Spool(spool)) => {
                spool.clear();
                self.life = Life::Discarding;
                Ok(Turn::Wait)
            }
            _ => Ok(self.over(Finish::Refused)),
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
            Reaction::Untouched => {
                self.life = Life::Unread;
                // Our end is another one.
                self.register_sink(context.registry)?;
                Ok(Turn::Wait)
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
        self.life = Life::Served(self.settle(unread));
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
        match self.life {
            Life::Served(finish) => return finish,
            // What is still in it belongs to its reader.
            Life::Closed => return self.settle(0),
            _ => {}
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
