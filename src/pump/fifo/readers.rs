//! The readers of an input FIFO, as a pure state machine: it is told what inotify saw and what is the
//! case, and says what to do.
//!
//! It knows neither descriptors nor bytes. inotify tells in which order things happened; *what is the
//! case* is asked of the FIFO: how many bytes of the reading are in it, and whether anybody has it open
//! for reading. The kernel keeps this order, on which everything here rests:
//!
//! - A reader counts as one before its open(2) is told, and reads only after that.
//! - A reader's close(2) is told before it counts as one no more.
//! - So whoever asks what is the case, and then hears what inotify has to tell, has heard of everybody
//!   who can have taken a byte by the time of the question.
//!
//! What is told is not complete: an opening may be told as one with another that was told just before, also with one of
//! ours, and what was told while we opened an end ourselves is thrown away (see `input`). So nobody is ever waited for whose
//! opening is only believed to come: who is there is *found*, by what is the case, and is untold until more is heard of it.
//!
//! | state | our end | opened | closed, nobody opened since | closed, somebody opened since | events were lost | `EPIPE` | the source has ended |
//! |---|---|---|---|---|---|---|---|
//! | `Held` | open, and held | try: `Read` | | | as in `Read`, or `Parked` | | wait |
//! | `Parked` | open | try: `Read` | | | as in `Read` | | wait |
//! | `Read` | open | overlap, unless it is untold | as `EPIPE`; with another reader untold, or overlap if bytes are missing | `Parked`, or overlap if it has read | as `EPIPE` | all there: `Parked`; else renew | close: `Ended`; wait while it is untold and has not read |
//! | `Ended` | closed | overlap, unless the one before took nothing | renew | `Ended` with nobody, or overlap if it has read | | | |
//! | `Awaiting` | open, nothing in it | next: `Read` | | | next: `Read` | | |
//! | `InThread` | none: a thread waits in open(2) | | | | | | wait |
//! | `Once` | open | | | | | over | close |
//!
//! *Try*: the sink takes bytes. *Next*: the next reading begins at the first byte. *Overlap*: a reader
//! may have got the middle of the file, which cannot be mended: the run fails. *Renew*: a reading is over;
//! what it left is thrown away and the FIFO held for the next one (see `input`).

/// Who reads a FIFO, as far as is known.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first reader. Both ends are ours.
    Held,
    /// Nobody reads, or nobody that was told of. Whatever was written is in the FIFO.
    Parked,
    /// Somebody reads.
    Read(Reading),
    /// Everything is in the FIFO and our end is closed. Nobody can open it now, but somebody may have
    /// just before.
    Ended {
        /// Somebody is known to read it.
        is_read: bool,
        reading: Reading,
        /// Our end was closed, and all was heard that had happened until then.
        is_sealed: bool,
    },
    /// A reading is over, nothing is in the FIFO, and the next reader may come.
    Awaiting,
    /// inotify is not to be had: a thread waits for the reader.
    InThread,
    /// The reader that a thread waited for. Nobody tells of another.
    Once,
    /// That one is over.
    Over,
}

/// What is known of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Reading {
    /// It was found there, and its opening may still be told.
    is_untold: bool,
    /// It has taken a byte.
    is_read_from: bool,
}

impl Reading {
    /// It was found there, and nothing says that it is there to read.
    fn is_in_doubt(self, case: Case) -> bool {
        self.is_untold && !self.is_read_from && case.unread == case.written
    }
}

/// Something that was told of a FIFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Somebody's open has returned.
    Opened,
    /// Somebody has read from it.
    Read,
    /// A reader has closed it, and nobody is known to have opened it since.
    Closed,
    /// A reader has closed it, and somebody has opened it since.
    Followed,
    /// Something, but it was lost what.
    Lost,
    /// A write was answered with `EPIPE`.
    Refused,
}

/// What is the case, asked after the thing was told and before all else that happened by then was heard.
/// Of a FIFO whose end we do not have nothing can be asked: its values are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    /// Bytes of this reading that went in.
    pub(crate) written: u64,
    /// Bytes that are in it.
    pub(crate) unread: u64,
    /// Whether anybody has it open for reading. Asked after `unread`.
    pub(crate) has_reader: bool,
}

/// What to do about it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing.
    Nothing,
    /// Nothing more needs to be told of reads, until this reading is over.
    MuteReads,
    /// Let go of the reading end, and try the sink again: its reader has come.
    TryAgain,
    /// The next reader has come: begin at the first byte.
    Next,
    /// This reading is over: throw away what it left, and hold the FIFO for the next.
    Renew,
    /// This reading is over, and there is no other.
    Over,
    /// Two had it open, or a second came where the first had left off.
    Overlap,
}

