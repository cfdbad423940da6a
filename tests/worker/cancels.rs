//! Cancels, and ends of a job's token, of which no broker says anything: Girder's answers do.

use serde_json::{Value, json};

use crate::held::{HOLDS, Held};
use crate::jobs::CANCELED;
use crate::site::{Job, Site, on_both_sites, on_one_site, script};
use crate::way::Way;

on_both_sites! {
    a_cancel_whose_revoke_was_lost_is_found_when_the_broker_is_back,
    a_job_that_was_being_cancelled_when_its_worker_died_starts_no_container,
}

on_one_site! {
    an_answer_to_an_update_that_says_canceling_cancels,
    a_job_that_says_nothing_is_looked_at,
    a_job_that_succeeds_in_spite_of_a_cancel_is_canceled_and_has_succeeded,
    a_job_that_loses_its_token_goes_on,
}

/// Girder's number for a job that is being cancelled.
const CANCELING: u64 = 824;

/// It ends when it is told to.
const STOPS: &str = "trap 'exit 0' TERM; echo up; sleep 100 & wait";

/// The job was cancelled while it ran, and nothing of it is left: a container that a busy engine does not remove in a second
/// is removed behind the job's end.
fn was_cancelled(site: &Site, job: &Job<'_>) {
    assert_eq!(job.ended(), CANCELED, "{}", job.log());
    assert_eq!(job.statuses(), [2, CANCELING, CANCELED]);
    site.until(|| !job.has_container());
    if site.has_records() {
        let ended = || site.result(job).unwrap()["result"]["exc_message"] == json!(["terminated"]);
        site.until(ended);
        assert_eq!(site.result(job).unwrap()["status"], "REVOKED");
    }
}

/// A job is cancelled in Girder, and nobody else hears of it.
fn girder_alone_knows_of_the_cancel(site: &Site, text: &str) {
    let worker = site.worker(&[]);
    let job = site.send(&script(text), json!({}));
    job.says("up");
    job.becomes(CANCELING);
    was_cancelled(site, &job);
    worker.ends_well();
}

fn an_answer_to_an_update_that_says_canceling_cancels(site: &Site) {
    let talks = "trap 'exit 0' TERM; while :; do echo up; sleep 1 & wait; done";
    girder_alone_knows_of_the_cancel(site, talks);
}

fn a_job_that_says_nothing_is_looked_at(site: &Site) {
    girder_alone_knows_of_the_cancel(site, STOPS);
}

fn a_cancel_whose_revoke_was_lost_is_found_when_the_broker_is_back(site: &Site) {
    let way = Way::to(site.broker());
    let worker = site.worker(&["--broker", &way.address(site.broker())]);
    let job = site.send(&script(STOPS), json!({}));
    job.says("up");
    way.closes();
    job.cancel();
    site.until(|| worker.log().contains("no broker"));
    way.opens();
    was_cancelled(site, &job);
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn a_job_that_was_being_cancelled_when_its_worker_died_starts_no_container(site: &Site) {
    let late = ["--acks-late", "--visibility-timeout", "3"];
    let mut first = site.worker(&late);
    let job = site.send(&script(STOPS), json!({}));
    job.says("up");
    first.dies();
    job.becomes(CANCELING);
    let name = format!("second@{}", site.queue());
    let second = site.worker(&[late.as_slice(), &["--hostname", &name]].concat());
    assert_eq!(job.ended(), CANCELED);
    assert_eq!(job.statuses(), [2, CANCELING, CANCELED]);
    assert_eq!(job.log().matches("up\n").count(), 1, "{}", job.log());
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["status"], "REVOKED", "{meta}");
        assert_eq!(meta["result"]["exc_message"], json!(["revoked"]), "{meta}");
    }
    second.ends_well();
    assert_eq!(site.waiting(), 0);
    // The first one's container is for its own next start.
    let again = site.worker(&[]);
    assert!(!job.has_container());
    again.ends_well();
}

fn a_job_that_succeeds_in_spite_of_a_cancel_is_canceled_and_has_succeeded(site: &Site) {
    let worker = site.worker(&[]);
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}")), json!({}));
    job.says("up");
    job.becomes(CANCELING);
    held.goes_on();
    assert_eq!(job.ended(), CANCELED, "{}", job.log());
    assert_eq!(job.statuses(), [2, CANCELING, CANCELED]);
    assert!(job.log().contains("exited with code 0"), "{}", job.log());
    if let Some(meta) = site.result(&job) {
        assert_eq!((&meta["status"], &meta["result"]), (&json!("SUCCESS"), &Value::Null));
    }
    worker.ends_well();
}

fn a_job_that_loses_its_token_goes_on(site: &Site) {
    let worker = site.worker(&["--queues", &site.other_queue()]);
    let held = Held::new();
    let text = format!("echo up; {HOLDS}; echo more; sleep 2; echo more");
    let job = site.send(&held.script(&text), json!({}));
    let asked = json!({"queue": site.queue(), "to": site.other_queue(), "times": 1});
    let sent = site.control("again", &asked);
    job.says("up");
    site.removes_token(sent["token"].as_str().unwrap());
    held.goes_on();
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["status"], "SUCCESS", "{meta}");
    }
    assert_eq!(job.statuses(), [2]);
    assert!(!job.log().contains("more"), "{}", job.log());
    let log = worker.log();
    assert_eq!(log.matches("no other was sent after it").count(), 1, "{log}");
    worker.ends_well();
}
