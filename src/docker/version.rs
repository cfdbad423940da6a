//! The version of the Engine API that is spoken, and how it is agreed on. Pure.

use std::fmt;
use std::str::FromStr;

/// A version of the Engine API, such as 1.41.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: u16,
    /// Counts up with the engine's releases.
    pub minor: u16,
}

impl ApiVersion {
    /// The newest version whose requests and replies this client knows.
    pub const NEWEST: Self = Self::new(1, 51);

    /// The oldest version that has all we need: Docker 19.03, Podman 3.
    pub const OLDEST: Self = Self::new(1, 40);

    /// From here on the content type of an attach says whether it is framed.
    pub const SAYS_FRAMED: Self = Self::new(1, 42);

    /// Puts a version together.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Picks the version to speak with an engine whose newest is `engine`.
    ///
    /// Without `asked` it is the newer of what both know. An `asked` version is taken as it is, or
    /// not at all: whoever pins a version wants that one.
    pub(super) fn negotiate(asked: Option<Self>, engine: Self) -> Result<Self, Disagreement> {
        if engine < Self::OLDEST {
            return Err(Disagreement::EngineTooOld(engine));
        }
        match asked {
            None => Ok(engine.min(Self::NEWEST)),
            Some(asked) if asked < Self::OLDEST => Err(Disagreement::AskedTooOld(asked)),
            Some(asked) if asked > engine => Err(Disagreement::AskedTooNew { asked, engine }),
            Some(asked) => Ok(asked),
        }
    }
}

/// Why there is no version to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disagreement {
    /// The engine's newest version is older than [`ApiVersion::OLDEST`].
    EngineTooOld(ApiVersion),
    /// The settings ask for a version older than [`ApiVersion::OLDEST`].
    AskedTooOld(ApiVersion),
    /// The settings ask for a version that the engine does not know.
    AskedTooNew {
        /// What the settings ask for.
        asked: ApiVersion,
        /// The engine's newest.
        engine: ApiVersion,
    },
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let oldest = ApiVersion::OLDEST;
        match self {
            Self::EngineTooOld(engine) => write!(
                f,
                "the engine speaks {engine} at most, {oldest} is needed \
                 (Docker 19.03 or newer)"
            ),
            Self::AskedTooOld(asked) => {
                write!(f, "DOCKER_API_VERSION asks for {asked}, {oldest} is the oldest that works")
            }
            Self::AskedTooNew { asked, engine } => {
                write!(f, "DOCKER_API_VERSION asks for {asked}, the engine speaks {engine} at most")
            }
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let digits = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| part.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(Self::new(digits(major)?, digits(minor)?)))
            .ok_or(ParseVersionError)
    }
}

/// The text is not a version of the Engine API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an API version like 1.41")]
pub struct ParseVersionError;

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ApiVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_compare_as_numbers_and_not_as_text() {
        assert!(version("1.9") < version("1.40"));
        assert!(version("1.100") > version("1.51"));
        assert!(version("2.0") > version("1.51"));
        assert_eq!(version("1.41").to_string(), "1.41");
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for text in ["", "1", "1.", ".41", "v1.41", "1.41.0", "1.-1", "1.+1", "1.99999", "1. 41"] {
            assert_eq!(text.parse::<ApiVersion>(), Err(ParseVersionError), "{text:?}");
        }
    }

    #[test]
    fn the_newest_that_both_know_is_spoken() {
        assert_eq!(ApiVersion::negotiate(None, version("1.41")), Ok(version("1.41")));
        assert_eq!(ApiVersion::negotiate(None, version("1.99")), Ok(ApiVersion::NEWEST));
    }

    #[test]
    fn a_pinned_version_is_taken_or_refused_but_never_changed() {
        let engine = version("1.44");
        assert_eq!(ApiVersion::negotiate(Some(version("1.41")), engine), Ok(version("1.41")));
        assert_eq!(
            ApiVersion::negotiate(Some(version("1.45")), engine),
            Err(Disagreement::AskedTooNew { asked: version("1.45"), engine })
        );
        assert_eq!(
            ApiVersion::negotiate(Some(version("1.39")), engine),
            Err(Disagreement::AskedTooOld(version("1.39")))
        );
    }

    #[test]
    fn an_engine_that_is_too_old_is_told_so_whatever_is_asked() {
        for asked in [None, Some(version("1.24")), Some(version("1.41"))] {
            let disagreement = ApiVersion::negotiate(asked, version("1.24")).unwrap_err();
            assert_eq!(disagreement, Disagreement::EngineTooOld(version("1.24")));
            assert!(disagreement.to_string().contains("1.24"), "{disagreement}");
            assert!(disagreement.to_string().contains("Docker 19.03"), "{disagreement}");
        }
    }
}
