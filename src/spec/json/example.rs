//! A line to copy, for a member that was given something of a type that it never takes.

use super::Fault;
use super::check::{check, expectation};
use super::fields::Fields;
use super::node::{Node, Value, shortened};
use super::table::{Kind, Member, Words};
use crate::spec::error::Problem;

/// The fault that the value of a member has, with a line that would be right: one value in brackets where a list of such
/// is wanted, and the table's example elsewhere.
pub(super) fn with_line(fault: Fault, member: &Member, value: &Node, words: Words) -> Fault {
    let kinds = match &member.kind {
        Kind::Any(kinds) => kinds,
        kind => std::slice::from_ref(kind),
    };
    let found = value.describe(member.kind.is_secret());
    let (problem, right) = match in_brackets(kinds, member, value, words) {
        // It may have been taken for a mapping.
        Some(right) => {
            let expected = expectation(&member.kind, words);
            (Problem::Unexpected { found, expected }, Some(right))
        }
        None if is_misplaced(&fault, kinds, value) => {
            let example = member.example.map(|json| json.split_whitespace().collect::<Vec<_>>());
            (fault.problem, example.map(|words| words.join(" ")))
        }
        None => return fault,
    };
    let at = if right.is_some() && matches!(value.value, Value::Object(_)) {
        value.at
    } else {
        fault.at
    };
    let problem = match (problem, right) {
        (Problem::Unexpected { found, expected }, Some(right)) => {
            let name = member.name;
            let expected = format!("{expected}, such as `\"{name}\": {right}`");
            Problem::Unexpected { found, expected }
        }
        (problem, _) => problem,
    };
    Fault::new(at, problem)
}

/// What is there, as the only one of the list that is wanted.
fn in_brackets(kinds: &[Kind], member: &Member, value: &Node, words: Words) -> Option<String> {
    let of = kinds.iter().find_map(|kind| match kind {
        Kind::List { of, .. } => Some(*of),
        _ => None,
    })?;
    let one = match &value.value {
        Value::String(text) if !member.kind.is_secret() && shortened(text) == *text => {
            serde_json::Value::from(text.as_str()).to_string()
        }
        Value::Object(_) if is_known(Fields::of(value).type_name(), of, words) => {
            return Some(format!("[{{\"type\": {:?}, …}}]", Fields::of(value).type_name()));
        }
        _ => return None,
    };
    check(value, of, words).is_ok().then(|| format!("[{one}]"))
}

/// Whether an object of this type could be one of a list.
fn is_known(name: &str, of: &Kind, words: Words) -> bool {
    match of {
        Kind::Typed(role) => (words.here)(*role).iter().any(|shape| shape.name == name),
        Kind::Any(kinds) => kinds.iter().any(|kind| is_known(name, kind, words)),
        _ => false,
    }
}

/// Whether the fault is that there is no array or object where only these can be: in the member itself, or in a list of
/// objects.
fn is_misplaced(fault: &Fault, kinds: &[Kind], value: &Node) -> bool {
    let is_one = |kind: &Kind| {
        matches!(kind, Kind::Map { .. } | Kind::Object(_) | Kind::Typed(_) | Kind::Values { .. })
    };
    let is_list = |kind: &Kind| matches!(kind, Kind::List { .. });
    let of_objects =
        |kind: &Kind| matches!(kind, Kind::List { of, .. } if matches!(of, Kind::Typed(_)));
    let is_object = |node: &Node| matches!(node.value, Value::Object(_));
    if let Value::Array(items) = &value.value
        && kinds.iter().any(of_objects)
    {
        return items.iter().any(|item| item.at == fault.at && !is_object(item));
    }
    let wants = kinds.iter().any(|kind| is_one(kind) || is_list(kind));
    let has = match &value.value {
        Value::Object(_) => kinds.iter().any(is_one),
        Value::Array(_) => kinds.iter().any(is_list),
        _ => false,
    };
    wants && !has && fault.at == value.at
}
