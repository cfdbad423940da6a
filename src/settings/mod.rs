//! What the environment says, for the command, the worker, and whoever embeds the library.
//!
//! The library itself reads no environment: a [`Runner`] takes what it is given. Here
//! is the one place that asks, so that `gantline run`, a worker and an embedder mean the same by
//! `DOCKER_HOST`, `TMPDIR` and the others. What is given on a command line goes before what a job
//! says, and what a job says before what is in the environment.
//!
//! ```no_run
//! use gantline::{JobSpec, settings::Settings};
//!
//! let settings = Settings::from_env()?;
//! let runner = settings.runner().build()?;
//! let mut job = JobSpec::from_json(r#"{"image": "busybox", "container_args": ["date"]}"#)?;
//! settings.complete(&mut job);
//! runner.run(&job)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | variable | what it says |
//! |---|---|
//! | `DOCKER_HOST` | the engine: `unix:///path` or `tcp://host:port` |
//! | `DOCKER_CONTEXT` | without it: the engine of this context of Docker's; default: the one of `docker context use` |
//! | `DOCKER_API_VERSION` | speak exactly this version of the Engine API |
//! | `DOCKER_CLIENT_TIMEOUT` | seconds that a call to the engine may take |
//! | `DOCKER_CONFIG`, `HOME` | the folder of Docker's `config.json`, for logins at registries |
//! | `DOCKER_TLS_VERIFY` | refused: TLS to the engine is not supported |
//! | `GIRDER_API_URL` | the Girder server of jobs that name none |
//! | `GIRDER_TOKEN`, `GIRDER_API_KEY` | how to be let in there |
//! | `GANTLINE_VERIFY` | which files are held against the sum in their record, if the job does not say: [`Verify`] |
//! | `GIRDER_WORKER_DOCKER_RUN_OPTIONS` | docker-py's keywords for every container |
//! | `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy` | the proxies that servers are reached by: [`Proxies`](crate::run::Proxies); also in capitals |
//! | `TMPDIR` | where temporary volumes are made, and what waits for slow sinks is kept |
//! | `GANTLINE_RECORD_DIR` | where runs write down what they make, for `gantline prune` |
//!
//! `SSL_CERT_FILE` is read by rustls-native-certs, when the system's certificate authorities are.

mod environment;
mod error;
mod size;

use std::path::PathBuf;

pub use self::environment::Environment;
pub use self::error::SettingsError;
pub use self::size::parse as parse_size;
use crate::run::{
    DownloadOptions, EngineSettings, GirderSettings, PumpOptions, Runner, RunnerBuilder,
};
use crate::spec::{JobSpec, RunOptions, Verify};

/// What a runner is set up with. Each member can be changed before [`runner`](Self::runner).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The engine, and how to speak with it.
    pub engine: EngineSettings,
    /// The Girder server of jobs that name none.
    pub girder: GirderSettings,
    /// What is added to every container; what a job says itself goes first.
    pub run_options: RunOptions,
    /// Where temporary volumes are made, and what waits for slow sinks is kept.
    pub temporary_folder: PathBuf,
    /// Where runs write down what they make, if not in the usual place.
    pub record_folder: Option<PathBuf>,
    /// How downloads are made.
    pub downloads: DownloadOptions,
    /// Connections that one transfer may use where a single one is too slow for its round trip; 1:
    /// never more than one.
    pub connections: usize,
    /// What the files that are put into volumes are held against, if the job does not say.
    pub verify: Verify,
}

impl Settings {
    /// What this process's environment says.
    ///
    /// # Errors
    /// A variable cannot be used.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::of(&Environment::of_this_process())
    }

    /// What an environment says.
    ///
    /// # Errors
    /// A variable cannot be used.
    pub fn of(environment: &Environment) -> Result<Self, SettingsError> {
        Ok(Self {
            engine: environment.engine()?,
            girder: environment.girder()?,
            run_options: environment.run_options()?,
            temporary_folder: environment.temporary_folder(),
            record_folder: environment.record_folder(),
            downloads: DownloadOptions::default().with_proxies(environment.proxies()?),
            connections: PumpOptions::default().connections,
            verify: environment.verify()?,
        })
    }

    /// A builder that has all of it. Events, streams and the grace period are left to be said.
    pub fn runner(&self) -> RunnerBuilder {
        let pump = PumpOptions::default()
            .with_spool_folder(&self.temporary_folder)
            .with_connections(self.connections);
        let builder = Runner::builder();
        let builder = match &self.record_folder {
            Some(folder) => builder.record_folder(folder),
            None => builder,
        };
        builder
            .engine(self.engine.clone())
            .girder(self.girder.clone())
            .http(self.downloads.clone())
            .pump(pump)
            .verify(self.verify)
            .temporary_folder(&self.temporary_folder)
    }

    /// Adds to a job what is added to every container.
    pub fn complete(&self, job: &mut JobSpec) {
        self.run_options.clone().merge_into(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_says_nothing_gives_the_defaults() {
        let settings = Settings::of(&Environment::of([])).unwrap();
        assert_eq!(settings.engine.endpoint, EngineSettings::default().endpoint);
        assert_eq!(settings.temporary_folder, PathBuf::from("/tmp"));
        assert_eq!(settings.run_options, RunOptions::default());
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_an_error_at_once() {
        let environment = Environment::of([("DOCKER_HOST", "ssh://engine")]);
        assert!(matches!(Settings::of(&environment), Err(SettingsError::DockerHost(_))));
    }
}
