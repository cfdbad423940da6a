//! One connection, from its first request to its end, in blocking calls with deadlines.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;
use socket2::{SockRef, TcpKeepalive};

use super::reply::{Answer, Body, ErrorType};
use super::request::{HEAD_BYTES, Head, Request};
use super::route::Routes;
use super::server::Limits;
use super::tree::Status;

/// A client that is connected.
#[derive(Debug)]
pub(super) struct Connection<'a> {
    socket: &'a TcpStream,
    routes: &'a Routes,
    limits: &'a Limits,
    /// What was read and is not parsed yet.
    held: Vec<u8>,
}

/// What a client does next.
enum Next {
    Request(Box<Request>),
    Refused(Answer),
    Gone,
}

impl<'a> Connection<'a> {
    pub(super) fn new(socket: &'a TcpStream, routes: &'a Routes, limits: &'a Limits) -> Self {
        Self { socket, routes, limits, held: Vec::new() }
    }

    /// Answers requests until one of the two sides has enough. The caller closes the socket.
    pub(super) fn serve(mut self) {
        if let Err(error) = self.converse() {
            tracing::debug!(%error, "a connection to the depot ended early");
            // Closed like this the socket sends a reset: nobody takes what came for all there is.
            let _ = SockRef::from(self.socket).set_linger(Some(Duration::ZERO));
        }
    }

    fn converse(&mut self) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        self.socket.set_write_timeout(Some(self.limits.stall))?;
        SockRef::from(self.socket).set_tcp_keepalive(&KEEPALIVE)?;
        loop {
            match self.next()? {
                Next::Request(request) => {
                    let answer = self.routes.answer(&request);
                    self.send(&answer, request.keep_alive, request.method == "HEAD")?;
                    if !request.keep_alive {
                        return self.socket.shutdown(Shutdown::Write);
                    }
                }
                Next::Refused(answer) => {
                    self.send(&answer, false, false)?;
                    return self.linger();
                }
                Next::Gone => return Ok(()),
            }
        }
    }

    /// Waits for a request: idle as long as nothing of it has come, then until its head is whole.
    fn next(&mut self) -> io::Result<Next> {
        let mut deadline = None;
        loop {
            if !self.held.is_empty() {
                match Head::parse(&self.held) {
                    Head::Complete(request, length) => {
                        self.held.drain(..length);
                        return Ok(Next::Request(request));
                    }
                    Head::Refused(status, why) => {
                        return Ok(Next::Refused(Answer::error(status, ErrorType::Rest, why)));
                    }
                    Head::Partial => {}
                }
                deadline.get_or_insert_with(|| Instant::now() + self.limits.head);
            }
            let mut block = [0; HEAD_BYTES];
            match self.read_before(deadline, &mut block) {
                Ok(0) => return Ok(Next::Gone),
                Ok(got) => self.held.extend(block.iter().take(got)),
                Err(error) if error.kind() != ErrorKind::TimedOut => return Err(error),
                Err(_) if self.held.is_empty() => return Ok(Next::Gone),
                Err(_) => {
                    let why = "The head of the request did not come in time.";
                    return Ok(Next::Refused(Answer::error(408, ErrorType::Rest, why)));
                }
            }
        }
    }

    /// Reads once, before the deadline or for as long as a connection may be idle.
    fn read_before(&mut self, deadline: Option<Instant>, block: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = deadline
                .map_or(self.limits.idle, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(block) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What a socket says when its time is over: EAGAIN.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                other => return other,
            }
        }
    }

    fn send(&mut self, answer: &Answer, keep_alive: bool, head_only: bool) -> io::Result<()> {
        let mut head = answer.head(keep_alive);
        match &answer.body {
            _ if head_only => self.socket.write_all(&head),
            Body::Text(text) => {
                head.extend(text);
                self.socket.write_all(&head)
            }
            Body::File { file, status, start, end } => {
                // Head and body share segments; what is left goes when the cork is drawn.
                SockRef::from(self.socket).set_tcp_cork(true)?;
                self.socket.write_all(&head)?;
                self.send_file(file, status, *start, *end)?;
                SockRef::from(self.socket).set_tcp_cork(false)
            }
        }
    }

    /// Sends bytes of a file. The last of them are kept back until it is known that the file is still
    /// what it was when the head was written.
    fn send_file(
        &self,
        file: &std::fs::File,
        status: &Status,
        start: u64,
        end: u64,
    ) -> io::Result<()> {
        let mut at = start;
        while at < end {
            let left = end - at;
            let piece = if left > TAIL { PIECE.min(left - TAIL) } else { left };
            if left <= TAIL && !status.is_of(file) {
                return Err(io::Error::other("the file changed while it was sent"));
            }
            let mut offset = i64::try_from(at).map_err(io::Error::other)?;
            let piece = usize::try_from(piece).map_err(io::Error::other)?;
            match sendfile64(self.socket, file, Some(&mut offset), piece) {
                Ok(0) => return Err(io::Error::other("the file became shorter while it was sent")),
                Ok(sent) => at += sent as u64,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Lets the client read the answer to a request that was not read to its end: a socket that is
    /// closed with unread bytes in it sends a reset, which can overtake the answer.
    fn linger(&mut self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)?;
        let end = Instant::now() + LINGER;
        let mut block = [0; HEAD_BYTES];
        for _ in 0..LINGER_READS {
            if matches!(self.read_before(Some(end), &mut block), Ok(0) | Err(_)) {
                break;
            }
        }
        Ok(())
    }
}

/// How much one sendfile(2) is for: enough for the call not to matter.
const PIECE: u64 = 8 << 20;
/// How much is kept back until the file was looked at again.
const TAIL: u64 = 64 << 10;
/// A client that is gone without a word is found out in two minutes.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);
/// How long, and how often, the rest of a refused request is read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: u32 = 16;
