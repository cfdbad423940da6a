//! What a worker asks the others about one task: whether it runs there, or has ended there.

use serde_json::{Map, Value, json};

use super::control::asking;
use super::message::Message;

/// The command that asks all workers about a task, and their replies.
#[derive(Debug)]
pub struct Question {
    ticket: String,
    task_id: String,
}

/// What another worker knows of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Known {
    /// It runs there.
    Runs,
    /// It has ended there.
    Ended,
}

impl Question {
    /// A question about a task, with a name that replies have with them.
    pub fn new(ticket: String, task_id: String) -> Self {
        Self { ticket, task_id }
    }

    /// The name that replies have with them.
    pub fn ticket(&self) -> &str {
        &self.ticket
    }

    /// The command. Replies are sent to this queue.
    pub fn message(&self, clock: u64, replies: &str) -> Message {
        let arguments = json!({"ids": [self.task_id]});
        asking(("query_task", arguments), &self.ticket, clock, replies)
    }

    /// What a reply says. A message that waits somewhere for a slot or its time, or for an answer to the same
    /// question, is nobody's job yet: who asks says no more of it than that.
    pub fn answer(&self, reply: &Message) -> Option<Known> {
        let body: Map<String, Value> = serde_json::from_slice(&reply.body).ok()?;
        let states = body.values().filter_map(|tasks| tasks.get(&self.task_id)?.get(0)?.as_str());
        let known = states.filter_map(|state| match state {
            "active" => Some(Known::Runs),
            "ready" => Some(Known::Ended),
            _ => None,
        });
        // Who says that it has ended has seen more.
        known.max_by_key(|known| *known == Known::Ended)
    }

    /// Whether a reply is from this node.
    pub fn is_of(&self, reply: &Message, node: &str) -> bool {
        let body = serde_json::from_slice::<Map<String, Value>>(&reply.body);
        body.is_ok_and(|body| body.contains_key(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::celery::{Request, Verb};

    #[test]
    fn workers_are_asked_about_a_task_and_what_is_no_answer_is_none() {
        let question = Question::new("t".to_owned(), "x".to_owned());
        let command = Request::read(&question.message(3, "a.queue")).unwrap();
        assert_eq!(command.verb(), Ok(Verb::QueryTask(vec!["x".to_owned()])));
        let answer = |node: &str, value| {
            let (exchange, routing_key, reply) = command.reply(node, value, 9).unwrap();
            assert_eq!((exchange, routing_key), ("", "a.queue"));
            assert_eq!(reply.text_header("ticket"), Some(question.ticket()));
            assert!(question.is_of(&reply, node) && !question.is_of(&reply, "c@h"));
            question.answer(&reply)
        };
        assert_eq!(answer("b@h", json!({"x": ["active", {"id": "x"}]})), Some(Known::Runs));
        assert_eq!(answer("b@h", json!({"x": ["ready", {"id": "x"}]})), Some(Known::Ended));
        for nothing in [
            json!({"x": ["reserved", {}]}),
            json!({"y": ["active", {}]}),
            json!({"x": {"0": "active"}}),
            json!({"x": [["active"]]}),
            json!({"x": "active"}),
            json!({"error": "KeyError('query_task')"}),
            json!(["active"]),
            json!({}),
            Value::Null,
        ] {
            assert_eq!(answer("b@h", nothing), None);
        }
        for body in [&b"[]"[..], b"", b"{\"a@h\"", b"\xff"] {
            let reply = Message { body: body.to_vec(), ..Message::default() };
            assert_eq!((question.answer(&reply), question.is_of(&reply, "a@h")), (None, false));
        }
    }
}
