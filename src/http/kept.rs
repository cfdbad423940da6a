//! A connection that a server keeps open behind a body, for another GET.

use std::fmt;

use url::Url;

use super::redirect::is_same_origin;
use super::request::Request;
use super::shared::Shared;
use super::transport::Transport;

/// A connection whose last answer has been read to its end. Dropping it closes it.
///
/// The server may close it at any time: the next GET over it fails with a transient error then,
/// and is worth a new connection.
pub struct Kept {
    transport: Transport,
    origin: Origin,
}

/// Whom a connection leads to, and its number in the exchange that made it.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) url: Url,
    pub(super) socket: u32,
}

impl Kept {
    pub(super) fn new(transport: Transport, origin: Origin) -> Self {
        Self { transport, origin }
    }

    /// Whether it leads where `url` does.
    pub(super) fn leads_to(&self, url: &Url) -> bool {
        is_same_origin(&self.origin.url, url)
    }

    /// The transport with another request on it, and the socket's number; none if the request is
    /// for another scheme, host or port, or the connection cannot take one.
    pub(super) fn asked(self, request: &Request, shared: &Shared) -> Option<(Transport, u32)> {
        if !self.leads_to(request.url()) {
            return None;
        }
        let transport = self.transport.with_request(request.bytes_for(shared))?;
        Some((transport, self.origin.socket))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("socket", &self.origin.socket).finish_non_exhaustive()
    }
}
