//! One transfer as a pure state machine: it is told what happened and says what to do next.
//!
//! It knows neither descriptors nor bytes, only whether each end was last seen ready and how much
//! lies between them. [`Transfer::next`] names a step, the driver tries it and tells the outcome
//! with one of the `…ed` calls. A step is named only if it can make progress, and
//! [`Step::Wait`] only if each end that matters has answered that it would block since it was last
//! seen ready: edges come once, so what was ready stays ready until it says otherwise. (Of a socket
//! that gathers the driver says so by itself, and looks again soon.)

use crate::sys::pipe::PIPE_BYTES;

/// Where the transfer of one source into one sink stands.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    source: Source,
    sink: Sink,
    /// A move blocked, and nobody knows at which end.
    is_in_doubt: bool,
    held: u64,
    delivered: u64,
    budget: usize,
    drain_budget: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Ready,
    Blocked,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    Ready,
    Blocked,
}

/// What lies between the ends, as the carrier says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// Nothing: bytes go from end to end in one call.
    Direct,
    /// Room for so many bytes more.
    Bytes(usize),
}

/// What to do next.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Take up to so many bytes from the source into the carrier.
    Fill(usize),
    /// Give up to so many bytes from the carrier to the sink.
    Drain(usize),
    /// Move up to so many bytes from end to end.
    Move(usize),
    /// Nothing can be done until an end becomes ready.
    Wait,
    /// More can be done, but it is the others' turn.
    Yield,
    /// The source has ended and the sink has everything.
    Finish,
}

/// How many bytes one transfer may take from its source in a turn, before the others come, and how
/// many it may give to its sink: a spool may hold far more than a turn's worth.
pub(crate) const TURN_BYTES: usize = 4 << 20;

/// What a step may always move, so that the end of a budget cuts no pipe's worth in two: the two
/// pieces would be two in every turn that follows.
pub(crate) const STEP_BYTES: usize = PIPE_BYTES;

impl Transfer {
    pub(crate) fn new() -> Self {
        Self {
            source: Source::Ready,
            sink: Sink::Ready,
            is_in_doubt: false,
            held: 0,
            delivered: 0,
            budget: TURN_BYTES,
            drain_budget: TURN_BYTES,
        }
    }

    /// Begins a turn: the byte budget is whole again.
    pub(crate) fn begin_turn(&mut self) {
        (self.budget, self.drain_budget) = (TURN_BYTES, TURN_BYTES);
    }

    /// Says the next step.
    pub(crate) fn next(&self, room: Room) -> Step {
        match room {
            Room::Direct => self.next_direct(),
            Room::Bytes(room) => self.next_through(room),
        }
    }

    fn next_direct(&self) -> Step {
        debug_assert_eq!(self.held, 0, "a direct carrier holds nothing");
        match (self.source, self.sink) {
            (Source::Ended, _) => Step::Finish,
            (Source::Ready, Sink::Ready) if self.budget == 0 => Step::Yield,
            (Source::Ready, Sink::Ready) => Step::Move(self.budget.max(STEP_BYTES)),
            _ => Step::Wait,
        }
    }

    fn next_through(&self, room: usize) -> Step {
        if self.held > 0 && self.sink == Sink::Ready {
            let held = usize::try_from(self.held).unwrap_or(usize::MAX);
            return match self.drain_budget {
                0 => Step::Yield,
                budget => Step::Drain(held.min(budget.max(STEP_BYTES))),
            };
        }
        match self.source {
            Source::Ended if self.held == 0 => Step::Finish,
            Source::Ready if room > 0 && self.budget == 0 => Step::Yield,
            Source::Ready if room > 0 => Step::Fill(room.min(self.budget.max(STEP_BYTES))),
            _ => Step::Wait,
        }
    }

    /// The source gave bytes to the carrier.
    pub(crate) fn filled(&mut self, bytes: usize) {
        debug_assert!(bytes > 0, "zero bytes are an end or a block, not a fill");
        self.held += bytes as u64;
        self.budget = self.budget.saturating_sub(bytes);
    }

    /// The source gave bytes that are not next in their order: they will be told of when they are.
    pub(crate) fn gathered(&mut self, bytes: usize) {
        debug_assert!(bytes > 0, "zero bytes are an end or a block");
        self.budget = self.budget.saturating_sub(bytes);
    }

    /// The sink took bytes from the carrier.
    pub(crate) fn drained(&mut self, bytes: usize) {
        debug_assert!(bytes as u64 <= self.held, "drained {bytes} of {} held", self.held);
        self.held = self.held.saturating_sub(bytes as u64);
        self.delivered += bytes as u64;
        self.drain_budget = self.drain_budget.saturating_sub(bytes);
    }

    /// Bytes went from end to end.
    pub(crate) fn moved(&mut self, bytes: usize) {
        debug_assert!(bytes > 0, "zero bytes are an end or a block, not a move");
        self.delivered += bytes as u64;
        self.budget = self.budget.saturating_sub(bytes);
    }

    /// The source has nothing now.
    pub(crate) fn source_blocked(&mut self) {
        if self.source == Source::Ready {
            self.source = Source::Blocked;
        }
    }

    /// The source has nothing any more.
    pub(crate) fn source_ended(&mut self) {
        self.source = Source::Ended;
    }

    /// The sink has no room now.
    pub(crate) fn sink_blocked(&mut self) {
        self.sink = Sink::Blocked;
    }

    /// A move would block, and the kernel does not say at which end: either may be the one, so an
    /// edge of either is worth another try.
    pub(crate) fn move_blocked(&mut self) {
        self.source_blocked();
        self.sink_blocked();
        self.is_in_doubt = true;
    }

    /// An edge came from the source, or it was replaced.
    pub(crate) fn source_became_ready(&mut self, room: Room) {
        if self.source == Source::Blocked {
            self.source = Source::Ready;
        }
        if std::mem::take(&mut self.is_in_doubt) && room == Room::Direct {
            self.sink = Sink::Ready;
        }
    }

    /// An edge came from the sink.
    pub(crate) fn sink_became_ready(&mut self, room: Room) {
        self.sink = Sink::Ready;
        let was_in_doubt = std::mem::take(&mut self.is_in_doubt);
        if was_in_doubt && room == Room::Direct && self.source == Source::Blocked {
            self.source = Source::Ready;
        }
    }

    /// Whether the source has nothing any more.
    pub(crate) fn has_source_ended(&self) -> bool {
        self.source == Source::Ended
    }

    /// Whether it waits for an edge of the source.
    pub(crate) fn waits_for_source(&self) -> bool {
        self.source == Source::Blocked
    }

    /// Whether it waits for bytes, rather than for room.
    pub(crate) fn is_starved(&self) -> bool {
        self.source == Source::Blocked && self.held == 0
    }

    /// Whether the sink has everything so far, and was ready for more when last seen.
    pub(crate) fn is_drained(&self) -> bool {
        self.held == 0 && self.sink == Sink::Ready
    }

    /// Whether the source has ended and the sink has everything.
    pub(crate) fn is_complete(&self) -> bool {
        self.source == Source::Ended && self.held == 0
    }

    /// Bytes taken from the source that the sink does not have yet.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// Bytes that the sink took.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Bytes that the source gave: where it goes on after an interruption.
    pub(crate) fn taken(&self) -> u64 {
        self.delivered + self.held
    }
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
