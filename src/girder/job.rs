//! Updates of a job in Girder: its status, its log, its progress.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use ureq::http::{Method, Request};
use ureq::{Agent, AsSendBody};
use url::Url;

use super::agent::agent;
use super::client::{Options, reply};
use super::job_status::JobStatus;
use super::reply::{Asked, Reply};
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

/// What Girder says of a job.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobRecord {
    /// How it is.
    pub status: JobStatus,
    /// When it was queued, in ISO 8601.
    pub created: Option<String>,
    /// Its log, an entry for each update that had one; an answer to an update does not say.
    pub log: Option<Vec<String>>,
    /// When it became what it is.
    pub since: Option<String>,
    /// When anything of it was last changed.
    pub updated: Option<String>,
}

/// How much a job's log has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogSize {
    /// Entries: one for each update that had a log.
    pub entries: u64,
    /// Bytes of all of them.
    pub bytes: u64,
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
        let unusable = |reason: &str| GirderError::Request {
            server: api.as_str().to_owned(),
            object: OBJECT.to_owned(),
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
        let (agent, api) = agent(api, options)?;
        Ok(Self { agent, api, url: url.clone(), method, headers, timeout: options.timeout })
    }

    /// Lets each request from now on take so long.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends one update, and gives what Girder says of the job then.
    ///
    /// # Errors
    /// Girder does not take it, or cannot be asked. A status that cannot follow the one that the
    /// job has is [`GirderError::JobStatus`]; a job that was deleted is [`GirderError::NotFound`].
    /// An answer without a job is not Girder's ([`GirderError::NotAnApi`]): it has not heard of the update.
    pub fn update(&self, update: &JobUpdate) -> Result<JobRecord, GirderError> {
        let request = Request::builder()
            .method(self.method.clone())
            .header("Content-Type", "application/x-www-form-urlencoded");
        let request = self.addressed(request).body(update.to_form());
        let request = request.map_err(|error| self.unusable(error.to_string()))?;
        let answer = self.agent.run(self.timed(request));
        let answer = reply(answer, &self.asked(true), self.timeout, MAX_JOB)?;
        match answer.status {
            200..300 => self.girders::<Answer>(&answer).map(Into::into),
            400 => Err(self.refusal(&answer, update.status)),
            _ => Err(self.failure(&answer, true)),
        }
    }

    /// Asks what Girder says of the job. The whole log comes along, so ask rarely: an empty update
    /// tells the status, too.
    ///
    /// # Errors
    /// The job was deleted ([`GirderError::NotFound`]), is not given to us, or Girder cannot be
    /// asked.
    pub fn record(&self) -> Result<JobRecord, GirderError> {
        let request = self.addressed(Request::builder()).body(());
        let request = request.map_err(|error| self.unusable(error.to_string()))?;
        let answer = self.agent.run(self.timed(request));
        let answer = reply(answer, &self.asked(false), self.timeout, MAX_JOB)?;
        match answer.status {
            200..300 => self.girders::<Answer>(&answer).map(Into::into),
            _ => Err(self.failure(&answer, false)),
        }
    }

    /// Has Girder make a job, where the client's address is that of all jobs and its method is POST; gives the
    /// job's `jobInfoSpec`.
    ///
    /// # Errors
    /// Girder makes none: the token does not let us, a field is wrong. Or Girder cannot be asked.
    pub fn create(&self, fields: &[(&str, String)]) -> Result<serde_json::Value, GirderError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            form.append_pair(name, value);
        }
        let request = Request::builder()
            .method(self.method.clone())
            .header("Content-Type", "application/x-www-form-urlencoded");
        let request = self.addressed(request).body(form.finish());
        let request = request.map_err(|error| self.unusable(error.to_string()))?;
        let answer = self.agent.run(self.timed(request));
        let answer = reply(answer, &self.asked(true), self.timeout, MAX_JOB)?;
        let made = match answer.status {
            200..300 => self.girders::<Made>(&answer)?,
            _ => return Err(self.failure(&answer, true)),
        };
        match made.spec {
            Some(spec) if spec.is_object() => Ok(spec),
            _ => {
                Err(self.unusable("a job was made, and how to report to it is not said".to_owned()))
            }
        }
    }

    fn addressed(&self, request: ureq::http::request::Builder) -> ureq::http::request::Builder {
        let headers = self.headers.iter();
        headers.fold(request.uri(self.url.as_str()), |request, (name, value)| {
            request.header(name, value.expose())
        })
    }

    fn timed<S: AsSendBody>(&self, request: Request<S>) -> Request<impl AsSendBody> {
        self.agent.configure_request(request).timeout_global(Some(self.timeout)).build()
    }

    fn asked(&self, is_write: bool) -> Asked<'_> {
        let secrets = self.headers.iter().map(|(_, value)| value.expose()).collect();
        Asked { api: &self.api, object: OBJECT.to_owned(), object_id: true, secrets, is_write }
    }

    fn unusable(&self, reason: String) -> GirderError {
        let (server, object) = (self.api.as_str().to_owned(), OBJECT.to_owned());
        GirderError::Request { server, object, reason }
    }

    /// What an answer means that is no job.
    fn failure(&self, answer: &Reply, is_write: bool) -> GirderError {
        #[derive(Deserialize)]
        struct Girders {
            #[serde(rename = "type")]
            _type: String,
        }
        // A proxy whose server is away for a moment may say 404, and in JSON as well; Girder says of which type an error is.
        if answer.status == 404 && serde_json::from_slice::<Girders>(&answer.body).is_err() {
            return self.not_girders(answer);
        }
        match answer.record::<serde_json::Value>(&self.asked(is_write)) {
            Err(error) => error,
            Ok(_) => self.unusable(format!("status {}", answer.status)),
        }
    }

    /// What an answer says that all is well. A page in Girder's place, for as long as somebody works on it, may say so
    /// as well, in HTML or in JSON: only Girder's has a job in it.
    fn girders<T: DeserializeOwned>(&self, answer: &Reply) -> Result<T, GirderError> {
        serde_json::from_slice(&answer.body).map_err(|_| self.not_girders(answer))
    }

    fn not_girders(&self, answer: &Reply) -> GirderError {
        let (server, hint) = (self.api.as_str().to_owned(), self.api.hint());
        GirderError::NotAnApi { server, status: answer.status, hint }
    }

    /// What a 400 means.
    fn refusal(&self, answer: &Reply, status: Option<JobStatus>) -> GirderError {
        #[derive(Deserialize)]
        struct Refusal {
            message: Option<String>,
            field: Option<String>,
        }
        let server = self.api.as_str().to_owned();
        match (serde_json::from_slice::<Refusal>(&answer.body), status) {
            (Ok(Refusal { message, field: Some(field) }), Some(status)) if field == "status" => {
                GirderError::JobStatus { server, status, message }
            }
            (Ok(Refusal { message: Some(message), field: None }), _)
                if message.starts_with("Invalid job id") =>
            {
                let message = Some(message);
                GirderError::NotFound { object: OBJECT.to_owned(), server, message }
            }
            _ => self.failure(answer, true),
        }
    }
}

