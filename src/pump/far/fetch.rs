//! The HTTP source: one GET, and as many more as it takes to get the rest.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use crate::backoff::Backoff;
use crate::http::{
    Body, Client, Exchange, Get, HttpError, Kept, Lookup, Progress, RangeError, Read, Response,
    Validator, place,
};
use crate::pump::error::TransferError;
use crate::pump::took::Took;

/// Bytes after which a source that breaks off has come further.
const PROGRESS: u64 = 64 << 10;

/// A GET that is begun, resumed, and begun anew for another reader.
pub(crate) struct Fetch {
    client: Client,
    get: Get,
    size: Option<u64>,
    /// The end of the part that is asked for, if it is a part.
    to: Option<u64>,
    state: State,
    validator: Option<Validator>,
    /// What the last answer says of its version.
    said: Option<Validator>,
    connections: u32,
    backoff: Backoff,
    resumed: u32,
    is_broken: bool,
    round_trip: Duration,
    taken_at_last_failure: u64,
    is_to_be_read_again: bool,
    again: Option<u64>,
}

enum State {
    /// Nothing is under way: asked for by [`Fetch::begin`].
    Idle,
    Pausing {
        until: Instant,
    },
    Exchanging {
        exchange: Box<Exchange>,
    },
    Open {
        body: Box<Body>,
        /// The exchange's number of the socket.
        number: u32,
    },
}

/// Which request a look-up is for: the answer to one that was given up must not go to the next,
/// which may ask for another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

impl Ticket {
    /// Of whoever asks only once.
    pub(crate) const ONLY: Self = Self(0);
}

/// How far the way to the first byte is.
#[must_use]
#[derive(Debug)]
pub(crate) enum Opening {
    /// Bytes can be taken.
    Open,
    /// A host's addresses are wanted. Open it again to hear how long that may take.
    Lookup(Ticket, Lookup),
    /// Blocked, until an edge or the deadline.
    Blocked(Instant),
    /// Nothing was begun.
    Idle,
}

impl Fetch {
    /// A source that has not begun. `size` is what the store's record says, if there is one.
    pub(crate) fn new(client: Client, get: Get, size: Option<u64>) -> Self {
        let backoff = Backoff::of_a_question(get.patience);
        Self {
            client,
            get,
            size,
            to: None,
            state: State::Idle,
            validator: None,
            said: None,
            connections: 0,
            backoff,
            resumed: 0,
            is_broken: false,
            round_trip: Duration::ZERO,
            taken_at_last_failure: 0,
            is_to_be_read_again: false,
            again: None,
        }
    }

    /// Reads from the first byte, should it break off without anybody telling whether the file is still the same.
    pub(crate) fn read_again_if_unchecked(&mut self, is_to_be: bool) {
        self.is_to_be_read_again = is_to_be;
    }

    /// Bytes that have come a second time, while it goes on before `taken`.
    pub(crate) fn again(&self) -> Option<u64> {
        self.again
    }

    /// So many more have come a second time, of `taken`.
    pub(crate) fn came_again(&mut self, bytes: usize, taken: u64) {
        let at = self.again.map(|at| at + bytes as u64);
        self.again = at.filter(|at| *at < taken);
    }

    /// Another GET of the same body, the `number`th beside it, that has not begun.
    pub(crate) fn lane(&self, number: u32) -> Self {
        Self {
            validator: self.validator.clone(),
            // Its tickets and sockets have numbers of their own.
            connections: number << 16,
            ..Self::new(self.client.clone(), self.get.clone(), self.size)
        }
    }

    /// Begins at byte `from`.
    pub(crate) fn begin(&mut self, from: u64) -> Result<(), TransferError> {
        self.begin_over(from, None)
    }

    /// Asks for a part and no more, over the connection that there is if the server kept it.
    pub(crate) fn ask(&mut self, part: Range<u64>) -> Result<(), TransferError> {
        let kept = match std::mem::replace(&mut self.state, State::Idle) {
            State::Open { body, .. } => body.into_kept(),
            _ => None,
        };
        self.to = Some(part.end);
        self.backoff.succeeded();
        self.taken_at_last_failure = part.start;
        self.begin_over(part.start, kept)
    }

    /// Goes on to the end when it is begun the next time.
    pub(crate) fn ask_to_the_end(&mut self) {
        self.to = None;
    }

    fn begin_over(&mut self, from: u64, kept: Option<Kept>) -> Result<(), TransferError> {
        let if_range = (from > 0).then(|| self.validator.clone()).flatten();
        let (to, keep) = (self.to, self.to.is_some());
        let get = Get { from, to, if_range, keep, ..self.get.clone() };
        let exchange = match kept {
            Some(kept) => self.client.get_over(kept, get),
            None => self.client.get(get),
        };
        let mut exchange = Box::new(exchange.map_err(TransferError::Fetch)?);
        if exchange.connection().is_none() {
            self.connections += 1;
        }
        self.state = State::Exchanging { exchange };
        Ok(())
    }

