//! The jobs that the tests of `gantline run` run.

use serde_json::{Value, json};

use crate::support::command::Invocation;

/// A job that gives the tests' image these arguments.
pub(crate) fn job(arguments: &[&str]) -> Value {
    json!({"image": "gantline-test:busybox", "pull_image": false, "container_args": arguments})
}

/// A job that runs a shell script.
pub(crate) fn script(text: &str) -> Value {
    job(&["sh", "-c", text])
}

/// `gantline run` on a shell script.
pub(crate) fn run_script(text: &str) -> Invocation {
    Invocation::job(&script(text))
}
