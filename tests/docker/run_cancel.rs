//! A signal stops the container, a second one kills it, and nothing is left.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::run_jobs::{run_script, script};
use crate::support::command::{Finished, Invocation};

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
    // None where the engine's answer to the start was still on its way: that is not waited for then.
    let exit_code = &run.report.as_ref().unwrap()["exit_code"];
    assert!(exit_code == 137 || exit_code.is_null(), "{run}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[test]
fn a_run_that_takes_longer_than_it_may_is_stopped_and_fails() {
    let run = run_script(OBEDIENT).arg("--timeout").arg("2").finish();
    assert_eq!((run.code, run.text()), (125, "stopped\n"), "{run}");
    assert!(run.stderr.contains("the run has not ended within 2 s, and was stopped"), "{run}");
    let report = run.report.as_ref().unwrap();
    assert_eq!((&report["cancelled"], &report["exit_code"]), (&json!(true), &json!(0)), "{run}");
    let run = run_script("exit 3").arg("--timeout").arg("50").finish();
    assert_eq!((run.code, &*run.stderr), (3, ""), "{run}");
}

/// Reads a line of what a run writes to its standard output, and leaves.
fn left_after_a_line(script: &str, option: &str) -> Finished {
    let (reader, writer) = std::io::pipe().unwrap();
    let run = run_script(script).args(&["--on-closed-stdout", option]).stdout(writer).start();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!(line, "x\n");
    run.finish()
}

#[test]
fn a_run_whose_reader_has_left_is_stopped_without_a_word_and_gives_141() {
    for output in ["sleep 0.1; echo x", "head -c 10000000 /dev/zero"] {
        let script = format!("trap 'exit 0' TERM; echo x; while :; do {output}; done");
        let run = left_after_a_line(&script, "stop");
        assert_eq!((run.code, &*run.stderr), (141, ""), "{run}");
        assert_eq!(run.reported("cancelled"), &json!(true));
        assert_eq!(run.transfer("host:stdout")["finish"], "refused", "{run}");
    }
}

#[test]
fn a_run_whose_results_go_elsewhere_goes_on_when_its_reader_has_left() {
    let script = "echo x; for n in $(seq 20); do sleep 0.1; echo x; done; echo done >&2; exit 3";
    let run = left_after_a_line(script, "continue");
    assert_eq!((run.code, &*run.stderr), (3, "done\n"), "{run}");
    assert_eq!(run.reported("cancelled"), &json!(false));
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
