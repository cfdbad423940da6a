//! Real messages are read; each kind of message that cannot be read says why, and who sent it.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::*;
use crate::spec::JobSpec;
use crate::worker::celery::{Envelope, Properties, samples};

fn messages() -> Vec<(&'static str, Message)> {
    let envelopes = samples::envelopes().into_iter();
    envelopes
        .map(|(name, envelope)| (name, Envelope::parse(&samples::wire(&envelope)).unwrap().message))
        .collect()
}

fn message(name: &str) -> Message {
    messages().into_iter().find(|(other, _)| *other == name).unwrap().1
}

fn task(name: &str) -> Task {
    message(name).task().unwrap()
}

/// A message that can be read, to be spoilt.
fn plain() -> Message {
    message("plain")
}

fn problem(message: &Message) -> Problem {
    let unreadable = message.task().unwrap_err();
    let head = unreadable.head.unwrap();
    assert_eq!(head.id, message.id().unwrap());
    assert_eq!(head.reply_to, message.properties.reply_to);
    unreadable.problem
}

#[test]
fn every_real_message_is_a_task() {
    for (name, message) in messages() {
        let task = message.task().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Some(&*task.head.id), message.id(), "{name}");
        assert_eq!(task.head.root_id, task.head.id, "{name}");
        assert_eq!(task.head.correlation_id, task.head.id, "{name}");
        assert!(task.head.reply_to.is_some(), "{name}");
        assert!(!format!("{task:?}{message:?}").contains("TOKEN0"), "{name}");
    }
}

#[test]
fn a_task_is_a_job_document() {
    for name in ["plain", "slicer", "compressed_zlib", "hook", "stamped", "chain"] {
        let job = JobSpec::from_message(&task(name).document);
        let job = job.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(job.image(), "bb:latest", "{name}");
    }
}

#[test]
fn scheduling_headers_are_read() {
    let task = task("eta");
    let at = |micros| Some(UNIX_EPOCH + Duration::from_micros(micros));
    assert_eq!(task.eta, at(1_795_747_239_608_137));
    assert_eq!(task.expires, at(1_795_750_779_608_137));
    assert_eq!(task.time_limit, TimeLimit { soft: Some(500.0), hard: Some(600.0) });
    assert_eq!(task.head.priority, Some(6));
    assert!(task.head.ignore_result);
}

#[test]
fn girders_job_is_in_the_headers() {
    let girder = task("slicer").head.girder;
    let job = girder.job.unwrap();
    assert_eq!((job.id(), &*job.method), (Some("6b08ed6b02a5488d22c99138"), "PUT"));
    assert!(job.headers["Girder-Token"].expose().starts_with("TOKEN0"));
    assert_eq!(girder.api_url.as_deref(), Some("http://girder.example:8080/api/v1"));
    assert!(girder.token.is_some());
    assert_eq!(task("plain").head.girder, GirderHeaders::default());
}

#[test]
fn a_token_among_the_arguments_is_not_shown() {
    let mut message = message("slicer");
    let token = message.headers["girder_client_token"].as_str().unwrap().to_owned();
    message.headers.insert("kwargsrepr".to_owned(), json!(format!("{{'t': '{token}'}}")));
    assert_eq!(message.task().unwrap().head.kwargsrepr, "{'t': '…'}");
}

#[test]
fn what_follows_a_task_is_in_its_embed() {
    let chain = task("chain").embed;
    assert_eq!(chain.chain.len(), 2);
    let ids: Vec<_> = chain.chain.iter().map(|step| step.option("task_id").unwrap()).collect();
    assert_eq!(
        ids,
        ["54c3bf01-9931-41c5-83c2-1cc667886b8d", "7c218587-1b19-4c6b-96b5-3d4cdee29c49"]
    );
    assert!(chain.chain.iter().all(|step| step.immutable && step.subtask_type.is_none()));
    assert_eq!(chain.beyond_us(), None);

    let links = task("links").embed;
    assert_eq!((links.callbacks.len(), links.errbacks.len(), links.chain.len()), (1, 1, 0));
    assert_eq!(links.errbacks[0].task, "girder_worker.docker.tasks.docker_run");

    assert_eq!(task("chord_header").embed.beyond_us(), Some("chord"));
    assert_eq!(task("group").head.group.as_deref().map(str::len), Some(36));
}

#[test]
fn what_only_python_can_do_is_named() {
    let mut message = plain();
    let group = json!({"task": "celery.group", "args": [], "kwargs": {"tasks": []},
        "options": {}, "subtask_type": "group", "immutable": false});
    message.body = json!([[], {}, {"callbacks": [group]}]).to_string().into_bytes();
    assert_eq!(message.task().unwrap().embed.beyond_us(), Some("group"));
}

