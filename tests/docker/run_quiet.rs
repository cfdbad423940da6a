//! A container that does nothing costs nothing.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::run_jobs::job;
use crate::support::command::Invocation;

#[test]
fn nothing_wakes_up_while_the_container_is_quiet() {
    let connect = json!({
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": "/bin/busybox"},
        "output": {"type": "NamedInputPipe", "name": "in"},
    });
    let output = json!({
        "type": "Connect",
        "input": {"type": "NamedOutputPipe", "name": "out"},
        "output": {"type": "HostStdOut"},
    });
    let mut job = job(&["sleep", "600"]);
    job["stream_connectors"] = json!([connect, output]);
    let run = Invocation::job(&job).arg("--stop-timeout").arg("0").start();
    run.container_started();
    // What the start has set off comes to rest.
    wait(Duration::from_secs(1));
    let before = switches(run.id());
    let seconds = 5;
    wait(Duration::from_secs(seconds));
    let woken = switches(run.id()) - before;
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert!(woken < seconds, "woken {woken} times in {seconds} s: {run}");
}

/// How often the threads of a process went to sleep by themselves: once for each time that
/// something woke them.
fn switches(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let count = |status: String| -> u64 {
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
        line.unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    threads.map(|t| count(fs::read_to_string(t.unwrap().path().join("status")).unwrap())).sum()
}

/// Lets time pass in which nothing is to happen.
fn wait(time: Duration) {
    let (_never, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(time);
}
