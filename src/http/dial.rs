//! The way to a server: look-up, connection, TLS, and the request that is sent.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use url::Host;

use super::addresses::Addresses;
use super::exchange::Waits;
use super::request::Request;
use super::shared::Shared;
use super::tls::Session;
use super::transport::{self, Step as Io, Transport};
use super::tunnel::{Dug, Tunnel};
use super::{HttpError, Lookup, Progress};

/// A request on its way, until the server has it.
pub(super) struct Dial {
    shared: Arc<Shared>,
    /// The number of the present socket.
    socket: u32,
    /// How long connecting it took.
    round_trip: Duration,
    state: State,
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
    /// Connected to a proxy, which is to open the way to the server.
    Tunnel(Tunnel),
    /// Has a connection that was kept, with the request on it.
    Kept(Transport),
    /// Connected; sends the request.
    Send { transport: Transport, deadline: Instant },
    /// Has arrived, or has returned an error.
    Over,
}

/// What [`Dial::advance`] came to.
#[must_use]
pub(super) enum Dialled {
    /// Not there yet.
    Waits(Waits),
    /// The server has the request. The answer's head is to be there by `deadline`.
    Sent { transport: Transport, deadline: Instant },
}

/// What one step came to.
enum Step {
    To(State),
    Stay(State, Waits),
    Sent { transport: Transport, deadline: Instant },
}

impl Dial {
    /// Begins with the look-up. The sockets' numbers go on behind `socket`.
    pub(super) fn new(shared: Arc<Shared>, socket: u32) -> Self {
        let state = State::Resolve { deadline: None };
        Self { shared, socket, round_trip: Duration::ZERO, state }
    }

    /// Begins with a connection that was kept, of that number, on which the request is already.
    pub(super) fn over(shared: Arc<Shared>, transport: Transport, socket: u32) -> Self {
        let state = State::Kept(transport);
        Self { shared, socket, round_trip: Duration::ZERO, state }
    }