    /// Forgets what is under way; the connection is closed.
    pub(crate) fn stop(&mut self) {
        self.state = State::Idle;
        self.backoff.succeeded();
        self.taken_at_last_failure = 0;
        self.again = None;
    }

    /// Goes as far towards the first byte as it goes without waiting. `taken` bytes have come.
    pub(crate) fn open(&mut self, taken: u64, now: Instant) -> Result<Opening, TransferError> {
        loop {
            match &mut self.state {
                State::Idle => return Ok(Opening::Idle),
                State::Open { .. } => return Ok(Opening::Open),
                State::Pausing { until } if now < *until => return Ok(Opening::Blocked(*until)),
                State::Pausing { .. } => self.begin(self.again.unwrap_or(taken))?,
                State::Exchanging { exchange } => match exchange.advance(now) {
                    Ok(Progress::Lookup(lookup)) => {
                        return Ok(Opening::Lookup(Ticket(self.connections), lookup));
                    }
                    Ok(Progress::Blocked { deadline }) => return Ok(Opening::Blocked(deadline)),
                    Ok(Progress::Ready(response)) => self.take(*response, taken)?,
                    Err(error) => self.failed(error, taken, now)?,
                },
            }
        }
    }

    fn take(&mut self, response: Response, taken: u64) -> Result<(), TransferError> {
        if let (Some(expected), Some(found)) = (self.size, response.total)
            && expected != found
        {
            return Err(TransferError::Size { expected, found });
        }
        self.size = self.size.or(response.total);
        if taken == 0 && self.goes_on_to_the_end() {
            self.validator.clone_from(&response.validator);
        }
        self.said = response.validator;
        self.resumed += u32::from(std::mem::take(&mut self.is_broken));
        self.round_trip = self.round_trip.max(response.round_trip);
        self.state = State::Open { body: Box::new(response.body), number: response.socket };
        Ok(())
    }

    /// Whether the last byte has come, as far as the store's record or the answer's head says.
    pub(crate) fn has_all(&self, taken: u64) -> bool {
        self.end() == Some(taken)
    }

    /// The place behind the last byte that it fetches.
    fn end(&self) -> Option<u64> {
        self.to.or(self.size)
    }

    /// More than there should be is an error, too.
    pub(crate) fn check(&self, taken: u64) -> Result<(), TransferError> {
        match self.end() {
            Some(expected) if taken > expected => {
                Err(TransferError::Size { expected, found: taken })
            }
            _ => Ok(()),
        }
    }

    /// Something broke. A source that gives next to nothing before each break is given up as one that gives
    /// nothing. Pauses before the next attempt, or gives up.
    pub(crate) fn failed(
        &mut self,
        error: HttpError,
        taken: u64,
        now: Instant,
    ) -> Result<(), TransferError> {
        let at = self.again.unwrap_or(taken);
        if at >= self.taken_at_last_failure + PROGRESS {
            self.backoff.succeeded();
            self.taken_at_last_failure = at;
        }
        self.is_broken |= self.is_open();
        self.state = State::Idle;
        if !error.is_transient() || !self.backoff.may_try_again() {
            return Err(match taken {
                0 => TransferError::Fetch(error),
                at => TransferError::Interrupted {
                    at,
                    attempts: self.backoff.failures(),
                    source: error,
                },
            });
        }
        tracing::debug!(taken, attempt = self.backoff.failures(), %error, "the source broke off");
        if self.is_to_be_read_again
            && taken > 0
            && !self.knows_its_version()
            && self.goes_on_to_the_end()
        {
            tracing::debug!(taken, "what has come is read again, to be summed");
            self.is_to_be_read_again = false;
            self.again = Some(0);
            self.taken_at_last_failure = 0;
        }
        let pause = self.backoff.failed(error.retry_after());
        self.state = State::Pausing { until: now + pause };
        Ok(())
    }

    /// A body broke off: it pauses and goes on, unless nothing of it was missing but its end.
    pub(crate) fn broke(
        &mut self,
        error: HttpError,
        taken: u64,
        now: Instant,
    ) -> Result<Took, TransferError> {
        if self.has_all(taken) && error.is_transient() {
            return Ok(Took::Ended);
        }
        self.failed(error, taken, now).map(|()| Took::Broken)
    }

    /// Nothing has come for [`stall`](Self::stall).
    pub(crate) fn stalled(&mut self, taken: u64, now: Instant) -> Result<(), TransferError> {
        let place = self.get.url.host_str().unwrap_or_default().to_owned();
        let waiting = "the rest of the body";
        let error = HttpError::TimedOut { place, waiting, after: self.stall() };
        self.failed(error, taken, now)
    }

