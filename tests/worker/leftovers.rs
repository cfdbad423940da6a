//! What a worker leaves that is killed, and what becomes of it.

use std::path::Path;

use serde_json::json;

use crate::jobs::{ERROR, SUCCESS};
use crate::site::{Site, on_both_sites, on_one_site, script};
use crate::support::disk::Disk;

on_both_sites! {
    what_ran_when_the_worker_was_killed_ends_as_an_error_at_its_next_start,
    a_job_whose_message_comes_again_is_not_ended_when_its_worker_died,
}

on_one_site! {
    without_a_state_only_this_nodes_containers_are_removed,
    what_was_revoked_is_remembered_over_the_workers_end,
    a_disk_that_stands_still_holds_a_job_up_and_no_answer,
}

fn state(folder: &Path) -> String {
    folder.join("state").display().to_string()
}

fn what_ran_when_the_worker_was_killed_ends_as_an_error_at_its_next_start(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--statedb", &state(folder.path())];
    let mut first = site.worker(&arguments);
    let job = site.send(&script("echo up; sleep 1000"), json!({}));
    job.says("up");
    first.dies();
    assert!(job.has_container());

    let second = site.worker(&arguments);
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("error: the worker died\n"), "{}", job.log());
    assert!(!job.has_container());
    site.until(|| first.left_behind().is_empty());
    // The third has nothing to do with it any more.
    second.ends_well();
    let _third = site.worker(&arguments);
    assert_eq!(job.log().matches("the worker died").count(), 1);
}

fn a_job_whose_message_comes_again_is_not_ended_when_its_worker_died(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["--statedb", &state(folder.path()), "--acks-late", "--visibility-timeout", "3"];
    let mut first = site.worker(&arguments);
    // It runs until it finds that it is the second.
    let job = site.send(&script("echo up; sleep 5"), json!({}));
    job.says("up");
    first.dies();

    let _second = site.worker(&arguments);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert!(!job.log().contains("the worker died"), "{}", job.log());
    assert_eq!(job.log().matches("up\n").count(), 2, "{}", job.log());
    assert!(!job.has_container());
}

fn without_a_state_only_this_nodes_containers_are_removed(site: &Site) {
    let other = format!("other-{}", site.node());
    let mut first = site.worker(&["--concurrency", "1"]);
    let job = site.send(&script("echo up; sleep 1000"), json!({}));
    job.says("up");
    let mut elsewhere = site.worker(&["--concurrency", "1", "--hostname", &other]);
    let others = site.send(&script("echo up; sleep 1000"), json!({}));
    others.says("up");
    first.dies();
    elsewhere.dies();
    assert!(job.has_container() && others.has_container());

    let _again = site.worker(&[]);
    assert!(!job.has_container());
    assert!(others.has_container(), "it is another node's");
    let _elsewhere = site.worker(&["--hostname", &other]);
    assert!(!others.has_container());
}

fn what_was_revoked_is_remembered_over_the_workers_end(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--statedb", &state(folder.path())];
    let first = site.worker(&arguments);
    let id = format!("revoked-{}", site.queue());
    let asked = json!({"command": "revoke", "arguments": {"task_id": id},
        "destination": [site.node()]});
    let answer = site.control("broadcast", &asked);
    assert_eq!(
        answer[site.node()],
        json!({"ok": format!("tasks {{'{id}'}} flagged as revoked")}),
        "{answer}"
    );
    first.ends_well();

    let second = site.worker(&arguments);
    let revoked = site.inspect(&["revoked"])["revoked"].clone();
    assert!(revoked.as_array().unwrap().contains(&json!(id)), "{revoked}");
    second.ends_well();

    // A job that was revoked in such a way never starts.
    let job = site.send(&script("echo never"), json!({"task_id": id}));
    let _third = site.worker(&arguments);
    assert_eq!(job.ended(), crate::jobs::CANCELED);
    assert!(!job.log().contains("container"), "{}", job.log());
}

fn a_disk_that_stands_still_holds_a_job_up_and_no_answer(site: &Site) {
    let disk = Disk::with_ice();
    let worker = site.worker(&["--statedb", &state(disk.path())]);
    let frozen = disk.freezes();
    let job = site.send(&script("echo up"), json!({}));
    site.until(|| job.statuses() == [2]);
    for _ in 0..3 {
        assert_eq!(site.inspect(&["ping"])["ping"]["ok"], "pong", "{}", worker.log());
    }
    // It is not remembered yet, and nobody would know of its container.
    assert!(!job.has_container());
    drop(frozen);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    worker.ends_well();
}
