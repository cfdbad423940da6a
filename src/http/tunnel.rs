//! The way through a proxy to a server that speaks TLS: `CONNECT`, and what the proxy says to it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use url::{Position, Url};

use super::HttpError;
use super::head::{self, Collector};
use super::proxy::Proxy;
use super::request::place;
use super::shared::Shared;
use super::transport::{Step, Transport};

/// A tunnel that is being opened.
#[derive(Debug)]
pub(super) struct Tunnel {
    transport: Transport,
    answer: Collector,
    /// The proxy, as people may see it.
    proxy: String,
    pub(super) deadline: Instant,
    /// How long it may take.
    limit: Duration,
}

/// How far it is.
pub(super) enum Dug {
    Open(TcpStream),
    Blocked(Tunnel),
}

impl Tunnel {
    /// Asks a proxy for the way to `url`, over a connection to it.
    pub(super) fn new(
        stream: TcpStream,
        (proxy, url): (&Proxy, &Url),
        shared: &Shared,
        now: Instant,
    ) -> Self {
        let Shared { user_agent, limits, .. } = shared;
        let host = &url[Position::BeforeHost..Position::AfterHost];
        let port = url.port_or_known_default().unwrap_or_default();
        let mut text = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        // Writing to a String cannot fail.
        let _ = write!(text, "User-Agent: {user_agent}\r\n");
        if let Some(credentials) = proxy.authorization() {
            let _ = write!(text, "Proxy-Authorization: {credentials}\r\n");
        }
        text.push_str("\r\n");
        Self {
            transport: Transport::plain(stream, text.into_bytes()),
            answer: Collector::new(limits.head_bytes),
            proxy: proxy.shown(),
            deadline: now + limits.head,
            limit: limits.head,
        }
    }

    /// Goes as far as it can without blocking.
    ///
    /// # Errors
    /// The proxy says no, or nothing.
    pub(super) fn advance(mut self, url: &Url, now: Instant) -> Result<Dug, HttpError> {
        let at_the_proxy = |error| match error {
            HttpError::Connection { source, .. } => {
                HttpError::Connection { place: self.proxy.clone(), source }
            }
            HttpError::Head { source, .. } => HttpError::Head { place: self.proxy.clone(), source },
            other => other,
        };
        let sent = self.transport.send().map_err(|fault| at_the_proxy(fault.of(url)))?;
        if let Step::Blocked = sent {
            return self.waits(now);
        }
        loop {
            let step = self.transport.head(&mut self.answer);
            match step.map_err(|fault| at_the_proxy(fault.of(url)))? {
                Step::Blocked => return self.waits(now),
                Step::Closed { .. } => return Err(HttpError::NoAnswer { place: self.proxy }),
                Step::Done(_) => {}
            }
            let head = head::parse(self.answer.bytes())
                .map_err(|source| HttpError::Head { place: self.proxy.clone(), source })?;
            match head.status {
                100..200 => self.answer.next(),
                // What follows is the server's.
                200..300 => return Ok(Dug::Open(self.transport.into_stream())),
                status => return Err(refused(self.proxy, url, status)),
            }
        }
    }

    fn waits(self, now: Instant) -> Result<Dug, HttpError> {
        if now < self.deadline {
            return Ok(Dug::Blocked(self));
        }
        let waiting = "the proxy has not opened the way to the server";
        Err(HttpError::TimedOut { place: self.proxy, waiting, after: self.limit })
    }

    pub(super) fn connection(&mut self) -> &mut TcpStream {
        self.transport.stream()
    }

    pub(super) fn is_sending(&self) -> bool {
        self.transport.is_sending()
    }
}

/// That a proxy does not let us through.
pub(super) fn refused(proxy: String, url: &Url, status: u16) -> HttpError {
    HttpError::Proxy { proxy, place: place(url), status }
}
