//! A job that is said on the command line, as `docker run` takes it: `gantline run --image IMAGE …`.
//!
//! It becomes the job document that says the same, and goes the same way from there; `--print-job`
//! prints that document. What docker has, has docker's names. What it has not are the pipes: `--in` and
//! `--out` name each and say its other end, and `{NAME}` stands for its path in the arguments.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::foreign;
use crate::spec::Problem;

/// What a job without a document is made of.
#[derive(Debug, Args)]
#[command(next_help_heading = "A job without a document, as `docker run` takes it")]
pub(super) struct ImageArgs {
    /// Run a container of this image; what stands behind the options is its command's arguments
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// When the image is pulled
    #[arg(long, value_enum, default_value_t = Pull::Missing)]
    pull: Pull,
    /// Mount a path of the host, or an engine's volume
    #[arg(short, long, value_name = "HOST:CONTAINER[:MODE]", requires = "image")]
    volume: Vec<String>,
    /// Set a variable; without a value it is taken from our own environment
    #[arg(short, long, value_name = "NAME[=VALUE]", requires = "image")]
    env: Vec<String>,
    /// Give it GPUs: `all`, how many, or `device=` and their ids
    #[arg(long, value_name = "GPUS", requires = "image")]
    gpus: Option<String>,
    /// Join this network
    #[arg(long, value_name = "NETWORK", requires = "image")]
    network: Option<String>,
    /// Who the command runs as
    #[arg(short, long, value_name = "USER[:GROUP]", requires = "image")]
    user: Option<String>,
    /// The folder that the command begins in
    #[arg(short, long, value_name = "DIR", requires = "image")]
    workdir: Option<String>,
    /// Replace the image's entrypoint
    #[arg(long, value_name = "PROGRAM", requires = "image")]
    entrypoint: Option<String>,
    /// The container's name
    #[arg(long, value_name = "NAME", requires = "image")]
    name: Option<String>,
    /// The most memory that it may have, such as 512m or 4g
    #[arg(short, long, value_name = "BYTES", requires = "image")]
    memory: Option<String>,
    /// Stream a file of Girder's, what an address has, or a file of the host into a pipe; `{NAME}` in
    /// the arguments is the pipe's path
    #[arg(long = "in", value_name = "NAME=FILE_ID|URL|PATH", requires = "image")]
    inputs: Vec<String>,
    /// Stream a pipe into a new file of an item of Girder's, to an address, or into a file of the host;
    /// the names `stdout` and `stderr` are the container's own
    #[arg(long = "out", value_name = "NAME=ITEM_ID/FILE|URL|PATH", requires = "image")]
    outputs: Vec<String>,
    /// As `docker run` has it; a container is always removed after its run
    #[arg(long, requires = "image")]
    rm: bool,
    /// Print the job document in place of running it
    #[arg(long, requires = "image")]
    pub(super) print_job: bool,
}

/// When the image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pull {
    /// Each time
    Always,
    /// When the engine does not have it
    Missing,
    /// Never
    Never,
}

/// As docker's command has it: what follows the first word that is no option is not ours.
pub(super) fn with_program(command: clap::Command) -> clap::Command {
    command.mut_subcommand("run", |run| {
        run.mut_arg("words", |arg| arg.trailing_var_arg(true).allow_hyphen_values(true))
    })
}

/// Whether a command line has an image, so that what stands behind its options is somebody else's.
pub(super) fn is_asked_for(words: &[OsString]) -> bool {
    let ours = words.iter().skip(1).take_while(|word| *word != "--");
    let is_image = |word: &str| word == "--image" || word.starts_with("--image=");
    words.get(1).is_some_and(|command| command == "run")
        && ours.filter_map(|word| word.to_str()).any(is_image)
}

impl ImageArgs {
    /// Whether there is an image at all.
    pub(super) fn is_given(&self) -> bool {
        self.image.is_some()
    }

