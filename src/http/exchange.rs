//! One GET under way: the way to the server, the head of its answer, redirects.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::dial::{Dial, Dialled};
use super::framing::Course;
use super::head::{self, Collector, Head};
use super::kept::{Kept, Origin};
use super::range::{self, RangeError};
use super::redirect::{Trail, is_redirect};
use super::refusal::{Refusal, without_a_word};
use super::request::Request;
use super::shared::Shared;
use super::transport::{Step as Io, Transport};
use super::tunnel;
use super::{Body, Get, HttpError, Lookup, Validator};

/// One GET under way, made by [`Client::get`](super::Client::get).
///
/// The caller calls [`advance`](Self::advance) at first, whenever an edge of
/// [`connection`](Self::connection) comes, and when the deadline passes that `advance` gave.
pub struct Exchange {
    shared: Arc<Shared>,
    get: Get,
    /// What is sent for it.
    request: Request,
    trail: Trail,
    /// The number of the present socket.
    socket: u32,
    /// How long connecting it took.
    round_trip: Duration,
    state: State,
}

/// What an exchange waits for, and what it has in the end.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Progress<T = ()> {
    /// Run this in another thread and hand what comes of it to [`Exchange::resolved`]. It is said
    /// once for each host; then the exchange is blocked.
    Lookup(Lookup),
    /// For an edge of the connection, or the look-up, or the deadline.
    Blocked {
        /// When to call again at the latest.
        deadline: Instant,
    },
    /// For nothing: here it is.
    Ready(T),
}

/// What is waited for by who has nothing to give in the end.
pub(super) type Waits = Progress<Infallible>;

impl Waits {
    /// The same, of who has something.
    pub(super) fn of<T>(self) -> Progress<T> {
        match self {
            Self::Lookup(lookup) => Progress::Lookup(lookup),
            Self::Blocked { deadline } => Progress::Blocked { deadline },
            Self::Ready(never) => match never {},
        }
    }
}

/// A response with a body that is worth having.
#[derive(Debug)]
pub struct Response {
    /// 200 or 206.
    pub status: u16,
    /// Bytes of the whole entity, not only of the range.
    pub total: Option<u64>,
    /// The place of the body's first byte in it.
    pub start: u64,
    /// Which version it is, for `if_range`, if the server says.
    pub validator: Option<Validator>,
    /// How long the connection took to be there, which is a round trip; zero over one that was kept.
    pub round_trip: Duration,
    /// The connection's number, as [`Exchange::connection`] gives it.
    pub socket: u32,
    /// The body. It goes on with the same socket, which is taken to be readable.
    pub body: Body,
}

enum State {
    /// On its way to the server.
    Dial(Dial),
    /// Waits for the head.
    Head { transport: Transport, deadline: Instant, collector: Collector },
    /// Reads what an error says.
    Refused(Refusal),
    /// Has given a response, or an error.
    Over,
}

/// What one step of the exchange came to.
enum Step {
    To(State),
    Stay(State, Waits),
    Done(Box<Response>),
}

impl Exchange {
    pub(super) fn new(shared: Arc<Shared>, get: Get) -> Result<Self, HttpError> {
        let request = get.request()?;
        let redirects = if get.is_redirected { shared.limits.redirects } else { 0 };
        let trail = Trail::new(get.url.clone(), redirects);
        let state = State::Dial(Dial::new(Arc::clone(&shared), 0));
        Ok(Self { shared, get, request, trail, socket: 0, round_trip: Duration::ZERO, state })
    }

    /// Goes over a connection that was kept; if that cannot be, it makes one of its own.
    pub(super) fn over(shared: Arc<Shared>, get: Get, kept: Kept) -> Result<Self, HttpError> {
        let mut exchange = Self::new(shared, get)?;
        let shared = &exchange.shared;
        if let Some((transport, socket)) = kept.asked(&exchange.request, shared) {
            exchange.state = State::Dial(Dial::over(Arc::clone(shared), transport, socket));
        }
        Ok(exchange)
    }

    /// Goes as far as it can without blocking. An exchange that has given its response is over.
    ///
    /// # Errors
    /// The GET has failed, and the exchange is of no more use.
    pub fn advance(&mut self, now: Instant) -> Result<Progress<Box<Response>>, HttpError> {
        // Each turn comes nearer to the end: addresses and redirects are counted.
        loop {
            let state = std::mem::replace(&mut self.state, State::Over);
            match self.step(state, now)? {
                Step::To(state) => self.state = state,
                Step::Stay(state, waits) => {
                    self.state = state;
                    return Ok(waits.of());
                }
                Step::Done(response) => return Ok(Progress::Ready(response)),
            }
        }
    }

    /// Told what a look-up has found; [`advance`](Self::advance) goes on with it.
    pub fn resolved(&mut self, outcome: io::Result<Vec<SocketAddr>>) {
        if let State::Dial(dial) = &mut self.state {
            dial.resolved(outcome);
        }
    }

    /// The socket, when there is one. The number changes with every other socket: one that was not
    /// seen before has to be registered (readable, writable, edge-triggered).
    pub fn connection(&mut self) -> Option<(u32, &mut TcpStream)> {
        match &mut self.state {
            State::Dial(dial) => {
                let number = dial.socket();
                dial.connection().map(|stream| (number, stream))
            }
            State::Head { transport, .. } => Some((self.socket, transport.stream())),
            State::Refused(refusal) => Some((self.socket, refusal.connection())),
            State::Over => None,
        }
    }

