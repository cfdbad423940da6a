//! What Girder Worker's own integration tests show, with messages of a real Girder: volumes, pipes, files, progress.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::jobs::{CANCELED, SUCCESS};
use crate::site::{Job, Site, on_both_sites, script};

on_both_sites! {
    volumes_as_a_mapping_are_bound,
    a_bind_mount_volume_is_bound,
    a_pipe_out_of_the_container_is_in_the_log,
    a_file_goes_into_a_pipe_on_a_bound_volume,
    a_file_goes_into_a_pipe_on_the_default_volume,
    a_file_on_a_volume_comes_out_through_a_pipe,
    an_item_of_several_files_is_on_a_volume,
    a_result_is_uploaded_to_an_item,
    the_last_progress_message_is_in_the_job,
    a_pipe_is_sent_in_chunks_to_a_url,
    a_temporary_volume_lies_under_its_root,
    a_job_that_is_cancelled_in_the_queue_is_not_started,
}

/// Runs a job that succeeds, on a worker that leaves nothing.
fn runs<'a>(site: &'a Site, document: &Value) -> Job<'a> {
    let worker = site.worker(&[]);
    let job = site.send(document, json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert_eq!(job.statuses(), [2, 3]);
    site.until(|| worker.left_behind().is_empty());
    worker.ends_well();
    job
}

/// A job with these arguments.
fn busybox(arguments: &Value) -> Value {
    let mut document = script("");
    document["container_args"] = arguments.clone();
    document
}

/// A folder of the host with a file in it.
fn folder() -> TempDir {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(folder.path().join("in"), "of the host\n").unwrap();
    folder
}

fn writes_into(site: &Site, folder: &TempDir, volumes: &Value) {
    let mut document = script("cat /mnt/data/in; cp /mnt/data/in /mnt/data/out");
    document["volumes"] = volumes.clone();
    let job = runs(site, &document);
    assert!(job.log().contains("of the host\n"), "{}", job.log());
    assert_eq!(fs::read(folder.path().join("out")).unwrap(), b"of the host\n");
}

fn volumes_as_a_mapping_are_bound(site: &Site) {
    let folder = folder();
    let path = folder.path().to_str().unwrap();
    writes_into(site, &folder, &json!({path: {"bind": "/mnt/data", "mode": "rw"}}));
}

fn bound(folder: &TempDir) -> Value {
    json!({"type": "BindMountVolume", "host_path": folder.path(), "container_path": "/mnt/data"})
}

fn a_bind_mount_volume_is_bound(site: &Site) {
    let folder = folder();
    writes_into(site, &folder, &json!([bound(&folder)]));
}

fn a_pipe_out_of_the_container_is_in_the_log(site: &Site) {
    let pipe = json!({
        "type": "Connect", "input": {"type": "NamedOutputPipe", "name": "out"},
        "output": {"type": "HostStdOut"},
    });
    let job = runs(site, &busybox(&json!(["sh", "-c", "echo through the pipe > $0", pipe])));
    assert!(job.log().contains("through the pipe\n"), "{}", job.log());
}

/// More than any pipe holds, and not a whole number of blocks.
fn bytes() -> Vec<u8> {
    (0..3_000_007_u32).flat_map(|number| number.to_le_bytes()).take(3_000_007).collect()
}

/// A job whose container copies a pipe into an item.
fn a_file_goes_into(site: &Site, pipe: &Value, volumes: Option<Value>) {
    let file = site.upload("file", &bytes());
    let item = site.make_item("item");
    let input = json!({
        "type": "Connect", "input": {"type": "GirderFileIdToStream", "id": file}, "output": pipe,
    });
    let result = json!({"type": "VolumePath", "filename": "out"});
    let mut document = busybox(&json!(["sh", "-c", "cat $0 > $1", input, result]));
    document["girder_result_hooks"] = json!([upload(&result, &item)]);
    if let Some(volumes) = volumes {
        document["volumes"] = volumes;
    }
    runs(site, &document);
    assert!(site.content(&item) == [bytes()], "the bytes are others");
}

fn upload(path: &Value, item: &str) -> Value {
    json!({"type": "GirderUploadVolumePathToItem", "volumepath": path, "item_id": item})
}

fn a_file_goes_into_a_pipe_on_a_bound_volume(site: &Site) {
    let folder = folder();
    let pipe = json!({"type": "NamedInputPipe", "name": "pipe", "volume": bound(&folder)});
    a_file_goes_into(site, &pipe, Some(json!([bound(&folder)])));
    assert!(!folder.path().join("pipe").exists());
}