    /// The command line up to the first of `arguments`, if that looks like an option of ours that there is not, and does
    /// not stand behind `--`.
    pub(super) fn with_no_option<'a>(
        &self,
        words: &'a [OsString],
        arguments: &[OsString],
    ) -> Option<&'a [OsString]> {
        // A short one may be the entrypoint's, as docker has it; not before there is an image.
        let begins: &[u8] = if self.is_given() { b"--" } else { b"-" };
        let is_meant = |word: &OsString| {
            let word = word.as_encoded_bytes();
            word.starts_with(begins) && word != b"-"
        };
        let first = words.len().checked_sub(arguments.len())?;
        let is_ours = words.get(..first)?.last().is_some_and(|word| word != "--");
        (is_ours && arguments.first().is_some_and(is_meant)).then(|| words.get(..=first)).flatten()
    }

    /// What its author should know of a command line that is not wrong.
    pub(super) fn warnings(&self, arguments: &[OsString]) -> impl Iterator<Item = String> {
        let here = |text: &String| {
            let (host, _) = text.split_once(':')?;
            let is_name = !host.contains('/') && !host.starts_with('.');
            (is_name && Path::new(host).exists()).then(|| {
                format!("-v {text} mounts the engine's volume `{host}`; for what is here, write ./{host}")
            })
        };
        let named = |name: &str, pipe: &String| pipe.split('=').next() == Some(name);
        let no_pipe = |word: &OsString| {
            let name = word.to_str()?.strip_prefix('{')?.strip_suffix('}')?;
            let is_pipe = self.inputs.iter().chain(&self.outputs).any(|pipe| named(name, pipe));
            (is_pipe_name(name) && !is_pipe).then(|| {
                format!("{{{name}}} is passed as it is: no --in {name}=… or --out {name}=… makes a pipe of it")
            })
        };
        let volumes = self.volume.iter().filter_map(here);
        let ids = self.inputs.iter().chain(&self.outputs).filter_map(|pipe| nearly_an_id(pipe));
        let pipes = arguments.iter().filter_map(no_pipe);
        volumes.chain(ids).chain(pipes).collect::<Vec<_>>().into_iter()
    }

    /// What is to be said where the program is not there: an option that we do not have was taken for it.
    pub(super) fn is_no_option(&self, arguments: &[OsString]) -> Option<String> {
        let first = arguments.first().filter(|_| self.is_given() && self.entrypoint.is_none())?;
        let first = first.to_str().filter(|first| first.starts_with('-'))?;
        let advice = foreign::of_docker_run(first);
        let advice = advice.unwrap_or_else(|| "`gantline help run` has the options".to_owned());
        Some(format!(
            "{first} is no option of `gantline run --image`, so it was taken for the program's name; {advice}"
        ))
    }

    /// The job document that says the same.
    ///
    /// # Errors
    /// What a document cannot say, or nobody can have meant.
    pub(super) fn document(&self, arguments: &[OsString]) -> Result<Value, ImageError> {
        let mut pipes = self.pipes()?;
        let arguments = arguments.iter().map(|word| argument(word, &mut pipes));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        let mut job = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            value.map(|value| job.insert(name.to_owned(), value));
        };
        let list = |items: Vec<Value>| (!items.is_empty()).then_some(Value::Array(items));
        put("image", self.image.as_deref().map(Value::from));
        put(
            "pull_image",
            Some(match self.pull {
                Pull::Always => true.into(),
                Pull::Missing => "if-not-present".into(),
                Pull::Never => false.into(),
            }),
        );
        put("name", self.name.as_deref().map(Value::from));
        put("entrypoint", self.entrypoint.as_deref().map(Value::from));
        put("container_args", list(arguments));
        let volumes = self.volume.iter().map(|text| volume(text)).collect::<Result<_, _>>()?;
        put("volumes", list(volumes));
        put("environment", list(self.env.iter().filter_map(|text| variable(text)).collect()));
        put("network", self.network.as_deref().map(Value::from));
        put("user", self.user.as_deref().map(Value::from));
        put("working_dir", self.workdir.as_deref().map(Value::from));
        put("mem_limit", self.memory.as_deref().map(Value::from));
        put("device_requests", self.gpus.as_deref().map(gpus).transpose()?);
        let streams: Vec<_> = pipes.iter().filter_map(Pipe::of_container).collect();
        put("stream_connectors", list(streams));
        match pipes.into_iter().find(|pipe| !pipe.is_named) {
            Some(pipe) => Err(ImageError::Unused { option: pipe.option(), name: pipe.name }),
            None => Ok(Value::Object(job)),
        }
    }

    /// What is said of a document that cannot be used, to who has written a command line.
    pub(super) fn complaint(&self, path: &str, problem: &Problem, advice: &str) -> String {
        let member = path.strip_prefix("$.").unwrap_or_default();
        let (member, at) = member.split_once('[').unwrap_or((member, ""));
        let option = OPTIONS.iter().find(|(of, _)| *of == member).map(|(_, option)| *option);
        let volume = at.strip_suffix(']').and_then(|at| self.volume.get(at.parse::<usize>().ok()?));
        match (option, volume, problem) {
            (Some("-v"), Some(text), Problem::Unexpected { .. } | Problem::NotAbsolute { .. }) => {
                format!(
                    "-v {text}: expected HOST:CONTAINER or HOST:CONTAINER:MODE, such as /data:/mnt:ro or \
                     VOLUME:/mnt{advice}"
                )
            }
            (Some(option), ..) => format!("{option}: {problem}{advice}"),
            (None, ..) => format!(
                "cannot use the command line: its job document has at {path}: {problem}{advice}"
            ),
        }
    }

    fn pipes(&self) -> Result<Vec<Pipe>, ImageError> {
        let inputs = self.inputs.iter().map(|text| Pipe::new(text, true));
        let outputs = self.outputs.iter().map(|text| Pipe::new(text, false));
        let mut pipes = Vec::<Pipe>::new();
        for pipe in inputs.chain(outputs) {
            let pipe = pipe?;
            if pipes.iter().any(|other| other.name == pipe.name) {
                return Err(ImageError::Twice { name: pipe.name });
            }
            pipes.push(pipe);
        }
        Ok(pipes)
    }
}

