//! Redirects (RFC 9110, 15.4): where to, and for how long. Pure.

use thiserror::Error;
use url::{Origin, Url};

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
    match (one.origin(), other.origin()) {
        (one @ Origin::Tuple(..), other @ Origin::Tuple(..)) => one == other,
        _ => false,
    }
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
    /// Been there.
    #[error("the redirects go round in a circle")]
    Loop,
    /// The limit.
    #[error("there are more than {0} redirects")]
    TooMany(u32),
}
