//! docker-py's keywords: the table of what `containers.run` takes beside what `docker_run` does.
//!
//! A keyword is a member of the job document, and says where its value goes in the body of a create
//! and what is made of it there (`make`). The rest is the document's own: kinds, rules, places.

mod keyword;
mod keywords;
mod limits;
mod make;
mod ports;
pub(in crate::spec) mod rule;
mod shapes;
mod system;
mod units;
pub(in crate::spec) mod words;

pub(in crate::spec) use keyword::Keyword;

use super::Fault;
use super::fields::Fields;
use super::node::{Node, Value};
use crate::spec::docker_py::ContainerOptions;
use crate::spec::error::Problem;

/// The tables, each a part of the subject.
pub(in crate::spec) static KEYWORDS: &[&[Keyword]] =
    &[keywords::CONTAINER, keywords::NETWORK, limits::LIMITS, system::SYSTEM];

/// Takes docker-py's keywords out of an object that was checked.
pub(in crate::spec) fn options(object: &Node) -> Result<ContainerOptions, Fault> {
    let mut options = ContainerOptions::default();
    for (name, node) in Fields::of(object).iter() {
        let mut known = KEYWORDS.iter().copied().flatten();
        let Some(keyword) = known.find(|keyword| keyword.member.name == name) else { continue };
        let value = match node.value {
            Value::Null => serde_json::Value::Null,
            _ => keyword.make.unwrap_or(make::as_it_is)(node)?,
        };
        options.put(keyword.member.name, keyword.goes, value);
    }
    if let Some(ports) = Fields::of(object).get("ports") {
        let none = matches!(&ports.value, Value::Object(ports) if ports.is_empty());
        if options.network_mode() == Some("host") && !none {
            return Err(Fault::new(ports.at, Problem::PortsOfHost));
        }
    }
    Ok(options)
}
