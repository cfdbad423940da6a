//! The addresses of brokers and of result stores, read as kombu reads them.
//!
//! Passwords are [`Secret`]s. `Display` leaves them out, and an error never quotes the address.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::form_urlencoded;

use crate::spec::Secret;

/// Where messages come from: one broker's addresses, the first to be tried first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broker {
    /// RabbitMQ.
    Amqp(Vec<AmqpUrl>),
    /// Redis.
    Redis(Vec<RedisUrl>),
}

/// Where results are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// As messages to the sender's own queue, through the broker.
    Rpc,
    /// Kept in Redis.
    Redis(RedisUrl),
    /// Nowhere.
    Disabled,
}

/// A RabbitMQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    /// The host's name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who connects.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The vhost itself: `/` is the one with that name.
    pub vhost: String,
    /// How the connection is secured, if it is.
    pub tls: Option<Tls>,
}

/// A Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// The host's name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who connects, if the server has users.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The number of the database.
    pub db: u32,
    /// How the connection is secured, if it is.
    pub tls: Option<Tls>,
}

/// How a connection is secured: the `ssl_…` members of an address's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whether the server's certificate is checked. kombu does not check it unless the address says
    /// so; here it is checked unless the address says `ssl_cert_reqs=none`.
    pub verify: bool,
    /// Whether the certificate must be for the host's name.
    pub check_host_name: bool,
    /// The authorities; the system's if there is none.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

/// Why an address cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// No such broker or store here.
    #[error("`{scheme}` is not supported as {what}; there are {known}")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
        /// What the address is for.
        what: &'static str,
        /// What would be right.
        known: &'static str,
    },
    /// A list with brokers of two kinds.
    #[error("a list of brokers has either amqp or redis addresses, not both")]
    Mixed,
    /// The port is no number, or too great.
    #[error("the port in the address of {0} is not a port")]
    Port(String),
    /// Redis's databases have numbers.
    #[error("the database in the address of {0} is not a number")]
    Database(String),
    /// `ssl_cert_reqs` is something else.
    #[error("ssl_cert_reqs is required, optional or none, also as CERT_REQUIRED and so on")]
    CertReqs,
}

impl Broker {
    /// What is used when nothing else is said.
    pub const DEFAULT: &str = "amqp://guest:guest@localhost//";

    /// Reads `URL[;URL…]`.
    ///
    /// # Errors
    /// One of the addresses cannot be used.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (mut amqp, mut redis) = (Vec::new(), Vec::new());
        for url in text.split(';').map(str::trim) {
            let parts = Parts::parse(url);
            match parts.scheme.as_str() {
                "amqp" | "pyamqp" => amqp.push(AmqpUrl::new(parts, false)?),
                "amqps" => amqp.push(AmqpUrl::new(parts, true)?),
                "redis" => redis.push(RedisUrl::new(parts, false)?),
                "rediss" => redis.push(RedisUrl::new(parts, true)?),
                _ => {
                    let known = "amqp, pyamqp, amqps, redis and rediss";
                    return Err(parts.unknown("a broker", known));
                }
            }
        }
        match (amqp.is_empty(), redis.is_empty()) {
            (false, true) => Ok(Self::Amqp(amqp)),
            (true, false) => Ok(Self::Redis(redis)),
            _ => Err(UrlError::Mixed),
        }
    }
}

impl Backend {
    /// What is used when nothing else is said.
    pub const DEFAULT: &str = "rpc://";

    /// Reads one address. Celery's short names, `rpc` and so on, are addresses too.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let whole =
            if text.contains("://") { text.to_owned() } else { format!("{}://", text.trim()) };
        let parts = Parts::parse(&whole);
        match parts.scheme.as_str() {
            "rpc" => Ok(Self::Rpc),
            "disabled" => Ok(Self::Disabled),
            "redis" => Ok(Self::Redis(RedisUrl::new(parts, false)?)),
            "rediss" => Ok(Self::Redis(RedisUrl::new(parts, true)?)),
            _ => Err(parts.unknown("a store for results", "rpc, redis, rediss and disabled")),
        }
    }
}

impl AmqpUrl {
    fn new(parts: Parts, secure: bool) -> Result<Self, UrlError> {
        Ok(Self {
            port: parts.port(if secure { 5671 } else { 5672 })?,
            vhost: Some(parts.path.clone())
                .filter(|path| !path.is_empty())
                .unwrap_or_else(|| "/".to_owned()),
            tls: parts.tls(secure)?,
            host: parts.host,
            user: parts.user.unwrap_or_else(|| "guest".to_owned()),
            password: parts.password.unwrap_or_else(|| Secret::new("guest")),
        })
    }

