//! A POST of bytes that lie in a file, and the whole of its answer: for threads that may block.
//!
//! Without TLS the file goes into the socket inside the kernel (sendfile(2)). The server may answer before it has
//! everything, which is then the answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use url::Url;

use super::dial::{Dial, Dialled};
use super::framing::Course;
use super::head::{self, Collector, Head};
use super::kept::Origin;
use super::request::{HeaderValue, Request};
use super::transport::{Fault, Step, Transport};
use super::{Body, HttpError, LaneError, Pool, Progress};
use crate::sys::sendfile::send_file;
use crate::sys::splice::is_to_copy;

/// A POST that brings something. `Debug` shows neither the headers' values nor what may be secret in the URL.
#[derive(Debug)]
pub struct Outgoing {
    /// `http` or `https`.
    pub url: Url,
    /// Sent as they are.
    pub headers: Vec<(String, HeaderValue)>,
    /// What kind of bytes they are: `Content-Type`.
    pub kind: &'static str,
    /// How many.
    pub length: u64,
    /// The server is to agree before they are sent (`Expect: 100-continue`), or to say nothing for a second.
    pub asks_first: bool,
    /// For all of it, with the answer.
    pub limit: Duration,
}

/// The bytes, in their order.
pub trait Payload: io::Read {
    /// The file that they lie in, and the place of the next. None: they are to be read.
    ///
    /// # Errors
    /// They are not to be sent any more.
    fn in_file(&mut self) -> io::Result<Option<(BorrowedFd<'_>, u64)>>;

    /// Told that so many were sent from the file; zero: it ends here.
    ///
    /// # Errors
    /// They are not to be sent any more, or there are fewer than there were to be.
    fn sent(&mut self, bytes: usize) -> io::Result<()>;
}

/// A server's answer, whatever it says.
#[derive(Debug)]
pub struct Answered {
    /// 200 to 999.
    pub status: u16,
    /// `Location`.
    pub location: Option<String>,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// What comes with it.
    pub body: Vec<u8>,
}

impl Pool {
    /// Sends a request, and waits for the answer, of at most `most` bytes. It goes over a connection that is kept,
    /// if there is one; nothing is sent twice.
    ///
    /// # Errors
    /// [`LaneError`]. Whether the server has done what was asked for is not known then.
    pub fn send(
        &self,
        outgoing: &Outgoing,
        payload: &mut dyn Payload,
        most: usize,
    ) -> Result<Answered, LaneError> {
        let request = outgoing.request()?;
        let until = Instant::now() + outgoing.limit;
        let (transport, socket) = self.dialled(&request)?;
        let collector = Collector::new(self.client.limits().head_bytes);
        let mut sending = Sending {
            pool: self,
            request: &request,
            transport,
            collector,
            until,
            limit: outgoing.limit,
            broke: None,
        };
        let mut left = outgoing.length;
        let mut head = None;
        if outgoing.asks_first {
            head = sending.agreed()?;
        }
        if head.is_none() {
            head = sending.body(payload, &mut left)?;
        }
        let head = match head {
            Some(head) => head,
            None => sending.answer()?,
        };
        if left > 0 && (200..300).contains(&head.status) {
            let source = io::Error::other("it is content before it has all bytes");
            return Err(HttpError::Connection { place: request.place(), source }.into());
        }
        let course = Course::new(head.framing, None);
        let mut body = Body::new(sending.transport, course, request.place(), 0);
        if left == 0 && head.keeps {
            body = body.keeping(Origin { url: outgoing.url.clone(), socket });
        }
        let Head { status, location, retry_after, .. } = head;
        let mut answered = Answered { status, location, retry_after, body: Vec::new() };
        self.read(&mut body, most, &mut answered.body)?;
        self.keep_of(body);
        Ok(answered)
    }

