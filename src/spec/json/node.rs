//! The document as a tree that keeps what `serde_json::Value` would lose: repeated members, the
//! exact digits of numbers, and where each value stands.
//!
//! `serde_json` reads one level at a time and hands out each value's text; that text is a slice of
//! the document, so its address says its place. Each level reads its part of the text again, which
//! the limit on the depth keeps cheap.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Fault;
use crate::spec::error::{Place, Problem, SpecError};

/// The longest document that is read: a job says what is to be done, the data is elsewhere.
pub(in crate::spec) const MAX_DOCUMENT_BYTES: usize = 16 << 20;
/// How deep arrays and objects may nest. The deepest job is at six; each level costs stack.
pub(in crate::spec) const MAX_DEPTH: usize = 32;
/// How many values a document may hold: each costs some 100 bytes once it is read.
pub(in crate::spec) const MAX_NODES: usize = 1 << 19;
/// The names of so many members are compared with each other sooner than they are hashed.
const FEW_MEMBERS: usize = 8;

/// One value of the document.
pub(crate) struct Node {
    /// Where it begins: its offset in the document.
    pub(crate) at: usize,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    String(String),
    Array(Vec<Node>),
    /// In the order in which they were written, repetitions and all.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads a document.
    pub(crate) fn read(text: &str) -> Result<Self, SpecError> {
        let place = |offset| place_at(text, offset, "$".to_owned());
        if text.len() > MAX_DOCUMENT_BYTES {
            let problem = too_many(text.len(), "bytes", MAX_DOCUMENT_BYTES);
            return Err(SpecError::new(place(0), problem));
        }
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| {
            let place = place_at(text, offset(&error, text), String::new());
            SpecError::new(place, Problem::Syntax(message(&error, text)))
        })?;
        let reader = Reader { text, nodes: Cell::new(MAX_NODES) };
        reader.node(whole, 0).map_err(|fault| match fault.problem {
            Problem::Syntax(_) => {
                SpecError::new(place_at(text, fault.at, String::new()), fault.problem)
            }
            _ => SpecError::new(place(fault.at), fault.problem),
        })
    }

    /// Refuses objects that have a member twice.
    pub(in crate::spec) fn without_repetitions(&self) -> Result<(), Fault> {
        match &self.value {
            Value::Array(items) => items.iter().try_for_each(Self::without_repetitions),
            Value::Object(members) => {
                let has_few = members.len() <= FEW_MEMBERS;
                let mut names = HashSet::with_capacity(if has_few { 0 } else { members.len() });
                members.iter().enumerate().try_for_each(|(at, (name, node))| {
                    let is_new = match has_few {
                        true => members.iter().take(at).all(|(other, _)| other != name),
                        false => names.insert(name),
                    };
                    if !is_new {
                        return Err(Fault::new(node.at, Problem::Twice(shortened(name))));
                    }
                    node.without_repetitions()
                })
            }
            _ => Ok(()),
        }
    }

    /// The place of the value that begins at `at`, for people.
    pub(in crate::spec) fn place(&self, text: &str, at: usize) -> Place {
        let mut path = "$".to_owned();
        let mut node = self;
        // The value is in the last child that begins no later than it does.
        while node.at < at {
            let child = match &node.value {
                Value::Array(items) => {
                    let index = items.partition_point(|item| item.at <= at).checked_sub(1);
                    index.and_then(|index| {
                        path.push_str(&format!("[{index}]"));
                        items.get(index)
                    })
                }
                Value::Object(members) => {
                    let index = members.partition_point(|(_, member)| member.at <= at);
                    let member = index.checked_sub(1).and_then(|index| members.get(index));
                    member.map(|(name, member)| {
                        push_member(&mut path, name);
                        member
                    })
                }
                _ => None,
            };
            let Some(child) = child else { break };
            node = child;
        }
        place_at(text, at, path)
    }

    /// What is there, as an error says it. `secret` values are not shown.
    pub(in crate::spec) fn describe(&self, secret: bool) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(_) | Value::String(_) if secret => match self.value {
                Value::Number(_) => "a number".to_owned(),
                _ => "a string (not shown)".to_owned(),
            },
            Value::Number(digits) => format!("the number {}", shortened(digits)),
            Value::String(string) if string.is_empty() => "an empty string".to_owned(),
            Value::String(string) => format!("the string {:?}", shortened(string)),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(members) => match members.iter().find(|(name, _)| name == "type") {
                Some((_, Self { value: Value::String(name), .. })) if !secret => {
                    format!("an object of type {:?}", shortened(name))
                }
                _ => "an object".to_owned(),
            },
        }
    }
}

/// A text of the document for an error: its beginning, if it is long.
pub(in crate::spec) fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

pub(in crate::spec) fn too_many(found: usize, unit: &'static str, most: usize) -> Problem {
    Problem::TooMany { found, unit, most }
}

fn push_member(path: &mut String, name: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    if !name.is_empty() && name.chars().all(plain) {
        path.push('.');
        path.push_str(&shortened(name));
    } else {
        path.push_str(&format!("[{:?}]", shortened(name)));
    }
}

fn place_at(text: &str, offset: usize, path: String) -> Place {
    let whole = |end| text.get(..end);
    let before = (0..=offset.min(text.len())).rev().find_map(whole).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.get(line_start..).unwrap_or_default().chars().count();
    Place { path, line, column }
}

