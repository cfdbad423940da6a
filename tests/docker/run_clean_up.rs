//! Nothing stays behind, however a run ends.

use std::fs;

use serde_json::json;

use crate::run_jobs::{job, script};
use crate::support::command::Invocation;

#[test]
fn what_the_container_leaves_in_a_temporary_volume_goes() {
    let text = "cd \"$0\" && mkdir -p a/b && echo x > a/b/file && ln -s /etc link && \
                chmod 0 a/b && chmod 0 a";
    let mut job = job(&["sh", "-c", text]);
    job["container_args"].as_array_mut().unwrap().push(json!({"type": "TemporaryVolume.default"}));
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["warnings"], json!([]));
}

#[test]
fn fifos_in_a_folder_of_the_host_go_and_what_else_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "x").unwrap();
    let mut job = job(&["sh", "-c", "cat /data/in > /data/copy"]);
    job["volumes"] = json!({folder.path().to_str().unwrap(): {"bind": "/data", "mode": "rw"}});
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": folder.path().join("mine")},
        "output": {
            "type": "NamedInputPipe", "name": "in",
            "container_path": "/data", "host_path": folder.path(),
        },
    }]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read(folder.path().join("copy")).unwrap(), b"x");
    assert!(!folder.path().join("in").exists());
}

#[test]
fn a_failed_start_leaves_nothing() {
    let run = Invocation::job(&job(&["no-such-program"])).finish();
    assert_eq!(run.code, 127, "{run}");
}

#[test]
fn a_failed_start_leaves_nothing_even_where_the_container_is_to_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    let mut job = job(&["no-such-program"]);
    job["remove_container"] = json!(false);
    fs::write(&path, job.to_string()).unwrap();
    let run = Invocation::of(&["run"]).arg(&path).finish();
    assert_eq!(run.code, 127, "{run}");
}

#[test]
fn a_container_that_is_to_be_kept_is_kept() {
    let mut job = script("exit 3");
    job["remove_container"] = json!(false);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 3, "{run}");
}

#[test]
fn a_fifo_that_cannot_be_made_is_named_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in"), "a file of the user's").unwrap();
    let mut job = script("true");
    job["volumes"] = json!({folder.path().to_str().unwrap(): {"bind": "/data", "mode": "rw"}});
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": "/dev/null"},
        "output": {
            "type": "NamedInputPipe", "name": "in",
            "container_path": "/data", "host_path": folder.path(),
        },
    }]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains(folder.path().to_str().unwrap()), "{run}");
    assert!(folder.path().join("in").exists());
}

#[test]
fn a_fifo_of_ours_that_the_container_replaced_stays_where_it_was_put() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = script("rm /data/in && echo mine > /data/in");
    job["volumes"] = json!({folder.path().to_str().unwrap(): {"bind": "/data", "mode": "rw"}});
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": "/etc/hostname"},
        "output": {
            "type": "NamedInputPipe", "name": "in",
            "container_path": "/data", "host_path": folder.path(),
        },
    }]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read(folder.path().join("in")).unwrap(), b"mine\n");
    let transfer = &run.report.as_ref().unwrap()["transfers"][0];
    assert_eq!(transfer["finish"], "not_opened", "{run}");
}