    /// A connection with the head of the request on it.
    fn dialled(&self, request: &Request) -> Result<(Transport, u32), LaneError> {
        let shared = self.client.shared();
        let kept = self.take(request.url());
        let kept = kept.and_then(|kept| kept.asked(request, shared));
        let mut dial = match kept {
            Some((transport, socket)) => Dial::over(Arc::clone(shared), transport, socket),
            None => Dial::new(Arc::clone(shared), 0),
        };
        loop {
            match dial.advance(request, Instant::now())? {
                Dialled::Sent { transport, .. } => return Ok((transport, dial.socket())),
                Dialled::Waits(Progress::Lookup(lookup)) => dial.resolved(lookup.run()),
                Dialled::Waits(Progress::Blocked { deadline }) => {
                    let events = waits_for(dial.is_sending());
                    let socket = dial.connection().map(|stream| ((*stream).as_fd(), events));
                    self.wait(socket, deadline.saturating_duration_since(Instant::now()))?;
                }
                Dialled::Waits(Progress::Ready(never)) => match never {},
            }
        }
    }
}

/// A request whose head was sent.
struct Sending<'a> {
    pool: &'a Pool,
    request: &'a Request,
    transport: Transport,
    collector: Collector,
    until: Instant,
    limit: Duration,
    /// How sending came to its end: the server may have said why before.
    broke: Option<Fault>,
}

