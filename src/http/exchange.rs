//! One GET under way: look-up, connection, TLS, request, head, redirects.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use url::Host;

use super::addresses::Addresses;
use super::client::Shared;
use super::framing::Course;
use super::get::place;
use super::head::{self, Collector, Head};
use super::kept::{Kept, Origin};
use super::range::{self, RangeError};
use super::redirect::{Trail, is_redirect};
use super::tls::Session;
use super::transport::{self, Fault, Step as Io, Transport};
use super::{Body, Get, HttpError, Lookup, Read, excerpt};

/// One GET under way, made by [`Client::get`](super::Client::get).
///
/// The caller calls [`advance`](Self::advance) at first, whenever an edge of
/// [`connection`](Self::connection) comes, and when the deadline passes that `advance` gave.
pub struct Exchange {
    shared: Arc<Shared>,
    get: Get,
    is_post: bool,
    trail: Trail,
    /// The number of the present socket.
    socket: u32,
    /// How long connecting it took.
    round_trip: Duration,
    state: State,
}

/// What an exchange waits for.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum Progress {
    /// Run this in another thread and hand what comes of it to [`Exchange::resolved`]. It is said
    /// once for each host; then the exchange is blocked.
    Lookup(Lookup),
    /// For an edge of the connection, or the look-up, or the deadline.
    Blocked {
        /// When to call again at the latest.
        deadline: Instant,
    },
    /// For nothing: [`Exchange::into_response`] has the response.
    Ready,
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
    /// The entity tag, if it is a strong one, for `if_range`.
    pub validator: Option<String>,
    /// How long the connection took to be there, which is a round trip; zero over one that was kept.
    pub round_trip: Duration,
    /// The body.
    pub body: Body,
}

enum State {
    /// Needs addresses; with a deadline once it has asked.
    Resolve { deadline: Option<Instant> },
    /// Was told what the look-up found.
    Resolved(io::Result<Vec<SocketAddr>>),
    /// Is about to try the next address.
    Connect(Addresses),
    /// Waits for a connection to one.
    Connecting { stream: TcpStream, address: SocketAddr, deadline: Instant, rest: Addresses },
    /// Has a connection that was kept, with the request on it.
    Kept(Transport),
    /// Connected; sends the request.
    Send { transport: Transport, deadline: Instant },
    /// Waits for the head.
    Head { transport: Transport, deadline: Instant, collector: Collector },
    /// Reads what an error says.
    Refused { body: Box<Body>, status: u16, deadline: Instant, text: Vec<u8> },
    /// Has a response.
    Ready(Box<Response>),
    /// A POST's head is sent, and its body may follow.
    Sent(Transport),
    /// Has returned an error.
    Failed,
}

/// What one step of the exchange came to.
enum Step {
    To(State),
    Stay(State, Progress),
}

impl Exchange {
    pub(super) fn new(shared: Arc<Shared>, get: Get) -> Self {
        let trail = Trail::new(get.url.clone(), shared.limits.redirects);
        let state = State::Resolve { deadline: None };
        Self { shared, get, is_post: false, trail, socket: 0, round_trip: Duration::ZERO, state }
    }

    /// Goes over a connection that was kept; if that cannot be, it makes one of its own.
    pub(super) fn over(shared: Arc<Shared>, get: Get, kept: Kept) -> Self {
        let asked = kept.asked(&get, &shared.user_agent);
        let exchange = Self::new(shared, get);
        match asked {
            Some((transport, socket)) => Self { socket, state: State::Kept(transport), ..exchange },
            None => exchange,
        }
    }

    /// Goes only as far as the head of a POST's request, see [`into_sent`](Self::into_sent).
    pub(super) fn post(shared: Arc<Shared>, get: Get) -> Self {
        Self { is_post: true, ..Self::new(shared, get) }
    }

    /// The connection of a POST whose head is sent.
    pub(super) fn into_sent(self) -> Option<Transport> {
        match self.state {
            State::Sent(transport) => Some(transport),
            _ => None,
        }
    }

