//! A Girder or a broker that is away for a while, and more log than Girder keeps: no line is lost, no job runs twice.
//! GANTLINE_TEST_AWAY says for how many seconds: tests/worker/trials.sh takes longer ones.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::jobs::{CANCELED, SUCCESS};
use crate::place::Kind;
use crate::python;
use crate::site::{Job, Site, on_both_sites, on_one_site, script};
use crate::way::{BACK_SOON, NO_PAGE, State, Way};

on_both_sites! {
    a_broker_that_is_cut_off_costs_no_job_and_doubles_none,
    a_worker_waits_for_a_broker_that_is_not_there_yet,
    a_worker_whose_broker_goes_takes_the_next_of_its_list,
}

on_one_site! {
    a_girder_that_refuses_for_a_while_costs_no_line,
    a_girder_that_says_nothing_for_a_while_costs_no_line,
    a_girder_that_fails_for_a_while_costs_no_line,
    a_proxy_that_says_404_for_a_while_costs_no_line,
    a_page_in_girders_place_costs_no_line,
    of_a_log_of_20_mib_first_and_last_line_are_kept,
    early_lines_and_a_burst_are_all_kept,
}

fn a_proxy_that_says_404_for_a_while_costs_no_line(site: &Site) {
    another_answers(site, NO_PAGE);
}

fn a_page_in_girders_place_costs_no_line(site: &Site) {
    another_answers(site, BACK_SOON);
}

/// Somebody answers so in Girder's place, twice as the job begins and twice while it runs.
fn another_answers(site: &Site, so: &'static str) {
    let way = Way::refusing(site.api(), "/api/v1/job/", 2, so);
    let worker = site.starting_worker(&[], &[("GIRDER_WORKER_API_URL", &*way.api())]);
    let job = site.send(&script(&lines(20)), json!({}));
    job.says("line 5.");
    assert_eq!(way.to_refuse(), 0);
    way.refuses(2);
    has_said(&job, 20);
    assert_eq!(way.to_refuse(), 0);
    worker.ends_well();
}

/// For how many seconds something is away.
fn away() -> u64 {
    std::env::var("GANTLINE_TEST_AWAY").map_or(4, |seconds| seconds.parse().unwrap())
}

/// A script that says so many lines, five a second.
fn lines(count: u64) -> String {
    format!("i=0; while [ $i -lt {count} ]; do echo \"line $i.\"; i=$((i+1)); sleep 0.2; done")
}

/// The job has succeeded at once, and has each of these lines once, in their order.
fn has_said(job: &Job<'_>, count: u64) {
    assert_eq!(said(job), wanted(count));
}

/// The same, but for the update that was under way when Girder went: it may have arrived, and came again.
fn has_lost_nothing(job: &Job<'_>, count: u64) {
    let mut first = said(job);
    let mut seen = BTreeSet::new();
    first.retain(|line| seen.insert(line.clone()));
    assert_eq!(first, wanted(count), "{:?}", said(job));
}

fn said(job: &Job<'_>) -> Vec<String> {
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(job.statuses(), [2, 3]);
    let log = job.log();
    log.lines().filter(|line| line.starts_with("line ")).map(str::to_owned).collect()
}

fn wanted(count: u64) -> Vec<String> {
    (0..count).map(|number| format!("line {number}.")).collect()
}

fn girder_is_away(site: &Site, how: State) {
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--concurrency", "3"], &environment);
    let long = (away() + 4) * 5;
    let [runs, ends] = [long, 12].map(|count| site.send(&script(&lines(count)), json!({})));
    runs.says("line 0.");
    ends.says("line 0.");
    way.becomes(how);
    let starts = site.send(&script(&lines(2)), json!({}));
    // This is the trouble itself, and nothing that is waited for.
    thread::park_timeout(Duration::from_secs(away()));
    assert_eq!(ends.statuses(), [2]);
    way.opens();
    has_said(&starts, 2);
    has_lost_nothing(&ends, 12);
    has_lost_nothing(&runs, long);
    worker.ends_well();
}

