//! The report has every member that is documented, and no other, however the run ended.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::{Finished, Invocation};
use crate::support::gate::{GATE, Gate};
use crate::support::job::{Job, connect, host_file_to_stream, named_input_pipe};

const MEMBERS: [&str; 19] = [
    "run_id",
    "container_id",
    "image",
    "image_id",
    "engine",
    "exit_code",
    "oom_killed",
    "cancelled",
    "memory_peak",
    "cpu_seconds",
    "phases",
    "transfers",
    "downloads",
    "uploads",
    "hooks",
    "warnings",
    "error",
    "failure",
    "stderr_tail",
];

const TRANSFER: [&str; 8] =
    ["source", "sink", "bytes", "seconds", "carrier", "resumed", "checked", "finish"];

const PHASES: [&str; 6] = ["prepare", "start", "stream", "wait", "collect", "clean_up"];

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What is the same for every run.
fn assert_documented(run: &Finished) {
    let report = run.report.as_ref().unwrap_or_else(|| panic!("no report: {run}"));
    assert_eq!(keys(report), MEMBERS, "{run}");
    let id = report["run_id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{run}");
    let container = &report["container_id"];
    assert!(container.is_null() || container.as_str().is_some_and(|id| id.len() == 64), "{run}");
    assert!(report["image"].is_string() && report["oom_killed"].is_boolean(), "{run}");
    assert!(report["exit_code"].is_null() || report["exit_code"].is_u64(), "{run}");
    assert!(report["cancelled"].is_boolean(), "{run}");
    assert!(report["error"].is_null() || report["error"].is_string(), "{run}");
    assert!(report["failure"].is_null() || report["failure"].is_string(), "{run}");
    for list in ["downloads", "uploads", "hooks", "warnings", "stderr_tail"] {
        assert!(report[list].as_array().unwrap().iter().all(Value::is_string), "{run}");
    }
    let phases = keys(&report["phases"]);
    let order: Vec<_> = PHASES.into_iter().filter(|phase| phases.contains(phase)).collect();
    assert_eq!(phases, order, "{run}");
    assert!(report["phases"].as_object().unwrap().values().all(is_time), "{run}");
    for transfer in report["transfers"].as_array().unwrap() {
        assert_eq!(keys(transfer), TRANSFER, "{run}");
        let texts = ["source", "sink", "carrier", "finish"];
        assert!(texts.iter().all(|member| transfer[*member].is_string()), "{run}");
        assert!(transfer["bytes"].is_u64() && transfer["resumed"].is_u64(), "{run}");
        assert!(is_time(&transfer["seconds"]), "{run}");
    }
}

fn is_time(value: &Value) -> bool {
    value.as_f64().is_some_and(|seconds| (0.0..600.0).contains(&seconds))
}

#[test]
fn a_run_that_went_well_is_reported_in_full() {
    let source = host_file_to_stream("/bin/busybox".as_ref());
    let job = Job::script("cat $1 > /dev/null; echo out; echo err >&2; exit 3")
        .arg(connect(source, named_input_pipe("in")));
    let run = job.finish();
    assert_eq!(run.code, 3, "{run}");
    assert_documented(&run);
    assert_eq!(keys(run.reported("phases")), PHASES, "{run}");
    assert_eq!(run.reported("exit_code"), 3);
    assert_eq!(run.reported("image"), "gantline-test:busybox");
    assert_eq!(run.reported("error"), &json!(null));
    assert_eq!(run.reported("warnings"), &json!([]));
    assert_eq!(
        (run.reported("cancelled"), run.reported("oom_killed")),
        (&json!(false), &json!(false))
    );
    let size = fs::metadata("/bin/busybox").unwrap().len();
    assert_eq!(run.transfer("fifo:in")["bytes"], size, "{run}");
    for (sink, source) in [("host:stdout", "container:stdout"), ("host:stderr", "container:stderr")]
    {
        let transfer = run.transfer(sink);
        assert_eq!((&transfer["source"], &transfer["bytes"]), (&json!(source), &json!(4)), "{run}");
    }
}

