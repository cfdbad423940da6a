//! Remote control: what a command asks for, whether it is for us, and how its reply is written.
//!
//! The commands are those of `celery.worker.control`, their transport that of `kombu.pidbox`. What a worker does
//! with a [`Verb`] is its own affair.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::{Message, pattern};

/// A command of remote control.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    method: String,
    arguments: Map<String, Value>,
    destination: Option<Vec<String>>,
    pattern: Option<String>,
    matcher: Option<String>,
    ticket: Value,
    reply_to: Option<(String, String)>,
    expires: Option<SystemTime>,
    /// The sender's logical clock.
    pub clock: u64,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verb {
    /// Whether we are there.
    Ping,
    /// The tasks that run.
    Active,
    /// The tasks that are held and do not run: none but those that wait for a slot.
    Reserved,
    /// The tasks whose time has not come.
    Scheduled,
    /// The revoked ids.
    Revoked,
    /// The names of tasks that are run here.
    Registered,
    /// Numbers.
    Stats,
    /// The queues that are served.
    ActiveQueues,
    /// The configuration.
    Conf,
    /// The configuration in words.
    Report,
    /// The logical clock.
    Clock,
    /// What is known of some tasks.
    QueryTask(Vec<String>),
    /// Tasks are not to run any more.
    Revoke {
        /// Their ids.
        ids: Vec<String>,
        /// Also those that run.
        terminate: Option<Signal>,
    },
    /// Another worker, or ourselves, has just come up.
    Hello {
        /// Its name.
        from: String,
        /// The ids that it knows to be revoked.
        revoked: Vec<String>,
    },
    /// Events of tasks are wanted.
    EnableEvents,
    /// Events of tasks are not wanted.
    DisableEvents,
    /// A heartbeat is wanted now.
    Heartbeat,
    /// Another queue is to be served.
    AddConsumer(String),
    /// A queue is not to be served any more.
    CancelConsumer(String),
    /// More slots.
    PoolGrow(usize),
    /// Fewer slots.
    PoolShrink(usize),
    /// Limits for tasks that bring none.
    TimeLimit {
        /// The task's name.
        task: String,
        /// Seconds.
        soft: Option<f64>,
        /// Seconds.
        hard: Option<f64>,
    },
    /// The worker is to end, in good order.
    Shutdown,
}

/// How a running task is to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// At once.
    Kill,
    /// As a cancel does.
    Other,
}

impl Request {
    /// Reads a command; `None` if it is none.
    pub fn read(message: &Message) -> Option<Self> {
        let body: Value = serde_json::from_slice(&message.body).ok()?;
        let text = |name: &str| body.get(name)?.as_str().map(str::to_owned);
        let destination = match body.get("destination") {
            None | Some(Value::Null) => None,
            Some(one @ Value::String(_)) => Some(strings(one)),
            Some(names) => Some(strings(names)),
        };
        let reply_to = body.get("reply_to").and_then(|to| {
            let part = |name: &str| to.get(name)?.as_str().map(str::to_owned);
            Some((part("exchange")?, part("routing_key")?))
        });
        let expires = message.headers.get("expires").and_then(Value::as_f64);
        let expires = expires.filter(|seconds| *seconds > 0.0);
        let expires = expires.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(Self {
            method: text("method")?,
            arguments: body
                .get("arguments")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            destination,
            pattern: text("pattern"),
            matcher: text("matcher"),
            ticket: body.get("ticket").cloned().unwrap_or_default(),
            reply_to,
            expires: expires.and_then(|after| UNIX_EPOCH.checked_add(after)),
            clock: message.headers.get("clock").map_or(0, clock),
        })
    }

    /// Whether it is for a node, and not too old. Destinations go before a pattern; one that cannot be understood is
    /// for nobody.
    pub fn is_for(&self, node: &str, now: SystemTime) -> bool {
        if self.expires.is_some_and(|expires| expires < now) {
            return false;
        }
        if let Some(names) = self.destination.as_ref().filter(|names| !names.is_empty()) {
            return names.iter().any(|name| name == node);
        }
        let filled = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
        match (filled(&self.pattern), filled(&self.matcher)) {
            (Some(pattern), Some(matcher)) => {
                pattern::matches(&matcher, &pattern, node).unwrap_or(false)
            }
            _ => true,
        }
    }

