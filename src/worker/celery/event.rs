//! Events: what a worker tells `celery events` and Flower of itself and of its tasks.
//!
//! The members are those of `celery.events.EventDispatcher`. Events of tasks travel in a list, as Celery sends them
//! when it gathers some.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::Message;

/// How often a worker says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Who tells, and when.
#[derive(Debug, Clone)]
pub struct Teller<'a> {
    /// The node's name.
    pub node: &'a str,
    /// The process.
    pub pid: u32,
    /// The logical clock.
    pub clock: u64,
    /// The time.
    pub now: SystemTime,
}

/// What happened to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// It takes tasks from now on.
    Online,
    /// It lives.
    Heartbeat,
    /// It takes none any more.
    Offline,
}

/// What a worker says of itself in its events.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Tasks that run.
    pub active: usize,
    /// Tasks that were received.
    pub processed: u64,
    /// The host's load average over 1, 5 and 15 minutes.
    pub average: [f64; 3],
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TaskEvent {
    /// It was taken from its queue.
    Received {
        /// The name of its task.
        name: String,
        /// Its arguments, as the sender shows them.
        args: String,
        /// Its keywords, as the sender shows them.
        kwargs: String,
        /// The first of its chain.
        root_id: Option<String>,
        /// The one that published it.
        parent_id: Option<String>,
        /// How often it was tried before.
        retries: u64,
        /// As the message has it.
        eta: Option<String>,
        /// As the message has it.
        expires: Option<String>,
    },
    /// It runs.
    Started,
    /// It ended well.
    Succeeded {
        /// How long it took.
        runtime: Duration,
    },
    /// It failed.
    Failed {
        /// The exception, as Python shows it.
        exception: String,
        /// What stands where Python has its traceback.
        traceback: String,
    },
    /// It does not run, or not any more.
    Revoked {
        /// It was running.
        terminated: bool,
        /// It came too late.
        expired: bool,
    },
    /// It was not taken.
    Rejected,
}

impl WorkerEvent {
    /// Its routing key and its message.
    pub fn message(self, teller: &Teller<'_>, load: &Load) -> (&'static str, Message) {
        let (kind, routing_key) = match self {
            Self::Online => ("worker-online", "worker.online"),
            Self::Heartbeat => ("worker-heartbeat", "worker.heartbeat"),
            Self::Offline => ("worker-offline", "worker.offline"),
        };
        let mut event = begin(teller);
        event.insert("freq".to_owned(), json!(HEARTBEAT.as_secs_f64()));
        event.insert("active".to_owned(), json!(load.active));
        event.insert("processed".to_owned(), json!(load.processed));
        event.insert("loadavg".to_owned(), json!(load.average));
        event.insert("sw_ident".to_owned(), json!("gantline"));
        event.insert("sw_ver".to_owned(), json!(env!("CARGO_PKG_VERSION")));
        event.insert("sw_sys".to_owned(), json!("Linux"));
        end(&mut event, teller, kind);
        (routing_key, sent(teller, &Value::Object(event)))
    }
}

impl TaskEvent {
    /// The routing key of all of them.
    pub const ROUTING_KEY: &'static str = "task.multi";

    /// The message that tells it.
    pub fn message(&self, teller: &Teller<'_>, id: &str) -> Message {
        let mut event = begin(teller);
        event.insert("uuid".to_owned(), json!(id));
        let mut members = |pairs: Vec<(&str, Value)>| {
            event.extend(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)));
        };
        let kind = match self {
            Self::Received { name, args, kwargs, root_id, parent_id, retries, eta, expires } => {
                members(vec![
                    ("name", json!(name)),
                    ("args", json!(args)),
                    ("kwargs", json!(kwargs)),
                    ("root_id", json!(root_id)),
                    ("parent_id", json!(parent_id)),
                    ("retries", json!(retries)),
                    ("eta", json!(eta)),
                    ("expires", json!(expires)),
                ]);
                "task-received"
            }
            Self::Started => "task-started",
            Self::Succeeded { runtime } => {
                let runtime = json!(runtime.as_secs_f64());
                members(vec![("result", json!("None")), ("runtime", runtime)]);
                "task-succeeded"
            }
            Self::Failed { exception, traceback } => {
                members(vec![("exception", json!(exception)), ("traceback", json!(traceback))]);
                "task-failed"
            }
            Self::Revoked { terminated, expired } => {
                let signum = Value::Null;
                members(vec![
                    ("terminated", json!(terminated)),
                    ("signum", signum),
                    ("expired", json!(expired)),
                ]);
                "task-revoked"
            }
            Self::Rejected => {
                members(vec![("requeue", json!(false))]);
                "task-rejected"
            }
        };
        end(&mut event, teller, kind);
        sent(teller, &json!([event]))
    }
}

