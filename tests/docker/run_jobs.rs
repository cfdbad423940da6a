//! The jobs that the tests of `gantline run` run.

use serde_json::{Value, json};

use crate::support::command::Invocation;

/// A job that gives the tests' image these arguments. It shares the host's network: one of its own takes an engine
/// half of a start.
pub(crate) fn job(arguments: &[&str]) -> Value {
    json!({"image": "gantline-test:busybox", "pull_image": false, "network_mode": "host",
        "container_args": arguments})
}

/// A job that runs a shell script.
pub(crate) fn script(text: &str) -> Value {
    job(&["sh", "-c", text])
}

/// A job that runs a shell script in a network of its own; its hostname is its container's id.
pub(crate) fn script_apart(text: &str) -> Value {
    let mut job = script(text);
    job.as_object_mut().unwrap().remove("network_mode");
    job
}

/// `gantline run` on a shell script.
pub(crate) fn run_script(text: &str) -> Invocation {
    Invocation::job(&script(text))
}