#[test]
fn a_body_that_is_not_json_is_refused_by_name() {
    let with_type = |kind: Option<&str>| {
        let mut message = plain();
        message.properties.content_type = kind.map(str::to_owned);
        problem(&message)
    };
    assert_eq!(with_type(Some("application/x-python-serialize")), Problem::Pickle);
    assert_eq!(with_type(Some("application/x-yaml")), Problem::Yaml);
    assert_eq!(with_type(Some("text/plain")), Problem::ContentType("text/plain".to_owned()));
    assert!(matches!(with_type(None), Problem::ContentType(_)));
}

#[test]
fn a_body_that_is_spoilt_is_one_error() {
    let with_body = |body: &[u8]| {
        let mut message = plain();
        message.body = body.to_vec();
        problem(&message)
    };
    assert!(matches!(with_body(b"[[], {}"), Problem::Json(_)));
    assert_eq!(with_body(b"[[], {}, \"\xff\"]"), Problem::NotUtf8);
    for shape in ["{}", "[]", "[[], {}]", "[{}, {}, null]", "[[], [], null]", "null"] {
        assert_eq!(with_body(shape.as_bytes()), Problem::Shape, "{shape}");
    }
    for embed in ["1", "{\"chain\": [1]}", "{\"callbacks\": {\"args\": []}}"] {
        let body = format!("[[], {{}}, {embed}]");
        assert_eq!(with_body(body.as_bytes()), Problem::Embed(PickleError::Malformed), "{embed}");
    }
    assert_eq!(with_body(&vec![b' '; MAX_BODY_BYTES + 1]), Problem::TooLong);
    let mut message = plain();
    message.properties.others.insert("body_encoding".to_owned(), "uu".into());
    assert_eq!(problem(&message), Problem::NotBase64);
}

#[test]
fn a_header_that_cannot_be_right_is_named() {
    for (name, value) in [
        ("eta", json!("soon")),
        ("eta", json!(12)),
        ("expires", json!("2026-02-30T00:00:00")),
        ("timelimit", json!(["a", null])),
        ("timelimit", json!([-1, null])),
        ("timelimit", json!(5)),
    ] {
        let mut message = plain();
        message.headers.insert(name.to_owned(), value);
        assert!(matches!(problem(&message), Problem::Header { name: other, .. } if other == name));
    }
}

#[test]
fn a_message_of_protocol_1_is_no_task_and_has_its_name_and_id_in_its_body() {
    let message = Message {
        properties: Properties {
            content_type: Some(JSON.to_owned()),
            reply_to: Some("there".to_owned()),
            ..Properties::default()
        },
        body: br#"{"task": "t", "id": "i", "args": [], "kwargs": {}}"#.to_vec(),
        ..Message::default()
    };
    let Unreadable { head, problem } = message.task().unwrap_err();
    assert_eq!(problem, Problem::NoTask("task"));
    let head = head.unwrap();
    assert_eq!((&*head.task, &*head.id, head.reply_to.as_deref()), ("t", "i", Some("there")));
    assert_eq!(message.names_of_protocol_1(), Some(("t".to_owned(), "i".to_owned())));
    assert_eq!(plain().names_of_protocol_1(), None);
}

#[test]
fn what_is_no_task_is_told_to_whoever_waits_for_it_by_an_id() {
    let pickled = |correlation_id: Option<&str>| {
        let content_type = Some("application/x-python-serialize".to_owned());
        let correlation_id = correlation_id.map(str::to_owned);
        let properties = Properties { content_type, correlation_id, ..Properties::default() };
        Message { properties, body: b"gAJ9cQAu".to_vec(), ..Message::default() }
    };
    let known = |message: &Message| message.task().unwrap_err().head.map(|head| head.id);
    assert_eq!(known(&pickled(Some("c"))).as_deref(), Some("c"));
    assert_eq!((known(&pickled(None)), known(&pickled(Some("")))), (None, None));
    // A header that is missing.
    for (missing, id) in [("task", "h"), ("id", "c")] {
        let mut message = plain();
        message.properties.correlation_id = Some("c".to_owned());
        message.headers.insert("id".to_owned(), json!("h"));
        message.headers.remove(missing);
        assert_eq!(known(&message).as_deref(), Some(id), "{missing}");
        assert_eq!(message.task().unwrap_err().problem, Problem::NoTask(missing));
    }
}

#[test]
fn no_error_shows_a_token() {
    let mut message = message("slicer");
    message.body = b"[[], {\"girder_client_token\": \"TOKEN00000000000\"}, 1]".to_vec();
    let unreadable = message.task().unwrap_err();
    assert!(!format!("{unreadable} {unreadable:?}").contains("TOKEN0"));
}
