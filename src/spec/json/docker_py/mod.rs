//! docker-py's keywords: the table of what `containers.run` takes beside what `docker_run` does.
//!
//! A keyword is a member of the job document, and says where its value goes in the body of a create
//! and what is made of it there (`make`). The rest is the document's own: kinds, rules, places.

mod keywords;
mod limits;
mod make;
mod ports;
pub(super) mod rule;
mod shapes;
mod system;
mod units;
mod words;

use super::Fault;
use super::check::check;
use super::fields::Fields;
use super::node::{Node, Value};
use super::table::{Kind, Member, Shape};
use super::volumes::Volumes;
use crate::spec::docker_py::{ContainerOptions, Goes, RunOptions};
use crate::spec::error::{Problem, SpecError};
use crate::spec::volume::Volume;

/// The tables, each a part of the subject.
pub(super) static KEYWORDS: &[&[Keyword]] =
    &[keywords::CONTAINER, keywords::NETWORK, limits::LIMITS, system::SYSTEM];

/// One keyword of docker-py.
pub(super) struct Keyword {
    pub(super) member: Member,
    goes: Goes,
    make: Make,
}

/// Makes of a value that was checked what the engine is sent.
type Make = fn(&Node) -> Result<serde_json::Value, Fault>;

impl Keyword {
    const fn new(name: &'static str, kind: Kind, goes: Goes, about: &'static str) -> Self {
        let member = Member::optional(name, kind, about).or_null();
        Self { member, goes, make: make::as_it_is }
    }

    const fn made_by(mut self, make: Make) -> Self {
        self.make = make;
        self
    }

    const fn example(mut self, json: &'static str) -> Self {
        self.member = self.member.example(json);
        self
    }
}

/// Takes docker-py's keywords out of an object that was checked.
pub(super) fn options(object: &Node) -> Result<ContainerOptions, Fault> {
    let mut options = ContainerOptions::default();
    for (name, node) in Fields::of(object).iter() {
        let mut known = KEYWORDS.iter().copied().flatten();
        let Some(keyword) = known.find(|keyword| keyword.member.name == name) else { continue };
        let value = match node.value {
            Value::Null => serde_json::Value::Null,
            _ => (keyword.make)(node)?,
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

/// Reads one keyword and its value.
pub(in crate::spec) fn read_one(text: &str) -> Result<ContainerOptions, SpecError> {
    read(text, &ONE, options)
}

/// Reads the value of `GIRDER_WORKER_DOCKER_RUN_OPTIONS`.
pub(in crate::spec) fn read_run_options(text: &str) -> Result<RunOptions, SpecError> {
    read(text, &RUN_OPTIONS, run_options)
}

fn read<T>(
    text: &str,
    shape: &'static Shape,
    make: impl Fn(&Node) -> Result<T, Fault>,
) -> Result<T, SpecError> {
    let document = Node::read(text)?;
    check(&document, &Kind::Object(shape))
        .and_then(|()| document.without_repetitions())
        .and_then(|()| make(&document))
        .map_err(|fault| SpecError::new(document.place(text, fault.at), fault.problem))
}

fn run_options(document: &Node) -> Result<RunOptions, Fault> {
    let fields = Fields::of(document);
    let entrypoint = match fields.get("entrypoint") {
        None => None,
        Some(node) => Some(words::command(node)?),
    };
    let mut volumes = Volumes::default();
    if let Some(node) = fields.get("volumes") {
        volumes.declare_read_only(node)?;
    }
    let bind = |volume| match volume {
        Volume::Bind(bind) => Some(bind),
        Volume::Temporary(_) => None,
    };
    let volumes = volumes.into_list().into_iter().filter_map(bind).collect();
    Ok(RunOptions { container: options(document)?, entrypoint, volumes })
}

static ONE: Shape =
    Shape::new("docker-py's run", "a job", "One keyword.", &[]).with_keywords(KEYWORDS);

/// What Girder Worker merges into every container. As there, `tty` and `detach` are passed over.
static RUN_OPTIONS: Shape = Shape::new(
    "the run options",
    "GIRDER_WORKER_DOCKER_RUN_OPTIONS",
    "docker-py's keywords for every container.",
    &[
        Member::optional(
            "entrypoint",
            Kind::Any(&[Kind::Text(&super::rule::ARGUMENT), super::document::ENTRYPOINT_LIST]),
            "Replaces the image's entrypoint; a string is split as a shell does.",
        )
        .or_null(),
        Member::optional(
            "volumes",
            Kind::Any(&[super::document::VOLUME_MAP, shapes::BIND_LIST]),
            "Mounted beside the job's; a string without a mode is mounted read-only.",
        )
        .or_null(),
        Member::optional("tty", Kind::Anything, "Passed over."),
        Member::optional("detach", Kind::Anything, "Passed over."),
    ],
)
.with_keywords(KEYWORDS)
.with_refused(super::document::REFUSED);