#[test]
fn a_run_that_failed_is_reported_as_far_as_it_went() {
    let run = Job::program(&["true"]).set("image", "gantline-test:none").finish();
    assert_eq!(run.code, 125, "{run}");
    assert_documented(&run);
    assert_eq!(keys(run.reported("phases")), ["prepare", "clean_up"], "{run}");
    let error = run.reported("error").as_str().unwrap();
    assert_eq!(run.stderr, format!("gantline: {error}\n"));
    let run = Job::program(&["no-such-program"]).finish();
    assert_eq!(run.code, 127, "{run}");
    assert_documented(&run);
    assert!(run.reported("container_id").is_string(), "{run}");
}

#[test]
fn a_run_that_was_cancelled_is_reported_too() {
    let gate = Gate::new();
    let source = host_file_to_stream("/bin/busybox".as_ref());
    let job = Job::script(&format!("{GATE}; sleep 600"));
    let job = job.arg(connect(source, named_input_pipe("in")));
    let run = gate.mount(job).invocation().arg("--stop-timeout").arg("0").start();
    let run = gate.reached(run);
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
    assert_documented(&run);
    assert_eq!(run.reported("cancelled"), &json!(true));
    // An engine of a busy machine may be too slow to tell it in the second that a cancelled run has.
    let code = run.reported("exit_code");
    assert!(*code == json!(137) || code.is_null(), "{run}");
    assert_eq!(run.reported("error"), &json!(null));
    assert_eq!(run.transfer("fifo:in")["finish"], "not_opened", "{run}");
}

#[test]
fn what_fails_nothing_is_a_warning() {
    let run = Job::script("true").arg(named_input_pipe("idle")).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_documented(&run);
    let warnings = run.reported("warnings").as_array().unwrap();
    assert!(
        matches!(&warnings[..], [warning] if warning.as_str().unwrap().contains("idle")),
        "{run}"
    );
}

