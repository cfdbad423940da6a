//! A POST whose body goes out in chunks while it is made.
//!
//! Chunks are announced before their bytes are sent, so whoever has them in a pipe may splice them
//! into [`raw`](Posting::raw). The server may answer at any time: [`look`](Posting::look) finds
//! out, and is called on every edge of the connection. Nothing is sent twice, since the bytes are
//! gone: a redirect is an error, and so is a connection that breaks.

use std::fmt::{self, Write};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;
use url::Url;

use super::dial::{Dial, Dialled};
use super::head::{self, Collector};
use super::redirect::is_redirect;
use super::refusal::{Refusal, without_a_word};
use super::request::{HeaderValue, Request, place};
use super::shared::Shared;
use super::transport::{Fault, Step, Transport};
use super::tunnel;
use super::{HttpError, Progress, RedirectError};

/// One POST with a body of unknown length. `Debug` shows neither the headers' values nor what may
/// be secret in the URL.
#[derive(Clone)]
pub struct Post {
    url: Url,
    headers: Vec<(String, HeaderValue)>,
}

impl Post {
    /// To `http` or `https`.
    pub fn new(url: Url) -> Self {
        Self { url, headers: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: HeaderValue) -> Self {
        self.headers.push((name.into(), value));
        self
    }

    /// The request, up to its first chunk.
    fn request(&self) -> Result<Request, HttpError> {
        let fields = [("Connection", "close"), ("Transfer-Encoding", "chunked")];
        let fields = fields.map(|(name, value)| (name, value.to_owned())).to_vec();
        Request::new("POST", &self.url, fields, &self.headers)
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("url", &place(&self.url))
            .field("headers", &self.headers)
            .finish()
    }
}

/// One POST under way, made by [`Client::post`](super::Client::post).
///
/// First [`advance`](Self::advance) until it is [`Progress::Ready`]; then, for every chunk,
/// [`begin_chunk`](Self::begin_chunk) and its bytes by [`write`](Self::write) or a splice; at last
/// [`end`](Self::end), and [`look`](Self::look) until the server has accepted.
pub struct Posting {
    shared: Arc<Shared>,
    request: Request,
    state: State,
    /// The number of the socket.
    socket: u32,
    /// The framing that is to be sent before anything else.
    framing: Vec<u8>,
    has_ended: bool,
    /// Bytes of the present chunk that were announced and not sent.
    left: usize,
    /// When the server is to take, or to say, something at the latest.
    patience: Option<Instant>,
}

enum State {
    /// On its way to the server.
    Going(Dial),
    /// The body goes out; the answer may come.
    Open(Transport, Collector),
    /// The server has accepted before everything was sent, and still takes bytes, maybe.
    Accepted(Transport),
    /// Reads what an error says.
    Refused(Refusal),
    /// Has returned an error.
    Failed,
}

/// What [`Posting::write`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Wrote {
    /// So many bytes are on their way; at least one.
    Bytes(usize),
    /// Wait for an edge of the connection.
    Blocked,
    /// The server has accepted, and takes no more.
    Refused,
}

/// What the server has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Answer {
    /// Nothing yet.
    None,
    /// That it is content (2xx).
    Accepted,
}

impl Posting {
    pub(super) fn new(shared: Arc<Shared>, post: &Post) -> Result<Self, HttpError> {
        Ok(Self {
            request: post.request()?,
            state: State::Going(Dial::new(Arc::clone(&shared), 0)),
            shared,
            socket: 0,
            framing: Vec::new(),
            has_ended: false,
            left: 0,
            patience: None,
        })
    }

