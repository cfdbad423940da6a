//! docker-py's keywords by themselves: what `GIRDER_WORKER_DOCKER_RUN_OPTIONS` says.

use super::table::{ENTRYPOINT_LIST, REFUSED};
use super::volumes::{BIND_LIST, VOLUME_MAP, declare_read_only};
use crate::spec::docker_py::RunOptions;
use crate::spec::error::SpecError;
use crate::spec::json::check::check;
use crate::spec::json::docker_py::{KEYWORDS, options, words};
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Kind, Member, Shape, Words};
use crate::spec::json::{Fault, Node, rule};
use crate::spec::vocabulary::declared::Volumes;
use crate::spec::volume::Volume;

impl RunOptions {
    /// Reads the variable's value: a JSON object of docker-py's keywords. Unlike a job's, its
    /// `entrypoint` is split into words when it is a string, and a volume in a list is mounted
    /// read-only unless it says otherwise. `tty` and `detach` are passed over.
    ///
    /// # Errors
    /// As [`JobSpec::from_json`](crate::JobSpec::from_json).
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        read(text, &RUN_OPTIONS, run_options)
    }
}

fn read<T>(
    text: &str,
    shape: &'static Shape,
    make: impl Fn(&Node) -> Result<T, Fault>,
) -> Result<T, SpecError> {
    let document = Node::read(text)?;
    check(&document, &Kind::Object(shape), Words::NONE)
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
        declare_read_only(node, &mut volumes)?;
    }
    let bind = |volume| match volume {
        Volume::Bind(bind) => Some(bind),
        Volume::Temporary(_) => None,
    };
    let volumes = volumes.into_list().into_iter().filter_map(bind).collect();
    Ok(RunOptions { container: options(document)?, entrypoint, volumes })
}

/// What Girder Worker merges into every container. As there, `tty` and `detach` are passed over.
static RUN_OPTIONS: Shape = Shape::new(
    "the run options",
    "docker-py's keywords for every container.",
    &[
        Member::optional(
            "entrypoint",
            Kind::Any(&[Kind::Text(&rule::ARGUMENT), ENTRYPOINT_LIST]),
            "Replaces the image's entrypoint; a string is split as a shell does.",
        )
        .or_null(),
        Member::optional(
            "volumes",
            Kind::Any(&[VOLUME_MAP, BIND_LIST]),
            "Mounted beside the job's; a string without a mode is mounted read-only.",
        )
        .or_null(),
        Member::optional("tty", Kind::Anything, "Passed over."),
        Member::optional("detach", Kind::Anything, "Passed over."),
    ],
)
.with_keywords(KEYWORDS)
.with_refused(REFUSED);
