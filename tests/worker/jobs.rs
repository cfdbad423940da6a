//! Jobs that a real Girder sends by `docker_run.delay`, run by `gantline worker` in the real engine.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::held::{HOLDS, Held};
use crate::site::{Site, on_both_sites, printing, script};

/// A container's stdout and stderr are in the log, and the result comes after the job's end.
fn what_a_container_says_is_in_the_log_and_the_job_succeeds(site: &Site) {
    let worker = site.worker(&[]);
    let job = site.send(&script("echo out; echo err >&2"), json!({}));
    assert_eq!(job.ended(), SUCCESS);
    assert_eq!(job.statuses(), [2, 3]);
    let log = job.log();
    assert!(log.contains("out\n") && log.contains("err\n"), "{log}");
    if let Some(meta) = site.result(&job) {
        assert_eq!((&meta["status"], &meta["result"]), (&json!("SUCCESS"), &Value::Null));
    }
    worker.ends_well();
}

fn an_exit_code_is_in_status_log_and_result(site: &Site) {
    let _worker = site.worker(&[]);
    let job = site.send(&script("echo bad; exit 5"), json!({}));
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("code 5"), "{}", job.log());
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["status"], "FAILURE");
        assert_eq!(meta["result"]["exc_type"], "DockerException");
        let words = meta["result"]["exc_message"][0].as_str().unwrap();
        assert!(words.starts_with("Non-zero exit code from docker container (5)."), "{words}");
    }
}

fn an_image_that_is_not_there_is_an_api_error(site: &Site) {
    let _worker = site.worker(&[]);
    let job = site.send(&json!({"image": "no-such-image:x", "pull_image": false}), json!({}));
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("no image no-such-image:x"), "{}", job.log());
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["result"]["exc_type"], "APIError");
    }
}

fn a_job_that_is_cancelled_while_it_runs_is_canceled(site: &Site) {
    let _worker = site.worker(&[]);
    let job = site.send(&script("trap 'exit 0' TERM; echo up; sleep 100 & wait"), json!({}));
    job.says("up");
    job.cancel();
    assert_eq!(job.ended(), CANCELED);
    if site.result(&job).is_some() {
        // Workers beside it that have heard of the revoke say "revoked" before.
        site.until(|| site.result(&job).unwrap()["result"]["exc_message"] == json!(["terminated"]));
        assert_eq!(site.result(&job).unwrap()["status"], "REVOKED");
    }
    site.until(|| !job.has_container());
}

fn a_container_that_does_not_heed_a_stop_is_killed(site: &Site) {
    let _worker = site.worker(&["--stop-timeout", "1"]);
    let job = site.send(&script("trap '' TERM; echo up; while :; do sleep 1; done"), json!({}));
    job.says("up");
    job.cancel();
    assert_eq!(job.ended(), CANCELED);
    site.until(|| !job.has_container());
}

fn a_job_that_was_cancelled_while_no_worker_was_up_starts_no_container(site: &Site) {
    let job = site.send(&script("echo never"), json!({}));
    job.cancel();
    let worker = site.worker(&[]);
    // What comes behind it shows that it has been seen to.
    let next = site.send(&script("echo next"), json!({}));
    assert_eq!(next.ended(), SUCCESS);
    assert_eq!(job.ended(), CANCELED);
    assert!(!job.log().contains("container"), "{}", job.log());
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn a_job_that_expired_is_canceled_and_says_why(site: &Site) {
    let _worker = site.worker(&[]);
    // RabbitMQ itself throws away what expires in its queue.
    let job = site.send(&script("echo never"), json!({"countdown": 3, "expires": 2}));
    assert_eq!(job.ended(), CANCELED);
    assert!(job.log().contains("expired"), "{}", job.log());
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["result"]["exc_message"], json!(["expired"]));
    }
}

fn a_job_whose_time_has_not_come_takes_no_slot(site: &Site) {
    let _worker = site.worker(&["--concurrency", "1"]);
    let later = site.send(&script("echo later"), json!({"countdown": 6}));
    let now = site.send(&script("echo now"), json!({}));
    assert_eq!(now.ended(), SUCCESS);
    assert_eq!(later.statuses(), [] as [u64; 0]);
    assert_eq!(later.ended(), SUCCESS);
}

fn a_time_limit_kills_the_container_and_is_an_error(site: &Site) {
    let _worker = site.worker(&[]);
    let job = site.send(&script("sleep 100"), json!({"time_limit": 2}));
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("the time limit of 2 s is over"), "{}", job.log());
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["result"]["exc_type"], "TimeLimitExceeded");
    }
    site.until(|| !job.has_container());
}