/// What to do when the source has given everything, and it is all in the FIFO.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtTheEnd {
    /// Close our end behind the last byte.
    Close,
    /// It stays there for a reader that is yet to be heard of.
    Wait,
    /// Something else comes first.
    First(Order),
}

impl Readers {
    /// Of a FIFO that is held, and watched.
    pub(crate) fn held() -> Self {
        Self { state: State::Held }
    }

    /// Of a FIFO that cannot be watched.
    pub(crate) fn in_thread() -> Self {
        Self { state: State::InThread }
    }

    /// The thread's open has returned: a reader is there.
    pub(crate) fn opened_by_thread(&mut self) {
        self.state = State::Once;
    }

    /// Whether the sink takes bytes.
    pub(crate) fn takes_bytes(&self) -> bool {
        matches!(self.state, State::Held | State::Read(_) | State::Once)
    }

    /// Whether no reader has come so far.
    pub(crate) fn are_none_yet(&self) -> bool {
        matches!(self.state, State::Held | State::InThread)
    }

    /// Whether the reader that is there may be the one whose closing was told.
    pub(crate) fn are_in_doubt(&self) -> bool {
        matches!(self.state, State::Read(reading) if reading.is_untold && !reading.is_read_from)
    }

    /// Whether a thread has to wait for the reader.
    pub(crate) fn need_a_thread(&self) -> bool {
        self.state == State::InThread
    }

    /// Something was told; says what to do.
    pub(crate) fn told(&mut self, told: Told, case: Case) -> Order {
        match told {
            Told::Opened => self.opened(case),
            Told::Read => self.read_from(),
            Told::Closed => self.closed(case),
            Told::Followed => self.followed(),
            Told::Lost => self.lost(case),
            Told::Refused => self.refused(case),
        }
    }

    fn opened(&mut self, case: Case) -> Order {
        match &mut self.state {
            State::Held | State::Parked => self.read_by(Reading::default(), Order::TryAgain),
            // One that has left again is as if it had not come.
            State::Awaiting if !case.has_reader => Order::Nothing,
            State::Awaiting => self.read_by(Reading::default(), Order::Next),
            // Who has read was told of before: this is another.
            State::Read(reading) if reading.is_read_from => Order::Overlap,
            State::Read(reading) => match std::mem::take(&mut reading.is_untold) {
                true => Order::TryAgain,
                false => Order::Overlap,
            },
            State::Ended { is_read, reading, is_sealed } => {
                if std::mem::take(&mut reading.is_untold) {
                    return Order::Nothing;
                }
                // It was there before our end closed. Beside another, or after another has read, it
                // gets the rest of the file, or nothing; behind a look, all of it. One that is not
                // heard of at once may have opened without waiting for a writer.
                if *is_read || reading.is_read_from || *is_sealed {
                    return Order::Overlap;
                }
                *is_read = true;
                Order::Nothing
            }
            State::InThread | State::Once | State::Over => Order::Nothing,
        }
    }

    fn read_by(&mut self, reading: Reading, order: Order) -> Order {
        self.state = State::Read(reading);
        order
    }

    fn read_from(&mut self) -> Order {
        match &mut self.state {
            State::Read(reading) | State::Ended { reading, .. } => {
                let was_in_doubt = reading.is_untold && !reading.is_read_from;
                reading.is_read_from = true;
                if was_in_doubt { Order::TryAgain } else { Order::MuteReads }
            }
            // Its opening was told as one with that of somebody who has left.
            State::Parked => {
                self.read_by(Reading { is_untold: false, is_read_from: true }, Order::TryAgain)
            }
            _ => Order::Nothing,
        }
    }

    fn closed(&mut self, case: Case) -> Order {
        match self.state {
            State::Read(_) if !case.has_reader => self.refused(case),
            // Who was found may be another than the one that has closed it.
            State::Read(reading) if reading.is_untold && !reading.is_read_from => Order::Nothing,
            // Somebody else is inside open(2). Nothing is lost if the one that left took nothing.
            State::Read(reading) => {
                if reading.is_read_from || case.unread != case.written {
                    return Order::Overlap;
                }
                // Its opening is still to be told, or was told as one with another.
                self.state = State::Read(Reading { is_untold: true, is_read_from: false });
                Order::Nothing
            }
            State::Ended { .. } => Order::Renew,
            _ => Order::Nothing,
        }
    }

