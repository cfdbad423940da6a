//! The member `volumes`: docker-py's mapping, its strings, or volume objects.

use std::collections::HashSet;

use crate::spec::error::Problem;
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member, Relation, Role, Shape};
use crate::spec::json::{Fault, Node, Value, rule, shortened};
use crate::spec::limits::MAX_VOLUMES;
use crate::spec::vocabulary::declared::{Volumes, mode_or_rw};
use crate::spec::vocabulary::reading::Reading;
use crate::spec::volume::BindMount;

pub(super) const VOLUME_MAP: Kind = Kind::Map {
    names: &rule::BIND_HOST,
    of: &Kind::Any(&[Kind::Text(&rule::MOUNT_POINT), Kind::Object(&DOCKER_BIND)]),
    most: MAX_VOLUMES,
    unit: "volumes",
};

pub(super) const VOLUME_LIST: Kind = Kind::List {
    of: &Kind::Any(&[Kind::Text(&rule::BIND), Kind::Typed(Role::Volume)]),
    most: MAX_VOLUMES,
    unit: "volumes",
};

/// The value of docker-py's mapping of volumes.
static DOCKER_BIND: Shape = Shape::new(
    "docker-py's volume",
    "Where a path of the host, or an engine's volume, is mounted.",
    &[
        Member::required("bind", Kind::Text(&rule::MOUNT_POINT), "The path in the container.")
            .example(r#""/mnt/data""#),
        Member::optional("mode", Kind::Text(&rule::MODE), "docker's mode.").default(r#""rw""#),
        Member::optional("ro", Kind::Bool, "true is mode `ro`, false `rw`."),
        Member::optional(
            "propagation",
            Kind::Text(&rule::PROPAGATION),
            "How mounts beneath it spread; added to the mode.",
        ),
    ],
)
.with_relations(&[Relation::Exclusive("mode", "ro")]);

/// docker-py's strings of volumes, and no transforms.
pub(super) const BIND_LIST: Kind =
    Kind::List { of: &Kind::Text(&rule::BIND), most: MAX_VOLUMES, unit: "volumes" };

/// Takes `volumes`, in any of its three forms.
pub(super) fn declare(node: &Node, reading: &mut Reading) -> Result<(), Fault> {
    let mut listed = HashSet::new();
    for item in node.items() {
        let volume = match item.as_str() {
            Some(text) => reading.volumes.bind(docker_string(text), item.at)?,
            None => reading.volume(item)?,
        };
        if !listed.insert(volume)
            && let Some(name) = reading.volumes.name_of(volume)
        {
            let name = shortened(name);
            reading.warnings.push(format!(
                "`volumes` has two temporary volumes named `{name}`: they are one folder"
            ));
        }
    }
    declare_mapping(node, &mut reading.volumes)
}

/// Takes volumes without transforms, of which a string without a mode is mounted read-only.
pub(super) fn declare_read_only(node: &Node, volumes: &mut Volumes) -> Result<(), Fault> {
    for item in node.items() {
        let text = item.as_str().unwrap_or_default();
        let mut bind = docker_string(text);
        if text.contains(':') && text.split(':').nth(2).is_none() {
            bind.mode = "ro".to_owned();
        }
        volumes.bind(bind, item.at)?;
    }
    declare_mapping(node, volumes)
}

fn declare_mapping(node: &Node, volumes: &mut Volumes) -> Result<(), Fault> {
    if matches!(node.value, Value::Object(_)) {
        for (host_path, value) in Fields::of(node).iter() {
            volumes.bind(docker_mapping(host_path, value)?, value.at)?;
        }
    }
    Ok(())
}

/// docker-py's string; the rule has seen that it has at most three parts.
fn docker_string(text: &str) -> BindMount {
    let Some(_) = text.find(':') else {
        let (host_path, mode) = (BindMount::ANONYMOUS.to_owned(), mode_or_rw(None));
        return BindMount { host_path, container_path: text.to_owned(), mode };
    };
    let mut parts = text.split(':');
    let mut part = || parts.next().unwrap_or_default();
    BindMount {
        host_path: part().to_owned(),
        container_path: part().to_owned(),
        mode: mode_or_rw(parts.next()),
    }
}

/// One entry of docker-py's mapping: a path in the container, or an object with it.
fn docker_mapping(host_path: &str, node: &Node) -> Result<BindMount, Fault> {
    let host_path = host_path.to_owned();
    if let Some(path) = node.as_str() {
        let container_path = path.to_owned();
        return Ok(BindMount { host_path, container_path, mode: "rw".to_owned() });
    }
    let fields = Fields::of(node);
    let container_path = fields.text("bind")?.to_owned();
    let mut mode = match fields.get("ro").and_then(Node::as_bool) {
        Some(true) => "ro".to_owned(),
        Some(false) => "rw".to_owned(),
        None => mode_or_rw(fields.optional_text("mode")),
    };
    if let Some(propagation) = fields.optional_text("propagation") {
        mode = format!("{mode},{propagation}");
        if !rule::is_mode(&mode) {
            let problem = Problem::Exclusive { member: "propagation", other: "mode" };
            return Err(Fault::new(node.at, problem));
        }
    }
    Ok(BindMount { host_path, container_path, mode })
}
