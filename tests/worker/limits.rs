//! Time limits: those of a message, and those that remote control sets.

use serde_json::{Value, json};

use crate::jobs::ERROR;
use crate::site::{Job, Site, on_one_site, script};

on_one_site! {
    the_soft_limit_stops_the_container_and_is_an_error,
    the_hard_limit_kills_a_container_that_the_soft_one_could_not_stop,
    a_limit_that_remote_control_set_is_for_tasks_that_bring_none,
}

/// The exception in the record of a result, where it can be read.
fn is_raised(site: &Site, job: &Job<'_>, class: &str, arguments: &Value) {
    if let Some(meta) = site.result(job) {
        assert_eq!(meta["status"], "FAILURE", "{meta}");
        assert_eq!(meta["result"]["exc_type"], class, "{meta}");
        assert_eq!(meta["result"]["exc_module"], "billiard.exceptions", "{meta}");
        assert_eq!(meta["result"]["exc_message"], *arguments, "{meta}");
    }
}

fn the_soft_limit_stops_the_container_and_is_an_error(site: &Site) {
    let _worker = site.worker(&[]);
    let job = site.send(
        &script("trap 'echo bye; exit 0' TERM; echo up; sleep 100 & wait"),
        json!({"soft_time_limit": 2, "time_limit": 100}),
    );
    assert_eq!(job.ended(), ERROR, "{}", job.log());
    assert!(job.log().contains("bye\n"), "it was killed: {}", job.log());
    assert!(job.log().contains("the soft time limit is over"), "{}", job.log());
    is_raised(site, &job, "SoftTimeLimitExceeded", &json!([]));
    site.until(|| !job.has_container());
}

fn the_hard_limit_kills_a_container_that_the_soft_one_could_not_stop(site: &Site) {
    let _worker = site.worker(&["--stop-timeout", "60"]);
    let job = site.send(
        &script("trap '' TERM; echo up; while :; do sleep 1; done"),
        json!({"soft_time_limit": 1, "time_limit": 3}),
    );
    assert_eq!(job.ended(), ERROR, "{}", job.log());
    assert!(job.log().contains("the time limit of 3 s is over"), "{}", job.log());
    is_raised(site, &job, "TimeLimitExceeded", &json!([3.0]));
    site.until(|| !job.has_container());
}

fn a_limit_that_remote_control_set_is_for_tasks_that_bring_none(site: &Site) {
    let _worker = site.worker(&[]);
    let set = |task: &str| {
        let asked = json!({"command": "time_limit", "destination": [site.node()],
            "arguments": {"task_name": task, "hard": 2}});
        site.control("broadcast", &asked)[site.node()].clone()
    };
    assert_eq!(set("no.such"), json!({"error": "unknown task"}));
    let ok = json!({"ok": "time limits set successfully"});
    assert_eq!(set("girder_worker.docker.tasks.docker_run"), ok);
    let job = site.send(&script("sleep 100"), json!({}));
    assert_eq!(job.ended(), ERROR, "{}", job.log());
    is_raised(site, &job, "TimeLimitExceeded", &json!([2.0]));
    site.until(|| !job.has_container());
}
