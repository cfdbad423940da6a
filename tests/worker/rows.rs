//! What Girder says of a job decides what becomes of it, and what the result is.

use serde_json::{Value, json};

use crate::held::{HOLDS, Held};
use crate::jobs::{CANCELED, ERROR, SUCCESS};
use crate::site::{Job, Site, on_both_sites, on_one_site, script};
use crate::way::{FAILURE, Way};

on_both_sites! {
    the_same_message_twice_runs_once,
    the_same_message_twice_at_once_runs_once,
    a_revoke_before_its_time_cancels_a_job_that_waits,
    a_cancel_ends_a_chain,
    a_callback_runs_after_a_success_with_a_parent,
    without_a_worker_of_ours_python_reads_what_follows,
    more_jobs_whose_time_has_not_come_than_are_held_take_turns_and_hold_nothing_up,
}

on_one_site! {
    a_job_that_was_deleted_is_abandoned,
    a_job_whose_token_girder_refuses_starts_no_container,
    a_job_that_is_deleted_while_it_runs_goes_on,
    a_failure_is_the_result_of_the_rest_of_its_chain,
    what_girder_makes_no_job_for_runs_without_one,
    what_girder_cannot_make_a_job_for_at_once_has_one_all_the_same,
    the_same_message_of_a_job_that_failed_starts_nothing,
    what_cannot_be_transferred_is_a_runtime_error_with_its_causes,
    what_does_not_start_is_an_api_error_and_a_result_without_a_place_a_runtime_error,
    when_the_result_is_out_girder_knows_the_end,
}

/// It ends when it is told to.
const STOPS: &str = "trap 'exit 0' TERM; echo up; sleep 100 & wait";

/// A job behind it has been seen to.
fn has_passed(site: &Site) {
    let next = site.send(&script("echo next"), json!({}));
    assert_eq!(next.ended(), SUCCESS);
}

fn exception(site: &Site, job: &Job<'_>) -> Option<(Value, Value)> {
    site.result(job).map(|mut meta| (meta["status"].take(), meta["result"]["exc_message"].take()))
}

