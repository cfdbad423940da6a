//! The steps of a transfer: fill, drain, and the two in one.

use nix::errno::Errno;

use crate::pump::carrier::copy::CopyBuffer;
use crate::pump::carrier::ring::Ring;
use crate::pump::carrier::{Carrier, Load};
use crate::pump::error::TransferError;
use crate::pump::line::{Line, Supply};
use crate::pump::route::is_the_sinks;
use crate::pump::source::Source;
use crate::pump::took::{Filled, Gave, Spliced, Took};
use crate::pump::transfer::Room;
use crate::pump::turn::Context;
use crate::sys::pipe::{PIPE_BYTES, unread};
use crate::sys::splice::{is_to_copy, splice_bytes};

/// How a step went.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Go,
    Broken,
    Refused,
}

impl Line {
    /// From the source into the carrier.
    pub(super) fn fill(
        &mut self,
        most: usize,
        context: &mut Context<'_>,
    ) -> Result<Outcome, TransferError> {
        let taken = self.transfer.taken();
        let filled = match &mut self.supply {
            Supply::Pulled(Source::Far(far), _) if far.ring().is_some() => {
                far.gather(most, context)?
            }
            Supply::Pulled(source, Load::Copy(buffer)) => {
                let buffer = buffer.get_or_insert_with(|| CopyBuffer::new(context.pool.lend()));
                let filled = source.read(buffer.space(most), taken, context.now)?;
                if let Filled::Took(Took::Bytes(bytes)) = filled {
                    buffer.filled(bytes);
                }
                filled
            }
            Supply::Pulled(source, Load::Splice(between)) => {
                let Some((descriptor, limit)) = source.raw() else {
                    // It was resumed, and goes on in chunks now.
                    if !between.is_full_rather_than_starved() {
                        self.copy();
                    }
                    return Ok(Outcome::Go);
                };
                let limit = most.min(usize::try_from(limit).unwrap_or(usize::MAX));
                let answer = match limit {
                    0 => Ok(0),
                    limit => splice_bytes(&descriptor, &between.writer, limit),
                };
                match answer {
                    Err(errno) if is_to_copy(errno) && between.held() == 0 => {
                        self.fall_back(errno);
                        return Ok(Outcome::Go);
                    }
                    Err(Errno::EAGAIN) if between.is_full_rather_than_starved() => {
                        return Ok(Outcome::Go);
                    }
                    answer => {
                        let answer = answer.map_err(Into::into);
                        let took = source.spliced(answer, taken, context.now)?;
                        if let Took::Bytes(bytes) = took {
                            between.filled(bytes);
                        }
                        took.into()
                    }
                }
            }
            Supply::Pulled(_, Load::Direct) | Supply::Fed(_) => {
                return Err(TransferError::Bug("a fill of a carrier that has no room"));
            }
        };
        match filled {
            Filled::Took(took) => self.took(took),
            Filled::Ahead(bytes) => {
                self.transfer.gathered(bytes);
                Ok(Outcome::Go)
            }
        }
    }

    /// Tells the transfer what a fill came to.
    fn took(&mut self, took: Took) -> Result<Outcome, TransferError> {
        match took {
            Took::Bytes(bytes) => {
                if let Some(far) = self.far_mut() {
                    far.moved(bytes);
                }
                self.transfer.filled(bytes);
            }
            Took::Blocked => self.transfer.source_blocked(),
            Took::Ended => self.transfer.source_ended(),
            Took::Broken => {
                self.transfer.source_blocked();
                return Ok(Outcome::Broken);
            }
        }
        Ok(Outcome::Go)
    }

