//! `gantline init`: a first job to change.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::{Failure, exit, render};

/// Writes the first job, and the schema beside it unless there is one.
pub(super) fn init(file: &Path) -> Result<u8, Failure> {
    write(file, FIRST_JOB)?;
    let schema = file.with_file_name(SCHEMA);
    if !schema.exists() {
        write(&schema, &format!("{:#}\n", crate::spec::schema()))?;
    }
    let file = file.display();
    render::print(&format!(
        "wrote {file}, and {SCHEMA} beside it\n\
         next: gantline check {file}, gantline run {file}, gantline help job\n"
    ))
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    file.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AlreadyExists => "; nothing was written over",
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
