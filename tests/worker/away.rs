//! A Girder that goes away, and does not come back for as long as the worker is patient.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::held::{HOLDS, Held};
use crate::jobs::{CANCELED, ERROR, SUCCESS};
use crate::place::Kind;
use crate::site::{Site, on_both_sites, on_one_site, script};
use crate::way::Way;

on_both_sites! {
    a_worker_that_is_stopped_gives_back_a_job_whose_start_girder_could_not_be_told,
    a_revoke_ends_a_job_whose_start_girder_could_not_be_told,
}

on_one_site! {
    a_worker_that_is_stopped_gives_back_a_job_whose_end_girder_could_not_be_told,
    an_end_that_girder_could_not_be_told_is_told_by_the_next_start,
    a_job_that_expires_while_girder_is_away_does_not_start,
}

fn a_job_that_expires_while_girder_is_away_does_not_start(site: &Site) {
    let way = Way::to(site.api());
    way.closes();
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--concurrency", "1"], &environment);
    site.until(|| worker.log().contains("connected to the broker"));
    let job = site.send(&script("echo never"), json!({"expires": 3}));
    site.until(|| site.waiting() == 0);
    thread::park_timeout(Duration::from_secs(3));
    way.opens();
    assert_eq!(job.ended(), CANCELED);
    assert!(!job.log().contains("never"), "{}", job.log());
    worker.ends_well();
}

fn a_worker_that_is_stopped_gives_back_a_job_whose_start_girder_could_not_be_told(site: &Site) {
    let way = Way::to(site.api());
    way.closes();
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let first = site.starting_worker(&["--grace", "0"], &environment);
    let job = site.send(&script("echo once"), json!({}));
    site.until(|| first.log().contains("connected to the broker") && site.waiting() == 0);
    first.signal(Signal::SIGTERM);
    first.has_ended(0);
    assert_eq!((site.waiting(), job.statuses()), (1, vec![]));
    let second = site.worker(&[]);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!((job.log().matches("once\n").count(), job.statuses()), (1, vec![2, 3]));
    second.ends_well();
}

fn a_revoke_ends_a_job_whose_start_girder_could_not_be_told(site: &Site) {
    let way = Way::to(site.api());
    way.closes();
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--concurrency", "1"], &environment);
    let job = site.send(&script("echo never"), json!({}));
    site.until(|| worker.log().contains("connected to the broker") && site.waiting() == 0);
    job.cancel();
    site.until(|| worker.log().contains("the job has ended"));
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["status"], "REVOKED", "{meta}");
    }
    way.opens();
    assert_eq!(job.ended(), CANCELED);
    assert!(!job.log().contains("container"), "{}", job.log());
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// A worker that is told to stop when the container has ended and Girder is away.
fn stops_at_its_end<'a>(site: &'a Site, arguments: &[&str]) -> crate::site::Job<'a> {
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&[arguments, &["--grace", "0"]].concat(), &environment);
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}")), json!({}));
    job.says("up");
    way.closes();
    held.goes_on();
    site.until(|| !job.has_container());
    worker.signal(Signal::SIGTERM);
    worker.has_ended(0);
    assert_eq!(job.statuses(), [2]);
    job
}

fn a_worker_that_is_stopped_gives_back_a_job_whose_end_girder_could_not_be_told(site: &Site) {
    let job = stops_at_its_end(site, &["--acks-late"]);
    assert_eq!(site.waiting(), 1);
    assert!(!site.has_result(&job));
}

fn an_end_that_girder_could_not_be_told_is_told_by_the_next_start(site: &Site) {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let job = stops_at_its_end(site, &["--statedb", &state]);
    let meta = site.result(&job).unwrap();
    assert_eq!(meta["status"], "FAILURE", "{meta}");
    let _next = site.worker(&["--statedb", &state]);
    assert_eq!(job.ended(), ERROR);
    assert_eq!(site.waiting(), 0);
}

#[test]
fn a_girder_that_stays_away_ends_the_job_as_a_failure() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--girder-patience", "3"], &environment);
    let endless = "trap 'exit 0' TERM; while :; do echo up; sleep 1 & wait; done";
    let job = site.send(&script(endless), json!({}));
    job.says("up");
    let id = job.task_id();
    way.closes();
    let meta = site.result_of(&id).unwrap();
    assert_eq!(
        (&meta["status"], &meta["result"]["exc_type"]),
        (&json!("FAILURE"), &json!("RuntimeError"))
    );
    let words = meta["result"]["exc_message"][0].as_str().unwrap();
    assert!(words.contains("Girder could not be told of the job for 3 s"), "{words}");
    assert!(!job.has_container());
    way.opens();
    worker.ends_well();
}

#[test]
fn a_job_whose_start_girder_could_not_be_told_is_an_error_when_girder_is_back() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    way.closes();
    let worker = site.starting_worker(&["--girder-patience", "4"], &environment);
    let job = site.send(&script("echo never"), json!({}));
    let id = job.task_id();
    let meta = site.result_of(&id).unwrap();
    let words = meta["result"]["exc_message"][0].as_str().unwrap();
    assert!(words.contains("Girder could not be told that the job runs"), "{words}");
    way.opens();
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("could not be told"), "{}", job.log());
    assert!(!job.log().contains("container"), "{}", job.log());
    worker.ends_well();
}

#[test]
fn a_success_that_girder_could_not_be_told_is_a_failure() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--girder-patience", "6"], &environment);
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}")), json!({}));
    job.says("up");
    let id = job.task_id();
    way.closes();
    held.goes_on();
    let meta = site.result_of(&id).unwrap();
    assert_eq!(meta["status"], "FAILURE", "{meta}");
    let words = meta["result"]["exc_message"][0].as_str().unwrap();
    assert!(words.contains("was not told everything"), "{words}");
    way.opens();
    worker.ends_well();
}