/// A job's record, as far as it is of use. Who has its id and its status is Girder; of the rest what is understood is
/// taken.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "_id")]
    _id: String,
    status: i64,
    #[serde(default, deserialize_with = "understood")]
    created: Option<String>,
    #[serde(default, deserialize_with = "understood")]
    log: Option<Vec<String>>,
    #[serde(default, deserialize_with = "understood")]
    updated: Option<String>,
    /// Of each status that it was given; one that it had already is not among them.
    #[serde(default, deserialize_with = "understood")]
    timestamps: Option<Vec<Timestamp>>,
}

#[derive(Deserialize)]
struct Timestamp {
    time: String,
}

/// A job that Girder has made.
#[derive(Deserialize)]
struct Made {
    #[serde(rename = "_id")]
    _id: String,
    #[serde(rename = "jobInfoSpec")]
    spec: Option<serde_json::Value>,
}

/// A member, if it is what it should be.
fn understood<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    member: D,
) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(serde_json::Value::deserialize(member)?).ok())
}

impl From<Answer> for JobRecord {
    fn from(Answer { status, created, log, updated, timestamps, .. }: Answer) -> Self {
        let since = timestamps.and_then(|mut stamps| stamps.pop()).map(|stamp| stamp.time);
        Self { status: JobStatus::from_number(status), created, log, since, updated }
    }
}

impl JobRecord {
    /// How much its log has, if that is said.
    pub fn log_size(&self) -> Option<LogSize> {
        let log = self.log.as_ref()?;
        let bytes = log.iter().map(|entry| entry.len() as u64).sum();
        Some(LogSize { entries: log.len() as u64, bytes })
    }

    /// Whether the job had its status before the update that this is the answer to, which brought
    /// something else as well: Girder notes one time for all that an update changes. False where
    /// Girder does not say.
    pub fn was_so_before(&self) -> bool {
        match (&self.since, &self.updated) {
            (Some(since), Some(updated)) => since != updated,
            _ => false,
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
            form.append_pair("status", &status.number().to_string());
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

/// What is asked about.
const OBJECT: &str = "the job";

/// Bytes of a job's record: MongoDB has at most 16 MiB, and JSON may make three of one.
const MAX_JOB: u64 = 64 * 1024 * 1024;

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
