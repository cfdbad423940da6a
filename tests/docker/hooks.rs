//! Results that go to a real Girder when the container has exited.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation};
use crate::support::girder::Girder;

/// Runs a shell script in `/out` of a folder of the host, and then these hooks.
pub(crate) fn run(girder: &Girder, host: &Path, text: &str, hooks: Value) -> Finished {
    Invocation::job(&job(girder, host, text, hooks)).finish()
}

/// The job of [`run`].
pub(crate) fn job(girder: &Girder, host: &Path, text: &str, hooks: Value) -> Value {
    let mut job = girder.with_access(script(&format!("cd /out; {text}")));
    let volume = json!({"type": "BindMountVolume", "host_path": host, "container_path": "/out"});
    job["volumes"] = json!([volume]);
    let mut hooks = hooks;
    for hook in hooks.as_array_mut().unwrap() {
        for key in ["volumepath", "metadata"] {
            if hook[key].get("filename").is_some() {
                hook[key]["type"] = "VolumePath".into();
                hook[key]["volume"] = volume.clone();
            }
        }
    }
    job["girder_result_hooks"] = hooks;
    job
}

#[test]
fn a_file_is_uploaded_to_an_item() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "deep/r.txt"},
        "item_id": item,
    }]);
    let run = run(&girder, host.path(), "mkdir deep; echo result > deep/r.txt", hooks);
    assert_eq!(run.code, 0, "{run}");
    let files = girder.files(&item);
    assert_eq!(files.len(), 1, "{run}");
    let (name, record) = &files[0];
    assert_eq!((name.as_str(), &record["mimeType"]), ("r.txt", &json!("text/plain")), "{run}");
    let id = record["_id"].as_str().unwrap();
    assert_eq!(girder.content(id), b"result\n");
    let expected = json!([{"item_id": item, "file_id": id, "name": "r.txt", "bytes": 7}]);
    assert_eq!(run.uploads(), expected, "{run}");
    assert!(host.path().join("deep/r.txt").exists());
}

#[test]
fn a_large_file_arrives_in_chunks_and_is_deleted() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "big"},
        "item_id": item,
        "delete_file": true,
    }]);
    // Two chunks and a bit.
    let text = "head -c 150000001 /dev/urandom > big; sha256sum < big";
    let run = run(&girder, host.path(), text, hooks);
    assert_eq!(run.code, 0, "{run}");
    let id = girder.files(&item)[0].1["_id"].as_str().unwrap().to_owned();
    let digest =
        crate::support::seeded::hex(&<sha2::Sha256 as sha2::Digest>::digest(girder.content(&id)));
    assert!(run.stdout.starts_with(digest.as_bytes()), "{run}");
    assert!(!host.path().join("big").exists(), "{run}");
}

#[test]
fn an_upload_takes_the_place_of_a_file_of_its_name() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let old = girder.add_file(&item, "r.txt", b"old!");
    girder.add_file(&item, "other.txt", b"other");
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "r.txt"},
        "item_id": item,
    }]);
    // Of the same size: Girder's own client would keep the old one.
    let run = run(&girder, host.path(), "printf new! > r.txt", hooks);
    assert_eq!(run.code, 0, "{run}");
    let names: Vec<_> = girder.files(&item).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["other.txt", "r.txt"], "{run}");
    assert_eq!(girder.content(&old), b"new!");
}

