//! Every limit: just within it, and just beyond.

use crate::spec::json::node::{MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_NODES};
use crate::spec::limits::{MAX_ARGUMENTS, MAX_HEADERS, MAX_TRANSFERS, MAX_VOLUMES};
use crate::spec::{JobSpec, Problem, SpecError};

fn error(text: &str) -> SpecError {
    match JobSpec::from_json(text) {
        Ok(_) => panic!("accepted: {:.200}", text),
        Err(error) => error,
    }
}

#[track_caller]
fn assert_too_many(text: &str, unit: &str, most: usize) {
    let error = error(text);
    assert!(
        matches!(error.problem(), Problem::TooMany { unit: u, most: m, .. } if *u == unit && *m == most),
        "{error}"
    );
}

fn list(item: &str, count: usize) -> String {
    format!("[{}]", vec![item; count].join(","))
}

#[test]
fn a_document_of_16_mib_is_read_and_a_longer_one_is_not() {
    let of_bytes = |bytes: usize| {
        let document = r#"{"image": "i"}"#;
        format!("{document}{}", " ".repeat(bytes - document.len()))
    };
    assert!(JobSpec::from_json(&of_bytes(MAX_DOCUMENT_BYTES)).is_ok());
    assert_too_many(&of_bytes(MAX_DOCUMENT_BYTES + 1), "bytes", MAX_DOCUMENT_BYTES);
}

#[test]
fn nesting_is_limited_however_deep_it_is() {
    let nested =
        |depth: usize| format!(r#"{{"image": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let within = error(&nested(MAX_DEPTH));
    assert!(matches!(within.problem(), Problem::Unexpected { .. }), "{within}");
    assert_too_many(&nested(MAX_DEPTH + 1), "levels of nesting", MAX_DEPTH);
    assert_too_many(&nested(50_000), "levels of nesting", MAX_DEPTH);
    // One that is never closed is not valid JSON, and does not exhaust the stack either.
    let open = error(&"[".repeat(50_000));
    assert!(matches!(open.problem(), Problem::Syntax(_)), "{open}");
}

#[test]
fn the_number_of_values_is_limited() {
    let values = |count: usize| format!(r#"{{"image": {}}}"#, list("1", count));
    let within = error(&values(MAX_NODES - 1));
    assert!(matches!(within.problem(), Problem::Unexpected { .. }), "{within}");
    assert_too_many(&values(MAX_NODES), "values", MAX_NODES);
}

#[test]
fn the_number_of_arguments_is_limited() {
    let arguments = |count| format!(r#"{{"image": "i", "container_args": {}}}"#, list("1", count));
    assert!(JobSpec::from_json(&arguments(MAX_ARGUMENTS)).is_ok());
    assert_too_many(&arguments(MAX_ARGUMENTS + 1), "arguments", MAX_ARGUMENTS);
}

#[test]
fn volumes_are_counted_wherever_they_are_named() {
    let volumes = |count| {
        let listed = list(r#"{"type": "TemporaryVolume"}"#, count);
        format!(
            r#"{{"image": "i", "volumes": {listed}, "container_args": [{{"type": "TemporaryVolume"}}]}}"#
        )
    };
    assert!(JobSpec::from_json(&volumes(MAX_VOLUMES - 1)).is_ok());
    assert_too_many(&volumes(MAX_VOLUMES), "volumes", MAX_VOLUMES);
    assert_too_many(&volumes(MAX_VOLUMES + 1), "volumes", MAX_VOLUMES);
}

#[test]
fn transfers_are_counted_wherever_they_are_named() {
    let transfers = |count: usize| {
        let pipe = |index: usize| {
            format!(
                r#"{{"type": "Connect", "input": {{"type": "HostFileToStream", "path": "/x"}},
                     "output": {{"type": "NamedInputPipe", "name": "{index}"}}}}"#
            )
        };
        let connectors: Vec<String> = (1..count).map(pipe).collect();
        format!(
            r#"{{"image": "i", "container_args": [{}], "stream_connectors": [{}]}}"#,
            pipe(0),
            connectors.join(",")
        )
    };
    assert!(JobSpec::from_json(&transfers(MAX_TRANSFERS)).is_ok());
    assert_too_many(&transfers(MAX_TRANSFERS + 1), "transfers", MAX_TRANSFERS);
}

#[test]
fn the_number_of_headers_is_limited() {
    let headers = |count: usize| {
        let headers: Vec<String> = (0..count).map(|index| format!(r#""X-{index}": """#)).collect();
        format!(
            r#"{{"image": "i", "container_args": [{{"type": "Connect",
                 "input": {{"type": "UrlToStream", "url": "http://h/", "headers": {{{}}}}},
                 "output": {{"type": "NamedInputPipe", "name": "p"}}}}]}}"#,
            headers.join(",")
        )
    };
    assert!(JobSpec::from_json(&headers(MAX_HEADERS)).is_ok());
    assert_too_many(&headers(MAX_HEADERS + 1), "headers", MAX_HEADERS);
}
