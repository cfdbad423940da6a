//! What is to happen after a task: the third part of its body.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::pickle::{PickleError, Writer, members};
use crate::spec::{Node, Pickle, Pickled, Value};

/// What follows a task.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Embed {
    /// Published when it succeeds, with its result.
    pub callbacks: Vec<Signature>,
    /// Published when it fails, with its id.
    pub errbacks: Vec<Signature>,
    /// The rest of a chain, **the last step first**: the next one is at the end.
    pub chain: Vec<Signature>,
    /// It is one of several that a chord waits for.
    pub chord: bool,
}

/// A task that may be published.
///
/// Its arguments may hold tokens: `Debug` shows only its name.
#[derive(Clone, PartialEq)]
pub struct Signature {
    /// The task's name.
    pub task: String,
    /// It takes no argument from what was before it.
    pub immutable: bool,
    /// `group`, `chain`, `chord`, …: more than one task.
    pub subtask_type: Option<String>,
    /// How it is published: `task_id`, `reply_to`, `queue`, … Objects are as jsonpickle writes them.
    pub options: Map<String, Json>,
    /// A jsonpickle document of its own: `[args, kwargs, options]`.
    pub(super) parts: String,
}

impl Embed {
    /// What of this only Python can do, by Celery's name for it. Such a message is passed on.
    pub fn beyond_us(&self) -> Option<&str> {
        if self.chord {
            return Some("chord");
        }
        let all = self.callbacks.iter().chain(&self.errbacks).chain(&self.chain);
        all.flat_map(|signature| {
            let canvas = signature.task.starts_with("celery.").then_some(&*signature.task);
            signature.subtask_type.as_deref().or(canvas)
        })
        .next()
    }

    /// Reads `{callbacks, errbacks, chain, chord}`. What is not there is null.
    pub(super) fn read<'n>(pickle: &Pickle<'n>, node: &'n Node) -> Result<Self, PickleError> {
        let Some(members) = members(pickle, node)? else {
            // Some senders write null in its place.
            return match node.value {
                Value::Null => Ok(Self::default()),
                _ => Err(PickleError::Malformed),
            };
        };
        let mut embed = Self::default();
        for (name, value) in members {
            match name {
                "callbacks" => embed.callbacks = Signature::list(pickle, value)?,
                "errbacks" => embed.errbacks = Signature::list(pickle, value)?,
                "chain" => embed.chain = Signature::list(pickle, value)?,
                "chord" => embed.chord = !matches!(value.value, Value::Null),
                _ => {}
            }
        }
        Ok(embed)
    }
}

impl Signature {
    /// Reads null, one signature, or a list of them.
    pub(super) fn list<'n>(pickle: &Pickle<'n>, node: &'n Node) -> Result<Vec<Self>, PickleError> {
        match pickle.value(node)? {
            Pickled::Scalar(Node { value: Value::Null, .. }) => Ok(Vec::new()),
            Pickled::List(items) => items.iter().map(|item| Self::read(pickle, item)).collect(),
            _ => Ok(vec![Self::read(pickle, node)?]),
        }
    }

    /// Reads one: a dictionary, or an object of one of Celery's classes.
    fn read<'n>(pickle: &Pickle<'n>, node: &'n Node) -> Result<Self, PickleError> {
        let class = match pickle.value(node)? {
            Pickled::Object(object) => Some(object.class_name()),
            _ => None,
        };
        let members = members(pickle, node)?.ok_or(PickleError::Malformed)?;
        let member = |name| members.iter().find(|(other, _)| *other == name).map(|(_, node)| *node);
        let text = |name| member(name).and_then(Node::as_str);
        let task = text("task").filter(|task| !task.is_empty());
        let task = task.ok_or(PickleError::Malformed)?.to_owned();
        let other_class = class.filter(|class| *class != SIGNATURE);
        let subtask_type = text("subtask_type").or(other_class).map(str::to_owned);

        let mut writer = Writer::default();
        writer.open('[');
        for (name, empty) in [("args", '['), ("kwargs", '{'), ("options", '{')] {
            match member(name).filter(|node| !matches!(node.value, Value::Null)) {
                Some(part) => writer.node(pickle, part)?,
                None => {
                    writer.open(empty);
                    writer.close(if empty == '[' { ']' } else { '}' });
                }
            }
        }
        writer.close(']');
        let parts = writer.finish();
        let read: Json = serde_json::from_str(&parts).map_err(|_| PickleError::Malformed)?;
        let options = read.get(2).and_then(Json::as_object).cloned().unwrap_or_default();
        let immutable = member("immutable").is_some_and(|node| node.as_bool() == Some(true));
        Ok(Self { task, immutable, subtask_type, options, parts })
    }

    /// An option that is a string and not empty.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// Writes it as a plain dictionary, which Python takes for a signature.
    pub(super) fn write(&self, writer: &mut Writer) -> Result<(), PickleError> {
        let root = Node::read(&self.parts).map_err(|_| PickleError::Malformed)?;
        let pickle = Pickle::read(&root)?;
        writer.other_document();
        writer.open('{');
        writer.key("task");
        writer.plain(&Json::from(self.task.as_str()));
        for (name, part) in ["args", "kwargs", "options"].iter().zip(root.items()) {
            writer.key(name);
            writer.node(&pickle, part)?;
        }
        writer.key("subtask_type");
        writer.plain(&Json::from(self.subtask_type.clone()));
        writer.key("immutable");
        writer.plain(&Json::from(self.immutable));
        writer.close('}');
        Ok(())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("task", &self.task).finish_non_exhaustive()
    }
}

const SIGNATURE: &str = "celery.canvas.Signature";
