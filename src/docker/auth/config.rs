//! Docker's configuration file, as far as it is about logins.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::super::login_error::LoginError;
use super::super::own_file;
use super::super::reference::Registry;
use super::Login;
use super::helper::Helper;

/// The logins and helpers of one file.
#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    content: Content,
}

impl Config {
    /// Reads the file; one that is not there has nothing in it.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, LoginError> {
        let failed = |source| LoginError::Read { path: path.to_owned(), source };
        let text = match own_file::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        Self::parse(path, &text).map(Some)
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, LoginError> {
        // What serde says of a wrong type repeats the value, which may be a password.
        let content = serde_json::from_slice(text).map_err(|error| LoginError::Parse {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        Ok(Self { path: path.to_owned(), content })
    }

    /// The program to ask for this registry's login.
    pub(super) fn helper(&self, registry: &Registry) -> Result<Option<Helper>, LoginError> {
        let own = of(&self.content.cred_helpers, registry);
        let name = own.or(self.content.creds_store.as_ref()).filter(|name| !name.is_empty());
        name.map(|name| {
            Helper::named(name).ok_or_else(|| LoginError::HelperName {
                name: name.clone(),
                path: self.path.clone(),
            })
        })
        .transpose()
    }

    /// The login that stands in the file itself.
    pub(super) fn stored(&self, registry: &Registry) -> Result<Option<Login>, LoginError> {
        let Some(entry) = of(&self.content.auths, registry) else { return Ok(None) };
        if let Some(token) = filled(&entry.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(token) = filled(&entry.registrytoken) {
            return Ok(Some(Login::Bearer(token)));
        }
        if let Some(auth) = filled(&entry.auth) {
            let login =
                decode(&auth).ok_or_else(|| LoginError::Encoding { path: self.path.clone() })?;
            return Ok(Some(login));
        }
        Ok(filled(&entry.username)
            .zip(filled(&entry.password))
            .map(|(username, password)| Login::Password { username, password }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}

/// What is filed under the registry: by its own name first, else by one that means the same.
fn of<'a, T>(entries: &'a BTreeMap<String, T>, registry: &Registry) -> Option<&'a T> {
    entries.get(registry.server()).or_else(|| {
        entries.iter().find(|(key, _)| Registry::of_key(key) == *registry).map(|(_, entry)| entry)
    })
}

fn filled(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

/// Takes the base64 of `user:password` apart.
fn decode(auth: &str) -> Option<Login> {
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = GeneralPurpose::new(&STANDARD, lenient).decode(auth).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (username, password) = text.split_once(':')?;
    // Old versions of docker padded the password with NUL.
    let password = password.trim_matches('\0');
    Some(Login::Password { username: username.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("/home/me/.docker/config.json"), text.as_bytes()).unwrap()
    }

    fn password(username: &str, password: &str) -> Option<Login> {
        Some(Login::Password { username: username.to_owned(), password: password.to_owned() })
    }

    fn stored(text: &str, registry: &str) -> Option<Login> {
        config(text).stored(&Registry::of_key(registry)).unwrap()
    }

    #[test]
    fn a_login_is_found_under_any_name_of_its_registry() {
        // me:pass:word
        let auths = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6cGFzczp3b3Jk"},
            "http://r.example:5000/v2/": {"auth": "eW91OnA="}}, "HttpHeaders": {"X": "y"}}"#;
        assert_eq!(stored(auths, "docker.io"), password("me", "pass:word"));
        assert_eq!(stored(auths, "r.example:5000"), password("you", "p"));
        assert_eq!(stored(auths, "r.example"), None);
    }

    #[test]
    fn the_exact_name_goes_before_another_that_means_the_same() {
        let auths = r#"{"auths": {"https://r/v1": {"username": "old", "password": "p"},
            "r": {"username": "new", "password": "p"}}}"#;
        assert_eq!(stored(auths, "r"), password("new", "p"));
    }

    #[test]
    fn tokens_and_plain_members_are_read_and_empty_entries_are_none() {
        let auths = r#"{"auths": {"a": {"identitytoken": "t", "auth": "bWU6cA=="},
            "b": {"registrytoken": "t"}, "c": {"username": "u", "password": "p"}, "d": {},
            "e": {"auth": "", "username": "u"}, "f": {"auth": "bWU6cAAA"}}}"#;
        assert_eq!(stored(auths, "a"), Some(Login::Identity("t".to_owned())));
        assert_eq!(stored(auths, "b"), Some(Login::Bearer("t".to_owned())));
        assert_eq!(stored(auths, "c"), password("u", "p"));
        assert_eq!(stored(auths, "d"), None);
        assert_eq!(stored(auths, "e"), None);
        assert_eq!(stored(auths, "f"), password("me", "p"));
    }

    #[test]
    fn an_own_helper_goes_before_the_one_for_all() {
        let config = config(
            r#"{"credsStore": "pass", "credHelpers": {"gcr.io": "gcloud", "off.io": "",
                "https://index.docker.io/v1/": "hub"}}"#,
        );
        let helper = |registry| config.helper(&Registry::of_key(registry)).unwrap();
        assert_eq!(helper("gcr.io").unwrap().to_string(), "docker-credential-gcloud");
        assert_eq!(helper("docker.io").unwrap().to_string(), "docker-credential-hub");
        assert_eq!(helper("r:5000").unwrap().to_string(), "docker-credential-pass");
        assert!(helper("off.io").is_none());
    }

    #[test]
    fn a_helper_cannot_be_a_path() {
        let config = config(r#"{"credsStore": "../../bin/sh"}"#);
        let error = config.helper(&Registry::of_key("r")).unwrap_err();
        assert!(error.to_string().contains("is not the name of a credential helper"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_without_its_secrets() {
        let path = Path::new("config.json");
        let error = Config::parse(path, br#"{"auths": {"r": "hunter2"}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "config.json is not a docker configuration: line 1, column 25"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
        for auth in ["hunter2!", "aHVudGVyMg==", "/w=="] {
            let config = config(&format!(r#"{{"auths": {{"r": {{"auth": "{auth}"}}}}}}"#));
            let error = config.stored(&Registry::of_key("r")).unwrap_err();
            assert!(error.to_string().contains("base64 of user:password"), "{error}");
            assert!(!format!("{error:?} {config:?}").contains(auth));
        }
    }

    #[test]
    fn a_file_that_is_not_there_has_no_logins() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Config::read(&folder.path().join("config.json")).unwrap().is_none());
        let error = Config::read(folder.path()).unwrap_err();
        assert!(matches!(error, LoginError::Read { .. }), "{error}");
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, vec![b' '; 1 << 21]).unwrap();
        let error = Config::read(&path).unwrap_err();
        assert!(matches!(error, LoginError::Read { .. }), "{error}");
    }
}
