//! Remote control of a whole worker, and what workers tell each other, with Python's Celery among them.

use serde_json::{Value, json};

use crate::jobs::{CANCELED, SUCCESS};
use crate::python;
use crate::site::{Site, on_both_sites, script};
use crate::way::{State, Way};

on_both_sites! {
    a_command_reaches_those_that_a_pattern_names,
    a_worker_that_comes_up_hears_from_ours_what_is_revoked,
    a_worker_that_comes_up_hears_from_pythons_what_is_revoked,
    who_waits_for_a_revoked_task_that_nobody_has_begun_is_told,
    a_revoke_is_heard_while_the_broker_takes_nothing_from_us,
    terminate_with_a_kill_does_not_wait_for_the_container,
    terminate_with_another_signal_stops_as_a_cancel_does,
    an_unknown_command_is_answered_with_an_error,
    slots_and_queues_change_while_the_worker_runs,
    events_of_tasks_are_sent_when_they_are_wanted,
}

/// Who answers a ping, of the test's workers.
fn answers(site: &Site, mut asked: Value) -> Vec<String> {
    asked["command"] = json!("ping");
    let answers = site.control("broadcast", &asked);
    let names = answers.as_object().unwrap().keys().cloned();
    names.filter(|name| name.contains(site.queue())).collect()
}

fn a_command_reaches_those_that_a_pattern_names(site: &Site) {
    let (name, other) = (site.node().to_owned(), format!("other@{}", site.queue()));
    let _worker = site.worker(&[]);
    let _other = site.worker(&["--hostname", &other]);
    let queue = site.queue();
    let by = |matcher: &str, pattern: String| {
        let mut names = answers(site, json!({"matcher": matcher, "pattern": pattern}));
        names.sort();
        names.join(" ")
    };
    assert_eq!(by("glob", format!("[!g]*@{queue}")), other);
    assert_eq!(by("glob", format!("*@{queue}")), format!("{name} {other}"));
    assert_eq!(by("pcre", format!("(gantline|x)@{queue}$")), name);
    assert_eq!(answers(site, json!({"destination": [other]})), [other]);
}

fn revoke(site: &Site, ids: &[&str]) {
    let asked = json!({"command": "revoke", "destination": [site.node()],
        "arguments": {"task_id": ids}});
    assert!(site.control("broadcast", &asked)[site.node()]["ok"].is_string());
}

/// What a node says is revoked, asked until it is so.
fn knows(site: &Site, node: &str, id: &str) {
    let asked = json!({"command": "revoked", "destination": [node]});
    site.until(|| {
        let answer = site.control("broadcast", &asked);
        answer[node].as_array().is_some_and(|ids| ids.contains(&json!(id)))
    });
}

fn a_worker_that_comes_up_hears_from_ours_what_is_revoked(site: &Site) {
    // Girder would say of its own job that it is cancelled: this one has none.
    let job = site.send(&script("echo never"), json!({}));
    let id = job.task_id();
    let queue = site.other_queue();
    site.declare(&queue);
    site.control("again", &json!({"queue": site.queue(), "to": queue, "times": 1, "no_job": true}));
    let _first = site.worker(&[]);
    revoke(site, &[&id]);
    let name = format!("second@{}", site.queue());
    let second = site.worker(&["--hostname", &name, "--queues", &queue]);
    knows(site, &name, &id);
    site.until(|| second.log().contains("the job did not run"));
    assert!(!second.log().contains("the job has ended"), "{}", second.log());
    second.ends_well();
    assert_eq!(site.waiting_in(&queue), 0);
    if let Some(meta) = site.result_of(&id) {
        assert_eq!(meta["status"], "REVOKED", "{meta}");
    }
}

fn a_worker_that_comes_up_hears_from_pythons_what_is_revoked(site: &Site) {
    let id = format!("revoked-{}", site.queue());
    let ours = format!("ours-{}", site.queue());
    let hostname = format!("python@{}", site.queue());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let other = site.other_queue();
    let options = json!({"queue": other, "hostname": hostname, "revoked": [id]});
    let mut theirs = python::start_script("control.py", site.broker(), "worker", options);
    let ready = async { crate::place::soon(theirs.line()).await };
    assert_eq!(runtime.block_on(ready), "ready");

    let _worker = site.worker(&[]);
    knows(site, site.node(), &id);
    // And it has heard from us.
    revoke(site, &[&ours]);
    let third = format!("third@{}", site.queue());
    let _third = site.worker(&["--hostname", &third]);
    knows(site, &third, &ours);
    knows(site, &third, &id);
}

