//! How a client is made.

use std::path::PathBuf;
use std::time::Duration;

use super::Proxies;

/// How a client is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientOptions {
    /// PEM files with authorities that are trusted beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// How long and how much.
    pub limits: Limits,
    /// `SO_RCVBUF`, asked for before connecting, since the window is agreed on then. The kernel
    /// grants at most `net.core.rmem_max`; without it the kernel sizes the buffer by itself.
    pub receive_buffer: Option<usize>,
    /// What we call ourselves.
    pub user_agent: String,
    /// By which way servers are reached.
    pub proxies: Proxies,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            limits: Limits::default(),
            receive_buffer: None,
            user_agent: concat!("gantline/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxies: Proxies::none(),
        }
    }
}

impl ClientOptions {
    /// With the authorities of these PEM files, beside the system's.
    #[must_use]
    pub fn with_ca_files(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.ca_files = files.into_iter().collect();
        self
    }

    /// With these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With a receive buffer of so many bytes.
    #[must_use]
    pub fn with_receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// By way of these proxies.
    #[must_use]
    pub fn with_proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// With this name for us.
    #[must_use]
    pub fn with_user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }
}

/// How long and how much.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// For a look-up, and for a connection to each address. Default: 10 s.
    pub connect: Duration,
    /// From the connection to the whole head, TLS included. Default: 30 s.
    pub head: Duration,
    /// Without a byte of the body, kept by the pump. Default: 60 s.
    pub stall: Duration,
    /// Redirects that are followed. Default: 10.
    pub redirects: u32,
    /// Bytes of a response's head. Default: 64 KiB; nginx's own limit for one is 4 or 8.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            redirects: 10,
            head_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    /// With so much time for a look-up, and for a connection to each address.
    #[must_use]
    pub fn with_connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// With so much time from the connection to the whole head.
    #[must_use]
    pub fn with_head(mut self, limit: Duration) -> Self {
        self.head = limit;
        self
    }

    /// With so much time without a byte of the body.
    #[must_use]
    pub fn with_stall(mut self, limit: Duration) -> Self {
        self.stall = limit;
        self
    }

    /// With at most so many redirects.
    #[must_use]
    pub fn with_redirects(mut self, most: u32) -> Self {
        self.redirects = most;
        self
    }

    /// With heads of at most so many bytes.
    #[must_use]
    pub fn with_head_bytes(mut self, most: usize) -> Self {
        self.head_bytes = most;
        self
    }
}
