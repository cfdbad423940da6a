//! Proxies: which one an address is reached by, in curl's words (`http_proxy`, `https_proxy`, `no_proxy`).
//!
//! An `http` URL is asked for at the proxy, whole; for an `https` one the proxy opens a tunnel (`CONNECT`), in which TLS
//! goes to the server itself. A proxy's address is `http://[user:password@]host[:port]`, or without `http://`; its port
//! is 1080, as curl has it, if it says none.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

use super::HttpError;
use super::request::{decoded, place};

/// The proxies for `http` and `https` URLs, and what is reached without them. `Debug` shows no password.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<Direct>,
}

/// One proxy.
#[derive(Clone)]
pub(crate) struct Proxy(Result<Url, &'static str>);

/// What is reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Direct {
    Everything,
    /// This host, and those below it.
    Name(String, Option<u16>),
    /// Addresses that have so many bits in common with this one.
    Network(IpAddr, u32, Option<u16>),
}

impl Proxies {
    /// None.
    pub fn none() -> Self {
        Self::default()
    }

    /// With this proxy for `http` URLs. One that cannot be used is said when it is needed.
    #[must_use]
    pub fn with_http(self, address: &str) -> Self {
        Self { http: Some(Proxy::new(address)), ..self }
    }

    /// With this proxy for `https` URLs. One that cannot be used is said when it is needed.
    #[must_use]
    pub fn with_https(self, address: &str) -> Self {
        Self { https: Some(Proxy::new(address)), ..self }
    }

    /// Without a proxy for these hosts: names (and all below them), addresses, networks (`10.0.0.0/8`), each with
    /// `:port` or without, between commas; `*` is every host.
    #[must_use]
    pub fn with_direct(self, hosts: &str) -> Self {
        let items = hosts.split([',', ' ', '\t']).map(str::trim).filter(|item| !item.is_empty());
        Self { direct: items.map(Direct::new).collect(), ..self }
    }

    /// The proxy for a URL, if there is one.
    pub(crate) fn way(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        }?;
        (!self.direct.iter().any(|direct| direct.has(url))).then_some(proxy)
    }
}

impl Proxy {
    pub(crate) fn new(address: &str) -> Self {
        let text = match address.contains("://") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        let url = match Url::parse(&text) {
            Ok(url) if url.host().is_none() => Err("it is no address"),
            Ok(url) if url.scheme() == "http" => Ok(url),
            Ok(_) => Err("only http:// proxies are supported"),
            Err(_) => Err("it is no address"),
        };
        // `url` leaves out a scheme's usual port.
        let names_a_port = authority(&text).is_some_and(|named| named.ends_with(":80"));
        Self(url.map(|mut url| {
            if url.port().is_none() && !names_a_port {
                // It has a host, so it can have a port.
                let _ = url.set_port(Some(USUAL_PORT));
            }
            url
        }))
    }

    /// # Errors
    /// It cannot be used for `url`.
    fn url(&self, url: &Url) -> Result<&Url, HttpError> {
        self.0.as_ref().map_err(|reason| HttpError::ProxyUnusable { place: place(url), reason })
    }

    /// Its host and its port, to ask it for `url`.
    ///
    /// # Errors
    /// It cannot be used.
    pub(crate) fn host(&self, url: &Url) -> Result<(Host<&str>, u16), HttpError> {
        let proxy = self.url(url)?;
        let host = proxy.host().ok_or(HttpError::Bug("a proxy without a host"))?;
        Ok((host, proxy.port_or_known_default().unwrap_or(USUAL_PORT)))
    }

    /// Its URL, with its password.
    pub(crate) fn address(&self) -> Option<&str> {
        self.0.as_ref().ok().map(Url::as_str)
    }

    /// What lets us in, as a header has it.
    pub(crate) fn authorization(&self) -> Option<String> {
        let url = self.0.as_ref().ok()?;
        basic(url)
    }

    /// Its password, as its address has it.
    pub(super) fn password(&self) -> Option<&str> {
        self.0.as_ref().ok()?.password()
    }

    /// As people may see it: without a password.
    pub(crate) fn shown(&self) -> String {
        match &self.0 {
            Ok(url) => place(url).trim_end_matches('/').to_owned(),
            Err(reason) => (*reason).to_owned(),
        }
    }
}

/// Basic authorization of the user and the password in a URL.
pub(super) fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair = decoded(url.username());
    pair.push(b':');
    pair.extend(decoded(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(pair)))
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.shown()).finish()
    }
}

impl Direct {
    fn new(item: &str) -> Self {
        if item == "*" {
            return Self::Everything;
        }
        let (host, port) = split_port(item);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let (address, bits) = match host.split_once('/') {
            Some((address, bits)) => (address, bits.parse().ok()),
            None => (host, Some(u32::MAX)),
        };
        if let (Ok(address), Some(bits)) = (address.parse(), bits) {
            return Self::Network(address, bits, port);
        }
        let name = host.trim_start_matches("*.").trim_matches('.').to_ascii_lowercase();
        Self::Name(name, port)
    }

