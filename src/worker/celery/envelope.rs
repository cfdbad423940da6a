//! A message in Redis: one JSON object, as kombu's virtual transports write it.
//!
//! The body is in base64, and says so in its properties (`body_encoding`). What AMQP keeps beside a
//! message is in the properties too: the tag, the exchange, the routing key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::message::{Message, Properties};

/// What is in a list of Redis: a message, and where it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The message itself.
    pub message: Message,
    /// Where it was sent.
    pub delivery: Delivery,
}

/// Where a message was sent, and whether it has been taken before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Empty: the routing key is the queue.
    pub exchange: String,
    /// The queue, if there is no exchange.
    pub routing_key: String,
    /// What an acknowledgement names. The sender made it.
    pub tag: String,
    /// It was taken by a worker that has not acknowledged it.
    pub redelivered: bool,
}

/// Why an element of a list is no message at all. The text never quotes it: it may hold tokens.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadEnvelope {
    /// Not JSON.
    #[error("the message's envelope is not JSON (line {line}, column {column})")]
    Syntax {
        /// Where the parser stopped.
        line: usize,
        /// Where the parser stopped.
        column: usize,
    },
    /// Something that every envelope has is not there.
    #[error("the message's envelope has no {0}")]
    Missing(&'static str),
}

impl Envelope {
    /// Reads an element of a queue's list, or what was published on a channel.
    ///
    /// A body whose encoding is unknown or wrong is kept as it is: [`Message::task`] refuses it, and
    /// headers and properties are there to say so to whoever waits for the result.
    ///
    /// # Errors
    /// It is not an envelope. There is no task to be failed then.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadEnvelope> {
        let whole: Value = serde_json::from_slice(bytes)
            .map_err(|error| BadEnvelope::Syntax { line: error.line(), column: error.column() })?;
        let Value::Object(mut whole) = whole else { return Err(BadEnvelope::Missing("members")) };
        let Some(Value::Object(mut rest)) = whole.remove("properties") else {
            return Err(BadEnvelope::Missing("properties"));
        };
        let mut headers = match whole.remove("headers") {
            Some(Value::Object(headers)) => headers,
            _ => Map::new(),
        };
        let mut delivery = delivery(&mut rest);
        delivery.redelivered |= headers.remove(REDELIVERED) == Some(Value::Bool(true));

        let body = match whole.remove("body") {
            Some(Value::String(text)) => body(text, &mut rest),
            // A body of no serializer stands there as it is.
            Some(other) => body(other.to_string(), &mut rest),
            None => return Err(BadEnvelope::Missing("body")),
        };
        let mut properties = properties(rest);
        properties.content_type = text(&mut whole, "content-type");
        properties.content_encoding = text(&mut whole, "content-encoding");
        Ok(Self { message: Message { headers, properties, body }, delivery })
    }

    /// The element of the list.
    pub fn to_json(&self) -> Vec<u8> {
        let Message { headers, properties, body } = &self.message;
        let mut headers = headers.clone();
        let mut info = json!({
            "exchange": self.delivery.exchange,
            "routing_key": self.delivery.routing_key,
        });
        if self.delivery.redelivered {
            headers.insert(REDELIVERED.to_owned(), Value::Bool(true));
            info[REDELIVERED] = Value::Bool(true);
        }
        let mut written = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                written.insert(name.to_owned(), value);
            }
        };
        let text = |text: &Option<String>| text.clone().map(Value::String);
        put("correlation_id", text(&properties.correlation_id));
        put("reply_to", text(&properties.reply_to));
        put("delivery_mode", properties.delivery_mode.map(Value::from));
        put("expiration", text(&properties.expiration));
        put("message_id", text(&properties.message_id));
        put("timestamp", properties.timestamp.map(Value::from));
        put("type", text(&properties.kind));
        put("app_id", text(&properties.app_id));
        put("delivery_info", Some(info));
        put("priority", properties.priority.map(Value::from));
        // A body that could not be decoded still has the encoding that it came with.
        let body = if properties.others.contains_key(BODY_ENCODING) {
            String::from_utf8_lossy(body).into_owned()
        } else {
            put(BODY_ENCODING, Some(BASE64.into()));
            STANDARD.encode(body)
        };
        for (name, value) in &properties.others {
            put(name, Some(value.clone()));
        }
        put("delivery_tag", Some(self.delivery.tag.clone().into()));
        let whole = json!({
            "body": body,
            "content-encoding": properties.content_encoding,
            "content-type": properties.content_type,
            "headers": headers,
            "properties": written,
        });
        whole.to_string().into_bytes()
    }
}