    /// Its host and port.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl RedisUrl {
    fn new(parts: Parts, secure: bool) -> Result<Self, UrlError> {
        let db = parts.path.strip_prefix('/').unwrap_or(&parts.path);
        let wrong = |_| UrlError::Database(parts.host.clone());
        Ok(Self {
            port: parts.port(6379)?,
            db: if db.is_empty() { 0 } else { db.parse().map_err(wrong)? },
            tls: parts.tls(secure)?,
            host: parts.host,
            user: parts.user,
            password: parts.password,
        })
    }

    /// Its host and port.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "amqps" } else { "amqp" };
        let Self { user, port, vhost, .. } = self;
        write!(f, "{scheme}://{user}@{}:{port}/{vhost}", bracketed(&self.host))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        write!(f, "{scheme}://{}:{}/{}", bracketed(&self.host), self.port, self.db)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc => f.write_str("rpc://"),
            Self::Redis(redis) => redis.fmt(f),
            Self::Disabled => f.write_str("disabled://"),
        }
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Vec<String> = match self {
            Self::Amqp(urls) => urls.iter().map(ToString::to_string).collect(),
            Self::Redis(urls) => urls.iter().map(ToString::to_string).collect(),
        };
        f.write_str(&list.join(";"))
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// An address's parts, as Python's `urlparse` divides them.
struct Parts {
    scheme: String,
    user: Option<String>,
    password: Option<Secret>,
    host: String,
    port: Option<String>,
    /// Without its first slash.
    path: String,
    query: Vec<(String, String)>,
}