/// The members of the document that options become.
const OPTIONS: [(&str, &str); 10] = [
    ("image", "--image"),
    ("name", "--name"),
    ("entrypoint", "--entrypoint"),
    ("volumes", "-v"),
    ("environment", "-e"),
    ("network", "--network"),
    ("user", "-u"),
    ("working_dir", "-w"),
    ("mem_limit", "-m"),
    ("device_requests", "--gpus"),
];

/// A pipe of the container's, and what is at its other end.
struct Pipe {
    name: String,
    is_input: bool,
    /// A source, or a sink.
    other_end: Value,
    /// Something of the container has this name: an argument, or one of its own streams.
    is_named: bool,
}

impl Pipe {
    fn new(text: &str, is_input: bool) -> Result<Self, ImageError> {
        let option = if is_input { "--in" } else { "--out" };
        let bad = |expected| ImageError::Pipe { option, found: text.to_owned(), expected };
        let Some((name, end)) = text.split_once('=') else {
            return Err(bad(if is_input { "NAME=FILE_ID|URL|PATH" } else { OUTPUT }));
        };
        if !is_pipe_name(name) {
            return Err(bad("a name of letters, digits, `_`, `-` and `.`"));
        }
        let scheme =
            end.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme));
        let is_url = scheme.is_some();
        let other_end = match end.split_once('/') {
            _ if end.is_empty() => return Err(bad("something behind the `=`")),
            // Elsewhere it is standard input or output; here it would be a file of this name.
            _ if end == "-" => {
                return Err(bad(if is_input {
                    "a file, since a pipe cannot take standard input; ./- is a file of this name"
                } else {
                    "a file; --out stdout=… takes the container's own, and ./- is a file of this name"
                }));
            }
            _ if scheme.is_some_and(|scheme| !is_https_or_http(scheme)) => {
                return Err(bad(
                    "an http:// or https:// address, or a file's path without a scheme",
                ));
            }
            _ if is_home(end) => {
                let advice = would_be(end).unwrap_or_default();
                return Err(ImageError::Home { option, found: text.to_owned(), advice });
            }
            _ if is_url && is_input => json!({"type": "UrlToStream", "url": end}),
            _ if is_url => json!({"type": "ChunkedTransferEncodingStream", "url": end}),
            _ if is_input && is_girder_id(end) => {
                json!({"type": "GirderFileIdToStream", "id": end})
            }
            Some((item_id, name)) if !is_input && is_girder_id(item_id) => {
                json!({"type": "GirderStreamToItem", "item_id": item_id, "name": name})
            }
            _ if !is_input && is_girder_id(end) => {
                return Err(bad("the file's name: ITEM_ID/FILE"));
            }
            _ if is_input => json!({"type": "HostFileToStream", "path": absolute(end)?}),
            _ => json!({"type": "HostFile", "path": absolute(end)?}),
        };
        let is_named = !is_input && container_stream(name).is_some();
        Ok(Self { name: name.to_owned(), is_input, other_end, is_named })
    }

    fn option(&self) -> &'static str {
        if self.is_input { "--in" } else { "--out" }
    }

    /// What stands for it in the arguments: first with its other end, and by its path alone later.
    fn argument(&mut self) -> Value {
        let kind = if self.is_input { "NamedInputPipe" } else { "NamedOutputPipe" };
        let pipe = json!({"type": kind, "name": self.name});
        match (std::mem::replace(&mut self.is_named, true), self.is_input) {
            (true, _) => pipe,
            (false, true) => {
                json!({"type": "Connect", "input": self.other_end, "output": pipe})
            }
            (false, false) => {
                json!({"type": "Connect", "input": pipe, "output": self.other_end})
            }
        }
    }

    /// The stream of the container that it stands for, with its other end.
    fn of_container(&self) -> Option<Value> {
        let stream = container_stream(&self.name).filter(|_| !self.is_input)?;
        let input = json!({"type": stream});
        Some(json!({"type": "Connect", "input": input, "output": self.other_end}))
    }
}