#[test]
fn a_flat_folder_is_uploaded_without_what_is_no_file() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    symlink(secret.path(), host.path().join("secret")).unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "."},
        "item_id": item,
        "upload_kwargs": {"mimeType": "text/x-ours", "reference": "r"},
        "delete_file": true,
    }]);
    let text =
        "echo a > a.txt; : > empty; mkfifo fifo; mkdir sub; echo s > sub/s; ln -s a.txt link";
    let run = run(&girder, host.path(), text, hooks);
    assert_eq!(run.code, 0, "{run}");
    let files = girder.files(&item);
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.txt", "empty", "link"], "{run}");
    assert!(files.iter().all(|(_, record)| record["mimeType"] == "text/x-ours"), "{run}");
    // Who waits for results in Girder hears it.
    assert_eq!(girder.get(&format!("item/{item}"))["meta"]["reference"], "r", "{run}");
    let warnings = run.report.as_ref().unwrap()["warnings"].to_string();
    for skipped in [
        r#"\"fifo\" was not uploaded: it is a FIFO"#,
        r#"\"secret\" was not uploaded: it is a symbolic link"#,
        r#"\"sub\" was not uploaded: it is a folder in a folder"#,
    ] {
        assert!(warnings.contains(skipped), "{skipped} {run}");
    }
    assert!(secret.path().exists());
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0, "{run}");
}

#[test]
fn a_folder_is_uploaded_with_all_below_into_folders_that_are_there() {
    let girder = Girder::log_in();
    let existing = girder.make_folder(girder.folder(), "sub");
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToFolder",
        "volumepath": {"filename": "tree/"},
        "folder_id": girder.folder(),
    }]);
    let text = "mkdir -p tree/sub/deep tree/new; echo 1 > tree/1; echo 2 > tree/sub/2; \
                echo 3 > tree/sub/deep/3; mkfifo tree/new/fifo; ln -s / tree/root";
    let run = run(&girder, host.path(), text, hooks);
    assert_eq!(run.code, 0, "{run}");
    let items = |folder: &str| names(&girder.get(&format!("item?folderId={folder}&sort=name")));
    let folders =
        |folder: &str| girder.get(&format!("folder?parentType=folder&parentId={folder}&sort=name"));
    assert_eq!(items(girder.folder()), ["1"], "{run}");
    assert_eq!(names(&folders(girder.folder())), ["new", "sub"], "{run}");
    assert_eq!(items(&existing), ["2"], "{run}");
    let deep = folders(&existing)[0]["_id"].as_str().unwrap().to_owned();
    let three = girder.get(&format!("item?folderId={deep}"))[0]["_id"].as_str().unwrap().to_owned();
    let file = girder.files(&three)[0].1["_id"].as_str().unwrap().to_owned();
    assert_eq!(girder.content(&file), b"3\n");
    assert_eq!(run.report.as_ref().unwrap()["uploads"].as_array().unwrap().len(), 3, "{run}");
    assert!(run.stderr.contains("tree/root"), "{run}");
}

#[test]
fn links_inside_a_volume_are_followed_and_none_in_a_circle() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let below = girder.make_folder(girder.folder(), "below");
    let hooks = json!([{
        "type": "GirderUploadVolumePathToFolder",
        "volumepath": {"filename": "tree"},
        "folder_id": below,
    }, {
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "tree/linked/x.csv"},
        "item_id": item,
    }]);
    let text = "mkdir -p tree/real data; echo 1 > data/x.csv; ln -s ../../data/x.csv tree/real/x; \
                ln -s ../data tree/linked; ln -s . tree/circle; ln -s ../tree/linked tree/twice";
    let run = run(&girder, host.path(), text, hooks);
    assert_eq!(run.code, 0, "{run}");
    let query = format!("folder?parentType=folder&parentId={below}&sort=name");
    assert_eq!(names(&girder.get(&query)), ["linked", "real"], "{run}");
    assert_eq!(run.reported("uploads").as_array().unwrap().len(), 3, "{run}");
    let warnings = run.reported("warnings").to_string();
    for name in ["circle", "twice"] {
        let skipped =
            format!(r#"\"tree/{name}\" was not uploaded: it is a symbolic link to a folder"#);
        assert!(warnings.contains(&skipped), "{run}");
    }
    let files = girder.files(&item);
    assert_eq!(files[0].0, "x.csv", "{run}");
    assert_eq!(girder.content(files[0].1["_id"].as_str().unwrap()), b"1\n", "{run}");
}

