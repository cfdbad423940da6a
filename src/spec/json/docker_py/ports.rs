//! Ports that the engine opens on the host.
//!
//! A value is a port, a list of them, or an address and a port. What is a tuple in Python is a list
//! in JSON: one of two whose first is an address is such a pair.

use serde_json::{Map, Value, json};

use super::make::string;
use crate::spec::error::Problem;
use crate::spec::json::Fault;
use crate::spec::json::fields::Fields;
use crate::spec::json::node::{Node, Value as Found};

/// Docker's PortBindings.
pub(super) fn bindings(node: &Node) -> Result<Value, Fault> {
    let mut ports = Map::new();
    for (port, value) in Fields::of(node).iter() {
        let port = if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") };
        let bindings = match &value.value {
            Found::Array(items) if !is_pair(items) => items.iter().map(binding).collect(),
            _ => binding(value).map(|binding| vec![binding]),
        };
        ports.insert(port, bindings?.into());
    }
    Ok(Value::Object(ports))
}

fn binding(node: &Node) -> Result<Value, Fault> {
    let of = |address: &str, port: &Node| {
        if is_address(port) {
            return Err(not_a_port(port));
        }
        Ok(json!({"HostIp": address, "HostPort": string(port)}))
    };
    match &node.value {
        Found::Object(_) => {
            let fields = Fields::of(node);
            let port = fields.get("HostPort").map(string).unwrap_or_default();
            let address = fields.optional_text("HostIp").unwrap_or_default();
            Ok(json!({"HostIp": address, "HostPort": port}))
        }
        Found::Array(items) => match items.as_slice() {
            [address, port] if is_address(address) => of(&string(address), port),
            // docker-py's tuple of one.
            [address] if is_address(address) => {
                Ok(json!({"HostIp": string(address), "HostPort": ""}))
            }
            [port] => of("", port),
            _ => Err(not_a_port(node)),
        },
        _ => of("", node),
    }
}

fn is_pair(items: &[Node]) -> bool {
    matches!(items, [address, _] | [address] if is_address(address))
}

/// A port is digits; an address has dots or colons.
fn is_address(node: &Node) -> bool {
    node.as_str().is_some_and(|text| text.contains(['.', ':']))
}

fn not_a_port(node: &Node) -> Fault {
    let expected = "a port of the host, or an address and a port in a list of two".to_owned();
    Fault::new(node.at, Problem::Unexpected { found: node.describe(false), expected })
}
