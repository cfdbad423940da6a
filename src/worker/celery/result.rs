//! The end of a task, as a store of results keeps it and as rpc sends it: Celery's "meta".
//!
//! The members are those of `celery.backends.base.Backend._get_result_meta`; an exception is written as its JSON
//! serializer does, so that the waiting side raises the class that is named, if it can be imported there.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::time;

/// The end of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// The task's id.
    pub task_id: String,
    /// How it ended.
    pub status: Status,
    /// The error, where there is none of this the result is null.
    pub error: Option<PythonError>,
    /// What stands where Python has its traceback.
    pub traceback: Option<String>,
    /// The tasks that it published.
    pub children: Vec<String>,
    /// When it ended.
    pub date_done: SystemTime,
    /// The group that it is in.
    pub group_id: Option<String>,
    /// The task that published it.
    pub parent_id: Option<String>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// As it should.
    Success,
    /// With an error.
    Failure,
    /// It was cancelled, or had expired.
    Revoked,
}

/// An exception, by its class.
#[derive(Debug, Clone, PartialEq)]
pub struct PythonError {
    /// The module of its class.
    pub module: String,
    /// The name of its class.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

impl PythonError {
    /// An exception of this class.
    pub fn new(module: &str, name: &str, arguments: Vec<Value>) -> Self {
        Self { module: module.to_owned(), name: name.to_owned(), arguments }
    }

    /// Celery's word for a task that does not run: `revoked`, `expired`, `terminated`.
    pub fn revoked(reason: &str) -> Self {
        Self::new("celery.exceptions", "TaskRevokedError", vec![reason.into()])
    }

    /// As Python shows it: `DockerException('x')`.
    pub fn repr(&self) -> String {
        let arguments: Vec<String> = self.arguments.iter().map(repr).collect();
        format!("{}({})", self.name, arguments.join(", "))
    }

    fn to_json(&self) -> Value {
        json!({"exc_type": self.name, "exc_message": self.arguments, "exc_module": self.module})
    }
}

impl Status {
    /// Celery's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Revoked => "REVOKED",
        }
    }
}

impl Meta {
    /// As it is kept and sent.
    pub fn to_json(&self) -> Value {
        let children = self.children.iter().map(|id| json!([[id, null], null]));
        let mut meta = json!({
            "status": self.status.as_str(),
            "result": self.error.as_ref().map(PythonError::to_json),
            "traceback": self.traceback,
            "children": children.collect::<Vec<_>>(),
            "date_done": time::iso(self.date_done),
            "task_id": self.task_id,
        });
        for (name, id) in [("group_id", &self.group_id), ("parent_id", &self.parent_id)] {
            if let Some(id) = id {
                meta[name] = json!(id);
            }
        }
        meta
    }
}

/// A value as Python shows it, near enough for people.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let mut shown = String::from(quote);
            for char in text.chars() {
                match char {
                    '\\' => shown.push_str("\\\\"),
                    '\n' => shown.push_str("\\n"),
                    '\r' => shown.push_str("\\r"),
                    '\t' => shown.push_str("\\t"),
                    char if char == quote => {
                        shown.push('\\');
                        shown.push(char);
                    }
                    char if char.is_control() => {
                        shown.push_str(&format!("\\x{:02x}", u32::from(char)));
                    }
                    char => shown.push(char),
                }
            }
            shown.push(quote);
            shown
        }
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What girder_worker's backend kept.
    fn samples() -> Value {
        serde_json::from_str(include_str!("../../../tests/data/celery/results_redis.json")).unwrap()
    }

    fn meta(sample: &Value) -> Meta {
        Meta {
            task_id: sample["task_id"].as_str().unwrap().to_owned(),
            status: Status::Success,
            error: None,
            traceback: None,
            children: Vec::new(),
            date_done: time::parse(sample["date_done"].as_str().unwrap()).unwrap(),
            group_id: None,
            parent_id: None,
        }
    }

    #[test]
    fn each_end_is_written_as_celery_writes_it() {
        let samples = samples();
        assert_eq!(meta(&samples["success"]).to_json(), samples["success"]);

        let sample = &samples["failure"];
        let words = "Non-zero exit code from docker container (5).";
        let error = PythonError::new("docker.errors", "DockerException", vec![words.into()]);
        let traceback = sample["traceback"].as_str().map(str::to_owned);
        let failure =
            Meta { status: Status::Failure, error: Some(error), traceback, ..meta(sample) };
        assert_eq!(failure.to_json(), *sample);

        let sample = &samples["revoked before start"];
        let error = Some(PythonError::revoked("revoked"));
        let mut revoked = Meta { status: Status::Revoked, error, ..meta(sample) }.to_json();
        // Celery has null here, and an empty list elsewhere: its readers take both.
        revoked["children"] = Value::Null;
        assert_eq!(revoked, *sample);
    }

    #[test]
    fn children_parent_and_group_are_in_it_when_there_are_some() {
        let meta = Meta {
            children: vec!["c".to_owned()],
            parent_id: Some("p".to_owned()),
            group_id: Some("g".to_owned()),
            ..meta(&samples()["success"])
        };
        let json = meta.to_json();
        assert_eq!(json["children"], json!([[["c", null], null]]));
        assert_eq!((&json["parent_id"], &json["group_id"]), (&json!("p"), &json!("g")));
    }

    #[test]
    fn an_exception_is_shown_as_python_shows_it() {
        let error = |text: &str| PythonError::new("m", "E", vec![text.into()]).repr();
        assert_eq!(error("a (5)."), "E('a (5).')");
        assert_eq!(error("it's"), "E(\"it's\")");
        assert_eq!(error("a\n'\"\u{1b}"), "E('a\\n\\'\"\\x1b')");
        assert_eq!(
            PythonError::new("m", "E", vec![json!(3.5), Value::Null]).repr(),
            "E(3.5, None)"
        );
    }
}