    fn followed(&mut self) -> Order {
        match &mut self.state {
            // The follower came while our end was open, and reads what the other one has left.
            State::Read(reading) | State::Ended { reading, .. } if reading.is_read_from => {
                Order::Overlap
            }
            State::Read(_) => {
                self.state = State::Parked;
                Order::Nothing
            }
            State::Ended { is_read, reading, .. } => {
                (*is_read, reading.is_untold) = (false, false);
                Order::Nothing
            }
            _ => Order::Nothing,
        }
    }

    /// Nobody knows what happened: goes by what is the case.
    fn lost(&mut self, case: Case) -> Order {
        let found = Reading { is_untold: true, is_read_from: false };
        match &mut self.state {
            State::Held | State::Parked if case.has_reader => self.read_by(found, Order::TryAgain),
            State::Held | State::Parked => {
                self.state = State::Read(found);
                self.refused(case)
            }
            State::Awaiting if case.has_reader => self.read_by(found, Order::Next),
            State::Read(reading) if case.has_reader => {
                reading.is_untold = true;
                Order::Nothing
            }
            State::Read(_) => self.refused(case),
            State::Ended { is_read, reading, .. } => {
                (*is_read, reading.is_untold) = (false, false);
                Order::Nothing
            }
            State::Awaiting | State::InThread | State::Once | State::Over => Order::Nothing,
        }
    }

    fn refused(&mut self, case: Case) -> Order {
        match self.state {
            // The one that left is known to have left, and this one has come since.
            State::Read(_) if case.has_reader => Order::TryAgain,
            // It opened and closed (a test whether the file is there): as if it had never come.
            State::Read(_) if case.unread == case.written => {
                self.state = State::Parked;
                Order::Nothing
            }
            State::Read(_) => Order::Renew,
            State::Once if case.has_reader => Order::Overlap,
            State::Once => {
                self.state = State::Over;
                Order::Over
            }
            _ => Order::Nothing,
        }
    }

    /// The source has given everything, and it is all in the FIFO.
    pub(crate) fn source_ended(&mut self, case: Case) -> AtTheEnd {
        let has_taken_all = case.unread == 0 && case.written > 0;
        match self.state {
            State::Read(_) | State::Once if !case.has_reader && !has_taken_all => {
                match self.refused(case) {
                    Order::Nothing => AtTheEnd::Wait,
                    order => AtTheEnd::First(order),
                }
            }
            // Who is still there may be the one whose closing was told. One that reads is told of.
            State::Read(reading) if reading.is_in_doubt(case) && case.written > 0 => AtTheEnd::Wait,
            State::Read(mut reading) => {
                reading.is_read_from |= case.unread != case.written;
                self.state = State::Ended { is_read: true, reading, is_sealed: false };
                AtTheEnd::Close
            }
            State::Once => {
                self.state = State::Over;
                AtTheEnd::Close
            }
            _ => AtTheEnd::Wait,
        }
    }

    /// All was heard that had happened when our end was closed.
    pub(crate) fn seal(&mut self) {
        if let State::Ended { is_sealed, .. } = &mut self.state {
            *is_sealed = true;
        }
    }

    /// Our end is closed, and whoever was known to read has closed it, too: what to do with the `unread`
    /// of `written` bytes that are still in it. `is_followed`: somebody has opened it since.
    pub(crate) fn left_over(&mut self, unread: u64, written: u64, is_followed: bool) -> LeftOver {
        // With nobody left it would be gone.
        if unread == written && written > 0 {
            self.state = State::Parked;
            return LeftOver::Keep;
        }
        if is_followed { LeftOver::Leave } else { LeftOver::ThrowAway }
    }

    /// What a reading left was thrown away: `gone` bytes, where there had been `unread`.
    /// `is_followed`: somebody opened the FIFO meanwhile although it had no writer.
    pub(crate) fn renewed(&mut self, gone: u64, unread: u64, is_followed: bool) -> Order {
        // Who took any of that has the middle of the file; who had no writer may have seen an end.
        if gone != unread || is_followed {
            return Order::Overlap;
        }
        self.state = State::Awaiting;
        Order::Over
    }
}

/// What to do with the bytes that a reading left behind a closed end.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOver {
    /// Nobody has taken any: open our end again, and keep them for whoever holds the FIFO.
    Keep,
    /// Somebody has come who reads them.
    Leave,
    /// Throw them away.
    ThrowAway,
}