    /// Goes as far as it can without blocking.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(super) fn advance(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Result<Dialled, HttpError> {
        // Each turn comes nearer to the end: addresses are counted.
        loop {
            let state = std::mem::replace(&mut self.state, State::Over);
            match self.step(state, request, now)? {
                Step::To(state) => self.state = state,
                Step::Stay(state, progress) => {
                    self.state = state;
                    return Ok(Dialled::Waits(progress));
                }
                Step::Sent { transport, deadline } => {
                    return Ok(Dialled::Sent { transport, deadline });
                }
            }
        }
    }

    /// Told what a look-up has found.
    pub(super) fn resolved(&mut self, outcome: io::Result<Vec<SocketAddr>>) {
        if let State::Resolve { .. } = self.state {
            self.state = State::Resolved(outcome);
        }
    }

    /// The socket, when there is one.
    pub(super) fn connection(&mut self) -> Option<&mut TcpStream> {
        match &mut self.state {
            State::Connecting { stream, .. } => Some(stream),
            State::Tunnel(tunnel) => Some(tunnel.connection()),
            State::Kept(transport) | State::Send { transport, .. } => Some(transport.stream()),
            State::Resolve { .. } | State::Resolved(_) | State::Connect(_) | State::Over => None,
        }
    }

    /// Whether it waits for room in the socket, rather than for bytes.
    pub(super) fn is_sending(&self) -> bool {
        match &self.state {
            State::Connecting { .. } => true,
            State::Tunnel(tunnel) => tunnel.is_sending(),
            State::Send { transport, .. } => transport.is_sending(),
            _ => false,
        }
    }

    /// The number of the present socket.
    pub(super) fn socket(&self) -> u32 {
        self.socket
    }

    /// How long the connection took to be there; zero over one that was kept.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    fn step(&mut self, state: State, request: &Request, now: Instant) -> Result<Step, HttpError> {
        match state {
            State::Resolve { deadline } => self.resolve(request, deadline, now),
            State::Resolved(outcome) => self.resolved_to(request, outcome),
            State::Connect(addresses) => self.connect(request, addresses, now),
            State::Connecting { stream, address, deadline, rest } => {
                match transport::connected(&stream) {
                    Some(Ok(())) => {
                        let left = deadline.saturating_duration_since(now);
                        self.round_trip = self.shared.limits.connect.saturating_sub(left);
                        self.first(request, stream, now).map(Step::To)
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
            State::Tunnel(tunnel) => match tunnel.advance(request.url(), now)? {
                Dug::Open(stream) => {
                    let transport = self.transport(request, stream)?;
                    Ok(Step::To(self.connected(transport, now)))
                }
                Dug::Blocked(tunnel) => {
                    let deadline = tunnel.deadline;
                    Ok(Step::Stay(State::Tunnel(tunnel), Progress::Blocked { deadline }))
                }
            },
            State::Kept(transport) => Ok(Step::To(self.connected(transport, now))),
            State::Send { transport, deadline } => self.send(request, transport, deadline, now),
            State::Over => Err(HttpError::Bug("a request was sent after it had failed")),
        }
    }

    fn resolve(
        &self,
        request: &Request,
        asked: Option<Instant>,
        now: Instant,
    ) -> Result<Step, HttpError> {
        let (host, port) = self.host(request)?;
        let literal = |address| Step::To(State::Connect(Addresses::literal(address, port)));
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => return Ok(literal(address.into())),
            Host::Ipv6(address) => return Ok(literal(address.into())),
        };
        let limit = self.shared.limits.connect;
        let Some(deadline) = asked else {
            let state = State::Resolve { deadline: Some(now + limit) };
            let lookup = Lookup::new(host, port, self.shared.resolver.clone(), limit);
            return Ok(Step::Stay(state, Progress::Lookup(lookup)));
        };
        if now >= deadline {
            let (place, waiting) = (request.place(), "the host's address is not known");
            return Err(HttpError::TimedOut { place, waiting, after: limit });
        }
        let state = State::Resolve { deadline: Some(deadline) };
        Ok(Step::Stay(state, Progress::Blocked { deadline }))
    }

    fn connect(
        &mut self,
        request: &Request,
        mut addresses: Addresses,
        now: Instant,
    ) -> Result<Step, HttpError> {
        let Some(address) = addresses.next() else {
            let (address, source) =
                addresses.failed.ok_or(HttpError::Bug("a host without an address"))?;
            let (host, addresses) = (self.host_shown(request)?, addresses.count);
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

    /// What comes first on a connection.
    fn first(
        &self,
        request: &Request,
        stream: TcpStream,
        now: Instant,
    ) -> Result<State, HttpError> {
        let url = request.url();
        match self.shared.proxies.way(url).filter(|_| url.scheme() == "https") {
            Some(proxy) => Ok(State::Tunnel(Tunnel::new(stream, (proxy, url), &self.shared, now))),
            None => {
                let transport = self.transport(request, stream)?;
                Ok(self.connected(transport, now))
            }
        }
    }

    /// The host to connect to, and its port: the proxy's, if there is one.
    fn host<'a>(&'a self, request: &'a Request) -> Result<(Host<&'a str>, u16), HttpError> {
        if let Some(proxy) = self.shared.proxies.way(request.url()) {
            return proxy.host(request.url());
        }
        let port = request.url().port_or_known_default();
        let port = port.ok_or(HttpError::Bug("a URL without a port was let through"))?;
        Ok((host(request)?, port))
    }

    fn host_shown(&self, request: &Request) -> Result<String, HttpError> {
        let (host, _) = self.host(request)?;
        Ok(match self.shared.proxies.way(request.url()) {
            Some(_) => format!("{host} (the proxy)"),
            None => host.to_string(),
        })
    }

    fn resolved_to(
        &self,
        request: &Request,
        outcome: io::Result<Vec<SocketAddr>>,
    ) -> Result<Step, HttpError> {
        let found = outcome.and_then(|found| match found.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "it has no address")),
            false => Ok(found),
        });
        match found {
            Ok(found) => Ok(Step::To(State::Connect(Addresses::new(found)))),
            Err(source) => Err(HttpError::Lookup { host: self.host_shown(request)?, source }),
        }
    }

    fn connected(&self, transport: Transport, now: Instant) -> State {
        State::Send { transport, deadline: now + self.shared.limits.head }
    }

    fn send(
        &self,
        request: &Request,
        mut transport: Transport,
        deadline: Instant,
        now: Instant,
    ) -> Result<Step, HttpError> {
        match transport.send().map_err(|fault| fault.of(request.url()))? {
            Io::Done(_) => Ok(Step::Sent { transport, deadline }),
            Io::Blocked if now >= deadline => {
                let (place, after) = (request.place(), self.shared.limits.head);
                Err(HttpError::TimedOut { place, waiting: "the request is not sent", after })
            }
            Io::Blocked => {
                let state = State::Send { transport, deadline };
                Ok(Step::Stay(state, Progress::Blocked { deadline }))
            }
            Io::Closed { .. } => Err(HttpError::NoAnswer { place: request.place() }),
        }
    }

    fn transport(&self, request: &Request, stream: TcpStream) -> Result<Transport, HttpError> {
        let bytes = request.bytes_for(&self.shared);
        if request.url().scheme() != "https" {
            return Ok(Transport::plain(stream, bytes));
        }
        let host = host(request)?;
        let name = match &host {
            Host::Domain(name) => {
                ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| {
                    HttpError::Url { place: request.place(), reason: "no name for TLS" }
                })?
            }
            Host::Ipv4(address) => ServerName::from(IpAddr::from(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::from(*address)),
        };
        let config = self.shared.roots.config()?;
        let session = Session::new(config, name, bytes);
        let session = session.map_err(|error| HttpError::tls(request.place(), error))?;
        Ok(Transport::tls(stream, session))
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Resolve { .. } | State::Resolved(_) => "resolve",
            State::Connect(_) | State::Connecting { .. } => "connect",
            State::Tunnel(_) => "tunnel",
            State::Kept(_) | State::Send { .. } => "send",
            State::Over => "over",
        };
        f.debug_struct("Dial").field("state", &state).finish_non_exhaustive()
    }
}

fn host(request: &Request) -> Result<Host<&str>, HttpError> {
    request.url().host().ok_or(HttpError::Bug("a URL without a host was let through"))
}
