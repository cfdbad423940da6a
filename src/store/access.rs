//! Which Girder server a job's files come from, and whose token is shown to it.

use std::time::Duration;

use super::{Store, StoreError, StoreOptions};
use crate::backoff::Backoff;
use crate::girder::{ApiKey, Credentials, Token};
use crate::spec::{JobSpec, Secret};

/// The Girder server of jobs that name none, and how to be let in.
#[derive(Debug, Clone, Default)]
pub struct GirderSettings {
    url: Option<String>,
    credentials: Option<Credentials>,
    patience: Option<Duration>,
}

impl GirderSettings {
    /// No server; nobody is let in.
    pub fn new() -> Self {
        Self::default()
    }

    /// The server of jobs that name none: the URL of its REST API.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The token of jobs that have none.
    ///
    /// It is sent to the server of [`with_url`](Self::with_url) only; without one, to the server
    /// that the job names.
    #[must_use]
    pub fn with_token(mut self, token: Secret) -> Self {
        self.credentials = Some(Credentials::Token(Token::new(token.expose())));
        self
    }

    /// In place of a token, an API key that is changed for one.
    #[must_use]
    pub fn with_api_key(mut self, key: Secret) -> Self {
        self.credentials = Some(Credentials::ApiKey(ApiKey::new(key.expose())));
        self
    }

    /// For how long a server that cannot be reached, or cannot answer, is asked again, by downloads, streams and uploads
    /// alike: what the pauses between attempts are in all. Default: 6 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// The server of who has no job, if one was named.
    #[cfg(feature = "command")]
    pub(crate) fn server(&self) -> Option<Server> {
        let credentials = self.credentials.clone().unwrap_or(Credentials::Anonymous);
        Some(Server { url: self.url.clone()?, credentials, patience: self.patience })
    }

    /// The server of one job. What the job says goes first. Our own token does not go to a server
    /// that only the job names while we have one of our own: a job document is not to be trusted
    /// with it.
    pub(crate) fn server_for(&self, job: &JobSpec) -> Option<Server> {
        let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
        let url = job.girder_api_url().or(self.url.as_deref())?;
        let may_have_ours = self.url.as_ref().is_none_or(|ours| same(ours, url));
        let credentials = match (job.girder_client_token(), &self.credentials) {
            (Some(token), _) => Credentials::Token(Token::new(token.expose())),
            (None, Some(ours)) if may_have_ours => ours.clone(),
            (None, _) => Credentials::Anonymous,
        };
        Some(Server { url: url.to_owned(), credentials, patience: self.patience })
    }
}

/// One job's server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
    credentials: Credentials,
    patience: Option<Duration>,
}

impl Server {
    /// The URL of its REST API.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// For how long it is asked again.
    pub(crate) fn patience(&self) -> Duration {
        self.patience.unwrap_or(Backoff::PATIENCE)
    }

    /// The server as a store. Blocks: an API key is changed for a token here.
    ///
    /// # Errors
    /// It cannot be reached, or does not take the key.
    pub(crate) fn open(self, options: &StoreOptions) -> Result<Store, StoreError> {
        let patience = self.patience();
        let options = StoreOptions { patience, ..options.clone() };
        Store::with_options(&self.url, self.credentials, &options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_for(settings: &GirderSettings, url: Option<&str>, token: Option<&str>) -> String {
        let mut job = JobSpec::builder("i").build().unwrap();
        job.set_girder(url, token.map(Secret::new).as_ref()).unwrap();
        let Some(server) = settings.server_for(&job) else { return "no server".to_owned() };
        match server.credentials {
            Credentials::Token(token) => format!("{} to {}", token.expose(), server.url),
            Credentials::ApiKey(key) => format!("{} to {}", key.expose(), server.url),
            _ => format!("nothing to {}", server.url),
        }
    }

    #[test]
    fn what_the_job_says_goes_first() {
        let ours = GirderSettings::new().with_url("http://ours").with_token(Secret::new("ours"));
        assert_eq!(token_for(&ours, None, None), "ours to http://ours");
        assert_eq!(token_for(&ours, None, Some("jobs")), "jobs to http://ours");
        assert_eq!(token_for(&ours, Some("http://job"), Some("jobs")), "jobs to http://job");
        assert_eq!(token_for(&GirderSettings::new(), None, None), "no server");
    }

    #[test]
    fn our_token_does_not_go_to_a_server_that_only_the_job_names() {
        let ours = GirderSettings::new().with_url("http://ours/").with_token(Secret::new("ours"));
        assert_eq!(token_for(&ours, Some("http://job"), None), "nothing to http://job");
        assert_eq!(token_for(&ours, Some("http://ours"), None), "ours to http://ours");
        let no_server = GirderSettings::new().with_api_key(Secret::new("ours"));
        assert_eq!(token_for(&no_server, Some("http://job"), None), "ours to http://job");
    }
}
