//! The user's logins for registries, as docker keeps them.
//!
//! The configuration file names a credential helper for a registry (`credHelpers`) or for all
//! (`credsStore`), or has the login itself (`auths`). The engine gets it with the pull, in the
//! header `X-Registry-Auth`.

mod config;
mod helper;

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hyper::header::HeaderValue;
use serde_json::json;

use super::error::DockerError;
use super::login_error::LoginError;
use super::reference::Registry;
use crate::secret;
use config::Config;

/// Finds the login for `registry`; there need not be one.
///
/// A helper that has none leaves it to `auths`, as docker-py does it.
pub(super) async fn login(
    file: &Path,
    registry: &Registry,
    limit: Duration,
) -> Result<Found, DockerError> {
    find(file, registry, limit)
        .await
        .map_err(|source| DockerError::Login { registry: registry.to_string(), source })
}

async fn find(file: &Path, registry: &Registry, limit: Duration) -> Result<Found, LoginError> {
    let Some(config) = Config::read(file)? else { return Ok(Found::default()) };
    let mut missing_helper = None;
    if let Some(helper) = config.helper(registry)? {
        match helper.ask(registry.server(), limit).await {
            Ok(Some(login)) => return Ok(Found { login: Some(login), missing_helper }),
            Ok(None) => {}
            Err(LoginError::Run { helper, source }) if source.kind() == ErrorKind::NotFound => {
                missing_helper = Some(helper);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Found { login: config.stored(registry)?, missing_helper })
}

/// What there is to log in with.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) login: Option<Login>,
    /// A credential helper that the configuration names and that is not there: many a registry needs none.
    pub(super) missing_helper: Option<String>,
}

/// A login for a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    /// A name and a password.
    Password { username: String, password: String },
    /// A token that the registry gave for a login.
    Identity(String),
    /// A token that is sent to the registry as it is.
    Bearer(String),
}

impl Login {
    /// The value of `X-Registry-Auth`, marked so that nobody prints it.
    pub(super) fn header(&self, registry: &Registry) -> Result<HeaderValue, DockerError> {
        let server = registry.server();
        let login = match self {
            Self::Password { username, password } => {
                json!({ "username": username, "password": password, "serveraddress": server })
            }
            Self::Identity(token) => json!({ "identitytoken": token, "serveraddress": server }),
            Self::Bearer(token) => json!({ "registrytoken": token, "serveraddress": server }),
        };
        let mut value = HeaderValue::try_from(URL_SAFE.encode(login.to_string()))
            .map_err(|_| DockerError::Bug("a login that is no header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// An error of a pull without the login: registries put into their refusals what they like, also what they were sent.
    pub(super) fn hidden_in(&self, mut error: DockerError) -> DockerError {
        if let DockerError::Engine { message, .. }
        | DockerError::Pull { message, .. }
        | DockerError::NotLoggedIn { message, .. } = &mut error
        {
            let secrets = self.secrets();
            *message = secret::without(secrets.iter().map(String::as_str), message);
        }
        error
    }

    /// What a registry gets of it: a password also as Basic authorization has it.
    fn secrets(&self) -> Vec<String> {
        match self {
            Self::Password { username, password } => {
                let pair = format!("{username}:{password}");
                vec![STANDARD.encode(&pair), pair, password.clone()]
            }
            Self::Identity(token) | Self::Bearer(token) => vec![token.clone()],
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::Identity(_) => "Identity(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(login: &Login, registry: &str) -> serde_json::Value {
        let header = login.header(&Registry::of_key(registry)).unwrap();
        assert!(header.is_sensitive());
        serde_json::from_slice(&URL_SAFE.decode(header.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn the_header_is_what_the_engine_expects() {
        let login = Login::Password { username: "me".to_owned(), password: "ÿ?>~ü".to_owned() };
        assert_eq!(
            decoded(&login, "r:5000"),
            json!({ "username": "me", "password": "ÿ?>~ü", "serveraddress": "r:5000" })
        );
        assert_eq!(
            decoded(&Login::Identity("t".to_owned()), "docker.io"),
            json!({ "identitytoken": "t", "serveraddress": "https://index.docker.io/v1/" })
        );
        assert_eq!(
            decoded(&Login::Bearer("t".to_owned()), "r"),
            json!({ "registrytoken": "t", "serveraddress": "r" })
        );
    }

    #[test]
    fn what_a_registry_says_of_a_login_is_told_without_the_login() {
        let password =
            Login::Password { username: "me".to_owned(), password: "hunter2-hunter2".to_owned() };
        let said = |login: &Login, message: &str| {
            let (reference, message) = ("r/a".to_owned(), message.to_owned());
            match login.hidden_in(DockerError::Pull { reference, message }) {
                DockerError::Pull { message, .. } => message,
                other => panic!("{other}"),
            }
        };
        let words = "no: Basic bWU6aHVudGVyMi1odW50ZXIy, hunter2-hunter2 of me";
        assert_eq!(said(&password, words), "no: Basic …, … of me");
        for login in [Login::Identity, Login::Bearer] {
            assert_eq!(said(&login("a-token-of-ours".to_owned()), "a-token-of-ours?"), "…?");
        }
    }

    #[test]
    fn a_login_is_not_printed() {
        let login = Login::Password { username: "me".to_owned(), password: "hunter2".to_owned() };
        let header = login.header(&Registry::of_key("r")).unwrap();
        assert_eq!(format!("{login:?} {header:?}"), "Password(…) Sensitive");
    }
}
