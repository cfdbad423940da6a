//! Progress pipes, and arguments that say where Girder is.

use serde_json::json;

use crate::run_jobs::job;
use crate::support::command::Invocation;
use crate::support::girder::Girder;
use crate::support::girder_job::Job;

#[test]
fn lines_in_a_progress_pipe_are_the_jobs_progress_and_bad_ones_a_warning() {
    let girder = Girder::log_in();
    let reported = Job::new(&girder);
    let script =
        "for i in 1 2 3; do echo \"{\\\"total\\\": 3, \\\"current\\\": $i}\" > \"$1\"; done
                  echo nonsense > \"$1\"; printf '{\"message\": \"caf\u{e9}\"}' > \"$1\"";
    let mut job = job(&["sh", "-ec", script, "sh"]);
    job["container_args"].as_array_mut().unwrap().push(json!({"type": "ProgressPipe"}));
    job["girder_job"] = reported.info.clone();
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    let progress = reported.record()["progress"].clone();
    assert_eq!(progress["total"], 3.0);
    assert_eq!(progress["current"], 3.0);
    assert_eq!(progress["message"], "caf\u{e9}");
    let report = run.report.as_ref().unwrap();
    assert_eq!(report["warnings"][0], "1 line of the progress pipe said no progress", "{run}");
    assert_eq!(report["transfers"][0]["sink"], "progress", "{run}");
    assert_eq!(report["transfers"][0]["source"], "fifo:.girder_progress", "{run}");
}

#[test]
fn a_progress_pipe_that_nobody_writes_harms_nothing() {
    let mut job = job(&["sh", "-c", "test -p \"$1\"", "sh"]);
    job["container_args"].as_array_mut().unwrap().push(json!({"type": "ProgressPipe"}));
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["warnings"], json!([]));
}

#[test]
fn a_container_is_told_where_girder_is_and_let_in() {
    let girder = Girder::log_in();
    let mut job = girder.with_access(job(&["echo"]));
    let arguments = job["container_args"].as_array_mut().unwrap();
    arguments.extend([json!({"type": "GirderApiUrl"}), json!({"type": "GirderToken"})]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    let expected = format!("{} {}\n", girder.api(), girder.token());
    assert_eq!(String::from_utf8_lossy(&run.stdout), expected);
    assert!(!run.report.as_ref().unwrap().to_string().contains(girder.token()));
}

#[test]
fn a_token_that_nobody_gave_fails_before_the_container() {
    let girder = Girder::log_in();
    let mut job = job(&["echo"]);
    job["girder_api_url"] = json!(girder.api());
    job["container_args"].as_array_mut().unwrap().push(json!({"type": "GirderToken"}));
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("an argument is to be a token for Girder"), "{run}");
}