fn a_girder_that_refuses_for_a_while_costs_no_line(site: &Site) {
    girder_is_away(site, State::Closed);
}

fn a_girder_that_says_nothing_for_a_while_costs_no_line(site: &Site) {
    girder_is_away(site, State::Silent);
}

fn a_girder_that_fails_for_a_while_costs_no_line(site: &Site) {
    girder_is_away(site, State::Failing);
}

fn a_broker_that_is_cut_off_costs_no_job_and_doubles_none(site: &Site) {
    let way = Way::to(site.broker());
    let worker =
        site.worker(&["--concurrency", "2", "--broker", &way.address(site.broker()), "--events"]);
    let (broker, hostname) = (site.broker().to_owned(), site.node().to_owned());
    let seeing = thread::spawn(move || {
        let asked = json!({"hostname": hostname, "wanted": "task-succeeded", "count": 4});
        python::answer_of("control.py", &broker, "task_events", &asked)
    });
    let long = (away() + 4) * 5;
    let [runs, ends] = [long, 10].map(|count| site.send(&script(&lines(count)), json!({})));
    runs.says("line 0.");
    ends.says("line 0.");
    let waits = site.send(&script(&lines(1)), json!({}));
    way.closes();
    let comes = site.send(&script(&lines(2)), json!({}));
    has_said(&ends, 10);
    thread::park_timeout(Duration::from_secs(away()));
    way.opens();
    for (job, count) in [(&runs, long), (&waits, 1), (&comes, 2)] {
        has_said(job, count);
    }
    if site.has_records() {
        for job in [&runs, &ends, &waits, &comes] {
            assert_eq!(site.result(job).unwrap()["status"], "SUCCESS");
        }
    }
    assert_eq!(site.inspect(&["ping"])["ping"]["ok"], "pong");
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
    // What waited for the broker came in its order, and none of it twice.
    let seen = seeing.join().unwrap();
    let seen: Vec<_> = seen.as_array().unwrap().iter().map(|event| &event["timestamp"]).collect();
    let order = |(one, next): (&&Value, &&Value)| one.as_f64() < next.as_f64();
    assert!(seen.iter().zip(&seen[1..]).all(order), "{seen:?}");
}

fn a_worker_waits_for_a_broker_that_is_not_there_yet(site: &Site) {
    let way = Way::to(site.broker());
    way.closes();
    let worker = site.starting_worker(&["--broker", &way.address(site.broker())], &[]);
    site.until(|| worker.log().contains("no broker") && worker.log().contains("tries again"));
    let job = site.send(&script("echo up"), json!({}));
    way.opens();
    assert_eq!(job.ended(), SUCCESS);
    worker.ends_well();
}

