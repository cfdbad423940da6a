//! A message that comes more than once: its job runs once, and again only when its worker has died.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::held::{HOLDS, Held};
use crate::jobs::SUCCESS;
use crate::place::Kind;
use crate::site::{Job, Site, Worker, on_both_sites, script};
use crate::way::{State, Way};

on_both_sites! {
    a_message_that_two_workers_get_at_once_runs_on_one,
    who_leaves_a_job_to_another_runs_it_when_the_other_dies,
    who_loses_only_the_connection_keeps_the_job,
    who_does_not_hear_girders_answer_keeps_its_own_job_and_begins_no_others,
    who_gives_back_what_may_run_elsewhere_lets_the_next_ask_as_well,
}

/// What a worker says that leaves a job to another one.
const LEFT: &str = "another worker runs the job";

/// Two workers of a queue to which messages are sent by the test alone.
fn two_workers(site: &Site, more: &[&str]) -> [Worker; 2] {
    let queue = site.other_queue();
    ["one", "two"].map(|name| {
        let name = format!("{name}@{}", site.queue());
        let own = ["--queues", &queue, "--hostname", &name, "--concurrency", "1"];
        site.worker(&[&own, more].concat())
    })
}

/// A job whose message comes to both workers in the same moment.
fn sent_twice<'a>(site: &'a Site, document: &Value) -> Job<'a> {
    let job = site.send(document, json!({}));
    let asked = json!({"queue": site.queue(), "to": site.other_queue(), "times": 2});
    site.control("again", &asked);
    job
}

fn left(workers: &[Worker]) -> usize {
    workers.iter().map(|worker| worker.log().matches(LEFT).count()).sum()
}

fn a_message_that_two_workers_get_at_once_runs_on_one(site: &Site) {
    let workers = two_workers(site, &[]);
    for round in 1..=3 {
        let held = Held::new();
        let job = sent_twice(site, &held.script(&format!("echo once; {HOLDS}")));
        site.until(|| left(&workers) == round);
        held.goes_on();
        assert_eq!(job.ended(), SUCCESS, "{}", job.log());
        assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
        assert_eq!(job.statuses(), [2, 3]);
        if let Some(meta) = site.result(&job) {
            assert_eq!(meta["status"], "SUCCESS", "{meta}");
        }
    }
    workers.into_iter().for_each(Worker::ends_well);
    assert_eq!(site.waiting_in(&site.other_queue()), 0);
}

fn who_leaves_a_job_to_another_runs_it_when_the_other_dies(site: &Site) {
    let late = ["--acks-late", "--visibility-timeout", "3"];
    let mut workers = two_workers(site, &late);
    let held = Held::new();
    let job = sent_twice(site, &held.script(&format!("echo up; {HOLDS}; echo down")));
    job.says("up");
    site.until(|| left(&workers) == 1);
    let runs = workers.iter().position(|worker| !worker.log().contains(LEFT)).unwrap();
    workers[runs].dies();
    held.goes_on();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    let log = job.log();
    assert_eq!((log.matches("up\n").count(), log.matches("down\n").count()), (2, 1), "{log}");
    assert!(!job.has_container());
    site.until(|| site.waiting_in(&site.other_queue()) == 0);
}

