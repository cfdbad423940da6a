//! What a worker leaves that is killed, and what becomes of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::held::{HOLDS, Held};
use crate::jobs::{ERROR, SUCCESS};
use crate::site::{Site, on_both_sites, on_one_site, script};
use crate::support::disk::Disk;
use crate::way::{State, Way};

on_both_sites! {
    what_ran_when_the_worker_was_killed_ends_as_an_error_at_its_next_start,
    a_job_whose_message_comes_again_is_not_ended_when_its_worker_died,
    what_a_worker_had_not_told_when_it_died_is_told_and_followed_without_a_second_run,
}

on_one_site! {
    without_a_state_only_this_nodes_containers_are_removed,
    what_a_dead_worker_left_is_not_in_the_way_of_the_same_task_sent_again,
    what_was_revoked_is_remembered_over_the_workers_end,
    a_disk_that_stands_still_holds_a_job_up_and_no_answer,
    a_worker_that_is_stopped_does_not_wait_for_a_disk_with_a_job_that_has_not_begun,
    a_task_whose_id_is_no_containers_name_is_written_down_as_it_runs,
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
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}")), json!({}));
    job.says("up");
    first.dies();
    held.goes_on();

    let _second = site.worker(&arguments);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert!(!job.log().contains("the worker died"), "{}", job.log());
    assert_eq!(job.log().matches("up\n").count(), 2, "{}", job.log());
    assert!(!job.has_container());
}

/// Girder has heard of the end, and the worker dies before it knows that: nobody has heard of the result.
fn what_a_worker_had_not_told_when_it_died_is_told_and_followed_without_a_second_run(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["--statedb", &state(folder.path()), "--acks-late", "--visibility-timeout", "3"];
    let way = Way::to(site.api());
    let mut first = site.starting_worker(&arguments, &[("GIRDER_WORKER_API_URL", &*way.api())]);
    let held = Held::new();
    let once = held.script(&format!("echo run >>/held/runs; echo up; {HOLDS}"));
    let then = json!([script("echo second")]).to_string();
    let job = site.send_with(&once, json!({}), &[("then", &then)]);
    job.says("up");
    way.becomes(State::Forgetting);
    held.goes_on();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    first.dies();
    assert!(!job.has_child());

    let second = site.worker(&arguments);
    let child = job.child();
    assert_eq!(child.ended(), SUCCESS, "{}", child.log());
    assert_eq!(fs::read_to_string(held.path().join("runs")).unwrap(), "run\n");
    assert_eq!(job.statuses(), [2, 3]);
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["status"], "SUCCESS", "{meta}");
        assert_eq!(meta["children"][0][0][0], *child.task_id(), "{meta}");
    }
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// Without a job in Girder, nobody says that it has begun.
fn what_a_dead_worker_left_is_not_in_the_way_of_the_same_task_sent_again(site: &Site) {
    let shared = tempfile::tempdir().unwrap();
    let mut twice = script("mkdir /shared/first || exit 0; sleep 1000");
    twice["volumes"] = json!({shared.path().to_str().unwrap(): {"bind": "/shared", "mode": "rw"}});
    let job = site.send(&twice, json!({}));
    let (id, queue) = (job.task_id(), site.other_queue());
    site.control("again", &json!({"queue": site.queue(), "to": queue, "times": 2, "no_job": true}));
    let own = ["--concurrency", "1", "--queues", &queue];
    let mut first = site.worker(&own);
    site.until(|| shared.path().join("first").exists());
    first.dies();
    assert!(job.has_container());
    let name = format!("second@{queue}");
    let second = site.worker(&[own.as_slice(), &["--hostname", &name]].concat());
    let meta = site.result_of(&id).unwrap();
    assert_eq!(meta["status"], "SUCCESS", "{meta}");
    second.ends_well();
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
    // Another worker that starts at this moment looks at the same records.
    let held = record_of(&others.task_id());
    held.lock().unwrap();
    let elsewhere = site.starting_worker(&["--hostname", &other], &[]);
    site.until(|| elsewhere.log().contains("begins"));
    // This is the trouble itself.
    thread::park_timeout(Duration::from_millis(500));
    held.unlock().unwrap();
    site.until(|| elsewhere.log().contains("connected to the broker"));
    assert!(!others.has_container());
}

/// What the run of a task has written down.
fn record_of(task: &str) -> File {
    let folder = format!("/var/tmp/gantline-{}", nix::unistd::geteuid());
    let run = task.replace('-', "");
    let mut records = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_its = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains(&run));
    File::open(records.find(is_its).unwrap()).unwrap()
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
    // It is not remembered yet: nobody would know of its container, nor of the job, if its message were gone.
    assert!(!job.has_container());
    let active = &site.inspect(&["active"])["active"];
    assert_eq!(active[0]["acknowledged"], false, "{active}");
    drop(frozen);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    worker.ends_well();
}

fn a_worker_that_is_stopped_does_not_wait_for_a_disk_with_a_job_that_has_not_begun(site: &Site) {
    let disk = Disk::with_ice();
    let worker = site.worker(&["--statedb", &state(disk.path()), "--acks-late", "--grace", "0"]);
    let frozen = disk.freezes();
    let job = site.send(&script("echo never"), json!({}));
    site.until(|| job.statuses() == [2]);
    worker.signal(Signal::SIGTERM);
    site.until(|| worker.log().contains("outcome=\"given back\""));
    site.until(|| site.waiting() == 1);
    assert!(!job.log().contains("never\n"), "{}", job.log());
    drop(frozen);
    worker.has_ended(0);
}

fn a_task_whose_id_is_no_containers_name_is_written_down_as_it_runs(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--statedb", &state(folder.path())];
    let mut first = site.worker(&arguments);
    let id = format!("nightly/{} of all", site.queue());
    let job = site.send(&script("echo up; sleep 1000"), json!({"task_id": id}));
    job.says("up");
    let written = fs::read_to_string(folder.path().join("state")).unwrap();
    let written: Value = serde_json::from_str(&written).unwrap();
    let label = r#"{{index .Config.Labels "gantline.run"}}"#;
    let container = &job.containers()[0];
    let asked = Command::new("docker").args(["inspect", "--format", label, container]).output();
    let run = String::from_utf8(asked.unwrap().stdout).unwrap();
    assert_eq!(written["running"][0]["run_id"], run.trim());
    first.dies();
    let second = site.worker(&arguments);
    assert_eq!(job.ended(), ERROR, "{}", job.log());
    assert!(!job.has_container());
    second.ends_well();
}