impl Parts {
    /// What has no scheme is the name of an AMQP host.
    fn parse(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("amqp", url));
        let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match userinfo.split_once(':') {
            Some((user, password)) => (user, decoded(password)),
            None => (userinfo, None),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let host = decoded(host).unwrap_or_else(|| "localhost".to_owned()).to_lowercase();
        Self {
            scheme: scheme.to_lowercase(),
            user: decoded(user),
            password: password.map(Secret::new),
            host,
            port: port.filter(|port| !port.is_empty()).map(str::to_owned),
            path: decoded(path).unwrap_or_default(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        }
    }

    fn port(&self, default: u16) -> Result<u16, UrlError> {
        let wrong = |_| UrlError::Port(self.host.clone());
        self.port.as_ref().map_or(Ok(default), |port| port.parse().map_err(wrong))
    }

    /// Any `ssl_…` member secures the connection, whatever the scheme says.
    fn tls(&self, secure: bool) -> Result<Option<Tls>, UrlError> {
        if !secure && !self.query.iter().any(|(name, _)| name.starts_with("ssl_")) {
            return Ok(None);
        }
        let member = |name: &str| self.query.iter().rfind(|(other, _)| other == name);
        let text = |name: &str| member(name).map(|(_, value)| value.as_str());
        let file = |name: &str| text(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let verify = match text("ssl_cert_reqs") {
            None | Some("CERT_REQUIRED" | "required" | "CERT_OPTIONAL" | "optional") => true,
            Some("CERT_NONE" | "none") => false,
            Some(_) => return Err(UrlError::CertReqs),
        };
        let unchecked = text("ssl_check_hostname").is_some_and(|v| v.eq_ignore_ascii_case("false"));
        Ok(Some(Tls {
            verify,
            check_host_name: !unchecked,
            ca_file: file("ssl_ca_certs"),
            cert_file: file("ssl_certfile"),
            key_file: file("ssl_keyfile"),
        }))
    }

    fn unknown(&self, what: &'static str, known: &'static str) -> UrlError {
        // What stands there may be no scheme but something secret.
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let is_name = self.scheme.len() <= 40 && self.scheme.chars().all(plain);
        let scheme = if is_name { self.scheme.clone() } else { "…".to_owned() };
        UrlError::Scheme { scheme, what, known }
    }
}

fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some(decoded).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amqp(text: &str) -> AmqpUrl {
        match Broker::parse(text) {
            Ok(Broker::Amqp(urls)) => urls.into_iter().next().unwrap(),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn redis(text: &str) -> RedisUrl {
        match Broker::parse(text) {
            Ok(Broker::Redis(urls)) => urls.into_iter().next().unwrap(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_vhost_is_what_kombu_makes_of_the_path() {
        // Each by `kombu.Connection(URL).virtual_host`.
        for (url, vhost) in [
            ("amqp://h", "/"),
            ("amqp://h/", "/"),
            ("amqp://h//", "/"),
            ("amqp://h/%2F", "/"),
            ("amqp://h/%2f", "/"),
            ("amqp://h/girder", "girder"),
            ("amqp://h//girder", "/girder"),
            ("amqp://h/a%2Fb", "a/b"),
            ("amqp://h/a/b", "a/b"),
            ("amqp://h/girder?heartbeat=30", "girder"),
            ("h", "/"),
        ] {
            assert_eq!(amqp(url).vhost, vhost, "{url}");
        }
    }

    #[test]
    fn user_and_password_are_decoded_and_have_amqps_defaults() {
        let url = amqp("amqp://us%40er:p%2Fa%3Ass@Rabbit.example:5673/v");
        assert_eq!((url.user.as_str(), url.password.expose()), ("us@er", "p/a:ss"));
        assert_eq!((url.host.as_str(), url.port), ("rabbit.example", 5673));
        let url = amqp("pyamqp://");
        assert_eq!((url.user.as_str(), url.password.expose()), ("guest", "guest"));
        assert_eq!((url.host.as_str(), url.port, url.tls), ("localhost", 5672, None));
        // The last @ ends the user, as in urlparse.
        let url = amqp("amqp://u:p@ss@h");
        assert_eq!((url.password.expose(), url.host.as_str()), ("p@ss", "h"));
    }

    #[test]
    fn redis_has_its_database_in_the_path() {
        for (url, db) in [
            ("redis://h", 0),
            ("redis://h/", 0),
            ("redis://h//", 0),
            ("redis://h/9", 9),
            ("redis://h//9", 9),
        ] {
            assert_eq!(redis(url).db, db, "{url}");
        }
        let url = redis("redis://:p%23w@[::1]:6380/2");
        assert_eq!((url.host.as_str(), url.port, url.user), ("::1", 6380, None));
        assert_eq!(url.password.unwrap().expose(), "p#w");
        assert_eq!(Broker::parse("redis://h/x"), Err(UrlError::Database("h".to_owned())));
    }

    #[test]
    fn a_query_says_how_the_connection_is_secured() {
        let url = redis("rediss://h/1?ssl_cert_reqs=CERT_NONE&ssl_ca_certs=%2Fa%2Fca.pem");
        let tls = url.tls.unwrap();
        assert!(!tls.verify && tls.check_host_name);
        assert_eq!(tls.ca_file, Some(PathBuf::from("/a/ca.pem")));
        assert!(redis("rediss://h").tls.unwrap().verify);
        assert!(!amqp("amqps://h?ssl_check_hostname=False").tls.unwrap().check_host_name);
        assert_eq!(amqp("amqps://h").port, 5671);
        assert!(amqp("amqp://h?ssl_ca_certs=/a").tls.is_some());
        assert_eq!(Broker::parse("rediss://h?ssl_cert_reqs=maybe"), Err(UrlError::CertReqs));
    }

    #[test]
    fn a_list_is_tried_in_its_order_and_has_one_kind() {
        let Ok(Broker::Amqp(urls)) = Broker::parse("amqp://a;amqp://b:1/v") else { panic!() };
        assert_eq!([&urls[0].host, &urls[1].host], ["a", "b"]);
        assert_eq!(Broker::parse("amqp://a;redis://b"), Err(UrlError::Mixed));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for url in ["sqs://key:secret@", "sentinel://h:26379", "filesystem://", "redis+socket:///s"]
        {
            let error = Broker::parse(url).unwrap_err().to_string();
            assert!(error.contains(url.split("://").next().unwrap()), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let error = Backend::parse("db+postgresql://u:secret@h/d").unwrap_err().to_string();
        assert!(error.starts_with("`db+postgresql` is not supported as a store"), "{error}");
        assert_eq!(Broker::parse("amqp://h:x"), Err(UrlError::Port("h".to_owned())));
    }

    #[test]
    fn results_go_where_celery_sends_them() {
        assert_eq!(Backend::parse("rpc://guest:guest@localhost//"), Ok(Backend::Rpc));
        assert_eq!(Backend::parse("rpc"), Ok(Backend::Rpc));
        assert_eq!(Backend::parse("disabled://"), Ok(Backend::Disabled));
        let Ok(Backend::Redis(url)) = Backend::parse("redis://h/10") else { panic!() };
        assert_eq!(url.db, 10);
    }

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("amqp://u:secret@h/v", "amqp://u@h:5672/v"),
            ("amqp://u:secret@h//", "amqp://u@h:5672//"),
            (
                "redis://:secret@[::1]/1;rediss://u:secret@b",
                "redis://[::1]:6379/1;rediss://b:6379/0",
            ),
        ] {
            let broker = Broker::parse(url).unwrap();
            assert_eq!(broker.to_string(), shown);
            assert!(!format!("{broker:?}").contains("secret"));
        }
    }
}