/// The encoding that a body still has: one that [`Envelope::parse`] could not undo.
pub(super) fn encoding_left(properties: &Properties) -> Option<&Value> {
    properties.others.get(BODY_ENCODING)
}

fn delivery(properties: &mut Map<String, Value>) -> Delivery {
    let mut info = match properties.remove("delivery_info") {
        Some(Value::Object(info)) => info,
        _ => Map::new(),
    };
    Delivery {
        exchange: text(&mut info, "exchange").unwrap_or_default(),
        routing_key: text(&mut info, "routing_key").unwrap_or_default(),
        tag: text(properties, "delivery_tag").unwrap_or_default(),
        redelivered: info.remove(REDELIVERED) == Some(Value::Bool(true)),
    }
}

fn body(text: String, properties: &mut Map<String, Value>) -> Vec<u8> {
    match properties.get(BODY_ENCODING) {
        Some(Value::String(encoding)) if encoding == BASE64 => match STANDARD.decode(&text) {
            Ok(bytes) => {
                properties.remove(BODY_ENCODING);
                bytes
            }
            Err(_) => text.into_bytes(),
        },
        Some(Value::Null) => {
            properties.remove(BODY_ENCODING);
            text.into_bytes()
        }
        _ => text.into_bytes(),
    }
}

fn properties(mut rest: Map<String, Value>) -> Properties {
    let small = |value: Option<Value>| value?.as_u64().map(|n| u8::try_from(n).unwrap_or(u8::MAX));
    Properties {
        content_type: None,
        content_encoding: None,
        correlation_id: text(&mut rest, "correlation_id"),
        reply_to: text(&mut rest, "reply_to"),
        priority: small(rest.remove("priority")),
        delivery_mode: small(rest.remove("delivery_mode")),
        expiration: text(&mut rest, "expiration"),
        message_id: text(&mut rest, "message_id"),
        timestamp: rest.remove("timestamp").and_then(|seconds| seconds.as_u64()),
        kind: text(&mut rest, "type"),
        app_id: text(&mut rest, "app_id"),
        others: rest,
    }
}

fn text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

const BODY_ENCODING: &str = "body_encoding";
const BASE64: &str = "base64";
const REDELIVERED: &str = "redelivered";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::celery::samples;

    #[test]
    fn what_celery_sends_is_read_and_written_again_without_a_loss() {
        for (name, envelope) in samples::envelopes() {
            let wire = samples::wire(&envelope);
            let read = Envelope::parse(&wire).unwrap();
            assert!(read.message.id().is_some() && !read.delivery.tag.is_empty(), "{name}");
            let written: Value = serde_json::from_slice(&read.to_json()).unwrap();
            let wire: Value = serde_json::from_slice(&wire).unwrap();
            assert_eq!(written, wire, "{name}");
        }
    }

    #[test]
    fn a_redelivered_message_says_so_where_kombu_looks() {
        let (_, envelope) = samples::envelopes().remove(0);
        let mut envelope = Envelope::parse(&samples::wire(&envelope)).unwrap();
        assert!(!envelope.delivery.redelivered);
        envelope.delivery.redelivered = true;
        let written: Value = serde_json::from_slice(&envelope.to_json()).unwrap();
        assert_eq!(written["headers"]["redelivered"], true);
        assert_eq!(written["properties"]["delivery_info"]["redelivered"], true);
        let again = Envelope::parse(&envelope.to_json()).unwrap();
        assert_eq!(again, envelope);
        assert!(!again.message.headers.contains_key("redelivered"));
    }

    #[test]
    fn a_body_that_cannot_be_decoded_is_kept_as_it_came() {
        for (body, encoding) in [("no base64!", "base64"), ("x", "uu"), ("YQ==", "base65")] {
            let wire = json!({
                "body": body, "content-encoding": "utf-8", "content-type": "application/json",
                "headers": {"id": "i", "task": "t"},
                "properties": {"delivery_info": {"exchange": "", "routing_key": "q"},
                    "body_encoding": encoding, "delivery_tag": "d"},
            });
            let envelope = Envelope::parse(wire.to_string().as_bytes()).unwrap();
            assert_eq!(envelope.message.body, body.as_bytes());
            assert_eq!(serde_json::from_slice::<Value>(&envelope.to_json()).unwrap(), wire);
        }
    }

    #[test]
    fn what_is_no_envelope_says_why() {
        let error = |text: &str| Envelope::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error("[]"), BadEnvelope::Missing("members"));
        assert_eq!(error("{\"body\": \"\"}"), BadEnvelope::Missing("properties"));
        assert_eq!(error("{\"properties\": {}}"), BadEnvelope::Missing("body"));
        assert_eq!(error("{\"a\": x}"), BadEnvelope::Syntax { line: 1, column: 7 });
    }
}
