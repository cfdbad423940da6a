//! A cancel in each phase of a job: it works, and leaves nothing.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::jobs::CANCELED;
use crate::site::{Job, Site, Worker, on_both_sites, on_one_site, script};
use crate::way::Way;

on_both_sites! {
    while_its_image_is_pulled,
    while_girder_is_away,
}

on_one_site! {
    while_a_file_is_downloaded,
    while_a_file_streams_into_the_container,
    while_a_result_is_uploaded,
}

/// Cancels a job, which has to end soon and leave nothing.
fn is_cancelled(site: &Site, worker: Worker, job: &Job<'_>) {
    job.cancel();
    assert_eq!(job.ended(), CANCELED, "{}", job.log());
    assert!(!job.has_container());
    if site.has_records() {
        let meta = || site.result(job).unwrap();
        site.until(|| meta()["result"]["exc_message"] == json!(["terminated"]));
    }
    site.until(|| worker.left_behind().is_empty());
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}

/// A worker whose way to Girder is this one.
fn worker(site: &Site, way: &Way) -> Worker {
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    site.starting_worker(&["--stop-timeout", "1"], &environment)
}

fn busybox(arguments: &Value) -> Value {
    json!({
        "image": "gantline-test:busybox", "pull_image": false, "network_mode": "host",
        "container_args": arguments,
    })
}

fn while_its_image_is_pulled(site: &Site) {
    // A registry that never answers.
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let image = format!("{}/image:latest", registry.local_addr().unwrap());
    let worker = site.worker(&[]);
    let job = site.send(&json!({"image": image, "container_args": ["true"]}), json!({}));
    let (_engine, _) = registry.accept().unwrap();
    is_cancelled(site, worker, &job);
}

fn while_a_file_is_downloaded(site: &Site) {
    let way = Way::holding(site.api(), "/download");
    let worker = worker(site, &way);
    let file = site.upload("file", b"what is in the file");
    let arguments = json!(["cat", {"type": "GirderFileIdToVolume", "id": file}]);
    let job = site.send(&busybox(&arguments), json!({}));
    site.until(|| way.held() > 0);
    is_cancelled(site, worker, &job);
}

fn while_a_file_streams_into_the_container(site: &Site) {
    let way = Way::holding(site.api(), "/download");
    let worker = worker(site, &way);
    let file = site.upload("file", b"what is in the file");
    let arguments = json!(["cat", {
        "type": "Connect",
        "input": {"type": "GirderFileIdToStream", "id": file},
        "output": {"type": "NamedInputPipe", "name": "in"},
    }]);
    let job = site.send(&busybox(&arguments), json!({}));
    site.until(|| way.held() > 0);
    is_cancelled(site, worker, &job);
}

fn while_a_result_is_uploaded(site: &Site) {
    let way = Way::holding(site.api(), "POST /api/v1/file");
    let worker = worker(site, &way);
    let item = site.make_item("item");
    let path = json!({"type": "VolumePath", "filename": "out"});
    let mut document = busybox(
        &json!(["sh", "-c", "echo result > $0", {"type": "VolumePath", "filename": "out"}]),
    );
    document["girder_result_hooks"] = json!([
        {"type": "GirderUploadVolumePathToItem", "volumepath": path, "item_id": item}]);
    let job = site.send(&document, json!({}));
    site.until(|| way.held() > 0);
    is_cancelled(site, worker, &job);
    assert_eq!(site.files_in(&item), 0);
}

fn while_girder_is_away(site: &Site) {
    let way = Way::to(site.api());
    let worker = worker(site, &way);
    let job = site.send(&script("trap 'exit 0' TERM; echo up; sleep 100 & wait"), json!({}));
    job.says("up");
    way.closes();
    job.cancel();
    // The broker has told it.
    site.until(|| !job.has_container());
    way.opens();
    is_cancelled(site, worker, &job);
}
