//! What becomes of the value of a keyword: docker-py's conversions, one function each.
//!
//! Values have been checked against the table. What it excludes becomes null here, never a panic.

use serde_json::{Map, Value, json};

use super::units;
use crate::spec::error::Problem;
use crate::spec::json::Fault;
use crate::spec::json::check::integer;
use crate::spec::json::fields::Fields;
use crate::spec::json::node::{Node, Value as Found, too_many};
use crate::spec::json::number::python_str;
use crate::spec::json::rule::MAX_ARGUMENT_BYTES;

/// Whatever JSON says, unchanged.
pub(super) fn as_it_is(node: &Node) -> Result<Value, Fault> {
    Ok(plain(node))
}

/// A number of bytes, however it is written.
pub(super) fn bytes(node: &Node) -> Result<Value, Fault> {
    let Some(text) = node.as_str() else { return Ok(plain(node)) };
    let too_large = || {
        let expected = "fewer than 2^63 bytes".to_owned();
        Fault::new(node.at, Problem::Unexpected { found: node.describe(false), expected })
    };
    units::bytes(text).map(Value::from).ok_or_else(too_large)
}

/// A name, or a number that stands for one.
pub(super) fn text(node: &Node) -> Result<Value, Fault> {
    Ok(string(node).into())
}

/// A list of those.
pub(super) fn texts(node: &Node) -> Result<Value, Fault> {
    Ok(node.items().iter().map(string).collect())
}

/// `NAME=value`; without a value, `NAME`.
pub(super) fn environment(node: &Node) -> Result<Value, Fault> {
    let variable = |(name, value): (&str, &Node)| {
        let variable = match value.value {
            Found::Null => name.to_owned(),
            _ => format!("{name}={}", string(value)),
        };
        match variable.len() {
            bytes if bytes > MAX_ARGUMENT_BYTES => Err(Fault::new(
                value.at,
                too_many(bytes, "bytes of a variable", MAX_ARGUMENT_BYTES),
            )),
            _ => Ok(Value::from(variable)),
        }
    };
    match node.value {
        Found::Object(_) => Fields::of(node).iter().map(variable).collect(),
        _ => Ok(plain(node)),
    }
}

/// Names without values have empty ones.
pub(super) fn labels(node: &Node) -> Result<Value, Fault> {
    let empty = |name: &Node| (string(name), Value::from(""));
    Ok(match node.value {
        Found::Array(ref names) => Value::Object(names.iter().map(empty).collect()),
        _ => plain(node),
    })
}

/// `host:address`, sorted.
pub(super) fn extra_hosts(node: &Node) -> Result<Value, Fault> {
    Ok(mapping_or_list(node, |fields| {
        sorted(fields.iter().map(|(host, address)| format!("{host}:{}", string(address))))
    }))
}

/// `container:alias`, sorted.
pub(super) fn links(node: &Node) -> Result<Value, Fault> {
    let link = |(container, alias): (&str, &Node)| match string(alias) {
        alias if alias.is_empty() => container.to_owned(),
        alias => format!("{container}:{alias}"),
    };
    let pairs = node.items().iter().map(|pair| match pair.items() {
        [container, alias] => link((&string(container), alias)),
        items => items.iter().map(string).collect(),
    });
    Ok(sorted(Fields::of(node).iter().map(link).chain(pairs)))
}

/// The values as text.
pub(super) fn sysctls(node: &Node) -> Result<Value, Fault> {
    let sysctl = |(name, value): (&str, &Node)| (name.to_owned(), string(value).into());
    Ok(Value::Object(Fields::of(node).iter().map(sysctl).collect()))
}

/// `path:options` as a mapping.
pub(super) fn tmpfs(node: &Node) -> Result<Value, Fault> {
    let mount = |text: &Node| {
        let text = string(text);
        let (path, options) = text.split_once(':').unwrap_or((&text, ""));
        (path.to_owned(), options.into())
    };
    Ok(match node.value {
        Found::Array(ref mounts) => Value::Object(mounts.iter().map(mount).collect()),
        _ => plain(node),
    })
}

/// A text is a list with commas.
pub(super) fn volumes_from(node: &Node) -> Result<Value, Fault> {
    Ok(match node.as_str() {
        Some(text) => text.split(',').collect(),
        None => plain(node),
    })
}

