//! The form in which Python's `jsonpickle` writes objects, as far as a message needs it.
//!
//! Nothing is made of a class: this says what stands there, and [`girder_worker`] knows the few
//! classes that mean something. jsonpickle 4 counts lists, dictionaries, objects and reductions from
//! 0 in the order in which they begin (not tuples, sets, bytes and types), and `{"py/id": n}` is the
//! n-th of them again.
//!
//! [`girder_worker`]: super::girder_worker

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Problem;
use super::json::number::python_str;
use super::json::{Fault, Node, Value, shortened, too_many};

/// How many references one pickle may hold: each stands for a value of any size.
pub(super) const MAX_REFERENCES: usize = 100_000;

const TUPLE: &str = "py/tuple";
const SET: &str = "py/set";
const B64: &str = "py/b64";
const ID: &str = "py/id";
const OBJECT: &str = "py/object";
const TYPE: &str = "py/type";
const REDUCE: &str = "py/reduce";
const FUNCTION: &str = "py/function";
/// What is told by the object's class and not one of its attributes.
const TAGS: &str = "py/";
/// How a key that is not a string begins.
pub(super) const KEY: &str = "json://";

/// The objects of one pickle.
pub(crate) struct Pickle<'n> {
    /// By their numbers.
    objects: Vec<&'n Node>,
    /// The numbers that are referred to.
    shared: HashSet<usize>,
    references: usize,
}

/// What a value of a pickle is, once references are followed.
pub(crate) enum Pickled<'n> {
    /// null, a boolean, a number or a string.
    Scalar(&'n Node),
    /// A list, a tuple or a set.
    List(&'n [Node]),
    /// A dictionary. What a key is, [`key`] says.
    Dict(&'n [(String, Node)]),
    /// An object of a class.
    Object(Object<'n>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// What a class or a function made, without being one of ours.
    Made(Made<'n>),
    /// A class itself, a function or a module.
    Other(&'static str),
}

/// What Python makes by calling something.
#[derive(Clone, Copy)]
pub(crate) struct Made<'n> {
    /// The class or the function, with its module; empty if it was not told.
    pub(crate) by: &'n str,
    /// What it is called with.
    pub(crate) of: &'n [Node],
}

/// An object of a class.
#[derive(Clone, Copy)]
pub(crate) struct Object<'n> {
    /// The class, with its module.
    pub(super) class: &'n Node,
    /// Its number, if there are references to it.
    pub(super) shared: Option<usize>,
    members: &'n [(String, Node)],
}

impl<'n> Object<'n> {
    pub(crate) fn class_name(&self) -> &'n str {
        self.class.as_str().unwrap_or_default()
    }

    /// The attributes.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&'n str, &'n Node)> + use<'n> {
        let members = self.members.iter().filter(|(name, _)| !name.starts_with(TAGS));
        members.map(|(name, node)| (name.as_str(), node))
    }

    /// What the class itself wrote in place of attributes.
    pub(super) fn state(&self) -> Option<&'n Node> {
        tagged(self.members, "py/state")
    }
}

impl<'n> Pickle<'n> {
    /// Numbers the objects of a pickle.
    pub(crate) fn read(root: &'n Node) -> Result<Self, Fault> {
        let mut pickle = Self { objects: Vec::new(), shared: HashSet::new(), references: 0 };
        pickle.number(root)?;
        Ok(pickle)
    }

    /// What `node` is.
    pub(crate) fn value(&self, node: &'n Node) -> Result<Pickled<'n>, Fault> {
        let members = match &node.value {
            Value::Array(items) => return Ok(Pickled::List(items)),
            Value::Object(members) => members.as_slice(),
            _ => return Ok(Pickled::Scalar(node)),
        };
        let Some(tag) = tag(members) else {
            return Ok(Pickled::Dict(members));
        };
        match (tag, tagged(members, tag)) {
            (TUPLE | SET, Some(items)) => match &items.value {
                Value::Array(items) => Ok(Pickled::List(items)),
                _ => Err(unexpected(items, &items.describe(false), "an array")),
            },
            (ID, Some(id)) => self.value(self.object(id)?),
            (OBJECT, Some(class)) => {
                let number = self.objects.binary_search_by_key(&node.at, |object| object.at);
                let shared = number.ok().filter(|number| self.shared.contains(number));
                Ok(Pickled::Object(Object { class, shared, members }))
            }
            (B64, Some(text)) => {
                let bytes = text.as_str().and_then(|text| STANDARD.decode(text).ok());
                let wrong = || unexpected(text, &text.describe(true), "bytes in base64");
                bytes.map(Pickled::Bytes).ok_or_else(wrong)
            }
            (TYPE, _) => Ok(Pickled::Other("a Python class")),
            (REDUCE, Some(parts)) => Ok(Pickled::Made(made(parts))),
            _ => Ok(Pickled::Other("what only Python has")),
        }
    }

    /// `node`, or what it refers to, with its number; only what is counted has one.
    #[cfg(feature = "worker")]
    pub(crate) fn resolved(&self, node: &'n Node) -> Result<(&'n Node, Option<usize>), Fault> {
        let members = match &node.value {
            Value::Object(members) => members.as_slice(),
            _ => &[],
        };
        let node = match (tag(members), tagged(members, ID)) {
            (Some(ID), Some(id)) => self.object(id)?,
            _ => node,
        };
        Ok((node, self.objects.binary_search_by_key(&node.at, |object| object.at).ok()))
    }

    /// The object that a `py/id` means, which is before it and never a reference itself.
    fn object(&self, id: &Node) -> Result<&'n Node, Fault> {
        let before = self.objects.partition_point(|object| object.at < id.at);
        let object = number(id).filter(|number| *number < before);
        let object = object.and_then(|number| self.objects.get(number));
        object.copied().ok_or_else(|| {
            let written = match &id.value {
                Value::Number(digits) => shortened(digits),
                _ => id.describe(false),
            };
            Fault::new(id.at, Problem::UnknownReference { id: written, objects: before })
        })
    }

