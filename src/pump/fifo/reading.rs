//! What the readers of a FIFO bring about, and how a transfer comes to its end.

use std::io;
use std::os::fd::OwnedFd;

use crate::pump::driver::{Driver, Life};
use crate::pump::error::{PumpError, TransferError};
use crate::pump::fifo::input::{Finished, Reaction};
use crate::pump::line::Supply;
use crate::pump::report::Finish;
use crate::pump::sink::Sink;
use crate::pump::source::Source;
use crate::pump::transfer::Transfer;
use crate::pump::turn::{Context, Turn};
use crate::sys::pipe;

impl Driver {
    /// Whether inotify tells of its FIFO's readers.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(&self.line.sink, Sink::Fifo(fifo) if fifo.is_watched())
    }

    /// Whether a thread has to wait for its reader.
    pub(crate) fn needs_a_thread(&self) -> bool {
        matches!(&self.line.sink, Sink::Fifo(fifo) if fifo.needs_a_thread())
    }

    /// Waits for its reader in a thread.
    pub(crate) fn wait_in_thread(
        &mut self,
        opened: impl FnOnce(io::Result<OwnedFd>) + Send + 'static,
    ) -> Result<(), PumpError> {
        let Sink::Fifo(fifo) = &mut self.line.sink else { return Ok(()) };
        let started = fifo.wait_in_thread(opened);
        started.map_err(|error| PumpError::WaitForReader(fifo.path(), error))
    }

    /// That thread has the writing end.
    pub(crate) fn opened_by_thread(
        &mut self,
        writer: io::Result<OwnedFd>,
        context: &Context<'_>,
    ) -> Turn {
        let Sink::Fifo(fifo) = &mut self.line.sink else { return Turn::Wait };
        let answer = writer
            .and_then(|writer| fifo.opened_by_thread(writer))
            .map_err(|error| TransferError::Open(fifo.path(), error))
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
            let written = self.line.transfer.delivered();
            let Sink::Fifo(fifo) = &mut self.line.sink else { return Ok(turn) };
            let was_unopened = fifo.is_unopened();
            let reaction = fifo.next(written)?;
            if was_unopened && !fifo.is_unopened() {
                // What waited for its reader until now was not moving.
                self.tally.began = context.now;
                self.tell_opened();
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

    /// The source has ended, and the FIFO has everything.
    pub(in crate::pump) fn all_is_in_the_fifo(
        &mut self,
        context: &Context<'_>,
    ) -> Result<Turn, TransferError> {
        let written = self.line.transfer.delivered();
        let Sink::Fifo(fifo) = &mut self.line.sink else { return Ok(Turn::Wait) };
        match fifo.finish(written)? {
            Finished::First(reaction) => {
                let turn = self.react_and_hear(reaction, context)?;
                let goes_on = self.life == Life::Running && turn == Turn::Wait;
                Ok(if goes_on { Turn::Again } else { turn })
            }
            Finished::Closed => {
                self.life = Life::Closed;
                self.line.stop();
                if !self.is_watched() {
                    let finish = self.settle(0);
                    return Ok(self.over(finish));
                }
                // Who opened it before our end was closed is heard of now.
                let turn = self.hear_of_readers(context)?;
                if let Sink::Fifo(fifo) = &mut self.line.sink {
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
        context: &Context<'_>,
    ) -> Result<Turn, TransferError> {
        let written = self.line.transfer.delivered();
        match (&mut self.line.sink, &self.line.supply) {
            (Sink::Fifo(fifo), _) => {
                // Another reader may have come since, and may have left again.
                let reaction = fifo.reader_left(written)?;
                self.react_and_hear(reaction, context)
            }
            (_, Supply::Fed(_)) => {
                self.line.clear();
                self.life = Life::Discarding;
                self.tell_refused();
                Ok(Turn::Wait)
            }
            _ => Ok(self.over(Finish::Refused)),
        }
    }

    fn react_and_hear(
        &mut self,
        reaction: Reaction,
        context: &Context<'_>,
    ) -> Result<Turn, TransferError> {
        let turn = self.react(reaction, context)?;
        let later = self.hear_of_readers(context)?;
        Ok(if later == Turn::Wait { turn } else { later })
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
        self.line.sink_became_ready();
        Turn::Again
    }

    fn end_reading(&mut self, unread: u64) {
        self.life = Life::Served(self.settle(unread));
        self.line.stop();
        self.line.clear();
    }

    /// Adds a reading to the tally, of which `unread` bytes were left in the FIFO.
    fn settle(&mut self, unread: u64) -> Finish {
        let read = self.line.transfer.delivered().saturating_sub(unread);
        let is_all = self.line.transfer.is_complete() || self.line.total() == Some(read);
        self.tally.bytes += read;
        self.line.transfer = Transfer::new();
        if is_all && unread == 0 { Finish::Complete } else { Finish::Refused }
    }

    fn begin_reading(&mut self, context: &Context<'_>) -> Result<Turn, TransferError> {
        let Some(source) = self.line.source_mut() else { return Err(TransferError::ReadOnce) };
        if !source.begin_again()? {
            return Err(TransferError::ReadOnce);
        }
        self.life = Life::Running;
        self.tally.readings += 1;
        self.register_sink(context.registry)?;
        if self.line.is_open() {
            self.line.route()?;
        } else {
            self.line.transfer.source_blocked();
        }
        Ok(Turn::Again)
    }

    /// The container has exited: nobody reads its input any more, and nobody writes its output.
    pub(crate) fn container_exited(&mut self) -> Turn {
        self.is_container_over = true;
        if let Some(Source::Fifo(fifo)) = self.line.source_mut() {
            fifo.writers_are_gone();
            self.line.source_became_ready();
        }
        match (self.life, &self.line.sink) {
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
        let Sink::Fifo(fifo) = &self.line.sink else { return Finish::Complete };
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
}