fn is_pipe_name(name: &str) -> bool {
    let is_ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_ordinary)
}

/// RFC 3986, 3.1.
fn is_scheme(text: &str) -> bool {
    let is_of_it = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_of_it)
}

fn is_https_or_http(scheme: &str) -> bool {
    ["http", "https"].iter().any(|ours| scheme.eq_ignore_ascii_case(ours))
}

/// What bash expands behind a `=`, and other shells do not.
fn is_home(path: &str) -> bool {
    path == "~" || path.starts_with("~/")
}

const OUTPUT: &str = "NAME=ITEM_ID/FILE|URL|PATH";

fn container_stream(name: &str) -> Option<&'static str> {
    match name {
        "stdout" => Some("ContainerStdOut"),
        "stderr" => Some("ContainerStdErr"),
        _ => None,
    }
}

/// What is said of an id that has lost a digit: it is taken for the name of a file.
fn nearly_an_id(pipe: &str) -> Option<String> {
    let (_, end) = pipe.split_once('=')?;
    let id = end.split('/').next().filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let is_near = id.len() != DIGITS && id.len().abs_diff(DIGITS) <= 3 && !Path::new(id).exists();
    is_near.then(|| {
        format!(
            "{pipe} names a path here: an id of Girder's has {DIGITS} digits, and {id} has {}",
            id.len()
        )
    })
}

/// What an id of Girder's has.
const DIGITS: usize = 24;

