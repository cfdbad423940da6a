//! The token is in nothing that anybody sees.

use std::process::Command;

use serde_json::json;

use crate::support::command::Finished;
use crate::support::gate::{GATE, Gate};
use crate::support::girder::{Girder, Stored};
use crate::support::job::{Job, connect, girder_file, named_input_pipe};
use crate::support::seeded::Seeded;

fn job(girder: &Girder, file: &Stored, text: &str) -> Job {
    let stream = connect(girder_file(file), named_input_pipe("in"));
    Job::script(text).arg(stream).girder(girder)
}

/// That a log of everything was written, and that the token is nowhere in it.
fn assert_silent(run: &Finished, token: &str) {
    assert!(run.stderr.lines().count() > 1, "there is no log: {run}");
    assert!(!run.stderr.contains(token), "in the log: {run}");
    assert!(!String::from_utf8_lossy(&run.stdout).contains(token), "in the output: {run}");
    assert!(!run.report.as_ref().unwrap().to_string().contains(token), "in the report: {run}");
}

#[test]
fn a_run_that_goes_well_tells_nobody_its_token() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 2_000_000));
    let gate = Gate::new();
    let text = format!("{GATE}; env; cat /proc/self/cmdline; sha256sum $1");
    let job = gate.mount(job(&girder, &file, &text));
    let run = job.invocation().env("GANTLINE_LOG", "trace");
    let run = run.start();
    let run = gate.reached(run);
    let container = run.container_started();
    let docker = |arguments: &[&str]| {
        let said = Command::new("docker").args(arguments).output().unwrap();
        assert!(said.status.success() && !said.stdout.is_empty());
        said.stdout
    };
    let inspected = docker(&["inspect", &container]);
    let listed = docker(&["ps", "--no-trunc", "--format", "{{json .}}"]);
    let ours = ["cmdline", "environ"]
        .map(|name| std::fs::read(format!("/proc/{}/{name}", run.id())).unwrap());
    gate.open();
    let run = run.finish();
    assert_eq!(run.code, 0, "{run}");
    for seen in [inspected, listed].into_iter().chain(ours) {
        assert!(!String::from_utf8_lossy(&seen).contains(girder.token()));
    }
    assert_silent(&run, girder.token());
}

#[test]
fn a_run_that_fails_tells_nobody_its_token() {
    let girder = Girder::log_in();
    let gone = Stored { id: "0".repeat(24), sha256: String::new(), size: 0 };
    let run = job(&girder, &gone, "true").invocation().env("GANTLINE_LOG", "trace").finish();
    assert_eq!(run.code, 125, "{run}");
    assert_silent(&run, girder.token());
}

#[test]
fn a_job_that_is_refused_is_refused_without_its_token() {
    let girder = Girder::log_in();
    let file = Stored { id: "0".repeat(24), sha256: String::new(), size: 0 };
    for wrong in [
        job(&girder, &file, "true").set("girder_client_tokens", girder.token()),
        job(&girder, &file, "true").set("girder_client_token", json!([girder.token()])),
        job(&girder, &file, "true").set("girder_client_token", format!("{}\n", girder.token())),
        job(&girder, &file, "true")
            .set("girder_api_url", format!("ftp://{}@host/api/v1", girder.token())),
    ] {
        let run = wrong.invocation().env("GANTLINE_LOG", "trace").finish();
        assert_eq!(run.code, 2, "{run}");
        assert!(!format!("{run}").contains(girder.token()), "{run}");
    }
}
