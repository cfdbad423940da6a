//! The client: makes requests that have something in common.

use std::sync::Arc;

use super::options::{ClientOptions, Limits};
use super::roots::Roots;
use super::shared::Shared;
use super::{Exchange, Get, HttpError, Kept, Post, Posting, Resolver};

/// Makes exchanges. Cheap to clone: the clones share settings and TLS sessions.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// Makes a client, and reads the CA files. The system's own certificates are read when the
    /// first https URL is asked for.
    ///
    /// # Errors
    /// A CA file cannot be read or has no certificate in it.
    pub fn new(options: ClientOptions) -> Result<Self, HttpError> {
        let ClientOptions { ca_files, limits, receive_buffer, user_agent, proxies } = options;
        let roots = Roots::new(&ca_files)?;
        let resolver = Resolver::new();
        let shared = Shared { roots, limits, receive_buffer, user_agent, proxies, resolver };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Who finds the hosts of its URLs.
    pub fn resolver(&self) -> &Resolver {
        &self.shared.resolver
    }

    /// The limits that it was made with.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Starts an exchange. Nothing is sent, and no name looked up, before it is first advanced.
    ///
    /// # Errors
    /// The URL is not http or https, or a header cannot be sent.
    pub fn get(&self, get: Get) -> Result<Exchange, HttpError> {
        Exchange::new(self.shared.clone(), get)
    }

    /// Starts an exchange over a connection that was kept. Where that cannot be (the URL leads
    /// elsewhere, the connection is not clean) it makes one of its own: then it has none yet.
    ///
    /// # Errors
    /// The URL is not http or https, or a header cannot be sent.
    pub fn get_over(&self, kept: Kept, get: Get) -> Result<Exchange, HttpError> {
        Exchange::over(self.shared.clone(), get, kept)
    }

    /// Likewise for a POST whose body comes piece by piece.
    ///
    /// # Errors
    /// The URL is not http or https, or a header cannot be sent.
    pub fn post(&self, post: Post) -> Result<Posting, HttpError> {
        Posting::new(self.shared.clone(), &post)
    }
}
