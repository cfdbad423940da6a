//! Nothing stays behind, however a run ends; what a killed run left is pruned.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

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
fn what_a_killed_run_left_is_pruned() {
    let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let [temporary, other, bound, out] = folders.each_ref().map(|folder| folder.path());
    let mut job = script("hostname; exec sleep 600");
    job["volumes"] = json!([
        {"type": "TemporaryVolume", "host_dir": other},
        {"type": "BindMountVolume", "host_path": bound, "container_path": "/data"},
    ]);
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": "/etc/hostname"},
        "output": {
            "type": "NamedInputPipe", "name": "in",
            "container_path": "/data", "host_path": bound,
        },
    }, {
        "type": "Connect",
        "input": {"type": "ContainerStdErr"},
        "output": {"type": "HostFile", "path": out.join("half")},
    }]);
    let mut run = Command::new(env!("CARGO_BIN_EXE_gantline"))
        .args(["run", "-"])
        .env("TMPDIR", temporary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    run.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let mut name = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut name).unwrap();
    let prune = || {
        let pruned = Invocation::of(&["prune"]).env("TMPDIR", temporary).finish();
        assert_eq!(pruned.code, 0, "{pruned}");
        String::from_utf8(pruned.stdout).unwrap()
    };
    let id = name.trim();
    assert!(exists(id));
    prune();
    assert!(exists(id), "a run that goes on is left alone");
    run.kill().unwrap();
    run.wait().unwrap();
    let said = prune();
    assert!(said.contains("removed container gantline-"), "{said}");
    assert!(!exists(id), "{said}");
    for folder in [temporary, other, bound, out] {
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?} in {}: {said}", folder.display());
    }
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

/// Whether the engine has a container.
fn exists(id: &str) -> bool {
    Command::new("docker").args(["inspect", id]).output().unwrap().status.success()
}
