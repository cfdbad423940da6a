//! The HTTP client's look-ups, by the resolver that everything else asks.

use std::io;
use std::net::IpAddr;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver as Resolves};
use ureq::unversioned::transport::NextTimeout;

use crate::http::Resolver;

/// Asks a [`Resolver`], without a thread a request.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) resolver: Resolver,
    /// Everything is asked for here: at a proxy.
    pub(super) instead: Option<(String, u16)>,
}

impl Resolves for Hosts {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let place = match &self.instead {
            Some(place) => place.clone(),
            None => named(uri)?,
        };
        let (host, port) = (place.0.as_str(), place.1);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found =
            match host.parse::<IpAddr>() {
                Ok(address) => vec![(address, port).into()],
                Err(_) => self.resolver.wait(host, port, *timeout.after).map_err(|error| {
                    match error.kind() {
                        io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
                        _ => Error::Io(error),
                    }
                })?,
            };
        let mut addresses = self.empty();
        let family = config.ip_family();
        for address in family.keep_wanted(found.into_iter()).take(MOST) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// The host and the port in a URL.
fn named(uri: &Uri) -> Result<(String, u16), Error> {
    let place = uri.scheme().zip(uri.authority());
    let place = place.and_then(|(scheme, host)| DefaultResolver::host_and_port(scheme, host));
    let place = place.ok_or_else(|| Error::BadUri(format!("{uri} has no host")))?;
    let (host, port) = place.rsplit_once(':').ok_or(Error::HostNotFound)?;
    let port = port.parse().map_err(|_| Error::BadUri(format!("{uri} has a bad port")))?;
    Ok((host.to_owned(), port))
}

/// Addresses of one host that are tried: as many as the HTTP client has room for.
const MOST: usize = 16;
