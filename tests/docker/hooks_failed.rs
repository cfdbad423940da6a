//! Result hooks that fail, and what is said of them.

use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::{Value, json};

use crate::hooks::job;
use crate::support::command::{Finished, Invocation};
use crate::support::girder::Girder;

fn refused(girder: &Girder, host: &Path, text: &str, hook: Value) -> Finished {
    let run = Invocation::job(&job(girder, host, text, json!([hook]))).finish();
    assert_eq!(run.code, 125, "{run}");
    run
}

fn to_item(item: &str) -> Value {
    json!({
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "r"},
        "item_id": item,
    })
}

#[test]
fn what_the_container_did_not_write_is_named() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let run = refused(&girder, host.path(), "true", to_item(&item));
    assert!(run.stderr.contains("there is no \"r\" to upload"), "{run}");
}

#[test]
fn each_hook_has_a_result_of_its_own() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let mut missing = to_item(&item);
    missing["volumepath"]["filename"] = "not-there".into();
    let hooks = json!([to_item(&item), missing, to_item(&item)]);
    let run = Invocation::job(&job(&girder, host.path(), "echo x > r", hooks)).finish();
    assert_eq!(run.code, 125, "{run}");
    let report = run.report.as_ref().unwrap();
    let hooks = report["hooks"].as_array().unwrap();
    let finishes: Vec<_> = hooks.iter().map(|hook| hook["finish"].as_str().unwrap()).collect();
    assert_eq!(finishes, ["complete", "failed", "complete"], "{run}");
    let error = hooks[1]["error"].as_str().unwrap();
    assert!(error.contains("there is no \"not-there\" to upload"), "{run}");
    assert_eq!(hooks[1]["uploads"], json!([]), "{run}");
    let uploads = [&hooks[0]["uploads"][0], &hooks[2]["uploads"][0]];
    assert_eq!(report["uploads"], json!(uploads), "{run}");
}

#[test]
fn what_is_no_file_is_no_result_and_is_said_by_its_kind() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let _socket = UnixListener::bind(host.path().join("socket")).unwrap();
    // Whoever reads the device never comes to its end, and whoever opens the FIFO waits for a writer.
    let kinds = [("socket", "a socket"), ("zero", "a device"), ("pipe", "a FIFO")];
    let hooks = kinds.map(|(name, _)| {
        let mut hook = to_item(&item);
        hook["volumepath"]["filename"] = name.into();
        hook
    });
    let make = "mknod zero c 1 5; mkfifo pipe";
    let run = Invocation::job(&job(&girder, host.path(), make, json!(hooks))).finish();
    assert_eq!(run.code, 125, "{run}");
    let hooks = run.report.as_ref().unwrap()["hooks"].as_array().unwrap();
    for (hook, (name, kind)) in hooks.iter().zip(kinds) {
        let error = hook["error"].as_str().unwrap();
        assert!(error.contains(&format!("cannot upload {name:?}: it is {kind}")), "{run}");
    }
    assert!(girder.files(&item).is_empty(), "{run}");
}

#[test]
fn a_link_out_of_the_volume_is_not_uploaded() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let run = refused(&girder, host.path(), "ln -s /etc/hostname r", to_item(&item));
    assert!(run.stderr.contains("cannot upload \"r\": it is a symbolic link"), "{run}");
    let mut hook = to_item(&item);
    hook["volumepath"]["filename"] = "sub/hostname".into();
    let run = refused(&girder, host.path(), "ln -s /etc sub", hook);
    assert!(run.stderr.contains("cannot look at"), "{run}");
    assert!(girder.files(&item).is_empty());
}

#[test]
fn an_item_that_is_not_there_is_named() {
    let girder = Girder::log_in();
    let host = tempfile::tempdir().unwrap();
    let run = refused(&girder, host.path(), "echo r > r", to_item(girder.folder()));
    assert!(run.stderr.contains(&format!("there is no item {}", girder.folder())), "{run}");
    let hook = json!({
        "type": "GirderUploadVolumePathToFolder",
        "volumepath": {"filename": "r"},
        "folder_id": "0123456789abcdef01234567",
    });
    let run = refused(&girder, host.path(), "echo r > r", hook);
    assert!(run.stderr.contains("there is no folder 0123456789abcdef01234567"), "{run}");
}

#[test]
fn who_may_not_see_is_told_so() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    let stranger = girder.stranger();
    let mut job = job(&girder, host.path(), "echo r > r", json!([to_item(&item)]));
    job["girder_client_token"] = stranger.clone().into();
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("has no access to"), "{run}");
    assert!(!run.stderr.contains(&stranger), "{run}");
    job["girder_client_token"] = "wrong".into();
    let run = Invocation::job(&job).finish();
    assert!(run.stderr.contains("not valid, or has expired"), "{run}");
}

#[test]
fn what_is_no_metadata_is_told_so() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let host = tempfile::tempdir().unwrap();
    for (written, reason) in [
        ("echo '[1]' > r", "it is no JSON object"),
        ("echo '{' > r", "it is no JSON: EOF"),
        ("head -c 4194305 /dev/zero > r", "it has more than 4194304 bytes"),
        ("rm r; mkdir r", "it is a folder"),
    ] {
        let hook =
            json!({"type": "GirderItemMetadata", "item_id": item, "metadata": {"filename": "r"}});
        let run = refused(&girder, host.path(), written, hook);
        assert!(run.stderr.contains(reason), "{run}");
    }
}