fn who_waits_for_a_revoked_task_that_nobody_has_begun_is_told(site: &Site) {
    let job = site.send(&script("echo never"), json!({}));
    let done = site.send(&script("echo done"), json!({}));
    let _worker = site.worker(&["--queues", &site.other_queue()]);
    job.cancel();
    assert_eq!(job.ended(), CANCELED);
    if let Some(meta) = site.result(&job) {
        assert_eq!(meta["status"], "REVOKED", "{meta}");
        assert_eq!(meta["result"]["exc_message"], json!(["revoked"]), "{meta}");
    }
    // A result that is there is not written over.
    let _second = site.worker(&["--hostname", &format!("second@{}", site.queue())]);
    assert_eq!(done.ended(), SUCCESS);
    if site.has_records() {
        assert_eq!(site.result(&done).unwrap()["status"], "SUCCESS");
        revoke(site, &[&done.task_id()]);
        site.control("broadcast", &json!({"command": "ping", "destination": [site.node()]}));
        assert_eq!(site.result(&done).unwrap()["status"], "SUCCESS");
    }
}

/// As when RabbitMQ has no memory left: a reply cannot be sent.
fn a_revoke_is_heard_while_the_broker_takes_nothing_from_us(site: &Site) {
    let way = Way::to(site.broker());
    let worker = site.worker(&["--broker", &way.address(site.broker())]);
    let job = site.send(&script(STOPS), json!({}));
    job.says("up");
    // Its message is acknowledged.
    site.until(|| site.inspect(&["active"])["active"][0]["acknowledged"] == true);
    way.becomes(State::Mute);
    assert_eq!(answers(site, json!({"destination": [site.node()]})), [] as [String; 0]);
    let asked = json!({"command": "revoke", "destination": [site.node()],
        "arguments": {"task_id": job.task_id()}});
    site.control("broadcast", &asked);
    assert_eq!(job.ended(), CANCELED);
    assert!(!worker.log().contains("no broker"), "{}", worker.log());
    way.opens();
}

fn terminate_with_a_kill_does_not_wait_for_the_container(site: &Site) {
    let _worker = site.worker(&["--stop-timeout", "600"]);
    let job = site.send(&script("trap '' TERM; echo up; while :; do sleep 1; done"), json!({}));
    job.says("up");
    let id = job.task_id();
    let asked = json!({"command": "terminate", "destination": [site.node()],
        "arguments": {"task_id": id, "signal": "SIGKILL"}});
    let answer = site.control("broadcast", &asked);
    assert_eq!(answer[site.node()], json!({"ok": format!("terminate: {id}")}));
    assert_eq!(job.ended(), CANCELED);
    // One that a busy engine does not remove in a second is removed behind the job's end.
    site.until(|| !job.has_container());
    let again = site.control("broadcast", &asked);
    assert_eq!(again[site.node()], json!({"ok": "terminate: tasks unknown"}));
}

fn terminate_with_another_signal_stops_as_a_cancel_does(site: &Site) {
    let _worker = site.worker(&[]);
    let stops = "trap 'echo bye; exit 0' TERM; echo up; sleep 100 & wait";
    let job = site.send(&script(stops), json!({}));
    job.says("up");
    let asked = json!({"command": "terminate", "destination": [site.node()],
        "arguments": {"task_id": job.task_id(), "signal": "SIGUSR1"}});
    let answer = site.control("broadcast", &asked);
    assert!(answer[site.node()]["ok"].is_string(), "{answer}");
    assert_eq!(job.ended(), CANCELED);
    assert!(job.log().contains("bye\n"), "{}", job.log());
}

fn an_unknown_command_is_answered_with_an_error(site: &Site) {
    let _worker = site.worker(&[]);
    let asked = json!({"command": "nosuch", "destination": [site.node()]});
    assert_eq!(
        site.control("broadcast", &asked)[site.node()],
        json!({"error": "KeyError('nosuch')"})
    );
}

