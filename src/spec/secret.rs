//! Values that are neither printed nor logged, and addresses whose query is not.

use std::fmt;

use url::Url;

/// A token or a header's value: it is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the request that it belongs in.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// An `http` or `https` address with a host and without credentials. Displayed without its query:
/// signed addresses carry their signature there.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// Parses an address; `None` if it is not one that can be fetched.
    ///
    /// Stricter than browsers: no spaces or control characters, no backslashes before the path, no
    /// `user:password@` (a header says the same without ending up in logs).
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let authority = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
        if authority.contains(['@', '\\']) || text.contains(|c: char| c <= ' ' || c == '\u{7f}') {
            return None;
        }
        Url::parse(text).ok().filter(Url::has_host).map(Self)
    }

    /// The address itself, for the request.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(self.0.query().map(|_| "…"));
        shown.set_fragment(None);
        // `set_query` escapes what is not ASCII.
        f.write_str(&shown.as_str().replace("%E2%80%A6", "…"))
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
