//! Reads a job document, or a message.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::args::JobArgs;
use super::{Failure, exit};
use crate::spec::JobSpec;

/// Reads the job that was asked for; `-` is standard input.
pub(super) fn read(args: &JobArgs) -> Result<JobSpec, Failure> {
    let bad = |message| Failure { message, code: exit::BAD_JOB };
    let (what, path) = match (&args.job, &args.message) {
        (_, Some(path)) => ("message", path.as_path()),
        (Some(path), None) => ("job", path.as_path()),
        (None, None) => ("job", Path::new("-")),
    };
    let (name, text) = match path == Path::new("-") {
        true => ("standard input".to_owned(), read_text(io::stdin().lock())),
        false => (path.display().to_string(), File::open(path).and_then(read_text)),
    };
    let text = text.map_err(|error| bad(format!("cannot read the {what} in {name}: {error}")))?;
    let job = match args.message.is_some() {
        true => JobSpec::from_message(&text),
        false => JobSpec::from_json(&text),
    };
    job.map_err(|error| {
        let error = crate::run::chain(&error);
        bad(format!("cannot use the {what} in {name}: {error}"))
    })
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