    /// Whether it waits for room in its socket, rather than for bytes: for who waits by `poll`, without edges.
    pub fn is_sending(&self) -> bool {
        match &self.state {
            State::Dial(dial) => dial.is_sending(),
            State::Head { transport, .. } => transport.is_sending(),
            State::Refused(_) | State::Over => false,
        }
    }

    fn step(&mut self, state: State, now: Instant) -> Result<Step, HttpError> {
        match state {
            State::Dial(mut dial) => match dial.advance(&self.request, now)? {
                Dialled::Waits(progress) => Ok(Step::Stay(State::Dial(dial), progress)),
                Dialled::Sent { mut transport, deadline } => {
                    (self.socket, self.round_trip) = (dial.socket(), dial.round_trip());
                    let collector = Collector::new(self.shared.limits.head_bytes);
                    if self.get.is_small {
                        transport.reads_ahead();
                        // Nothing has come yet, and to look for it would cost as much as to take it.
                        let state = State::Head { transport, deadline, collector };
                        return Ok(Step::Stay(state, Progress::Blocked { deadline }));
                    }
                    Ok(Step::To(State::Head { transport, deadline, collector }))
                }
            },
            State::Head { transport, deadline, collector } => {
                self.head(transport, deadline, collector, now)
            }
            State::Refused(mut refusal) => match refusal.read(now) {
                true => Err(refusal.into_error(&self.request, &self.shared.proxies)),
                false => {
                    let deadline = refusal.deadline();
                    Ok(Step::Stay(State::Refused(refusal), Progress::Blocked { deadline }))
                }
            },
            State::Over => Err(HttpError::Bug("an exchange was advanced after it was over")),
        }
    }

    fn head(
        &mut self,
        mut transport: Transport,
        deadline: Instant,
        mut collector: Collector,
        now: Instant,
    ) -> Result<Step, HttpError> {
        match transport.head(&mut collector).map_err(|fault| fault.of(self.request.url()))? {
            Io::Blocked if now >= deadline => {
                let (place, after) = (self.place(), self.shared.limits.head);
                let waiting = "the response has no whole head";
                return Err(HttpError::TimedOut { place, waiting, after });
            }
            Io::Blocked => {
                let state = State::Head { transport, deadline, collector };
                return Ok(Step::Stay(state, Progress::Blocked { deadline }));
            }
            Io::Closed { .. } => return Err(HttpError::NoAnswer { place: self.place() }),
            Io::Done(_) => {}
        }
        let head = head::parse(collector.bytes())
            .map_err(|source| HttpError::Head { place: self.place(), source })?;
        tracing::debug!(place = self.place(), status = head.status, "a response");
        match head.status {
            // A protocol that nobody asked for.
            101 => Err(without_a_word(&self.request, 101)),
            100..200 => {
                collector.next();
                Ok(Step::To(State::Head { transport, deadline, collector }))
            }
            200 | 206 => self.accept(&head, transport),
            416 => {
                let from = self.get.from;
                Err(HttpError::RangeNotSatisfiable { place: self.place(), from })
            }
            status if is_redirect(status) => self.redirect(&head),
            407 if let Some(proxy) = self.shared.proxies.way(self.request.url()) => {
                Err(tunnel::refused(proxy.shown(), self.request.url(), 407))
            }
            _ => {
                let place = self.place();
                let refusal = Refusal::new(&head, transport, place, now, Some(deadline));
                Ok(Step::To(State::Refused(refusal)))
            }
        }
    }

    fn accept(&self, head: &Head, transport: Transport) -> Result<Step, HttpError> {
        let from = self.get.from;
        if let Some(coding) = &head.coding {
            return Err(HttpError::Coding { place: self.place(), coding: shown(coding) });
        }
        let placed = range::place(head, from, self.get.to).and_then(|placed| {
            let versions = self.get.if_range.as_ref().zip(head.validator.as_ref());
            let changed = versions.is_some_and(|(wanted, found)| wanted.differs(found));
            if from > 0 && changed { Err(RangeError::Changed) } else { Ok(placed) }
        });
        let placed = placed.map_err(|source| match source {
            RangeError::Ignored => HttpError::RangeIgnored { place: self.place(), from, source },
            _ => HttpError::Range { place: self.place(), from, source },
        })?;
        let course = Course::new(head.framing, placed.length);
        let mut body = Body::new(transport, course, self.place(), placed.start);
        if self.get.keep && head.keeps {
            body = body.keeping(Origin { url: self.get.url.clone(), socket: self.socket });
        }
        Ok(Step::Done(Box::new(Response {
            status: head.status,
            total: placed.total,
            start: placed.start,
            validator: head.validator.clone(),
            round_trip: self.round_trip,
            socket: self.socket,
            body,
        })))
    }

    fn redirect(&mut self, head: &Head) -> Result<Step, HttpError> {
        let url = self
            .trail
            .follow(head.location.as_deref())
            .map_err(|source| HttpError::Redirect { place: self.place(), source })?;
        self.get = self.get.redirected(url);
        self.request = self.get.request()?;
        Ok(Step::To(State::Dial(Dial::new(Arc::clone(&self.shared), self.socket))))
    }

    fn place(&self) -> String {
        self.request.place()
    }
}

/// A server's word, bounded.
fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Exchange");
        shown.field("get", &self.get);
        match &self.state {
            State::Dial(dial) => shown.field("state", dial),
            State::Head { .. } => shown.field("state", &"head"),
            State::Refused(_) => shown.field("state", &"refused"),
            State::Over => shown.field("state", &"over"),
        };
        shown.finish()
    }
}
