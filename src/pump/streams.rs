//! The container's standard output and error: read at once, taken apart, given to their transfers.
//!
//! Nothing that happens to a sink holds this reader up: what a sink does not take at once is
//! spooled. The engine stalls a container whose output is not read, and throws away what is left
//! two seconds after its exit.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::errno::Errno;

use crate::pump::attention::Attention;
use crate::pump::carrier::pool::Pool;
use crate::pump::courtesy::Courtesy;
use crate::pump::error::TransferError;
use crate::pump::report::{Finish, OutputEnd};
use crate::sys::uninterrupted;

/// How much one read takes at most, so that it stays in the cache until it is taken apart.
const READ_BYTES: usize = 256 << 10;

/// How much is read before others have their turn.
const TURN_BYTES: usize = 4 << 20;

/// How many pieces are given at once, at most: `IOV_MAX`, which is what writev(2) takes.
const MOST_PIECES: usize = 1024;

/// How long after the container's exit a silent connection is given to come to its end. The
/// engine's own wait for a container's output is two seconds.
const SILENCE_AFTER_EXIT: Duration = Duration::from_secs(10);

/// A connection that carries a container's output.
#[non_exhaustive]
pub struct Attach {
    /// The socket; it must not block.
    pub socket: OwnedFd,
    /// What was read from it already.
    pub read_ahead: Bytes,
    /// What takes its bytes apart.
    pub split: Box<dyn Split>,
    /// Its end is the output's only when the container has exited.
    goes_on: bool,
}

impl Attach {
    /// A socket that does not block, what was read from it already, and what takes its bytes apart.
    pub fn new(socket: OwnedFd, read_ahead: Bytes, split: Box<dyn Split>) -> Self {
        Self { socket, read_ahead, split, goes_on: false }
    }

    /// An end of the connection before the container's exit, and one that may have cost bytes, is told
    /// ([`Notice::OutputBrokeOff`](super::Notice::OutputBrokeOff)), and another connection may take its place:
    /// [`Flow::output_goes_on`](super::Flow::output_goes_on).
    #[must_use]
    pub fn that_may_go_on(mut self) -> Self {
        self.goes_on = true;
        self
    }
}

/// A connection that takes the place of one that broke off.
#[derive(Debug)]
pub struct Successor {
    /// The socket; it must not block.
    pub socket: OwnedFd,
    /// What was read from it already.
    pub read_ahead: Bytes,
    /// What it brings.
    pub brings: Brings,
}

/// What a connection brings that takes another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Brings {
    /// The output from its first byte on: what was given already is passed over.
    Everything,
    /// What is written from now on. What was written before may be lost.
    WhatComes,
}

/// Takes the bytes of a connection apart, whatever pieces they come in.
pub trait Split: Send {
    /// The next piece at the start of `input`, which is not empty. Something must be consumed.
    ///
    /// # Errors
    /// The bytes are not what they should be.
    fn next<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, Box<dyn Error + Send + Sync>>;

    /// The connection has ended.
    ///
    /// # Errors
    /// It should not have: something is missing.
    fn end(&mut self) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// The connection has broken off, and another may take its place. Whether it was in one piece until
    /// then.
    fn broke_off(&mut self) -> bool {
        true
    }

    /// Another connection takes its place.
    fn goes_on(&mut self, _brings: Brings) {}

    /// Whether bytes of an outlet may be missing.
    fn may_lack(&self, _outlet: Outlet) -> bool {
        false
    }
}

/// A piece of a connection's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Whose it is, if anybody's.
    pub outlet: Option<Outlet>,
    /// What it holds; may be empty.
    pub payload: &'a [u8],
    /// How much of the input it is, payload and all.
    pub consumed: usize,
}

/// One of the container's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outlet {
    /// Standard output.
    StdOut,
    /// Standard error.
    StdErr,
}

/// How a turn ended.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flowing {
    Again,
    Wait,
    Ended,
    /// It did not end in time after the container's exit.
    GivenUp,
    /// Another connection may take its place.
    BrokeOff {
        end: OutputEnd,
    },
}

