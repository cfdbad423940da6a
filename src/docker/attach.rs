//! The container's streams, as the bare connection to the engine.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::client::{Client, within};
use super::conn::{self, Link};
use super::container::ContainerId;
use super::endpoint::Endpoint;
use super::error::{AnswerError, Call, DockerError};
use super::request::Request;
use super::version::ApiVersion;

/// A container's stdout and stderr.
///
/// The bytes are `read_ahead`, then what `socket` gives until it ends. They must be read without
/// pause: a container whose streams nobody reads stalls, and at its exit the engine drops what is
/// left after two seconds.
#[non_exhaustive]
pub struct Attached {
    /// The connection, non-blocking.
    pub socket: OwnedFd,
    /// Bytes of the streams that came together with the head of the answer.
    pub read_ahead: Bytes,
    /// Whether the streams come in frames ([`frame`](super::frame)). With a TTY there is only
    /// stdout, as it is.
    pub framed: bool,
}

impl Client {
    /// Attaches to stdout and stderr of a container that is not started yet.
    ///
    /// Everything from now on is delivered, nothing from before. Attaching to a container that has
    /// exited never ends.
    ///
    /// # Errors
    /// [`DockerError::NotUpgraded`] when something between keeps the connection for itself.
    pub async fn attach(&self, id: &ContainerId) -> Result<Attached, DockerError> {
        // Older engines do not say in the answer whether it is framed.
        let tty = match self.version() < ApiVersion::SAYS_FRAMED {
            true => Some(self.inspect(id).await?.tty),
            false => None,
        };
        self.attach_with(id, tty).await
    }

    /// Like [`attach`](Self::attach), for whoever has created the container without a TTY: older
    /// engines need not be asked for that.
    ///
    /// # Errors
    /// As [`attach`](Self::attach).
    pub async fn attach_without_tty(&self, id: &ContainerId) -> Result<Attached, DockerError> {
        let is_known = self.version() < ApiVersion::SAYS_FRAMED;
        self.attach_with(id, is_known.then_some(false)).await
    }

    /// Without `tty` the answer says whether there is one.
    async fn attach_with(
        &self,
        id: &ContainerId,
        tty: Option<bool>,
    ) -> Result<Attached, DockerError> {
        let request = Request::post(format!("/containers/{id}/attach"))
            .query("stream", "1")
            .query("stdout", "1")
            .query("stderr", "1")
            .header(CONNECTION, HeaderValue::from_static("Upgrade"))
            // Podman compares it with "tcp" byte by byte.
            .header(UPGRADE, HeaderValue::from_static("tcp"));
        let call = request.call().clone();
        within(self.timeout(), &call, async {
            let endpoint = self.endpoint();
            match endpoint {
                Endpoint::Unix(path) => {
                    let stream = conn::unix(endpoint, path).await?;
                    self.attach_over(stream, request, tty).await
                }
                Endpoint::Tcp { host, port } => {
                    let stream = conn::tcp(endpoint, host, *port).await?;
                    self.attach_over(stream, request, tty).await
                }
            }
        })
        .await
    }

    async fn attach_over<S: Detach>(
        &self,
        stream: S,
        request: Request,
        tty: Option<bool>,
    ) -> Result<Attached, DockerError> {
        let call = request.call().clone();
        let link = Link::upgradeable(TokioIo::new(stream)).await?;
        let reply = link.send(call.clone(), self.on_paper(request)?).await?;
        if reply.status() != StatusCode::SWITCHING_PROTOCOLS {
            let reply = reply.accepted().await?;
            return Err(DockerError::NotUpgraded { call, status: reply.status().as_u16() });
        }
        let framed = match tty {
            Some(tty) => !tty,
            None => is_framed(&call, reply.header(CONTENT_TYPE.as_str()))?,
        };
        let parts = reply
            .upgraded()
            .await?
            .downcast::<TokioIo<S>>()
            .map_err(|_| DockerError::Bug("the upgrade gave another stream back"))?;
        let socket = parts
            .io
            .into_inner()
            .detach()
            .map_err(|error| DockerError::Answer { call, source: AnswerError::TakeOver(error) })?;
        Ok(Attached { socket, read_ahead: parts.read_buf, framed })
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("socket", &self.socket)
            .field("read_ahead", &self.read_ahead.len())
            .field("framed", &self.framed)
            .finish()
    }
}

/// Reads the content type of an attach, from [`ApiVersion::SAYS_FRAMED`] on.
fn is_framed(call: &Call, content_type: Option<&str>) -> Result<bool, DockerError> {
    match content_type {
        Some("application/vnd.docker.multiplexed-stream") => Ok(true),
        Some("application/vnd.docker.raw-stream") => Ok(false),
        _ => {
            let source = AnswerError::Unexpected("its content type is no stream of docker's");
            Err(DockerError::Answer { call: call.clone(), source })
        }
    }
}

/// A stream that leaves the runtime.
trait Detach: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn detach(self) -> io::Result<OwnedFd>;
}

impl Detach for UnixStream {
    fn detach(self) -> io::Result<OwnedFd> {
        Ok(self.into_std()?.into())
    }
}

impl Detach for TcpStream {
    fn detach(self) -> io::Result<OwnedFd> {
        Ok(self.into_std()?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_whether_there_are_frames() {
        let call = Call { method: "POST", path: "/containers/x/attach".to_owned() };
        let framed = |content_type| is_framed(&call, content_type);
        assert!(framed(Some("application/vnd.docker.multiplexed-stream")).unwrap());
        assert!(!framed(Some("application/vnd.docker.raw-stream")).unwrap());
        assert!(framed(Some("text/html")).is_err());
        assert!(framed(None).is_err());
    }
}
