//! Every limit: just within it, and just beyond.

use crate::spec::json::node::{MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_NODES};
use crate::spec::limits::{
    MAX_ARGUMENTS, MAX_HEADERS, MAX_HOOKS, MAX_SIZE, MAX_TRANSFERS, MAX_VOLUMES,
};
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
fn the_number_of_hooks_is_limited() {
    let hook = r#"{"type": "GirderItemMetadata", "item_id": "5f8f7c2a1b2c3d4e5f6a7b8c", "metadata": {"a": 1}}"#;
    let hooks =
        |count| format!(r#"{{"image": "i", "girder_result_hooks": {}}}"#, list(hook, count));
    assert!(JobSpec::from_json(&hooks(MAX_HOOKS)).is_ok());
    assert_too_many(&hooks(MAX_HOOKS + 1), "hooks", MAX_HOOKS);
}

#[test]
fn the_number_of_entries_of_an_option_of_the_engine_is_limited() {
    let labels = |count| format!(r#"{{"image": "i", "labels": {}}}"#, list(r#""a""#, count));
    assert!(JobSpec::from_json(&labels(10_000)).is_ok());
    assert_too_many(&labels(10_001), "labels", 10_000);
}

#[test]
fn a_size_is_one_that_every_reader_of_json_keeps() {
    let sized = |size: u64| {
        format!(
            r#"{{"image": "i", "container_args": [{{"type": "Connect",
                 "input": {{"type": "NamedOutputPipe", "name": "p"}},
                 "output": {{"type": "GirderStreamToItem", "item_id": "5f8f7c2a1b2c3d4e5f6a7b8c",
                     "name": "a", "size": {size}}}}}]}}"#
        )
    };
    assert!(JobSpec::from_json(&sized(MAX_SIZE)).is_ok());
    let error = error(&sized(MAX_SIZE + 1));
    assert!(error.to_string().contains("size"), "{error}");
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

#[test]
fn what_is_too_long_is_said_with_its_length_and_its_bound() {
    let x = |bytes: usize| "x".repeat(bytes);
    let connect = |pipe: &str| {
        format!(
            r#""container_args": [{{"type": "Connect", "output": {pipe},
                 "input": {{"type": "HostFileToStream", "path": "/x"}}}}]"#
        )
    };
    let named = |name: &str| connect(&format!(r#"{{"type": "NamedInputPipe", "name": "{name}"}}"#));
    let deep = |bytes: usize| "/x".repeat(bytes / 2);
    let cases = [
        (format!(r#""container_args": ["{}"]"#, x(131_072)), "bytes", 131_071),
        (format!(r#""entrypoint": "{}""#, x(131_072)), "bytes", 131_071),
        (format!(r#""environment": ["A={}"]"#, x(131_070)), "bytes", 131_071),
        (format!(r#""environment": {{"A": "{}"}}"#, x(131_070)), "bytes of a variable", 131_071),
        (format!(r#""environment": {{"A": "{}"}}"#, x(131_072)), "bytes", 131_071),
        (format!(r#""environment": {{"{}": ""}}"#, x(4096)), "bytes", 4095),
        (format!(r#""name": "{}""#, x(513)), "bytes", 512),
        (format!(r#""hostname": "{}""#, x(65)), "bytes", 64),
        (format!(r#""domainname": "{}""#, x(65)), "bytes", 64),
        (format!(r#""labels": {{"a": "{}"}}"#, x(4096)), "bytes", 4095),
        (format!(r#""labels": {{"{}": ""}}"#, x(4096)), "bytes", 4095),
        (format!(r#""working_dir": "{}""#, deep(4096)), "bytes", 4095),
        (format!(r#""working_dir": "/{}/x""#, x(256)), "bytes in one name", 255),
        (format!(r#""image": "{}""#, x(513)), "bytes", 512),
        (format!(r#""volumes": ["/{}:/x"]"#, x(256)), "bytes in one name", 255),
        (format!(r#""volumes": {{"/x": {{"bind": "/{}"}}}}"#, x(256)), "bytes in one name", 255),
        (format!(r#""volumes": {{"{}": {{"bind": "/x"}}}}"#, deep(4096)), "bytes", 4095),
        (named(&x(256)), "bytes in one name", 255),
        (named(&format!("x{}", deep(4096))), "bytes", 4095),
        (
            format!(
                r#""container_args": [{{"type": "VolumePath", "filename": "a/{}"}}]"#,
                "ä".repeat(128)
            ),
            "bytes in one name",
            255,
        ),
    ];
    for (members, unit, most) in cases {
        let text = format!(r#"{{"image": "i", {members}}}"#);
        let text = text.replace(r#""image": "i", "image""#, r#""image""#);
        assert_too_many(&text, unit, most);
        let told = error(&text).to_string();
        assert!(told.len() < 1000, "{told}");
    }
    let within = [
        format!(r#""container_args": ["{}"]"#, x(131_071)),
        format!(r#""environment": {{"A": "{}"}}"#, x(131_069)),
        format!(r#""hostname": "{}""#, x(64)),
        named(&x(255)),
        format!(r#""volumes": ["/{0}/{0}:/{0}/{0}"]"#, x(255)),
    ];
    for members in within {
        let job = JobSpec::from_json(&format!(r#"{{"image": "i", {members}}}"#));
        assert!(job.is_ok(), "{:?}", job.err());
    }
}
