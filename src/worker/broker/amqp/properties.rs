//! AMQP's properties and tables, and Celery's.
//!
//! What RabbitMQ gives is read into a [`Message`] for whoever looks at it; what is passed on is published with
//! the very properties that came, so nothing is lost between the two forms.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use serde_json::{Map, Number, Value};

use super::super::error::BrokerError;
use crate::worker::celery::{Message, Properties};

/// A message of RabbitMQ's.
pub(super) fn message(properties: &BasicProperties, body: Vec<u8>) -> Message {
    let text = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
    let headers = properties.headers().as_ref().map(object).unwrap_or_default();
    let properties = Properties {
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        correlation_id: text(properties.correlation_id()),
        reply_to: text(properties.reply_to()),
        priority: *properties.priority(),
        delivery_mode: *properties.delivery_mode(),
        expiration: text(properties.expiration()),
        message_id: text(properties.message_id()),
        timestamp: *properties.timestamp(),
        kind: text(properties.kind()),
        app_id: text(properties.app_id()),
        others: Map::new(),
    };
    Message { headers, properties, body }
}

/// The properties of a message that we make.
///
/// # Errors
/// A text is longer than the 255 bytes that AMQP has for it.
pub(super) fn basic_properties(message: &Message) -> Result<BasicProperties, BrokerError> {
    let Properties {
        content_type,
        content_encoding,
        correlation_id,
        reply_to,
        priority,
        delivery_mode,
        expiration,
        message_id,
        timestamp,
        kind,
        app_id,
        others: _,
    } = &message.properties;
    let mut properties = BasicProperties::default().with_headers(table(&message.headers)?);
    type Set = fn(BasicProperties, ShortString) -> BasicProperties;
    let texts: [(&Option<String>, Set); 8] = [
        (content_type, BasicProperties::with_content_type),
        (content_encoding, BasicProperties::with_content_encoding),
        (correlation_id, BasicProperties::with_correlation_id),
        (reply_to, BasicProperties::with_reply_to),
        (expiration, BasicProperties::with_expiration),
        (message_id, BasicProperties::with_message_id),
        (kind, BasicProperties::with_type),
        (app_id, BasicProperties::with_app_id),
    ];
    for (text, set) in texts {
        if let Some(text) = text {
            properties = set(properties, short(text)?);
        }
    }
    if let Some(priority) = priority {
        properties = properties.with_priority(*priority);
    }
    if let Some(mode) = delivery_mode {
        properties = properties.with_delivery_mode(*mode);
    }
    if let Some(timestamp) = timestamp {
        properties = properties.with_timestamp(*timestamp);
    }
    Ok(properties)
}

/// The properties that a message is published again with: those that it came with, but for the user's name.
/// RabbitMQ refuses a name that is not the publisher's own.
pub(super) fn untouched(properties: &BasicProperties) -> BasicProperties {
    let mut again = properties.clone();
    if again.user_id().is_some() {
        again = without_user(&again);
    }
    again
}

/// A name, as AMQP writes it.
///
/// # Errors
/// It is longer than 255 bytes.
pub(super) fn short(text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text).map_err(|_| BrokerError::Unwritable("a text of over 255 bytes"))
}

fn without_user(from: &BasicProperties) -> BasicProperties {
    let mut to = BasicProperties::default();
    macro_rules! copy {
        ($($get:ident $set:ident),*) => {
            $(if let Some(value) = from.$get().clone() { to = to.$set(value); })*
        };
    }
    copy!(
        content_type with_content_type, content_encoding with_content_encoding, headers with_headers,
        delivery_mode with_delivery_mode, priority with_priority, correlation_id with_correlation_id,
        reply_to with_reply_to, expiration with_expiration, message_id with_message_id,
        timestamp with_timestamp, kind with_type, app_id with_app_id, cluster_id with_cluster_id
    );
    to
}

fn object(table: &FieldTable) -> Map<String, Value> {
    table.inner().iter().map(|(name, value)| (name.to_string(), json(value))).collect()
}

fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => (*value).into(),
        AMQPValue::ShortShortInt(value) => (*value).into(),
        AMQPValue::ShortShortUInt(value) => (*value).into(),
        AMQPValue::ShortInt(value) => (*value).into(),
        AMQPValue::ShortUInt(value) => (*value).into(),
        AMQPValue::LongInt(value) => (*value).into(),
        AMQPValue::LongUInt(value) => (*value).into(),
        AMQPValue::LongLongInt(value) => (*value).into(),
        AMQPValue::Timestamp(value) => (*value).into(),
        AMQPValue::Float(value) => float((*value).into()),
        AMQPValue::Double(value) => float(*value),
        AMQPValue::DecimalValue(value) => {
            float(f64::from(value.value) / 10_f64.powi(value.scale.into()))
        }
        AMQPValue::ShortString(text) => text.to_string().into(),
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        AMQPValue::FieldTable(table) => Value::Object(object(table)),
        AMQPValue::Void => Value::Null,
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn table(object: &Map<String, Value>) -> Result<FieldTable, BrokerError> {
    let mut table = FieldTable::default();
    for (name, value) in object {
        table.insert(short(name)?, amqp(value)?);
    }
    Ok(table)
}

fn amqp(value: &Value) -> Result<AMQPValue, BrokerError> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(value) => AMQPValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            // As py-amqp does: the short form where it is enough.
            Some(whole) => {
                i32::try_from(whole).map_or(AMQPValue::LongLongInt(whole), AMQPValue::LongInt)
            }
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_bytes())),
        Value::Array(values) => {
            let values: Result<Vec<_>, _> = values.iter().map(amqp).collect();
            AMQPValue::FieldArray(FieldArray::from(values?))
        }
        Value::Object(object) => AMQPValue::FieldTable(table(object)?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_of_each_kind_come_back_as_they_were() {
        let headers = json!({
            "task": "girder_worker.docker.tasks.docker_run", "retries": 0, "clock": 4_294_967_296_i64,
            "expires": 1_795_745_373.158_549_5_f64, "ignore_result": false, "group": null,
            "timelimit": [null, 500], "stamps": {}, "jobInfoSpec": {"headers": {"Girder-Token": "T"}},
            "long": "x".repeat(70_000), "ü": "ß",
        });
        let Value::Object(headers) = headers else { unreachable!() };
        let sent = Message { headers, ..Message::default() };
        let properties = basic_properties(&sent).unwrap();
        // Tables have no order; equality of maps does not look at it.
        assert_eq!(message(&properties, Vec::new()), sent);
    }

    #[test]
    fn properties_come_back_as_they_were() {
        let sent = Message {
            properties: Properties {
                content_type: Some("application/json".into()),
                content_encoding: Some("utf-8".into()),
                correlation_id: Some("id".into()),
                reply_to: Some("queue".into()),
                priority: Some(9),
                delivery_mode: Some(2),
                expiration: Some("3600000".into()),
                message_id: Some("m".into()),
                timestamp: Some(1_795_745_373),
                kind: Some("t".into()),
                app_id: Some("a".into()),
                others: Map::new(),
            },
            body: b"body".to_vec(),
            ..Message::default()
        };
        let properties = basic_properties(&sent).unwrap();
        assert_eq!(message(&properties, b"body".to_vec()), sent);
    }

    #[test]
    fn a_name_that_is_too_long_is_an_error_and_no_panic() {
        let sent = Message {
            properties: Properties { reply_to: Some("x".repeat(256)), ..Properties::default() },
            ..Message::default()
        };
        assert!(matches!(basic_properties(&sent), Err(BrokerError::Unwritable(_))));
        assert!(short(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn only_the_publishers_name_is_left_out_of_what_is_published_again() {
        let whole = basic_properties(&Message::json(Map::new(), &json!([]))).unwrap();
        assert_eq!(untouched(&whole), whole);
        let signed = whole.clone().with_user_id("somebody".into());
        assert_eq!(untouched(&signed), whole);
    }
}
