//! `gantline bench`, with tiny sizes: that it measures each case, says what it should, and leaves
//! nothing. How fast anything is, is not tested.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const CASES: [(&str, &str); 10] = [
    ("http-fifo", "direct"),
    ("https-fifo", "copy"),
    ("chunked-fifo", "copy"),
    ("file-fifo", "direct"),
    ("fifo-post", "splice"),
    ("fifo-file", "direct"),
    ("http-file", "splice"),
    ("stdout-file", "spool"),
    ("many-up", "upload"),
    ("upload", "upload"),
];

/// A folder of its own for each call, which must be empty afterwards.
struct Bench {
    folder: tempfile::TempDir,
    command: Command,
}

impl Bench {
    fn of(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
        command.arg("bench").args(arguments).env("TMPDIR", folder.path().join("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { folder, command }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn finish(mut self) -> (i32, String, String, tempfile::TempDir) {
        let child = self.command.spawn().unwrap();
        let Output { status, stdout, stderr } = in_time(child);
        assert_empty(&self.path("tmp"));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr), self.folder)
    }
}

/// Waits for the end; kills what has none.
fn in_time(child: Child) -> Output {
    let id = Pid::from_raw(child.id().cast_signed());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    ended.recv_timeout(Duration::from_secs(120)).map(Result::unwrap).unwrap_or_else(|_| {
        let _ = kill(id, Signal::SIGTERM);
        panic!("it does not end")
    })
}

fn assert_empty(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "left: {left:?}");
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_case_is_measured_and_the_data_are_complete() {
    let mut bench = Bench::of(&["--size", "3MiB", "--runs", "2", "--files", "20"]);
    let (data, picture) = (bench.path("data.json"), bench.path("picture.svg"));
    bench.command.arg("--json").arg(&data).arg("--plot").arg(&picture);
    let (code, stdout, stderr, _folder) = bench.finish();
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 1 + CASES.len(), "{stdout}");

    let data = json(&data);
    assert_eq!((&data["size_bytes"], &data["parallel"]), (&(3 << 20).into(), &1.into()));
    assert!(data["machine"]["cores"].as_u64().unwrap() > 0);
    assert_eq!((&data["gantline"], &data["runs"]), (&env!("CARGO_PKG_VERSION").into(), &2.into()));
    assert_eq!(data["begun"]["load"].as_array().unwrap().len(), 3);
    assert!(data["begun"]["date"].as_str().unwrap().ends_with("+00:00"), "{}", data["begun"]);
    assert!(data["against"].is_null());
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), CASES.len());
    for ((case, (name, carrier)), line) in cases.iter().zip(CASES).zip(&lines[1..]) {
        assert_eq!((&case["case"], &case["carrier"]), (&name.into(), &carrier.into()));
        assert!(line.starts_with(name) && line.ends_with(carrier), "{line}");
        let (has_many, by_command) = (name == "many-up", carrier == "upload");
        assert_eq!(case["bytes"], if has_many { 20 << 11 } else { 3 << 20 });
        assert_eq!(case["files"], if has_many { 20.into() } else { Value::Null });
        assert_eq!(line.contains(" files/s "), has_many, "{line}");
        assert!(case["bytes_per_second"].as_f64().unwrap() > 0.0, "{case}");
        assert!(case["cpu_user_seconds_per_gib"].as_f64().unwrap() >= 0.0, "{case}");
        assert!(case["cpu_system_seconds_per_gib"].as_f64().unwrap() >= 0.0, "{case}");
        assert!(case["peak_memory_bytes"].as_u64().unwrap() > 1 << 20, "{case}");
        assert!(case["system_calls_per_mib"].is_null());
        assert!(case["against"].is_null());
        assert_ascends(&case["seconds"]);
        assert_ascends(&case["cpu_seconds"]);
        let runs = case["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 2);
        assert!(runs.iter().all(|run| run["seconds"].as_f64().unwrap() > 0.0), "{case}");
        let threads = |run: &Value| run["threads"].as_u64();
        let all_have = runs.iter().all(|run| threads(run).map_or(by_command, |count| count > 1));
        assert!(all_have, "{case}");
    }
    // What small files take is not to be seen beside the others.
    let mut words = CASES.map(|(name, _)| name).to_vec();
    words.retain(|name| *name != "many-up");
    // What was moved, how often and by what, and what the colours mean.
    let title = concat!("gantline ", env!("CARGO_PKG_VERSION"), " bench, 3 MiB: ");
    words.extend([title, "median of 2 runs", "user", "system"]);
    assert_is_picture_of(&fs::read_to_string(picture).unwrap(), &words);
}

