//! What a job in a real Girder is told of a run.

use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::run_jobs::job;
use crate::support::command::Invocation;
use crate::support::girder::Girder;
use crate::support::girder_job::Job;

/// A shell script that reports to a job of Girder.
fn script(girder_job: &Job, script: &str) -> Value {
    let mut job = job(&["sh", "-c", script]);
    job["girder_job"] = girder_job.info.clone();
    job
}

#[test]
fn a_run_that_goes_well_is_in_the_log_and_succeeds() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let run = Invocation::job(&script(&reported, "echo out ä; echo err >&2")).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.stdout, "out ä\n".as_bytes());
    assert_eq!(reported.statuses(), [2, 3]);
    let log = reported.log();
    let id = run.report.as_ref().unwrap()["container_id"].as_str().unwrap();
    assert!(log.contains(&format!("container {id} of the image ")), "{log}");
    assert!(log.contains("sha256:"), "{log}");
    assert!(log.contains("out ä\n") && log.contains("err\n"), "{log}");
    assert!(log.ends_with("the container exited with code 0\n"), "{log}");
}

#[test]
fn every_line_is_in_the_log_once_and_in_its_order() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let run = Invocation::job(&script(&reported, "seq 1 20000")).finish();
    assert_eq!(run.code, 0, "{run}");
    let expected: String = (1..=20_000).map(|line| format!("{line}\n")).collect();
    assert!(reported.log().contains(&expected));
}

#[test]
fn a_container_that_fails_is_an_error_with_its_last_words() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let run = Invocation::job(&script(&reported, "seq 1 50 >&2; exit 139")).finish();
    assert_eq!(run.code, 139, "{run}");
    assert_eq!(reported.statuses(), [2, 4]);
    let last: Vec<String> = (31..=50).map(|line| line.to_string()).collect();
    let log = reported.log();
    let end = format!(
        "error: the container exited with code 139 (SIGSEGV)\n\
         the last lines of its standard error:\n{}\n",
        last.join("\n")
    );
    assert!(log.ends_with(&end), "{log}");
    let report = run.report.as_ref().unwrap();
    assert_eq!(report["failure"], "the container exited with code 139 (SIGSEGV)");
    assert_eq!(report["stderr_tail"], json!(last));
    let all: String = (1..=50).map(|line| format!("{line}\n")).collect();
    assert_eq!(run.stderr, all, "standard error is the container's own, once");
}

#[test]
fn a_run_that_fails_before_the_container_is_an_error_that_says_why() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let mut job = script(&reported, "true");
    job["image"] = json!("gantline-test:not-there");
    job["pull_image"] = json!(false);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert_eq!(reported.statuses(), [2, 4]);
    let log = reported.log();
    assert!(log.contains("error: the engine has no image gantline-test:not-there"), "{log}");
}

#[test]
fn a_cancelled_run_is_canceled() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let run = Invocation::job(&script(&reported, "trap 'exit 7' TERM; sleep 60 & wait")).start();
    run.container_started();
    run.signal(Signal::SIGINT);
    let run = run.finish();
    assert_eq!(run.code, 130, "{run}");
    assert_eq!(reported.statuses(), [2, 5]);
    assert!(reported.log().contains("the run was cancelled\n"));
}

#[test]
fn a_job_that_is_cancelled_in_girder_stops_its_run() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let text = "trap 'echo stopped; exit 7' TERM; while :; do echo busy; sleep 0.3; done";
    let run = Invocation::job(&script(&reported, text)).start();
    run.container_started();
    reported.set("status", "824");
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
    assert!(run.stderr.contains("the job was cancelled in Girder"), "{run}");
    assert_eq!(run.report.as_ref().unwrap()["cancelled"], true, "{run}");
    assert_eq!(reported.statuses(), [2, 824, 5]);
    let log = reported.log();
    assert!(log.contains("stopped\n") && log.contains("the run was cancelled\n"), "{log}");
}

#[test]
fn a_job_that_was_cancelled_in_girder_before_its_run_begins_runs_nothing() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    reported.set("status", "2");
    reported.set("status", "824");
    let run = Invocation::job(&script(&reported, "sleep 60")).finish();
    assert_eq!(run.report.as_ref().unwrap()["cancelled"], true, "{run}");
    assert_eq!(reported.statuses(), [2, 824, 5]);
}