fn a_file_goes_into_a_pipe_on_the_default_volume(site: &Site) {
    a_file_goes_into(site, &json!({"type": "NamedInputPipe", "name": "pipe"}), None);
}

fn a_file_on_a_volume_comes_out_through_a_pipe(site: &Site) {
    let file = site.upload("file", b"first line\nlast line\n");
    let document = busybox(&json!([
        "sh", "-c", "cat $0 > $1", {"type": "GirderFileIdToVolume", "id": file},
        {"type": "Connect", "input": {"type": "NamedOutputPipe", "name": "out"},
            "output": {"type": "HostStdOut"}},
    ]));
    let job = runs(site, &document);
    assert!(job.log().contains("first line\nlast line\n"), "{}", job.log());
}

fn an_item_of_several_files_is_on_a_volume(site: &Site) {
    let item = site.make_item("several");
    for name in ["one", "two", "three"] {
        site.add_file(&item, name, format!("in {name}\n").as_bytes());
    }
    let item = json!({"type": "GirderItemIdToVolume", "id": item});
    let job = runs(site, &busybox(&json!(["sh", "-c", "ls $0; cat $0/*", item])));
    assert!(job.log().contains("one\nthree\ntwo\nin one\nin three\nin two\n"), "{}", job.log());
}

fn a_result_is_uploaded_to_an_item(site: &Site) {
    let item = site.make_item("item");
    let result = json!({"type": "VolumePath", "filename": "out"});
    let mut document = busybox(&json!(["sh", "-c", "echo result > $0", result]));
    document["girder_result_hooks"] = json!([upload(&result, &item)]);
    runs(site, &document);
    assert_eq!(site.content(&item), [b"result\n"]);
}

fn the_last_progress_message_is_in_the_job(site: &Site) {
    let says = r#"for i in 1 2 3; do echo "{\"message\": \"step $i\", \"total\": 3, \"current\": $i}"; done > $0"#;
    let job = runs(site, &busybox(&json!(["sh", "-c", says, {"type": "ProgressPipe"}])));
    let progress = job.progress();
    assert_eq!(progress["message"], "step 3", "{progress}");
    assert_eq!((&progress["total"], &progress["current"]), (&json!(3.0), &json!(3.0)));
}

fn a_pipe_is_sent_in_chunks_to_a_url(site: &Site) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/where", listener.local_addr().unwrap());
    let taking = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let (mut request, mut bytes) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"\r\n0\r\n\r\n") {
            let length = peer.read(&mut bytes).unwrap();
            assert!(length > 0, "it ends early: {}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&bytes[..length]);
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(request).unwrap()
    });
    let stream = json!({
        "type": "Connect", "input": {"type": "NamedOutputPipe", "name": "out"},
        "output": {"type": "ChunkedTransferEncodingStream", "url": url, "headers": {"Key": "Value"}},
    });
    runs(site, &busybox(&json!(["sh", "-c", "echo in chunks > $0", stream])));
    let request = taking.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /where HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("\r\nkey: value"), "{head}");
    assert_eq!(body, "a\r\nin chunks\n\r\n0\r\n\r\n");
}

fn a_temporary_volume_lies_under_its_root(site: &Site) {
    let root = folder();
    let mut document = busybox(&json!([
        "sh", "-c", "echo here > $0; grep $(dirname $0) /proc/self/mountinfo",
        {"type": "VolumePath", "filename": "file", "volume": "volume"},
    ]));
    document["volumes"] =
        json!([{"type": "TemporaryVolume", "name": "volume", "host_dir": root.path()}]);
    let job = runs(site, &document);
    let name = root.path().file_name().unwrap().to_str().unwrap();
    assert!(job.log().lines().any(|line| line.contains(&format!("/{name}/"))), "{}", job.log());
    let left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["in"]);
}

fn a_job_that_is_cancelled_in_the_queue_is_not_started(site: &Site) {
    let worker = site.worker(&["--concurrency", "1"]);
    let first = site.send(&script("trap 'exit 0' TERM; echo up; sleep 100 & wait"), json!({}));
    first.says("up");
    let waiting = site.send(&script("echo never"), json!({}));
    waiting.cancel();
    first.cancel();
    assert_eq!((first.ended(), waiting.ended()), (CANCELED, CANCELED));
    // What comes behind it shows that it has been seen to.
    assert_eq!(site.send(&script("true"), json!({})).ended(), SUCCESS);
    assert!(!waiting.log().contains("container"), "{}", waiting.log());
    worker.ends_well();
    assert_eq!(site.waiting(), 0);
}
