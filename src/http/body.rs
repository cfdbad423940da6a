//! A response's body: spliced from its socket, or read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use mio::net::TcpStream;

use super::HttpError;
use super::framing::{Course, Fault};
use super::kept::{Kept, Origin};
use super::range::RangeError;
use super::transport::{self, Step, Transport};

/// The body of a response, of which nothing has been taken yet.
///
/// Its socket is taken to be readable until a read of it would block: edges come once, and the
/// one of the first bytes may have been seen by the exchange.
#[derive(Debug)]
pub struct Body {
    transport: Transport,
    course: Course,
    place: String,
    start: u64,
    keep: Option<Origin>,
}

/// What [`Body::read`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Read {
    /// So many bytes are in the buffer; at least one.
    Bytes(usize),
    /// Wait until the socket is readable (or writable, with TLS).
    Blocked,
    /// That was all, and all of it was there.
    Ended,
}

impl Body {
    pub(super) fn new(transport: Transport, course: Course, place: String, start: u64) -> Self {
        Self { transport, course, place, start, keep: None }
    }

    /// Its connection may be kept for another GET to `origin`.
    pub(super) fn keeping(self, origin: Origin) -> Self {
        Self { keep: Some(origin), ..self }
    }

    /// The connection, for another GET, if all of the body has come and the server keeps it open.
    pub fn into_kept(self) -> Option<Kept> {
        let keep = self.keep.filter(|_| self.course.is_ended() && self.course.has_an_end())?;
        Some(Kept::new(self.transport, keep))
    }

    /// The socket, to be registered for readable and writable edges.
    pub fn connection(&mut self) -> &mut TcpStream {
        self.transport.stream()
    }

    /// Bytes still to come, when they were announced.
    pub fn remaining(&self) -> Option<u64> {
        self.course.remaining()
    }

    /// The descriptor, if what comes out of it is the body itself: plain TCP, not chunked.
    ///
    /// The caller may splice up to [`remaining`](Self::remaining) bytes out of it, and tells
    /// [`taken`](Self::taken) of each splice and [`peer_closed`](Self::peer_closed) of one that
    /// returned 0. Nothing of the body has been taken from the kernel before.
    pub fn raw(&self) -> Option<BorrowedFd<'_>> {
        let stream = self.transport.plain_stream().filter(|_| self.course.is_bare())?;
        Some(stream.as_fd())
    }

    /// The descriptor, whatever comes out of it; to ask for wake-ups, not to read.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.transport.descriptor()
    }

    /// Told of bytes that were spliced out of [`raw`](Self::raw).
    pub fn taken(&mut self, bytes: u64) {
        self.course.passed(bytes);
    }

    /// Told that a splice out of [`raw`](Self::raw) returned 0.
    ///
    /// # Errors
    /// Bytes are missing.
    pub fn peer_closed(&mut self) -> Result<(), HttpError> {
        self.course.closed(true).map_err(|fault| self.fault(fault))
    }

    /// The error of a body of which nothing has come for so long.
    pub fn stalled(&self, after: Duration) -> HttpError {
        let waiting = "the rest of the body";
        HttpError::TimedOut { place: self.place.clone(), waiting, after }
    }

    /// Makes this module's error of one that a splice out of [`raw`](Self::raw) returned.
    pub fn broken(&self, source: io::Error) -> HttpError {
        HttpError::Connection { place: self.place.clone(), source }
    }

    /// Reads into `buf`: payload only, whatever is around it on the wire.
    ///
    /// With TLS, a buffer below 18 KiB and five bytes (the longest record) costs a copy more.
    ///
    /// # Errors
    /// The connection broke, the body ended too early, or it is not what was announced.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<Read, HttpError> {
        while !self.course.is_ended() {
            let room = self.course.room(buf.len());
            if room == 0 {
                return Err(HttpError::Bug("a body was read into no room"));
            }
            let step = self.transport.read(&mut buf[..room]).map_err(|f| self.broken_by(f))?;
            match step {
                Step::Done(count) => {
                    let payload = self.course.decode(&mut buf[..count]);
                    // Sizes of chunks alone are no payload; their number is bounded.
                    match payload.map_err(|fault| self.fault(fault))? {
                        0 => {}
                        payload => return Ok(Read::Bytes(payload)),
                    }
                }
                Step::Blocked => return Ok(Read::Blocked),
                Step::Closed { clean } => {
                    self.course.closed(clean).map_err(|fault| self.fault(fault))?;
                }
            }
        }
        Ok(Read::Ended)
    }

    fn fault(&self, fault: Fault) -> HttpError {
        let place = self.place.clone();
        match fault {
            Fault::Truncated => HttpError::Truncated {
                place,
                received: self.course.received(),
                expected: self.course.expected(),
            },
            Fault::TooLong => {
                HttpError::Range { place, from: self.start, source: RangeError::OtherLength }
            }
            Fault::Chunk(source) => HttpError::Chunk { place, source },
        }
    }

    fn broken_by(&self, fault: transport::Fault) -> HttpError {
        let place = self.place.clone();
        match fault {
            transport::Fault::Io(source) => HttpError::Connection { place, source },
            transport::Fault::Tls(source) => HttpError::tls(place, source),
            transport::Fault::Head(source) => HttpError::Head { place, source },
        }
    }
}
