//! Finding the addresses of a host, which blocks and so is given away.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Resolver;

/// A host whose addresses an exchange needs; see [`Progress::Lookup`](super::Progress::Lookup).
#[derive(Clone)]
pub struct Lookup {
    host: String,
    port: u16,
    resolver: Resolver,
    limit: Duration,
}

impl Lookup {
    pub(super) fn new(host: String, port: u16, resolver: Resolver, limit: Duration) -> Self {
        Self { host, port, resolver, limit }
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Has the client's resolver find it. What `then` is told is for
    /// [`Exchange::resolved`](super::Exchange::resolved): at once if it is known, otherwise from another thread.
    pub fn find(self, then: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static) {
        self.resolver.find(&self.host, self.port, then);
    }

    /// Likewise, and blocks for as long as it takes, up to the client's limit for it.
    ///
    /// # Errors
    /// `getaddrinfo` failed, or took too long.
    pub fn run(&self) -> io::Result<Vec<SocketAddr>> {
        self.resolver.wait(&self.host, self.port, self.limit)
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("host", &self.host).field("port", &self.port).finish()
    }
}