    /// What it asks for.
    ///
    /// # Errors
    /// What Celery's error is shown as, for a command that is unknown or lacks something.
    pub fn verb(&self) -> Result<Verb, String> {
        let argument = |name: &str| self.arguments.get(name).filter(|value| !value.is_null());
        let missing = |name: &str| format!("TypeError(\"missing argument: '{name}'\")");
        let text = |name: &str| {
            argument(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| missing(name))
        };
        let ids = |name: &str| argument(name).map(strings).ok_or_else(|| missing(name));
        let count = || {
            let n = argument("n").map_or(Some(1), Value::as_u64);
            n.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| "ValueError('n')".to_owned())
        };
        Ok(match self.method.as_str() {
            "ping" => Verb::Ping,
            "active" | "dump_active" => Verb::Active,
            "reserved" | "dump_reserved" => Verb::Reserved,
            "scheduled" | "dump_schedule" => Verb::Scheduled,
            "revoked" | "dump_revoked" => Verb::Revoked,
            "registered" | "dump_tasks" => Verb::Registered,
            "stats" => Verb::Stats,
            "active_queues" => Verb::ActiveQueues,
            "conf" | "dump_conf" => Verb::Conf,
            "report" => Verb::Report,
            "clock" => Verb::Clock,
            "query_task" => Verb::QueryTask(ids("ids")?),
            "revoke" | "terminate" => {
                let terminates =
                    self.method == "terminate" || argument("terminate").is_some_and(is_true);
                let terminate = terminates.then(|| match argument("signal") {
                    Some(signal) if is_kill(signal) => Signal::Kill,
                    _ => Signal::Other,
                });
                Verb::Revoke { ids: ids("task_id")?, terminate }
            }
            "hello" => {
                let revoked = argument("revoked").map_or_else(Vec::new, revoked_ids);
                Verb::Hello { from: text("from_node")?, revoked }
            }
            "enable_events" => Verb::EnableEvents,
            "disable_events" => Verb::DisableEvents,
            "heartbeat" => Verb::Heartbeat,
            "add_consumer" => Verb::AddConsumer(text("queue")?),
            "cancel_consumer" => Verb::CancelConsumer(text("queue")?),
            "pool_grow" => Verb::PoolGrow(count()?),
            "pool_shrink" => Verb::PoolShrink(count()?),
            "time_limit" => Verb::TimeLimit {
                task: text("task_name")?,
                soft: argument("soft").and_then(Value::as_f64),
                hard: argument("hard").and_then(Value::as_f64),
            },
            "shutdown" => Verb::Shutdown,
            unknown => return Err(format!("KeyError('{}')", unknown.escape_default())),
        })
    }

    /// Whether somebody waits for a reply.
    pub fn wants_reply(&self) -> bool {
        self.reply_to.is_some()
    }

    /// The reply: exchange, routing key and message; `None` if none is wanted.
    pub fn reply(&self, node: &str, value: Value, clock: u64) -> Option<(&str, &str, Message)> {
        let (exchange, routing_key) = self.reply_to.as_ref()?;
        let mut headers = Map::new();
        headers.insert("ticket".to_owned(), self.ticket.clone());
        headers.insert("clock".to_owned(), clock.into());
        let mut body = Map::new();
        body.insert(node.to_owned(), value);
        let mut message = Message::json(headers, &Value::Object(body));
        message.properties.delivery_mode = Some(1);
        Some((exchange, routing_key, message))
    }
}

/// The command that a worker sends when it has come up, to hear from others which tasks are revoked, and their
/// replies.
#[derive(Debug)]
pub struct Hello {
    ticket: String,
}

impl Hello {
    /// One of its own, with a name that replies have with them.
    pub fn new(ticket: String) -> Self {
        Self { ticket }
    }

    /// The command. Replies are sent to this queue.
    pub fn message(&self, node: &str, revoked: &[String], clock: u64, replies: &str) -> Message {
        let arguments = json!({"from_node": node, "revoked": revoked});
        asking(("hello", arguments), &self.ticket, clock, replies)
    }

    /// The ids that a reply says are revoked, and its clock; `None` if it is no reply to this hello.
    pub fn reply(&self, message: &Message) -> Option<(Vec<String>, u64)> {
        if message.text_header("ticket")? != self.ticket {
            return None;
        }
        let body: Map<String, Value> = serde_json::from_slice(&message.body).ok()?;
        let answers = body.values().filter_map(|answer| answer.get("revoked"));
        let revoked = answers.flat_map(revoked_ids).collect();
        Some((revoked, message.headers.get("clock").map_or(0, clock)))
    }
}

