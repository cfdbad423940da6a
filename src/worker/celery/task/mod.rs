//! A message, understood: the task that it asks for.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::embed::Embed;
use super::inflate::{MAX_BODY_BYTES, inflate};
use super::message::{JSON, Message};
use super::pickle::PickleError;
use super::{envelope, time};
use crate::spec::{
    GirderJob, GirderSession, HttpUrl, Node, Pickle, Pickled, Secret, SpecError, girder_worker,
};

/// A task that can be read. Whether it can be run is for
/// [`JobSpec::from_message`](crate::spec::JobSpec::from_message) to say.
#[derive(Clone, PartialEq)]
pub struct Task {
    /// What headers and properties say.
    pub head: Head,
    /// When it may start, at the earliest.
    pub eta: Option<SystemTime>,
    /// When it is too late to start it.
    pub expires: Option<SystemTime>,
    /// How long it may run.
    pub time_limit: TimeLimit,
    /// What follows it.
    pub embed: Embed,
    /// Headers and decoded body as one JSON object. It holds tokens.
    pub document: String,
}

/// What headers and properties say, as far as they can be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// The task's id.
    pub id: String,
    /// The task's name.
    pub task: String,
    /// The first of the tasks that led to this one; this one's own id if it is the first.
    pub root_id: String,
    /// The task that published this one.
    pub parent_id: Option<String>,
    /// The group that it belongs to.
    pub group: Option<String>,
    /// How often Celery has tried it again.
    pub retries: u64,
    /// Its arguments as Python prints them, without tokens.
    pub argsrepr: String,
    /// Its named arguments as Python prints them, without tokens.
    pub kwargsrepr: String,
    /// Who sent it.
    pub origin: Option<String>,
    /// Nobody waits for the result.
    pub ignore_result: bool,
    /// Where the sender waits for the result.
    pub reply_to: Option<String>,
    /// What the result is told by.
    pub correlation_id: String,
    /// Its priority.
    pub priority: Option<u8>,
    /// What Girder adds.
    pub girder: GirderHeaders,
}

/// The headers that Girder adds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GirderHeaders {
    /// The job that is told status and log (`jobInfoSpec`).
    pub job: Option<GirderJob>,
    /// The server's API.
    pub api_url: Option<String>,
    /// A token that may create jobs there.
    pub token: Option<Secret>,
}

/// How long a task may run, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimeLimit {
    /// The container is stopped then.
    pub soft: Option<f64>,
    /// The container is killed then.
    pub hard: Option<f64>,
}