    /// Goes towards the body as far as it can without blocking; see
    /// [`Exchange::advance`](super::Exchange::advance).
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn advance(&mut self, now: Instant) -> Result<Progress, HttpError> {
        let State::Going(dial) = &mut self.state else { return Ok(Progress::Ready(())) };
        match dial.advance(&self.request, now) {
            Ok(Dialled::Waits(waits)) => Ok(waits.of()),
            Ok(Dialled::Sent { transport, .. }) => {
                self.socket = dial.socket();
                self.state = State::Open(transport, Collector::new(self.shared.limits.head_bytes));
                Ok(Progress::Ready(()))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Told what a look-up has found.
    pub fn resolved(&mut self, outcome: io::Result<Vec<std::net::SocketAddr>>) {
        if let State::Going(dial) = &mut self.state {
            dial.resolved(outcome);
        }
    }

    /// The socket, when there is one, and a number that is another one for every socket.
    pub fn connection(&mut self) -> Option<(u32, &mut TcpStream)> {
        match &mut self.state {
            State::Going(dial) => {
                let number = dial.socket();
                dial.connection().map(|stream| (number, stream))
            }
            State::Open(transport, _) | State::Accepted(transport) => {
                Some((self.socket, transport.stream()))
            }
            State::Refused(refusal) => Some((self.socket, refusal.connection())),
            State::Failed => None,
        }
    }

    /// Whether it is still on its way to the server.
    pub fn is_going(&self) -> bool {
        matches!(self.state, State::Going(_))
    }

    /// Whether chunks can be sent.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(..) | State::Accepted(_))
    }

    /// Whether bytes can be spliced into the connection, once it is open: no TLS.
    pub fn is_plain(&self) -> bool {
        self.request.url().scheme() == "http"
    }

    /// Whether [`flush`](Self::flush) has something to send.
    pub fn is_framing_due(&self) -> bool {
        !self.framing.is_empty()
    }

    /// Announced bytes that are still to be sent.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Announces a chunk; the one before is whole. Zero would be the end.
    pub fn begin_chunk(&mut self, bytes: usize) {
        debug_assert!(self.left == 0 && bytes > 0 && !self.has_ended);
        self.frame(bytes);
        self.left = bytes;
    }

    /// Announces that there are no more bytes.
    pub fn end(&mut self) {
        if !self.has_ended {
            debug_assert!(self.left == 0);
            self.frame(0);
            self.framing.extend_from_slice(b"\r\n");
            self.has_ended = true;
        }
    }

    fn frame(&mut self, bytes: usize) {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(text, "{bytes:x}\r\n");
        self.framing.extend_from_slice(text.as_bytes());
    }

    /// The descriptor to splice [`left`](Self::left) bytes into, after [`flush`](Self::flush), of a
    /// connection without TLS. Tell [`spliced`](Self::spliced).
    pub fn raw(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Open(transport, _) | State::Accepted(transport) => {
                transport.plain_stream().map(AsFd::as_fd)
            }
            _ => None,
        }
    }

    /// Told what a splice came to.
    ///
    /// # Errors
    /// The connection broke.
    pub fn spliced(
        &mut self,
        outcome: io::Result<usize>,
        now: Instant,
    ) -> Result<Wrote, HttpError> {
        let step = match outcome {
            Ok(bytes) => Ok(Step::Done(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Step::Blocked),
            Err(error) => Err(Fault::Io(error)),
        };
        self.judge(step, now)
    }

    /// Sends some of the present chunk's bytes, of which `bytes` is the beginning.
    ///
    /// # Errors
    /// The connection broke, or the server has said no.
    pub fn write(&mut self, bytes: &[u8], now: Instant) -> Result<Wrote, HttpError> {
        match self.flush(now)? {
            Wrote::Bytes(_) => {}
            other => return Ok(other),
        }
        let piece = bytes.get(..self.left).unwrap_or(bytes);
        if piece.is_empty() {
            return Err(HttpError::Bug("a write without a chunk"));
        }
        let step = match &mut self.state {
            State::Open(transport, _) | State::Accepted(transport) => {
                // The line end of the chunk follows.
                transport.write(piece, false)
            }
            _ => return Ok(Wrote::Blocked),
        };
        self.judge(step, now)
    }

    /// Sends the framing that is due. What it returns says only whether it was all.
    ///
    /// # Errors
    /// The connection broke, or the server has said no.
    pub fn flush(&mut self, now: Instant) -> Result<Wrote, HttpError> {
        let (more, mut sent) = (self.left > 0, 0);
        let step = loop {
            let (State::Open(transport, _) | State::Accepted(transport)) = &mut self.state else {
                return Ok(Wrote::Blocked);
            };
            let rest = self.framing.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                break match transport.is_flushed() {
                    Ok(true) => Ok(Step::Done(0)),
                    Ok(false) => Ok(Step::Blocked),
                    Err(fault) => Err(fault),
                };
            }
            match transport.write(rest, more) {
                Ok(Step::Done(bytes)) => sent += bytes,
                other => break other,
            }
        };
        self.framing.drain(..sent);
        match step {
            Ok(Step::Done(_)) => Ok(Wrote::Bytes(0)),
            other => self.judge(other, now),
        }
    }

    fn judge(&mut self, step: Result<Step, Fault>, now: Instant) -> Result<Wrote, HttpError> {
        match step {
            Ok(Step::Done(bytes)) => {
                self.left = self.left.saturating_sub(bytes);
                self.patience = None;
                if self.left == 0 && bytes > 0 {
                    // Goes with the next chunk's size, or when there is nothing else to do.
                    self.framing.extend_from_slice(b"\r\n");
                }
                Ok(Wrote::Bytes(bytes))
            }
            Ok(Step::Blocked) => {
                self.patience.get_or_insert(now + self.shared.limits.stall);
                Ok(Wrote::Blocked)
            }
            // It may have said why, or that it is content, before it closed.
            Ok(Step::Closed { .. }) => self.broke(HttpError::NoAnswer { place: self.place() }, now),
            Err(fault) => {
                let error = fault.of(self.request.url());
                self.broke(error, now)
            }
        }
    }

    fn broke(&mut self, error: HttpError, now: Instant) -> Result<Wrote, HttpError> {
        match self.look(now) {
            Ok(Answer::Accepted) => Ok(Wrote::Refused),
            // The text of a refusal is still to be read.
            Ok(Answer::None) if matches!(self.state, State::Refused(_)) => Ok(Wrote::Blocked),
            Err(
                told @ (HttpError::Status { .. }
                | HttpError::Redirect { .. }
                | HttpError::Proxy { .. }
                | HttpError::Head { .. }),
            ) => Err(told),
            _ => Err(self.failed(error)),
        }
    }

    /// Whether the server has answered, or closed, or lets us wait for too long. To be called on
    /// every edge and when [`deadline`](Self::deadline) passes.
    ///
    /// # Errors
    /// It says no (with what it says about it), redirects, closed without an answer, or is silent.
    pub fn look(&mut self, now: Instant) -> Result<Answer, HttpError> {
        let state = std::mem::replace(&mut self.state, State::Failed);
        match state {
            State::Open(transport, collector) => self.look_at_head(transport, collector, now),
            State::Refused(refusal) => self.read_refusal(refusal, now),
            State::Accepted(transport) => {
                self.state = State::Accepted(discard(transport));
                self.keep_patience(now)?;
                Ok(Answer::Accepted)
            }
            state @ State::Going(_) => {
                self.state = state;
                Ok(Answer::None)
            }
            State::Failed => Err(HttpError::Bug("a POST was looked at after it had failed")),
        }
    }

    /// When to [`look`](Self::look) at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Refused(refusal) => Some(refusal.deadline()),
            State::Open(..) | State::Accepted(_) => self.patience,
            State::Going(_) | State::Failed => None,
        }
    }

    /// Everything is sent, framing too: from now on the answer has a deadline.
    pub fn awaits_answer(&mut self, now: Instant) {
        self.patience.get_or_insert(now + self.shared.limits.stall);
    }

    fn look_at_head(
        &mut self,
        mut transport: Transport,
        mut collector: Collector,
        now: Instant,
    ) -> Result<Answer, HttpError> {
        loop {
            match transport.head(&mut collector).map_err(|fault| fault.of(self.request.url()))? {
                Step::Blocked => {
                    self.state = State::Open(transport, collector);
                    self.keep_patience(now)?;
                    return Ok(Answer::None);
                }
                Step::Closed { .. } => return Err(HttpError::NoAnswer { place: self.place() }),
                Step::Done(_) => {}
            }
            let head = head::parse(collector.bytes())
                .map_err(|source| HttpError::Head { place: self.place(), source })?;
            tracing::debug!(place = self.place(), status = head.status, "a response to a POST");
            match head.status {
                101 => return Err(without_a_word(&self.request, 101)),
                100..200 => collector.next(),
                200..300 => {
                    self.state = State::Accepted(discard(transport));
                    return Ok(Answer::Accepted);
                }
                status if is_redirect(status) => {
                    let source = RedirectError::Post;
                    return Err(HttpError::Redirect { place: self.place(), source });
                }
                407 if let Some(proxy) = self.shared.proxies.way(self.request.url()) => {
                    return Err(tunnel::refused(proxy.shown(), self.request.url(), 407));
                }
                _ => {
                    let refusal = Refusal::new(&head, transport, self.place(), now, None);
                    return self.read_refusal(refusal, now);
                }
            }
        }
    }

    fn read_refusal(&mut self, mut refusal: Refusal, now: Instant) -> Result<Answer, HttpError> {
        if refusal.read(now) {
            return Err(refusal.into_error(&self.request, &self.shared.proxies));
        }
        self.state = State::Refused(refusal);
        Ok(Answer::None)
    }

    fn keep_patience(&mut self, now: Instant) -> Result<(), HttpError> {
        if self.patience.is_none_or(|until| now < until) {
            return Ok(());
        }
        let waiting = match self.has_ended && self.framing.is_empty() {
            true => "everything is sent, and it does not answer",
            false => "it takes no more bytes",
        };
        let after = self.shared.limits.stall;
        Err(self.failed(HttpError::TimedOut { place: self.place(), waiting, after }))
    }

    fn failed(&mut self, error: HttpError) -> HttpError {
        self.state = State::Failed;
        error
    }

    fn place(&self) -> String {
        self.request.place()
    }
}

/// Takes what follows the head of an answer, as far as it is there: a socket that is closed with
/// bytes unread resets the connection, and the server could lose the end of the body.
fn discard(mut transport: Transport) -> Transport {
    let mut buf = [0; 4096];
    for _ in 0..DISCARDS {
        if !matches!(transport.read(&mut buf), Ok(Step::Done(_))) {
            break;
        }
    }
    transport
}

/// Pieces of an accepting answer that are taken at once: 64 KiB of something nobody reads.
const DISCARDS: usize = 16;

impl fmt::Debug for Posting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posting").field("request", &self.request).finish_non_exhaustive()
    }
}