fn a_job_that_was_deleted_is_abandoned(site: &Site) {
    let job = site.send(&script("echo never"), json!({}));
    let id = job.task_id();
    job.delete();
    let worker = site.worker(&["--concurrency", "1"]);
    has_passed(site);
    if let Some(meta) = site.result_of(&id) {
        assert_eq!(meta["status"], "REVOKED", "{meta}");
        assert_eq!(meta["result"]["exc_message"], json!(["revoked"]));
    }
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn a_job_whose_token_girder_refuses_starts_no_container(site: &Site) {
    let job = site.send(&script("echo never"), json!({}));
    let wrong = "x".repeat(64);
    site.control("again", &json!({"queue": site.queue(), "times": 1, "token": wrong}));
    let worker = site.worker(&["--concurrency", "1"]);
    has_passed(site);
    assert_eq!(job.statuses(), [] as [u64; 0]);
    if let Some((status, words)) = exception(site, &job) {
        assert_eq!(status, "FAILURE");
        let words = words[0].as_str().unwrap();
        assert!(words.contains("Girder refuses the job's token"), "{words}");
    }
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn the_same_message_twice_runs_once(site: &Site) {
    let job = site.send(&script("echo once"), json!({}));
    site.control("again", &json!({"queue": site.queue(), "times": 2}));
    assert_eq!(site.waiting(), 2);
    // Two of them: the second has not seen the first's end.
    let first = site.worker(&["--concurrency", "1"]);
    assert_eq!(job.ended(), SUCCESS);
    first.ends_well();
    let second = site.worker(&["--concurrency", "1"]);
    has_passed(site);
    // The first may have taken the other one and given it back as it ended: then it is asked for who has it.
    let verbs = ["active", "reserved"];
    site.until(|| site.inspect(&verbs) == json!({"active": [], "reserved": []}));
    assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
    assert_eq!(job.statuses(), [2, 3]);
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["status"], "SUCCESS");
    }
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn the_same_message_twice_at_once_runs_once(site: &Site) {
    let job = site.send(&script("echo once; sleep 3; echo done"), json!({}));
    site.control("again", &json!({"queue": site.queue(), "times": 2}));
    let worker = site.worker(&["--concurrency", "2"]);
    job.says("once");
    assert_eq!(site.waiting(), 0);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    has_passed(site);
    assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
    assert!(job.log().contains("done\n"), "{}", job.log());
    worker.ends_well();
    assert_eq!((job.statuses(), site.waiting()), (vec![2, 3], 0));
}

fn a_job_that_is_deleted_while_it_runs_goes_on(site: &Site) {
    let worker = site.worker(&["--concurrency", "1"]);
    let held = Held::new();
    let text = format!("echo up; {HOLDS}; echo more; sleep 2");
    let job = site.send(&held.script(&text), json!({}));
    job.says("up");
    let id = job.task_id();
    job.delete();
    held.goes_on();
    has_passed(site);
    if let Some(meta) = site.result_of(&id) {
        assert_eq!(meta["status"], "SUCCESS", "{meta}");
    }
    worker.ends_well();
}

fn a_revoke_before_its_time_cancels_a_job_that_waits(site: &Site) {
    let _worker = site.worker(&["--concurrency", "1"]);
    let job = site.send(&script("echo never"), json!({"countdown": 1000}));
    let id = job.task_id();
    site.until(|| {
        let scheduled = &site.inspect(&["scheduled"])["scheduled"];
        scheduled.as_array().is_some_and(|all| all.iter().any(|one| one["request"]["id"] == id))
    });
    job.cancel();
    assert_eq!(job.ended(), CANCELED);
    site.until(|| site.inspect(&["scheduled"])["scheduled"] == json!([]));
    assert_eq!(site.waiting(), 0);
    if let Some((status, words)) = exception(site, &job) {
        assert_eq!((status, words), (json!("REVOKED"), json!(["revoked"])));
    }
    assert!(!job.log().contains("container"), "{}", job.log());
}

fn more_jobs_whose_time_has_not_come_than_are_held_take_turns_and_hold_nothing_up(site: &Site) {
    let queue = site.other_queue();
    site.declare(&queue);
    let later = site.send(&script("echo never"), json!({"countdown": 1000}));
    site.control("again", &json!({"queue": site.queue(), "to": queue, "times": 1100}));
    let now = site.send(&script("echo now"), json!({}));
    site.control("again", &json!({"queue": site.queue(), "to": queue, "times": 1}));
    let worker = site.worker(&["--concurrency", "1", "--queues", &queue]);
    assert_eq!(now.ended(), SUCCESS, "{}", now.log());
    for _ in 0..3 {
        assert!((1..=150).contains(&site.waiting_in(&queue)));
    }
    assert_eq!(later.statuses(), [] as [u64; 0]);
    worker.ends_well();
    // RabbitMQ has them before it counts them.
    site.until(|| site.waiting_in(&queue) >= 1100);
    assert_eq!(site.waiting_in(&queue), 1100);
}

fn a_cancel_ends_a_chain(site: &Site) {
    let _worker = site.worker(&["--concurrency", "1"]);
    let then = json!([script("echo second")]).to_string();
    let link_error = script("echo never").to_string();
    let parts = [("then", &*then), ("link_error", &*link_error)];
    let job = site.send_with(&script(STOPS), json!({}), &parts);
    job.says("up");
    job.cancel();
    assert_eq!(job.ended(), CANCELED);
    has_passed(site);
    assert!(!job.has_child());
    assert_eq!(site.waiting(), 0);
}

fn a_callback_runs_after_a_success_with_a_parent(site: &Site) {
    let _worker = site.worker(&[]);
    let (link, link_error) = (script("echo after").to_string(), script("echo never").to_string());
    let parts = [("link", &*link), ("link_error", &*link_error)];
    let job = site.send_with(&script("echo first"), json!({}), &parts);
    assert_eq!(job.ended(), SUCCESS);
    let child = job.child();
    assert_eq!(child.ended(), SUCCESS, "{}", child.log());
    assert!(child.log().contains("after\n"), "{}", child.log());
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["children"], json!([[[child.task_id(), null], null]]), "{meta}");
    }
    if let Some(meta) = site.result(&child) {
        assert_eq!(meta["parent_id"], *job.task_id(), "{meta}");
    }
}

