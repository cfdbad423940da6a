//! Where a body stands, and whether it may end here. Pure.

use super::chunked::{ChunkError, Decoded, Decoder};
use super::head::Framing;

/// The progress of one body.
#[derive(Debug)]
pub(crate) struct Course {
    kind: Kind,
    received: u64,
    expected: Option<u64>,
}

#[derive(Debug)]
enum Kind {
    /// Ends when all that is expected was received.
    Length,
    /// Ends with a chunk of size zero.
    Chunked { decoder: Decoder, ended: bool },
    /// Ends when the peer closes.
    UntilClose { closed: bool },
}

/// Why a body cannot be what was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ended too early.
    Truncated,
    /// There is more of it than was announced.
    TooLong,
    /// The chunks are bad.
    Chunk(ChunkError),
}

impl Course {
    /// Starts; `expected` is what a length, or a range, says.
    pub(crate) fn new(framing: Framing, expected: Option<u64>) -> Self {
        let kind = match (framing, expected) {
            (Framing::Chunked, _) => Kind::Chunked { decoder: Decoder::default(), ended: false },
            (Framing::Length(_), _) | (Framing::UntilClose, Some(_)) => Kind::Length,
            (Framing::UntilClose, None) => Kind::UntilClose { closed: false },
        };
        let expected = match framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => expected,
        };
        Self { kind, received: 0, expected }
    }

    /// Bytes received.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Bytes that were announced, if they were.
    pub(crate) fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// Bytes still to come, if they were announced.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.expected.map(|expected| expected.saturating_sub(self.received))
    }

    /// Whether the bytes on the connection are the body's own, with nothing between them.
    pub(crate) fn is_bare(&self) -> bool {
        !matches!(self.kind, Kind::Chunked { .. })
    }

    /// Whether the body is over.
    pub(crate) fn is_ended(&self) -> bool {
        match self.kind {
            Kind::Length => self.remaining() == Some(0),
            Kind::Chunked { ended, .. } => ended,
            Kind::UntilClose { closed } => closed,
        }
    }

    /// Whether the body ends before its connection does.
    pub(crate) fn has_an_end(&self) -> bool {
        !matches!(self.kind, Kind::UntilClose { .. })
    }

    /// The most bytes of the connection that may be taken at once.
    pub(crate) fn room(&self, space: usize) -> usize {
        match (&self.kind, self.remaining()) {
            (Kind::Length, Some(left)) => usize::try_from(left).unwrap_or(usize::MAX).min(space),
            _ => space,
        }
    }

    /// Told of bytes that were taken past us; no more than [`room`](Self::room) allows.
    pub(crate) fn passed(&mut self, bytes: u64) {
        debug_assert!(self.is_bare() && self.remaining().is_none_or(|left| bytes <= left));
        self.received = self.received.saturating_add(bytes);
    }

    /// Makes payload of what was read from the connection, in place at the front of `buf`.
    pub(crate) fn decode(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        let Kind::Chunked { decoder, ended } = &mut self.kind else {
            self.passed(buf.len() as u64);
            return Ok(buf.len());
        };
        let Decoded { payload, ended: at_end } = decoder.decode(buf).map_err(Fault::Chunk)?;
        *ended = at_end;
        self.received = self.received.saturating_add(payload as u64);
        match self.expected {
            Some(expected) if self.received > expected => Err(Fault::TooLong),
            Some(expected) if at_end && self.received < expected => Err(Fault::Truncated),
            _ => Ok(payload),
        }
    }

    /// Told that the peer has closed the connection; `clean` if nobody can have cut it.
    pub(crate) fn closed(&mut self, clean: bool) -> Result<(), Fault> {
        if self.is_ended() {
            return Ok(());
        }
        match &mut self.kind {
            Kind::UntilClose { closed } if clean => {
                *closed = true;
                Ok(())
            }
            _ => Err(Fault::Truncated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_ends_by_itself_and_not_with_the_connection() {
        let mut course = Course::new(Framing::Length(5), Some(5));
        assert_eq!((course.room(3), course.room(9), course.remaining()), (3, 5, Some(5)));
        assert_eq!(course.decode(&mut [0; 3]), Ok(3));
        assert_eq!(course.closed(true), Err(Fault::Truncated));
        course.passed(2);
        assert!(course.is_ended() && course.closed(false).is_ok());
        assert!(Course::new(Framing::Length(0), Some(0)).is_ended());
    }

    #[test]
    fn until_close_needs_a_close_that_nobody_can_have_forged() {
        let mut course = Course::new(Framing::UntilClose, None);
        course.passed(3);
        assert_eq!(course.closed(false), Err(Fault::Truncated));
        assert!(!course.is_ended());
        assert_eq!(course.closed(true), Ok(()));
        assert!(course.is_ended());
    }

    #[test]
    fn a_range_bounds_a_body_until_close() {
        let mut course = Course::new(Framing::UntilClose, Some(4));
        assert_eq!(course.closed(true), Err(Fault::Truncated));
        course.passed(4);
        assert!(course.is_ended());
    }

    #[test]
    fn chunks_end_with_their_last_and_must_be_what_a_range_promised() {
        let mut course = Course::new(Framing::Chunked, None);
        assert!(!course.is_bare());
        assert_eq!(course.decode(&mut b"2\r\nab\r\n".to_vec()), Ok(2));
        assert_eq!(course.closed(true), Err(Fault::Truncated));
        assert_eq!(course.decode(&mut b"0\r\n\r\n".to_vec()), Ok(0));
        assert!(course.is_ended());
        let whole = b"2\r\nab\r\n0\r\n\r\n";
        let with = |expected| Course::new(Framing::Chunked, Some(expected));
        assert_eq!(with(2).decode(&mut whole.to_vec()), Ok(2));
        assert_eq!(with(3).decode(&mut whole.to_vec()), Err(Fault::Truncated));
        assert_eq!(with(1).decode(&mut whole.to_vec()), Err(Fault::TooLong));
    }
}
