//! The addresses of a host, tried one after the other.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// The addresses that are still to be tried, and how the last one has failed.
pub(super) struct Addresses {
    rest: std::vec::IntoIter<SocketAddr>,
    pub(super) count: usize,
    pub(super) failed: Option<(SocketAddr, io::Error)>,
}

impl Addresses {
    /// Those that a look-up has found.
    pub(super) fn new(found: Vec<SocketAddr>) -> Self {
        Self { count: found.len(), rest: found.into_iter(), failed: None }
    }

    /// The one that the URL itself says.
    pub(super) fn literal(address: IpAddr, port: u16) -> Self {
        Self::new(vec![SocketAddr::new(address, port)])
    }

    pub(super) fn next(&mut self) -> Option<SocketAddr> {
        self.rest.next()
    }

    /// Goes on without one that has failed.
    pub(super) fn without(mut self, address: SocketAddr, error: io::Error) -> Self {
        self.failed = Some((address, error));
        self
    }
}
