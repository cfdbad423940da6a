//! What a container streams becomes a file of an item of the real Girder.

use gantline::{Event, JobSpec, Runner};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::run_library::Told;
use crate::support::gate::{GATE, Gate};
use crate::support::girder::Girder;
use crate::support::job::{Job, connect, end, named_output_pipe};
use crate::support::seeded::hex;

/// A session with an item.
pub(crate) fn item() -> (Girder, String) {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    (girder, item)
}

/// `GirderStreamToItem`.
pub(crate) fn to_item(item: &str, name: &str, size: impl Into<Value>) -> Value {
    json!({"type": "GirderStreamToItem", "item_id": item, "name": name, "size": size.into()})
}

/// The job of a script that writes the FIFO `$1`, which goes there.
pub(crate) fn writing(girder: &Girder, script: &str, sink: Value) -> Job {
    Job::script(script).arg(connect(named_output_pipe("out"), sink)).girder(girder)
}

#[test]
fn a_fifo_of_known_size_is_uploaded_in_chunks_while_it_is_written() {
    let (girder, item) = item();
    // Three chunks: more than is kept on the disk at once.
    let script =
        "set -e; mkfifo t; sha256sum < t & head -c 150000001 /dev/urandom | tee t > $1; wait";
    let run = writing(&girder, script, to_item(&item, "big.bin", 150_000_001)).finish();
    assert_eq!(run.code, 0, "{run}");
    let files = girder.files(&item);
    assert_eq!(files.len(), 1, "{run}");
    let (name, record) = &files[0];
    assert_eq!(name, "big.bin");
    let content = girder.content(record["_id"].as_str().unwrap());
    assert!(run.text().starts_with(&hex(&Sha256::digest(content))), "{run}");
    let expected = json!([{
        "item_id": item, "file_id": record["_id"], "name": "big.bin", "bytes": 150_000_001,
    }]);
    assert_eq!(run.uploads(), expected, "{run}");
    let transfer = run.transfer(&format!("girder:item/{item}/big.bin"));
    assert_eq!(transfer["source"], "fifo:out");
    assert_eq!(
        (&transfer["bytes"], &transfer["finish"]),
        (&json!(150_000_001), &json!("complete"))
    );
    assert_eq!(transfer["carrier"], "direct");
}

#[test]
fn what_has_no_known_size_is_uploaded_at_the_end() {
    let (girder, item) = item();
    let script = "seq 1 1000000 > $1; seq 1 100000; echo oops >&2";
    let run = writing(&girder, script, to_item(&item, "fifo.txt", Value::Null))
        .stream(end("ContainerStdOut"), to_item(&item, "stdout.txt", Value::Null))
        .stream(end("ContainerStdErr"), to_item(&item, "stderr.txt", 5))
        .finish();
    assert_eq!((run.code, run.text(), &*run.stderr), (0, "", ""), "{run}");
    let lines = |last: u32| -> Vec<u8> {
        (1..=last).flat_map(|line| format!("{line}\n").into_bytes()).collect()
    };
    let expected = [
        ("fifo.txt", lines(1_000_000)),
        ("stderr.txt", b"oops\n".to_vec()),
        ("stdout.txt", lines(100_000)),
    ];
    let files = girder.files(&item);
    assert_eq!(files.len(), expected.len(), "{run}");
    for ((name, record), (expected, content)) in files.iter().zip(expected) {
        assert_eq!(name, expected);
        assert_eq!(record["mimeType"], "text/plain");
        assert!(girder.content(record["_id"].as_str().unwrap()) == content, "{name} {run}");
    }
    assert_eq!(run.reported("uploads").as_array().unwrap().len(), 3, "{run}");
}

#[test]
fn a_stream_without_bytes_is_a_file_without_bytes() {
    let (girder, item) = item();
    let run = writing(&girder, ": > $1", to_item(&item, "a", 0))
        .stream(end("ContainerStdOut"), to_item(&item, "b", Value::Null))
        // Nobody opens it: that is no result.
        .stream(named_output_pipe("idle"), to_item(&item, "c", Value::Null))
        .finish();
    assert_eq!(run.code, 0, "{run}");
    let files = girder.files(&item);
    let sizes: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), &file["size"])).collect();
    let none = json!(0);
    assert_eq!(sizes, [("a", &none), ("b", &none)], "{run}");
}

#[test]
fn a_container_that_pauses_is_waited_for() {
    let (girder, item) = item();
    let gate = Gate::new();
    let script = format!("exec 3> $1; echo one >&3; {GATE}; echo two >&3");
    let job = gate.mount(writing(&girder, &script, to_item(&item, "a", 8)));
    let running = gate.reached(job.invocation().start());
    running.has_nothing_to_do();
    // It has begun, and waits for its only chunk to be whole.
    let uploads = girder.uploads(&item);
    assert_eq!((uploads.len(), &uploads[0]["received"]), (1, &json!(0)));
    gate.open();
    let run = running.finish();
    assert_eq!(run.code, 0, "{run}");
    let id = girder.files(&item)[0].1["_id"].as_str().unwrap().to_owned();
    assert_eq!(girder.content(&id), b"one\ntwo\n");
}

#[test]
fn the_world_is_told_how_far_it_is() {
    let (girder, item) = item();
    let job = writing(&girder, "seq 1 1000000 > $1", to_item(&item, "known", 6_888_896))
        .stream(end("ContainerStdOut"), to_item(&item, "unknown", Value::Null));
    let job = JobSpec::from_json(&job.document().to_string()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = Told::default();
    let builder = Runner::builder().temporary_folder(folder.path()).events(told.clone());
    let outcome = builder.build().unwrap().run(&job).unwrap();
    assert_eq!(outcome.exit_code(), Some(0));
    let told = told.0.lock().unwrap();
    let begun = |wanted: &str| {
        told.iter().find_map(|event| match event {
            Event::TransferStarted { transfer, label, total } if label.ends_with(wanted) => {
                Some((transfer.number(), *total))
            }
            _ => None,
        })
    };
    let known = begun(&format!("girder:item/{item}/known")).unwrap();
    assert_eq!(known, (0, Some(6_888_896)), "{told:?}");
    let mut totals = told.iter().filter_map(|event| match event {
        Event::TransferAdvanced { transfer, total, .. } if transfer.number() == 0 => Some(*total),
        _ => None,
    });
    assert!(totals.all(|total| total == Some(6_888_896)), "{told:?}");
    // What is sent at the end is told of on its own, with a number that no transfer has.
    let (number, total) = begun(&format!("unknown → girder:item/{item}")).unwrap();
    assert!(number >= 3 && total == Some(0), "{told:?}");
}
