//! One connection to the engine for one call.
//!
//! A call has its connection for itself: the engine is on this machine or near it, no connection
//! can have gone stale between two calls, and dropping the future of a call closes its socket at
//! once, which is how the engine learns that nobody waits any more. Nothing is spawned: whoever
//! awaits a reply also drives the connection.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tower_service::Service;

use super::endpoint::Endpoint;
use super::error::{AnswerError, Call, DockerError};
use super::reply;

/// A connection on which nothing was said yet.
pub(super) struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
}

impl Link {
    /// Connects for a call whose answer is HTTP to its end.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, DockerError> {
        match endpoint {
            Endpoint::Unix(path) => {
                let socket = hyperlocal::Uri::new(sound(endpoint, path)?, "/").into();
                let stream = connecting(endpoint, hyperlocal::UnixConnector.call(socket)).await?;
                Self::over(stream).await
            }
            Endpoint::Tcp { host, port } => {
                let stream = tcp(endpoint, host, *port).await?;
                Self::over(TokioIo::new(stream)).await
            }
        }
    }

    async fn over<S>(stream: S) -> Result<Self, DockerError>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(stream).await?;
        Ok(Self { sender, driver: Driver::new(connection) })
    }

    /// Like [`Link::open`], on a stream that an upgrade hands back.
    pub(super) async fn upgradeable<S>(stream: S) -> Result<Self, DockerError>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(stream).await?;
        Ok(Self { sender, driver: Driver::new(connection.with_upgrades()) })
    }

    /// Sends the request and reads the head of the answer, whatever its status.
    pub(super) async fn send(
        mut self,
        call: Call,
        request: hyper::Request<Full<Bytes>>,
    ) -> Result<Reply, DockerError> {
        match self.driver.drive(self.sender.send_request(request)).await {
            Ok(response) => {
                tracing::trace!(%call, status = response.status().as_u16(), "the engine answers");
                Ok(Reply { call, response, driver: self.driver })
            }
            Err(error) => Err(DockerError::of_call(call, error)),
        }
    }
}

/// An answer whose head is here.
pub(super) struct Reply {
    call: Call,
    response: Response<Incoming>,
    driver: Driver,
}

impl Reply {
    pub(super) const fn call(&self) -> &Call {
        &self.call
    }

    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The value of a header, when it is there and plain text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Makes an error of every status but 2xx and 304, with what the engine says about it.
    ///
    /// 304 is the engine's word for "it is so already".
    pub(super) async fn accepted(mut self) -> Result<Self, DockerError> {
        let status = self.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(self);
        }
        let mut body = Vec::new();
        // The status counts for more than how its text ends.
        while let Ok(Some(bytes)) = self.next_bytes().await {
            let room = reply::MOST_REFUSAL - body.len();
            body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            if body.len() == reply::MOST_REFUSAL {
                break;
            }
        }
        Err(reply::refusal(&self.call, status.as_u16(), &body))
    }

    /// Reads the whole body.
    pub(super) async fn body(mut self) -> Result<Vec<u8>, DockerError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.next_bytes().await? {
            if body.len() + bytes.len() > reply::MOST_ANSWER {
                let source = AnswerError::TooLong { most: reply::MOST_ANSWER };
                return Err(DockerError::Answer { call: self.call, source });
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    /// Waits for the next bytes of the body; `None` is its end. Never empty.
    pub(super) async fn next_bytes(&mut self) -> Result<Option<Bytes>, DockerError> {
        loop {
            match self.driver.drive(self.response.frame()).await {
                None => return Ok(None),
                Some(Err(error)) => return Err(DockerError::of_call(self.call.clone(), error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                    _ => {}
                },
            }
        }
    }

    /// Takes the connection that a 101 hands over.
    pub(super) async fn upgraded(self) -> Result<hyper::upgrade::Upgraded, DockerError> {
        let Self { call, response, mut driver } = self;
        driver
            .drive(hyper::upgrade::on(response))
            .await
            .map_err(|error| DockerError::of_call(call, error))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("call", &self.call).field("status", &self.status()).finish()
    }
}

/// The I/O of a connection: goes on while something of it is awaited.
struct Driver(Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>);

impl Driver {
    fn new(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        Self(Some(Box::pin(connection)))
    }

    /// Awaits `wanted`, which needs the connection's I/O to become ready.
    async fn drive<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        poll_fn(|context| {
            if let Poll::Ready(output) = wanted.as_mut().poll(context) {
                return Poll::Ready(output);
            }
            if let Some(connection) = &mut self.0 {
                if connection.as_mut().poll(context).is_ready() {
                    // An error of the connection reaches `wanted` too.
                    self.0 = None;
                }
                return wanted.as_mut().poll(context);
            }
            Poll::Pending
        })
        .await
    }
}

/// Connects a stream of Tokio's own, whose socket can be taken back.
pub(super) async fn unix(
    endpoint: &Endpoint,
    path: &Path,
) -> Result<tokio::net::UnixStream, DockerError> {
    connecting(endpoint, tokio::net::UnixStream::connect(sound(endpoint, path)?)).await
}

/// Connects to the first address of `host` that answers.
pub(super) async fn tcp(
    endpoint: &Endpoint,
    host: &str,
    port: u16,
) -> Result<TcpStream, DockerError> {
    let failed = |source| DockerError::Connect { endpoint: endpoint.clone(), source };
    let stream = connecting(endpoint, TcpStream::connect((host, port))).await?;
    stream.set_nodelay(true).map_err(failed)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive).map_err(failed)?;
    Ok(stream)
}