/// The least, the quartiles and the most are in their order.
fn assert_ascends(spread: &Value) {
    let names = ["least", "lower_quartile", "median", "upper_quartile", "most"];
    let numbers = names.map(|name| spread[name].as_f64().unwrap());
    assert!(numbers.is_sorted(), "{spread}");
}

#[test]
fn two_builds_move_in_turns_and_their_ratios_are_told() {
    // The other build, which notes when it moves: the store and the readers are not its own.
    let mut bench = Bench::of(&["--size", "1MiB", "--runs", "3", "--case", "http-fifo"]);
    let (other, noted, data) = (bench.path("other"), bench.path("noted"), bench.path("data.json"));
    let script = "#!/bin/sh\necho \"$*\" >>\"$NOTED\"\nexec \"$GANTLINE\" \"$@\"\n";
    fs::write(&other, script).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    bench.command.env("NOTED", &noted).env("GANTLINE", env!("CARGO_BIN_EXE_gantline"));
    bench.command.arg("--against").arg(&other).arg("--json").arg(&data);
    let (code, stdout, stderr, _folder) = bench.finish();
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let noted = fs::read_to_string(noted).unwrap();
    let calls: Vec<_> = noted.lines().collect();
    assert_eq!(calls, ["--version", "bench-peer move", "bench-peer move", "bench-peer move"]);
    assert!(stdout.lines().last().unwrap().starts_with("  ours/other  time "), "{stdout}");
    let data = json(&data);
    assert_eq!(data["against"]["gantline"], env!("CARGO_PKG_VERSION"));
    let case = &data["cases"][0];
    assert_eq!(case["runs"].as_array().unwrap().len(), 3);
    let against = &case["against"];
    assert_eq!(against["runs"].as_array().unwrap().len(), 3);
    assert_ascends(&against["seconds"]);
    assert_ascends(&against["ratio_of_seconds"]["pairs"]);
    assert!(against["ratio_of_seconds"]["of_medians"].as_f64().unwrap() > 0.0, "{against}");
}

#[test]
fn another_build_that_understands_nothing_is_named() {
    let mut bench = Bench::of(&["--size", "1", "--runs", "1", "--case", "http-fifo"]);
    let other = bench.path("other");
    fs::write(&other, "#!/bin/sh\n[ \"$1\" = --version ] && echo gantline 0.0.1\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    bench.command.arg("--against").arg(&other);
    let (code, _, stderr, _folder) = bench.finish();
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains("the moving process of the other build: it ended"), "{stderr}");
}

/// Every element that is opened is closed, and every name is written.
fn assert_is_picture_of(svg: &str, names: &[&str]) {
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, _text) = tag.split_once('>').expect("an element without end");
        let name = tag.split([' ', '/', '\n']).find(|word| !word.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for name in names {
        assert!(svg.contains(name), "{name} is not in the picture");
    }
}

