//! Cuts values out of one jsonpickle document and writes them into another.
//!
//! A value may refer by number to what stands elsewhere in its document. In the new one it has a
//! number of its own: the first time, it is written in full; after that, as a reference. So two
//! places that were one object (a temporary volume that is used twice) still are.

use std::collections::HashMap;

use serde_json::Value as Json;
use thiserror::Error;

use super::inflate::MAX_BODY_BYTES;
use crate::spec::{Fault, Node, Pickle, Pickled, Value};

/// How deep a document may nest once references are written out. Each level costs stack.
const MAX_DEPTH: usize = 64;

/// Why a value cannot be written into another document. The text quotes nothing.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum PickleError {
    /// Not what jsonpickle writes.
    #[error("a value is not what jsonpickle writes")]
    Malformed,
    /// References within references within references.
    #[error("values nest more than {MAX_DEPTH} deep")]
    TooDeep,
    /// More than a body may have.
    #[error("the message would be longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
}

impl From<Fault> for PickleError {
    fn from(_: Fault) -> Self {
        Self::Malformed
    }
}

/// Writes one document.
#[derive(Default)]
pub(super) struct Writer {
    out: String,
    /// The number of the next object, as jsonpickle counts.
    next: usize,
    /// What each object of the document that is read has here.
    numbers: HashMap<usize, usize>,
}

impl Writer {
    /// Begins a list or a dictionary.
    pub(super) fn open(&mut self, bracket: char) {
        self.comma();
        self.next += 1;
        self.out.push(bracket);
    }

    /// Ends it.
    pub(super) fn close(&mut self, bracket: char) {
        self.out.push(bracket);
    }

    /// The name of the member that comes next.
    pub(super) fn key(&mut self, name: &str) {
        self.text(name);
        self.out.push(':');
    }

    /// A value that holds nothing of jsonpickle's.
    pub(super) fn plain(&mut self, value: &Json) {
        self.comma();
        self.next += containers(value);
        self.out.push_str(&value.to_string());
    }

    /// What comes next is of another document: its numbers mean other objects.
    pub(super) fn other_document(&mut self) {
        self.numbers.clear();
    }

    /// A value of the document that `pickle` numbers.
    pub(super) fn node<'n>(
        &mut self,
        pickle: &Pickle<'n>,
        node: &'n Node,
    ) -> Result<(), PickleError> {
        self.nested(pickle, node, 0)
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    fn nested<'n>(
        &mut self,
        pickle: &Pickle<'n>,
        node: &'n Node,
        depth: usize,
    ) -> Result<(), PickleError> {
        if depth > MAX_DEPTH {
            return Err(PickleError::TooDeep);
        }
        if self.out.len() > MAX_BODY_BYTES {
            return Err(PickleError::TooLong);
        }
        let (node, number) = pickle.resolved(node)?;
        if let Some(number) = number {
            if let Some(ours) = self.numbers.get(&number) {
                let reference = format!("{{\"py/id\":{ours}}}");
                self.comma();
                self.out.push_str(&reference);
                return Ok(());
            }
            self.numbers.insert(number, self.next);
            self.next += 1;
        }
        match &node.value {
            Value::Null => self.word("null"),
            Value::Bool(value) => self.word(if *value { "true" } else { "false" }),
            Value::Number(digits) => self.word(digits),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.word("[");
                for item in items {
                    self.nested(pickle, item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Object(members) => {
                self.word("{");
                for (name, member) in members {
                    self.key(name);
                    self.nested(pickle, member, depth + 1)?;
                }
                self.out.push('}');
            }
        }
        Ok(())
    }

    fn word(&mut self, word: &str) {
        self.comma();
        self.out.push_str(word);
    }

    fn text(&mut self, text: &str) {
        self.word(&Json::from(text).to_string());
    }

    fn comma(&mut self) {
        if !matches!(self.out.chars().next_back(), None | Some('[' | '{' | ':')) {
            self.out.push(',');
        }
    }
}

fn containers(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(containers).sum::<usize>(),
        Json::Object(members) => 1 + members.values().map(containers).sum::<usize>(),
        _ => 0,
    }
}

/// The members of a dictionary, or the attributes of an object; `None` if it is something else.
pub(super) fn members<'n>(
    pickle: &Pickle<'n>,
    node: &'n Node,
) -> Result<Option<Vec<(&'n str, &'n Node)>>, PickleError> {
    Ok(match pickle.value(node)? {
        Pickled::Dict(members) => {
            Some(members.iter().map(|(name, node)| (&**name, node)).collect())
        }
        Pickled::Object(object) => Some(object.attributes().collect()),
        _ => None,
    })
}

/// What Python's `repr` would say, as far as nothing is made of a class: at most `most` characters.
pub(super) fn repr<'n>(pickle: &Pickle<'n>, node: &'n Node, most: usize) -> String {
    let mut out = String::new();
    write_repr(pickle, node, most, 0, &mut out);
    if out.chars().count() > most {
        out = out.chars().take(most.saturating_sub(3)).collect();
        out.push_str("...");
    }
    out
}