fn is_girder_id(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn argument(word: &OsString, pipes: &mut [Pipe]) -> Result<Value, ImageError> {
    let text = word.to_str().ok_or_else(|| ImageError::NotText { found: word.clone() })?;
    for pipe in pipes.iter_mut().filter(|pipe| container_stream(&pipe.name).is_none()) {
        let stands_for_it = format!("{{{}}}", pipe.name);
        if text == stands_for_it {
            return Ok(pipe.argument());
        }
        if text.contains(&stands_for_it) {
            let name = pipe.name.clone();
            return Err(ImageError::PartOfArgument { name, found: text.to_owned() });
        }
    }
    Ok(text.into())
}

/// As docker's command has it: what begins with a dot is a path of the host.
fn volume(text: &str) -> Result<Value, ImageError> {
    let (host, rest) = text.split_once(':').unwrap_or((text, ""));
    if rest.is_empty() && host.starts_with(['.', '~']) {
        return Err(ImageError::NoMountPoint { found: text.to_owned() });
    }
    match host.starts_with('.') && !rest.is_empty() {
        true => Ok(format!("{}:{rest}", absolute(host)?).into()),
        false => Ok(text.into()),
    }
}

/// As docker's command has it: a variable that we do not have is left out.
fn variable(text: &str) -> Option<Value> {
    if text.contains('=') {
        return Some(text.into());
    }
    let value = std::env::var(text).ok()?;
    Some(format!("{text}={value}").into())
}

fn gpus(text: &str) -> Result<Value, ImageError> {
    let of = |request: Value| Ok(json!([request]));
    let capabilities = json!([["gpu"]]);
    if text == "all" {
        return of(json!({"count": -1, "capabilities": capabilities}));
    }
    if let Some(ids) = text.strip_prefix("device=").filter(|ids| !ids.is_empty()) {
        let ids: Vec<_> = ids.split(',').collect();
        return of(json!({"device_ids": ids, "capabilities": capabilities}));
    }
    match text.parse::<u32>() {
        Ok(count) if count > 0 => of(json!({"count": count, "capabilities": capabilities})),
        _ => Err(ImageError::Gpus { found: text.to_owned() }),
    }
}

fn absolute(path: &str) -> Result<String, ImageError> {
    let whole = std::path::absolute(path).ok().and_then(|whole| whole.to_str().map(str::to_owned));
    whole.ok_or_else(|| ImageError::Path { found: path.to_owned() })
}

/// What to say of a path of the host that is not absolute: what only its author's shell knows.
pub(super) fn would_be(found: &str) -> Option<String> {
    let home = |rest: &str| std::env::var("HOME").ok().map(|home| format!("{home}{rest}"));
    let in_home = ["~", "$HOME", "${HOME}"].iter().find_map(|home| found.strip_prefix(home));
    let whole = match in_home {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => home(rest),
        _ if found.starts_with(['~', '$']) => None,
        _ => std::path::absolute(found).ok().map(|path| path.display().to_string()),
    };
    whole.map(|path| format!("; it would be {path}"))
}

/// What cannot be made a job.
#[derive(Debug, Error)]
pub(super) enum ImageError {
    #[error("{option} {found}: expected {expected}")]
    Pipe { option: &'static str, found: String, expected: &'static str },
    #[error("the pipe {name} is there twice")]
    Twice { name: String },
    #[error(
        "{option} {name} is not used: write {{{name}}} among the arguments, where the program is to \
         have the pipe's path"
    )]
    Unused { option: &'static str, name: String },
    #[error("{option} {found}: nothing expands the `~` here{advice}")]
    Home { option: &'static str, found: String, advice: String },
    #[error(
        "{{{name}}} in {found:?} must be an argument of its own; a shell puts it where it belongs: \
         sh -c 'cat \"$0\"' {{{name}}}"
    )]
    PartOfArgument { name: String, found: String },
    #[error("--gpus {found}: expected `all`, how many, or `device=` and ids behind commas")]
    Gpus { found: String },
    #[error("-v {found}: expected HOST:CONTAINER, with an absolute path in the container")]
    NoMountPoint { found: String },
    #[error("cannot say where {found} is")]
    Path { found: String },
    #[error("the argument {found:?} is not UTF-8")]
    NotText { found: OsString },
}
