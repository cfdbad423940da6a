//! Downloads that fail, and what is said of them; nothing of them stays.

use std::fs;

use serde_json::{Value, json};

use crate::run_jobs::job;
use crate::support::command::{Finished, Invocation};
use crate::support::disk::Disk;
use crate::support::girder::Girder;
use crate::support::seeded::Seeded;

/// Runs a job that downloads this, and has to fail.
fn refused(girder: &Girder, argument: Value, token: &str) -> Finished {
    let mut job = girder.with_access(job(&["cat"]));
    job["girder_client_token"] = token.into();
    job["container_args"].as_array_mut().unwrap().push(argument);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    run
}

fn file(id: &str) -> Value {
    json!({"type": "GirderFileIdToVolume", "id": id})
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let girder = Girder::log_in();
    let id = "0123456789abcdef01234567";
    let run = refused(&girder, file(id), girder.token());
    assert!(run.stderr.contains(&format!("there is no file {id} at {}", girder.api())), "{run}");
}

#[test]
fn a_folder_where_a_file_is_due_is_no_file() {
    let girder = Girder::log_in();
    let run = refused(&girder, file(girder.folder()), girder.token());
    assert!(run.stderr.contains(&format!("there is no file {}", girder.folder())), "{run}");
    assert!(run.stderr.contains("Invalid file id"), "{run}");
    let argument = json!({"type": "GirderItemIdToVolume", "id": girder.folder()});
    let run = refused(&girder, argument, girder.token());
    assert!(run.stderr.contains(&format!("there is no item {}", girder.folder())), "{run}");
}

#[test]
fn who_may_not_see_it_is_told_so() {
    let girder = Girder::log_in();
    // Nobody but the administrator: an access of `{}`.
    let query = "access=%7B%7D&public=false";
    let url = format!("{}/folder/{}/access?{query}", girder.api(), girder.folder());
    ureq::put(url).header("Girder-Token", girder.token()).send(&[][..]).unwrap();
    let stored = girder.upload("a", Seeded::new(1, 10));
    let run = refused(&girder, file(&stored.id), "wrong");
    assert!(run.stderr.contains("not valid, or has expired"), "{run}");
    let stranger = girder.stranger();
    let run = refused(&girder, file(&stored.id), &stranger);
    assert!(run.stderr.contains("has no access to file"), "{run}");
    assert!(!run.stderr.contains(&stranger), "{run}");
}

#[test]
fn a_full_disk_says_how_much_is_missing() {
    let girder = Girder::log_in();
    let size = 3_000_000;
    let stored = girder.upload("big.bin", Seeded::new(1, size));
    let disk = Disk::mount(1 << 20);
    let argument = json!({
        "type": "GirderFileIdToVolume",
        "id": stored.id,
        "volume": {
            "type": "BindMountVolume",
            "host_path": disk.path(),
            "container_path": "/data",
        },
    });
    let run = refused(&girder, argument, girder.token());
    let missing = size - (1 << 20);
    assert!(run.stderr.contains("No space left on device"), "{run}");
    assert!(run.stderr.contains(&format!("{missing} of its {size} bytes are missing")), "{run}");
    assert!(run.stderr.contains("big.bin"), "{run}");
    let left = fs::read_dir(disk.path().join(&stored.id)).unwrap().count();
    assert_eq!(left, 0, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["downloads"][0]["finish"], "failed", "{run}");
}
