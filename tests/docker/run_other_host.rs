//! An engine with another file system than ours: the run says so before the container starts.

use std::fs;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::item_streams::{item, to_item, writing};
use crate::support::job::{
    Job, connect, end, host_file, host_file_to_stream, named_input_pipe, named_output_pipe,
};

/// The command in a mount namespace of its own, in which this folder is another one.
fn elsewhere(job: &Job, folder: &TempDir) -> std::process::Output {
    let document = folder.path().join("job.json");
    fs::write(&document, job.document().to_string()).unwrap();
    let records = folder.path().join("records");
    fs::create_dir_all(&records).unwrap();
    let hidden = folder.path().join("tmp");
    fs::create_dir_all(&hidden).unwrap();
    let script = "mount -t tmpfs none \"$TMPDIR\" && exec \"$0\" run \"$1\" --progress none";
    Command::new("unshare")
        .args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_gantline")])
        .arg(document)
        .env("TMPDIR", hidden)
        .env("GANTLINE_RECORD_DIR", records)
        .output()
        .unwrap()
}

#[test]
fn a_folder_that_the_engine_does_not_see_is_named_before_the_container_starts() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let out = folder.path().join("out");
    let pipe = connect(named_output_pipe("result"), host_file(&out));
    let job = Job::script("echo started >&2; echo r > $1").arg(pipe);
    let run = elsewhere(&job, &folder);
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(125), "{stderr}");
    assert!(!stderr.contains("started"), "{stderr}");
    let hidden = folder.path().join("tmp");
    assert!(stderr.contains(&format!("does not see {}", hidden.display())), "{stderr}");
    assert!(stderr.contains("the engine at unix:///"), "{stderr}");
    assert!(stderr.contains("TMPDIR"), "{stderr}");
    assert!(!out.exists(), "{stderr}");
}

#[test]
fn a_job_that_moves_nothing_through_a_volume_runs_on_any_engine() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let run = elsewhere(&Job::program(&["echo", "hello"]), &folder);
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert_eq!((run.status.code(), &*run.stdout), (Some(0), &b"hello\n"[..]), "{stderr}");
}

#[test]
fn an_output_that_nobody_opened_is_a_warning() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let out = folder.path().join("out");
    let job = Job::script("exit 0").arg(connect(named_output_pipe("result"), host_file(&out)));
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.transfer(&format!("file:{}", out.display()))["finish"], "not_opened", "{run}");
    let warnings = run.reported("warnings").to_string();
    assert!(warnings.contains("the container has not opened this FIFO"), "{run}");
    // One that was opened and closed again is empty, and no more is said.
    let job = Job::script(": > $1").arg(connect(named_output_pipe("result"), host_file(&out)));
    let run = job.finish();
    assert_eq!(run.transfer(&format!("file:{}", out.display()))["finish"], "complete", "{run}");
    assert_eq!(run.reported("warnings").as_array().unwrap().len(), 0, "{run}");
    // The container's own output is no FIFO.
    let job = Job::script("exit 0").stream(end("ContainerStdOut"), host_file(&out));
    assert_eq!(job.finish().reported("warnings").as_array().unwrap().len(), 0);
}

#[test]
fn an_input_that_nobody_opened_is_a_warning() {
    let source = host_file_to_stream("/etc/hostname".as_ref());
    let job =
        |script: &str| Job::script(script).arg(connect(source.clone(), named_input_pipe("x")));
    let run = job("true").finish();
    assert_eq!(run.code, 0, "{run}");
    let warnings = run.reported("warnings").to_string();
    assert!(warnings.contains("fifo:x: the container has not opened this FIFO"), "{run}");
    // A program that fails has its own reason.
    let run = job("exit 3").finish();
    assert_eq!((run.code, run.reported("warnings")), (3, &json!([])), "{run}");
}

#[test]
fn a_fifo_that_nobody_opened_is_no_file_in_girder() {
    let (girder, item) = item();
    let run = writing(&girder, "exit 0", to_item(&item, "result", 0)).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(girder.files(&item), [], "{run}");
    let warnings = run.reported("warnings").to_string();
    assert!(warnings.contains("the container has not opened this FIFO"), "{run}");
    let run = writing(&girder, ": > $1", to_item(&item, "result", 0)).finish();
    assert_eq!((run.code, girder.files(&item).len()), (0, 1), "{run}");
}