#[test]
fn a_job_that_has_ended_is_left_as_it_is() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    reported.set("status", "2");
    reported.set("status", "3");
    let run = Invocation::job(&script(&reported, "echo again")).finish();
    assert_eq!((run.code, run.stdout.as_slice()), (0, b"again\n".as_slice()), "{run}");
    let warnings = run.report.as_ref().unwrap()["warnings"].to_string();
    assert!(warnings.contains("the job in Girder was a success before this began"), "{run}");
    assert_eq!(reported.statuses(), [2, 3]);
    assert!(!reported.log().contains("again"));
}

#[test]
fn early_lines_are_still_in_the_log_after_a_burst() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let before = "there before\n".repeat(40);
    reported.set("log", &before);
    let text = "for i in $(seq 40); do echo early $i; sleep 0.1; done; \
                yes 0123456789abcde | head -c 1048576; echo the end";
    let run = Invocation::job(&script(&reported, text)).finish();
    assert_eq!(run.code, 0, "{run}");
    let log = reported.log();
    let early: String = (1..=40).map(|number| format!("early {number}\n")).collect();
    let burst = "0123456789abcde\n".repeat(1 << 16);
    assert!(log.starts_with(&before), "{}", &log[..2000]);
    assert!(log.contains(&format!("{early}{burst}the end\n")));
}

#[test]
fn of_a_log_of_20_mib_the_first_and_the_last_line_are_in_girder() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let text = "echo first; yes 0123456789abcde | head -c 20971520; echo last";
    let run = Invocation::job(&script(&reported, text)).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(reported.statuses(), [2, 3]);
    let record = reported.record();
    assert!(record.to_string().len() < 10 << 20, "the job stays under 10 MiB");
    let updates = record["log"].as_array().unwrap().len();
    assert!(updates <= 400, "{updates} updates");
    let log = reported.log();
    assert!(log.contains("\nfirst\n0123") && log.contains("abcde\nlast\n"));
    assert!(log.contains("bytes of the log are left out here"));
}

#[test]
fn a_container_that_ran_out_of_memory_is_said_to_have() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    // It waits for its limit, then takes far more.
    let eat = "until [ -e /tmp/go ]; do sleep 0.1; done; tail -c 200000000 /dev/zero; exit 137";
    let run = Invocation::job(&script(&reported, eat)).start();
    let id = run.container_started();
    for arguments in [
        ["update", "--memory=16m", "--memory-swap=16m", &id].as_slice(),
        &["exec", &id, "touch", "/tmp/go"],
    ] {
        assert!(Command::new("docker").args(arguments).output().unwrap().status.success());
    }
    let run = run.finish();
    assert_eq!(run.code, 137, "{run}");
    let words = "the container exited with code 137 (SIGKILL), killed for memory";
    assert_eq!(run.report.as_ref().unwrap()["failure"], words, "{run}");
    assert!(reported.log().contains(&format!("error: {words}\n")));
    assert!(run.stderr.contains("ran out of memory"), "{run}");
}

#[test]
fn a_girder_that_refuses_the_updates_costs_a_warning_and_no_token() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let mut job = script(&reported, "echo done");
    job["girder_job"]["headers"] = json!({"Girder-Token": "not-the-right-token"});
    let run = Invocation::job(&job).finish();
    assert_eq!((run.code, run.stdout.as_slice()), (0, b"done\n".as_slice()), "{run}");
    let report = run.report.as_ref().unwrap().to_string();
    assert!(report.contains("of the job in Girder failed"), "{report}");
    assert!(!report.contains("not-the-right-token") && !run.stderr.contains("not-the-right-token"));
    assert!(reported.statuses().is_empty());
}

#[test]
fn what_programs_of_slicer_say_is_progress_and_not_log() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let text = "printf '<filter-start><filter-name>Blur</filter-name></filter-start>\\na\\n\
                <filter-prog'; sleep 0.1; printf 'ress>0.5</filter-progress>\\nb\\n'";
    let run = Invocation::job(&script(&reported, text)).finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(String::from_utf8_lossy(&run.stdout).contains("<filter-progress>0.5"), "as it is");
    let progress = reported.record()["progress"].clone();
    assert_eq!(progress["total"], 1.0);
    assert_eq!(progress["current"], 0.5);
    assert_eq!(progress["message"], "Blur");
    let log = reported.log();
    assert!(log.contains("a\nb\n") && !log.contains("filter"), "{log}");
}
