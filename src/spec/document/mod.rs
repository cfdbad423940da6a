//! The job document: JSON text into a [`JobSpec`].
//!
//! The text becomes a tree; the tree is held against the tables of what there is (`docker_run`'s
//! parameters in [`table`], docker-py's keywords, the transforms); what has passed is put together.
//! What no table can say, such as that a named volume exists, is found then.

mod girder_job;
mod ids;
mod run_options;
mod table;
#[cfg(test)]
mod tests;
mod volumes;

use table::DOCUMENT;

use super::error::{Problem, SpecError};
use super::json::check::check;
use super::json::fields::Fields;
use super::json::table::Kind;
use super::json::{self, Fault, Node, Value, docker_py, number, shortened};
use super::secret::Secret;
use super::vocabulary::reading::Reading;
use super::vocabulary::{self, WORDS};
use super::{Argument, JobSpec, PullPolicy, Verify};

/// Reads a job document.
pub(super) fn read(text: &str) -> Result<JobSpec, SpecError> {
    // Some editors begin a file with a byte order mark; RFC 8259 lets readers skip it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = Node::read(text)?;
    build(&document).map_err(|fault| fault.located(&document, text))
}

/// Makes a job of a document.
pub(super) fn build(document: &Node) -> Result<JobSpec, Fault> {
    check(document, &Kind::Object(&DOCUMENT), WORDS)?;
    document.without_repetitions()?;
    job(document)
}

fn job(document: &Node) -> Result<JobSpec, Fault> {
    let fields = Fields::of(document);
    let mut reading = vocabulary::reading();
    let mut job = JobSpec::new(fields.text("image")?);

    job.pull = fields.get("pull_image").map_or(PullPolicy::Always, |node| match node.value {
        Value::Bool(true) => PullPolicy::Always,
        Value::Bool(false) => PullPolicy::Never,
        _ => PullPolicy::IfNotPresent,
    });
    job.entrypoint = fields.get("entrypoint").map(|node| match node.as_str() {
        Some(program) => {
            if program.contains(' ') {
                let program = shortened(program);
                reading.warnings.push(format!(
                    "`entrypoint` is one program named {program:?}: a program with arguments is a list"
                ));
            }
            vec![program.to_owned()]
        }
        None => node.items().iter().filter_map(Node::as_str).map(str::to_owned).collect(),
    });
    job.remove_container = removes_container(&fields)?;
    job.girder_api_url = fields.optional_text("girder_api_url").map(str::to_owned);
    job.girder_client_token = fields.optional_text("girder_client_token").map(Secret::new);

    job.verify = fields.optional_text("verify").and_then(Verify::named);

    let is_true = |node: &Node| matches!(node.value, Value::Bool(true));
    job.fast_stdout = fields.get("fast_stdout").is_some_and(is_true);

    job.container = docker_py::options(document)?;
    if let Some(node) = fields.get("volumes") {
        volumes::declare(node, &mut reading)?;
    }
    for node in fields.get("container_args").map(Node::items).unwrap_or_default() {
        job.container_args.push(argument(node, &mut reading)?);
    }
    for node in fields.get("stream_connectors").map(Node::items).unwrap_or_default() {
        job.stream_connectors.push(reading.connect(node)?);
    }
    for node in fields.get("girder_result_hooks").map(Node::items).unwrap_or_default() {
        job.result_hooks.push(reading.hook(node)?);
    }
    let girder_job = fields.get("girder_job").map(Fields::of);
    job.girder_job = girder_job.map(|fields| girder_job::girder_job(&fields)).transpose()?;
    job.volumes = reading.volumes.into_list();
    job.warnings = reading.warnings;
    job.warnings.extend(ids::odd(document));
    Ok(job)
}

/// What `remove_container` and docker-py's names for it say together. Of docker-py's own two, one that
/// is true is enough, as there.
fn removes_container(fields: &Fields<'_>) -> Result<bool, Fault> {
    let says = |name| fields.get(name).and_then(Node::as_bool);
    let ours = says("remove_container");
    let theirs = ["auto_remove", "remove"].map(|name| (name, says(name)));
    let said = |word| theirs.into_iter().find(|(_, says)| *says == Some(word));
    let Some((member, Some(theirs))) = said(true).or_else(|| said(false)) else {
        return Ok(ours.unwrap_or(true));
    };
    if ours.is_some_and(|ours| ours != theirs) {
        let problem = Problem::Exclusive { member, other: "remove_container" };
        return Err(Fault::new(fields.need(member)?.at, problem));
    }
    Ok(theirs)
}

fn argument(node: &Node, reading: &mut Reading) -> Result<Argument, Fault> {
    Ok(match &node.value {
        Value::String(text) => Argument::Literal(text.clone()),
        Value::Number(digits) => Argument::Literal(number::python_str(digits).unwrap_or_default()),
        _ => reading.argument(node)?,
    })
}

/// The JSON Schema (2020-12) of the job document.
///
/// It accepts what [`JobSpec::from_json`](JobSpec::from_json) accepts, but for what a schema
/// cannot say: that a volume that is named exists, that two volumes are not mounted on one path,
/// that two Connects do not share an end, that an address can be parsed. It counts a string's
/// characters where the parser counts bytes.
pub fn schema() -> serde_json::Value {
    let mut schema = json::schema::of(&DOCUMENT, WORDS);
    schema["title"] = "Gantline job".into();
    for row in vocabulary::rows() {
        let class = row.class.as_ref().map_or("Gantline's own", |class| class.name);
        let comment = format!("{}; {class}", row.reads.belongs());
        schema["$defs"][row.shape.name]["$comment"] = comment.into();
    }
    schema
}