/// A command to all workers whose replies are sent to this queue, and have the ticket with them.
pub(super) fn asking(
    (method, arguments): (&str, Value),
    ticket: &str,
    clock: u64,
    replies: &str,
) -> Message {
    let mut headers = Map::new();
    headers.insert("clock".to_owned(), clock.into());
    let body = json!({
        "method": method,
        "arguments": arguments,
        "destination": null,
        "pattern": null,
        "matcher": null,
        "ticket": ticket,
        // The exchange without a name has each queue.
        "reply_to": {"exchange": "", "routing_key": replies},
    });
    Message::json(headers, &body)
}

/// Before Celery 5.7 it is an object of ids with their times.
fn revoked_ids(revoked: &Value) -> Vec<String> {
    match revoked {
        Value::Object(times) => times.keys().cloned().collect(),
        ids => strings(ids),
    }
}

/// One that no worker reaches in its life is none: ours goes on from what it hears.
fn clock(value: &Value) -> u64 {
    let clock = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    clock.filter(|clock| *clock <= HIGHEST_CLOCK).unwrap_or(0)
}

/// A string, or all strings of a list.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => {
            many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => matches!(text.as_str(), "true" | "True" | "1" | "yes" | "on"),
        _ => false,
    }
}

/// A signal is given by its name, with `SIG` or without, or its number.
fn is_kill(signal: &Value) -> bool {
    match signal {
        Value::Number(number) => number.as_u64() == Some(9),
        Value::String(name) => {
            matches!(name.to_ascii_uppercase().as_str(), "KILL" | "SIGKILL" | "9")
        }
        _ => false,
    }
}

