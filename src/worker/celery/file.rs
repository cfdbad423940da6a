//! A message as people have it in a file: what lies in a list of Redis, what RabbitMQ's management or a
//! program of theirs gives of a queue. Its body is still text or base64, compressed or not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::envelope::Envelope;
use super::message::{JSON, Message, Properties};
use super::task::Problem;

/// The headers and the decoded body of an envelope, as JSON; `None` if this is no envelope.
///
/// # Errors
/// Its body cannot be decoded.
pub fn decoded(text: &str) -> Option<Result<String, Problem>> {
    let Ok(Value::Object(whole)) = serde_json::from_str(text) else { return None };
    let mut message = match whole.get("body").or_else(|| whole.get("payload"))? {
        Value::String(body) => message(text, body, &whole),
        _ => return None,
    };
    let is_raw = |body: &str| message.body == body.as_bytes() && !is_json(body);
    let is_json_type = message.properties.content_type.as_deref().is_none_or(|found| found == JSON);
    if is_json_type
        && whole.get("payload_encoding").is_none_or(|encoding| encoding != "string")
        && whole
            .get("body")
            .or_else(|| whole.get("payload"))
            .and_then(Value::as_str)
            .is_some_and(is_raw)
    {
        return Some(Err(Problem::NotBase64));
    }
    // Who keeps the body alone has seen that it is JSON.
    message.properties.content_type.get_or_insert_with(|| JSON.to_owned());
    let headers = Value::Object(message.headers.clone());
    let body = message.body_text();
    Some(body.map(|body| format!("{{\"headers\":{headers},\"body\":{body}}}")))
}

fn message(text: &str, body: &str, whole: &Map<String, Value>) -> Message {
    if whole.contains_key("body")
        && let Ok(envelope) = Envelope::parse(text.as_bytes())
        && envelope.message.properties.others.get("body_encoding").is_none()
        && !envelope.message.headers.is_empty()
    {
        let mut message = envelope.message;
        // Some keep AMQP's message without saying how they wrote its body.
        if message.body == body.as_bytes() {
            message.body = bytes(body, &Value::Null);
        }
        return message;
    }
    let member = |name: &str| {
        let properties = whole.get("properties").and_then(|properties| properties.get(name));
        whole.get(name).or(properties)
    };
    let text = |name: &str| member(name).and_then(Value::as_str).map(str::to_owned);
    let headers = member("headers").and_then(Value::as_object).cloned().unwrap_or_default();
    let encoding = ["payload_encoding", "body_encoding"].into_iter().find_map(member);
    let content_type = text("content_type").or_else(|| text("content-type"));
    Message {
        headers,
        properties: Properties { content_type, ..Properties::default() },
        body: bytes(body, encoding.unwrap_or(&Value::Null)),
    }
}

/// The body's bytes: text that is JSON is no base64.
fn bytes(body: &str, encoding: &Value) -> Vec<u8> {
    match encoding.as_str() {
        Some("string") => body.as_bytes().to_vec(),
        Some("base64") | None if !is_json(body) => {
            STANDARD.decode(body).unwrap_or_else(|_| body.as_bytes().to_vec())
        }
        _ => body.as_bytes().to_vec(),
    }
}

/// Whether it can be a task's arguments.
fn is_json(body: &str) -> bool {
    body.trim_start().starts_with(['[', '{'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::JobSpec;
    use crate::worker::celery::samples;

    const BODY: &str = r#"[["busybox"], {"container_args": ["true"]}, {}]"#;
    const TASK: &str = "girder_worker.docker.tasks.docker_run";

    #[track_caller]
    fn assert_is_the_job(text: &Value) {
        let document = decoded(&text.to_string()).unwrap().unwrap();
        let job = JobSpec::from_message(&document).unwrap();
        assert_eq!(job.image(), "busybox");
        assert_eq!(job.container_args().len(), 1);
    }

    #[test]
    fn an_envelope_is_decoded_whoever_wrote_it_down() {
        let headers = json!({"task": TASK, "id": "i"});
        // What kombu writes into Redis.
        assert_is_the_job(&json!({"body": STANDARD.encode(BODY), "headers": headers,
            "content-type": "application/json", "content-encoding": "utf-8",
            "properties": {"body_encoding": "base64", "delivery_info": {}}}));
        // RabbitMQ's management.
        for (payload, encoding) in [(BODY.to_owned(), "string"), (STANDARD.encode(BODY), "base64")]
        {
            assert_is_the_job(&json!({"payload": payload, "payload_encoding": encoding,
                "properties": {"headers": headers, "content_type": "application/json"}}));
        }
        // A program of somebody's.
        for body in [BODY.to_owned(), STANDARD.encode(BODY)] {
            assert_is_the_job(&json!({"headers": headers, "body": body}));
        }
    }

    #[test]
    fn what_celery_sends_is_decoded_compressed_or_not() {
        for (name, envelope) in samples::envelopes() {
            let wire = String::from_utf8(samples::wire(&envelope)).unwrap();
            let document = decoded(&wire).unwrap().unwrap();
            let document: Value = serde_json::from_str(&document).unwrap();
            assert!(document["body"].is_array() || document["body"].is_object(), "{name}");
            assert!(document["headers"]["task"].is_string(), "{name}");
        }
    }

    #[test]
    fn a_body_that_is_cut_off_is_not_taken_for_json() {
        let cut = &STANDARD.encode(BODY)[..9];
        for encoding in [json!("base64"), Value::Null] {
            let envelope = json!({"body": cut, "headers": {"task": TASK, "id": "i"},
                "content-type": "application/json",
                "properties": {"body_encoding": encoding, "delivery_info": {}}});
            assert_eq!(decoded(&envelope.to_string()), Some(Err(Problem::NotBase64)), "{envelope}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_left_alone_and_a_pickle_is_refused() {
        for text in
            ["[]", "x", "{}", r#"{"headers": {}, "body": [[], {}, {}]}"#, r#"{"image": "i"}"#]
        {
            assert_eq!(decoded(text), None, "{text}");
        }
        let pickled = json!({"body": "gAJ9cQAu", "headers": {"task": TASK},
            "content-type": "application/x-python-serialize",
            "properties": {"body_encoding": "base64", "delivery_info": {}}});
        assert_eq!(decoded(&pickled.to_string()), Some(Err(Problem::Pickle)));
    }
}
