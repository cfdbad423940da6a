//! Streams of Girder's files, held against the sum in their record: what is not the file is never shown an end.

use std::io::{self, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::run_broken_sources::answer_of_version;
use crate::support::command::Finished;
use crate::support::job::{Job, connect, named_input_pipe};
use crate::support::peer::{Peer, Request, serve};

const ID: &str = "5f3c9e0a1b2c3d4e5f6a7b8c";
const SIZE: usize = 3_000_000;

fn right() -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    bytes
}

/// One bit is another one, near the end.
fn damaged() -> Vec<u8> {
    let mut bytes = right();
    bytes[SIZE - 10] ^= 1;
    bytes
}

/// Streams a file whose record has the sum of [`right`], from a Girder that answers the nth request for its bytes so.
fn stream(
    verify: Option<&str>,
    answer: impl Fn(usize, &Request, &mut TcpStream) -> io::Result<()> + Send + 'static,
) -> (Finished, Vec<usize>) {
    let sum: String = Sha512::digest(right()).iter().map(|byte| format!("{byte:02x}")).collect();
    let record = json!({"_id": ID, "name": "a", "size": SIZE, "sha512": sum}).to_string();
    let nth = std::cell::Cell::new(0);
    let peer = Peer::new(move |_, request, stream| {
        if request.target().contains("/download") {
            return answer(nth.replace(nth.get() + 1), request, stream);
        }
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{record}",
            record.len()
        )
    });
    let mut job = Job::script("sha512sum < $1; echo ended")
        .arg(connect(json!({"type": "GirderFileIdToStream", "id": ID}), named_input_pipe("in")))
        .set("girder_api_url", peer.url().replace("/file", "/api/v1"));
    if let Some(verify) = verify {
        job = job.set("verify", verify);
    }
    let run = job.finish();
    let requests = peer.requests();
    let downloads = requests.iter().filter(|request| request.target().contains("/download"));
    (run, downloads.map(Request::first_byte).collect())
}

/// Answers with the bytes that are asked for, so many of them, and does not tell of which version they are.
fn untold(request: &Request, bytes: &[u8], most: usize, to: &mut TcpStream) -> io::Result<()> {
    answer_of_version(request, (bytes, most), "", to)
}

fn chunked(bytes: &[u8], stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for chunk in bytes.chunks(100_000) {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    stream.write_all(b"0\r\n\r\n")
}

fn assert_caught(run: &Finished) {
    assert_eq!((run.code, run.reported("exit_code")), (125, &json!(137)), "{run}");
    assert!(!run.text().contains("ended"), "{run}");
    assert!(run.stderr.contains("the source's SHA-512 is "), "{run}");
    assert_eq!(told(run), (json!("failed"), json!(false)), "{run}");
}

fn assert_whole(run: &Finished, is_checked: bool) {
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text().ends_with("ended\n"), "{run}");
    assert_eq!(told(run), (json!("complete"), json!(is_checked)), "{run}");
}

fn told(run: &Finished) -> (Value, Value) {
    let transfer = run.transfer("fifo:in");
    (transfer["finish"].clone(), transfer["checked"].clone())
}

#[test]
fn a_damaged_stream_that_is_copied_anyway_kills_the_container_before_its_end() {
    assert_caught(&stream(None, |_, _, to| chunked(&damaged(), to)).0);
    assert_whole(&stream(None, |_, _, to| chunked(&right(), to)).0, true);
    assert_whole(&stream(Some("never"), |_, _, to| chunked(&damaged(), to)).0, false);
}

#[test]
fn a_damaged_stream_that_would_be_spliced_is_found_if_the_job_asks_for_it() {
    for verify in [Some("always"), Some("large-only-by-length")] {
        assert_caught(&stream(verify, |_, request, to| serve(request, &damaged(), to)).0);
        let (run, _) = stream(verify, |_, request, to| serve(request, &right(), to));
        assert_whole(&run, true);
        assert_eq!(run.transfer("fifo:in")["carrier"], "copy", "{run}");
    }
    let (run, _) = stream(None, |_, request, to| serve(request, &right(), to));
    assert_whole(&run, false);
    assert_eq!(run.transfer("fifo:in")["carrier"], "direct", "{run}");
}

#[test]
fn a_stream_that_is_another_file_after_the_break_is_read_again_and_found_out() {
    let (run, asked) = stream(None, |nth, request, to| match nth {
        0 => untold(request, &right(), 1_000_000, to),
        _ => untold(request, &damaged(), SIZE, to),
    });
    assert_caught(&run);
    assert_eq!(asked, [0, 0], "{run}");
}

#[test]
fn a_stream_that_breaks_off_is_read_again_once_and_then_resumed_at_the_byte() {
    let (run, asked) = stream(None, |nth, request, to| match nth {
        0 => untold(request, &right(), 1_000_000, to),
        1 => untold(request, &right(), 300_000, to),
        2 => untold(request, &right(), 1_200_000, to),
        _ => untold(request, &right(), SIZE, to),
    });
    assert_whole(&run, false);
    assert_eq!(asked, [0, 0, 300_000, 1_500_000], "{run}");
    assert_eq!(run.transfer("fifo:in")["resumed"], 3, "{run}");
    assert!(!run.reported("warnings").to_string().contains("was resumed"), "{run}");
    let sum: String = Sha512::digest(right()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(run.text().starts_with(&sum), "{run}");
    let (run, asked) = stream(Some("never"), |nth, request, to| match nth {
        0 => untold(request, &right(), 1_000_000, to),
        _ => untold(request, &damaged(), SIZE, to),
    });
    assert_whole(&run, false);
    assert_eq!(asked, [0, 1_000_000], "{run}");
    assert!(run.reported("warnings").to_string().contains("was resumed"), "{run}");
}
