//! Messages that cannot be run: they end as errors of their jobs, or are left to those who can run them.

use serde_json::json;
use uuid::Uuid;

use crate::jobs::{ERROR, SUCCESS};
use crate::site::{Site, on_both_sites, on_one_site, script};
use crate::way::{FAILURE, Way};

on_both_sites! {
    what_cannot_be_read_is_an_error_of_its_job,
    a_task_that_a_chord_waits_for_is_left_to_others,
    a_task_of_protocol_1_is_left_to_others,
    what_is_no_task_of_protocol_2_is_a_failure_and_comes_no_more,
    a_compressed_message_and_one_of_slicer_cli_webs_task_run,
}

on_one_site! {
    a_header_of_the_messages_session_comes_with_the_jobs_updates,
}

fn a_header_of_the_messages_session_comes_with_the_jobs_updates(site: &Site) {
    let way = Way::refusing(site.api(), "x-extra: of-the-session", 1, FAILURE);
    let worker = site.starting_worker(&[], &[("GIRDER_WORKER_API_URL", &*way.api())]);
    let session = json!({"headers": {"X-Extra": "of-the-session"}});
    let job = site.send(&script("true"), json!({"girder_client_session_kwargs": session}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(way.to_refuse(), 0);
    worker.ends_well();
}

fn a_compressed_message_and_one_of_slicer_cli_webs_task_run(site: &Site) {
    let worker = site.worker(&["--queues", &site.other_queue()]);
    let slicer = "slicer_cli_web.girder_worker_plugin.direct_docker_run.run";
    for (name, value) in [("compression", "zlib"), ("task", slicer)] {
        let job = site.send(&script("echo it runs"), json!({}));
        let asked =
            json!({"queue": site.queue(), "to": site.other_queue(), "times": 1, (name): value});
        site.control("again", &asked);
        assert_eq!(job.ended(), SUCCESS, "{name}: {}", job.log());
        assert!(job.log().contains("it runs\n"), "{name}: {}", job.log());
    }
    worker.ends_well();
}

fn a_task_of_protocol_1_is_left_to_others(site: &Site) {
    let others = site.other_queue();
    site.declare(&others);
    let worker = site.worker(&["--others-to", &others]);
    let body = json!({"task": "somebodys.task", "id": "an-id", "args": [], "kwargs": {}});
    site.send_body(&body, "an-id");
    site.until(|| site.waiting_in(&others) == 1);
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// Its sender is told, by the id that it waits by.
fn what_is_no_task_of_protocol_2_is_a_failure_and_comes_no_more(site: &Site) {
    let worker = site.worker(&["--concurrency", "1"]);
    let is_a_failure = |id: &str| {
        site.until(|| worker.log().contains(id));
        if let Some(meta) = site.result_of(id) {
            assert_eq!(meta["status"], "FAILURE", "{meta}");
            let words = meta["result"]["exc_message"][0].as_str().unwrap();
            assert!(words.contains("protocol 2") && words.contains("task_protocol"), "{words}");
        }
    };
    let ours = "girder_worker.docker.tasks.docker_run";
    for (task, serializer) in [(ours, "json"), (ours, "pickle"), ("somebodys.task", "pickle")] {
        let id = Uuid::new_v4().to_string();
        let sent = json!({"queue": site.queue(), "task": task, "serializer": serializer, "id": id});
        site.control("protocol_1", &sent);
        is_a_failure(&id);
    }
    // Of no protocol at all.
    for body in [json!([1, 2]), json!({"image": "busybox"})] {
        let id = Uuid::new_v4().to_string();
        site.send_body(&body, &id);
        is_a_failure(&id);
    }
    let next = site.send(&script("echo next"), json!({}));
    assert_eq!(next.ended(), SUCCESS, "{}", next.log());
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

fn what_cannot_be_read_is_an_error_of_its_job(site: &Site) {
    let worker = site.worker(&["--concurrency", "1", "--queues", &site.other_queue()]);
    let transform =
        r#"[[], {"image": "i", "container_args": [{"py/object": "girder_worker.x.NoSuch"}]}, {}]"#;
    let pickled = "application/x-python-serialize";
    for (body, kind, words) in [
        (r#"{"py/tuple": ["#, "application/json", "JSON"),
        ("cos\nsystem\n(S'true'\ntR.", pickled, "pickle"),
        ("- [i]\n- {}\n- {}\n", "application/x-yaml", "YAML"),
        (r#"[[], {"image": 5}, {}]"#, "application/json", "image"),
        (transform, "application/json", "NoSuch"),
    ] {
        let job = site.send(&script("echo never"), json!({}));
        let asked = json!({"queue": site.queue(), "to": site.other_queue(), "times": 1,
            "body": body, "content_type": kind});
        site.control("again", &asked);
        assert_eq!(job.ended(), ERROR, "{words}");
        assert_eq!(job.statuses(), [2, ERROR], "{words}");
        let log = job.log();
        let line = log.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(line.contains(words), "{words}: {log}");
        if let Some(meta) = site.result(&job) {
            assert_eq!(meta["status"], "FAILURE", "{meta}");
        }
    }
    // The next job runs.
    let next = site.send(&script("echo next"), json!({}));
    site.control("again", &json!({"queue": site.queue(), "to": site.other_queue(), "times": 1}));
    assert_eq!(next.ended(), SUCCESS, "{}", next.log());
    worker.ends_well();
    assert_eq!(site.waiting_in(&site.other_queue()), 0);
}

fn a_task_that_a_chord_waits_for_is_left_to_others(site: &Site) {
    let (ours, others) = (site.other_queue(), format!("{}-python", site.queue()));
    site.declare(&others);
    let worker = site.worker(&["--queues", &ours, "--others-to", &others]);
    let job = site.send(&script("echo never"), json!({}));
    let asked = json!({"queue": site.queue(), "to": ours, "times": 1, "chord": {"task": "t"}});
    site.control("again", &asked);
    site.until(|| site.waiting_in(&others) == 1);
    assert_eq!(job.statuses(), [] as [u64; 0]);
    worker.ends_well();
    let taken = site.control("take", &json!({"queue": others}));
    assert_eq!(taken["headers"]["id"], *job.task_id());
    assert_eq!(taken["embed"]["chord"], json!({"task": "t"}), "{taken}");
}