fn a_failure_is_the_result_of_the_rest_of_its_chain(site: &Site) {
    let then = json!([script("echo never"), script("echo never")]).to_string();
    let job = site.send_with(&script("exit 3"), json!({}), &[("then", &*then)]);
    let sent = site.control("again", &json!({"queue": site.queue(), "times": 1}));
    let _worker = site.worker(&["--concurrency", "1"]);
    has_passed(site);
    assert!(!job.has_child());
    assert_eq!(sent["chain"].as_array().map(Vec::len), Some(2), "{sent}");
    for id in [&sent["id"], &sent["chain"][0], &sent["chain"][1]] {
        let meta = site.result_of(id.as_str().unwrap()).unwrap();
        assert_eq!(meta["status"], "FAILURE", "{meta}");
        assert_eq!(meta["result"]["exc_type"], "DockerException", "{meta}");
    }
}

fn what_girder_makes_no_job_for_runs_without_one(site: &Site) {
    let then = json!([script("echo second")]).to_string();
    let job = site.send_with(&script("echo first"), json!({}), &[("then", &*then)]);
    let wrong = "x".repeat(64);
    site.control("again", &json!({"queue": site.queue(), "times": 1, "client_token": wrong}));
    let worker = site.worker(&["--concurrency", "1"]);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    let meta = site.result(&job).unwrap();
    let child = meta["children"][0][0][0].as_str().unwrap();
    assert_eq!(site.result_of(child).unwrap()["status"], "SUCCESS");
    assert!(!job.has_child());
    assert!(worker.log().contains("has no job in Girder"), "{}", worker.log());
    worker.ends_well();
}

