//! Sources that break: what can be resumed is whole, and what cannot never looks like an end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::run_depot::Depot;
use crate::support::command::Finished;
use crate::support::gate::{GATE, Gate};
use crate::support::job::{Job, connect, host_file, named_input_pipe, named_output_pipe, url};
use crate::support::peer::{Peer, Request, break_off, serve, wait_for_close};
use crate::support::seeded::Seeded;

/// Seeded bytes and their hash.
fn bytes(seed: u64, size: u64) -> (Vec<u8>, String) {
    let mut bytes = Vec::new();
    let seeded = Seeded::new(seed, size);
    io::Read::read_to_end(&mut seeded.clone(), &mut bytes).unwrap();
    (bytes, seeded.sha256())
}

/// That the container was killed, and its reader saw no end.
fn assert_killed(run: &Finished) {
    assert_eq!(run.code, 125, "{run}");
    assert_eq!(run.reported("exit_code"), 137, "{run}");
    assert_eq!(run.transfer("fifo:in")["finish"], "failed", "{run}");
    assert!(!run.text().contains("ended"), "{run}");
    assert!(run.stderr.contains("→ fifo:in failed"), "{run}");
}

#[test]
fn a_source_that_breaks_off_now_and_then_is_resumed_at_the_byte() {
    let (bytes, sha256) = bytes(1, 5_000_000);
    let breaks = [1, 65_536, 1, 1_500_000];
    let peer = Peer::new(move |nth, request, stream| match breaks.get(nth) {
        Some(after) => break_off(request, &bytes, *after, stream),
        None => serve(request, &bytes, stream),
    });
    let job = Job::program(&["sha256sum"]);
    let run = job.arg(connect(url(&peer.url()), named_input_pipe("in"))).finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text().starts_with(&sha256), "{run}");
    let transfer = run.transfer("fifo:in");
    assert_eq!(transfer["resumed"], breaks.len(), "{run}");
    assert_eq!((&transfer["bytes"], &transfer["finish"]), (&json!(5_000_000), &json!("complete")));
    let asked: Vec<_> = peer.requests().iter().map(|request| request.first_byte()).collect();
    assert_eq!(asked, [0, 1, 65_537, 65_538, 1_565_538]);
}

#[test]
fn a_source_that_is_another_one_after_the_break_kills_the_container() {
    let (bytes, _) = bytes(2, 5_000_000);
    let run = break_behind_the_gate(300_000, move |nth, request, stream| match nth {
        0 => break_off(request, &bytes, 300_000, stream),
        // It knows no ranges.
        _ => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n")?;
            stream.write_all(&bytes)
        }
    });
    assert_killed(&run);
}

/// An answer with the bytes that are asked for, so many of them, and what it says of the version.
pub(crate) fn answer_of_version(
    request: &Request,
    (bytes, most): (&[u8], usize),
    version: &str,
    stream: &mut TcpStream,
) -> io::Result<()> {
    let (from, size) = (request.first_byte(), bytes.len());
    let left = size - from;
    let status = if from > 0 { "206 X" } else { "200 X" };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {left}\r\n{version}")?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{}/{size}\r\n", size - 1)?;
    }
    stream.write_all(b"\r\n")?;
    stream.write_all(&bytes[from..][..most.min(left)])
}

#[test]
fn a_source_of_another_version_after_the_break_kills_the_container() {
    let versions = [
        (
            "Last-Modified: Fri, 27 Nov 2026 10:00:00 GMT",
            "Last-Modified: Fri, 27 Nov 2026 10:00:01 GMT",
        ),
        ("ETag: W/\"1\"", "ETag: W/\"2\""),
        ("ETag: \"1\"", "ETag: \"2\""),
    ];
    for (first, then) in versions {
        let (bytes, _) = bytes(5, 5_000_000);
        let run = break_behind_the_gate(300_000, move |nth, request, stream| match nth {
            0 => answer_of_version(request, (&bytes, 300_000), &format!("{first}\r\n"), stream),
            _ => answer_of_version(request, (&bytes, usize::MAX), &format!("{then}\r\n"), stream),
        });
        assert_killed(&run);
        assert!(run.stderr.contains("the file has changed on the server"), "{first}: {run}");
    }
}

