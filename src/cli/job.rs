//! Reads a job document.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::{Failure, exit};
use crate::spec::JobSpec;

/// Reads the job in the file at `path`, or on standard input if that is `-`.
pub(super) fn read(path: &Path) -> Result<JobSpec, Failure> {
    let bad = |message| Failure { message, code: exit::BAD_JOB };
    let (name, text) = match path == Path::new("-") {
        true => ("standard input".to_owned(), read_stdin()),
        false => (path.display().to_string(), fs::read_to_string(path)),
    };
    let text = text.map_err(|error| bad(format!("cannot read the job in {name}: {error}")))?;
    JobSpec::from_json(&text).map_err(|error| {
        let error = crate::run::chain(&error);
        bad(format!("cannot use the job in {name}: {error}"))
    })
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}
