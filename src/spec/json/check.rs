//! Holds a value of the document against the table.

use super::Fault;
use super::example::with_line;
use super::fields::Fields;
use super::node::{Node, Value, shortened, too_many};
use super::number::python_str;
use super::rule::{self, Rule};
use super::table::{Kind, Member, Relation, Role, Shape, Words};
use crate::spec::error::{Hint, Problem};

/// Finds the first thing in `node` that `kind` does not allow.
pub(in crate::spec) fn check(node: &Node, kind: &Kind, words: Words) -> Result<(), Fault> {
    match (kind, &node.value) {
        (Kind::Bool, Value::Bool(_)) => Ok(()),
        (Kind::Number, Value::Number(digits)) => match python_str(digits) {
            Some(text) if rule::ARGUMENT.accepts(&text) => Ok(()),
            _ => Err(unexpected(node, kind, words)),
        },
        (Kind::Whole(most), Value::Number(digits)) => match whole(digits) {
            Some(number) if number <= *most => Ok(()),
            _ => Err(unexpected(node, kind, words)),
        },
        (Kind::Integer, Value::Number(digits)) if integer(digits).is_some() => Ok(()),
        (Kind::Anything, _) | (Kind::Null, Value::Null) => Ok(()),
        (Kind::Word(word), Value::String(text)) if text == word => Ok(()),
        (Kind::Text(rule), Value::String(text)) if rule.accepts(text) => Ok(()),
        (Kind::List { of, most, unit }, Value::Array(items)) => {
            if items.len() > *most {
                return Err(Fault::new(node.at, too_many(items.len(), unit, *most)));
            }
            items.iter().try_for_each(|item| check(item, of, words))
        }
        (Kind::Map { names, of, most, unit }, Value::Object(members)) => {
            if members.len() > *most {
                return Err(Fault::new(node.at, too_many(members.len(), unit, *most)));
            }
            members
                .iter()
                .try_for_each(|(name, member)| entry(node, name, member, (names, of), words))
        }
        (Kind::Object(shape), Value::Object(members)) => {
            object(node, members, (shape, false), words)
        }
        (Kind::Typed(role), Value::Object(members)) => typed(node, members, *role, words),
        (Kind::Values { or }, Value::Object(members)) => {
            if let Some(shape) = (words.named)(Fields::of(node).type_name(), *or) {
                return object(node, members, (shape, true), words);
            }
            members.iter().try_for_each(|(_, value)| free(value))
        }
        // Strings try every alternative; of the other types of JSON there is one at most, and it
        // says more about what is wrong than a list of all.
        (Kind::Any(kinds), _) => match kinds.iter().find(|kind| same_json_type(node, kind)) {
            Some(Kind::Text(_) | Kind::Word(_)) | None => {
                let fits = kinds.iter().any(|kind| check(node, kind, words).is_ok());
                if fits { Ok(()) } else { Err(unexpected(node, kind, words)) }
            }
            Some(kind) => check(node, kind, words),
        },
        _ => Err(unexpected(node, kind, words)),
    }
}

/// Finds the first thing in a value of any kind that cannot be kept as it is.
fn free(node: &Node) -> Result<(), Fault> {
    match &node.value {
        Value::Number(_) => check(node, &Kind::Number, Words::NONE),
        Value::Array(items) => items.iter().try_for_each(free),
        Value::Object(members) => members.iter().try_for_each(|(_, value)| free(value)),
        _ => Ok(()),
    }
}

/// The value of a whole number that fits 53 bits, however it is written: to JSON Schema `5.0` is an
/// integer too.
pub(in crate::spec) fn whole(digits: &str) -> Option<u64> {
    const MOST: f64 = 9_007_199_254_740_991.0;
    let number: f64 = digits.parse().ok()?;
    let whole = number.fract() == 0.0 && (0.0..=MOST).contains(&number);
    whole.then(|| format!("{}", number.abs()).parse().ok()).flatten()
}

/// The value of a whole number, up to where 64-bit floats have gaps.
pub(in crate::spec) fn integer(digits: &str) -> Option<i64> {
    let number: f64 = digits.parse().ok()?;
    let whole = number.fract() == 0.0 && number.abs() <= MAX_INTEGER;
    // `abs` makes 0 of -0.
    let number = if number == 0.0 { 0.0 } else { number };
    whole.then(|| format!("{number}").parse().ok()).flatten()
}

