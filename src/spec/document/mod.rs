//! The job document: JSON text into a [`JobSpec`].
//!
//! The text becomes a tree, the tree is held against the table of what there is ([`table`], and the
//! transforms' in `vocabulary`), and what has passed is put together: what no table can say, such as
//! that a named volume exists, is found then.

mod run_options;
pub(super) mod table;
#[cfg(test)]
mod tests;

pub(super) use run_options::{read_one, read_run_options};
use table::DOCUMENT;

use super::error::SpecError;
use super::json::check::check;
use super::json::fields::Fields;
use super::json::table::Kind;
use super::json::{Fault, Node, Value, docker_py, number};
use super::secret::Secret;
use super::vocabulary::declared::Volumes;
use super::vocabulary::hooks;
use super::vocabulary::streams::{self, Streams};
use super::vocabulary::transform::{
    CONNECT, DOWNLOADS, GIRDER_API_URL, GIRDER_TOKEN, NAMED_INPUT_PIPE, NAMED_OUTPUT_PIPE,
    PROGRESS_PIPE, VOLUME_PATH,
};
use super::{Argument, JobSpec, PullPolicy};

/// Reads a job document.
pub(super) fn read(text: &str) -> Result<JobSpec, SpecError> {
    // Some editors begin a file with a byte order mark; RFC 8259 lets readers skip it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = Node::read(text)?;
    build(&document).map_err(|fault| fault.located(&document, text))
}

/// Makes a job of a document.
pub(super) fn build(document: &Node) -> Result<JobSpec, Fault> {
    check(document, &Kind::Object(&DOCUMENT))?;
    document.without_repetitions()?;
    job(document)
}

fn job(document: &Node) -> Result<JobSpec, Fault> {
    let fields = Fields::of(document);
    let mut volumes = Volumes::default();
    let mut streams = Streams::default();
    let mut job = JobSpec::new(fields.text("image")?);

    job.pull = fields.get("pull_image").map_or(PullPolicy::Always, |node| match node.value {
        Value::Bool(true) => PullPolicy::Always,
        Value::Bool(false) => PullPolicy::Never,
        _ => PullPolicy::IfNotPresent,
    });
    job.entrypoint = fields.get("entrypoint").map(|node| match node.as_str() {
        Some(program) => vec![program.to_owned()],
        None => node.items().iter().filter_map(Node::as_str).map(str::to_owned).collect(),
    });
    job.remove_container = fields.get("remove_container").and_then(Node::as_bool).unwrap_or(true);
    job.girder_api_url = fields.optional_text("girder_api_url").map(str::to_owned);
    job.girder_client_token = fields.optional_text("girder_client_token").map(Secret::new);

    job.container = docker_py::options(document)?;
    if let Some(node) = fields.get("volumes") {
        volumes.declare(node)?;
    }
    for node in fields.get("container_args").map(Node::items).unwrap_or_default() {
        job.container_args.push(argument(node, &mut volumes, &mut streams)?);
    }
    for node in fields.get("stream_connectors").map(Node::items).unwrap_or_default() {
        job.stream_connectors.push(streams.connect(node, &mut volumes)?);
    }
    for node in fields.get("girder_result_hooks").map(Node::items).unwrap_or_default() {
        job.result_hooks.push(hooks::hook(node, &mut volumes)?);
    }
    job.girder_job = fields.get("girder_job").map(hooks::girder_job).transpose()?;
    job.volumes = volumes.into_list();
    Ok(job)
}

fn argument(node: &Node, volumes: &mut Volumes, streams: &mut Streams) -> Result<Argument, Fault> {
    match &node.value {
        Value::String(text) => return Ok(Argument::Literal(text.clone())),
        Value::Number(digits) => {
            return Ok(Argument::Literal(number::python_str(digits).unwrap_or_default()));
        }
        _ => {}
    }
    let fields = Fields::of(node);
    let kind = fields.type_name();
    if kind == CONNECT.name {
        Ok(Argument::Connect(Box::new(streams.connect(node, volumes)?)))
    } else if kind == VOLUME_PATH.name {
        Ok(Argument::VolumePath(hooks::volume_path(node, volumes)?))
    } else if kind == NAMED_INPUT_PIPE.name || kind == NAMED_OUTPUT_PIPE.name {
        Ok(Argument::Fifo(streams::fifo(node, volumes)?))
    } else if kind == PROGRESS_PIPE.name {
        Ok(Argument::ProgressPipe(streams.progress(node, volumes)?))
    } else if kind == GIRDER_API_URL.name {
        Ok(Argument::GirderApiUrl)
    } else if kind == GIRDER_TOKEN.name {
        Ok(Argument::GirderToken)
    } else if DOWNLOADS.iter().any(|download| download.name == kind) {
        Ok(Argument::Download(hooks::download(node, volumes)?))
    } else {
        Ok(Argument::Volume(volumes.volume(node)?))
    }
}
