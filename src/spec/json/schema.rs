//! The JSON Schema of the job document, made of the table that the parser checks with.

use serde_json::{Map, Value, json};

use super::check::MAX_INTEGER;
use super::rule::Rule;
use super::table::{Kind, Member, Relation, Role, Shape, Words};

/// The schema of an object without a `type`, with those that have one in its `$defs`.
pub(in crate::spec) fn of(shape: &Shape, words: Words) -> Value {
    let maker = Maker { words };
    let mut schema = maker.object(shape, false);
    let everywhere = (words.everywhere)().into_iter();
    let definitions: Map<String, Value> =
        everywhere.map(|(shape, _)| (shape.name.to_owned(), maker.object(shape, true))).collect();
    insert(&mut schema, "$schema", json!("https://json-schema.org/draft/2020-12/schema"));
    insert(&mut schema, "$defs", Value::Object(definitions));
    schema
}

#[derive(Clone, Copy)]
struct Maker {
    words: Words,
}

impl Maker {
    fn object(self, shape: &Shape, typed: bool) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        if typed {
            let about = "Says which transform this is.";
            properties
                .insert("type".to_owned(), json!({"const": shape.name, "description": about}));
            required.push("type");
        }
        for member in shape.all_members() {
            properties.insert(member.name.to_owned(), self.property(member));
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
        if typed {
            insert(&mut schema, "examples", json!([example(shape)]));
        }
        if !shape.relations.is_empty() {
            let relations: Vec<Value> =
                shape.relations.iter().map(|relation| self.relation(relation)).collect();
            insert(&mut schema, "allOf", Value::Array(relations));
        }
        schema
    }

    fn property(self, member: &Member) -> Value {
        let mut schema = match member.or_null {
            true => or_null(self.kind(&member.kind)),
            false => self.kind(&member.kind),
        };
        insert(&mut schema, "title", json!(member.name));
        insert(&mut schema, "description", json!(member.about));
        if let Some(default) = member.default {
            insert(&mut schema, "default", value(default));
        }
        if let Some(example) = member.example {
            insert(&mut schema, "examples", json!([value(example)]));
        }
        schema
    }

    fn kind(self, of: &Kind) -> Value {
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
                json!({"type": "array", "items": self.kind(of), "maxItems": most})
            }
            Kind::Map { names, of, most, .. } => json!({
                "type": "object",
                "propertyNames": text(names),
                "additionalProperties": self.kind(of),
                "maxProperties": most,
            }),
            Kind::Object(shape) => self.object(shape, false),
            Kind::Typed(role) => {
                let reference = |shape: &&Shape| json!({"$ref": format!("#/$defs/{}", shape.name)});
                match (self.words.here)(*role).as_slice() {
                    [shape] => reference(shape),
                    shapes => json!({"anyOf": shapes.iter().map(reference).collect::<Vec<_>>()}),
                }
            }
            Kind::Values { or } => {
                let is = json!({"required": ["type"], "properties": {"type": self.one_of(*or)}});
                json!({"type": "object", "if": is, "then": self.kind(&Kind::Typed(*or))})
            }
            Kind::Any(kinds) => {
                let kinds: Vec<_> = kinds.iter().map(|kind| self.kind(kind)).collect();
                json!({"anyOf": kinds})
            }
        }
    }

    fn relation(self, relation: &Relation) -> Value {
        // A member that is null counts as left out.
        let there = |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
        match relation {
            Relation::Together(one, other) => json!({"anyOf": [
                {"allOf": [there(one), there(other)]},
                {"not": {"anyOf": [there(one), there(other)]}},
            ]}),
            Relation::OneIs(ends) => {
                let is = |(name, role): &(&str, Role)| {
                    let end = json!({"properties": {"type": self.one_of(*role)}});
                    json!({"properties": {*name: end}})
                };
                json!({"anyOf": ends.iter().map(is).collect::<Vec<_>>()})
            }
            Relation::Either(one, other) => json!({"anyOf": [there(one), there(other)]}),
            Relation::Exclusive(one, other) => {
                json!({"not": {"allOf": [there(one), there(other)]}})
            }
        }
    }

    /// What `type` says of an object that may stand in a place.
    fn one_of(self, role: Role) -> Value {
        let shapes = (self.words.here)(role);
        json!({"enum": shapes.iter().map(|shape| shape.name).collect::<Vec<_>>()})
    }
}

/// The shortest object of a kind: with what must be there.
fn example(shape: &Shape) -> Value {
    let mut members = Map::new();
    members.insert("type".to_owned(), json!(shape.name));
    for member in shape.all_members().filter(|member| member.required) {
        members.insert(member.name.to_owned(), member.example.map_or(Value::Null, value));
    }
    Value::Object(members)
}

/// What the table says as JSON.
fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
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

fn text(rule: &Rule) -> Value {
    json!({"type": "string", "pattern": rule.pattern, "maxLength": rule.most})
}

fn insert(schema: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = schema {
        members.insert(name.to_owned(), value);
    }
}
