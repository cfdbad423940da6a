//! Docker's contexts: engines that have names, as `docker context` keeps them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::endpoint::Endpoint;
use super::error::DockerError;
use super::own_file;

/// Why a context cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ContextError {
    /// It is not there.
    #[error("there is no Docker context {name:?}: {} is missing", path.display())]
    Missing {
        /// Its name.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// A file cannot be read, or is none of Docker's.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It wants TLS.
    #[error("the Docker context {name:?} uses TLS, which is not supported yet")]
    Tls {
        /// Its name.
        name: String,
    },
    /// Its engine cannot be spoken with.
    #[error("cannot use the engine of the Docker context {name:?}")]
    Engine {
        /// Its name.
        name: String,
        /// Why not.
        source: DockerError,
    },
}

/// The engine of the context `chosen`, or else of the one that `docker context use` has chosen. None: there
/// is no such choice, or it is Docker's default. `folder` has Docker's configuration.
///
/// # Errors
/// [`ContextError`].
pub fn endpoint_of_context(
    folder: &Path,
    chosen: Option<&str>,
) -> Result<Option<Endpoint>, ContextError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        current_context: Option<String>,
    }
    let config = folder.join("config.json");
    let name = match chosen {
        Some(name) => Some(name.to_owned()),
        None => read::<Config>(&config)?.and_then(|config| config.current_context),
    };
    match name.filter(|name| !matches!(name.as_str(), "" | "default")) {
        Some(name) => of_named(folder, &name).map(Some),
        None => Ok(None),
    }
}

fn of_named(folder: &Path, name: &str) -> Result<Endpoint, ContextError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Meta {
        #[serde(default)]
        endpoints: BTreeMap<String, Place>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Place {
        #[serde(default)]
        host: String,
    }
    let hash = digest(&SHA256, name.as_bytes());
    let id: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("contexts/meta").join(&id).join("meta.json");
    let name = || name.to_owned();
    let Some(mut meta) = read::<Meta>(&path)? else {
        return Err(ContextError::Missing { name: name(), path });
    };
    if fs::exists(folder.join("contexts/tls").join(&id)).unwrap_or(false) {
        return Err(ContextError::Tls { name: name() });
    }
    let host = meta.endpoints.remove("docker").map(|place| place.host).unwrap_or_default();
    Endpoint::parse(&host).map_err(|source| ContextError::Engine { name: name(), source })
}

/// Reads a JSON file; nothing if it is not there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ContextError> {
    let failed = |source| ContextError::Read { path: path.to_owned(), source };
    let text = match own_file::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // Whoever may not read it has chosen nothing there.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // What serde says repeats the value of a wrong type, which may be a password.
    let parsed = serde_json::from_slice(&text);
    parsed
        .map(Some)
        .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, "it is no JSON")))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Docker's own command makes the contexts.
    fn docker(folder: &Path, arguments: &[&str]) {
        let mut docker = Command::new("docker");
        let docker = docker.args(arguments).env("DOCKER_CONFIG", folder).env_remove("DOCKER_HOST");
        let output = docker.env_remove("DOCKER_CONTEXT").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn the_context_that_docker_uses_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let of = |chosen| endpoint_of_context(folder.path(), chosen);
        assert_eq!(of(None).unwrap(), None);
        for (name, host) in [("far", "tcp://far:2375"), ("here", "unix:///run/x.sock")] {
            docker(
                folder.path(),
                &["context", "create", name, "--docker", &format!("host={host}")],
            );
        }
        docker(folder.path(), &["context", "create", "shell", "--docker", "host=ssh://me@far"]);
        assert_eq!(of(None).unwrap(), None);
        docker(folder.path(), &["context", "use", "far"]);
        assert_eq!(of(None).unwrap().unwrap().to_string(), "tcp://far:2375");
        assert_eq!(of(Some("here")).unwrap().unwrap().to_string(), "unix:///run/x.sock");
        assert_eq!(of(Some("default")).unwrap(), None);
        assert!(matches!(of(Some("none")), Err(ContextError::Missing { .. })));
        let refused = of(Some("shell")).unwrap_err();
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(refused.to_string().contains("\"shell\"") && why.contains("SSH"), "{why}");
    }

    #[test]
    fn a_context_with_certificates_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        docker(folder.path(), &["context", "create", "safe", "--docker", "host=tcp://far:2376"]);
        let made = fs::read_dir(folder.path().join("contexts/meta")).unwrap().next().unwrap();
        let tls = folder.path().join("contexts/tls").join(made.unwrap().file_name());
        fs::create_dir_all(tls.join("docker")).unwrap();
        let error = endpoint_of_context(folder.path(), Some("safe")).unwrap_err();
        assert!(matches!(error, ContextError::Tls { .. }), "{error:?}");
    }
}