impl Sending<'_> {
    /// Waits until the server agrees, or says nothing for a moment. An answer: it does not.
    fn agreed(&mut self) -> Result<Option<Head>, LaneError> {
        let silent = Instant::now() + CONSENT;
        loop {
            match self.look()? {
                Look::Head(head) => return Ok(Some(head)),
                Look::Interim => return Ok(None),
                Look::Nothing => {}
            }
            let left = silent.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(PollFlags::POLLIN, left)?;
        }
    }

    /// Sends the body: `left` is what was not. An answer may come before its end.
    fn body(
        &mut self,
        payload: &mut dyn Payload,
        left: &mut u64,
    ) -> Result<Option<Head>, LaneError> {
        let mut copied = Copied::default();
        while *left > 0 {
            match self.some(payload, *left, &mut copied) {
                Ok(Step::Done(bytes)) => *left -= bytes as u64,
                Ok(Step::Blocked) => {
                    let stall = self.pool.client.limits().stall;
                    if !self.wait(PollFlags::POLLIN | PollFlags::POLLOUT, stall)? {
                        return Err(self.timed_out("it takes no more bytes", stall));
                    }
                    if let Look::Head(head) = self.look()? {
                        return Ok(Some(head));
                    }
                }
                Ok(Step::Closed { .. }) => return Ok(None),
                Err(Unsent::Payload(error)) => return Err(LaneError::Payload(error)),
                Err(Unsent::Fault(fault)) => {
                    self.broke = Some(fault);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Sends some of it.
    fn some(
        &mut self,
        payload: &mut dyn Payload,
        left: u64,
        copied: &mut Copied,
    ) -> Result<Step, Unsent> {
        if let Some(socket) = self.transport.plain_stream()
            && copied.is_empty()
            && !copied.is_only_way
            && let Some((file, at)) = payload.in_file().map_err(Unsent::Payload)?
        {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            match send_file(&file, at, socket, most) {
                Ok(sent) => {
                    payload.sent(sent).map_err(Unsent::Payload)?;
                    return Ok(Step::Done(sent));
                }
                Err(Errno::EAGAIN) => return Ok(Step::Blocked),
                Err(error) if is_to_copy(error) => copied.is_only_way = true,
                Err(error) => return Err(Unsent::Fault(Fault::Io(error.into()))),
            }
        }
        if copied.is_empty() {
            copied.fill(payload, left).map_err(Unsent::Payload)?;
        }
        let is_more = copied.rest().len() as u64 != left;
        let step = self.transport.write(copied.rest(), is_more).map_err(Unsent::Fault)?;
        if let Step::Done(bytes) = step {
            copied.from += bytes;
        }
        Ok(step)
    }

    /// Waits for the answer.
    fn answer(&mut self) -> Result<Head, LaneError> {
        loop {
            let is_flushed = self.broke.is_some() || self.flushed()?;
            let looked = self.look();
            if let Some(fault) = self.broke.take_if(|_| !matches!(looked, Ok(Look::Head(_)))) {
                // It has said nothing of why.
                return Err(fault.of(self.request.url()).into());
            }
            match looked? {
                Look::Head(head) => return Ok(head),
                Look::Interim => continue,
                Look::Nothing => {}
            }
            let left = self.until.saturating_duration_since(Instant::now());
            let events = waits_for(!is_flushed) | PollFlags::POLLIN;
            if left.is_zero() || !self.wait(events, left)? {
                return Err(
                    self.timed_out("everything is sent, and it does not answer", self.limit)
                );
            }
        }
    }

    /// Whether TLS keeps nothing back; a connection that breaks here may have an answer in it.
    fn flushed(&mut self) -> Result<bool, LaneError> {
        match self.transport.is_flushed() {
            Ok(is_flushed) => Ok(is_flushed),
            Err(fault) => {
                self.broke = Some(fault);
                Ok(true)
            }
        }
    }

    /// Whether there is an answer.
    fn look(&mut self) -> Result<Look, LaneError> {
        let place = || self.request.place();
        match self.transport.head(&mut self.collector) {
            Err(fault) => return Err(fault.of(self.request.url()).into()),
            Ok(Step::Blocked) => return Ok(Look::Nothing),
            Ok(Step::Closed { .. }) => return Err(HttpError::NoAnswer { place: place() }.into()),
            Ok(Step::Done(_)) => {}
        }
        let head = head::parse(self.collector.bytes())
            .map_err(|source| HttpError::Head { place: place(), source })?;
        tracing::debug!(place = place(), status = head.status, "an answer");
        if (100..200).contains(&head.status) {
            self.collector.next();
            return Ok(Look::Interim);
        }
        Ok(Look::Head(head))
    }

    fn wait(&self, events: PollFlags, at_most: Duration) -> Result<bool, LaneError> {
        let left = self.until.saturating_duration_since(Instant::now());
        self.pool.wait(Some((self.transport.descriptor(), events)), at_most.min(left))
    }

    fn timed_out(&self, waiting: &'static str, after: Duration) -> LaneError {
        HttpError::TimedOut { place: self.request.place(), waiting, after }.into()
    }
}

/// What has come from the server.
enum Look {
    Nothing,
    /// It goes on (1xx).
    Interim,
    Head(Head),
}

/// Why a piece was not sent.
enum Unsent {
    Payload(io::Error),
    Fault(Fault),
}

/// Bytes that were read and not sent yet.
#[derive(Default)]
struct Copied {
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// The kernel does not send this file by itself.
    is_only_way: bool,
}

impl Copied {
    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }

    fn fill(&mut self, payload: &mut dyn Payload, left: u64) -> io::Result<()> {
        self.buffer.resize(COPY, 0);
        let room = usize::try_from(left).unwrap_or(COPY).min(COPY);
        let read = payload.read(self.buffer.get_mut(..room).unwrap_or_default())?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.from, self.to) = (0, read);
        Ok(())
    }
}

impl Outgoing {
    fn request(&self) -> Result<Request, HttpError> {
        let mut fields = vec![
            ("Connection", "keep-alive".to_owned()),
            ("Content-Type", self.kind.to_owned()),
            ("Content-Length", self.length.to_string()),
        ];
        if self.asks_first {
            fields.push(("Expect", "100-continue".to_owned()));
        }
        Request::new("POST", &self.url, fields, &self.headers)
    }
}

/// What a socket is waited for that sends, or only hears.
fn waits_for(is_sending: bool) -> PollFlags {
    if is_sending { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN }
}

/// How long a server may take to agree.
const CONSENT: Duration = Duration::from_secs(1);

/// Sent by one call; between two of them it is seen whether anybody still wants it.
const PIECE: usize = 4 << 20;

/// Read at once, where bytes are copied.
const COPY: usize = 256 * 1024;