/// An attached container's output at work.
pub(crate) struct Streams {
    attach: Attach,
    last_byte: Option<Instant>,
    attention: Attention,
    /// The connection is over.
    broke_off: Option<OutputEnd>,
    /// Something is missing, or may be.
    lacks: bool,
}

impl Streams {
    pub(crate) fn new(attach: Attach) -> Self {
        Self {
            attach,
            last_byte: None,
            attention: Attention::new(Instant::now()),
            broke_off: None,
            lacks: false,
        }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.attach.socket.as_fd()
    }

    /// Another connection takes the place of the one that broke off.
    pub(crate) fn goes_on(&mut self, successor: Successor, now: Instant) {
        let Successor { socket, read_ahead, brings } = successor;
        self.attach.split.goes_on(brings);
        (self.attach.socket, self.attach.read_ahead) = (socket, read_ahead);
        (self.broke_off, self.attention) = (None, Attention::new(Instant::now()));
        if let Some(last_byte) = &mut self.last_byte {
            *last_byte = now;
        }
    }

    /// Something is missing, or may be.
    pub(crate) fn lacks(&mut self) {
        self.lacks = true;
    }

    /// The connection that is over had everything.
    pub(crate) fn was_all(&mut self) {
        if self.broke_off.is_some() {
            self.broke_off = Some(OutputEnd::Orderly);
        }
    }

    /// No other connection comes.
    pub(crate) fn gives_up(&mut self) {
        self.lacks = true;
        self.broke_off = Some(OutputEnd::Orderly);
        self.last_byte.get_or_insert_with(Instant::now);
    }

    /// How an outlet's transfer has ended, when the output has.
    pub(crate) fn finish(&self, outlet: Outlet) -> Finish {
        match self.lacks || self.attach.split.may_lack(outlet) {
            true => Finish::Incomplete,
            false => Finish::Complete,
        }
    }