#[test]
fn every_run_has_an_id_of_its_own() {
    let ids = [(); 2].map(|()| Job::program(&["true"]).finish().reported("run_id").clone());
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn a_report_goes_to_standard_output_where_that_is_asked_for() {
    let job = Job::script("echo of the container").document().to_string();
    let run = Invocation::of(&["run", "-", "--report", "-"]).input(job).finish();
    assert_eq!(run.code, 0, "{run}");
    let (container, report) = run.text().split_once('\n').unwrap();
    assert_eq!(container, "of the container");
    let report: Value = serde_json::from_str(report).unwrap();
    assert_eq!((keys(&report), &report["exit_code"]), (MEMBERS.to_vec(), &json!(0)));
}

#[test]
fn the_report_of_an_earlier_run_never_looks_like_this_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let good = Job::script("exit 3").document().to_string();
    let run = |job: &str| {
        fs::write(&path, "old").unwrap();
        let run = Invocation::of(&["run", "-", "--report"]).arg(&path).input(job.to_owned());
        run.finish().code
    };
    assert_eq!(run("{}"), 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // Whatever is wrong before there is a run.
    let wrong = Invocation::of(&["run", "-", "--report"]).arg(&path).env("GANTLINE_LOG", "loud");
    let unknown = Invocation::of(&["run", "-", "--no-such-option", "--report"]).arg(&path);
    let value = Invocation::of(&["run", "--report"]).arg(&path).args(&["--timeout", "x", "-"]);
    let image =
        Invocation::of(&["run", "--report"]).arg(&path).args(&["--image", "i", "--timeout"]);
    for refused in [wrong, unknown, value, image] {
        fs::write(&path, "old").unwrap();
        let refused = refused.finish();
        assert_eq!(refused.code, 2, "{refused}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{refused}");
    }
    // A program's own words name nothing of ours.
    fs::write(&path, "old").unwrap();
    let program = ["run", "--image", "i", "--timeout", "x", "program", "--report"];
    assert_eq!(Invocation::of(&program).arg(&path).finish().code, 2);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(run(&good), 3);
    let report: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(report["exit_code"], 3);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Runs, of which one tells what it used.
const TRIES: usize = 8;

#[test]
fn a_report_says_what_the_container_used_and_who_ran_it() {
    // The buffer of `tail` is in its memory, and the loop is the shell's own.
    let used = "head -c 64m /dev/zero | tail -c 64m > /dev/null; \
                i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
    // On a machine that is busy the engine may be quicker than we are, and then it is not known.
    let mut runs = (0..TRIES).map(|_| Job::script(used).finish());
    let run = runs.find(|run| !run.reported("memory_peak").is_null()).expect("never known");
    assert_eq!(run.code, 0, "{run}");
    let peak = run.reported("memory_peak").as_u64().unwrap();
    assert!((64 << 20..96 << 20).contains(&peak), "{peak}");
    let seconds = run.reported("cpu_seconds").as_f64().unwrap();
    assert!(seconds > 0.05, "{seconds}");
    let version = docker(&["version", "--format", "{{.Server.Version}}"]);
    assert_eq!(run.reported("engine"), &json!(format!("Docker {version}")), "{run}");
    let image = docker(&["image", "inspect", "--format", "{{.Id}}", "gantline-test:busybox"]);
    assert_eq!(run.reported("image_id"), &json!(image), "{run}");

    let mut short = (0..TRIES).map(|_| Job::program(&["true"]).finish());
    let short = short.find(|run| !run.reported("memory_peak").is_null()).expect("never known");
    let peak = short.reported("memory_peak").as_u64().unwrap();
    assert!((1..64 << 20).contains(&peak), "{peak}");
}

/// What docker's own command says.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_summary_is_three_lines_at_the_end_of_stderr() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let input = folder.path().join("three-mib");
    fs::write(&input, vec![7; 3 << 20]).unwrap();
    let job = Job::script("cat $1 > /dev/null; echo out; echo err >&2; exit 3");
    let job = job.arg(connect(host_file_to_stream(&input), named_input_pipe("in")));
    let run = Invocation::of(&["run", "--summary", "--report", "-", "--progress", "none", "-"]);
    let run = run.input(job.document().to_string()).finish();
    assert_eq!(run.code, 3, "{run}");
    let report: Value = serde_json::from_str(run.text().strip_prefix("out\n").unwrap()).unwrap();
    let lines: Vec<_> = run.stderr.lines().rev().take(3).collect();
    let [what, moved, end] = lines[..] else { panic!("{run}") };

    let failed =
        format!("gantline: gantline-test:busybox: {}, ", report["failure"].as_str().unwrap());
    assert!(end.starts_with(&failed) && end.contains(" s (prepare "), "{run}");
    match (report["memory_peak"].as_f64(), report["cpu_seconds"].as_f64()) {
        (Some(peak), Some(seconds)) => {
            let used =
                format!("; memory {:.2} MiB, processor {seconds:.1} s", peak / f64::from(1 << 20));
            assert!(end.ends_with(&used), "{used}: {run}");
        }
        // The engine has removed the container's group first.
        _ => assert!(end.ends_with(')'), "{run}"),
    }
    let most = format!(", most by file:{} → fifo:in: 3.00 MiB at ", input.display());
    let moved = moved.strip_prefix("gantline: moved 3.00 MiB").expect("moved");
    let moved = moved.strip_suffix("; uploaded 0 B").expect("uploaded");
    let rate = moved.strip_prefix(&most).unwrap_or_else(|| panic!("{most}: {run}"));
    let (number, unit) = rate.split_once(' ').unwrap();
    assert!(number.parse::<f64>().unwrap() > 0.0 && unit.ends_with("iB/s"), "{run}");
    let text = |name: &str| report[name].as_str().unwrap();
    let said = format!(
        "gantline: run {}, container {}, image {}, {}: 0 warnings",
        text("run_id"),
        &text("container_id")[..12],
        &text("image_id")[..19],
        text("engine")
    );
    assert_eq!(what, said, "{run}");
}
