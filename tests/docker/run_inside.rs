//! The command in a container that has the engine's socket: the containers that it starts share its network.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run_jobs::script_apart;

/// What a job saw that was run in a container.
struct Inside {
    /// The network of that container.
    ours: String,
    /// The network of the job's.
    jobs: String,
    stderr: String,
}

/// Runs a job that tells its network, in a container of this name.
#[track_caller]
fn run_inside(name: &str, options: &[&str], keywords: Value) -> Inside {
    let mut job = script_apart("readlink /proc/self/ns/net");
    job.as_object_mut().unwrap().extend(keywords.as_object().unwrap().clone());
    let output = begin_inside(name, options, "readlink /proc/self/ns/net", &job);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let [ours, jobs] = stdout.lines().collect::<Vec<_>>()[..] else { panic!("{stdout}{stderr}") };
    assert!(ours.starts_with("net:[") && jobs.starts_with("net:["), "{stdout}{stderr}");
    Inside { ours: ours.to_owned(), jobs: jobs.to_owned(), stderr }
}

/// Runs a job in a container of this name.
#[track_caller]
pub(crate) fn inside(name: &str, options: &[&str], job: &Value) -> Output {
    begin_inside(name, options, "true", job)
}

/// Runs a word of the shell, and then a job, in a container of this name.
#[track_caller]
fn begin_inside(name: &str, options: &[&str], first: &str, job: &Value) -> Output {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let path = folder.path().to_str().unwrap();
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--interactive", "--name", name]).args(options);
    // The same path on both sides, as the engine mounts what the command makes there.
    command.args(["--volume", &format!("{path}:{path}"), "--env", &format!("TMPDIR={path}")]);
    command.args(["--volume", "/var/run/docker.sock:/var/run/docker.sock"]);
    command.args(["--volume", &format!("{}:/gantline:ro", env!("CARGO_BIN_EXE_gantline"))]);
    for libraries in ["/lib", "/lib64", "/usr/lib"] {
        command.args(["--volume", &format!("{libraries}:{libraries}:ro")]);
    }
    let text = format!("{first}; exec timeout 60 /gantline run --progress none -");
    command.args(["gantline-test:busybox", "sh", "-c", &text]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_dir(path).unwrap().count(), 0, "left in TMPDIR");
    output
}

#[test]
fn a_job_without_a_network_shares_the_one_of_our_container() {
    // Also when our name says nothing of our id.
    for options in [&[][..], &["--hostname", "elsewhere"]] {
        let run = run_inside("gantline-test-inside-1", options, json!({}));
        assert_eq!(run.ours, run.jobs, "{}", run.stderr);
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn a_job_with_a_network_has_its_own() {
    for keywords in [json!({"network_mode": "bridge"}), json!({"network": null})] {
        let run = run_inside("gantline-test-inside-2", &[], keywords);
        assert_ne!(run.ours, run.jobs, "{}", run.stderr);
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn a_keyword_that_needs_a_network_of_its_own_keeps_the_job_from_ours() {
    let run = run_inside("gantline-test-inside-3", &[], json!({"hostname": "mine"}));
    assert_ne!(run.ours, run.jobs, "{}", run.stderr);
    assert!(run.stderr.contains("because the job sets `hostname`"), "{}", run.stderr);
}

#[test]
fn a_container_without_an_address_has_none_to_share() {
    let run = run_inside("gantline-test-inside-4", &["--network", "none"], json!({}));
    assert_ne!(run.ours, run.jobs, "{}", run.stderr);
    assert_eq!(run.stderr, "");
}