    fn number(&mut self, node: &'n Node) -> Result<(), Fault> {
        let members = match &node.value {
            Value::Array(items) => {
                self.objects.push(node);
                return items.iter().try_for_each(|item| self.number(item));
            }
            Value::Object(members) => members.as_slice(),
            _ => return Ok(()),
        };
        match (tag(members), tag(members).and_then(|tag| tagged(members, tag))) {
            (Some(TUPLE | SET), Some(items)) => self.inner(items),
            (Some(ID), Some(id)) => {
                self.references += 1;
                if self.references > MAX_REFERENCES {
                    let problem = too_many(self.references, "references", MAX_REFERENCES);
                    return Err(Fault::new(node.at, problem));
                }
                // Whether there is such an object matters only where it is looked at: over AMQP the
                // members of a hook may come in another order, and with them Girder's whole record of
                // the job, which nobody looks at.
                self.shared.extend(number(id));
                Ok(())
            }
            (Some(B64 | TYPE), _) => Ok(()),
            (Some(REDUCE), Some(parts)) => {
                self.objects.push(node);
                self.inner(parts)
            }
            (_, _) => {
                self.objects.push(node);
                members.iter().try_for_each(|(name, member)| match name.as_str() {
                    // How dates are written; the lists in it are not counted.
                    "__reduce__" => member.items().iter().try_for_each(|part| match part.value {
                        Value::Array(_) => self.inner(part),
                        _ => self.number(part),
                    }),
                    _ => self.number(member),
                })
            }
        }
    }

    /// What is in a list that is not counted itself.
    fn inner(&mut self, items: &'n Node) -> Result<(), Fault> {
        items.items().iter().try_for_each(|item| self.number(item))
    }
}

/// Whether a value was written as a tuple.
pub(super) fn is_tuple(node: &Node) -> bool {
    matches!(&node.value, Value::Object(members) if tag(members) == Some(TUPLE))
}

/// Whether a value was written as a set.
pub(super) fn is_set(node: &Node) -> bool {
    matches!(&node.value, Value::Object(members) if tag(members) == Some(SET))
}

/// What is called, and the tuple that it is called with.
fn made(parts: &Node) -> Made<'_> {
    let part = |at: usize| match parts.items().get(at).map(|part| &part.value) {
        Some(Value::Object(members)) => members.as_slice(),
        _ => &[],
    };
    let by = tagged(part(0), TYPE).or_else(|| tagged(part(0), FUNCTION));
    let of = tagged(part(1), TUPLE).map(Node::items).unwrap_or_default();
    Made { by: by.and_then(Node::as_str).unwrap_or_default(), of }
}

/// The tag that says what an object of JSON is; jsonpickle looks for them in this order.
fn tag(members: &[(String, Node)]) -> Option<&'static str> {
    let known = [TUPLE, SET, B64, "py/b85", ID, "py/iterator", OBJECT, TYPE, REDUCE];
    let others = [FUNCTION, "py/mod", "py/repr"];
    let there = |tag: &&str| tagged(members, tag).is_some();
    known.into_iter().chain(others).find(there)
}

fn tagged<'n>(members: &'n [(String, Node)], tag: &str) -> Option<&'n Node> {
    members.iter().find(|(name, _)| name == tag).map(|(_, node)| node)
}

/// The string that a dictionary's key is, or that Python makes of it where it is a number; `None` of
/// any other.
///
/// A key that is no string is written as `json://` and its JSON (jsonpickle's `keys=True`), and so is
/// a string that begins like that.
pub(super) fn key(name: &str) -> Option<Cow<'_, str>> {
    let Some(json) = name.strip_prefix(KEY) else { return Some(name.into()) };
    match serde_json::from_str(json).ok()? {
        serde_json::Value::String(text) => Some(text.into()),
        serde_json::Value::Number(_) => python_str(json).map(Cow::from),
        _ => None,
    }
}

fn number(id: &Node) -> Option<usize> {
    match &id.value {
        Value::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn unexpected(node: &Node, found: &str, expected: &str) -> Fault {
    let (found, expected) = (found.to_owned(), expected.to_owned());
    Fault::new(node.at, Problem::Unexpected { found, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_strings_or_the_json_of_what_they_are() {
        for (name, expected) in [
            ("a", Some("a")),
            ("", Some("")),
            ("json://8080", Some("8080")),
            ("json://1.0", Some("1.0")),
            (r#"json://"json://x""#, Some("json://x")),
            ("json://null", None),
            (r#"json://{"py/tuple": [1, 2]}"#, None),
            ("json://", None),
        ] {
            assert_eq!(key(name).as_deref(), expected, "{name}");
        }
    }
}