/// The broker's Redis has the results as well, and the whole of it is away.
#[test]
fn a_redis_that_is_cut_off_gets_the_results_when_it_is_back() {
    let site = &Site::new(Kind::Redis);
    let way = Way::to(site.broker());
    let redis = way.address(site.broker());
    let worker = site.worker(&["--broker", &redis, "--backend", &redis]);
    let job = site.send(&script(&lines(10)), json!({}));
    job.says("line 0.");
    way.closes();
    has_said(&job, 10);
    thread::park_timeout(Duration::from_secs(away()));
    assert!(!site.has_result(&job));
    way.opens();
    assert_eq!(site.result(&job).unwrap()["status"], "SUCCESS");
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// Only the place for results is away: jobs are taken and acknowledged.
#[test]
fn results_wait_for_their_place() {
    let site = &Site::new(Kind::Redis);
    let way = Way::to(site.broker());
    way.closes();
    let worker = site.worker(&["--backend", &way.address(site.broker()), "--concurrency", "1"]);
    let jobs =
        ["first", "second"].map(|name| site.send(&script(&format!("echo {name}")), json!({})));
    for job in &jobs {
        assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    }
    let running = site.send(&script("echo up; sleep 100"), json!({}));
    running.says("up");
    site.until(|| site.inspect(&["active"])["active"][0]["acknowledged"] == true);
    assert!(jobs.iter().all(|job| !site.has_result(job)));
    assert_eq!(worker.log().matches("cannot use the place for results at").count(), 1);
    way.opens();
    for job in &jobs {
        assert_eq!(site.result(job).unwrap()["status"], "SUCCESS");
    }
    assert!(worker.log().contains("the place for results is back"), "{}", worker.log());
    running.cancel();
    assert_eq!(running.ended(), CANCELED);
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

#[test]
fn a_chain_goes_on_while_the_place_for_results_is_away() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.broker());
    let worker = site.worker(&["--backend", &way.address(site.broker())]);
    way.closes();
    let then = json!([script("echo second"), script("echo third")]).to_string();
    let first = site.send_with(&script("echo first"), json!({}), &[("then", &then)]);
    assert_eq!(first.child().child().ended(), SUCCESS);
    assert!(!site.has_result(&first));
    way.opens();
    assert_eq!(site.result(&first).unwrap()["status"], "SUCCESS");
    worker.ends_well();
}

#[test]
fn what_a_worker_could_not_tell_the_broker_before_its_end_is_in_its_log() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.broker());
    let worker = site.worker(&["--backend", &way.address(site.broker())]);
    way.closes();
    let job = site.send(&script("echo once"), json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    site.until(|| worker.log().contains("the worker ends before its result was told"));
    assert!(worker.log().contains(&job.task_id()));
    worker.has_ended(0);
}

fn a_worker_whose_broker_goes_takes_the_next_of_its_list(site: &Site) {
    let ways = [Way::to(site.broker()), Way::to(site.broker())];
    let list = ways.each_ref().map(|way| way.address(site.broker())).join(";");
    let worker = site.worker(&["--broker", &list]);
    ways[0].closes();
    site.until(|| worker.log().matches("connected to the broker").count() == 2);
    let job = site.send(&script("echo once"), json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// RabbitMQ takes it back by itself.
#[test]
fn what_a_worker_has_in_hand_when_redis_goes_is_put_back_when_it_comes() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.broker());
    let worker = site.worker(&["--broker", &way.address(site.broker())]);
    site.send_other("slicer_cli_web.image_job.ingest_from_docker");
    site.until(|| worker.log().contains("left in the queue") && site.waiting() == 0);
    way.closes();
    // Longer than such a message is held.
    thread::park_timeout(Duration::from_secs(6));
    way.opens();
    site.until(|| worker.log().matches("connected to the broker").count() == 2);
    worker.ends_well();
    assert_eq!(site.waiting(), 1);
}

fn of_a_log_of_20_mib_first_and_last_line_are_kept(site: &Site) {
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&[], &environment);
    let long = "x".repeat(99);
    let job = site.send(
        &script(&format!("echo the first; yes {long} | head -c 20971500; echo the last")),
        json!({}),
    );
    // Girder is not asked for all of the log again and again.
    site.result_of(&job.task_id());
    assert_eq!(job.ended(), SUCCESS);
    let log = job.log();
    assert!(log.contains("the first\n"), "{}", &log[..1000]);
    assert!(log.contains("the last\n"), "{}", &log[log.len() - 1000..]);
    assert!(job.size() < 10 << 20, "{}", job.size());
    assert!(way.updates() <= 400, "{}", way.updates());
    worker.ends_well();
}

fn early_lines_and_a_burst_are_all_kept(site: &Site) {
    let _worker = site.worker(&[]);
    let long = "x".repeat(99);
    let burst = format!("{}; yes {long} | head -n 10486", lines(30));
    let job = site.send(&script(&burst), json!({}));
    has_said(&job, 30);
    assert_eq!(job.log().lines().filter(|line| *line == long).count(), 10486);
}