/// What Python and every JSON reader still counts exactly.
const HIGHEST_CLOCK: u64 = 1 << 53;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, arguments: &Value) -> Request {
        let body = json!({"method": method, "arguments": arguments, "destination": null,
            "pattern": null, "matcher": null, "ticket": "t",
            "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "r"}});
        Request::read(&Message::json(Map::new(), &body)).unwrap()
    }

    fn verb(method: &str, arguments: &Value) -> Result<Verb, String> {
        request(method, arguments).verb()
    }

    #[test]
    fn every_command_that_celery_sent_is_understood() {
        let sent: Map<String, Value> =
            serde_json::from_str(include_str!("../../../tests/data/celery/fanout_redis.json"))
                .unwrap();
        let commands = sent.iter().filter(|(name, _)| name.contains("celery.pidbox"));
        let mut known = 0;
        for (name, envelope) in commands {
            let headers = envelope["headers"].as_object().unwrap().clone();
            let request = Request::read(&Message::json(headers, &envelope["body"])).unwrap();
            let method = name.rsplit(' ').next().unwrap();
            assert_eq!(request.verb().is_ok(), method != "nosuch", "{name}");
            assert!(request.is_for("celery@client", UNIX_EPOCH), "{name}");
            assert!(
                !request.is_for("celery@client", SystemTime::now() + Duration::from_secs(1 << 34))
            );
            known += 1;
        }
        assert!(known > 10);
    }

    #[test]
    fn a_command_is_for_those_that_it_names() {
        let now = SystemTime::now();
        let mut one = request("ping", &json!({}));
        assert!(one.is_for("a@h", now));
        one.pattern = Some("b@*".to_owned());
        assert!(one.is_for("a@h", now), "a pattern without a matcher is none");
        one.matcher = Some("glob".to_owned());
        assert!(!one.is_for("a@h", now) && one.is_for("b@h", now));
        one.matcher = Some("soundex".to_owned());
        assert!(!one.is_for("b@h", now));
        one.destination = Some(vec!["a@h".to_owned()]);
        assert!(one.is_for("a@h", now) && !one.is_for("b@h", now));
        one.destination = Some(Vec::new());
        (one.pattern, one.matcher) = (Some("^a".to_owned()), Some("pcre".to_owned()));
        assert!(one.is_for("a@h", now) && !one.is_for("b@h", now));
    }

    #[test]
    fn replies_to_a_hello_are_taken_and_others_are_not() {
        let hello = Hello::new("t".to_owned());
        let command = hello.message("a@h", &["x".to_owned()], 3, "a.queue");
        let request = Request::read(&command).unwrap();
        let heard = Verb::Hello { from: "a@h".to_owned(), revoked: vec!["x".to_owned()] };
        assert_eq!(request.verb(), Ok(heard));
        let told = json!({"revoked": ["y", "z"], "clock": 4});
        let (exchange, routing_key, reply) = request.reply("b@h", told, 9).unwrap();
        assert_eq!((exchange, routing_key), ("", "a.queue"));
        assert_eq!(hello.reply(&reply), Some((vec!["y".to_owned(), "z".to_owned()], 9)));
        assert_eq!(Hello::new("other".to_owned()).reply(&reply), None);
        assert_eq!(hello.reply(&command), None);
        let (_, _, older) = request.reply("b@h", json!({"revoked": {"y": 1.5}}), 9).unwrap();
        assert_eq!(hello.reply(&older).unwrap().0, ["y"]);
        let (_, _, none) = request.reply("a@h", Value::Null, 9).unwrap();
        assert_eq!(hello.reply(&none).unwrap().0, [] as [String; 0]);
    }

    #[test]
    fn a_clock_that_no_worker_reaches_is_none() {
        let read = |clock: Value| {
            let headers = Map::from_iter([("clock".to_owned(), clock)]);
            Request::read(&Message::json(headers, &json!({"method": "ping"}))).unwrap().clock
        };
        assert_eq!((read(json!(7)), read(json!("8"))), (7, 8));
        for wrong in [json!(u64::MAX), json!(u64::MAX.to_string()), json!(-1), json!("x")] {
            assert_eq!(read(wrong), 0);
        }
    }

    #[test]
    fn a_revoke_takes_one_id_or_many_and_knows_a_kill() {
        let ids = vec!["a".to_owned(), "b".to_owned()];
        let revoke = |arguments| verb("revoke", &arguments).unwrap();
        assert_eq!(
            revoke(json!({"task_id": ["a", "b"], "terminate": false, "signal": "SIGTERM"})),
            Verb::Revoke { ids, terminate: None }
        );
        for (signal, meant) in [
            (json!("SIGKILL"), Signal::Kill),
            (json!("kill"), Signal::Kill),
            (json!(9), Signal::Kill),
            (json!("TERM"), Signal::Other),
            (json!(null), Signal::Other),
        ] {
            let arguments = json!({"task_id": "a", "terminate": true, "signal": signal});
            let ids = vec!["a".to_owned()];
            assert_eq!(revoke(arguments), Verb::Revoke { ids, terminate: Some(meant) });
        }
        let terminate = verb("terminate", &json!({"task_id": "a", "signal": "KILL"})).unwrap();
        let ids = vec!["a".to_owned()];
        assert_eq!(terminate, Verb::Revoke { ids, terminate: Some(Signal::Kill) });
    }

    #[test]
    fn hello_takes_a_list_and_what_older_workers_send() {
        let hello = |revoked| verb("hello", &json!({"from_node": "x@h", "revoked": revoked}));
        let expected = Verb::Hello { from: "x@h".to_owned(), revoked: vec!["a".to_owned()] };
        assert_eq!(hello(json!(["a"])), Ok(expected.clone()));
        assert_eq!(hello(json!({"a": 12.5})), Ok(expected));
    }

    #[test]
    fn what_is_unknown_or_lacks_something_is_an_error_as_python_shows_it() {
        assert_eq!(verb("nosuch", &json!({})), Err("KeyError('nosuch')".to_owned()));
        assert!(verb("revoke", &json!({})).unwrap_err().starts_with("TypeError"));
        assert!(verb("pool_grow", &json!({"n": -1})).is_err());
        assert_eq!(verb("pool_grow", &json!({})), Ok(Verb::PoolGrow(1)));
        assert_eq!(Request::read(&Message::json(Map::new(), &json!([1]))), None);
    }

    #[test]
    fn a_reply_names_the_node_the_ticket_and_the_clock() {
        let asked = request("ping", &json!({}));
        let (exchange, key, reply) = asked.reply("a@h", json!({"ok": "pong"}), 7).unwrap();
        assert_eq!((exchange, key), ("reply.celery.pidbox", "r"));
        assert_eq!(reply.headers["ticket"], "t");
        assert_eq!(reply.headers["clock"], 7);
        assert_eq!(reply.body, br#"{"a@h":{"ok":"pong"}}"#);
    }
}
