//! Reads a job document, or a message.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::args::{JobArgs, RunArgs};
use super::image::would_be;
use super::{Failure, exit, render};
use crate::run::quoted;
use crate::spec::{JobSpec, Problem};

/// The job that `gantline run` is to run.
pub(super) fn asked_for(args: &RunArgs) -> Result<JobSpec, Failure> {
    if args.image.is_given() {
        let document = document(args)?.to_string();
        return JobSpec::from_json(&document).map_err(|error| {
            let (path, problem) = (&error.place().path, error.problem());
            bad(args.image.complaint(path, problem, &advice(problem)))
        });
    }
    match (&args.message, args.words.as_slice()) {
        (Some(path), _) => read_from(path, Form::Message),
        (None, [path]) => read_from(Path::new(path), Form::Document),
        (None, [first, more @ ..])
            if Path::new(first).extension().is_some_and(|end| end == "json") =>
        {
            let more: Vec<_> = more.iter().map(|word| quoted(&word.to_string_lossy())).collect();
            Err(bad(format!(
                "gantline run takes one job document, and nothing behind it: {}",
                more.join(" ")
            )))
        }
        (None, words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(&word.to_string_lossy())).collect();
            let (words, asks) = (words.join(" "), "gantline run takes one job document");
            Err(bad(format!(
                "{asks}; to run a command in a container: gantline run --image {words}"
            )))
        }
    }
}

/// The job document that the command line says.
pub(super) fn document(args: &RunArgs) -> Result<Value, Failure> {
    args.image
        .warnings(&args.words)
        .for_each(|warning| render::say(&format!("warning: {warning}")));
    let mut document =
        args.image.document(&args.words).map_err(|error| Failure::bad_usage(&error))?;
    if args.fast_stdout {
        document["fast_stdout"] = true.into();
    }
    Ok(document)
}

/// Reads the job that was asked for; `-` is standard input.
pub(super) fn read(args: &JobArgs) -> Result<JobSpec, Failure> {
    match (&args.job, &args.message) {
        (_, Some(path)) => read_from(path, Form::Message),
        (Some(path), None) => read_from(path, Form::Document),
        (None, None) => read_from(Path::new("-"), Form::Document),
    }
}

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Document,
    Message,
}

fn read_from(path: &Path, form: Form) -> Result<JobSpec, Failure> {
    let what = if form == Form::Message { "message" } else { "job" };
    let (name, text) = match path == Path::new("-") {
        true => ("standard input".to_owned(), read_text(io::stdin().lock())),
        false => (path.display().to_string(), File::open(path).and_then(read_text)),
    };
    let text = text.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound if form == Form::Document && is_an_image(path) => format!(
                "; a job document is wanted, or for an image: gantline run --image {name} [OPTION…] [ARG…]"
            ),
            _ => String::new(),
        };
        bad(format!("cannot read the {what} in {name}: {error}{advice}"))
    })?;
    let unusable = |error: String| bad(format!("cannot use the {what} in {name}: {error}"));
    #[cfg(feature = "worker")]
    if form == Form::Message
        && let Some(decoded) = crate::worker::celery::decoded(&text)
    {
        let decoded = decoded.map_err(|error| unusable(error.to_string()))?;
        // Its lines and columns are in no file.
        return JobSpec::from_message(&decoded).map_err(|error| {
            let place = Some(error.place().path.as_str()).filter(|path| !path.is_empty());
            let (place, problem) = (place.unwrap_or("its decoded body"), error.problem());
            unusable(format!("{place}: {problem}{}", advice(problem)))
        });
    }
    let job = match form {
        Form::Message => JobSpec::from_message(&text),
        Form::Document => JobSpec::from_json(&text),
    };
    job.map_err(|error| {
        let (advice, other) = (advice(error.problem()), other_form(form, &text, error.problem()));
        unusable(format!("{}{advice}{other}", crate::run::chain(&error)))
    })
}

/// What only the command knows of a mistake: the folder that it stands in, and whose home is whose.
fn advice(problem: &Problem) -> String {
    match problem {
        Problem::NotAbsolute { found, .. } => would_be(found).unwrap_or_default(),
        _ => String::new(),
    }
}

/// What is said to who takes a job for a message, or a message for a job.
fn other_form(form: Form, text: &str, problem: &Problem) -> &'static str {
    let has = |name: &str| {
        let whole = serde_json::from_str::<Value>(text);
        whole.is_ok_and(|whole| whole.get(name).is_some())
    };
    match (form, problem) {
        (Form::Message, Problem::Missing { member: "headers", .. }) if has("image") => {
            "; this is a job document, which is given without --message"
        }
        (Form::Document, Problem::UnknownMember { owner: "a job", .. })
            if !has("image") && (has("body") || has("payload") || has("task")) =>
        {
            "; this is a message, which is given by --message"
        }
        _ => "",
    }
}

/// Whether a name that is no file may be meant as an image.
fn is_an_image(path: &Path) -> bool {
    let is_path = path.starts_with("/") || path.starts_with(".") || path.starts_with("..");
    !is_path && path.extension().is_none_or(|extension| extension != "json")
}

fn bad(message: String) -> Failure {
    Failure { message, code: exit::BAD_JOB }
}

/// Reads no more than a document may have.
fn read_text(from: impl Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(MAX_DOCUMENT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_DOCUMENT {
        let limit = MAX_DOCUMENT >> 20;
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {limit} MiB"),
        ));
    }
    Ok(text)
}

/// Bytes of a job document or a message: what MongoDB, where Girder keeps its own, takes.
const MAX_DOCUMENT: u64 = 16 << 20;
