//! Finding the addresses of a host, which blocks and so is given away.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// A host whose addresses an exchange needs; see [`Progress::Lookup`](super::Progress::Lookup).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    host: String,
    port: u16,
}

impl Lookup {
    pub(super) fn new(host: String, port: u16) -> Self {
        Self { host, port }
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Asks the system, and blocks for as long as it takes: call it from a thread of its own and
    /// hand what it returns to [`Exchange::resolved`](super::Exchange::resolved).
    ///
    /// # Errors
    /// `getaddrinfo` failed.
    pub fn run(&self) -> io::Result<Vec<SocketAddr>> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }
}
