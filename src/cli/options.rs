//! Arguments and environment, resolved into what the run takes. Pure: the environment comes in.
//!
//! What is given on the command line goes before what the job says, and what the job says before
//! what is in the environment.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::args::RunArgs;
use crate::run::{DockerError, DownloadOptions, Endpoint, EngineSettings, GirderSettings};
use crate::spec::{JobSpec, RunOptions, Secret, SpecError};

/// The variables of the environment.
pub(super) struct Environment(HashMap<String, OsString>);

impl Environment {
    /// This process's.
    pub(super) fn of_this_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).collect())
    }

    /// A variable as a path. Set but empty is not set.
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// A variable as text.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, OptionError> {
        match self.0.get(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or(OptionError::NotText { name }),
        }
    }

    /// Where temporary things are made.
    pub(super) fn temporary_folder(&self) -> PathBuf {
        self.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"))
    }

    /// The engine, and how to speak with it.
    pub(super) fn engine(&self) -> Result<EngineSettings, OptionError> {
        let mut settings = EngineSettings::default();
        if let Some(host) = self.text("DOCKER_HOST")? {
            settings.endpoint = Endpoint::parse(host).map_err(OptionError::DockerHost)?;
        }
        if self.text("DOCKER_TLS_VERIFY")?.is_some() {
            return Err(OptionError::Tls);
        }
        if let Some(version) = self.text("DOCKER_API_VERSION")?.filter(|text| *text != "auto") {
            let parsed = version.parse().map_err(|_| wrong("DOCKER_API_VERSION", version, "1.41"));
            settings.api_version = Some(parsed?);
        }
        if let Some(timeout) = self.text("DOCKER_CLIENT_TIMEOUT")? {
            let seconds = timeout.parse().ok().filter(|seconds: &u32| *seconds > 0);
            let seconds = seconds.ok_or_else(|| wrong("DOCKER_CLIENT_TIMEOUT", timeout, "60"))?;
            settings.timeout = Duration::from_secs(seconds.into());
        }
        let folder =
            self.path("DOCKER_CONFIG").or_else(|| Some(self.path("HOME")?.join(".docker")));
        settings.config_file = folder.map(|folder| folder.join("config.json"));
        Ok(settings)
    }

    /// What is added to every container.
    pub(super) fn run_options(&self) -> Result<RunOptions, OptionError> {
        match self.text(RUN_OPTIONS)? {
            None => Ok(RunOptions::default()),
            Some(text) => RunOptions::from_json(text).map_err(OptionError::RunOptions),
        }
    }

    /// The Girder server of jobs that name none.
    pub(super) fn girder(&self) -> Result<GirderSettings, OptionError> {
        let mut girder = GirderSettings::new();
        if let Some(url) = self.text("GIRDER_API_URL")? {
            girder = girder.with_url(url);
        }
        if let Some(token) = self.text("GIRDER_TOKEN")? {
            girder = girder.with_token(Secret::new(token));
        } else if let Some(key) = self.text("GIRDER_API_KEY")? {
            girder = girder.with_api_key(Secret::new(key));
        }
        Ok(girder)
    }
}

impl std::fmt::Debug for Environment {
    /// Values may be tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl RunArgs {
    /// Puts into the job what was given on the command line.
    ///
    /// # Errors
    /// An address or a token that a job cannot have.
    pub(super) fn override_job(&self, job: &mut JobSpec) -> Result<(), SpecError> {
        let token = self.girder_token.as_deref().map(Secret::new);
        job.set_girder(self.girder_url.as_deref(), token.as_ref())
    }

    /// How downloads are made.
    pub(super) fn http(&self) -> DownloadOptions {
        DownloadOptions { ca_files: self.ca_file.clone(), ..DownloadOptions::default() }
    }
}

/// Girder Worker's variable.
const RUN_OPTIONS: &str = "GIRDER_WORKER_DOCKER_RUN_OPTIONS";

/// A setting that cannot be used.
#[derive(Debug, Error)]
pub(super) enum OptionError {
    #[error("cannot use DOCKER_HOST")]
    DockerHost(#[source] DockerError),
    #[error("cannot use GIRDER_WORKER_DOCKER_RUN_OPTIONS")]
    RunOptions(#[source] SpecError),
    #[error("DOCKER_TLS_VERIFY is set, but TLS to the engine is not supported yet")]
    Tls,
    #[error("{name} is {found:?}, expected something like {example}")]
    Wrong { name: &'static str, found: String, example: &'static str },
    #[error("{name} is not UTF-8")]
    NotText { name: &'static str },
}

fn wrong(name: &'static str, found: &str, example: &'static str) -> OptionError {
    OptionError::Wrong { name, found: found.to_owned(), example }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), OsString::from(value));
        Environment(variables.iter().map(owned).collect())
    }

    #[test]
    fn dockers_variables_are_dockers() {
        let settings = environment(&[
            ("DOCKER_HOST", "tcp://engine:2375"),
            ("DOCKER_API_VERSION", "1.40"),
            ("DOCKER_CLIENT_TIMEOUT", "7"),
            ("DOCKER_CONFIG", "/etc/docker-config"),
        ])
        .engine()
        .unwrap();
        assert_eq!(settings.endpoint.to_string(), "tcp://engine:2375");
        assert_eq!(settings.api_version.unwrap().to_string(), "1.40");
        assert_eq!(settings.timeout, Duration::from_secs(7));
        assert_eq!(settings.config_file, Some("/etc/docker-config/config.json".into()));
    }

    #[test]
    fn a_variable_that_is_empty_is_not_set() {
        let settings = environment(&[("DOCKER_HOST", ""), ("HOME", "/home/me")]).engine().unwrap();
        assert_eq!(settings.endpoint, Endpoint::default());
        assert_eq!(settings.config_file, Some("/home/me/.docker/config.json".into()));
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_named() {
        for (name, value) in [
            ("DOCKER_API_VERSION", "new"),
            ("DOCKER_CLIENT_TIMEOUT", "soon"),
            ("DOCKER_CLIENT_TIMEOUT", "0"),
            ("DOCKER_HOST", "ssh://engine"),
            ("DOCKER_TLS_VERIFY", "1"),
        ] {
            let error = environment(&[(name, value)]).engine().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn run_options_are_girder_workers() {
        let options = environment(&[("GIRDER_WORKER_DOCKER_RUN_OPTIONS", r#"{"init": true}"#)]);
        let mut job = JobSpec::builder("i").build().unwrap();
        options.run_options().unwrap().merge_into(&mut job);
        assert!(job.container().is_set("init"));
        let wrong = environment(&[("GIRDER_WORKER_DOCKER_RUN_OPTIONS", r#"{"init": 1}"#)]);
        let error = crate::run::chain(&wrong.run_options().unwrap_err());
        assert!(
            error.starts_with("cannot use GIRDER_WORKER_DOCKER_RUN_OPTIONS: $.init"),
            "{error}"
        );
        assert_eq!(environment(&[]).run_options().unwrap(), RunOptions::default());
    }

    #[test]
    fn the_environment_is_not_printed() {
        let environment = environment(&[("GIRDER_TOKEN", "hidden")]);
        assert!(!format!("{environment:?}").contains("hidden"));
    }
}
