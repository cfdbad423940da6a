//! Terminals of several widths, and those on which nothing can be drawn.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::run_jobs::job;

const PHASES: [&str; 6] = [
    "making image, volumes and files ready",
    "starting the container",
    "the container runs",
    "waiting for the last bytes",
    "putting results in their place",
    "cleaning up",
];

/// What a terminal of so many columns is sent by a run with a long label and steps of its own.
fn shown(columns: u16, environment: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let input =
        folder.path().join("a-file-with-a-name-that-is-longer-than-any-line-of-sixty-columns.bin");
    std::fs::write(&input, vec![7; 3 << 20]).unwrap();
    let connect = json!({
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": input},
        "output": {"type": "NamedInputPipe", "name": "in"},
    });
    let steps = "sleep 0.3; cat \"$0\" | wc -c
        for i in 1 2 3; do echo \"{\\\"total\\\": 3, \\\"current\\\": $i, \\\"message\\\": \\\"step $i\\\"}\"; done > \"$1\"
        sleep 0.3; echo 'a line'";
    let mut job = job(&["sh", "-ec", steps]);
    job["container_args"]
        .as_array_mut()
        .unwrap()
        .extend([connect, json!({"type": "ProgressPipe"})]);
    let path = folder.path().join("job.json");
    std::fs::write(&path, job.to_string()).unwrap();
    let command = format!(
        "stty cols {columns} rows 24 && {} run {}",
        env!("CARGO_BIN_EXE_gantline"),
        path.display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    script
        .env("TMPDIR", folder.path())
        .env("TERM", "xterm")
        .env_remove("CI")
        .env_remove("NO_COLOR");
    script.envs(environment.iter().copied());
    let output = script.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    shown
}

/// What stands between two things that a terminal obeys.
fn pieces(shown: &str) -> impl Iterator<Item = &str> {
    let words = shown.split('\u{1b}').enumerate().flat_map(|(at, part)| match at {
        0 => part.split(['\r', '\n']),
        _ => {
            let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
            part[end..].split(['\r', '\n'])
        }
    });
    words.filter(|piece| !piece.is_empty())
}

#[test]
fn no_line_wraps_and_no_bar_is_left_in_any_width() {
    for columns in [60, 80, 120] {
        let shown = shown(columns, &[]);
        for piece in pieces(&shown) {
            // Several lines come as one, each filled up to the last column.
            let (count, columns) = (piece.chars().count(), usize::from(columns));
            assert!(count <= columns || count % columns == 0, "{columns}: {piece:?} in {shown:?}");
        }
        for phase in PHASES {
            assert!(shown.contains(phase), "{columns}: no {phase:?} in {shown:?}");
        }
        assert!(shown.contains("waiting for the first reader of in"), "{columns}: {shown:?}");
        assert!(shown.contains("3 of 3, step 3"), "{columns}: {shown:?}");
        let last = shown.rsplit("a line").next().unwrap();
        let cleared = last.rsplit("\u{1b}[").next().unwrap();
        assert!(!cleared.contains('%') && !cleared.contains("→"), "{columns}: left: {cleared:?}");
    }
}

#[test]
fn no_colour_is_sent_where_none_is_wanted() {
    let shown = shown(80, &[("NO_COLOR", "1")]);
    let codes = shown.split("\u{1b}[").skip(1);
    let colours: Vec<_> = codes
        .filter(|code| {
            code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
        })
        .collect();
    assert!(colours.is_empty(), "{shown:?}");
}

#[test]
fn where_nothing_can_be_drawn_or_nobody_looks_there_are_lines() {
    for environment in [("TERM", "dumb"), ("CI", "1")] {
        let shown = shown(80, &[environment]);
        assert!(!shown.contains('\u{1b}'), "{environment:?}: {shown:?}");
        for phase in PHASES {
            let line = format!("gantline: {phase}");
            assert!(shown.lines().any(|found| found.trim_end() == line), "no {line:?} in {shown}");
        }
        for step in 1..=3 {
            assert!(
                shown.contains(&format!("gantline: progress: {step} of 3, step {step}")),
                "{shown}"
            );
        }
    }
}