fn slots_and_queues_change_while_the_worker_runs(site: &Site) {
    let worker = site.worker(&["--concurrency", "1"]);
    let ask = |command: &str, arguments: Value| {
        let asked =
            json!({"command": command, "arguments": arguments, "destination": [site.node()]});
        site.control("broadcast", &asked)[site.node()].take()
    };
    let blocker = site.send(&script(STOPS), json!({}));
    blocker.says("up");
    let second = site.send(&script("echo second"), json!({}));
    assert_eq!(ask("pool_grow", json!({"n": 1})), json!({"ok": "pool will grow"}));
    assert_eq!(second.ended(), SUCCESS);
    assert_eq!(ask("pool_shrink", json!({"n": 1})), json!({"ok": "pool will shrink"}));
    let slots = site.inspect(&["stats"])["stats"]["pool"]["max-concurrency"].clone();
    assert_eq!(slots, 1);
    blocker.cancel();
    assert_eq!(blocker.ended(), CANCELED);

    // Of a queue that is not served any more nothing is taken.
    let queue = site.queue();
    let gone = ask("cancel_consumer", json!({"queue": queue}));
    assert_eq!(gone, json!({"ok": format!("no longer consuming from {queue}")}));
    let left = site.send(&script("echo left"), json!({}));
    site.until(|| site.waiting() == 1);
    assert_eq!(left.statuses(), [] as [u64; 0]);
    let refused = ask("add_consumer", json!({"queue": "local"}));
    assert_eq!(refused, json!({"error": "the queue \"local\" is Girder's own: name another"}));
    let back = ask("add_consumer", json!({"queue": queue}));
    assert_eq!(back, json!({"ok": format!("add consumer {queue}")}));
    assert_eq!(left.ended(), SUCCESS);
    assert_eq!(ask("shutdown", json!({})), Value::Null);
    worker.has_ended(0);
}

#[test]
fn events_tell_of_failures_and_cancels() {
    let site = Site::of_one_broker();
    let _worker = site.worker(&["--events"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    for (kind, text) in [("task-failed", "exit 3"), ("task-revoked", "echo up; sleep 100")] {
        let options = json!({"hostname": site.node(), "wanted": kind});
        let mut seeing = python::start_script("control.py", site.broker(), "task_events", options);
        let ready = async { crate::place::soon(seeing.line()).await };
        assert_eq!(runtime.block_on(ready), "ready");
        let job = site.send(&script(text), json!({}));
        if kind == "task-revoked" {
            job.says("up");
            job.cancel();
        }
        let seen = runtime.block_on(async { crate::place::soon(seeing.line()).await });
        let last = seen.as_array().unwrap().last().unwrap();
        assert_eq!((&last["type"], &last["uuid"]), (&json!(kind), &json!(job.task_id())), "{seen}");
        if kind == "task-failed" {
            assert!(last["exception"].as_str().unwrap().starts_with("DockerException("), "{last}");
        } else {
            assert_eq!(last["terminated"], true, "{last}");
        }
    }
}

fn events_of_tasks_are_sent_when_they_are_wanted(site: &Site) {
    let _worker = site.worker(&[]);
    let ask = |command: &str| {
        let asked = json!({"command": command, "destination": [site.node()]});
        site.control("broadcast", &asked)[site.node()].take()
    };
    assert_eq!(ask("enable_events"), json!({"ok": "task events enabled"}));
    assert_eq!(ask("enable_events"), json!({"ok": "task events already enabled"}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let options = json!({"hostname": site.node(), "wanted": "task-succeeded"});
    let mut seeing = python::start_script("control.py", site.broker(), "task_events", options);
    let line = async { crate::place::soon(seeing.line()).await };
    assert_eq!(runtime.block_on(line), "ready");
    let job = site.send(&script("true"), json!({}));
    let seen = runtime.block_on(async { crate::place::soon(seeing.line()).await });
    let kinds: Vec<_> = seen.as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["task-received", "task-started", "task-succeeded"], "{seen}");
    for event in seen.as_array().unwrap() {
        assert_eq!(event["uuid"], *job.task_id(), "{event}");
    }
    assert_eq!(seen[0]["name"], "girder_worker.docker.tasks.docker_run");
    assert!(!seen.to_string().contains(&site.token()));
    assert_eq!(ask("disable_events"), json!({"ok": "task events disabled"}));
}

/// It ends when it is told to.
const STOPS: &str = "trap 'exit 0' TERM; echo up; sleep 100 & wait";