/// 2^53: from there on, not every whole number has a 64-bit float.
pub(in crate::spec) const MAX_INTEGER: f64 = 9_007_199_254_740_992.0;

/// One entry of a map whose names keep to a rule.
fn entry(
    map: &Node,
    name: &str,
    value: &Node,
    (names, of): (&Rule, &Kind),
    words: Words,
) -> Result<(), Fault> {
    if names.accepts(name) {
        return check(value, of, words);
    }
    if let Some(problem) = names.too_long(name) {
        return Err(Fault::new(map.at, problem));
    }
    let expected = names.expected.to_owned();
    if let Some(path) = relative(name, &expected) {
        let found = shortened(path);
        return Err(Fault::new(value.at, Problem::NotAbsolute { found, expected }));
    }
    // The path of the value would show a name that may be a secret in the wrong place.
    let (at, found) = match names.secret {
        true => (map.at, "another name".to_owned()),
        false => (value.at, format!("the name {:?}", shortened(name))),
    };
    Err(Fault::new(at, Problem::Unexpected { found, expected }))
}

fn typed(node: &Node, members: &[(String, Node)], role: Role, words: Words) -> Result<(), Fault> {
    let Some((_, kind)) = members.iter().find(|(name, _)| name == "type") else {
        let problem = Problem::Missing { owner: "a transform", member: "type" };
        return Err(Fault::new(node.at, problem));
    };
    let Value::String(name) = &kind.value else {
        let expected = "the name of a transform".to_owned();
        let problem = Problem::Unexpected { found: kind.describe(false), expected };
        return Err(Fault::new(kind.at, problem));
    };
    if let Some(shape) = (words.named)(name, role) {
        return object(node, members, (shape, true), words);
    }
    let everywhere = (words.everywhere)();
    let elsewhere = everywhere.iter().find(|(shape, _)| shape.name == name);
    let problem = if let Some((shape, belongs)) = elsewhere {
        Problem::Misplaced { name: shape.name, belongs, expected: types(role, words) }
    } else {
        let known = (words.here)(role).into_iter().map(|shape| shape.name);
        let others = everywhere.iter().map(|(shape, _)| shape.name);
        let hint = match Hint::new(name, known.clone().chain(others)) {
            Hint::Known(_) => Hint::Known(known.map(str::to_owned).collect()),
            nearest => nearest,
        };
        Problem::UnknownType { name: shortened(name), hint }
    };
    Err(Fault::new(kind.at, problem))
}