    /// The answer to [`Opening::Lookup`].
    pub(crate) fn resolved(&mut self, ticket: Ticket, addresses: io::Result<Vec<SocketAddr>>) {
        if let State::Exchanging { exchange } = &mut self.state
            && ticket == Ticket(self.connections)
        {
            exchange.resolved(addresses);
        }
    }

    /// The socket, and a number that is another one for every socket.
    pub(crate) fn connection(&mut self) -> Option<((u32, u32), &mut TcpStream)> {
        let connections = self.connections;
        match &mut self.state {
            State::Exchanging { exchange } => {
                let (number, socket) = exchange.connection()?;
                Some(((connections, number), socket))
            }
            State::Open { body, number } => Some(((connections, *number), body.connection())),
            State::Idle | State::Pausing { .. } => None,
        }
    }

    /// The descriptor to splice from, and how much of the body may be.
    pub(crate) fn raw(&self) -> Option<(BorrowedFd<'_>, u64)> {
        let State::Open { body, .. } = &self.state else { return None };
        Some((body.raw()?, body.remaining().unwrap_or(u64::MAX)))
    }

    /// The socket of a body, and how many of its bytes are still to come, at least: with TLS or
    /// chunks it is more on the wire.
    pub(crate) fn socket(&self) -> Option<(BorrowedFd<'_>, u64)> {
        let State::Open { body, .. } = &self.state else { return None };
        Some((body.socket(), body.remaining().unwrap_or(u64::MAX)))
    }

    /// Told that so many bytes were spliced.
    pub(crate) fn moved(&mut self, bytes: usize) {
        if let State::Open { body, .. } = &mut self.state {
            body.taken(bytes as u64);
        }
    }

    /// A splice gave nothing: the peer has closed. Whether that is the end.
    pub(crate) fn peer_closed(&mut self, taken: u64) -> Result<(), HttpError> {
        let State::Open { body, .. } = &mut self.state else { return Ok(()) };
        body.peer_closed()?;
        self.whole(taken)
    }

    /// Reads into `buffer`; [`Read::Ended`] only when nothing is missing.
    pub(crate) fn read(&mut self, buffer: &mut [u8], taken: u64) -> Result<Read, HttpError> {
        let State::Open { body, .. } = &mut self.state else { return Ok(Read::Blocked) };
        match body.read(buffer)? {
            Read::Ended => self.whole(taken).map(|()| Read::Ended),
            other => Ok(other),
        }
    }

    /// A body that ends with its connection is whole only if it is as long as the record says.
    fn whole(&self, taken: u64) -> Result<(), HttpError> {
        match self.end() {
            Some(end) if taken < end => Err(HttpError::Truncated {
                place: self.get.url.host_str().unwrap_or_default().to_owned(),
                received: taken,
                expected: Some(end),
            }),
            _ => Ok(()),
        }
    }

    /// Makes an error of this module's of one that a splice returned.
    pub(crate) fn broken(&self, source: io::Error) -> HttpError {
        match &self.state {
            State::Open { body, .. } => body.broken(source),
            _ => HttpError::Connection { place: place(&self.get.url), source },
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Requests that have failed one after the other, without a byte in between.
    pub(crate) fn failures_in_a_row(&self) -> u32 {
        self.backoff.failures()
    }

    /// Whether it fetches all that there is, not a part of it.
    pub(crate) fn goes_on_to_the_end(&self) -> bool {
        self.to.is_none()
    }

    /// How long its slowest connection took to be there.
    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    pub(crate) fn stall(&self) -> Duration {
        self.client.limits().stall
    }

    /// Holds the version that its answer says against what another one said; notes it if none has.
    ///
    /// # Errors
    /// The file has changed.
    pub(crate) fn agrees_on_version(
        &self,
        said: &mut Option<Validator>,
    ) -> Result<(), TransferError> {
        match (&*said, &self.said) {
            (Some(before), Some(now)) if before.differs(now) => {
                let place = self.get.url.host_str().unwrap_or_default().to_owned();
                let source = RangeError::Changed;
                let from = self.taken_at_last_failure;
                Err(TransferError::Fetch(HttpError::Range { place, from, source }))
            }
            (None, Some(now)) => {
                *said = Some(now.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the server has said which version of the file it sends.
    pub(crate) fn knows_its_version(&self) -> bool {
        self.validator.is_some()
    }

    pub(crate) fn resumed(&self) -> u32 {
        self.resumed
    }

    /// Others that fetched for it were resumed so often.
    pub(crate) fn add_resumed(&mut self, more: u32) {
        self.resumed += more;
    }

    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").field("get", &self.get).finish_non_exhaustive()
    }
}
