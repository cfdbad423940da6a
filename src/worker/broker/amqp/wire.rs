//! The bytes between us and RabbitMQ: a TCP connection, with TLS in it or without.
//!
//! lapin brings TLS of its own, and with it fifty crates for certificates in PKCS #12, which nobody here has. Ours is
//! rustls alone, as it is for Redis and for HTTP.

use std::fs::File;
use std::future::Future;
use std::io::{self, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::run::Roots;
use async_compat::CompatExt as _;
use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection, whatever it is made of.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// What lapin runs on: tokio, with connections of ours.
pub(super) type Runtime = async_rs::Runtime<RuntimeParts<Tokio, Wires>>;

/// The runtime that we are in.
pub(super) fn runtime() -> Runtime {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), Wires(tokio)))
}

/// Connects to a host, and shakes hands if TLS is wanted.
pub(super) async fn connect(
    (host, port): (&str, u16),
    tls: Option<Arc<ClientConfig>>,
) -> io::Result<Box<dyn Wire>> {
    let connecting = async {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = tls else { return Ok(Box::new(stream.compat()) as Box<dyn Wire>) };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| invalid(format!("{host:?} is no name that a certificate could have")))?;
        let stream = TlsConnector::from(tls).connect(name, stream).await?;
        Ok(Box::new(stream.compat()) as Box<dyn Wire>)
    };
    tokio::time::timeout(TIMEOUT, connecting).await?
}

/// The settings of TLS: the system's authorities and those of a file are trusted; with a certificate of our own, if the
/// broker wants one.
///
/// # Errors
/// A file cannot be read, or is not what it should be.
pub(super) fn tls(
    ca_file: Option<&Path>,
    own: Option<(&Path, &Path)>,
) -> io::Result<Arc<ClientConfig>> {
    let files: Vec<_> = ca_file.map(Path::to_owned).into_iter().collect();
    let roots = Roots::new(&files).and_then(|roots| roots.builder());
    let builder = roots.map_err(|error| invalid(crate::run::chain(&error)))?;
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let read =
                |error| invalid(format!("cannot read a key from {}: {error}", key.display()));
            let key = PrivateKeyDer::from_pem_file(key).map_err(read)?;
            builder
                .with_client_auth_cert(certificates(certificate)?, key)
                .map_err(io::Error::other)?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let failed = |error: &dyn std::fmt::Display| {
        invalid(format!("cannot read certificates from {}: {error}", file.display()))
    };
    let reader = BufReader::new(File::open(file).map_err(|error| failed(&error))?);
    CertificateDer::pem_reader_iter(reader)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(&error))
}

fn invalid(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

/// tokio's reactor, whose connections may have TLS in them.
#[derive(Debug, Clone)]
pub(super) struct Wires(Tokio);

impl Reactor for Wires {
    type TcpStream = Box<dyn Wire>;
    type Sleep = tokio::time::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Box::new(connecting.await?) as Box<dyn Wire>) }
    }
}

/// How long both handshakes may take.
const TIMEOUT: Duration = Duration::from_secs(10);