fn write_repr<'n>(
    pickle: &Pickle<'n>,
    node: &'n Node,
    most: usize,
    depth: usize,
    out: &mut String,
) {
    if out.len() > most * 4 || depth > 8 {
        return out.push_str("...");
    }
    let mut list = |open: &str, items: &'n [Node], close: &str| {
        out.push_str(open);
        for (at, item) in items.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            write_repr(pickle, item, most, depth + 1, out);
        }
        out.push_str(close);
    };
    match pickle.value(node) {
        Ok(Pickled::Scalar(scalar)) => match &scalar.value {
            Value::Bool(true) => out.push_str("True"),
            Value::Bool(false) => out.push_str("False"),
            Value::Number(digits) => out.push_str(digits),
            Value::String(text) => out.push_str(&text_repr(text)),
            _ => out.push_str("None"),
        },
        Ok(Pickled::List(items)) if matches!(node.value, Value::Array(_)) => list("[", items, "]"),
        Ok(Pickled::List(items)) => list("(", items, if items.len() == 1 { ",)" } else { ")" }),
        Ok(Pickled::Dict(members)) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                out.push_str(&text_repr(name));
                out.push_str(": ");
                write_repr(pickle, value, most, depth + 1, out);
            }
            out.push('}');
        }
        Ok(Pickled::Object(object)) => out.push_str(&format!("<{} object>", object.class_name())),
        _ => out.push_str("..."),
    }
}

fn text_repr(text: &str) -> String {
    super::result::repr(&Json::from(text))
}

/// What Girder's record of a job shows of an argument: an object is its class, with the file or
/// folder that it is about, as Girder Worker's `_repr_model_` has it.
pub(super) fn model<'n>(pickle: &Pickle<'n>, node: &'n Node, depth: usize) -> Json {
    if depth > MAX_DEPTH {
        return Json::from("...");
    }
    match pickle.value(node) {
        Ok(Pickled::Scalar(scalar)) => match &scalar.value {
            Value::Bool(value) => Json::from(*value),
            Value::Number(digits) => {
                serde_json::from_str(digits).unwrap_or_else(|_| Json::from(digits.as_str()))
            }
            Value::String(text) => Json::from(text.as_str()),
            _ => Json::Null,
        },
        Ok(Pickled::List(items)) => {
            items.iter().map(|item| model(pickle, item, depth + 1)).collect()
        }
        Ok(Pickled::Dict(members)) => {
            let members = members.iter();
            members.map(|(name, value)| (name.clone(), model(pickle, value, depth + 1))).collect()
        }
        Ok(Pickled::Object(object)) => {
            let about = object.attributes().find_map(|(name, value)| {
                let (_, what) = ABOUT.iter().find(|(attribute, _)| *attribute == name)?;
                Some(format!(": {what}{}", value.as_str()?))
            });
            Json::from(format!("<{}{}>", object.class_name(), about.unwrap_or_default()))
        }
        _ => Json::from("..."),
    }
}

/// The attribute of a transform that says what it is about, and how that is shown.
const ABOUT: &[(&str, &str)] = &[
    ("_file_id", "File ID="),
    ("_item_id", "Item ID="),
    ("_folder_id", "Folder ID="),
    ("filename", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of the member `x` of a document.
    fn cut(text: &str) -> Result<String, PickleError> {
        let root = Node::read(text).unwrap();
        let pickle = Pickle::read(&root)?;
        let members = members(&pickle, &root)?.unwrap();
        let (_, x) = members.into_iter().find(|(name, _)| *name == "x").unwrap();
        let mut writer = Writer::default();
        writer.open('[');
        writer.node(&pickle, x)?;
        writer.close(']');
        Ok(writer.finish())
    }

    #[test]
    fn what_is_referred_to_stands_in_full_where_it_is_met_first() {
        // 0 is the whole, 1 the object.
        assert_eq!(
            cut(r#"{"a": {"py/object": "V", "n": 1}, "x": [{"py/id": 1}, {"py/id": 1}]}"#).unwrap(),
            r#"[[{"py/object":"V","n":1},{"py/id":2}]]"#
        );
    }

    #[test]
    fn tuples_sets_and_types_are_not_counted_and_lists_are() {
        assert_eq!(
            cut(r#"{"x": {"py/tuple": [{"py/set": [1]}, {"py/type": "t"}, [], {"py/id": 1}]}}"#)
                .unwrap(),
            r#"[{"py/tuple":[{"py/set":[1]},{"py/type":"t"},[],{"py/id":1}]}]"#
        );
    }

    #[test]
    fn an_object_that_refers_to_itself_ends() {
        assert_eq!(
            cut(r#"{"a": 1, "x": {"py/object": "V", "me": {"py/id": 1}}}"#).unwrap(),
            r#"[{"py/object":"V","me":{"py/id":1}}]"#
        );
    }

    #[test]
    fn numbers_keep_their_digits_and_strings_their_characters() {
        let text = r#"{"x":[123456789012345678901234567890,1.50,1e400,"ä\u0000\"\\"]}"#;
        let written = cut(text).unwrap();
        assert_eq!(written, r#"[[123456789012345678901234567890,1.50,1e400,"ä\u0000\"\\"]]"#);
    }

    #[test]
    fn references_cannot_nest_without_a_bound() {
        let mut text = String::from(r#"{"l": [[]"#);
        for number in 2..200 {
            text.push_str(&format!(r#", [{{"py/id": {number}}}]"#));
        }
        text.push_str(r#"], "x": {"py/id": 200}}"#);
        assert_eq!(cut(&text), Err(PickleError::TooDeep));
    }

    #[test]
    fn values_are_shown_as_python_shows_them() {
        let text = r#"[{"py/tuple": ["a'b", "c\nd"]}, {"k": true, "n": null}, {"py/tuple": [1]},
            {"py/object": "m.C", "token": "secret"}]"#;
        let root = Node::read(text).unwrap();
        let pickle = Pickle::read(&root).unwrap();
        let shown = r#"[("a'b", 'c\nd'), {'k': True, 'n': None}, (1,), <m.C object>]"#;
        assert_eq!(repr(&pickle, &root, 1024), shown);
        assert_eq!(repr(&pickle, &root, 10), r#"[("a'b"..."#);
    }
}