#[test]
fn a_file_becomes_an_item_of_a_folder() {
    let girder = Girder::log_in();
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToFolder",
        "volumepath": {"filename": "a.json"},
        "folder_id": girder.folder(),
    }]);
    let run = run(&girder, host.path(), "echo '{}' > a.json", hooks);
    assert_eq!(run.code, 0, "{run}");
    let items = girder.get(&format!("item?folderId={}", girder.folder()));
    assert_eq!(names(&items), ["a.json"], "{run}");
    let files = girder.files(items[0]["_id"].as_str().unwrap());
    assert_eq!(files[0].1["mimeType"], "application/json", "{run}");
}

#[test]
fn metadata_is_merged_from_values_and_from_what_the_container_wrote() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([
        {"type": "GirderItemMetadata", "item_id": item, "metadata": {"kept": 1, "changed": 1}},
        {"type": "GirderItemMetadata", "item_id": item, "metadata": {"filename": "m.json"}},
    ]);
    let text = r#"echo '{"changed": 2, "cells": [1.5, "ä"], "nested": {"a": null}}' > m.json"#;
    let run = run(&girder, host.path(), text, hooks);
    assert_eq!(run.code, 0, "{run}");
    let meta = &girder.get(&format!("item/{item}"))["meta"];
    assert_eq!(
        *meta,
        json!({"kept": 1, "changed": 2, "cells": [1.5, "ä"], "nested": {"a": null}}),
        "{run}"
    );
}

#[test]
fn a_server_without_artifacts_is_a_warning() {
    let girder = Girder::log_in();
    let host = tempfile::tempdir().unwrap();
    let job = "0123456789abcdef01234567";
    let hooks = json!([
        {"type": "GirderUploadVolumePathJobArtifact", "volumepath": {"filename": "."}, "job_id": job},
        {"type": "GirderUploadVolumePathJobArtifact", "volumepath": {"filename": "none"}, "job_id": job},
    ]);
    let run = run(&girder, host.path(), "echo a > a; echo b > b", hooks);
    assert_eq!(run.code, 0, "{run}");
    let warnings = run.report.as_ref().unwrap()["warnings"].as_array().unwrap().clone();
    assert_eq!(warnings.len(), 1, "{run}");
    assert!(warnings[0].as_str().unwrap().contains("has no artifacts of jobs"), "{run}");
}

#[test]
fn a_failed_run_uploads_only_what_is_marked_for_it() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let hook = |name: &str, marked: bool| {
        json!({
            "type": "GirderUploadVolumePathToItem",
            "volumepath": {"filename": name},
            "item_id": item,
            "upload_on_exception": marked,
        })
    };
    let hooks = json!([hook("result", false), hook("log", true), hook("missing", true)]);
    let run = run(&girder, host.path(), "echo r > result; echo l > log; exit 3", hooks);
    assert_eq!(run.code, 3, "{run}");
    let names: Vec<_> = girder.files(&item).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["log"], "{run}");
    let warnings = run.report.as_ref().unwrap()["warnings"].to_string();
    assert!(warnings.contains("missing"), "{run}");
}

#[test]
fn a_cancelled_run_uploads_what_is_marked_for_it() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "log"},
        "item_id": item,
        "upload_on_exception": true,
    }]);
    let text = "trap 'echo stopped >> log; exit 1' TERM; echo began > log; echo; \
                while :; do sleep 0.1; done";
    let (mut reader, writer) = std::io::pipe().unwrap();
    let running = Invocation::job(&job(&girder, host.path(), text, hooks))
        .stdout(std::process::Stdio::from(writer))
        .start();
    // Its first line: the trap is set.
    std::io::Read::read_exact(&mut reader, &mut [0]).unwrap();
    running.signal(nix::sys::signal::Signal::SIGINT);
    let run = running.finish();
    assert_eq!(run.code, 130, "{run}");
    let file = girder.files(&item)[0].1["_id"].as_str().unwrap().to_owned();
    assert_eq!(girder.content(&file), b"began\nstopped\n", "{run}");
}

fn names(records: &Value) -> Vec<String> {
    let name = |record: &Value| record["name"].as_str().unwrap().to_owned();
    records.as_array().unwrap().iter().map(name).collect()
}
