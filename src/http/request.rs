//! What every request has: a method, a URL, headers; and its bytes on the wire.

use std::fmt::{self, Write};

use url::{Position, Url};

use super::HttpError;
use super::proxy::{Proxy, basic};
use super::shared::Shared;
use crate::secret;
/// The value of a header, which may be a token.
pub use crate::secret::Secret as HeaderValue;

/// A request as it is sent. `Debug` shows neither the headers' values nor what may be secret in
/// the URL.
#[derive(Clone)]
pub(super) struct Request {
    method: &'static str,
    url: Url,
    /// What the method needs: whether the connection stays, the framing, the range.
    fields: Vec<(&'static str, String)>,
    /// What the caller adds.
    headers: Vec<(String, HeaderValue)>,
}

impl Request {
    /// Makes one of parts that may be sent.
    ///
    /// # Errors
    /// The URL is not http or https, or a header would make two requests of one, or contradict
    /// what is sent anyway.
    pub(super) fn new(
        method: &'static str,
        url: &Url,
        fields: Vec<(&'static str, String)>,
        headers: &[(String, HeaderValue)],
    ) -> Result<Self, HttpError> {
        let refused = |reason| HttpError::Url { place: place(url), reason };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("not http or https"));
        }
        if url.host().is_none() || url.port_or_known_default().is_none_or(|port| port == 0) {
            return Err(refused("no host and port"));
        }
        for (name, value) in &fields {
            check(name, value)?;
        }
        for (name, value) in headers {
            check(name, value.expose())?;
            if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                let reason = "it is one that is sent anyway, or that cannot be supported";
                return Err(HttpError::Header { name: shown_name(name), reason });
            }
        }
        Ok(Self { method, url: url.clone(), fields, headers: headers.to_vec() })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The URL as people may see it.
    pub(super) fn place(&self) -> String {
        place(&self.url)
    }

    /// The bytes as a client sends them: to a proxy, if that is where they go.
    pub(super) fn bytes_for(&self, shared: &Shared) -> Vec<u8> {
        let way = shared.proxies.way(&self.url).filter(|_| self.url.scheme() == "http");
        self.bytes(&shared.user_agent, way)
    }

    /// The bytes, up to a body.
    pub(super) fn bytes(&self, user_agent: &str, proxy: Option<&Proxy>) -> Vec<u8> {
        let url = &self.url;
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let whole = proxy.map(|_| format!("{}://{host}", url.scheme())).unwrap_or_default();
        let mut text = format!("{} {whole}{target} HTTP/1.1\r\nHost: {host}\r\n", self.method);
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
        if let Some(credentials) = proxy.and_then(Proxy::authorization) {
            field("Proxy-Authorization", &credentials);
        }
        if let Some(credentials) = basic(&self.url).filter(|_| !self.has("authorization")) {
            field("Authorization", &credentials);
        }
        for (name, value) in &self.fields {
            field(name, value);
        }
        for (name, value) in &self.headers {
            field(name, value.expose());
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// Removes what we sent and nobody should read from a text that the server, or the proxy, sent.
    pub(super) fn redact(&self, text: &str, proxy: Option<&Proxy>) -> String {
        let ours = basic(&self.url).into_iter().chain(proxy.and_then(Proxy::authorization));
        let passwords = [self.url.password(), proxy.and_then(Proxy::password)];
        let passwords = passwords.into_iter().flatten().flat_map(|password| {
            [password.to_owned(), String::from_utf8_lossy(&decoded(password)).into_owned()]
        });
        let sent: Vec<String> = ours.chain(passwords).collect();
        let headers = self.headers.iter().map(|(_, value)| value.expose());
        // Of `Bearer <token>` the token is known by itself.
        let all = headers.chain(sent.iter().map(String::as_str));
        let all = all.flat_map(|value| std::iter::once(value).chain(value.split_whitespace()));
        secret::without(all, text)
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.place())
            .field("fields", &self.fields)
            .field("headers", &self.headers)
            .finish()
    }
}

/// A URL as people may see it: without user, password, query and fragment, where secrets are.
pub(crate) fn place(url: &Url) -> String {
    let host = &url[Position::BeforeHost..Position::AfterPath];
    format!("{}://{host}", url.scheme())
}

/// Refuses what would make two requests of one.
fn check(name: &str, value: &str) -> Result<(), HttpError> {
    let error = |reason| HttpError::Header { name: shown_name(name), reason };
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(error("the name has characters that names cannot have"));
    }
    if value.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return Err(error("the value has control characters or line ends"));
    }
    Ok(())
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
pub(super) fn decoded(text: &str) -> Vec<u8> {
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

/// What a request says by itself, and what would change the framing or the protocol.
const OURS: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-range",
    "keep-alive",
    "proxy-authorization",
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

    type Made = Result<Request, HttpError>;

    fn with_header(url: &str, name: &str, value: &str) -> Made {
        let headers = [(name.to_owned(), HeaderValue::new(value))];
        Request::new("GET", &Url::parse(url).unwrap(), Vec::new(), &headers)
    }

    fn text(request: Made) -> String {
        String::from_utf8(request.unwrap().bytes("us", None)).unwrap()
    }

    #[test]
    fn a_user_in_the_url_becomes_basic_authorization_unless_there_is_one() {
        let url = "http://us%40er:p%C3%A9%zz@a/";
        let plain = text(with_header(url, "X", "y"));
        assert!(plain.contains("Authorization: Basic dXNAZXI6cMOpJXp6\r\n"), "{plain}");
        let other = text(with_header(url, "authorization", "Bearer x"));
        assert!(other.contains("authorization: Bearer x\r\n"), "{other}");
        assert!(!other.contains("Basic"), "{other}");
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
            let text = with_header("http://a/", name, value).unwrap_err().to_string();
            assert!(!text.contains('\n') && !text.contains('\0'), "{text:?}");
        }
        let fields = vec![("If-Range", "\"a\"\r\nX: y".to_owned())];
        Request::new("GET", &Url::parse("http://a/").unwrap(), fields, &[]).unwrap_err();
    }

    #[test]
    fn a_url_that_is_not_http_is_refused() {
        for url in ["ftp://a/", "file:///a", "data:,a", "http://a:0/"] {
            with_header(url, "X", "y").unwrap_err();
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let url = "http://user:passwords@a:81/x?signature=s3cret#f";
        let request = with_header(url, "Girder-Token", "t0ken-t0ken").unwrap();
        let shown = format!("{request:?} {}", request.place());
        for secret in ["user", "password", "s3cret", "t0ken", "#f"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("http://a:81/x"), "{shown}");
        let proxy = Proxy::new("http://user:pass%20w0rds@p");
        for (text, rest) in [
            ("is t0ken-t0ken bad", "is … bad"),
            ("is passwords bad", "is … bad"),
            ("is Basic dXNlcjpwYXNzd29yZHM= bad", "is … bad"),
            ("is dXNlcjpwYXNzd29yZHM= bad", "is … bad"),
            ("is pass%20w0rds and pass w0rds bad", "is … and … bad"),
            ("is dXNlcjpwYXNzIHcwcmRz bad", "is … bad"),
        ] {
            assert_eq!(request.redact(text, Some(&proxy)), rest);
        }
        let request = with_header("http://a/", "Authorization", "Bearer t0ken-t0ken").unwrap();
        assert_eq!(request.redact("is t0ken-t0ken bad", None), "is … bad");
    }
}
