//! Real messages, for tests: what Python sent, with other tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The files of `tests/data/celery` that hold envelopes, with their names. Each body is decoded.
pub(super) fn envelopes() -> Vec<(&'static str, Value)> {
    let files = [
        ("chain", include_str!("../../../tests/data/celery/chain.json")),
        ("chord_header", include_str!("../../../tests/data/celery/chord_header.json")),
        ("compressed_zlib", include_str!("../../../tests/data/celery/compressed_zlib.json")),
        ("eta", include_str!("../../../tests/data/celery/eta_expires_priority_timelimit.json")),
        ("hook", include_str!("../../../tests/data/celery/from_girder_with_hook.json")),
        ("options", include_str!("../../../tests/data/celery/girder_job_options.json")),
        ("group", include_str!("../../../tests/data/celery/group_of_two.json")),
        ("links", include_str!("../../../tests/data/celery/link_and_link_error.json")),
        ("plain", include_str!("../../../tests/data/celery/send_task_plain_json.json")),
        ("slicer", include_str!("../../../tests/data/celery/slicer.json")),
        ("stamped", include_str!("../../../tests/data/celery/stamped.json")),
    ];
    let envelopes = files.into_iter().flat_map(|(name, text)| {
        let mut file: Value = serde_json::from_str(text).unwrap();
        let one = file.get_mut("envelope").map(Value::take);
        let many = file["envelopes"].as_array().cloned().unwrap_or_default();
        one.into_iter().chain(many).map(move |envelope| (name, envelope))
    });
    envelopes.collect()
}

/// The bytes that were in Redis.
pub(super) fn wire(envelope: &Value) -> Vec<u8> {
    let body = match &envelope["body_base64"] {
        Value::String(text) => text.clone(),
        _ => STANDARD.encode(envelope["body"].to_string()),
    };
    let member = |name: &str| envelope[name].clone();
    let whole = json!({
        "body": body, "content-encoding": member("content-encoding"),
        "content-type": member("content-type"), "headers": member("headers"),
        "properties": member("properties"),
    });
    whole.to_string().into_bytes()
}