/// `host:container:permissions` as the engine's object.
pub(super) fn devices(node: &Node) -> Result<Value, Fault> {
    let device = |node: &Node| match node.as_str() {
        None => plain(node),
        Some(text) => {
            let mut parts = text.split(':');
            let host = parts.next().unwrap_or_default();
            let container = parts.next().unwrap_or(host);
            json!({
                "PathOnHost": host,
                "PathInContainer": container,
                "CgroupPermissions": parts.next().unwrap_or("rwm"),
            })
        }
    };
    Ok(node.items().iter().map(device).collect())
}

/// With every member, as docker-py sends it.
pub(super) fn device_requests(node: &Node) -> Result<Value, Fault> {
    let request = |node: &Node| {
        let of = |ours, engines, default| either(node, ours, engines).map_or(default, plain);
        json!({
            "Driver": of("driver", "Driver", "".into()),
            "Count": of("count", "Count", 0.into()),
            "DeviceIDs": of("device_ids", "DeviceIDs", json!([])),
            "Capabilities": of("capabilities", "Capabilities", json!([])),
            "Options": of("options", "Options", json!({})),
        })
    };
    Ok(node.items().iter().map(request).collect())
}

/// With every member, as docker-py sends it.
pub(super) fn ulimits(node: &Node) -> Result<Value, Fault> {
    let ulimit = |node: &Node| {
        let of = |ours, engines| either(node, ours, engines).map_or(Value::Null, plain);
        json!({"Name": of("name", "Name"), "Soft": of("soft", "Soft"), "Hard": of("hard", "Hard")})
    };
    Ok(node.items().iter().map(ulimit).collect())
}

/// A text is a command for the shell.
pub(super) fn healthcheck(node: &Node) -> Result<Value, Fault> {
    let of = |ours, engines| either(node, ours, engines).map_or(Value::Null, plain);
    let test = match of("test", "Test") {
        Value::String(command) => json!(["CMD-SHELL", command]),
        test => test,
    };
    Ok(json!({
        "Test": test,
        "Interval": of("interval", "Interval"),
        "Timeout": of("timeout", "Timeout"),
        "Retries": of("retries", "Retries"),
        "StartPeriod": of("start_period", "StartPeriod"),
    }))
}

/// With both members, as docker-py sends it.
pub(super) fn log_config(node: &Node) -> Result<Value, Fault> {
    let driver = either(node, "type", "Type").map_or(Value::Null, plain);
    let options = either(node, "config", "Config").map_or(json!({}), plain);
    Ok(json!({"Type": driver, "Config": options}))
}

/// The value as JSON says it.
pub(super) fn plain(node: &Node) -> Value {
    match &node.value {
        Found::Null => Value::Null,
        Found::Bool(value) => (*value).into(),
        Found::Number(digits) => match integer(digits) {
            Some(whole) => whole.into(),
            None => serde_json::from_str(digits).unwrap_or(Value::Null),
        },
        Found::String(text) => text.as_str().into(),
        Found::Array(items) => items.iter().map(plain).collect(),
        Found::Object(members) => {
            let member = |(name, node): &(String, Node)| (name.clone(), plain(node));
            Value::Object(members.iter().map(member).collect::<Map<_, _>>())
        }
    }
}

/// A scalar as Python's `str` has it.
pub(super) fn string(node: &Node) -> String {
    match &node.value {
        Found::String(text) => text.clone(),
        Found::Number(digits) => python_str(digits).unwrap_or_default(),
        Found::Bool(true) => "True".to_owned(),
        Found::Bool(false) => "False".to_owned(),
        Found::Null | Found::Array(_) | Found::Object(_) => String::new(),
    }
}

/// The member by docker-py's name, or by the engine's.
fn either<'n>(node: &'n Node, ours: &str, engines: &str) -> Option<&'n Node> {
    let fields = Fields::of(node);
    fields.get(ours).or_else(|| fields.get(engines))
}

fn mapping_or_list(node: &Node, list: impl Fn(Fields<'_>) -> Value) -> Value {
    match node.value {
        Found::Object(_) => list(Fields::of(node)),
        _ => plain(node),
    }
}

fn sorted(entries: impl Iterator<Item = String>) -> Value {
    let mut entries: Vec<String> = entries.collect();
    entries.sort_unstable();
    entries.into()
}