#[test]
fn several_at_once_and_odd_sizes_arrive_whole() {
    for case in ["https-fifo", "chunked-fifo", "fifo-post", "fifo-file", "stdout-file"] {
        let mut bench =
            Bench::of(&["--size", "100001", "--runs", "1", "--parallel", "3", "--case", case]);
        let data = bench.path("data.json");
        bench.command.arg("--json").arg(&data);
        let (code, _, stderr, _folder) = bench.finish();
        assert_eq!((code, stderr.as_str()), (0, ""), "{case}");
        let data = json(&data);
        assert_eq!(data["cases"].as_array().unwrap().len(), 1);
        assert_eq!((&data["cases"][0]["bytes"], &data["parallel"]), (&300_003.into(), &3.into()));
    }
}

#[test]
fn small_files_alone_have_a_picture_too() {
    let mut bench = Bench::of(&["--size", "1", "--runs", "1", "--files", "3", "--case", "many-up"]);
    let picture = bench.path("picture.svg");
    bench.command.arg("--plot").arg(&picture);
    let (code, _, stderr, _folder) = bench.finish();
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_is_picture_of(&fs::read_to_string(picture).unwrap(), &["many-up"]);
}

#[test]
fn sixty_four_at_once_have_no_thread_each() {
    let mut bench =
        Bench::of(&["--size", "100001", "--runs", "1", "--parallel", "64", "--case", "http-fifo"]);
    let data = bench.path("data.json");
    bench.command.arg("--json").arg(&data);
    let (code, _, stderr, _folder) = bench.finish();
    assert_eq!((code, stderr.as_str()), (0, ""));
    let run = &json(&data)["cases"][0]["runs"][0];
    let cores = thread::available_parallelism().unwrap().get() as u64;
    assert!(run["threads"].as_u64().unwrap() <= cores + 4, "{run}");
    assert!(run["peak_memory_bytes"].as_u64().unwrap() <= 40 << 20, "{run}");
}