/// The broker gives the message to another worker, which cannot know at once that the first one goes on.
fn who_loses_only_the_connection_keeps_the_job(site: &Site) {
    let late = ["--acks-late", "--visibility-timeout", "3", "--concurrency", "1"];
    let way = Way::to(site.broker());
    let through = way.address(site.broker());
    let first = site.worker(&[late.as_slice(), &["--broker", &through]].concat());
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo once; {HOLDS}")), json!({}));
    job.says("once");
    let name = format!("second@{}", site.queue());
    let second = site.worker(&[late.as_slice(), &["--hostname", &name]].concat());
    way.closes();
    site.until(|| second.log().contains("asks the other workers"));
    way.opens();
    site.until(|| second.log().contains("its message is held"));
    // It takes no slot of the second.
    let next = site.send(&script("echo next"), json!({}));
    assert_eq!(next.ended(), SUCCESS, "{}", next.log());
    assert_eq!(job.statuses(), [2]);
    held.goes_on();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
    assert_eq!(job.statuses(), [2, 3]);
    site.until(|| second.log().contains("outcome=\"elsewhere\""));
    first.ends_well();
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// Of a job without one in Girder only the message says that it may run elsewhere.
fn who_gives_back_what_may_run_elsewhere_lets_the_next_ask_as_well(site: &Site) {
    let queue = site.other_queue();
    let late = ["--acks-late", "--visibility-timeout", "3", "--queues", &queue];
    let way = Way::to(site.broker());
    let through = way.address(site.broker());
    let first = site.worker(&[late.as_slice(), &["--broker", &through]].concat());
    let held = Held::new();
    let ran = held.path().join("ran");
    let said = || std::fs::read_to_string(&ran).unwrap_or_default();
    site.send(&held.script(&format!("echo up >>/held/ran; {HOLDS}")), json!({}));
    let asked = json!({"queue": site.queue(), "to": queue, "times": 1, "no_job": true});
    site.control("again", &asked);
    site.until(|| said() == "up\n");
    let next = |name: &str| {
        let name = format!("{name}@{}", site.queue());
        site.worker(&[late.as_slice(), &["--hostname", &name]].concat())
    };
    let second = next("second");
    way.closes();
    site.until(|| second.log().contains("asks the other workers"));
    second.ends_well();
    let third = next("third");
    site.until(|| third.log().contains("asks the other workers"));
    way.opens();
    site.until(|| left(std::slice::from_ref(&third)) == 1);
    held.goes_on();
    site.until(|| third.log().contains("the job has ended"));
    assert_eq!(said(), "up\n");
    first.ends_well();
    third.ends_well();
    assert_eq!(site.waiting_in(&queue), 0);
}

/// Girder takes the first update of a worker, and fails before it has answered.
fn who_does_not_hear_girders_answer_keeps_its_own_job_and_begins_no_others(site: &Site) {
    let late = ["--acks-late", "--visibility-timeout", "3", "--concurrency", "1"];
    let way = Way::to(site.broker());
    let through = way.address(site.broker());
    let first = site.starting_worker(
        &[late.as_slice(), &["--broker", &through]].concat(),
        &[("GIRDER_WORKER_API_URL", &*begins_unheard(site).api())],
    );
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo once; {HOLDS}")), json!({}));
    job.says("once");
    assert_eq!(job.log().matches("delivered to").count(), 1, "{}", job.log());
    let name = format!("second@{}", site.queue());
    let second = site.starting_worker(
        &[late.as_slice(), &["--hostname", &name]].concat(),
        &[("GIRDER_WORKER_API_URL", &*begins_unheard(site).api())],
    );
    site.until(|| second.log().contains("connected to the broker"));
    way.closes();
    site.until(|| second.log().contains("asks the other workers"));
    way.opens();
    site.until(|| second.log().contains("its message is held"));
    held.goes_on();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    let log = job.log();
    assert_eq!((log.matches("once\n").count(), log.matches("delivered to").count()), (1, 2));
    assert_eq!(job.statuses(), [2, 3]);
    site.until(|| second.log().contains("the job has ended"));
    first.ends_well();
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// A way to Girder on which the first answer is lost.
fn begins_unheard(site: &Site) -> Arc<Way> {
    let way = Arc::new(Way::to(site.api()));
    way.becomes(State::Forgetting);
    let opens = Arc::clone(&way);
    thread::spawn(move || {
        while opens.forgotten() == 0 {
            thread::park_timeout(Duration::from_millis(20));
        }
        opens.opens();
    });
    way
}

/// Without a job in Girder, the first second is for what the other workers know to be revoked.
#[test]
fn two_copies_that_come_with_the_connection_run_once() {
    let site = Site::of_one_broker();
    let (queue, held) = (site.other_queue(), Held::new());
    site.declare(&queue);
    site.send(&held.script(&format!("echo up >>/held/ran; {HOLDS}")), json!({}));
    let asked = json!({"queue": site.queue(), "to": queue, "times": 2, "no_job": true});
    site.control("again", &asked);
    let worker = site.worker(&["--concurrency", "2", "--queues", &queue]);
    let ran = || std::fs::read_to_string(held.path().join("ran")).unwrap_or_default();
    site.until(|| ran() == "up\n" && site.waiting_in(&queue) == 0);
    // This is the trouble itself.
    thread::park_timeout(Duration::from_secs(3));
    held.goes_on();
    site.until(|| worker.log().contains("delivered again after its end"));
    assert_eq!(ran(), "up\n");
    worker.ends_well();
}

/// Its time to begin is over; it has begun in time. RabbitMQ itself throws such a message away.
#[test]
fn a_message_that_has_expired_and_comes_again_leaves_its_job_where_it_runs() {
    let site = Site::new(Kind::Redis);
    let late = ["--acks-late", "--visibility-timeout", "3", "--concurrency", "1"];
    let way = Way::to(site.broker());
    let through = way.address(site.broker());
    let first = site.worker(&[late.as_slice(), &["--broker", &through]].concat());
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo once; {HOLDS}")), json!({"expires": 8}));
    job.says("once");
    let name = format!("second@{}", site.queue());
    let second = site.worker(&[late.as_slice(), &["--hostname", &name]].concat());
    thread::park_timeout(Duration::from_secs(8));
    way.closes();
    site.until(|| second.log().contains("asks the other workers"));
    way.opens();
    site.until(|| left(std::slice::from_ref(&second)) == 1);
    assert_eq!(job.statuses(), [2]);
    held.goes_on();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
    assert_eq!(site.result(&job).unwrap()["status"], "SUCCESS");
    site.until(|| second.log().contains("outcome=\"elsewhere\""));
    first.ends_well();
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// Redis has nothing against two workers of one name.
#[test]
fn a_worker_of_the_same_name_that_lost_its_connection_keeps_its_job() {
    let site = Site::new(Kind::Redis);
    let late = ["--acks-late", "--visibility-timeout", "3", "--concurrency", "1"];
    let way = Way::to(site.broker());
    let through = way.address(site.broker());
    let first = site.worker(&[late.as_slice(), &["--broker", &through]].concat());
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo once; {HOLDS}")), json!({}));
    job.says("once");
    let second = site.worker(&late);
    way.closes();
    site.until(|| second.log().contains("asks the other workers"));
    way.opens();
    site.until(|| left(std::slice::from_ref(&second)) == 1);
    held.goes_on();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
    site.until(|| second.log().contains("the job has ended"));
    first.ends_well();
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// Redis gives others what is held for longer than the visibility timeout.
#[test]
fn a_message_is_kept_while_girder_is_away_for_longer_than_the_visibility_timeout() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let late = ["--acks-late", "--visibility-timeout", "3", "--concurrency", "1"];
    let first = site.starting_worker(&late, &environment);
    site.until(|| first.log().contains("connected to the broker"));
    way.closes();
    let job = site.send(&script("echo once; sleep 3"), json!({}));
    site.until(|| site.waiting() == 0);
    let name = format!("second@{}", site.queue());
    let second = site.worker(&[late.as_slice(), &["--hostname", &name]].concat());
    // This is the trouble itself: at the job's start, and at its end.
    thread::park_timeout(Duration::from_secs(8));
    assert_eq!(job.statuses(), [] as [u64; 0]);
    way.opens();
    job.says("once");
    way.closes();
    thread::park_timeout(Duration::from_secs(10));
    assert_eq!(job.statuses(), [2]);
    way.opens();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
    first.ends_well();
    assert!(!second.log().contains("the job has ended"), "{}", second.log());
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}
