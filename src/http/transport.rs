//! One connection, with or without TLS: sends a request, takes a head, reads what follows.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::TcpStream;
use nix::errno::Errno;
use rustls::Error as TlsError;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use url::Url;

use super::HttpError;

use super::head::{Collector, HeadError, Taken};
use super::request::place;
use super::tls::Session;
use crate::sys::socket::send_unpaced;

/// A connected socket, and the TLS session on it.
#[derive(Debug)]
pub(super) struct Transport {
    stream: TcpStream,
    layer: Layer,
}

enum Layer {
    Plain {
        request: Vec<u8>,
        sent: usize,
        /// What was read with a head and is behind it; none of it is ever left in the kernel then.
        ahead: Option<Vec<u8>>,
    },
    Tls(Box<Session>),
}

/// What a call that does not block has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Step {
    /// So many bytes, or all that was to be done (then the number says nothing).
    Done(usize),
    /// Wait for the socket.
    Blocked,
    /// The peer has closed; `clean` unless somebody else may have cut the connection.
    Closed { clean: bool },
}

/// How a connection fails.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Tls(TlsError),
    Head(HeadError),
}

impl Fault {
    /// The error of a connection to `url`.
    pub(super) fn of(self, url: &Url) -> HttpError {
        match self {
            Self::Io(source) => HttpError::Connection { place: place(url), source },
            Self::Head(source) => HttpError::Head { place: place(url), source },
            Self::Tls(source) => HttpError::tls(place(url), source),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Transport {
    /// Puts the request on a connected socket, to be sent.
    pub(super) fn plain(stream: TcpStream, request: Vec<u8>) -> Self {
        Self { stream, layer: Layer::Plain { request, sent: 0, ahead: None } }
    }

    /// Likewise, through TLS.
    pub(super) fn tls(stream: TcpStream, session: Session) -> Self {
        Self { stream, layer: Layer::Tls(Box::new(session)) }
    }

    /// Puts another request on it, to be sent. None if that cannot be: bytes came that nobody asked
    /// for, or the peer has closed.
    pub(super) fn with_request(mut self, next: Vec<u8>) -> Option<Self> {
        match &mut self.layer {
            Layer::Plain { request, sent, ahead } => {
                if ahead.take().is_some_and(|ahead| !ahead.is_empty()) {
                    return None;
                }
                let Ok(Step::Blocked) = retried(|| self.stream.peek(&mut [0])) else { return None };
                (*request, *sent) = (next, 0);
            }
            Layer::Tls(session) => session.ask_again(&next)?,
        }
        Some(self)
    }

    /// Reads heads with what follows them, rather than look at them first: a small body comes in the same
    /// call, and nothing is spliced.
    pub(super) fn reads_ahead(&mut self) {
        if let Layer::Plain { ahead, .. } = &mut self.layer {
            *ahead = Some(Vec::new());
        }
    }

    /// Whether it waits for room in the socket, rather than for bytes; while it sends, or a handshake goes on.
    pub(super) fn is_sending(&self) -> bool {
        match &self.layer {
            Layer::Plain { request, sent, .. } => *sent < request.len(),
            Layer::Tls(session) => session.is_sending(),
        }
    }

    /// The socket alone, with what has not been read from it.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub(super) fn plain_stream(&self) -> Option<&TcpStream> {
        match self.layer {
            Layer::Plain { ahead: None, .. } => Some(&self.stream),
            Layer::Plain { .. } | Layer::Tls(_) => None,
        }
    }

    /// Sends the request, after the handshake if there has to be one.
    pub(super) fn send(&mut self) -> Result<Step, Fault> {
        match &mut self.layer {
            Layer::Plain { request, sent, .. } => Ok(flush(&mut self.stream, request, sent)?),
            Layer::Tls(session) => session.send(&mut self.stream),
        }
    }

    /// Takes the bytes of a head, and none behind it.
    ///
    /// Bytes that were looked at and belong to the head are taken at once, also when it is not
    /// whole: looking at the same bytes again would need an edge that never comes.
    pub(super) fn head(&mut self, head: &mut Collector) -> Result<Step, Fault> {
        let mut look = [0; LOOK];
        loop {
            let room = head.room().min(LOOK);
            let look = &mut look[..room];
            let step = match &mut self.layer {
                Layer::Plain { ahead: Some(ahead), .. } if !ahead.is_empty() => given(ahead, look),
                Layer::Plain { ahead: Some(_), .. } => retried(|| self.stream.read(look))?,
                Layer::Plain { .. } => retried(|| self.stream.peek(look))?,
                Layer::Tls(session) => session.read(&mut self.stream, look)?,
            };
            let Step::Done(seen) = step else { return Ok(step) };
            let taken = head.take(&look[..seen]).map_err(Fault::Head)?;
            let count = match taken {
                Taken::All => seen,
                Taken::Whole(count) => count,
            };
            match &mut self.layer {
                Layer::Plain { ahead: Some(ahead), .. } => {
                    ahead.splice(0..0, look[count..seen].iter().copied());
                }
                Layer::Plain { .. } => consume(&mut self.stream, &look[..count])?,
                Layer::Tls(session) => session.unread(seen - count),
            }
            if let Taken::Whole(_) = taken {
                return Ok(Step::Done(count));
            }
        }
    }

    /// Sends some of `bytes`, which are not empty, behind the request. More will follow soon if
    /// `more`, so that a small piece is not sent alone.
    pub(super) fn write(&mut self, bytes: &[u8], more: bool) -> Result<Step, Fault> {
        match &mut self.layer {
            Layer::Plain { .. } => {
                let flags = libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
                let socket = SockRef::from(&self.stream);
                Ok(retried(|| socket.send_with_flags(bytes, flags))?)
            }
            Layer::Tls(session) => session.write(&mut self.stream, bytes),
        }
    }

    /// Whether nothing that was written is left in this process. TLS keeps what the socket does
    /// not take.
    pub(super) fn is_flushed(&mut self) -> Result<bool, Fault> {
        match &mut self.layer {
            Layer::Plain { .. } => Ok(true),
            Layer::Tls(session) => session.is_flushed(&mut self.stream),
        }
    }

    /// Reads into `buf`, which has room.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<Step, Fault> {
        match &mut self.layer {
            Layer::Plain { ahead: Some(ahead), .. } if !ahead.is_empty() => Ok(given(ahead, buf)),
            Layer::Plain { .. } => Ok(receive(&mut self.stream, buf)?),
            Layer::Tls(session) => session.read(&mut self.stream, buf),
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the request, which has the token in it.
        f.write_str(match self {
            Self::Plain { .. } => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}

/// Opens a socket and starts to connect it; an error that is not about the address is `Err`.
pub(super) fn connect(
    address: SocketAddr,
    receive_buffer: Option<usize>,
) -> io::Result<io::Result<TcpStream>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP));
    let socket = match socket {
        // A host with an IPv6 address, and a machine without IPv6.
        Err(error) if error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => {
            return Ok(Err(error));
        }
        other => other?,
    };
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if address.ip().to_canonical().is_loopback()
        && let Err(error) = send_unpaced(&socket)
    {
        tracing::debug!(%error, "the connection keeps the system's congestion control");
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Ok(Err(error)),
        _ => Ok(Ok(TcpStream::from_std(socket.into()))),
    }
}

/// Whether the connection that was started is there; `None` while it is not known.
pub(super) fn connected(stream: &TcpStream) -> Option<io::Result<()>> {
    match stream.take_error() {
        Ok(Some(error)) | Err(error) => return Some(Err(error)),
        Ok(None) => {}
    }
    match stream.peer_addr() {
        Ok(_) => Some(Ok(())),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
        Err(error) => Some(Err(error)),
    }
}

/// Writes `bytes` from `sent` on.
pub(super) fn flush(stream: &mut TcpStream, bytes: &[u8], sent: &mut usize) -> io::Result<Step> {
    while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
        match retried(|| stream.write(rest))? {
            Step::Done(count) => *sent += count,
            Step::Closed { .. } => return Err(io::ErrorKind::WriteZero.into()),
            Step::Blocked => return Ok(Step::Blocked),
        }
    }
    Ok(Step::Done(*sent))
}

/// Reads into `buf`, which has room.
pub(super) fn receive(stream: &mut TcpStream, buf: &mut [u8]) -> io::Result<Step> {
    retried(|| stream.read(buf))
}

/// Gives some of what was read ahead.
fn given(ahead: &mut Vec<u8>, buf: &mut [u8]) -> Step {
    let count = ahead.len().min(buf.len());
    buf[..count].copy_from_slice(&ahead[..count]);
    ahead.drain(..count);
    Step::Done(count)
}

/// Takes the bytes that were looked at.
fn consume(stream: &mut TcpStream, looked_at: &[u8]) -> io::Result<()> {
    let mut buf = [0; LOOK];
    let mut rest = looked_at;
    while !rest.is_empty() {
        let count = stream.read(&mut buf[..rest.len()])?;
        // Bytes sent as urgent change what a second look sees.
        if count == 0 || rest.get(..count) != buf.get(..count) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head changed"));
        }
        rest = &rest[count..];
    }
    Ok(())
}

/// Does one system call until it is not interrupted.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Step> {
    loop {
        return match call() {
            Ok(0) => Ok(Step::Closed { clean: true }),
            Ok(count) => Ok(Step::Done(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Step::Blocked),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
    }
}

/// Bytes looked at in one call: most heads are below 1 KiB.
const LOOK: usize = 4096;

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener};

    use super::*;

    fn congestion_control(address: SocketAddr) -> String {
        let stream = connect(address, None).unwrap().unwrap();
        let name = SockRef::from(&stream).tcp_congestion().unwrap();
        String::from_utf8(name).unwrap().trim_end_matches('\0').to_owned()
    }

    #[test]
    fn what_is_sent_over_loopback_is_not_paced() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(congestion_control(address), "reno");
        if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
            assert_eq!(congestion_control(listener.local_addr().unwrap()), "reno");
        }
    }
}