#[test]
fn what_cannot_be_measured_is_bad_usage() {
    for (arguments, word) in [
        (&["--case", "nonsense"][..], "http-fifo"),
        (&["--size", "4GB"], "KiB"),
        (&["--size", "0"], "zero"),
        (&["--runs", "0"], "zero"),
        (&["--parallel", "0"], "1 to 250"),
        (&["--parallel", "251"], "1 to 250"),
        (&["--files", "0"], "1 to 100000"),
        (&["--parallel", "2", "--case", "many-up"], "without --parallel"),
        (&["--case", "many-down"], "--image busybox"),
        (&["--image", "busybox", "--case", "http-file"], "http-file"),
        (&["--image", "busybox", "--case", "upload"], "upload has no container"),
        (&["--image", "busybox", "--parallel", "2", "--case", "stdout-file"], "one stdout"),
        (&["--image", "busybox", "--syscalls"], "without a container"),
        (&["--against", "/nowhere/gantline"], "cannot measure against /nowhere/gantline"),
        (&["--against", "/bin/true"], "it is no gantline"),
        (&["--json", "/nowhere/data.json"], "/nowhere/data.json"),
        (&["--plot", "/"], "/"),
    ] {
        let (code, stdout, stderr, _folder) = Bench::of(arguments).finish();
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?}: {stderr}");
        assert_eq!(stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (code, _, stderr, _folder) = Bench::of(&["--folder", "/nowhere", "--size", "1"]).finish();
    assert_eq!(code, 125);
    assert!(stderr.contains("/nowhere") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn a_signal_ends_it_and_its_children_and_leaves_nothing() {
    let mut bench = Bench::of(&["--size", "1MiB", "--runs", "100000", "--case", "http-fifo"]);
    let child = bench.command.spawn().unwrap();
    let store = loop {
        // It is there before the first run, and gone with the last.
        let children = children_of(child.id());
        if let Some(id) = children.into_iter().find(|id| arguments_of(*id).contains("\0depot\0")) {
            break id;
        }
        thread::yield_now();
    };
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = in_time(child);
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(!arguments_of(store).contains("\0depot\0"), "the depot is still there");
    assert_empty(&bench.path("tmp"));
}

#[test]
fn a_signal_ends_it_while_it_writes_its_file() {
    let mut bench = Bench::of(&["--size", "4GiB", "--runs", "1", "--case", "file-fifo"]);
    let child = bench.command.spawn().unwrap();
    let tmp = bench.path("tmp");
    let has_begun = || {
        let made =
            fs::read_dir(&tmp).unwrap().flatten().flat_map(|outer| fs::read_dir(outer.path()));
        made.flatten().flatten().count() > 0
    };
    while !has_begun() {
        thread::yield_now();
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = in_time(child);
    assert_eq!((output.status.code(), &*output.stderr), (Some(130), &b""[..]));
    assert_empty(&tmp);
}

#[test]
fn one_that_is_killed_is_pruned_and_none_of_its_children_stays() {
    let mut bench = Bench::of(&["--size", "1MiB", "--runs", "100000", "--case", "http-fifo"]);
    let records = bench.path("records");
    fs::create_dir(&records).unwrap();
    bench.command.env("GANTLINE_RECORD_DIR", &records);
    let mut child = bench.command.spawn().unwrap();
    let children = loop {
        let children = children_of(child.id());
        if children.iter().any(|id| arguments_of(*id).contains("\0depot\0")) {
            break children;
        }
        thread::yield_now();
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let is_there = |id: &&u32| arguments_of(**id).contains("gantline");
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Some(id) = children.iter().find(is_there) {
        assert!(Instant::now() < deadline, "{} stays", arguments_of(*id));
        thread::yield_now();
    }
    let mut prune = Command::new(env!("CARGO_BIN_EXE_gantline"));
    prune.arg("prune").env("GANTLINE_RECORD_DIR", &records).env("TMPDIR", bench.path("tmp"));
    let pruned = prune.env("DOCKER_HOST", "unix:///no/such/socket").output().unwrap();
    assert!(pruned.status.success(), "{pruned:?}");
    assert_empty(&bench.path("tmp"));
}

fn children_of(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let lists: Vec<_> = lists.collect();
    lists.iter().flat_map(|list| list.split_whitespace()).map(|id| id.parse().unwrap()).collect()
}

fn arguments_of(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default()
}

#[test]
fn system_calls_are_counted_by_strace() {
    // A strace that counts as the real one does, but for the counting: not every machine has one.
    let mut bench =
        Bench::of(&["--syscalls", "--size", "1MiB", "--runs", "1", "--case", "file-fifo"]);
    let tools = bench.path("tools");
    fs::create_dir(&tools).unwrap();
    let strace = tools.join("strace");
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && exit\n\
         printf '100.00    0.000421           1       402        17 total\\n' >\"$4\"\nshift 4\nexec \"$@\"\n";
    fs::write(&strace, script).unwrap();
    fs::set_permissions(&strace, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    bench.command.env("PATH", format!("{}:{path}", tools.display()));
    let data = bench.path("data.json");
    bench.command.arg("--json").arg(&data);
    let (code, stdout, stderr, _folder) = bench.finish();
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.lines().next().unwrap().ends_with("calls/MiB"), "{stdout}");
    assert_eq!(json(&data)["cases"][0]["system_calls_per_mib"], 402.0);
}

#[test]
fn a_part_that_there_is_not_is_bad_usage() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    command.args(["bench-peer", "nonsense"]).stdin(Stdio::null()).stderr(Stdio::piped());
    assert_eq!(in_time(command.spawn().unwrap()).status.code(), Some(2));
}

#[test]
fn a_part_says_why_it_cannot_be_played() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    command.args(["bench-peer", "read", "/nowhere/fifo"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"null\n").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "\"Ready\"");
    let said = lines.next().unwrap().unwrap();
    assert!(said.contains("Failed") && said.contains("/nowhere/fifo"), "{said}");
    assert_eq!(in_time(child).status.code(), Some(125));
}