fn the_same_message_of_a_job_that_failed_starts_nothing(site: &Site) {
    let job = site.send(&script("echo once; exit 3"), json!({}));
    site.control("again", &json!({"queue": site.queue(), "times": 2}));
    let first = site.worker(&["--concurrency", "1"]);
    assert_eq!(job.ended(), ERROR);
    first.ends_well();
    let second = site.worker(&["--concurrency", "1"]);
    has_passed(site);
    assert_eq!((job.log().matches("once\n").count(), job.statuses()), (1, vec![2, ERROR]));
    assert_eq!(site.result(&job).unwrap()["result"]["exc_type"], "DockerException");
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn what_cannot_be_transferred_is_a_runtime_error_with_its_causes(site: &Site) {
    let worker = site.worker(&["--concurrency", "1"]);
    let mut document = script("true");
    let file = "0".repeat(24);
    document["container_args"] = json!(["cat", {"type": "GirderFileIdToVolume", "id": file}]);
    let job = site.send(&document, json!({}));
    assert_eq!(job.ended(), ERROR);
    let meta = site.result(&job).unwrap();
    let (exception, words) = (&meta["result"], meta["traceback"].as_str().unwrap());
    assert_eq!(
        (&exception["exc_type"], &exception["exc_module"]),
        (&json!("RuntimeError"), &json!("builtins"))
    );
    assert!(words.contains(&format!("there is no file {file}")), "{words}");
    assert!(job.log().contains(words.lines().last().unwrap()), "{}", job.log());
    worker.ends_well();
}

fn what_does_not_start_is_an_api_error_and_a_result_without_a_place_a_runtime_error(site: &Site) {
    let worker = site.worker(&["--concurrency", "1"]);
    let (mut start, mut hook) = (script(""), script("echo result > $0"));
    start["container_args"] = json!(["no-such-program"]);
    let result = json!({"type": "VolumePath", "filename": "out"});
    hook["container_args"] = json!(["sh", "-c", "echo result > $0", result]);
    hook["girder_result_hooks"] = json!([{"type": "GirderUploadVolumePathToItem",
        "volumepath": result, "item_id": "0".repeat(24)}]);
    for (document, module, class, words) in [
        (start, "docker.errors", "APIError", "no-such-program"),
        (hook, "builtins", "RuntimeError", "item"),
    ] {
        let job = site.send(&document, json!({}));
        assert_eq!(job.ended(), ERROR, "{}", job.log());
        assert_eq!(job.statuses(), [2, ERROR]);
        assert!(job.log().contains(words), "{}", job.log());
        let meta = site.result(&job).unwrap();
        let raised = (&meta["result"]["exc_module"], &meta["result"]["exc_type"]);
        assert_eq!(raised, (&json!(module), &json!(class)), "{meta}");
    }
    worker.ends_well();
}

fn when_the_result_is_out_girder_knows_the_end(site: &Site) {
    let _worker = site.worker(&["--concurrency", "1"]);
    for _ in 0..3 {
        let job = site.send(&script("echo the last line"), json!({}));
        site.until(|| site.has_result(&job));
        assert_eq!(job.statuses(), [2, SUCCESS]);
        assert!(job.log().contains("the last line\n"), "{}", job.log());
    }
}

fn what_girder_cannot_make_a_job_for_at_once_has_one_all_the_same(site: &Site) {
    let way = Way::refusing(site.api(), "POST /api/v1/job", 3, FAILURE);
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--concurrency", "1"], &environment);
    let then = json!([script("echo second")]).to_string();
    let job = site.send_with(&script("echo first"), json!({}), &[("then", &then)]);
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    let child = job.child();
    assert_eq!(child.ended(), SUCCESS, "{}", child.log());
    assert_eq!(way.to_refuse(), 0);
    worker.ends_well();
}

/// What we publish for the next step of a chain is what kombu and Celery read.
fn without_a_worker_of_ours_python_reads_what_follows(site: &Site) {
    let worker = site.worker(&["--concurrency", "1"]);
    let then = json!([script("echo second"), script("echo third")]).to_string();
    let held = Held::new();
    let job = held.script(&format!("echo up; {HOLDS}"));
    let first = site.send_with(&job, json!({"priority": 3}), &[("then", &*then)]);
    first.says("up");
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    site.until(|| worker.log().contains("takes no new jobs"));
    held.goes_on();
    assert_eq!(first.ended(), SUCCESS);
    worker.has_ended(0);
    let taken = site.control("take", &json!({"queue": site.queue()}));
    let (headers, second) = (&taken["headers"], first.child());
    assert_eq!(headers["task"], "girder_worker.docker.tasks.docker_run");
    assert_eq!(headers["id"], *second.task_id(), "{taken}");
    assert_eq!(headers["parent_id"], *first.task_id());
    assert_eq!(headers["root_id"], *first.task_id());
    assert!(headers["jobInfoSpec"]["url"].as_str().unwrap().contains("/job/"), "{taken}");
    assert!(headers["girder_api_url"].is_string() && headers["girder_client_token"].is_string());
    assert_eq!(headers["timelimit"], json!([null, null]));
    assert_eq!(taken["properties"]["correlation_id"], headers["id"]);
    assert!(taken["properties"]["reply_to"].is_string(), "{taken}");
    assert_eq!(taken["content_type"], "application/json");
    assert_eq!(taken["kwargs"]["container_args"], json!(["sh", "-c", "echo second"]), "{taken}");
    // The rest of the chain is with it.
    let rest = &taken["embed"]["chain"];
    assert_eq!(rest.as_array().map(Vec::len), Some(1), "{taken}");
    assert!(rest[0]["task"].is_string(), "plain JSON, not pickled: {rest}");
}