async fn connecting<S>(
    endpoint: &Endpoint,
    connect: impl Future<Output = io::Result<S>>,
) -> Result<S, DockerError> {
    tokio::time::timeout(CONNECT, connect)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| DockerError::Connect { endpoint: endpoint.clone(), source })
}

async fn handshake<S>(
    stream: S,
) -> Result<(http1::SendRequest<Full<Bytes>>, http1::Connection<S, Full<Bytes>>), DockerError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    http1::Builder::new()
        .max_buf_size(MOST_HEAD)
        .handshake(stream)
        .await
        .map_err(|_| DockerError::Bug("the connection was taken before it was used"))
}

/// Refuses paths that hyperlocal would change (not UTF-8) or panic at (too long for a URI).
fn sound<'a>(endpoint: &Endpoint, path: &'a Path) -> Result<&'a Path, DockerError> {
    let problem = if path.to_str().is_none() {
        "the path of the socket is not UTF-8"
    } else if path.as_os_str().as_bytes().len() > MOST_SOCKET_PATH {
        "the path of the socket is longer than 107 bytes, which no system call takes"
    } else {
        return Ok(path);
    };
    Err(DockerError::Address { address: endpoint.to_string(), problem })
}

/// How long one connection may take to be made. On a socket of this machine it is no time at all.
const CONNECT: Duration = Duration::from_secs(10);

/// How soon a quiet TCP connection is asked whether the other side is still there; the wait for
/// an exit has no other way to learn that the engine's machine is gone. Docker's own number.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The longest head of an answer, and how much of a body is read at once.
const MOST_HEAD: usize = 64 << 10;

/// `sun_path` has 108 bytes, the last of which is NUL (unix(7)).
const MOST_SOCKET_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_that_no_call_takes_is_refused_and_does_not_panic() {
        for length in [108, 200_000] {
            let endpoint = Endpoint::Unix(format!("/{}", "x".repeat(length - 1)).into());
            let Endpoint::Unix(path) = &endpoint else { unreachable!() };
            let error = sound(&endpoint, path).unwrap_err();
            assert!(error.to_string().contains("longer than 107 bytes"), "{length}");
        }
        let longest = format!("/{}", "x".repeat(106));
        assert!(sound(&Endpoint::default(), Path::new(&longest)).is_ok());
    }

    #[test]
    fn a_socket_path_that_is_not_text_is_refused() {
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/run/\xff.sock"));
        let error = sound(&Endpoint::Unix(path.to_owned()), path).unwrap_err();
        assert!(error.to_string().contains("not UTF-8"));
    }
}