/// A message that asks for nothing that can be done. It is acknowledged, and never comes again.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("cannot read the message: {problem}")]
pub struct Unreadable {
    /// What is known nevertheless; `None` if there is no id by which anybody could wait for a result.
    pub head: Option<Box<Head>>,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A task of protocol 1, which has name and id in its body, or no task at all.
    #[error(
        "it is not a task of Celery's protocol 2: it has no header `{0}` (Celery sends it with task_protocol = 2)"
    )]
    NoTask(&'static str),
    /// A header says something that it cannot say.
    #[error("the header `{name}` is not {expected}")]
    Header {
        /// Which.
        name: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// Pickle can run any code, and is not run.
    #[error("its body is a Python pickle, which is refused: send it as JSON")]
    Pickle,
    /// YAML.
    #[error("its body is YAML, which is not supported: send it as JSON")]
    Yaml,
    /// Another serializer, or none.
    #[error("its body is {0}, not JSON")]
    ContentType(String),
    /// Another character set.
    #[error("its body is not UTF-8")]
    NotUtf8,
    /// The envelope's encoding.
    #[error("its body is not base64")]
    NotBase64,
    /// A method that is not there.
    #[error(
        "its body is compressed with {0}: send it with zlib, bzip2, lzma, brotli or zstd, or uncompressed"
    )]
    Compression(&'static str),
    /// A stream that cannot be decompressed.
    #[error("its body is not a whole {0} stream")]
    Compressed(&'static str),
    /// A bomb, or a very large one.
    #[error("its body is longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
    /// The JSON is wrong.
    #[error("its body is not JSON: {0}")]
    Json(SpecError),
    /// It is JSON, and something else.
    #[error("its body is not [args, kwargs, embed]")]
    Shape,
    /// What follows it cannot be read.
    #[error("its callbacks or its chain cannot be read: {0}")]
    Embed(PickleError),
}

impl Message {
    /// Understands the message.
    ///
    /// # Errors
    /// It cannot be read. What is known of it is in the error, so that whoever waits can be told.
    pub fn task(&self) -> Result<Task, Unreadable> {
        let need = |name| self.text_header(name).ok_or(Problem::NoTask(name));
        let head = match (need("task"), need("id")) {
            (Ok(task), Ok(id)) => Head::new(self, task.to_owned(), id.to_owned()),
            (Err(problem), _) | (_, Err(problem)) => {
                return Err(Unreadable { head: self.known_head().map(Box::new), problem });
            }
        };
        match self.read(&head) {
            Ok(task) => Ok(task),
            Err(problem) => Err(Unreadable { head: Some(Box::new(head)), problem }),
        }
    }

    /// The name and the id of a task of Celery's protocol 1, which has them in its body. Celery 5 still reads it.
    pub fn names_of_protocol_1(&self) -> Option<(String, String)> {
        #[derive(Deserialize)]
        struct Names {
            task: String,
            #[serde(default)]
            id: String,
        }
        let Names { task, id } = serde_json::from_str(&self.body_text().ok()?).ok()?;
        Some((task, id))
    }

    /// Who waits for a result of what is no task of protocol 2, by whichever id it has. Its sender waits by the
    /// correlation id.
    fn known_head(&self) -> Option<Head> {
        let (name, of_body) = self.names_of_protocol_1().unwrap_or_default();
        let header = |name| self.text_header(name).map(str::to_owned);
        let correlated = self.properties.correlation_id.clone();
        let ids = [header("id"), Some(of_body), correlated];
        let id = ids.into_iter().flatten().find(|id| !id.is_empty())?;
        Some(Head::new(self, header("task").unwrap_or(name), id))
    }

    fn read(&self, head: &Head) -> Result<Task, Problem> {
        let eta = self.time("eta")?;
        let expires = self.time("expires")?;
        let time_limit = self.time_limit()?;
        let body = self.body_text()?;
        let root = Node::read(&body).map_err(Problem::Json)?;
        let pickle = Pickle::read(&root).map_err(|_| Problem::Shape)?;
        let Ok(Pickled::List([args, kwargs, embed])) = pickle.value(&root) else {
            return Err(Problem::Shape);
        };
        let are_arguments = matches!(pickle.value(args), Ok(Pickled::List(_)))
            && matches!(pickle.value(kwargs), Ok(Pickled::Dict(_)));
        if !are_arguments {
            return Err(Problem::Shape);
        }
        let embed = Embed::read(&pickle, embed).map_err(Problem::Embed)?;
        let headers = Json::Object(self.headers.clone());
        let document = format!("{{\"headers\":{headers},\"body\":{body}}}");
        Ok(Task { head: head.clone(), eta, expires, time_limit, embed, document })
    }

    /// The body, decompressed and decoded.
    pub(super) fn body_text(&self) -> Result<String, Problem> {
        if envelope::encoding_left(&self.properties).is_some() {
            return Err(Problem::NotBase64);
        }
        if self.body.len() > MAX_BODY_BYTES {
            return Err(Problem::TooLong);
        }
        let body = match self.text_header("compression") {
            Some(method) => inflate(&self.body, method)?,
            None => self.body.clone(),
        };
        match self.properties.content_type.as_deref() {
            Some(JSON) => {}
            Some("application/x-python-serialize") => return Err(Problem::Pickle),
            Some("application/x-yaml") => return Err(Problem::Yaml),
            Some(other) => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(Problem::ContentType(shown));
            }
            None => return Err(Problem::ContentType("of no content type".to_owned())),
        }
        let text = String::from_utf8(body).map_err(|_| Problem::NotUtf8)?;
        Ok(text.trim_start_matches('\u{feff}').to_owned())
    }

    fn time(&self, name: &'static str) -> Result<Option<SystemTime>, Problem> {
        match self.headers.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) if text.is_empty() => Ok(None),
            Some(Json::String(text)) => {
                let wrong = Problem::Header { name, expected: "a time in ISO 8601" };
                time::parse(text).map(Some).ok_or(wrong)
            }
            Some(_) => Err(Problem::Header { name, expected: "a time in ISO 8601" }),
        }
    }

    /// `[hard, soft]`.
    fn time_limit(&self) -> Result<TimeLimit, Problem> {
        let wrong = Problem::Header { name: "timelimit", expected: "two numbers of seconds" };
        let seconds = |value: Option<&Json>| match value {
            None | Some(Json::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                // 0 is none, as in Python.
                Some(0.0) => Ok(None),
                Some(seconds) if seconds > 0.0 => Ok(Some(seconds)),
                _ => Err(wrong.clone()),
            },
        };
        match self.headers.get("timelimit") {
            None | Some(Json::Null) => Ok(TimeLimit::default()),
            Some(Json::Array(limits)) => {
                Ok(TimeLimit { hard: seconds(limits.first())?, soft: seconds(limits.get(1))? })
            }
            Some(_) => Err(wrong),
        }
    }
}

