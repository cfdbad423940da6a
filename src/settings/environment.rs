//! The variables of the environment, and what they come to. Pure but for
//! [`Environment::of_this_process`].

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::SettingsError;
use crate::run::{Endpoint, EngineSettings, GirderSettings, Proxies, endpoint_of_context};
use crate::spec::{JobSpec, RunOptions, Secret, Verify};

/// The variables of the environment.
pub struct Environment(HashMap<String, OsString>);

impl Environment {
    /// This process's.
    pub fn of_this_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).collect())
    }

    /// These variables and no others.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), OsString::from(value));
        Self(variables.into_iter().map(owned).collect())
    }

    /// A variable as a path. Set but empty is not set.
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// A variable as text. Set but empty is not set.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, SettingsError> {
        match self.0.get(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or(SettingsError::NotText { name }),
        }
    }

    /// Where temporary things are made: `TMPDIR`.
    pub fn temporary_folder(&self) -> PathBuf {
        self.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"))
    }

    /// Where runs write down what they make, if not in the usual place: `GANTLINE_RECORD_DIR`.
    pub fn record_folder(&self) -> Option<PathBuf> {
        self.path("GANTLINE_RECORD_DIR")
    }

    /// The engine, and how to speak with it: `DOCKER_HOST` and its kin. Without it, the context of Docker's
    /// own command, which is read here.
    ///
    /// # Errors
    /// A variable cannot be used.
    pub fn engine(&self) -> Result<EngineSettings, SettingsError> {
        let mut settings = EngineSettings::default();
        let folder =
            self.path("DOCKER_CONFIG").or_else(|| Some(self.path("HOME")?.join(".docker")));
        if let Some(host) = self.text("DOCKER_HOST")? {
            settings.endpoint = Endpoint::parse(host).map_err(SettingsError::DockerHost)?;
        } else if let Some(folder) = &folder {
            let chosen = self.text("DOCKER_CONTEXT")?;
            let endpoint = endpoint_of_context(folder, chosen).map_err(SettingsError::Context)?;
            settings.endpoint = endpoint.unwrap_or(settings.endpoint);
        }
        if self.text("DOCKER_TLS_VERIFY")?.is_some() {
            return Err(SettingsError::Tls);
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
        settings.config_file = folder.map(|folder| folder.join("config.json"));
        Ok(settings)
    }

    /// What is added to every container: `GIRDER_WORKER_DOCKER_RUN_OPTIONS`.
    ///
    /// # Errors
    /// It is no JSON object of docker-py's keywords.
    pub fn run_options(&self) -> Result<RunOptions, SettingsError> {
        match self.text(RUN_OPTIONS)? {
            None => Ok(RunOptions::default()),
            Some(text) => RunOptions::from_json(text).map_err(SettingsError::RunOptions),
        }
    }

    /// Which files are held against the sum in their record, if the job does not say: `GANTLINE_VERIFY`.
    ///
    /// # Errors
    /// It is none of the words.
    pub fn verify(&self) -> Result<Verify, SettingsError> {
        let Some(word) = self.text(VERIFY)? else { return Ok(Verify::default()) };
        Verify::named(word).ok_or_else(|| wrong(VERIFY, word, "large-only-by-length"))
    }

    /// The proxies that servers are reached by: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, also in capitals.
    ///
    /// # Errors
    /// A variable is not UTF-8.
    pub fn proxies(&self) -> Result<Proxies, SettingsError> {
        // A server sets HTTP_PROXY of its CGI programs to a request's header `Proxy`.
        let is_cgi = self.text("REQUEST_METHOD")?.is_some();
        let either = |small, capital| Ok(self.text(small)?.or(self.text(capital)?));
        let all = either("all_proxy", "ALL_PROXY")?;
        let http = self.text("http_proxy")?;
        let http = if is_cgi { http } else { http.or(self.text("HTTP_PROXY")?) };
        let mut proxies = Proxies::none();
        if let Some(address) = http.or(all) {
            proxies = proxies.with_http(address);
        }
        if let Some(address) = either("https_proxy", "HTTPS_PROXY")?.or(all) {
            proxies = proxies.with_https(address);
        }
        if let Some(hosts) = either("no_proxy", "NO_PROXY")? {
            proxies = proxies.with_direct(hosts);
        }
        Ok(proxies)
    }

    /// The Girder server of jobs that name none: `GIRDER_API_URL`, and `GIRDER_TOKEN` or
    /// `GIRDER_API_KEY`.
    ///
    /// # Errors
    /// A variable is not UTF-8, or no job could have its value.
    pub fn girder(&self) -> Result<GirderSettings, SettingsError> {
        let mut girder = GirderSettings::new();
        if let Some(url) = self.text("GIRDER_API_URL")? {
            as_of_a_job("GIRDER_API_URL", Some(url), None)?;
            girder = girder.with_url(url);
        }
        if let Some(token) = self.text("GIRDER_TOKEN")?.map(Secret::new) {
            as_of_a_job("GIRDER_TOKEN", None, Some(&token))?;
            girder = girder.with_token(token);
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

/// Girder Worker's variable.
const RUN_OPTIONS: &str = "GIRDER_WORKER_DOCKER_RUN_OPTIONS";

/// Ours.
const VERIFY: &str = "GANTLINE_VERIFY";

fn wrong(name: &'static str, found: &str, example: &'static str) -> SettingsError {
    SettingsError::Wrong { name, found: found.to_owned(), example }
}

/// Refuses what a job's own `girder_api_url` and `girder_client_token` could not be.
fn as_of_a_job(
    name: &'static str,
    url: Option<&str>,
    token: Option<&Secret>,
) -> Result<(), SettingsError> {
    let tried = JobSpec::builder("none").build().and_then(|mut job| job.set_girder(url, token));
    tried.map_err(|error| SettingsError::Girder { name, problem: error.problem().clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::of(variables.iter().copied())
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
        let error = environment(&[(VERIFY, "sometimes")]).verify().unwrap_err().to_string();
        assert!(error.contains(VERIFY) && error.contains("large-only-by-length"), "{error}");
    }

    #[test]
    fn downloads_are_summed_unless_the_environment_says_otherwise() {
        assert_eq!(environment(&[]).verify().unwrap(), Verify::UnlessSpliced);
        assert_eq!(environment(&[(VERIFY, "never")]).verify().unwrap(), Verify::Never);
    }

    #[test]
    fn proxies_are_curls() {
        let way = |variables: &[(&str, &str)], url: &str| {
            let proxies = environment(variables).proxies().unwrap();
            proxies.way(&url::Url::parse(url).unwrap()).map(|proxy| proxy.shown())
        };
        let all = [("all_proxy", "a:1"), ("HTTP_PROXY", "b:1"), ("https_proxy", "c:1")];
        assert_eq!(way(&all, "http://x").as_deref(), Some("http://b:1"));
        assert_eq!(way(&all, "https://x").as_deref(), Some("http://c:1"));
        let both = [("HTTP_PROXY", "b:1"), ("http_proxy", "d:1")];
        assert_eq!(way(&both, "http://x").as_deref(), Some("http://d:1"));
        let cgi = [("HTTP_PROXY", "b:1"), ("REQUEST_METHOD", "GET")];
        assert_eq!(way(&cgi, "http://x"), None);
        assert_eq!(way(&[("ALL_PROXY", "a:1"), ("NO_PROXY", "x")], "https://x"), None);
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
