//! A Girder that goes away, and does not come back for as long as the worker is patient.

use serde_json::json;

use crate::held::{HOLDS, Held};
use crate::jobs::ERROR;
use crate::place::Kind;
use crate::site::{Site, script};
use crate::way::Way;

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
