//! The exit codes of the command are `docker run`'s, each by the real engine.

use std::process::Command;

use serde_json::json;

use crate::run_jobs::{job, run_script, script};
use crate::support::command::Invocation;

#[test]
fn the_containers_exit_code_is_the_commands() {
    for code in [0, 3, 255] {
        let run = run_script(&format!("exit {code}")).finish();
        assert_eq!(run.code, code, "{run}");
        let report = run.report.as_ref().unwrap();
        assert_eq!(report["exit_code"], code);
        assert_eq!(report["error"], json!(null));
        assert_eq!(report["cancelled"], false);
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn a_container_that_somebody_kills_gives_137() {
    let run = run_script("exec sleep 600").start();
    let id = run.container_started();
    let killed = Command::new("docker").args(["kill", &id]).output().unwrap();
    assert!(killed.status.success());
    let run = run.finish();
    assert_eq!(run.code, 137, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["cancelled"], false);
}

#[test]
fn a_command_that_is_not_there_gives_127() {
    for missing in ["no-such-program", "/no/such/program"] {
        let run = Invocation::job(&job(&[missing])).finish();
        assert_eq!(run.code, 127, "{run}");
        assert!(run.stderr.starts_with("gantline: cannot start the container: "), "{run}");
        assert!(run.report.as_ref().unwrap()["error"].as_str().unwrap().contains(missing));
    }
}

#[test]
fn an_entrypoint_that_is_not_there_gives_127() {
    let mut job = job(&["an argument"]);
    job["entrypoint"] = "/no/such/entrypoint".into();
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 127, "{run}");
    assert!(run.stderr.contains("/no/such/entrypoint"), "{run}");
}

#[test]
fn a_command_that_cannot_be_run_gives_126() {
    for cannot in ["/etc/not-executable", "/etc"] {
        let run = Invocation::job(&job(&[cannot])).finish();
        assert_eq!(run.code, 126, "{run}");
    }
}

#[test]
fn an_image_that_is_not_there_gives_125() {
    let run = Invocation::job(&json!({"image": "gantline-test:none", "pull_image": false}));
    let run = run.finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("the engine has no image gantline-test:none"), "{run}");
    let report = run.report.as_ref().unwrap();
    assert_eq!(report["exit_code"], json!(null));
    assert_eq!(report["container_id"], json!(null));
}

#[test]
fn an_engine_that_is_not_there_gives_125_and_says_what_to_do() {
    let run = run_script("true").env("DOCKER_HOST", "unix:///no/such/engine.sock").finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.starts_with("gantline: cannot use the engine: cannot connect"), "{run}");
    assert!(run.stderr.contains("/no/such/engine.sock"), "{run}");
    assert_eq!(run.stderr.lines().count(), 1, "an error is told once: {run}");
}

#[test]
fn a_container_that_the_engine_refuses_gives_125() {
    let mut job = script("true");
    // A file cannot be mounted where the image has a folder.
    job["volumes"] = json!({"/etc/passwd": {"bind": "/tmp", "mode": "rw"}});
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("cannot start the container"), "{run}");
}

#[test]
fn a_bad_job_gives_2_and_its_place() {
    let mut bad = script("true");
    bad["container_argz"] = json!([]);
    let run = Invocation::job(&bad).finish();
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("container_argz"), "{run}");
    assert!(run.stderr.contains("container_args"), "the nearest name: {run}");
    let run = Invocation::of(&["run", "/no/such/job.json"]).finish();
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("/no/such/job.json"), "{run}");
}

#[test]
fn bad_usage_gives_2() {
    for arguments in [&["run"][..], &["nonsense"], &["run", "--progress", "loud", "-"]] {
        let run = Invocation::of(arguments).finish();
        assert_eq!(run.code, 2, "{run}");
    }
    let run = run_script("true").env("DOCKER_API_VERSION", "new").finish();
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("DOCKER_API_VERSION"), "{run}");
}
