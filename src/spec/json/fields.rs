//! The members of an object that has been checked.

use super::Fault;
use super::check::whole;
use super::node::{Node, Value};
use crate::spec::error::Problem;

/// An object's members. What the table requires has been checked to be there; what is missing all
/// the same is an error, never a panic.
#[derive(Clone, Copy)]
pub(in crate::spec) struct Fields<'n> {
    at: usize,
    members: &'n [(String, Node)],
}

impl<'n> Fields<'n> {
    pub(in crate::spec) fn of(node: &'n Node) -> Self {
        let members = match &node.value {
            Value::Object(members) => members.as_slice(),
            _ => &[],
        };
        Self { at: node.at, members }
    }

    /// Where the object begins.
    pub(in crate::spec) fn at(&self) -> usize {
        self.at
    }

    /// A member that is there and not null.
    pub(in crate::spec) fn get(&self, name: &str) -> Option<&'n Node> {
        let (_, node) = self.members.iter().find(|(other, _)| other == name)?;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    pub(in crate::spec) fn need(&self, member: &'static str) -> Result<&'n Node, Fault> {
        let missing = || Fault::new(self.at, Problem::Missing { owner: "this object", member });
        self.get(member).ok_or_else(missing)
    }

    pub(in crate::spec) fn text(&self, member: &'static str) -> Result<&'n str, Fault> {
        let missing = || Fault::new(self.at, Problem::Missing { owner: "this object", member });
        self.optional_text(member).ok_or_else(missing)
    }

    pub(in crate::spec) fn optional_text(&self, name: &str) -> Option<&'n str> {
        self.get(name).and_then(Node::as_str)
    }

    /// The members in their order.
    pub(in crate::spec) fn iter(&self) -> impl Iterator<Item = (&'n str, &'n Node)> + use<'n> {
        self.members.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// The transform's name.
    pub(in crate::spec) fn type_name(&self) -> &'n str {
        self.optional_text("type").unwrap_or_default()
    }
}

impl Node {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(in crate::spec) fn as_whole(&self) -> Option<u64> {
        match &self.value {
            Value::Number(digits) => whole(digits),
            _ => None,
        }
    }

    /// The items of an array, and none of anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }
}
