//! Redirects (RFC 9110, 15.4): where to, and for how long. Pure.

use thiserror::Error;
use url::Url;

/// The URLs that one GET has come through.
#[derive(Debug)]
pub(crate) struct Trail {
    visited: Vec<Url>,
    limit: u32,
}

impl Trail {
    /// Starts at `url`; at most `limit` redirects will be followed.
    pub(crate) fn new(url: Url, limit: u32) -> Self {
        Self { visited: vec![url], limit }
    }

    /// The next URL, which `location` names from the last one.
    ///
    /// # Errors
    /// It cannot be followed: no location, not HTTP, been there already, or too many.
    pub(crate) fn follow(&mut self, location: Option<&str>) -> Result<Url, RedirectError> {
        let location = location.ok_or(RedirectError::NoLocation)?;
        let last = self.visited.last().ok_or(RedirectError::NoLocation)?;
        let mut next = last.join(location).map_err(|_| RedirectError::BadLocation)?;
        if !matches!(next.scheme(), "http" | "https") || next.host().is_none() {
            return Err(RedirectError::BadLocation);
        }
        if last.scheme() == "https" && next.scheme() == "http" {
            return Err(RedirectError::Insecure);
        }
        next.set_fragment(None);
        // A server does not get to choose the credentials that we send.
        if next.set_username("").is_err() || next.set_password(None).is_err() {
            return Err(RedirectError::BadLocation);
        }
        if self.visited.contains(&next) {
            return Err(RedirectError::Loop);
        }
        if self.visited.len() > usize::try_from(self.limit).unwrap_or(usize::MAX) {
            return Err(RedirectError::TooMany(self.limit));
        }
        self.visited.push(next.clone());
        Ok(next)
    }
}

/// Whether a status asks to go elsewhere with the same method.
pub(crate) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Whether headers meant for one URL may be sent to the other: scheme, host and port are the same.
pub(crate) fn is_same_origin(one: &Url, other: &Url) -> bool {
    matches!(one.scheme(), "http" | "https")
        && one.scheme() == other.scheme()
        && one.host().is_some()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// No `Location`.
    #[error("the server redirects to nowhere")]
    NoLocation,
    /// Not a URL, or not HTTP.
    #[error("the server redirects to something that is not an HTTP URL")]
    BadLocation,
    /// From https to http: whoever listens would see the file, and could change it.
    #[error("the server redirects from https to http, which is not followed: it is not encrypted")]
    Insecure,
    /// Been there.
    #[error("the redirects go round in a circle")]
    Loop,
    /// The body of a POST is gone when the redirect comes.
    #[error("a POST is not redirected: its body cannot be sent again")]
    Post,
    /// The limit.
    #[error("there are more than {0} redirects")]
    TooMany(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn followed(from: &str, location: &str) -> Result<String, RedirectError> {
        Trail::new(url(from), 10).follow(Some(location)).map(String::from)
    }

    #[test]
    fn a_location_is_resolved_against_the_last_url() {
        let from = "http://a/b/c?d=e";
        for (location, expected) in [
            ("/x", "http://a/x"),
            ("x", "http://a/b/x"),
            ("../x?y", "http://a/x?y"),
            ("?y", "http://a/b/c?y"),
            ("//other/x", "http://other/x"),
            ("https://other:444/x#part", "https://other:444/x"),
            ("http://user:password@a/x", "http://a/x"),
        ] {
            assert_eq!(followed(from, location).as_deref(), Ok(expected), "{location}");
        }
    }

    #[test]
    fn what_is_not_http_is_not_followed() {
        for location in ["ftp://a/", "file:///etc/passwd", "data:,x", "http://", "mailto:a@b"] {
            assert_eq!(followed("http://a/", location), Err(RedirectError::BadLocation));
        }
        assert_eq!(Trail::new(url("http://a/"), 1).follow(None), Err(RedirectError::NoLocation));
    }

    #[test]
    fn encryption_is_not_given_up() {
        assert_eq!(followed("https://a/", "http://a/"), Err(RedirectError::Insecure));
        assert_eq!(followed("https://a/", "http://b/x"), Err(RedirectError::Insecure));
        followed("https://a/", "//b/x").unwrap();
    }

    #[test]
    fn a_circle_is_found_and_the_limit_holds() {
        let mut trail = Trail::new(url("http://a/0"), 10);
        trail.follow(Some("/1")).unwrap();
        trail.follow(Some("/2#x")).unwrap();
        assert_eq!(trail.follow(Some("/1#y")), Err(RedirectError::Loop));
        let mut trail = Trail::new(url("http://a/0"), 2);
        trail.follow(Some("/1")).unwrap();
        trail.follow(Some("/2")).unwrap();
        assert_eq!(trail.follow(Some("/3")), Err(RedirectError::TooMany(2)));
        assert_eq!(
            Trail::new(url("http://a/"), 0).follow(Some("/1")),
            Err(RedirectError::TooMany(0))
        );
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |one, other| is_same_origin(&url(one), &url(other));
        assert!(same("http://a/x", "http://A:80/y?z"));
        assert!(same("https://a/", "https://a:443/"));
        assert!(!same("http://a/", "https://a/"));
        assert!(!same("http://a/", "http://a:8080/"));
        assert!(!same("http://a/", "http://b.a/"));
        assert!(!same("http://localhost/", "http://127.0.0.1/"));
    }
}
