//! What is asked for: one GET, and its bytes on the wire.

use std::fmt::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::{Position, Url};

use super::HttpError;
use super::redirect::is_same_origin;

/// One GET. `Debug` shows neither the headers' values nor what may be secret in the URL.
#[derive(Clone)]
pub struct Get {
    /// `http` or `https`. A user name and password become Basic authorization.
    pub url: Url,
    /// Sent as they are, and not after a redirect to another scheme, host or port.
    pub headers: Vec<(String, HeaderValue)>,
    /// The first byte that is wanted; beyond 0 it is asked for with `Range`.
    pub from: u64,
    /// The entity tag that the range must belong to; without a range it is not sent.
    pub if_range: Option<String>,
}

impl Get {
    /// Asks for the whole.
    pub fn new(url: Url) -> Self {
        Self { url, headers: Vec::new(), from: 0, if_range: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: HeaderValue) -> Self {
        self.headers.push((name.into(), value));
        self
    }

    /// Checks what would make two requests of one, or contradict what the exchange says itself.
    pub(super) fn check(&self) -> Result<(), HttpError> {
        if !matches!(self.url.scheme(), "http" | "https") {
            return Err(HttpError::Url { place: place(&self.url), reason: "not http or https" });
        }
        if self.url.host().is_none() || self.url.port_or_known_default().is_none_or(|p| p == 0) {
            return Err(HttpError::Url { place: place(&self.url), reason: "no host and port" });
        }
        let fields = self.headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
        for (name, value) in fields.chain(self.if_range.iter().map(|v| ("If-Range", v.as_str()))) {
            let error = |reason| HttpError::Header { name: shown_name(name), reason };
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(error("the name has characters that names cannot have"));
            }
            if value.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
                return Err(error("the value has control characters or line ends"));
            }
            if name != "If-Range" && OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                return Err(error("it is one that is sent anyway, or that cannot be supported"));
            }
        }
        Ok(())
    }

    /// The same GET at another URL, without the headers if they are not meant for it.
    pub(super) fn redirected(&self, url: Url) -> Self {
        let headers =
            if is_same_origin(&self.url, &url) { self.headers.clone() } else { Vec::new() };
        Self { url, headers, from: self.from, if_range: self.if_range.clone() }
    }

    /// The request's bytes.
    pub(super) fn request(&self, user_agent: &str) -> Vec<u8> {
        let url = &self.url;
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let mut text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n");
        let mut field = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{name}: {value}\r\n");
        };
        if !self.has("user-agent") {
            field("User-Agent", user_agent);
        }
        if !self.has("accept") {
            field("Accept", "*/*");
        }
        field("Accept-Encoding", "identity");
        field("Connection", "close");
        if let Some(credentials) = self.basic().filter(|_| !self.has("authorization")) {
            field("Authorization", &credentials);
        }
        if self.from > 0 {
            field("Range", &format!("bytes={}-", self.from));
            if let Some(tag) = &self.if_range {
                field("If-Range", tag);
            }
        }
        for (name, value) in &self.headers {
            field(name, value.expose());
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// Removes what we sent and nobody should read from a text that the server sent.
    pub(super) fn redact(&self, mut text: String) -> String {
        let password = self.url.password().into_iter();
        for secret in self.headers.iter().map(|(_, value)| value.expose()).chain(password) {
            // Shorter ones are no secrets, and would make holes in ordinary words.
            if secret.len() >= 8 {
                text = text.replace(secret, "…");
            }
        }
        text
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    fn basic(&self) -> Option<String> {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return None;
        }
        let mut pair = decoded(self.url.username());
        pair.push(b':');
        pair.extend(decoded(self.url.password().unwrap_or_default()));
        Some(format!("Basic {}", STANDARD.encode(pair)))
    }
}

impl fmt::Debug for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get")
            .field("url", &place(&self.url))
            .field("headers", &self.headers)
            .field("from", &self.from)
            .field("if_range", &self.if_range)
            .finish()
    }
}

/// The value of a header, which may be a token: it is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderValue(String);

impl HeaderValue {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the request that it belongs in.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A URL as people may see it: without user, password, query and fragment, where secrets are.
pub(crate) fn place(url: &Url) -> String {
    let host = &url[Position::BeforeHost..Position::AfterPath];
    format!("{}://{host}", url.scheme())
}

/// A header's name for an error message: what is behind a line end could be anything.
fn shown_name(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// A character of a field name (RFC 9110, 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Undoes a URL's percent encoding.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digit = |at: usize| after.get(at).and_then(|&d| char::from(d).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.extend(u8::try_from(high * 16 + low));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    out
}

/// What the exchange itself says, and what would change the framing or the protocol.
const OURS: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-range",
    "keep-alive",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
