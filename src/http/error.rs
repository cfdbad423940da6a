//! What can go wrong with a request.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::{CertificateError, Error as TlsError};

use super::chunked::ChunkError;
use super::head::HeadError;
use super::range::RangeError;
use super::redirect::RedirectError;

/// Why a GET or a POST failed. A `place` is a URL without user, password and query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No request can be made to the URL.
    #[error("cannot use the URL {place}: {reason}")]
    Url {
        /// The URL.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A header cannot be sent.
    #[error("cannot send the header {name}: {reason}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file with CA certificates is of no use.
    #[error("cannot read CA certificates from {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No certificate to trust was found on this system.
    #[error(
        "there are no CA certificates on this system: install the package ca-certificates, \
         or name a file with SSL_CERT_FILE"
    )]
    NoRoots {
        /// What went wrong while looking, if anything did.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The system does not find the host.
    #[error("cannot find the host {host}")]
    Lookup {
        /// The host.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// No address of the host takes a connection; this is what the last one said.
    #[error("cannot connect to {host} at {address}{}", tried(*addresses))]
    Connect {
        /// The host.
        host: String,
        /// The last address.
        address: SocketAddr,
        /// How many there are.
        addresses: usize,
        /// Why not.
        source: io::Error,
    },
    /// A proxy refuses.
    #[error("the proxy {proxy} does not let us through to {place}: status {status}{}", asks(*status))]
    Proxy {
        /// The proxy, without its password.
        proxy: String,
        /// The URL.
        place: String,
        /// The status.
        status: u16,
    },
    /// A proxy's address is of no use.
    #[error("cannot use the proxy for {place}: {reason}")]
    ProxyUnusable {
        /// The URL.
        place: String,
        /// Why not.
        reason: &'static str,
    },
    /// Something that should be there by now is not.
    #[error("{place} has not answered within {} s: {waiting}", after.as_secs_f32())]
    TimedOut {
        /// The URL.
        place: String,
        /// What was waited for.
        waiting: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The system cannot give us a socket.
    #[error("cannot open a socket")]
    Socket {
        /// Why not.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {place} broke")]
    Connection {
        /// The URL.
        place: String,
        /// How.
        source: io::Error,
    },
    /// The connection ended before there was a whole response.
    #[error("{place} closed the connection before it answered")]
    NoAnswer {
        /// The URL.
        place: String,
    },
    /// TLS failed.
    #[error("cannot talk to {place} over TLS{hint}")]
    Tls {
        /// The URL.
        place: String,
        /// What to do about it, where that is known.
        hint: &'static str,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The head of the response is bad.
    #[error("the response of {place} cannot be used")]
    Head {
        /// The URL.
        place: String,
        /// Why not.
        source: HeadError,
    },
    /// A chunk of the body is bad.
    #[error("the body from {place} is damaged")]
    Chunk {
        /// The URL.
        place: String,
        /// How.
        source: ChunkError,
    },
    /// The body ended too early.
    #[error("the body from {place} ended after {received} bytes{}", of(*expected))]
    Truncated {
        /// The URL.
        place: String,
        /// Bytes of this body.
        received: u64,
        /// Bytes that were announced, if they were.
        expected: Option<u64>,
    },
    /// The server says no.
    #[error("{place} answered with status {status}{}", says(message.as_deref()))]
    Status {
        /// The URL.
        place: String,
        /// The status.
        status: u16,
        /// What the server says about it, bounded.
        message: Option<String>,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// 416: there is nothing from that byte on.
    #[error("{place} has no bytes from {from} on")]
    RangeNotSatisfiable {
        /// The URL.
        place: String,
        /// The byte.
        from: u64,
    },
    /// A 200 to a request for a range: it starts at the first byte.
    #[error("{place} cannot be continued at byte {from}")]
    RangeIgnored {
        /// The URL.
        place: String,
        /// The byte.
        from: u64,
        /// Why not.
        source: RangeError,
    },
    /// A 206 that is not what was asked for.
    #[error("{place} answered with another range than was asked for (from byte {from})")]
    Range {
        /// The URL.
        place: String,
        /// The byte.
        from: u64,
        /// What is wrong with it.
        source: RangeError,
    },
    /// What comes is not the file's bytes.
    #[error(
        "{place} sends the file encoded ({coding}), which was not asked for: its bytes would not be \
         the file's"
    )]
    Coding {
        /// The URL.
        place: String,
        /// What the server calls it.
        coding: String,
    },
    /// A redirect cannot be followed.
    #[error("cannot follow the redirect of {place}")]
    Redirect {
        /// The URL that redirects.
        place: String,
        /// Why not.
        source: RedirectError,
    },
    /// A mistake of ours.
    #[error("a bug in Gantline: {0}")]
    Bug(&'static str),
}

impl HttpError {
    pub(crate) fn tls(place: String, error: TlsError) -> Self {
        Self::Tls { place, hint: tls_hint(&error), source: Box::new(error) }
    }

    /// How long the server wants to be left alone, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::TimedOut { .. }
            | Self::Connection { .. }
            | Self::NoAnswer { .. }
            | Self::Truncated { .. } => true,
            Self::Status { status, .. } | Self::Proxy { status, .. } => {
                matches!(status, 408 | 425 | 429 | 500..=599)
            }
            Self::Url { .. }
            | Self::ProxyUnusable { .. }
            | Self::Header { .. }
            | Self::CaFile { .. }
            | Self::NoRoots { .. }
            | Self::Lookup { .. }
            | Self::Socket { .. }
            | Self::Tls { .. }
            | Self::Head { .. }
            | Self::Chunk { .. }
            | Self::RangeNotSatisfiable { .. }
            | Self::RangeIgnored { .. }
            | Self::Range { .. }
            | Self::Coding { .. }
            | Self::Redirect { .. }
            | Self::Bug(_) => false,
        }
    }
}

fn tried(addresses: usize) -> String {
    match addresses {
        0 | 1 => String::new(),
        _ => format!(", the last of {addresses} addresses"),
    }
}

/// What a proxy wants that refuses.
fn asks(status: u16) -> &'static str {
    match status {
        407 => " (it wants a user and a password: http://user:password@host:port)",
        403 | 405 => " (its rules forbid that host, or that port)",
        _ => "",
    }
}

fn of(expected: Option<u64>) -> String {
    expected.map(|expected| format!(", of {expected}")).unwrap_or_default()
}

fn says(message: Option<&str>) -> String {
    message.map(|message| format!(": {message}")).unwrap_or_default()
}

/// What to do about the usual failures; rustls's own words follow as the source.
fn tls_hint(error: &TlsError) -> &'static str {
    match error {
        TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            ": its certificate is not from an authority that is trusted here (name the file with \
             the authority's certificate, or set SSL_CERT_FILE)"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => ": its certificate is for another host",
        TlsError::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => ": its certificate has expired",
        TlsError::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => ": its certificate is not valid yet (is this machine's clock right?)",
        TlsError::InvalidCertificate(_) => ": its certificate is not accepted",
        TlsError::InvalidMessage(_) => ": what it sends is not TLS (is it a port for plain http?)",
        _ => "",
    }
}