#[test]
fn a_source_is_resumed_by_whatever_tells_its_version_and_without_any_with_a_word() {
    let date = "Fri, 27 Nov 2026 10:00:00 GMT";
    for (version, asked, is_told) in [
        (format!("Last-Modified: {date}\r\n"), Some(date), false),
        ("ETag: W/\"1\"\r\n".to_owned(), None, false),
        (String::new(), None, true),
    ] {
        let (bytes, sha256) = bytes(6, 3_000_000);
        let peer = Peer::new(move |nth, request, stream| {
            let most = if nth == 0 { 1_000_000 } else { usize::MAX };
            answer_of_version(request, (&bytes, most), &version, stream)
        });
        let job = Job::program(&["sha256sum"]);
        let run = job.arg(connect(url(&peer.url()), named_input_pipe("in"))).finish();
        assert_eq!(run.code, 0, "{run}");
        assert!(run.text().starts_with(&sha256), "{run}");
        assert_eq!(run.transfer("fifo:in")["resumed"], 1, "{run}");
        assert_eq!(peer.requests()[1].header("If-Range"), asked, "{run}");
        let warnings = run.reported("warnings").to_string();
        assert_eq!(warnings.contains("does not say whether the file was"), is_told, "{run}");
    }
}

#[test]
fn a_coding_that_nobody_asked_for_fails_the_run_by_name() {
    let peer = Peer::new(|_, _, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok")
    });
    let job = Job::script("cat $1 > /dev/null; echo ended");
    let run = job.arg(connect(url(&peer.url()), named_input_pipe("in"))).finish();
    assert_eq!((run.code, run.text()), (125, ""), "{run}");
    assert!(run.stderr.contains("encoded (gzip)"), "{run}");
}

#[test]
fn chunks_that_break_off_kill_the_container() {
    let run = break_behind_the_gate(5, |_, _, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    });
    assert_killed(&run);
}

#[test]
fn a_source_that_is_refused_after_the_break_kills_the_container() {
    let (bytes, _) = bytes(3, 5_000_000);
    let run = break_behind_the_gate(100_000, move |nth, request, stream| match nth {
        0 => break_off(request, &bytes, 100_000, stream),
        _ => stream.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"),
    });
    assert_killed(&run);
    assert!(run.stderr.contains("410"), "{run}");
}

/// Runs a job that reads so many bytes, and then to the end. Each of the peer's connections is closed
/// only when it has read those.
fn break_behind_the_gate(
    bytes: u64,
    answer: impl Fn(usize, &Request, &mut TcpStream) -> io::Result<()> + Send + 'static,
) -> Finished {
    let (sender, is_read) = mpsc::channel::<()>();
    let peer = Peer::new(move |nth, request, stream| {
        answer(nth, request, stream)?;
        // The sender is dropped when it is time.
        let _ = is_read.recv();
        Ok(())
    });
    let gate = Gate::new();
    let script = format!(
        "exec 3< $1; dd bs=1 count={bytes} <&3 > /dev/null 2>&1; {GATE}; cat <&3 > /dev/null; \
         echo ended"
    );
    let job = Job::script(&script).arg(connect(url(&peer.url()), named_input_pipe("in")));
    let run = gate.mount(job).invocation().start();
    let run = gate.reached(run);
    drop(sender);
    gate.open();
    run.finish()
}

#[test]
fn a_depot_that_dies_in_the_middle_kills_the_container_and_leaves_no_result() {
    let folder = TempDir::new().unwrap();
    File::create(folder.path().join("file")).unwrap().set_len(64 << 20).unwrap();
    let depot = Depot::serve(folder.path(), &[]);
    let results = TempDir::new().unwrap();
    let gate = Gate::new();
    let script =
        format!("exec 3< $1; head -c 1000000 <&3 > $2; {GATE}; cat <&3 > /dev/null; echo ended");
    let job = Job::script(&script)
        .arg(connect(
            json!({"type": "GirderFileIdToStream", "id": depot.id("file")}),
            named_input_pipe("in"),
        ))
        .arg(connect(named_output_pipe("out"), host_file(&results.path().join("out"))))
        .set("girder_api_url", depot.api());
    let run = gate.mount(job).invocation().start();
    let run = gate.reached(run);
    drop(depot);
    gate.open();
    let died = Instant::now();
    let run = run.finish();
    assert_killed(&run);
    assert!(died.elapsed() < Duration::from_secs(30), "{:?}: {run}", died.elapsed());
    let left: Vec<_> = fs::read_dir(results.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}: {run}");
}