fn begin(teller: &Teller<'_>) -> Map<String, Value> {
    let members = [
        ("hostname", json!(teller.node)),
        // Our times are in UTC.
        ("utcoffset", json!(0.0)),
        ("pid", json!(teller.pid)),
        ("clock", json!(teller.clock)),
    ];
    members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn end(event: &mut Map<String, Value>, teller: &Teller<'_>, kind: &str) {
    let now = teller.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    event.insert("timestamp".to_owned(), json!(now));
    event.insert("type".to_owned(), json!(kind));
}

fn sent(teller: &Teller<'_>, body: &Value) -> Message {
    let mut headers = Map::new();
    headers.insert("hostname".to_owned(), json!(teller.node));
    let mut message = Message::json(headers, body);
    message.properties.delivery_mode = Some(1);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const TELLER: Teller<'_> =
        Teller { node: "gantline@client", pid: 7, clock: 5, now: UNIX_EPOCH };

    /// What Celery sent, by the end of the name.
    fn sample(ending: &str) -> Value {
        let sent: Map<String, Value> =
            serde_json::from_str(include_str!("../../../tests/data/celery/fanout_redis.json"))
                .unwrap();
        sent.into_iter().find(|(name, _)| name.ends_with(ending)).unwrap().1
    }

    fn keys(value: &Value) -> Vec<&String> {
        let object = value.as_array().map_or(value, |list| &list[0]);
        object.as_object().unwrap().keys().collect()
    }

    fn body(message: &Message) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    #[test]
    fn a_workers_events_have_the_members_of_celerys() {
        for (event, ending) in
            [(WorkerEvent::Online, " worker-online"), (WorkerEvent::Heartbeat, " worker-heartbeat")]
        {
            let (key, message) = event.message(&TELLER, &Load::default());
            let sample = sample(ending);
            assert_eq!(key, sample["properties"]["delivery_info"]["routing_key"]);
            assert_eq!(keys(&body(&message)), keys(&sample["body"]), "{ending}");
            assert_eq!(body(&message)["type"], sample["body"]["type"]);
            assert_eq!(message.properties.delivery_mode, Some(1));
            assert_eq!(message.headers["hostname"], "gantline@client");
        }
    }

    #[test]
    fn a_tasks_events_have_the_members_of_celerys() {
        let received = TaskEvent::Received {
            name: "n".to_owned(),
            args: "()".to_owned(),
            kwargs: "{}".to_owned(),
            root_id: None,
            parent_id: None,
            retries: 0,
            eta: None,
            expires: None,
        };
        let failed = TaskEvent::Failed { exception: "E()".to_owned(), traceback: String::new() };
        for (event, ending) in [
            (received, "multi:task-received"),
            (TaskEvent::Started, "multi:task-started"),
            (TaskEvent::Succeeded { runtime: Duration::from_secs(1) }, "multi:task-succeeded"),
            (failed, "multi:task-failed"),
        ] {
            let message = event.message(&TELLER, "id");
            let sample = sample(ending);
            assert_eq!(keys(&body(&message)), keys(&sample["body"]), "{ending}");
            assert_eq!(body(&message)[0]["type"], sample["body"][0]["type"]);
            assert_eq!(body(&message)[0]["uuid"], "id");
        }
    }
}
