//! Values that are neither printed nor logged, and addresses whose query is not.

use std::fmt;

use url::Url;

pub use crate::secret::Secret;

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

    /// The host, without its port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The host and the end of the path, for a line: `data.example.org/…/file.bin`.
    pub fn label(&self) -> String {
        const MOST: usize = 60;
        let mut segments = self.0.path().split('/').filter(|segment| !segment.is_empty());
        let last = segments.next_back().unwrap_or_default();
        // A path of an address is ASCII.
        let shown = last.get(last.len().saturating_sub(MOST)..).unwrap_or_default();
        let between = match (segments.next().is_some(), shown == last) {
            (false, true) if last.is_empty() => "",
            (false, true) => "/",
            _ => "/…/",
        };
        format!("{}{between}{shown}", self.host())
    }

    /// The address itself, for the request.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        f.write_str(shown.as_str())?;
        f.write_str(if self.0.query().is_some() { "?…" } else { "" })
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_the_host_and_the_end_of_the_path() {
        let long = format!("http://h/{}", "x".repeat(70));
        for (url, label) in [
            ("http://h:80/", "h"),
            ("http://h", "h"),
            ("https://h:8443/file.bin?key=k#f", "h/file.bin"),
            ("https://h/a/b/file.bin", "h/…/file.bin"),
            (&long, &format!("h/…/{}", "x".repeat(60))),
        ] {
            assert_eq!(HttpUrl::parse(url).unwrap().label(), label);
        }
    }

    #[test]
    fn an_address_is_shown_without_query_and_fragment() {
        for (address, shown) in [
            ("https://host/a/b?signature=x&y#z", "https://host/a/b?…"),
            ("http://host:8080/a?", "http://host:8080/a?…"),
            ("http://host/a#x", "http://host/a"),
            ("HTTP://Host", "http://host/"),
            ("http://host/%E2%80%A6", "http://host/%E2%80%A6"),
        ] {
            let url = HttpUrl::parse(address).unwrap();
            assert_eq!(format!("{url} {url:?}"), format!("{shown} {shown}"));
        }
    }

    #[test]
    fn only_what_can_be_fetched_is_an_address() {
        for address in [
            "",
            "host/path",
            "ftp://host/",
            "file:///etc/passwd",
            "http:host",
            "http://",
            "http:///path",
            "http://user@host/",
            "http://user:password@host/",
            "http://@host/",
            "http://host\\@other/",
            "http://host/a b",
            " http://host/",
            "http://ho\tst/",
            "http://host/\n",
            "http://host:99999/",
            "http://[::1/",
            "http://a b/",
        ] {
            assert!(HttpUrl::parse(address).is_none(), "{address:?}");
        }
    }
}