    /// Goes as far as it can without blocking.
    ///
    /// # Errors
    /// The GET has failed, and the exchange is of no more use.
    pub fn advance(&mut self, now: Instant) -> Result<Progress, HttpError> {
        // Each turn comes nearer to the end: addresses and redirects are counted.
        loop {
            let state = std::mem::replace(&mut self.state, State::Failed);
            match self.step(state, now)? {
                Step::To(state) => self.state = state,
                Step::Stay(state, progress) => {
                    self.state = state;
                    return Ok(progress);
                }
            }
        }
    }

    /// Told what a look-up has found; [`advance`](Self::advance) goes on with it.
    pub fn resolved(&mut self, outcome: io::Result<Vec<SocketAddr>>) {
        if let State::Resolve { .. } = self.state {
            self.state = State::Resolved(outcome);
        }
    }

    /// The socket, when there is one. The number changes with every other socket: one that was not
    /// seen before has to be registered (readable, writable, edge-triggered).
    pub fn connection(&mut self) -> Option<(u32, &mut TcpStream)> {
        let stream = match &mut self.state {
            State::Connecting { stream, .. } => stream,
            State::Kept(transport)
            | State::Send { transport, .. }
            | State::Head { transport, .. } => transport.stream(),
            State::Refused { body, .. } => body.connection(),
            State::Ready(response) => response.body.connection(),
            State::Sent(transport) => transport.stream(),
            State::Resolve { .. } | State::Resolved(_) | State::Connect(_) | State::Failed => {
                return None;
            }
        };
        Some((self.socket, stream))
    }

    /// The response, after [`Progress::Ready`]. Its body goes on with the same socket, which is
    /// taken to be readable.
    pub fn into_response(self) -> Option<Response> {
        match self.state {
            State::Ready(response) => Some(*response),
            _ => None,
        }
    }

    fn step(&mut self, state: State, now: Instant) -> Result<Step, HttpError> {
        match state {
            State::Resolve { deadline } => self.resolve(deadline, now),
            State::Connect(addresses) => self.connect(addresses, now),
            State::Resolved(outcome) => self.resolved_to(outcome),
            State::Connecting { stream, address, deadline, rest } => {
                match transport::connected(&stream) {
                    Some(Ok(())) => {
                        let left = deadline.saturating_duration_since(now);
                        self.round_trip = self.shared.limits.connect.saturating_sub(left);
                        self.connected(stream, now)
                    }
                    Some(Err(error)) => Ok(Step::To(State::Connect(rest.without(address, error)))),
                    None if now >= deadline => {
                        let error = io::ErrorKind::TimedOut.into();
                        Ok(Step::To(State::Connect(rest.without(address, error))))
                    }
                    None => Ok(Step::Stay(
                        State::Connecting { stream, address, deadline, rest },
                        Progress::Blocked { deadline },
                    )),
                }
            }
            State::Kept(transport) => {
                Ok(Step::To(State::Send { transport, deadline: now + self.shared.limits.head }))
            }
            State::Send { transport, deadline } => self.send(transport, deadline, now),
            State::Head { transport, deadline, collector } => {
                self.head(transport, deadline, collector, now)
            }
            State::Refused { body, status, deadline, text } => {
                self.refused(body, status, deadline, text, now)
            }
            state @ (State::Ready(_) | State::Sent(_)) => Ok(Step::Stay(state, Progress::Ready)),
            State::Failed => Err(HttpError::Bug("an exchange was advanced after it had failed")),
        }
    }