impl Head {
    /// That of a task of this name and id.
    fn new(message: &Message, task: String, id: String) -> Self {
        let text = |name| message.text_header(name).map(str::to_owned);
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let girder = GirderHeaders::read(&message.headers);
        let shown = |name| girder.without_tokens(&text(name).unwrap_or_default());
        Self {
            root_id: text("root_id").unwrap_or_else(|| id.clone()),
            parent_id: text("parent_id"),
            group: text("group"),
            retries: message.headers.get("retries").and_then(Json::as_u64).unwrap_or(0),
            argsrepr: shown("argsrepr"),
            kwargsrepr: shown("kwargsrepr"),
            origin: text("origin"),
            ignore_result: message.headers.get("ignore_result") == Some(&Json::Bool(true)),
            reply_to: filled(&message.properties.reply_to),
            correlation_id: filled(&message.properties.correlation_id)
                .unwrap_or_else(|| id.clone()),
            priority: message.properties.priority,
            girder,
            id,
            task,
        }
    }
}

impl GirderHeaders {
    fn read(headers: &Map<String, Json>) -> Self {
        let text = |name| headers.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        Self {
            job: headers.get("jobInfoSpec").and_then(job).map(|job| with_session(job, headers)),
            api_url: text("girder_api_url").map(str::to_owned),
            token: text("girder_client_token").map(Secret::new),
        }
    }

    fn without_tokens(&self, text: &str) -> String {
        let headers = self.job.iter().flat_map(|job| job.headers.values());
        let mut text = text.to_owned();
        for secret in self.token.iter().chain(headers).map(Secret::expose) {
            if secret.len() >= SHORTEST_TOKEN {
                text = text.replace(secret, "…");
            }
        }
        text
    }
}

/// Girder's `jobInfoSpec`; `None` if it does not say where the job is.
pub(super) fn job(spec: &Json) -> Option<GirderJob> {
    let url = HttpUrl::parse(spec.get("url")?.as_str()?)?;
    let method = spec.get("method").and_then(Json::as_str).unwrap_or(GirderJob::METHOD);
    let mut headers = BTreeMap::new();
    for (name, value) in spec.get("headers").and_then(Json::as_object).into_iter().flatten() {
        headers.insert(name.clone(), Secret::new(value.as_str()?));
    }
    let (method, session) = (method.to_ascii_uppercase(), GirderSession::default());
    Some(GirderJob { url, headers, method, session })
}

/// The job with what the message sets of its session. What is to be said about that the job's document says.
fn with_session(mut job: GirderJob, headers: &Map<String, Json>) -> GirderJob {
    let session = headers.get(girder_worker::SESSION).map(Json::to_string);
    if let Some(Ok(session)) = session.as_deref().map(Node::read) {
        let _warnings = girder_worker::set_session(&mut job, &session);
    }
    job
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, eta, expires, time_limit, embed, document: _ } = self;
        let mut shown = f.debug_struct("Task");
        shown.field("head", head).field("eta", eta).field("expires", expires);
        shown.field("time_limit", time_limit).field("embed", embed).finish_non_exhaustive()
    }
}

/// Shorter values of headers are no tokens, and stand in any text.
const SHORTEST_TOKEN: usize = 16;

#[cfg(test)]
mod tests;