fn object(
    node: &Node,
    members: &[(String, Node)],
    (shape, typed): (&'static Shape, bool),
    words: Words,
) -> Result<(), Fault> {
    for (name, value) in members {
        if typed && name == "type" {
            continue;
        }
        let Some(member) = shape.member(name) else {
            return Err(Fault::new(value.at, unknown_member(shape, name)));
        };
        if !(member.or_null && matches!(value.value, Value::Null)) {
            let checked = check(value, &member.kind, words);
            checked.map_err(|fault| with_line(fault, member, value, words))?;
        }
    }
    let there = |name: &str| {
        members.iter().any(|(other, node)| other == name && !matches!(node.value, Value::Null))
    };
    if let Some(Member { name: member, .. }) =
        shape.all_members().find(|member| member.required && !there(member.name))
    {
        return Err(Fault::new(node.at, Problem::Missing { owner: shape.name, member }));
    }
    for relation in shape.relations {
        let problem = match relation {
            Relation::Together(one, other) => match (there(one), there(other)) {
                (true, false) => Problem::Incomplete { member: one, other },
                (false, true) => Problem::Incomplete { member: other, other: one },
                _ => continue,
            },
            Relation::Either(one, other) if there(one) || there(other) => continue,
            Relation::Either(member, _) => Problem::Missing { owner: shape.name, member },
            Relation::Exclusive(one, other) if there(one) && there(other) => {
                Problem::Exclusive { member: one, other }
            }
            Relation::Exclusive(..) => continue,
            Relation::OneIs(ends) => {
                let is = |(name, role): &(&str, Role)| {
                    let end = members.iter().find(|(other, _)| other == name);
                    let kind = end.map_or("", |(_, end)| Fields::of(end).type_name());
                    (words.named)(kind, *role).is_some()
                };
                if ends.iter().any(is) {
                    continue;
                }
                Problem::NotInContainer
            }
        };
        return Err(Fault::new(node.at, problem));
    }
    Ok(())
}

fn unknown_member(shape: &'static Shape, name: &str) -> Problem {
    if let Some((member, why)) = shape.refused.iter().find(|(member, _)| *member == name) {
        return Problem::Refused { member, why };
    }
    let known = shape.all_members().map(|member| member.name).filter(|name| !name.starts_with('$'));
    let hint = match Hint::new(name, known) {
        Hint::Known(_) if !shape.keywords.is_empty() => {
            Hint::KnownAndKeywords(shape.own_names().map(str::to_owned).collect())
        }
        hint => hint,
    };
    Problem::UnknownMember { owner: shape.name, member: shortened(name), hint }
}

fn same_json_type(node: &Node, kind: &Kind) -> bool {
    matches!(
        (&node.value, kind),
        (Value::Bool(_), Kind::Bool)
            | (Value::Null, Kind::Null)
            | (_, Kind::Anything)
            | (Value::Number(_), Kind::Number | Kind::Whole(_) | Kind::Integer)
            | (Value::String(_), Kind::Word(_) | Kind::Text(_))
            | (Value::Array(_), Kind::List { .. })
            | (
                Value::Object(_),
                Kind::Map { .. } | Kind::Object(_) | Kind::Typed(_) | Kind::Values { .. }
            )
    )
}

fn unexpected(node: &Node, kind: &Kind, words: Words) -> Fault {
    if let Some(problem) = node.as_str().and_then(|text| too_long(text, kind)) {
        return Fault::new(node.at, problem);
    }
    let expected = expectation(kind, words);
    if let Some(path) = node.as_str().and_then(|text| relative(text, &expected)) {
        return Fault::new(node.at, Problem::NotAbsolute { found: shortened(path), expected });
    }
    Fault::new(node.at, Problem::Unexpected { found: node.describe(kind.is_secret()), expected })
}

/// What of a text is too long, if that is all that is wrong with it.
fn too_long(text: &str, kind: &Kind) -> Option<Problem> {
    match kind {
        Kind::Text(rule) => rule.too_long(text),
        Kind::Any(kinds) => kinds.iter().find_map(|kind| too_long(text, kind)),
        _ => None,
    }
}

/// The path in a text, if it is one of the host that only its author can make absolute.
fn relative<'t>(text: &'t str, expected: &str) -> Option<&'t str> {
    if !expected.contains("path of the host") {
        return None;
    }
    // `host:container`
    let path = text.split(':').next().unwrap_or_default();
    // A name alone may be meant as an engine's volume, where there can be one.
    let is_alone = expected == rule::HOST_FOLDER.expected && !path.is_empty();
    let is_relative = is_alone || path.starts_with(['~', '$', '.']) || path.contains('/');
    (is_relative && !path.starts_with('/')).then_some(path)
}

/// What `kind` would take, in words.
pub(super) fn expectation(kind: &Kind, words: Words) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Number => "a number (one that a 64-bit float can hold)".to_owned(),
        Kind::Whole(most) => format!("a whole number from 0 to {most}"),
        Kind::Integer => "a whole number".to_owned(),
        Kind::Anything => "anything".to_owned(),
        Kind::Null => "null".to_owned(),
        Kind::Word(word) => format!("{word:?}"),
        Kind::Text(rule) => rule.expected.to_owned(),
        Kind::List { unit, .. } => format!("an array of {unit}"),
        Kind::Map { unit, .. } => format!("an object of {unit}"),
        Kind::Object(shape) => format!("an object ({})", shape.name),
        Kind::Typed(role) => types(*role, words),
        Kind::Values { or } => format!("an object of values, or {}", types(*or, words)),
        Kind::Any(kinds) => {
            alternatives(kinds.iter().map(|kind| expectation(kind, words)).collect())
        }
    }
}

fn types(role: Role, words: Words) -> String {
    let names = (words.here)(role).into_iter().map(|shape| shape.name.to_owned());
    format!("an object of type {}", alternatives(names.collect()))
}

fn alternatives(mut words: Vec<String>) -> String {
    match words.pop() {
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
        None => "nothing".to_owned(),
    }
}