    fn resolve(&self, asked: Option<Instant>, now: Instant) -> Result<Step, HttpError> {
        let port = self.port()?;
        let host = match self.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => return Ok(literal(address.into(), port)),
            Host::Ipv6(address) => return Ok(literal(address.into(), port)),
        };
        let limit = self.shared.limits.connect;
        let Some(deadline) = asked else {
            let state = State::Resolve { deadline: Some(now + limit) };
            return Ok(Step::Stay(state, Progress::Lookup(Lookup::new(host, port))));
        };
        let state = State::Resolve { deadline: Some(deadline) };
        self.wait(state, deadline, now, "the host's address is not known", limit)
    }

    fn resolved_to(&self, outcome: io::Result<Vec<SocketAddr>>) -> Result<Step, HttpError> {
        let found = outcome.and_then(|found| match found.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "it has no address")),
            false => Ok(found),
        });
        match found {
            Ok(found) => Ok(Step::To(State::Connect(Addresses::new(found)))),
            Err(source) => Err(HttpError::Lookup { host: self.host()?.to_string(), source }),
        }
    }

    fn connect(&mut self, mut addresses: Addresses, now: Instant) -> Result<Step, HttpError> {
        let Some(address) = addresses.next() else {
            let (address, source) =
                addresses.failed.ok_or(HttpError::Bug("a host without an address"))?;
            let (host, addresses) = (self.host()?.to_string(), addresses.count);
            return Err(HttpError::Connect { host, address, addresses, source });
        };
        let opened = transport::connect(address, self.shared.receive_buffer)
            .map_err(|source| HttpError::Socket { source })?;
        let stream = match opened {
            Ok(stream) => stream,
            Err(error) => {
                return Ok(Step::To(State::Connect(addresses.without(address, error))));
            }
        };
        self.socket = self.socket.wrapping_add(1);
        let deadline = now + self.shared.limits.connect;
        Ok(Step::To(State::Connecting { stream, address, deadline, rest: addresses }))
    }

    fn connected(&self, stream: TcpStream, now: Instant) -> Result<Step, HttpError> {
        let deadline = now + self.shared.limits.head;
        Ok(Step::To(State::Send { transport: self.transport(stream)?, deadline }))
    }

    fn send(
        &self,
        mut transport: Transport,
        deadline: Instant,
        now: Instant,
    ) -> Result<Step, HttpError> {
        match transport.send().map_err(|fault| self.fault(fault))? {
            Io::Done(_) if self.is_post => Ok(Step::To(State::Sent(transport))),
            Io::Done(_) => {
                let collector = Collector::new(self.shared.limits.head_bytes);
                Ok(Step::To(State::Head { transport, deadline, collector }))
            }
            Io::Blocked => {
                let limit = self.shared.limits.head;
                let state = State::Send { transport, deadline };
                self.wait(state, deadline, now, "the request is not sent", limit)
            }
            Io::Closed { .. } => Err(HttpError::NoAnswer { place: self.place() }),
        }
    }

    fn head(
        &mut self,
        mut transport: Transport,
        deadline: Instant,
        mut collector: Collector,
        now: Instant,
    ) -> Result<Step, HttpError> {
        match transport.head(&mut collector).map_err(|fault| self.fault(fault))? {
            Io::Blocked => {
                let limit = self.shared.limits.head;
                let state = State::Head { transport, deadline, collector };
                return self.wait(state, deadline, now, "the response has no whole head", limit);
            }
            Io::Closed { .. } => return Err(HttpError::NoAnswer { place: self.place() }),
            Io::Done(_) => {}
        }
        let head = head::parse(collector.bytes())
            .map_err(|source| HttpError::Head { place: self.place(), source })?;
        tracing::debug!(place = self.place(), status = head.status, "a response");
        match head.status {
            // A protocol that nobody asked for.
            101 => Err(self.status(101, &[])),
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
            status => {
                let course = Course::new(head.framing, None);
                let body = Box::new(Body::new(transport, course, self.place(), 0));
                let deadline = deadline.min(now + EXCERPT_WAIT);
                Ok(Step::To(State::Refused { body, status, deadline, text: Vec::new() }))
            }
        }
    }

    fn accept(&self, head: &Head, transport: Transport) -> Result<Step, HttpError> {
        let from = self.get.from;
        let placed = range::place(head, from, self.get.to).and_then(|placed| {
            let changed = self.get.if_range.is_some()
                && head.validator.is_some()
                && self.get.if_range != head.validator;
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
        Ok(Step::To(State::Ready(Box::new(Response {
            status: head.status,
            total: placed.total,
            start: placed.start,
            validator: head.validator.clone(),
            round_trip: self.round_trip,
            body,
        }))))
    }

    fn redirect(&mut self, head: &Head) -> Result<Step, HttpError> {
        let url = self
            .trail
            .follow(head.location.as_deref())
            .map_err(|source| HttpError::Redirect { place: self.place(), source })?;
        self.get = self.get.redirected(url);
        Ok(Step::To(State::Resolve { deadline: None }))
    }

    fn refused(
        &self,
        mut body: Box<Body>,
        status: u16,
        deadline: Instant,
        mut text: Vec<u8>,
        now: Instant,
    ) -> Result<Step, HttpError> {
        let mut buf = [0; 1024];
        while text.len() < EXCERPT {
            match body.read(&mut buf) {
                Ok(Read::Bytes(count)) => text.extend_from_slice(&buf[..count]),
                Ok(Read::Blocked) if now < deadline => {
                    return Ok(Step::Stay(
                        State::Refused { body, status, deadline, text },
                        Progress::Blocked { deadline },
                    ));
                }
                // However it ended: the status is the news.
                Ok(Read::Blocked | Read::Ended) | Err(_) => break,
            }
        }
        Err(self.status(status, &text))
    }

    fn status(&self, status: u16, text: &[u8]) -> HttpError {
        let message = excerpt::message(text).map(|message| self.get.redact(message));
        HttpError::Status { place: self.place(), status, message }
    }

    fn transport(&self, stream: TcpStream) -> Result<Transport, HttpError> {
        let user_agent = &self.shared.user_agent;
        let request = match self.is_post {
            true => self.get.post_request(user_agent),
            false => self.get.request(user_agent),
        };
        if self.get.url.scheme() != "https" {
            return Ok(Transport::plain(stream, request));
        }
        let host = self.host()?;
        let error = |source| HttpError::Tls { host: host.to_string(), source };
        let name = match &host {
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| HttpError::Url { place: self.place(), reason: "no name for TLS" })?,
            Host::Ipv4(address) => ServerName::from(IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::from(*address)),
        };
        let config = self.shared.roots.config()?;
        let session = Session::new(config, name, request).map_err(error)?;
        Ok(Transport::tls(stream, session))
    }

    /// Stays, unless the deadline has passed.
    fn wait(
        &self,
        state: State,
        deadline: Instant,
        now: Instant,
        waiting: &'static str,
        after: Duration,
    ) -> Result<Step, HttpError> {
        if now >= deadline {
            return Err(HttpError::TimedOut { place: self.place(), waiting, after });
        }
        Ok(Step::Stay(state, Progress::Blocked { deadline }))
    }

    fn fault(&self, fault: Fault) -> HttpError {
        fault.of(&self.get.url)
    }

    fn place(&self) -> String {
        place(&self.get.url)
    }

    fn host(&self) -> Result<Host<&str>, HttpError> {
        self.get.url.host().ok_or(HttpError::Bug("a URL without a host was let through"))
    }

    fn port(&self) -> Result<u16, HttpError> {
        let port = self.get.url.port_or_known_default();
        port.ok_or(HttpError::Bug("a URL without a port was let through"))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Resolve { .. } | State::Resolved(_) => "resolve",
            State::Connect(_) | State::Connecting { .. } => "connect",
            State::Kept(_) | State::Send { .. } => "send",
            State::Head { .. } => "head",
            State::Refused { .. } => "refused",
            State::Ready(_) | State::Sent(_) => "ready",
            State::Failed => "failed",
        };
        f.debug_struct("Exchange").field("get", &self.get).field("state", &state).finish()
    }
}

fn literal(address: IpAddr, port: u16) -> Step {
    Step::To(State::Connect(Addresses::literal(address, port)))
}

/// Bytes of an error's body that are looked at.
pub(super) const EXCERPT: usize = 8 * 1024;

/// How long an error's body is waited for.
pub(super) const EXCERPT_WAIT: Duration = Duration::from_secs(2);