    /// See [`read`](Self::read). What breaks a connection whose place another may take is no error.
    pub(crate) fn turn(
        &mut self,
        pool: &Pool,
        now: Instant,
        feed: impl FnMut(Outlet, &[IoSlice<'_>]),
    ) -> Result<Flowing, TransferError> {
        if !self.attach.goes_on {
            return self.read(pool, now, feed);
        }
        let end = match self.broke_off {
            Some(end) => end,
            None => match self.read(pool, now, feed) {
                Ok(Flowing::Ended) if !self.attach.split.broke_off() => OutputEnd::Torn,
                Ok(Flowing::Ended) if self.attention.is_in_doubt() => {
                    OutputEnd::Late { at: Instant::now() }
                }
                Ok(Flowing::Ended) => OutputEnd::Orderly,
                Ok(Flowing::GivenUp) => OutputEnd::Torn,
                Ok(goes_on) => return Ok(goes_on),
                Err(error) => {
                    tracing::warn!(?error, "the container's output broke off");
                    OutputEnd::Torn
                }
            },
        };
        if end == OutputEnd::Orderly && self.last_byte.is_some() {
            self.attach.split.end().or_else(|error| match self.lacks {
                true => Ok(()),
                false => Err(TransferError::Split(error)),
            })?;
            return Ok(Flowing::Ended);
        }
        match self.broke_off.replace(end) {
            None => Ok(Flowing::BrokeOff { end }),
            Some(_) => Ok(Flowing::Wait),
        }
    }

    /// Reads what there is, eight of the engine's frames at a time, into a buffer of `pool`, and gives
    /// the pieces to `feed`: those of one outlet that follow each other together.
    fn read(
        &mut self,
        pool: &Pool,
        now: Instant,
        mut feed: impl FnMut(Outlet, &[IoSlice<'_>]),
    ) -> Result<Flowing, TransferError> {
        let Attach { socket, read_ahead, split, goes_on } = &mut self.attach;
        take_apart(&mut **split, &std::mem::take(read_ahead), &mut feed)?;
        let mut lent = pool.lend();
        let most = lent.len().min(READ_BYTES);
        let buffer = lent.get_mut(..most).unwrap_or_default();
        let (mut budget, mut courtesy) = (TURN_BYTES, Courtesy::default());
        while budget > 0 {
            match uninterrupted(|| nix::unistd::read(&*socket, &mut *buffer)) {
                Ok(0) => {
                    if !*goes_on {
                        split.end().map_err(TransferError::Split)?;
                    }
                    return Ok(Flowing::Ended);
                }
                Ok(bytes) => {
                    self.attention.read(bytes, Instant::now());
                    budget = budget.saturating_sub(bytes);
                    courtesy.read(bytes);
                    if let Some(last_byte) = &mut self.last_byte {
                        *last_byte = now;
                    }
                    let input = buffer.get(..bytes).unwrap_or_default();
                    take_apart(&mut **split, input, &mut feed)?;
                }
                Err(Errno::EAGAIN) if courtesy.is_due() => std::thread::yield_now(),
                Err(Errno::EAGAIN) => {
                    self.attention.found_nothing(Instant::now());
                    let is_late = self.deadline().is_some_and(|deadline| deadline <= now);
                    return Ok(if is_late { Flowing::GivenUp } else { Flowing::Wait });
                }
                Err(errno) => return Err(TransferError::Read(io::Error::from(errno))),
            }
        }
        Ok(Flowing::Again)
    }

    /// The container has exited: from now on silence has a bound.
    pub(crate) fn container_exited(&mut self, now: Instant) {
        self.last_byte.get_or_insert(now);
    }

    /// When silence will have lasted too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.last_byte
            .filter(|_| self.broke_off.is_none())
            .map(|last_byte| last_byte + SILENCE_AFTER_EXIT)
    }
}

fn take_apart(
    split: &mut dyn Split,
    mut input: &[u8],
    feed: &mut impl FnMut(Outlet, &[IoSlice<'_>]),
) -> Result<(), TransferError> {
    let mut pieces = Vec::new();
    let mut of = Outlet::StdOut;
    let ended = loop {
        if input.is_empty() {
            break Ok(());
        }
        let piece = match split.next(input) {
            Ok(piece) => piece,
            Err(error) => break Err(TransferError::Split(error)),
        };
        if let (Some(outlet), false) = (piece.outlet, piece.payload.is_empty()) {
            if (outlet != of || pieces.len() == MOST_PIECES) && !pieces.is_empty() {
                feed(of, &pieces);
                pieces.clear();
            }
            of = outlet;
            pieces.push(IoSlice::new(piece.payload));
        }
        input = match input.get(piece.consumed..) {
            Some(rest) if piece.consumed > 0 => rest,
            _ => break Err(TransferError::Bug("a split that consumes nothing, or too much")),
        };
    };
    if !pieces.is_empty() {
        feed(of, &pieces);
    }
    ended
}

impl fmt::Debug for Attach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attach").field("socket", &self.socket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    struct Plain;

    impl Split for Plain {
        fn next<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, Box<dyn Error + Send + Sync>> {
            Ok(Piece { outlet: Some(Outlet::StdOut), payload: input, consumed: input.len() })
        }

        fn end(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
            Ok(())
        }
    }

    fn streams() -> (Streams, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let read_ahead = Bytes::from_static(b"ahead ");
        (Streams::new(Attach::new(ours.into(), read_ahead, Box::new(Plain))), theirs)
    }

    #[test]
    fn silence_after_the_exit_has_a_bound_and_every_byte_puts_it_off() {
        let (mut streams, mut theirs) = streams();
        let (exit, mut text) = (Instant::now(), Vec::new());
        let mut turn = |streams: &mut Streams, now| {
            let mut hear = |pieces: &[IoSlice<'_>]| {
                pieces.iter().for_each(|piece| text.extend_from_slice(piece));
            };
            streams.turn(&Pool::new(1), now, |_, pieces| hear(pieces)).unwrap()
        };
        // A container that runs may be silent for ever.
        assert_eq!(turn(&mut streams, exit + 100 * SILENCE_AFTER_EXIT), Flowing::Wait);
        assert_eq!(streams.deadline(), None);
        streams.container_exited(exit);
        let nearly = exit + SILENCE_AFTER_EXIT / 2;
        assert_eq!(turn(&mut streams, nearly), Flowing::Wait);
        theirs.write_all(b"last words").unwrap();
        assert_eq!(turn(&mut streams, nearly), Flowing::Wait);
        assert_eq!(turn(&mut streams, exit + SILENCE_AFTER_EXIT), Flowing::Wait);
        assert_eq!(streams.deadline(), Some(nearly + SILENCE_AFTER_EXIT));
        assert_eq!(turn(&mut streams, nearly + SILENCE_AFTER_EXIT), Flowing::GivenUp);
        assert_eq!(text, b"ahead last words");
    }

    /// Bytes below 128 are standard output's, each a piece of its own.
    struct Bytewise;

    impl Split for Bytewise {
        fn next<'a>(&mut self, input: &'a [u8]) -> Result<Piece<'a>, Box<dyn Error + Send + Sync>> {
            let outlet = match input[0] {
                b'!' => return Err("not a byte of ours".into()),
                byte if byte.is_ascii() => Outlet::StdOut,
                _ => Outlet::StdErr,
            };
            Ok(Piece { outlet: Some(outlet), payload: &input[..1], consumed: 1 })
        }

        fn end(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
            Ok(())
        }
    }

    #[test]
    fn pieces_of_one_outlet_that_follow_each_other_are_given_together() {
        let mut given = Vec::new();
        let mut feed = |outlet, pieces: &[IoSlice<'_>]| given.push((outlet, pieces.len()));
        take_apart(&mut Bytewise, b"ab\xff\xff\xffc", &mut feed).unwrap();
        take_apart(&mut Bytewise, &[b'a'; MOST_PIECES + 1], &mut feed).unwrap();
        // What came before an error is given.
        take_apart(&mut Bytewise, b"ab!", &mut feed).unwrap_err();
        let (out, err) = (Outlet::StdOut, Outlet::StdErr);
        assert_eq!(given, [(out, 2), (err, 3), (out, 1), (out, MOST_PIECES), (out, 1), (out, 2)]);
    }

    #[test]
    fn an_end_that_comes_late_with_bytes_waits_until_it_is_settled() {
        for was_all in [true, false] {
            let (mut streams, mut theirs) = streams();
            streams.attach = streams.attach.that_may_go_on();
            let now = Instant::now();
            streams.attention = Attention::new(now.checked_sub(SILENCE_AFTER_EXIT).unwrap());
            theirs.write_all(&[b'a'; 1 << 12]).unwrap();
            drop(theirs);
            let turn = |streams: &mut Streams| streams.turn(&Pool::new(1), now, |_, _| {}).unwrap();
            let ended = turn(&mut streams);
            let is_late = matches!(ended, Flowing::BrokeOff { end: OutputEnd::Late { .. } });
            assert!(is_late, "{ended:?}");
            streams.container_exited(now);
            assert_eq!((turn(&mut streams), streams.deadline()), (Flowing::Wait, None));
            if was_all {
                streams.was_all()
            } else {
                streams.gives_up()
            }
            assert_eq!(turn(&mut streams), Flowing::Ended);
            let finish = if was_all { Finish::Complete } else { Finish::Incomplete };
            assert_eq!(streams.finish(Outlet::StdOut), finish);
        }
    }

    #[test]
    fn the_end_of_the_connection_is_the_end() {
        let (mut streams, theirs) = streams();
        drop(theirs);
        assert_eq!(streams.turn(&Pool::new(1), Instant::now(), |_, _| {}).unwrap(), Flowing::Ended);
    }
}