fn a_file_of_girders_streams_through_a_pipe(site: &Site) {
    let _worker = site.worker(&[]);
    let file = site.upload("file", b"what is in the file");
    let job = site.send(&printing(&file), json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert!(job.log().contains("what is in the file"), "{}", job.log());
}

fn a_message_of_another_task_stays_for_others_and_holds_nothing_up(site: &Site) {
    let worker = site.worker(&[]);
    site.send_other("slicer_cli_web.image_job.ingest_from_docker");
    let job = site.send(&script("echo ours"), json!({}));
    assert_eq!(job.ended(), SUCCESS);
    worker.ends_well();
    assert_eq!(site.waiting(), 1);
}

fn a_message_of_another_task_goes_to_the_queue_that_is_named_for_it(site: &Site) {
    let others = site.other_queue();
    let _worker = site.worker(&["--others-to", &others]);
    // The queue of whoever runs them.
    site.declare(&others);
    site.send_other("slicer_cli_web.image_job.ingest_from_docker");
    site.until(|| site.waiting_in(&others) == 1);
    assert_eq!(site.waiting(), 0);
    // It would pass it on for ever.
    let asked = json!({"command": "add_consumer", "arguments": {"queue": others},
        "destination": [site.node()]});
    let answer = site.control("broadcast", &asked);
    let words = answer[site.node()]["error"].as_str().unwrap();
    assert!(words.contains("passes on"), "{answer}");
    assert_eq!(site.waiting_in(&others), 1);
}

/// RabbitMQ itself throws away what expires in its queue.
#[test]
fn a_job_that_expired_before_its_time_is_told_when_it_is_taken() {
    let site = Site::new(crate::place::Kind::Redis);
    let job = site.send(&script("echo never"), json!({"countdown": 1000, "expires": 1}));
    std::thread::park_timeout(Duration::from_millis(1500));
    let worker = site.worker(&[]);
    assert_eq!(job.ended(), CANCELED);
    assert!(job.log().contains("expired"), "{}", job.log());
    worker.ends_well();
}

fn a_worker_that_is_stopped_ends_its_job_as_an_error(site: &Site) {
    let worker = site.worker(&["--grace", "0", "--stop-timeout", "1"]);
    let job = site.send(&script("echo up; sleep 100"), json!({}));
    job.says("up");
    worker.signal(Signal::SIGTERM);
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("the worker was stopped"), "{}", job.log());
    worker.has_ended(0);
    assert!(!job.has_container());
}

fn with_late_acknowledgements_a_stopped_job_runs_again_elsewhere(site: &Site) {
    let first = site.worker(&["--grace", "0", "--stop-timeout", "1", "--acks-late"]);
    // RabbitMQ takes back what is held for too long, and has to be told how long that is.
    assert_eq!(first.log().contains("consumer_timeout"), !site.has_records());
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}")), json!({}));
    job.says("up");
    first.signal(Signal::SIGTERM);
    first.has_ended(0);
    held.goes_on();
    assert_eq!(job.statuses(), [2]);
    let second = site.worker(&["--acks-late"]);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert!(job.log().contains("runs again"), "{}", job.log());
    // Who left it has said so: nobody is waited for.
    assert!(!second.log().contains("asks the other workers"), "{}", second.log());
}

fn a_stopped_job_that_girder_does_not_know_runs_again_elsewhere_at_once(site: &Site) {
    let (mut left, queue) = (vec!["--grace", "0", "--stop-timeout", "1"], site.other_queue());
    left.extend(["--acks-late", "--queues", &queue]);
    let first = site.worker(&left);
    let held = Held::new();
    let ran = held.path().join("ran");
    let job = held.script(&format!("echo up >>/held/ran; {HOLDS}; echo down >>/held/ran"));
    site.send(&job, json!({}));
    let asked = json!({"queue": site.queue(), "to": queue, "times": 1, "no_job": true});
    site.control("again", &asked);
    let said = || std::fs::read_to_string(&ran).unwrap_or_default();
    site.until(|| said() == "up\n");
    first.signal(Signal::SIGTERM);
    first.has_ended(0);
    held.goes_on();
    let second = site.worker(&["--acks-late", "--queues", &queue]);
    site.until(|| said() == "up\nup\ndown\n");
    assert!(!second.log().contains("asks the other workers"), "{}", second.log());
    second.ends_well();
    assert_eq!(site.waiting_in(&queue), 0);
}

