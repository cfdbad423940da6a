//! Changes to a message that leave all the rest of it as it is, byte for byte.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};

/// The message, marked as delivered before.
pub(super) fn redelivered(element: &[u8]) -> Vec<u8> {
    changed(element, |message| {
        message.change("headers", |headers| headers.set("redelivered", &true));
        message.change("properties", |properties| {
            properties.change("delivery_info", |info| info.set("redelivered", &true));
        });
    })
}

/// The message, sent to another queue. kombu takes the name from here when it puts a message back.
pub(super) fn sent_to(element: &[u8], queue: &str) -> Vec<u8> {
    changed(element, |message| {
        message.change("properties", |properties| {
            properties.change("delivery_info", |info| {
                info.set("exchange", "");
                info.set("routing_key", queue);
            });
        });
    })
}

/// A JSON object whose members nobody has read.
struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    fn set<T: serde::Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        if let Ok(value) = to_raw_value(value) {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Changes a member that is an object; any other stays.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Self)) {
        let Some(member) = self.0.get(name) else { return };
        if let Ok(members) = serde_json::from_str(member.get()) {
            let mut object = Self(members);
            change(&mut object);
            self.set(name, &object.0);
        }
    }
}

/// What is no object stays as it is.
fn changed(element: &[u8], change: impl FnOnce(&mut Object)) -> Vec<u8> {
    let Ok(members) = serde_json::from_slice(element) else { return element.to_vec() };
    let mut object = Object(members);
    change(&mut object);
    serde_json::to_vec(&object.0).unwrap_or_else(|_| element.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELEMENT: &str = r#"{"body": "e30=", "headers": {"expires": 1795746490.2338486000, "n": 123456789012345678901234567890, "t": "ü"},
        "properties": {"delivery_info": {"exchange": "x", "routing_key": "celery"}, "priority": 0}}"#;

    #[test]
    fn a_mark_changes_nothing_else() {
        let marked = String::from_utf8(redelivered(ELEMENT.as_bytes())).unwrap();
        assert!(marked.contains(r#""expires":1795746490.2338486000,"n":123456789012345678901234567890,"redelivered":true"#));
        assert!(marked.contains(r#"{"exchange":"x","redelivered":true,"routing_key":"celery"}"#));
        assert_eq!(redelivered(marked.as_bytes()), marked.as_bytes());
    }

    #[test]
    fn another_queue_is_written_where_kombu_looks() {
        let sent = String::from_utf8(sent_to(ELEMENT.as_bytes(), "py\"thon")).unwrap();
        assert!(sent.contains(r#""delivery_info":{"exchange":"","routing_key":"py\"thon"}"#));
        assert!(sent.contains(r#""body":"e30=""#));
    }

    #[test]
    fn what_is_no_message_stays_as_it_is() {
        for element in ["", "7", "[1]", "{\"headers\":7}", "{"] {
            assert_eq!(redelivered(element.as_bytes()), element.as_bytes());
        }
    }
}
