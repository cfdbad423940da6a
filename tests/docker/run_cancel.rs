//! A signal stops the container, a second one kills it, and nothing is left.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::run_jobs::{run_script, script};
use crate::support::command::Invocation;

/// Ends at SIGTERM with a last word.
const OBEDIENT: &str = "trap 'echo stopped; exit 0' TERM; while :; do sleep 0.1; done";
/// Does not hear SIGTERM: the first process of a container has no default for it.
const DEAF: &str = "exec sleep 600";

#[test]
fn sigint_stops_the_container_and_gives_130() {
    let run = run_script(OBEDIENT).start();
    run.container_started();
    run.signal(Signal::SIGINT);
    let run = run.finish();
    assert_eq!(run.code, 130, "{run}");
    assert_eq!(run.stdout, b"stopped\n", "{run}");
    let report = run.report.as_ref().unwrap();
    assert_eq!(report["cancelled"], true);
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["error"], json!(null));
}

#[test]
fn sigterm_gives_143() {
    let run = run_script(OBEDIENT).start();
    run.container_started();
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
}

#[test]
fn a_container_that_does_not_stop_is_killed_after_its_grace() {
    let run = run_script(DEAF).arg("--stop-timeout").arg("1").start();
    run.container_started();
    let asked = Instant::now();
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["exit_code"], 137);
    assert!(asked.elapsed() >= Duration::from_secs(1), "it had no grace");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn a_second_signal_kills_at_once() {
    let run = run_script(DEAF).arg("--stop-timeout").arg("600").start();
    run.container_started();
    // The engine's answer to the start may come after the container's own.
    run.has_nothing_to_do();
    run.signal(Signal::SIGINT);
    // Two that come at once may be heeded in either order.
    run.has_nothing_to_do();
    run.signal(Signal::SIGTERM);
    let asked = Instant::now();
    let run = run.finish();
    assert_eq!(run.code, 130, "the first signal counts: {run}");
    assert_eq!(run.report.as_ref().unwrap()["exit_code"], 137);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn a_signal_ends_a_run_whose_input_fifo_nobody_opens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    std::fs::write(&file, vec![7; 4 << 20]).unwrap();
    let mut job = script(DEAF);
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": file},
        "output": {"type": "NamedInputPipe", "name": "in"},
    }]);
    let run = Invocation::job(&job).arg("--stop-timeout").arg("0").start();
    run.container_started();
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
}

#[test]
fn an_output_of_a_run_that_was_cancelled_does_not_appear() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut job = script("echo half; exec sleep 600");
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "ContainerStdOut"},
        "output": {"type": "HostFile", "path": out},
    }]);
    let run = Invocation::job(&job).arg("--stop-timeout").arg("0").start();
    run.container_started();
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{run}");
}
