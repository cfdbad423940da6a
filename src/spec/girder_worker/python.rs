//! What Python's `str()` makes of the values of a message that stand where a string belongs.

use crate::spec::json::number::python_str;
use crate::spec::json::{Fault, Node, Value};
use crate::spec::jsonpickle::{KEY, Pickle, Pickled, is_tuple};

/// The `str()` of what is neither a string, a number nor an object of a class; `None` of these: they
/// go their own way.
pub(super) fn str_of<'n>(pickle: &Pickle<'n>, node: &'n Node) -> Result<Option<String>, Fault> {
    match pickle.value(node)? {
        // A transform, as a job document has it.
        Pickled::Dict(members) if members.iter().any(|(name, _)| name == "type") => Ok(None),
        Pickled::Scalar(Node { value: Value::Null | Value::Bool(_), .. })
        | Pickled::List(_)
        | Pickled::Dict(_) => repr(pickle, node, DEPTH),
        _ => Ok(None),
    }
}

/// Deeper than any argument; each level costs stack.
const DEPTH: usize = 16;
/// More than Linux passes to a program: what is longer is refused as any other argument.
const MOST: usize = 1 << 18;

fn repr<'n>(pickle: &Pickle<'n>, node: &'n Node, depth: usize) -> Result<Option<String>, Fault> {
    if depth == 0 {
        return Ok(None);
    }
    let all = |items: &mut dyn Iterator<Item = &'n Node>| -> Result<Option<Vec<String>>, Fault> {
        let mut length = 0;
        let mut texts = Vec::new();
        for item in items {
            let Some(text) = repr(pickle, item, depth - 1)? else { return Ok(None) };
            length += text.len();
            if length > MOST {
                return Ok(None);
            }
            texts.push(text);
        }
        Ok(Some(texts))
    };
    Ok(match pickle.value(node)? {
        Pickled::Scalar(scalar) => match &scalar.value {
            Value::Null => Some("None".to_owned()),
            Value::Bool(true) => Some("True".to_owned()),
            Value::Bool(false) => Some("False".to_owned()),
            Value::Number(digits) => python_str(digits),
            Value::String(text) => Some(quoted(text)),
            Value::Array(_) | Value::Object(_) => None,
        },
        Pickled::List(items) => all(&mut items.iter())?.map(|texts| {
            let list = texts.join(", ");
            match (is_tuple(node), texts.len()) {
                (true, 1) => format!("({list},)"),
                (true, _) => format!("({list})"),
                (false, _) => format!("[{list}]"),
            }
        }),
        // Keys that are no strings.
        Pickled::Dict(members) if members.iter().any(|(name, _)| name.starts_with(KEY)) => None,
        Pickled::Dict(members) => all(&mut members.iter().map(|(_, value)| value))?.map(|texts| {
            let names = members.iter().map(|(name, _)| quoted(name));
            let entries: Vec<_> =
                names.zip(texts).map(|(name, text)| format!("{name}: {text}")).collect();
            format!("{{{}}}", entries.join(", "))
        }),
        Pickled::Object(_) | Pickled::Bytes(_) | Pickled::Other(_) => None,
    })
}

/// A string in the quotes that Python puts it in.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c < ' ' || ('\u{7f}'..='\u{a0}').contains(&c) || c == '\u{ad}' => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        // Right-hand sides: CPython 3.11, str() of what the left-hand side is.
        for (json, text) in [
            ("null", "None"),
            ("true", "True"),
            ("false", "False"),
            ("[]", "[]"),
            (r#"[1, 2.5, "a", null]"#, "[1, 2.5, 'a', None]"),
            (r#"[["it's"], ["\"", "'\""]]"#, r#"[["it's"], ['"', '\'"']]"#),
            (r#"{"a": [true]}"#, "{'a': [True]}"),
            (r#"{"py/tuple": [1]}"#, "(1,)"),
            (r#"{"py/tuple": [1, "b"]}"#, "(1, 'b')"),
            (r#"["\n\\\u0001é"]"#, r"['\n\\\x01é']"),
        ] {
            let node = Node::read(json).unwrap();
            let pickle = Pickle::read(&node).unwrap();
            assert_eq!(str_of(&pickle, &node).unwrap().as_deref(), Some(text), "{json}");
        }
        for json in ["1", "\"a\"", r#"{"py/object": "a.B"}"#, r#"[{"py/object": "a.B"}]"#] {
            let node = Node::read(json).unwrap();
            let pickle = Pickle::read(&node).unwrap();
            assert_eq!(str_of(&pickle, &node).unwrap(), None, "{json}");
        }
    }
}
