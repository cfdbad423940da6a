//! The HTTP client's look-ups, by the resolver that everything else asks.

use std::io;
use std::net::{IpAddr, SocketAddr};

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
        let addresses = self.first_of(config.ip_family().keep_wanted(found.into_iter()));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

impl Hosts {
    fn first_of(&self, found: impl Iterator<Item = SocketAddr>) -> ResolvedSocketAddrs {
        let mut addresses = self.empty();
        found.take(MOST).for_each(|address| addresses.push(address));
        addresses
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_addresses_of_a_host_the_first_are_tried_and_no_more() {
        let hosts = Hosts { resolver: Resolver::new(), instead: None };
        let found = (0..).map(|nth| SocketAddr::from(([10, 0, 0, nth], 80)));
        for count in [0, 1, MOST, MOST + 1, 200] {
            let expected: Vec<_> = found.clone().take(count.min(MOST)).collect();
            assert_eq!(hosts.first_of(found.clone().take(count))[..], expected, "{count}");
        }
    }
}
