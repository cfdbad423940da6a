//! The JSON Schema of the job document, made of the table that the parser checks with.

use serde_json::{Map, Value, json};

use super::check::MAX_INTEGER;
use super::rule::Rule;
use super::table::{Kind, Member, Relation, Shape};
use crate::spec::document::table::DOCUMENT;
use crate::spec::vocabulary::transform::TRANSFORMS;

/// The JSON Schema (2020-12) of the job document.
///
/// It accepts what [`JobSpec::from_json`](crate::JobSpec::from_json) accepts, but for what a schema
/// cannot say: that a volume that is named exists, that two volumes are not mounted on one path,
/// that two Connects do not share an end, that an address can be parsed. It counts a string's
/// characters where the parser counts bytes.
pub fn schema() -> Value {
    let mut schema = object(&DOCUMENT, false);
    let definitions: Map<String, Value> =
        TRANSFORMS.iter().map(|shape| (shape.name.to_owned(), object(shape, true))).collect();
    insert(&mut schema, "$schema", json!("https://json-schema.org/draft/2020-12/schema"));
    insert(&mut schema, "title", json!("Gantline job"));
    insert(&mut schema, "$defs", Value::Object(definitions));
    schema
}

fn object(shape: &Shape, typed: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if typed {
        let about = "Says which transform this is.";
        properties.insert("type".to_owned(), json!({"const": shape.name, "description": about}));
        required.push("type");
    }
    for member in shape.all_members() {
        properties.insert(member.name.to_owned(), property(member));
        if member.required {
            required.push(member.name);
        }
    }
    let mut schema = json!({
        "title": shape.name,
        "description": shape.about,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if !shape.relations.is_empty() {
        let relations: Vec<Value> = shape.relations.iter().map(relation).collect();
        insert(&mut schema, "allOf", Value::Array(relations));
    }
    schema
}

fn property(member: &Member) -> Value {
    let mut schema = match member.or_null {
        true => or_null(kind(&member.kind)),
        false => kind(&member.kind),
    };
    insert(&mut schema, "title", json!(member.name));
    insert(&mut schema, "description", json!(member.about));
    let value = |json: &str| serde_json::from_str(json).unwrap_or(Value::Null);
    if let Some(default) = member.default {
        insert(&mut schema, "default", value(default));
    }
    if let Some(example) = member.example {
        insert(&mut schema, "examples", json!([value(example)]));
    }
    schema
}

fn or_null(schema: Value) -> Value {
    match schema {
        Value::Object(mut members) if members.contains_key("anyOf") => {
            if let Some(Value::Array(alternatives)) = members.get_mut("anyOf") {
                alternatives.push(json!({"type": "null"}));
            }
            Value::Object(members)
        }
        schema => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Number => json!({"type": "number"}),
        Kind::Whole(most) => json!({"type": "integer", "minimum": 0, "maximum": most}),
        Kind::Integer => {
            json!({"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER})
        }
        Kind::Anything => json!({}),
        Kind::Null => json!({"type": "null"}),
        Kind::Word(word) => json!({"const": word}),
        Kind::Text(rule) => text(rule),
        Kind::List { of, most, .. } => {
            json!({"type": "array", "items": kind(of), "maxItems": most})
        }
        Kind::Map { names, of, most, .. } => json!({
            "type": "object",
            "propertyNames": text(names),
            "additionalProperties": kind(of),
            "maxProperties": most,
        }),
        Kind::Object(shape) => object(shape, false),
        Kind::Typed(shapes) => {
            let reference = |shape: &&Shape| json!({"$ref": format!("#/$defs/{}", shape.name)});
            match shapes {
                [shape] => reference(shape),
                shapes => json!({"anyOf": shapes.iter().map(reference).collect::<Vec<_>>()}),
            }
        }
        Kind::Values { or } => {
            let is = json!({"required": ["type"], "properties": {"type": {"const": or.name}}});
            json!({
                "type": "object",
                "if": is,
                "then": {"$ref": format!("#/$defs/{}", or.name)},
            })
        }
        Kind::Any(kinds) => json!({"anyOf": kinds.iter().map(kind).collect::<Vec<_>>()}),
    }
}

fn text(rule: &Rule) -> Value {
    json!({"type": "string", "pattern": rule.pattern, "maxLength": rule.most})
}

fn relation(relation: &Relation) -> Value {
    // A member that is null counts as left out.
    let there =
        |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
    match relation {
        Relation::Together(one, other) => json!({"anyOf": [
            {"allOf": [there(one), there(other)]},
            {"not": {"anyOf": [there(one), there(other)]}},
        ]}),
        Relation::InContainer(ends) => {
            let inside = |(name, shapes): &(&str, &[&Shape])| {
                let types: Vec<&str> = shapes.iter().map(|shape| shape.name).collect();
                let end = json!({"properties": {"type": {"enum": types}}});
                json!({"properties": {*name: end}})
            };
            json!({"anyOf": ends.iter().map(inside).collect::<Vec<_>>()})
        }
        Relation::Either(one, other) => json!({"anyOf": [there(one), there(other)]}),
        Relation::Exclusive(one, other) => {
            json!({"not": {"allOf": [there(one), there(other)]}})
        }
    }
}

fn insert(schema: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = schema {
        members.insert(name.to_owned(), value);
    }
}
