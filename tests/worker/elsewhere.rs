//! Several workers: a job runs again where it has to, and nowhere else.

use std::process::Command;

use serde_json::{Value, json};

use crate::held::{HOLDS, Held};
use crate::jobs::{CANCELED, SUCCESS};
use crate::place::Kind;
use crate::site::{Site, on_both_sites, script};

on_both_sites! {
    a_job_whose_worker_was_killed_runs_again_on_another_one,
    each_of_many_jobs_runs_once_on_two_workers,
    a_job_whose_time_has_come_runs_where_a_slot_is_free,
}

fn a_job_whose_worker_was_killed_runs_again_on_another_one(site: &Site) {
    let late = ["--acks-late", "--visibility-timeout", "3", "--concurrency", "1"];
    let mut first = site.worker(&late);
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}; echo down")), json!({}));
    job.says("up");
    let name = format!("second@{}", site.queue());
    let second = site.worker(&[late.as_slice(), &["--hostname", &name]].concat());
    first.dies();
    held.goes_on();
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    let log = job.log();
    // The first container was gone when the second one started.
    assert_eq!((log.matches("up\n").count(), log.matches("down\n").count()), (2, 1), "{log}");
    assert!(!job.has_container());
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn each_of_many_jobs_runs_once_on_two_workers(site: &Site) {
    let name = format!("second@{}", site.queue());
    let workers = [site.worker(&["-c", "2"]), site.worker(&["-c", "2", "--hostname", &name])];
    let jobs: Vec<_> = (0..12).map(|_| site.send(&script("echo once"), json!({}))).collect();
    for job in jobs {
        assert_eq!(job.ended(), SUCCESS, "{}", job.log());
        assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
        assert_eq!(job.statuses(), [2, 3]);
    }
    for worker in workers {
        assert!(worker.log().contains("the job has ended"), "it had none: {}", worker.log());
        worker.ends_well();
    }
    assert_eq!(site.waiting(), 0);
}

fn a_job_whose_time_has_come_runs_where_a_slot_is_free(site: &Site) {
    let first = site.worker(&["--concurrency", "1"]);
    let later = site.send(&script("echo later"), json!({"countdown": 10}));
    site.until(|| site.inspect(&["scheduled"])["scheduled"] != json!([]));
    let blocker = site.send(&script("trap 'exit 0' TERM; echo up; sleep 100 & wait"), json!({}));
    blocker.says("up");
    assert_eq!(later.statuses(), [] as [u64; 0]);
    let name = format!("second@{}", site.queue());
    let second = site.worker(&["--concurrency", "1", "--hostname", &name]);
    assert_eq!(later.ended(), SUCCESS, "{}", later.log());
    assert_eq!(blocker.statuses(), [2]);
    assert!(second.log().contains("the job has ended"), "{}", second.log());
    blocker.cancel();
    assert_eq!(blocker.ended(), CANCELED);
    first.ends_well();
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

#[test]
fn a_job_that_waits_and_takes_longer_than_the_visibility_timeout_runs_once() {
    let site = Site::new(Kind::Redis);
    let late = ["--acks-late", "--visibility-timeout", "3"];
    let first = site.worker(&late);
    let name = format!("second@{}", site.queue());
    let second = site.worker(&[late.as_slice(), &["--hostname", &name]].concat());
    // It is held for as long before its time has come.
    let job = site.send(&script("echo once; sleep 6"), json!({"countdown": 7}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(job.log().matches("once\n").count(), 1, "{}", job.log());
    for worker in [&first, &second] {
        assert!(!worker.log().contains("held for too long"), "{}", worker.log());
    }
    first.ends_well();
    second.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// What `celery inspect ping` says, with an application of its own or without.
fn inspected(site: &Site, application: &[&str]) -> Value {
    let python = std::env::var("GANTLINE_TEST_PYTHON").unwrap();
    let output = Command::new(python)
        .args(["-m", "celery", "-b", site.broker()])
        .args(application)
        .args(["inspect", "ping", "--json", "-t", "5", "-d", site.node()])
        .env("GIRDER_WORKER_BROKER", site.broker())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let json = told.lines().find(|line| line.starts_with('{'));
    json.map_or(Value::Null, |line| serde_json::from_str(line).unwrap())
}

#[test]
fn celerys_own_command_sees_the_worker_which_needs_little_memory() {
    for kind in [Kind::RabbitMq, Kind::Redis] {
        let site = Site::new(kind);
        let worker = site.worker(&[]);
        let pong = json!({site.node(): {"ok": "pong"}});
        assert_eq!(inspected(&site, &[]), pong);
        assert_eq!(inspected(&site, &["-A", "girder_worker.app"]), pong);
        // Girder's own page of workers.
        let status = site.get("worker/status");
        for what in ["ping", "stats", "report", "active", "reserved"] {
            assert!(!status[what][site.node()].is_null(), "{what}: {status}");
        }
        // The buffers of 8 MiB that lapin has are not filled before there is something in them.
        assert!(worker.own_memory() < 6 << 20, "{kind:?}: {} bytes", worker.own_memory());
    }
}