    fn has(&self, url: &Url) -> bool {
        let is_port = |port: &Option<u16>| port.is_none() || *port == url.port_or_known_default();
        match (self, url.host()) {
            (Self::Everything, _) => true,
            (Self::Name(name, port), Some(Host::Domain(host))) => {
                let host = host.trim_end_matches('.');
                let before = host.strip_suffix(name.as_str());
                is_port(port)
                    && before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            (Self::Network(network, bits, port), Some(Host::Ipv4(address))) => {
                is_port(port) && has_in_common(*network, address.into(), *bits)
            }
            (Self::Network(network, bits, port), Some(Host::Ipv6(address))) => {
                is_port(port) && has_in_common(*network, address.into(), *bits)
            }
            _ => false,
        }
    }
}

/// Whether the first bits of two addresses are the same, or all of them.
fn has_in_common(network: IpAddr, address: IpAddr, bits: u32) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let other = 32 - bits.min(32);
            (network.to_bits() ^ address.to_bits()).checked_shr(other).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let other = 128 - bits.min(128);
            (network.to_bits() ^ address.to_bits()).checked_shr(other).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// A port at the end; an IPv6 address has one only behind its brackets.
fn split_port(item: &str) -> (&str, Option<u16>) {
    let Some((host, port)) = item.rsplit_once(':') else { return (item, None) };
    let is_whole = !host.contains(':') || host.ends_with(']');
    match port.parse() {
        Ok(port) if is_whole => (host, Some(port)),
        _ => (item, None),
    }
}

/// User, host and port of a URL's text.
fn authority(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// A proxy's port, where nobody says one: curl's.
const USUAL_PORT: u16 = 1080;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let proxies = Proxies::none().with_http("p:3128").with_https("http://q");
        let way = |text: &str| proxies.way(&url(text)).map(Proxy::shown);
        assert_eq!(way("http://a/x").as_deref(), Some("http://p:3128"));
        assert_eq!(way("https://a/x").as_deref(), Some("http://q:1080"));
        assert_eq!(Proxy::new("http://p:80").host(&url("http://a")).unwrap().1, 80);
        assert!(Proxies::none().way(&url("http://a")).is_none());
    }

    #[test]
    fn what_is_reached_without_one_is_as_curl_has_it() {
        let cases = [
            ("*", "http://a/", true),
            ("a", "http://a/", true),
            ("a", "http://b.a/", true),
            ("a", "http://ba/", false),
            (".a", "http://a/", true),
            ("*.a", "http://b.a/", true),
            ("A", "http://a/", true),
            ("x, a", "http://a/", true),
            ("a:81", "http://a/", false),
            ("a:81", "http://a:81/", true),
            ("a:443", "https://a/", true),
            ("127.0.0.1", "http://127.0.0.1:8/", true),
            ("127.0.0.1", "http://127.0.0.2/", false),
            ("127.0.0.0/8", "http://127.1.2.3/", true),
            ("127.0.0.0/8", "http://128.1.2.3/", false),
            ("10.0.0.0/0", "http://128.1.2.3/", true),
            ("[::1]", "http://[::1]/", true),
            ("::1", "http://[::1]/", true),
            ("[::1]:8", "http://[::1]:9/", false),
            ("fe80::/10", "http://[fe80::7]/", true),
            ("127.0.0.1", "http://a/", false),
            ("10.0.0.0/x", "http://10.0.0.1/", false),
            ("", "http://a/", false),
        ];
        for (hosts, asked, is_direct) in cases {
            let proxies = Proxies::none().with_http("p").with_https("p").with_direct(hosts);
            assert_eq!(proxies.way(&url(asked)).is_none(), is_direct, "{hosts} {asked}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_said_when_it_is_needed_without_its_password() {
        for address in ["socks5://u:secret@p", "https://u:secret@p", "http://u:secret@", ":::"] {
            let proxies = Proxies::none().with_http(address);
            let asked = url("http://a/x?token=t");
            let error = proxies.way(&asked).unwrap().host(&asked).unwrap_err().to_string();
            assert!(error.contains("http://a/x") && !error.contains("secret"), "{error}");
            assert!(!format!("{proxies:?}").contains("secret"), "{proxies:?}");
        }
        let proxies = Proxies::none().with_http("u%40:secret@p");
        assert!(!format!("{proxies:?}").contains("secret"), "{proxies:?}");
        let proxy = proxies.way(&url("http://a")).unwrap();
        assert_eq!(proxy.authorization().as_deref(), Some("Basic dUA6c2VjcmV0"));
    }
}
