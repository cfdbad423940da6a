//! Streams into an item that do not become files: nothing that looks like one stays in Girder.

use std::io::Write;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::hooks_broken::{Breaks, line};
use crate::item_streams::{item, to_item, writing};
use crate::support::command::Finished;
use crate::support::disk::Disk;
use crate::support::gate::{GATE, Gate};
use crate::support::girder::Girder;
use crate::support::job::{Job, connect, named_output_pipe};
use crate::support::peer::Peer;

/// That there is no file, and no upload that could become one.
#[track_caller]
fn assert_nothing(girder: &Girder, item: &str, run: &Finished) {
    assert!(girder.files(item).is_empty(), "{run}");
    assert!(girder.uploads(item).is_empty(), "{run}");
    assert_eq!(run.reported("uploads").as_array().unwrap().len(), 0, "{run}");
    let all = format!("{run}");
    assert!(!all.contains(girder.token()), "{all}");
}

#[test]
fn a_stream_that_ends_early_or_goes_on_fails_the_run() {
    let (girder, item) = item();
    let run = writing(&girder, "echo one > $1", to_item(&item, "a", 100_000_000)).finish();
    assert_eq!(run.code, 125, "{run}");
    let words = "\"a\" was to have 100000000 bytes, and ends after 4";
    assert!(run.stderr.contains(words), "{run}");
    assert_nothing(&girder, &item, &run);

    for size in [0, 3, 70_000_000] {
        let script = "head -c 80000000 /dev/zero > $1; while :; do sleep 1; done";
        let run = writing(&girder, script, to_item(&item, "a", size)).finish();
        assert_eq!(run.code, 125, "{run}");
        let words = format!("\"a\" was to have {size} bytes, and more come");
        assert!(run.stderr.contains(&words), "{run}");
        assert_nothing(&girder, &item, &run);
        assert_eq!(run.reported("transfers")[0]["finish"], "failed", "{run}");
    }
}

#[test]
fn a_container_that_fails_leaves_nothing() {
    let (girder, item) = item();
    for size in [Value::Null, 4.into(), 5.into()] {
        let run = writing(&girder, "echo one > $1; exit 3", to_item(&item, "a", size)).finish();
        assert_eq!(run.code, 3, "{run}");
        assert_nothing(&girder, &item, &run);
        let warning = run.reported("warnings")[0].as_str().unwrap();
        assert!(warning.ends_with("was given up, for the container failed"), "{run}");
    }
}

#[test]
fn a_run_that_is_cancelled_leaves_nothing() {
    let (girder, item) = item();
    for size in [Value::Null, 100_000_000.into()] {
        let gate = Gate::new();
        let script = format!("exec 3> $1; head -c 80000000 /dev/zero >&3; {GATE}");
        let job = gate.mount(writing(&girder, &script, to_item(&item, "a", size)));
        let running = gate.reached(job.invocation().arg("--stop-timeout").arg("0").start());
        running.signal(Signal::SIGINT);
        let run = running.finish();
        assert_eq!(run.code, 130, "{run}");
        assert_nothing(&girder, &item, &run);
    }
}

#[test]
fn an_item_that_cannot_be_written_is_named_before_there_is_a_container() {
    let (girder, item) = item();
    let refused = |item: &str, size: Value, token: &str| {
        let job = writing(&girder, "echo x > $1", to_item(item, "a", size));
        let run = job.set("girder_client_token", token).finish();
        assert_eq!(run.code, 125, "{run}");
        assert!(run.reported("container_id").is_null(), "{run}");
        run
    };
    let stranger = girder.stranger();
    for size in [Value::Null, 0.into(), 2.into()] {
        // A folder where an item is due.
        let run = refused(girder.folder(), size.clone(), girder.token());
        assert!(run.stderr.contains(&format!("there is no item {}", girder.folder())), "{run}");
        let run = refused(&item, size.clone(), &stranger);
        assert!(run.stderr.contains(&format!("item {item}")), "{run}");
        assert!(run.stderr.contains("access"), "{run}");
        assert!(!run.stderr.contains(&stranger), "{run}");
    }
    assert!(girder.uploads(&item).is_empty());
}

/// A job that streams a hundred million bytes over such a line.
fn over(girder: &Girder, item: &str, breaks: Breaks) -> Finished {
    let (address, _) = line(girder, breaks);
    let script = "head -c 100000000 /dev/zero > $1";
    let job = writing(girder, script, to_item(item, "a", 100_000_000));
    job.set("girder_api_url", format!("http://{address}/api/v1")).finish()
}

#[test]
fn a_chunk_that_breaks_off_is_sent_again_while_nothing_before_it_is_lost() {
    let (girder, item) = item();
    let breaks = [
        Breaks::Before("offset=67108864"),
        Breaks::After(30_000_000),
        Breaks::BeforeTheAnswerTo("offset=67108864"),
    ];
    for (done, breaks) in breaks.into_iter().enumerate() {
        let run = over(&girder, &item, breaks);
        assert_eq!(run.code, 0, "{run}");
        let files = girder.files(&item);
        assert_eq!(files.len(), done + 1, "{run}");
        assert!(files.iter().all(|(_, file)| file["size"] == 100_000_000), "{run}");
        assert!(girder.uploads(&item).is_empty(), "{run}");
    }
}

#[test]
fn half_a_chunk_after_others_fails_the_run() {
    let (girder, item) = item();
    let run = over(&girder, &item, Breaks::After(90_000_000));
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("a request broke off halfway, and the 67108864 bytes"), "{run}");
    assert_nothing(&girder, &item, &run);
}

#[test]
fn a_full_disk_fails_the_run() {
    let (girder, item) = item();
    for size in [Value::Null, 80_000_000.into()] {
        let disk = Disk::mount(1 << 20);
        let job: Job =
            writing(&girder, "head -c 80000000 /dev/zero > $1", to_item(&item, "a", size));
        let run = job.invocation().env("TMPDIR", disk.path()).finish();
        assert_eq!(run.code, 125, "{run}");
        assert!(run.stderr.contains("No space left on device"), "{run}");
        assert_nothing(&girder, &item, &run);
    }
}

#[test]
fn a_girder_that_hangs_does_not_hold_up_who_cancels() {
    let (sender, chunk) = std::sync::mpsc::channel();
    let hanging = Peer::new(move |_, request, stream| {
        let record = match request.target() {
            target if target.contains("/file/chunk") => {
                sender.send(()).unwrap();
                // For good: nobody sends.
                return std::sync::mpsc::channel::<()>().1.recv().map_err(std::io::Error::other);
            }
            target if target.contains("/item/") => r#"{"_id": "5e", "name": "i"}"#,
            _ => r#"{"_id": "5f", "name": "a", "size": 4, "received": 0}"#,
        };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{record}", record.len())
    });
    let job = Job::script("echo one > $1")
        .arg(connect(named_output_pipe("out"), to_item("5e", "a", 4)))
        .set("girder_api_url", hanging.url().replace("/file", "/api/v1"));
    let running = job.invocation().start();
    chunk.recv().unwrap();
    running.signal(Signal::SIGINT);
    let run = running.finish();
    assert_eq!(run.code, 130, "{run}");
    let warning = run.reported("warnings")[0].as_str().unwrap();
    assert_eq!(warning, "the transfer fifo:out → girder:item/5e/a has not ended", "{run}");
}
