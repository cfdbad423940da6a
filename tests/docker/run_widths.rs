//! Terminals of several widths, one that becomes narrower, and those on which nothing can be drawn.

use std::fs;
use std::io::Read;
use std::num::NonZero;
use std::process::{ChildStdout, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::support::gate::Gate;
use crate::support::job::{Job, connect, host_file_to_stream, named_input_pipe};

const PHASES: [&str; 6] = [
    "making image, volumes and files ready",
    "starting the container",
    "the container runs",
    "waiting for the last bytes",
    "putting results in their place",
    "cleaning up",
];

/// What a line of ours begins with; the rest of a line that did not fit would begin with something else.
const BEGINNINGS: [&str; 5] =
    ["waiting for the first reader of in", "file:", "1 of 3", "2 of 3", "3 of 3"];

const WIDTHS: [u16; 3] = [60, 80, 120];

/// What the container prints.
const ITS_LINES: [&str; 3] = ["before", "after", "3145728"];

/// What a terminal of so many columns is sent by a run with a long label, in which are characters of two columns, and
/// with steps of its own. Between two lines of the container's it may get other columns.
fn shown(columns: u16, later: u16, environment: &[(&str, &str)]) -> String {
    let gate = Gate::new();
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let path = |name: &str| folder.path().join(name);
    // 255 bytes are the most that a file's name has.
    let input = path(&("データ📦".repeat(16) + "-and-more.bin"));
    fs::write(&input, vec![7; 3 << 20]).unwrap();
    let steps = r#"for i in 1 2 3; do echo "{\"total\": 3, \"current\": $i, \"message\": \"step $i\"}"; done > $2
        echo before; read go < /gate/go; echo after; cat $1 | wc -c"#;
    let job = Job::script(steps)
        .arg(connect(host_file_to_stream(&input), named_input_pipe("in")))
        .arg(json!({"type": "ProgressPipe"}));
    fs::write(path("job.json"), gate.mount(job).document().to_string()).unwrap();
    for name in ["tmp", "records"] {
        fs::create_dir(path(name)).unwrap();
    }
    let command = format!(
        "tty > {}; stty cols {columns} rows 24; {} run {}",
        path("tty").display(),
        env!("CARGO_BIN_EXE_gantline"),
        path("job.json").display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--flush", "--command", &command, "/dev/null"]);
    script.env("TMPDIR", path("tmp")).env("GANTLINE_RECORD_DIR", path("records"));
    script.env("TERM", "xterm").env_remove("CI").env_remove("NO_COLOR");
    script.envs(environment.iter().copied());
    let mut script = script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = script.stdout.take().unwrap();
    let mut shown = read_until("before", &mut stdout);
    let tty = fs::read_to_string(path("tty")).unwrap();
    let size = ["cols", &later.to_string()];
    assert!(Command::new("stty").args(["-F", tty.trim()]).args(size).status().unwrap().success());
    gate.open();
    stdout.read_to_end(&mut shown).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    assert_eq!(script.wait().unwrap().code(), Some(0), "{shown}");
    shown
}

fn read_until(word: &str, stdout: &mut ChildStdout) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.windows(word.len()).any(|part| part == word.as_bytes()) {
        let mut some = [0; 4096];
        let count = stdout.read(&mut some).unwrap();
        assert!(count > 0, "no {word:?} in {:?}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&some[..count]);
    }
    read
}

/// What stands on such a terminal at the end. It never had a line that did not fit, but where it has just become narrower:
/// what was drawn before is drawn once more then.
fn screen_after(shown: &str, columns: u16, later: u16) -> vt100::Parser {
    // What is drawn for the second line of the container's begins where the bars before it are wiped out. They may be
    // drawn for the new width before that.
    let narrow =
        ["starting the container", "waiting for the first reader of in", "the container runs"]
            .map(|words| format!("{words:<0$}file:", usize::from(later)));
    let narrow = narrow.iter().filter_map(|line| shown.find(line));
    let second = shown.find("after").into_iter().chain(narrow).min().unwrap();
    let second = shown[..second].rfind(['\r', '\n']).map_or(0, |at| at + 1);
    let [rows, first, later] = [24, columns, later].map(|size| NonZero::new(size).unwrap());
    let mut terminal = vt100::Parser::new(rows, first, 0);
    for (columns, part) in [(first, &shown[..second]), (later, &shown[second..])] {
        terminal.screen_mut().set_size(rows, columns);
        let mut is_fitted = columns == first;
        for sent in part.split_inclusive(['\r', '\n']) {
            terminal.process(sent.as_bytes());
            // The transfer has ended then, and its bar was drawn anew.
            is_fitted |= sent.contains("waiting for the last bytes");
            for row in terminal.screen().rows(0, columns.get()).filter(|_| is_fitted) {
                let row = row.trim_end();
                let mut begin = PHASES.iter().chain(&BEGINNINGS).chain(&ITS_LINES);
                let is_begun = begin.any(|words| row.starts_with(words));
                assert!(row.is_empty() || is_begun, "{columns}: {row:?} in {shown:?}");
            }
        }
    }
    terminal
}

#[test]
fn no_line_wraps_and_no_bar_is_left_in_any_width() {
    for (columns, later) in WIDTHS.map(|columns| (columns, columns)).into_iter().chain([(120, 60)])
    {
        assert_shown_and_gone(&shown(columns, later, &[]), columns, later);
    }
}

/// That each phase was seen, and that no bar is left.
fn assert_shown_and_gone(shown: &str, columns: u16, later: u16) {
    for phase in PHASES {
        assert!(shown.contains(phase), "{columns}: no {phase:?} in {shown:?}");
    }
    for words in ["waiting for the first reader of in", "3 of 3, step 3", "データ📦"] {
        assert!(shown.contains(words), "{columns}: no {words:?} in {shown:?}");
    }
    let terminal = screen_after(shown, columns, later);
    let left = terminal.screen().contents();
    let left: Vec<_> = left.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    assert_eq!(left, ITS_LINES, "{columns}, {later}: {shown:?}");
}

#[test]
fn no_colour_is_sent_where_none_is_wanted() {
    for columns in WIDTHS {
        let shown = shown(columns, columns, &[("NO_COLOR", "1")]);
        let codes = shown.split("\u{1b}[").skip(1);
        let colours: Vec<_> = codes
            .filter(|code| {
                code.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
            })
            .collect();
        assert!(colours.is_empty(), "{shown:?}");
        assert_shown_and_gone(&shown, columns, columns);
    }
}

#[test]
fn where_nothing_can_be_drawn_or_nobody_looks_there_are_lines() {
    let environments = [("TERM", "dumb"), ("CI", "1")];
    for (columns, environment) in
        WIDTHS.into_iter().flat_map(|columns| environments.map(|one| (columns, one)))
    {
        let shown = shown(columns, columns, &[environment]);
        assert!(!shown.contains('\u{1b}'), "{environment:?}: {shown:?}");
        for phase in PHASES {
            let line = format!("gantline: {phase}");
            assert!(shown.lines().any(|found| found.trim_end() == line), "no {line:?} in {shown}");
        }
        for line in shown.lines() {
            let width: usize = line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
            assert!(width <= columns.into(), "{environment:?}, {columns}: {line:?} wraps");
        }
        for step in 1..=3 {
            assert!(
                shown.contains(&format!("gantline: progress: {step} of 3, step {step}")),
                "{shown}"
            );
        }
    }
}
