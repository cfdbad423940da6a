//! `gantline init`: a first job to change.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::{Failure, exit, render};
use crate::run::quoted;

/// Writes the first job, and the schema beside it unless there is one.
pub(super) fn init(file: &Path) -> Result<u8, Failure> {
    if file == Path::new("-") {
        let message =
            "a file is wanted, beside which its schema is written; ./- is one of this name";
        return Err(Failure { message: message.to_owned(), code: exit::BAD_JOB });
    }
    write(file, FIRST_JOB)?;
    let schema = file.with_file_name(SCHEMA);
    let ours = format!("{:#}\n", crate::spec::schema());
    let beside = match std::fs::read(&schema) {
        Ok(found) if found == ours.as_bytes() => format!("; {SCHEMA} is beside it already"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write(&schema, &ours)?;
            format!(", and {SCHEMA} beside it")
        }
        _ => {
            let schema = schema.display();
            format!(
                "; {schema} is another one and was left as it is: `gantline schema` prints ours"
            )
        }
    };
    let name = quoted_file(file);
    let file = file.display();
    render::print(&format!(
        "wrote {file}{beside}\n\
         next: gantline check {name}, gantline run {name}, gantline help job\n"
    ))
}

/// A file as a shell and a command take it.
fn quoted_file(file: &Path) -> String {
    let name = file.display().to_string();
    // It would be taken for an option.
    let begin = if name.starts_with('-') { "./" } else { "" };
    quoted(&format!("{begin}{name}"))
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    file.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AlreadyExists => {
                "; nothing was written over: `gantline init FILE` writes another"
            }
            io::ErrorKind::NotFound => "; its folder must be there",
            _ => "",
        };
        Failure {
            message: format!("cannot write {}: {error}{advice}", path.display()),
            code: exit::FAILED,
        }
    })
}

const SCHEMA: &str = "job.schema.json";
const FIRST_JOB: &str = include_str!("first_job.json");
