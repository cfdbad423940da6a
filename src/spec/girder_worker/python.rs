//! What Python's `str()` makes of the values of a message that stand where a string belongs.

use crate::spec::json::number::python_str;
use crate::spec::json::{Fault, Node, Value};
use crate::spec::jsonpickle::{KEY, Made, Object, Pickle, Pickled, is_set, is_tuple};

/// The `str()` of what is neither a string, a number nor an object of a class whose text is not certain; `None` of these:
/// they go their own way.
pub(super) fn str_of<'n>(pickle: &Pickle<'n>, node: &'n Node) -> Result<Option<String>, Fault> {
    match pickle.value(node)? {
        // A transform, as a job document has it.
        Pickled::Dict(members) if members.iter().any(|(name, _)| name == "type") => Ok(None),
        Pickled::Scalar(Node { value: Value::Null | Value::Bool(_), .. })
        | Pickled::List(_)
        | Pickled::Dict(_) => repr(pickle, node, DEPTH),
        Pickled::Made(made) => Ok(path(made).or_else(|| decimal(made))),
        Pickled::Object(object) => Ok(uuid(object)),
        _ => Ok(None),
    }
}

/// The text of a path of `pathlib`.
pub(super) fn path(made: Made<'_>) -> Option<String> {
    let is_path = ["pathlib.PosixPath", "pathlib.PurePosixPath"].contains(&made.by)
        || ["pathlib._local.PosixPath", "pathlib._local.PurePosixPath"].contains(&made.by);
    if !is_path {
        return None;
    }
    let mut joined = String::new();
    for part in made.of {
        let part = part.as_str()?;
        // An absolute part begins anew.
        if part.starts_with('/') {
            joined.clear();
        } else if !joined.is_empty() && !joined.ends_with('/') {
            joined.push('/');
        }
        joined.push_str(part);
    }
    // POSIX lets a system give two slashes at the beginning, and no more, a meaning.
    let slashes = joined.len() - joined.trim_start_matches('/').len();
    let root = match slashes {
        2 => "//",
        0 => "",
        _ => "/",
    };
    let names: Vec<_> = joined.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let path = format!("{root}{}", names.join("/"));
    Some(if path.is_empty() { ".".to_owned() } else { path })
}

/// The text of a `Decimal`, which is made of its own text.
fn decimal(made: Made<'_>) -> Option<String> {
    match (made.by, made.of) {
        ("decimal.Decimal", [text]) => text.as_str().map(str::to_owned),
        _ => None,
    }
}

fn uuid(object: Object<'_>) -> Option<String> {
    if object.class_name() != "uuid.UUID" {
        return None;
    }
    let (_, hex) = object.attributes().find(|(name, _)| *name == "hex")?;
    let hex = hex.as_str().filter(|hex| hex.len() == 32)?;
    let part = |from: usize, to: usize| hex.get(from..to);
    let parts = [part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?];
    Some(parts.join("-"))
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
        // In an order that Python does not keep.
        Pickled::List(_) if is_set(node) => None,
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
        Pickled::Object(_) | Pickled::Made(_) | Pickled::Bytes(_) | Pickled::Other(_) => None,
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

    fn reduced(class: &str, of: &str) -> String {
        format!(r#"{{"py/reduce": [{{"py/type": "{class}"}}, {{"py/tuple": [{of}]}}]}}"#)
    }

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
            // jsonpickle 4.1.4 of Path("/a/b"), Path("a"), Path("."), Decimal("1.50"), UUID(int=5).
            (&reduced("pathlib.PosixPath", r#""/", "a", "b""#), "/a/b"),
            (&reduced("pathlib.PosixPath", r#""a""#), "a"),
            (&reduced("pathlib.PurePosixPath", ""), "."),
            (&reduced("pathlib._local.PosixPath", r#""a//./b", "c/""#), "a/b/c"),
            (&reduced("pathlib.PosixPath", r#""a", "/b""#), "/b"),
            (&reduced("pathlib.PosixPath", r#""//a", "b""#), "//a/b"),
            (&reduced("pathlib.PosixPath", r#""///a""#), "/a"),
            (&reduced("decimal.Decimal", r#""1.50""#), "1.50"),
            (
                r#"{"py/object": "uuid.UUID", "hex": "00000000000000000000000000000005"}"#,
                "00000000-0000-0000-0000-000000000005",
            ),
        ] {
            let node = Node::read(json).unwrap();
            let pickle = Pickle::read(&node).unwrap();
            assert_eq!(str_of(&pickle, &node).unwrap().as_deref(), Some(text), "{json}");
        }
        for json in [
            "1",
            "\"a\"",
            r#"{"py/object": "a.B"}"#,
            r#"[{"py/object": "a.B"}]"#,
            // str() of a set has an order that nobody knows.
            r#"{"py/set": [1]}"#,
            &reduced("pathlib.PureWindowsPath", r#""c:\\", "a""#),
            &reduced("pathlib.PosixPath", "1"),
            &reduced("fractions.Fraction", "1, 3"),
            r#"{"py/object": "uuid.UUID", "hex": "äääääääääääääääää"}"#,
        ] {
            let node = Node::read(json).unwrap();
            let pickle = Pickle::read(&node).unwrap();
            assert_eq!(str_of(&pickle, &node).unwrap(), None, "{json}");
        }
    }

    #[test]
    fn what_is_too_deep_or_too_long_has_no_text() {
        let text = |json: &str| {
            let node = Node::read(json).unwrap();
            str_of(&Pickle::read(&node).unwrap(), &node).unwrap()
        };
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(text(&deep(DEPTH)), Some(deep(DEPTH)));
        assert_eq!(text(&deep(DEPTH + 1)), None);
        // With its quotes.
        let long = |bytes| format!(r#"["{}"]"#, "a".repeat(bytes - 2));
        assert!(text(&long(MOST)).is_some());
        assert_eq!(text(&long(MOST + 1)), None);
    }
}
