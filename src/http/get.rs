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
    /// The byte behind the last that is wanted, beyond `from`, asked for with `Range`; without it
    /// the body goes on to the end.
    pub to: Option<u64>,
    /// The entity tag that the range must belong to; without a range it is not sent.
    pub if_range: Option<String>,
    /// Ask the server to keep the connection for another GET, see
    /// [`Body::into_kept`](super::Body::into_kept).
    pub keep: bool,
}

impl Get {
    /// Asks for the whole.
    pub fn new(url: Url) -> Self {
        Self { url, headers: Vec::new(), from: 0, to: None, if_range: None, keep: false }
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
        if self.to.is_some_and(|to| to <= self.from) {
            return Err(HttpError::Bug("a range without bytes was asked for"));
        }
        Ok(())
    }

    /// The same GET at another URL, without the headers if they are not meant for it.
    pub(super) fn redirected(&self, url: Url) -> Self {
        let headers =
            if is_same_origin(&self.url, &url) { self.headers.clone() } else { Vec::new() };
        Self { url, headers, if_range: self.if_range.clone(), ..*self }
    }

    /// Whether a part is asked for, rather than the whole.
    pub(super) fn is_for_a_range(&self) -> bool {
        self.from > 0 || self.to.is_some()
    }

    /// The request's bytes.
    pub(super) fn request(&self, user_agent: &str) -> Vec<u8> {
        self.request_as("GET", user_agent)
    }

    /// The bytes of a POST of the same, up to its first chunk.
    pub(super) fn post_request(&self, user_agent: &str) -> Vec<u8> {
        self.request_as("POST", user_agent)
    }

    fn request_as(&self, method: &str, user_agent: &str) -> Vec<u8> {
        let url = &self.url;
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
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
        field("Connection", if self.keep { "keep-alive" } else { "close" });
        if method == "POST" {
            field("Transfer-Encoding", "chunked");
        }
        if let Some(credentials) = self.basic().filter(|_| !self.has("authorization")) {
            field("Authorization", &credentials);
        }
        if self.is_for_a_range() {
            let last = self.to.map(|to| to.saturating_sub(1).to_string()).unwrap_or_default();
            field("Range", &format!("bytes={}-{last}", self.from));
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
            .field("to", &self.to)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn get(url: &str) -> Get {
        Get::new(Url::parse(url).unwrap())
    }

    fn request(get: &Get) -> String {
        get.check().unwrap();
        String::from_utf8(get.request("us")).unwrap()
    }

    #[test]
    fn a_request_says_all_that_it_must() {
        let get =
            Get { from: 7, if_range: Some("\"t\"".to_owned()), ..get("http://a:81/x y?q=1#f") }
                .with_header("Girder-Token", HeaderValue::new("secret"));
        assert_eq!(
            request(&get),
            "GET /x%20y?q=1 HTTP/1.1\r\nHost: a:81\r\nUser-Agent: us\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\nRange: bytes=7-\r\n\
             If-Range: \"t\"\r\nGirder-Token: secret\r\n\r\n"
        );
    }

    #[test]
    fn a_part_is_asked_for_by_its_first_and_last_byte() {
        let part = |from, to| Get { from, to: Some(to), keep: true, ..get("http://a/") };
        assert!(
            request(&part(0, 8)).contains("\r\nConnection: keep-alive\r\nRange: bytes=0-7\r\n")
        );
        assert!(request(&part(8, 9)).contains("Range: bytes=8-8\r\n"));
        let moved = part(8, 9).redirected(Url::parse("http://b/").unwrap());
        assert!(request(&moved).contains("Range: bytes=8-8\r\n"));
    }

    #[test]
    fn the_whole_is_asked_for_without_a_range() {
        let get = Get { if_range: Some("\"t\"".to_owned()), ..get("http://[::1]/") };
        let request = request(&get);
        assert!(request.starts_with("GET / HTTP/1.1\r\nHost: [::1]\r\n"), "{request}");
        assert!(!request.contains("Range"), "{request}");
    }

    #[test]
    fn a_user_in_the_url_becomes_basic_authorization_unless_there_is_one() {
        let get = get("http://us%40er:p%C3%A9%zz@a/");
        assert!(request(&get).contains("Authorization: Basic dXNAZXI6cMOpJXp6\r\n"));
        let get = get.with_header("authorization", HeaderValue::new("Bearer x"));
        assert!(request(&get).contains("authorization: Bearer x\r\n"));
        assert!(!request(&get).contains("Basic"));
    }

    #[test]
    fn a_header_cannot_make_another_request() {
        for (name, value) in [
            ("X", "a\r\nHost: b"),
            ("X", "a\nb"),
            ("X", "a\0"),
            ("X\r\nY", "a"),
            ("X Y", "a"),
            ("X:", "a"),
            ("", "a"),
            ("Host", "b"),
            ("RANGE", "bytes=0-"),
            ("Content-Length", "5"),
            ("transfer-encoding", "chunked"),
            ("Connection", "keep-alive"),
        ] {
            let error = get("http://a/").with_header(name, HeaderValue::new(value)).check();
            let text = error.unwrap_err().to_string();
            assert!(!text.contains('\n') && !text.contains('\0'), "{text:?}");
        }
        let tag = Get { from: 1, if_range: Some("\"a\"\r\nX: y".to_owned()), ..get("http://a/") };
        tag.check().unwrap_err();
    }

    #[test]
    fn a_url_that_is_not_http_is_refused() {
        for url in ["ftp://a/", "file:///a", "data:,a", "http://a:0/"] {
            get(url).check().unwrap_err();
        }
    }

    #[test]
    fn headers_and_user_stay_with_their_origin() {
        let first = get("http://user:word@a/x").with_header("T", HeaderValue::new("secret"));
        let near = first.redirected(Url::parse("http://a/y").unwrap());
        assert_eq!(near.headers.len(), 1);
        let far = near.redirected(Url::parse("http://b/").unwrap());
        assert!(!request(&far).contains("secret") && !request(&far).contains("Basic"));
        let back = far.redirected(Url::parse("http://a/x").unwrap());
        assert!(!request(&back).contains("secret"), "once dropped, they stay dropped");
    }

    #[test]
    fn nothing_secret_is_shown() {
        let get = get("http://user:passwords@a:81/x?signature=s3cret#f")
            .with_header("Girder-Token", HeaderValue::new("t0ken-t0ken"));
        let shown = format!("{get:?} {}", place(&get.url));
        for secret in ["user", "password", "s3cret", "t0ken", "#f"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("http://a:81/x"), "{shown}");
        assert_eq!(get.redact("is t0ken-t0ken bad".to_owned()), "is … bad");
    }
}