    /// From the carrier into the sink.
    pub(super) fn drain(
        &mut self,
        most: usize,
        context: &Context<'_>,
    ) -> Result<Outcome, TransferError> {
        let gave = match &mut self.supply {
            Supply::Fed(spool) => {
                let front = spool.front().map_err(TransferError::Spool)?;
                let gave = self.sink.write(front)?;
                if let Gave::Bytes(bytes) = gave {
                    spool.drained(bytes);
                }
                gave
            }
            Supply::Pulled(Source::Far(far), _) if far.ring().is_some() => {
                let front = far.ring().map(Ring::front).unwrap_or_default();
                let gave = self.sink.write(front.get(..most).unwrap_or(front))?;
                if let Gave::Bytes(bytes) = gave
                    && far.drained(bytes)
                {
                    self.transfer.source_became_ready(Room::Bytes(1));
                }
                gave
            }
            Supply::Pulled(_, Load::Copy(Some(buffer))) => {
                let gave = self.sink.write(buffer.held())?;
                if let Gave::Bytes(bytes) = gave {
                    buffer.drained(bytes);
                }
                gave
            }
            Supply::Pulled(_, Load::Splice(between)) => {
                let held = most.min(between.held());
                let gave = match self.sink.splice(&between.reader, held, context.now)? {
                    Spliced::Gave(gave) => gave,
                    Spliced::Unfit(errno) => {
                        let buffer = between.rescue(context.pool);
                        let buffer = buffer.map_err(|errno| TransferError::Pipe(errno.into()))?;
                        self.fall_back(errno);
                        if let Supply::Pulled(_, load) = &mut self.supply {
                            *load = Load::Copy(Some(buffer));
                        }
                        return Ok(Outcome::Go);
                    }
                };
                if let Gave::Bytes(bytes) = gave {
                    between.drained(bytes);
                }
                gave
            }
            Supply::Pulled(_, Load::Direct | Load::Copy(None)) => {
                return Err(TransferError::Bug("a drain of a carrier that holds nothing"));
            }
        };
        match gave {
            Gave::Bytes(0) => Err(TransferError::Bug("a write of nothing")),
            Gave::Bytes(bytes) => {
                self.transfer.drained(bytes);
                self.last_byte = context.now;
                Ok(Outcome::Go)
            }
            Gave::Blocked => {
                self.transfer.sink_blocked();
                Ok(Outcome::Go)
            }
            Gave::Refused => Ok(Outcome::Refused),
        }
    }

    /// From end to end.
    pub(super) fn splice_through(
        &mut self,
        most: usize,
        context: &Context<'_>,
    ) -> Result<Outcome, TransferError> {
        let taken = self.transfer.taken();
        let Supply::Pulled(source, _) = &mut self.supply else {
            return Err(TransferError::Bug("a move out of a spool"));
        };
        let Some((descriptor, limit)) = source.raw() else {
            // It was resumed, and goes on in chunks now.
            self.copy();
            return Ok(Outcome::Go);
        };
        let Some(sink) = self.sink.raw() else {
            // A FIFO without a reader: the reader's coming is its edge.
            self.transfer.move_blocked();
            return Ok(Outcome::Go);
        };
        let limit = most.min(PIPE_BYTES).min(usize::try_from(limit).unwrap_or(usize::MAX));
        let answer = match limit {
            0 => Ok(0),
            limit => splice_bytes(&descriptor, &sink, limit),
        };
        match answer {
            Err(Errno::EAGAIN) if !source.is_pipe() => {
                // The errno does not say which end it was. A pipe that is full is: its reader's next
                // read is an edge. One that has room may have been full a moment ago.
                match self.sink.has_room() {
                    false => self.transfer.sink_blocked(),
                    true => self.transfer.move_blocked(),
                }
                return Ok(Outcome::Go);
            }
            Err(errno) if is_to_copy(errno) => {
                self.fall_back(errno);
                return Ok(Outcome::Go);
            }
            Err(errno) if is_the_sinks(errno, source) => {
                return match Gave::judge(answer) {
                    Ok(_) => Ok(Outcome::Refused),
                    Err(errno) => Err(TransferError::Write(errno.into())),
                };
            }
            _ => {}
        }
        match source.spliced(answer.map_err(Into::into), taken, context.now)? {
            Took::Bytes(bytes) => {
                if let Some(far) = self.far_mut() {
                    far.moved(bytes);
                }
                self.transfer.moved(bytes);
                self.last_byte = context.now;
                if bytes < limit {
                    self.after_short_move()?;
                }
            }
            Took::Blocked => self.transfer.move_blocked(),
            Took::Ended => self.transfer.source_ended(),
            Took::Broken => {
                self.transfer.source_blocked();
                return Ok(Outcome::Broken);
            }
        }
        Ok(Outcome::Go)
    }

    /// A move out of a socket that gathers gave less than was asked for: waits for the end that it was
    /// for, rather than for a segment at a time. A short splice may be for want of the pipe's slots
    /// as well, so both ends are asked. Where the socket has much, in spite of that, it is tried
    /// again; where it has little its window is open. It is looked at soon anyway (`low_water`), for
    /// its end may have come before, which is no edge any more.
    fn after_short_move(&mut self) -> Result<(), TransferError> {
        let Some(far) = self.far() else { return Ok(()) };
        let Some(socket) = far.gathers() else { return Ok(()) };
        if !self.sink.has_room() {
            self.transfer.sink_blocked();
        } else if far.is_little(unread(&socket).map_err(TransferError::Unread)?) {
            self.transfer.source_blocked();
        }
        Ok(())
    }

    /// Goes on with a buffer, since the kernel does not splice this pair.
    pub(super) fn fall_back(&mut self, errno: Errno) {
        tracing::debug!(transfer = self.id, %errno, "this pair cannot be spliced, copying");
        self.copy();
    }

    fn copy(&mut self) {
        self.clear();
        self.carrier = Carrier::Copy;
    }
}