#[test]
fn a_source_that_breaks_while_nobody_reads_fails_the_run_too() {
    let (bytes, _) = bytes(4, 5_000_000);
    let peer = Peer::new(move |nth, request, stream| match nth {
        0 => break_off(request, &bytes, 100_000, stream),
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    });
    // Before the container has started, or while it does something else.
    let job = Job::script("sleep 600; cat $1; echo ended");
    let run = job.arg(connect(url(&peer.url()), named_input_pipe("in"))).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(!run.text().contains("ended"), "{run}");
    assert!(run.stderr.contains("→ fifo:in failed"), "{run}");
    assert_eq!(run.transfer("fifo:in")["finish"], "failed", "{run}");
}

#[test]
fn a_girder_that_refuses_for_a_moment_is_asked_again_for_a_files_record() {
    let (bytes, sha256) = bytes(9, 300_000);
    let id = "5f3c9e0a1b2c3d4e5f6a7b8c";
    let peer = Peer::new(move |nth, request, stream| {
        if nth < 2 {
            let word = if nth == 0 { "502 Bad Gateway" } else { "429 Too Many\r\nRetry-After: 1" };
            return write!(stream, "HTTP/1.1 {word}\r\nContent-Length: 0\r\n\r\n");
        }
        if request.target().ends_with("/download") {
            return serve(request, &bytes, stream);
        }
        let record = json!({"_id": id, "name": "a", "size": bytes.len()}).to_string();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{record}", record.len())
    });
    let file = json!({"type": "GirderFileIdToStream", "id": id});
    let job = Job::program(&["sha256sum"]).arg(connect(file, named_input_pipe("in")));
    let run = job.set("girder_api_url", peer.url().replace("/file", "/api/v1")).finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text().starts_with(&sha256), "{run}");
    let requests = peer.requests();
    let asked = requests.iter().map(|request| request.target().ends_with(id));
    assert_eq!(asked.collect::<Vec<_>>(), [true, true, true, false]);
}

#[test]
fn a_server_that_never_begins_to_answer_is_given_up_in_the_time_that_was_said() {
    let peer = Peer::new(|_, _, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nX:")?;
        wait_for_close(stream);
        Ok(())
    });
    let job = Job::program(&["cat"]).arg(connect(url(&peer.url()), named_input_pipe("in")));
    let run = job.invocation().args(&["--answer-timeout", "1"]).finish();
    assert_eq!((run.code, run.text()), (125, ""), "{run}");
    assert!(run.stderr.contains("the response has no whole head"), "{run}");
    assert_eq!(peer.requests().len(), 7, "{run}");
}

/// A Girder that has one file, whose bytes come as they should not.
fn girder_whose_file(
    download: impl Fn(&mut TcpStream) -> io::Result<()> + Send + 'static,
) -> (Peer, &'static str) {
    let id = "0123456789abcdef01234567";
    let record = format!(r#"{{"_id":"{id}","_modelType":"file","name":"f","size":4}}"#);
    let peer = Peer::new(move |_, request, stream| {
        if request.target().ends_with("/download") {
            return download(stream);
        }
        let length = record.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{record}"
        )
    });
    (peer, id)
}

#[test]
fn bytes_in_a_coding_that_nobody_asked_for_are_no_file() {
    let coded = |stream: &mut TcpStream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")
    };
    let streamed = json!({"type": "GirderFileIdToStream", "id": "0123456789abcdef01234567"});
    let placed = json!({"type": "GirderFileIdToVolume", "id": "0123456789abcdef01234567"});
    for argument in [connect(streamed, named_input_pipe("in")), placed] {
        let (peer, _) = girder_whose_file(coded);
        let job = Job::script("cat $1; echo ended").arg(argument);
        let run = job.set("girder_api_url", peer.url().replace("/file", "/api/v1")).finish();
        assert_eq!((run.code, run.text()), (125, ""), "{run}");
        assert!(run.stderr.contains("gzip"), "{run}");
    }
}

#[test]
fn a_file_that_stalls_is_given_up_in_the_time_that_was_said_and_nobody_sees_an_end() {
    let (peer, id) = girder_whose_file(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")?;
        wait_for_close(stream);
        Ok(())
    });
    let file = json!({"type": "GirderFileIdToStream", "id": id});
    let job = Job::script("cat $1; echo ended").arg(connect(file, named_input_pipe("in")));
    let job = job.set("girder_api_url", peer.url().replace("/file", "/api/v1"));
    let run = job.invocation().args(&["--stall-timeout", "1", "--girder-patience", "0"]).finish();
    assert_killed(&run);
    let asked = peer.requests().iter().filter(|r| r.target().ends_with("/download")).count();
    assert_eq!(asked, 1, "{run}");
}
