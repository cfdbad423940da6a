//! A message as a broker carries it.

use std::fmt;

use serde_json::{Map, Value};

/// A message as it travels: headers, properties, and a body that nobody has decoded.
///
/// A message that is passed on to another queue keeps all three unchanged. Headers and body may hold
/// tokens; `Debug` shows only the task's name and id.
#[derive(Clone, PartialEq, Default)]
pub struct Message {
    /// Celery's headers and Girder's.
    pub headers: Map<String, Value>,
    /// AMQP's basic properties, but for the headers.
    pub properties: Properties,
    /// The body's bytes, compressed if a header says so.
    pub body: Vec<u8>,
}

/// AMQP's basic properties, as far as Celery and its senders use them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Properties {
    /// The kind of body.
    pub content_type: Option<String>,
    /// The body's character set.
    pub content_encoding: Option<String>,
    /// The task's id.
    pub correlation_id: Option<String>,
    /// Where the sender waits for the result.
    pub reply_to: Option<String>,
    /// 0 to 9, and up to 255. `None` is what a sender left out.
    pub priority: Option<u8>,
    /// 1: lost with the broker; 2: kept. `None` is what a sender left out.
    pub delivery_mode: Option<u8>,
    /// How long the message may wait, in milliseconds.
    pub expiration: Option<String>,
    /// An id that the sender's library may give.
    pub message_id: Option<String>,
    /// When it was sent, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// `type`.
    pub kind: Option<String>,
    /// The sender's program.
    pub app_id: Option<String>,
    /// What else stands in the properties of a Redis envelope. AMQP has no others.
    pub others: Map<String, Value>,
}

impl Message {
    /// A message with a JSON body. It is kept by the broker.
    pub fn json(headers: Map<String, Value>, body: &Value) -> Self {
        let properties = Properties {
            content_type: Some(JSON.to_owned()),
            content_encoding: Some(UTF_8.to_owned()),
            priority: Some(0),
            delivery_mode: Some(2),
            ..Properties::default()
        };
        Self { headers, properties, body: body.to_string().into_bytes() }
    }

    /// The name of the task; `None` if this is not a task of protocol 2.
    pub fn task_name(&self) -> Option<&str> {
        self.text_header("task")
    }

    /// The task's id.
    pub fn id(&self) -> Option<&str> {
        self.text_header("id")
    }

    /// A header that is a string and not empty.
    pub(in crate::worker) fn text_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_str().filter(|text| !text.is_empty())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("task", &self.task_name()).field("id", &self.id());
        shown.field("body", &self.body.len()).finish_non_exhaustive()
    }
}

pub(super) const JSON: &str = "application/json";
pub(super) const UTF_8: &str = "utf-8";