fn remote_control_answers_while_a_job_runs(site: &Site) {
    let _worker = site.worker(&[]);
    let job = site.send(&script("echo up; sleep 100"), json!({}));
    job.says("up");
    let verbs = ["ping", "active", "stats", "active_queues", "registered", "revoked"];
    let answers = site.inspect(&[verbs.as_slice(), &["conf", "clock", "report"]].concat());
    assert_eq!(answers["ping"]["ok"], "pong");
    assert_eq!(answers["active"][0]["id"], *job.task_id());
    assert!(answers["stats"]["pool"]["max-concurrency"].is_u64());
    assert_eq!(answers["active_queues"][0]["name"], *site.queue());
    assert_eq!(answers["conf"]["task_acks_late"], false);
    assert!(answers["clock"]["clock"].as_u64().is_some_and(|clock| clock > 0), "{answers}");
    assert!(answers["report"]["ok"].as_str().unwrap().contains(site.queue()), "{answers}");
    for secret in [&*site.token(), "guest:guest"] {
        assert!(!answers.to_string().contains(secret), "{answers}");
    }
    let ask = |command: &str, arguments: Value| {
        let asked =
            json!({"command": command, "arguments": arguments, "destination": [site.node()]});
        site.control("broadcast", &asked)[site.node()].take()
    };
    let known = ask("query_task", json!({"ids": [job.task_id(), "unknown"]}));
    assert_eq!(known[job.task_id()][0], "active", "{known}");
    assert!(known["unknown"].is_null(), "{known}");
    assert_eq!(ask("heartbeat", json!({})), Value::Null);
    job.cancel();
    assert_eq!(job.ended(), CANCELED);
}

fn a_chain_runs_step_by_step_each_with_a_job_of_its_own(site: &Site) {
    let _worker = site.worker(&[]);
    let then = json!([script("echo second"), script("echo third")]);
    let first = site.send_with(&script("echo first"), json!({}), &[("then", &then.to_string())]);
    assert_eq!(first.ended(), SUCCESS, "{}", first.log());
    let second = first.child();
    assert_eq!(second.ended(), SUCCESS, "{}", second.log());
    assert!(second.log().contains("second\n"), "{}", second.log());
    let third = second.child();
    assert_eq!(third.ended(), SUCCESS, "{}", third.log());
    assert!(third.log().contains("third\n"), "{}", third.log());
    if let Some(meta) = site.result(&first) {
        assert_eq!(meta["children"][0][0][0], *second.task_id(), "{meta}");
    }
}

fn a_failure_ends_a_chain_and_runs_what_is_for_it(site: &Site) {
    let _worker = site.worker(&[]);
    let link = script("echo never").to_string();
    let link_error = script("echo after the error").to_string();
    let parts = [("link", &*link), ("link_error", &*link_error)];
    let job = site.send_with(&script("exit 3"), json!({}), &parts);
    assert_eq!(job.ended(), ERROR);
    let child = job.child();
    assert_eq!(child.ended(), SUCCESS, "{}", child.log());
    assert!(child.log().contains("after the error\n"), "{}", child.log());
}

/// Girder's numbers.
pub(crate) const SUCCESS: u64 = 3;
pub(crate) const ERROR: u64 = 4;
pub(crate) const CANCELED: u64 = 5;

on_both_sites!(
    what_a_container_says_is_in_the_log_and_the_job_succeeds,
    an_exit_code_is_in_status_log_and_result,
    an_image_that_is_not_there_is_an_api_error,
    a_job_that_is_cancelled_while_it_runs_is_canceled,
    a_container_that_does_not_heed_a_stop_is_killed,
    a_job_that_was_cancelled_while_no_worker_was_up_starts_no_container,
    a_job_that_expired_is_canceled_and_says_why,
    a_job_whose_time_has_not_come_takes_no_slot,
    a_time_limit_kills_the_container_and_is_an_error,
    a_file_of_girders_streams_through_a_pipe,
    a_message_of_another_task_stays_for_others_and_holds_nothing_up,
    a_message_of_another_task_goes_to_the_queue_that_is_named_for_it,
    a_worker_that_is_stopped_ends_its_job_as_an_error,
    with_late_acknowledgements_a_stopped_job_runs_again_elsewhere,
    a_stopped_job_that_girder_does_not_know_runs_again_elsewhere_at_once,
    remote_control_answers_while_a_job_runs,
    a_chain_runs_step_by_step_each_with_a_job_of_its_own,
    a_failure_ends_a_chain_and_runs_what_is_for_it,
);

/// How long anything here may take.
pub(crate) const SOON: Duration = Duration::from_secs(60);
