//! What is asked for: one GET.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::redirect::is_same_origin;
use super::request::{HeaderValue, Request, place};
use super::{HttpError, Validator};
use crate::backoff::Backoff;

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
    /// The version that the range must belong to; without a range it is not sent.
    pub if_range: Option<Validator>,
    /// Ask the server to keep the connection for another GET, see
    /// [`Body::into_kept`](super::Body::into_kept).
    pub keep: bool,
    /// The body is small: it is read along with the head, and cannot be spliced.
    pub is_small: bool,
    /// Redirects are followed, as far as the client allows.
    pub is_redirected: bool,
    /// For how long a server is asked again that cannot answer, see `Backoff::of_a_question`.
    pub patience: Duration,
}

impl Get {
    /// Asks for the whole.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            headers: Vec::new(),
            from: 0,
            to: None,
            if_range: None,
            keep: false,
            is_small: false,
            is_redirected: true,
            patience: Backoff::PATIENCE,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: HeaderValue) -> Self {
        self.headers.push((name.into(), value));
        self
    }

    /// The request.
    ///
    /// # Errors
    /// It cannot be sent; see [`Request::new`].
    pub(super) fn request(&self) -> Result<Request, HttpError> {
        if self.to.is_some_and(|to| to <= self.from) {
            return Err(HttpError::Bug("a range without bytes was asked for"));
        }
        let connection = if self.keep { "keep-alive" } else { "close" };
        let mut fields = vec![("Connection", connection.to_owned())];
        if self.is_for_a_range() {
            let last = self.to.map(|to| to.saturating_sub(1).to_string()).unwrap_or_default();
            fields.push(("Range", format!("bytes={}-{last}", self.from)));
            let version = self.if_range.as_ref().and_then(Validator::if_range);
            fields.extend(version.map(|version| ("If-Range", version.to_owned())));
        }
        Request::new("GET", &self.url, fields, &self.headers)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn get(url: &str) -> Get {
        Get::new(Url::parse(url).unwrap())
    }

    fn request(get: &Get) -> String {
        String::from_utf8(get.request().unwrap().bytes("us", None)).unwrap()
    }

    #[test]
    fn a_request_says_all_that_it_must() {
        let get = Get {
            from: 7,
            if_range: Some(Validator::tag("\"t\"")),
            ..get("http://a:81/x y?q=1#f")
        }
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
        let get = Get { if_range: Some(Validator::tag("\"t\"")), ..get("http://[::1]/") };
        let request = request(&get);
        assert!(request.starts_with("GET / HTTP/1.1\r\nHost: [::1]\r\n"), "{request}");
        assert!(!request.contains("Range"), "{request}");
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
    fn a_tag_that_is_no_header_is_refused() {
        let tag =
            Get { from: 1, if_range: Some(Validator::tag("\"a\"\r\nX: y")), ..get("http://a/") };
        tag.request().unwrap_err();
    }

    #[test]
    fn nothing_secret_is_shown() {
        let get = get("http://user:passwords@a:81/x?signature=s3cret#f")
            .with_header("Girder-Token", HeaderValue::new("t0ken-t0ken"));
        let shown = format!("{get:?}");
        for secret in ["user", "password", "s3cret", "t0ken", "#f"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("http://a:81/x"), "{shown}");
    }
}
