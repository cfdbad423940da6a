//! Another build of gantline, to be compared with this one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::error::BenchError;

/// The other build, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Other {
    /// Where it is.
    pub program: PathBuf,
    /// Its version.
    pub version: String,
}

impl Other {
    /// Asks a program for its version, before anything is measured.
    ///
    /// # Errors
    /// [`BenchError::Unfit`]: it cannot be started, or is no gantline.
    pub(super) fn ask(program: &Path) -> Result<Self, BenchError> {
        let unfit = |what: &str| {
            let program = program.display();
            BenchError::Unfit(format!("cannot measure against {program}: {what}"))
        };
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null());
        let output = command.output().map_err(|error| unfit(&error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.trim().strip_prefix("gantline ").filter(|_| output.status.success());
        let version = version.ok_or_else(|| unfit("it is no gantline"))?;
        Ok(Self { program: program.to_owned(), version: version.to_owned() })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "program": self.program, "gantline": self.version })
    }
}
