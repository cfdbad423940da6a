//! Where the engine listens.

use std::fmt;
use std::path::PathBuf;

use url::{Host, Url};

use super::error::DockerError;

/// The address of an engine, as `DOCKER_HOST` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// A socket on this machine.
    Unix(PathBuf),
    /// A TCP port, without TLS.
    Tcp {
        /// A name or an address; IPv6 without brackets.
        host: String,
        /// Docker's own is 2375.
        port: u16,
    },
}

impl Endpoint {
    /// Reads `unix:///path` or `tcp://host:port`. Nothing at all means the default.
    ///
    /// # Errors
    /// [`DockerError::Address`] for everything else; TLS and SSH are named as not supported yet.
    pub fn parse(address: &str) -> Result<Self, DockerError> {
        let refuse =
            |problem| Err(DockerError::Address { address: without_userinfo(address), problem });
        let address = address.trim();
        if address.is_empty() || address == "unix://" {
            return Ok(Self::default());
        }
        if address.starts_with('/') {
            return refuse("a socket's path has unix:// before it");
        }
        let Some((scheme, rest)) = address.split_once("://") else {
            return refuse("expected unix:///path/to/socket or tcp://host:port");
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => refuse("the path of a socket begins with /"),
            "tcp" | "http" => match tcp(rest) {
                Ok(endpoint) => Ok(endpoint),
                Err(problem) => refuse(problem),
            },
            "https" => {
                refuse("TLS to the engine is not supported yet; forward its socket with ssh -L")
            }
            "ssh" => {
                refuse("engines behind SSH are not supported yet; forward the socket with ssh -L")
            }
            "npipe" => refuse("named pipes are Windows' own"),
            _ => refuse("expected unix:// or tcp://"),
        }
    }

    /// What the `Host` header says. Go's servers refuse a socket's path there.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
        }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::Unix(PathBuf::from("/var/run/docker.sock"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { .. } => write!(f, "tcp://{}", self.authority()),
        }
    }
}

/// Docker's port without TLS.
const TCP_PORT: u16 = 2375;

fn tcp(rest: &str) -> Result<Endpoint, &'static str> {
    const EXPECTED: &str = "expected tcp://host:port";
    // A scheme that url knows no default port of, so that 80 is kept when it is written.
    let url = Url::parse(&format!("tcp://{rest}")).map_err(|_| EXPECTED)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user name or password has no place in the engine's address");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("a path behind the port is not supported");
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err(EXPECTED),
    };
    Ok(Endpoint::Tcp { host, port: url.port().unwrap_or(TCP_PORT) })
}

/// The address for a message: what stands before an `@` may be a password.
fn without_userinfo(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        (_, None) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(address: &str) -> Endpoint {
        Endpoint::parse(address).unwrap()
    }

    fn refused(address: &str) -> String {
        Endpoint::parse(address).unwrap_err().to_string()
    }

    #[test]
    fn sockets_and_ports_are_read() {
        assert_eq!(parsed("unix:///run/x.sock"), Endpoint::Unix("/run/x.sock".into()));
        let tcp = |host: &str, port| Endpoint::Tcp { host: host.to_owned(), port };
        assert_eq!(parsed("tcp://10.0.0.1:2376"), tcp("10.0.0.1", 2376));
        assert_eq!(parsed("tcp://build-1.example:80/"), tcp("build-1.example", 80));
        assert_eq!(parsed("http://localhost:2375"), tcp("localhost", 2375));
        assert_eq!(parsed("tcp://engine"), tcp("engine", 2375));
        assert_eq!(parsed("tcp://[::1]:2375"), tcp("::1", 2375));
        assert_eq!(parsed("tcp://[::1]:2375").to_string(), "tcp://[::1]:2375");
    }

    #[test]
    fn nothing_means_the_default_socket() {
        for address in ["", "  ", "unix://"] {
            assert_eq!(parsed(address).to_string(), "unix:///var/run/docker.sock");
        }
    }

    #[test]
    fn what_is_not_supported_says_so() {
        assert!(refused("https://h:2376").contains("TLS to the engine is not supported yet"));
        assert!(refused("ssh://me@h").contains("SSH are not supported yet"));
        assert!(refused("npipe:////./pipe/docker_engine").contains("Windows"));
        assert!(refused("unix://run/x.sock").contains("begins with /"));
        assert!(refused("/run/x.sock").contains("a socket's path has unix:// before it"));
        assert!(refused("run/x.sock").contains("expected unix:///path/to/socket"));
        assert!(refused("localhost:2375").contains("tcp://host:port"));
        assert!(refused("ftp://h").contains("expected unix:// or tcp://"));
        assert!(refused("tcp://h:2375/prefix").contains("path behind the port"));
        for address in ["tcp://", "tcp://h:99999", "tcp://:2375", "tcp://[::1:2375"] {
            assert!(refused(address).contains("expected tcp://host:port"), "{address}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        for address in
            ["tcp://me:hunter2@h:1", "https://me:hunter2@h", "me:hunter2@h", "x://a@b:hunter2@h"]
        {
            let message = refused(address);
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
