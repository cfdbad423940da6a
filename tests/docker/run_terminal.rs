//! Bars and the container's output on one terminal.

use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZero;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::run_jobs::job;

#[test]
fn the_containers_lines_are_whole_beside_the_bars() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    let connect = json!({
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": "/bin/busybox"},
        "output": {"type": "NamedInputPipe", "name": "in"},
    });
    let mut job = job(&["sh", "-c", "seq 1 200; cat \"$0\" >/dev/null; seq 201 400; printf last"]);
    job["container_args"].as_array_mut().unwrap().push(connect);
    std::fs::write(&path, job.to_string()).unwrap();

    // script(1) gives the command a terminal, and writes down what comes out of it.
    let command = format!("{} run {}", env!("CARGO_BIN_EXE_gantline"), path.display());
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TMPDIR", folder.path())
        .env("TERM", "xterm")
        .env_remove("CI")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().flush().unwrap();
    let output = script.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("file:/bin/busybox → fifo:in"), "no bar: {shown:?}");
    let lines: Vec<&str> = shown.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    for number in 1..=400 {
        let whole = |line: &&str| visible(line) == number.to_string();
        assert!(lines.iter().any(whole), "{number} is not a line of its own: {shown:?}");
    }
    // What has no end stays, and no bar has shared its line.
    let size = |size| NonZero::new(size).unwrap();
    let mut terminal = vt100::Parser::new(size(24), size(80), 0);
    terminal.process(shown.as_bytes());
    let left = terminal.screen().contents();
    assert!(left.trim_end().ends_with("400\nlast"), "{left:?} of {shown:?}");
}

#[test]
fn lines_of_progress_do_not_share_a_line_with_the_containers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    std::fs::write(&path, job(&["printf", "no end"]).to_string()).unwrap();
    let command = format!("{} run {}", env!("CARGO_BIN_EXE_gantline"), path.display());
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("TMPDIR", folder.path())
        .env("TERM", "dumb")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    assert_eq!(lines.last(), Some(&"no end"), "{shown}");
    let ours = &lines[..lines.len() - 1];
    assert!(ours.len() > 5 && ours.iter().all(|line| line.starts_with("gantline: ")), "{shown}");
}

#[test]
fn a_signal_is_answered_on_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    let job = job(&["sh", "-c", "trap '' INT TERM; echo up; while :; do sleep 0.1; done"]);
    std::fs::write(&path, job.to_string()).unwrap();
    let command =
        format!("{} run --stop-timeout 600 {}", env!("CARGO_BIN_EXE_gantline"), path.display());
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = script.stdin.take().unwrap();
    let mut shown = String::new();
    let mut lines = BufReader::new(script.stdout.take().unwrap());
    // Each is answered before the next: Ctrl-C, twice.
    for awaited in ["up", "stopping, 600 s; again to kill", "killing"] {
        while !shown.contains(awaited) {
            assert!(lines.read_line(&mut shown).unwrap() > 0, "{shown:?}");
        }
        if awaited != "killing" {
            keys.write_all(b"\x03").unwrap();
            keys.flush().unwrap();
        }
    }
    lines.read_to_string(&mut shown).unwrap();
    assert_eq!(script.wait().unwrap().code(), Some(130), "{shown:?}");
}

/// What stands in a line after its last control sequence: what came before was wiped out.
fn visible(line: &str) -> &str {
    match line.rfind("\u{1b}[") {
        Some(at) => line[at + 2..]
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .get(1..)
            .unwrap_or(""),
        None => line,
    }
}
