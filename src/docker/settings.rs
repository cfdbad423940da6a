//! Which engine a client meets, and how it speaks with it.

use std::path::PathBuf;
use std::time::Duration;

use super::{ApiVersion, Endpoint};

/// Which engine, and how to speak with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `DOCKER_HOST`.
    pub endpoint: Endpoint,
    /// `DOCKER_API_VERSION`: speaks exactly this version. Without it, the newest that both know.
    pub api_version: Option<ApiVersion>,
    /// `DOCKER_CLIENT_TIMEOUT`: how long a call may take. Not for streams. Default: 60 s.
    pub timeout: Duration,
    /// How long an engine that goes away while a container runs is waited for. Default: 60 s.
    pub patience: Duration,
    /// How long the engine may say nothing of a pull. A registry may be slow; the engine itself tells how
    /// far each layer is. Default: 10 min.
    pub pull_stall: Duration,
    /// The user's Docker configuration, which has the logins for registries. It need not be there.
    pub config_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            api_version: None,
            timeout: Duration::from_secs(60),
            patience: Duration::from_secs(60),
            pull_stall: Duration::from_secs(600),
            config_file: None,
        }
    }
}

impl Settings {
    /// With the engine that listens there.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// With exactly this version of the Engine API.
    #[must_use]
    pub fn with_api_version(mut self, version: ApiVersion) -> Self {
        self.api_version = Some(version);
        self
    }

    /// With so much time for a call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// With so much time for an engine that goes away while a container runs.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// With so much time between two words of a pull.
    #[must_use]
    pub fn with_pull_stall(mut self, stall: Duration) -> Self {
        self.pull_stall = stall;
        self
    }

    /// With the logins for registries that this file has.
    #[must_use]
    pub fn with_config_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.config_file = Some(file.into());
        self
    }
}
