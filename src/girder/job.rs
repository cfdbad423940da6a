//! Updates of a job in Girder: its status, its log, its progress.

use std::fmt;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Method, Request};
use url::Url;

use super::client::{MAX_RECORD, Options, agent, reply};
use super::reply::Asked;
use super::url::ApiUrl;
use super::{GirderError, Token, auth};

/// One job in Girder, as whoever works on it may change it: Girder's `jobInfoSpec`.
#[derive(Clone)]
pub struct JobClient {
    agent: Agent,
    api: ApiUrl,
    url: Url,
    method: Method,
    headers: Vec<(String, Token)>,
    timeout: Duration,
}

/// A change of a job. What it does not say stays as it is; the log grows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobUpdate {
    /// What comes behind the log's end.
    pub log: String,
    /// How the job is.
    pub status: Option<JobStatus>,
    /// What `progress_current` will be in the end.
    pub progress_total: Option<f64>,
    /// How far it is.
    pub progress_current: Option<f64>,
    /// What it does.
    pub progress_message: Option<String>,
}

/// How a job is, in Girder's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobStatus {
    /// It runs.
    Running,
    /// It has done what it should.
    Success,
    /// It has failed.
    Error,
    /// It was stopped.
    Canceled,
}

impl JobStatus {
    fn number(self) -> &'static str {
        match self {
            Self::Running => "2",
            Self::Success => "3",
            Self::Error => "4",
            Self::Canceled => "5",
        }
    }
}

impl JobClient {
    /// Makes a client. Nothing is sent.
    ///
    /// # Errors
    /// The address, the method, a header or a CA file cannot be used.
    pub fn new(
        url: &Url,
        method: &str,
        headers: Vec<(String, Token)>,
        options: &Options,
    ) -> Result<Self, GirderError> {
        let api = ApiUrl::parse(&crate::http::place(url))?;
        let unusable = |reason: &str| GirderError::Protocol {
            server: api.as_str().to_owned(),
            reason: reason.to_owned(),
        };
        let method = method.to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| unusable("the method is none of HTTP"))?;
        for (name, value) in &headers {
            if ureq::http::HeaderName::try_from(name.as_str()).is_err() {
                return Err(unusable("a header has a name that it cannot have"));
            }
            auth::check("header", &value.expose().replace(' ', ""))?;
        }
        let agent = agent(&api, options)?;
        Ok(Self { agent, api, url: url.clone(), method, headers, timeout: options.timeout })
    }

    /// Sends one update.
    ///
    /// # Errors
    /// Girder does not take it, or cannot be asked. A status that cannot follow the one that the
    /// job has is a [`GirderError::Status`] with 400.
    pub fn update(&self, update: &JobUpdate) -> Result<(), GirderError> {
        let asked = Asked {
            api: &self.api,
            object: "the job".to_owned(),
            object_id: true,
            with_token: !self.headers.is_empty(),
            is_write: true,
        };
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(self.url.as_str())
            .header("Content-Type", "application/x-www-form-urlencoded");
        for (name, value) in &self.headers {
            request = request.header(name, value.expose());
        }
        let request = request.body(update.to_form()).map_err(|error| GirderError::Protocol {
            server: self.api.as_str().to_owned(),
            reason: error.to_string(),
        })?;
        let answer = reply(self.agent.run(request), &asked, self.timeout, MAX_RECORD)?;
        match answer.status {
            200..300 => Ok(()),
            _ => answer.record::<serde_json::Value>(&asked).map(drop),
        }
    }
}

impl fmt::Debug for JobClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobClient").field("api", &self.api).finish_non_exhaustive()
    }
}

impl JobUpdate {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn to_form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        if !self.log.is_empty() {
            form.append_pair("log", &self.log);
        }
        if let Some(status) = self.status {
            form.append_pair("status", status.number());
        }
        for (name, number) in
            [("progressTotal", self.progress_total), ("progressCurrent", self.progress_current)]
        {
            if let Some(number) = number {
                form.append_pair(name, &number.to_string());
            }
        }
        if let Some(message) = &self.progress_message {
            form.append_pair("progressMessage", message);
        }
        form.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_says_only_what_changes() {
        assert_eq!(JobUpdate::default().to_form(), "");
        let update = JobUpdate {
            log: "a b\n\u{e9}&=".to_owned(),
            status: Some(JobStatus::Running),
            progress_total: Some(10.0),
            progress_current: Some(2.5),
            progress_message: Some(String::new()),
        };
        assert_eq!(
            update.to_form(),
            "log=a+b%0A%C3%A9%26%3D&status=2&progressTotal=10&progressCurrent=2.5&progressMessage="
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused_at_once_and_not_shown() {
        let url = Url::parse("http://host/api/v1/job/5f?secret=1").unwrap();
        let client = |method: &str, name: &str, value: &str| {
            let headers = vec![(name.to_owned(), Token::new(value))];
            JobClient::new(&url, method, headers, &Options::default())
        };
        assert!(client("PU T", "A", "b").is_err());
        assert!(client("PUT", "A b", "b").is_err());
        assert!(client("PUT", "A", "secret\r\nX: y").is_err());
        let shown = format!("{:?}", client("put", "Authorization", "Bearer secret").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
