//! The container's stdout and stderr: exact, separate, and never held up.

use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::run_jobs::run_script;

#[test]
fn four_thousand_lines_on_each_stream_arrive_in_each_of_twenty_runs() {
    let expected: String = (1..=4000).map(|line| format!("{line}\n")).collect();
    for nth in 0..20 {
        let run = run_script("seq 1 4000 >&2 & seq 1 4000; wait").finish();
        assert_eq!(run.code, 0, "run {nth}: {run}");
        assert!(run.stdout == expected.as_bytes(), "stdout of run {nth}: {run}");
        assert!(run.stderr == expected, "stderr of run {nth}: {run}");
    }
}

#[test]
fn a_hundred_megabytes_of_binary_arrive_exactly() {
    let script = "mkfifo /tmp/copy; sha256sum </tmp/copy >&2 & \
                  head -c 100000000 /dev/urandom | tee /tmp/copy; wait";
    let run = run_script(script).deadline(Duration::from_secs(120)).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.stdout.len(), 100_000_000);
    let digest: String = Sha256::digest(&run.stdout).iter().map(|b| format!("{b:02x}")).collect();
    assert!(run.stderr.starts_with(&digest), "{} is not {digest}", run.stderr);
}

#[test]
fn a_last_line_without_its_end_arrives() {
    let run = run_script("printf 'one\\ntwo'; printf '\\303' >&2").finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.stdout, b"one\ntwo");
    assert_eq!(run.stderr, "\u{fffd}", "half a character");
}

#[test]
fn a_slow_reader_of_our_output_loses_nothing() {
    // More than pipes and sockets hold; the engine drops what is not taken 2 s after the exit.
    let (mut reader, writer) = std::io::pipe().unwrap();
    let bytes = 20_000_000;
    let run = run_script(&format!("yes {LINE} | head -c {bytes}; echo done >&2"));
    let run = run.stdout(Stdio::from(writer)).start();
    let id = run.container_started();
    exited(&id);
    // Not before the container is over and the engine has lost its patience.
    let (_never, patience) = mpsc::channel::<()>();
    let _ = patience.recv_timeout(Duration::from_secs(4));
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    let run = run.finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(all.len(), bytes);
    let line = format!("{LINE}\n");
    assert!(all.chunks(line.len()).all(|found| line.as_bytes().starts_with(found)));
}

#[test]
fn who_stops_reading_our_output_does_not_stop_the_container_if_that_is_said() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = run_script(&format!("yes {LINE} | head -c 10000000; echo still here >&2; exit 3"));
    let run = run.args(&["--on-closed-stdout", "continue"]);
    let run = run.stdout(Stdio::from(writer)).finish();
    assert_eq!(run.code, 3, "{run}");
    assert_eq!(run.stderr, "still here\n");
    let transfers = &run.report.as_ref().unwrap()["transfers"];
    assert_eq!(transfers[0]["finish"], "refused", "{run}");
}

/// Long, for the engine logs line by line and takes its time.
const LINE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Waits until a container is over.
fn exited(id: &str) {
    let waited = std::process::Command::new("docker").args(["wait", id]).output().unwrap();
    assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
}