/// The offset in `text` of an error that serde_json has in it.
fn offset(error: &serde_json::Error, text: &str) -> usize {
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1)
}

/// serde_json's message, without the place that it puts behind it.
fn message(error: &serde_json::Error, text: &str) -> String {
    if text.trim().is_empty() {
        return "the document is empty".to_owned();
    }
    let rest = text.get(offset(error, text)..).unwrap_or_default();
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or_default();
    let is_python = ["NaN", "Infinity", "-Infinity", "None", "True", "False"]
        .into_iter()
        .find(|word| rest.starts_with(word));
    if let Some(word) = is_python {
        return format!("JSON has no {word}: write it as text, or what JSON has in its place");
    }
    if rest.starts_with(['#', '/']) {
        return "JSON has no comments: a job's member `$comment` is for them".to_owned();
    }
    let expected = match words {
        "key must be a string" => ": a name in double quotes, and no comma behind the last member",
        "expected value" => {
            ": text in double quotes, a number, true, false, null, a list or an object, and no comma \
             behind the last one"
        }
        "EOF while parsing an object" => ": its `}` is missing",
        "EOF while parsing a list" => ": its `]` is missing",
        "EOF while parsing a string" => ": its last double quote is missing",
        _ => "",
    };
    format!("{words}{expected}")
}

struct Reader<'t> {
    text: &'t str,
    /// How many values may still be read.
    nodes: Cell<usize>,
}

impl<'t> Reader<'t> {
    fn node(&self, raw: &'t RawValue, depth: usize) -> Result<Node, Fault> {
        let at = raw.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        if depth > MAX_DEPTH {
            return Err(Fault::new(at, too_many(depth, "levels of nesting", MAX_DEPTH)));
        }
        let text = raw.get();
        let inner = |error: &serde_json::Error| self.inner(error, at, text);
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let members = self.level::<Members<'t>>(text, &inner)?.0;
                let node = |(name, raw)| Ok((name, self.node(raw, depth + 1)?));
                Value::Object(members.into_iter().map(node).collect::<Result<_, Fault>>()?)
            }
            Some(b'[') => {
                let items = self.level::<Items<'t>>(text, &inner)?.0;
                let items = items.into_iter().map(|raw| self.node(raw, depth + 1));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::String(serde_json::from_str(text).map_err(|error| inner(&error))?),
            Some(b't') => Value::Bool(true),
            Some(b'f') => Value::Bool(false),
            Some(b'n') => Value::Null,
            _ => Value::Number(text.to_owned()),
        };
        Ok(Node { at, value })
    }

    fn level<T: Level<'t>>(
        &self,
        text: &'t str,
        inner: &dyn Fn(&serde_json::Error) -> Fault,
    ) -> Result<T, Fault> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Seed::<T> { nodes: &self.nodes, level: T::default() }
            .deserialize(&mut deserializer)
            .map_err(|error| inner(&error))
    }

    /// An error in the text of one value, which begins at `at`: its line and column count from
    /// there.
    fn inner(&self, error: &serde_json::Error, at: usize, text: &str) -> Fault {
        if self.nodes.get() == 0 {
            return Fault::new(at, too_many(MAX_NODES + 1, "values", MAX_NODES));
        }
        Fault::new(at + offset(error, text), Problem::Syntax(message(error, text)))
    }
}

/// What one level of the document deserializes into.
trait Level<'t>: Default {
    fn next_from_map<A: MapAccess<'t>>(&mut self, _: &mut A) -> Result<bool, A::Error> {
        Err(A::Error::custom("an object in the wrong place"))
    }

    fn next_from_seq<A: SeqAccess<'t>>(&mut self, _: &mut A) -> Result<bool, A::Error> {
        Err(A::Error::custom("an array in the wrong place"))
    }
}

#[derive(Default)]
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'t> Level<'t> for Members<'t> {
    fn next_from_map<A: MapAccess<'t>>(&mut self, map: &mut A) -> Result<bool, A::Error> {
        let entry = map.next_entry()?;
        Ok(entry.map(|entry| self.0.push(entry)).is_some())
    }
}

#[derive(Default)]
struct Items<'t>(Vec<&'t RawValue>);

impl<'t> Level<'t> for Items<'t> {
    fn next_from_seq<A: SeqAccess<'t>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let item = seq.next_element()?;
        Ok(item.map(|item| self.0.push(item)).is_some())
    }
}

struct Seed<'n, L> {
    nodes: &'n Cell<usize>,
    level: L,
}

impl<L> Seed<'_, L> {
    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        let left = self.nodes.get().checked_sub(1).ok_or_else(|| E::custom("too many values"))?;
        self.nodes.set(left);
        Ok(())
    }
}

impl<'t, L: Level<'t>> DeserializeSeed<'t> for Seed<'_, L> {
    type Value = L;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<L, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t, L: Level<'t>> Visitor<'t> for Seed<'_, L> {
    type Value = L;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut map: A) -> Result<L, A::Error> {
        while self.level.next_from_map(&mut map)? {
            self.count()?;
        }
        Ok(self.level)
    }

    fn visit_seq<A: SeqAccess<'t>>(mut self, mut seq: A) -> Result<L, A::Error> {
        while self.level.next_from_seq(&mut seq)? {
            self.count()?;
        }
        Ok(self.level)
    }
}
