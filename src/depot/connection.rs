//! One connection, from its first request to its end.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::reply::{Answer, Body, ErrorType};
use super::request::{HEAD_BYTES, Head, Request};
use super::route::Routes;
use super::server::Limits;
use super::socket::Socket;
use super::tree::Status;

/// Answers requests until one of the two sides has enough. The caller closes the socket.
pub(super) fn serve(socket: &TcpStream, routes: &Routes, limits: &Limits) {
    let served = Socket::new(socket, limits.stall).and_then(|socket| {
        let served = Connection { socket: &socket, routes, limits, held: Vec::new() }.serve();
        served.inspect_err(|_| socket.reset_when_closed())
    });
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the depot ended early");
    }
}

/// A client that is connected.
struct Connection<'a> {
    socket: &'a Socket<'a>,
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

impl Connection<'_> {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            match self.next()? {
                Next::Request(request) => {
                    let answer = self.routes.answer(&request);
                    self.send(&answer, &request)?;
                    if !request.keep_alive {
                        return self.socket.finish();
                    }
                }
                Next::Refused(answer) => {
                    self.socket.send(&answer.head_and_text(false))?;
                    return self.linger();
                }
                Next::Gone => return Ok(()),
            }
        }
    }

    /// Waits for a request: idle as long as nothing of it has come, then until its head is whole.
    fn next(&mut self) -> io::Result<Next> {
        let mut deadline = Instant::now() + self.limits.idle;
        let mut begun = false;
        loop {
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
            if !begun && !self.held.is_empty() {
                begun = true;
                deadline = Instant::now() + self.limits.head;
            }
            let mut block = [0; HEAD_BYTES];
            match self.socket.read(deadline, &mut block) {
                Ok(0) => return Ok(Next::Gone),
                Ok(got) => self.held.extend(block.iter().take(got)),
                Err(error) if error.kind() != ErrorKind::TimedOut => return Err(error),
                Err(_) if !begun => return Ok(Next::Gone),
                Err(_) => {
                    let why = "The head of the request did not come in time.";
                    return Ok(Next::Refused(Answer::error(408, ErrorType::Rest, why)));
                }
            }
        }
    }

    fn send(&self, answer: &Answer, request: &Request) -> io::Result<()> {
        let keep_alive = request.keep_alive;
        match &answer.body {
            _ if request.method == "HEAD" => self.socket.send(&answer.head(keep_alive)),
            Body::File { file, status, start, end } if start < end => {
                self.socket.send_first(&answer.head(keep_alive))?;
                self.send_file(file, status, *start, *end)
            }
            _ => self.socket.send(&answer.head_and_text(keep_alive)),
        }
    }

    /// Sends bytes of a file. The last of them are kept back until it is known that the file is still
    /// what it was when the head was written.
    fn send_file(&self, file: &File, status: &Status, start: u64, end: u64) -> io::Result<()> {
        let mut at = start;
        while at < end {
            let left = end - at;
            let piece = if left > TAIL { PIECE.min(left - TAIL) } else { left };
            if left <= TAIL && !status.is_of(file) {
                return Err(io::Error::other("the file changed while it was sent"));
            }
            match self.socket.send_file(file, at, piece)? {
                0 => return Err(io::Error::other("the file became shorter while it was sent")),
                sent => at += sent,
            }
        }
        Ok(())
    }

    /// Lets the client read the answer to a request that was not read to its end: a socket that is
    /// closed with unread bytes in it sends a reset, which can overtake the answer.
    fn linger(&self) -> io::Result<()> {
        self.socket.finish()?;
        let end = Instant::now() + LINGER;
        let mut block = [0; HEAD_BYTES];
        for _ in 0..LINGER_READS {
            if matches!(self.socket.read(end, &mut block), Ok(0) | Err(_)) {
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
/// How long, and how often, the rest of a refused request is read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: u32 = 16;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::super::id::{Id, Kind};
    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn a_client_that_takes_nothing_for_too_long_is_reset() {
        let directory = TempDir::new().unwrap();
        File::create(directory.path().join("f")).unwrap().set_len(64 << 20).unwrap();
        let tree = Arc::new(Tree::open(directory.path()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let id = Id::of(Kind::File, "f".as_ref());
        let request = format!("GET /api/v1/file/{id}/download HTTP/1.1\r\nHost: x\r\n\r\n");
        (&client).write_all(request.as_bytes()).unwrap();
        let limits = Limits { stall: Duration::from_millis(50), ..Limits::default() };
        // Returns although nobody reads.
        serve(&accepted, &Routes::new(tree, None), &limits);
        drop(accepted);
        let mut all = Vec::new();
        let error = (&client).read_to_end(&mut all).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}
