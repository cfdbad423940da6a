//! Downloads from a Girder that does what a real one does not do on demand.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::run_jobs::job;
use crate::support::command::Invocation;

const ID: &str = "5f3c9e0a1b2c3d4e5f6a7b8c";
const DATA: &[u8] = b"abc";

/// FIPS 180-2, C.1: the sum of `abc`.
const SUM: &str = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                   2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

/// Serves a file with this record. The first `whole` bytes of it come; then the connection closes,
/// or stays as it is.
fn girder(record: &Value, data: &'static [u8], closes: bool) -> (SocketAddr, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let record = record.to_string();
    let size = 3;
    let (sender, downloading) = mpsc::channel();
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let head = read_head(&stream);
            let begin = |mut stream: &TcpStream, length: usize| {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
                );
                stream.write_all(head.as_bytes())
            };
            let served = if head.contains("/download ") {
                begin(&stream, size).and_then(|()| stream.write_all(data))
            } else {
                begin(&stream, record.len()).and_then(|()| stream.write_all(record.as_bytes()))
            };
            if head.contains("/download ") && served.is_ok() {
                let _ = sender.send(());
                if !closes {
                    open.push(stream);
                }
            }
        }
    });
    (address, downloading)
}

fn read_head(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let mut head = String::new();
    while let Some(Ok(line)) = lines.next()
        && !line.is_empty()
    {
        head.push_str(&line);
    }
    head
}

fn record(sha512: Option<&str>) -> Value {
    json!({"_id": ID, "name": "a.txt", "size": 3, "sha512": sha512})
}

fn downloading(address: SocketAddr) -> Invocation {
    Invocation::job(&job_of(address))
}

fn job_of(address: SocketAddr) -> Value {
    let mut job = job(&["cat"]);
    job["girder_api_url"] = format!("http://{address}/api/v1").into();
    let argument = json!({"type": "GirderFileIdToVolume", "id": ID});
    job["container_args"].as_array_mut().unwrap().push(argument);
    job
}

#[test]
fn a_file_that_is_what_its_record_says_was_checked() {
    let (address, _) = girder(&record(Some(SUM)), DATA, true);
    let run = downloading(address).finish();
    assert_eq!((run.code, &*run.stdout), (0, DATA), "{run}");
    assert_eq!(run.report.as_ref().unwrap()["downloads"][0]["checked"], true, "{run}");
    let (address, _) = girder(&record(None), DATA, true);
    let run = downloading(address).finish();
    assert_eq!((run.code, &*run.stdout), (0, DATA), "{run}");
    assert_eq!(run.report.as_ref().unwrap()["downloads"][0]["checked"], false, "{run}");
}

#[test]
fn a_file_that_is_not_what_its_record_says_fails_before_any_container() {
    let (address, _) = girder(&record(Some(SUM)), b"abd", true);
    let run = downloading(address).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("its SHA-512 is not the one in Girder's record"), "{run}");
    assert!(run.report.as_ref().unwrap()["container_id"].is_null(), "{run}");
}

#[test]
fn a_file_that_breaks_off_for_good_says_how_much_is_missing() {
    let mut record = record(None);
    // What a terminal would obey is shown.
    record["name"] = "a\u{1b}[2J\u{202e}.txt".into();
    let (address, _) = girder(&record, b"a", true);
    let run = Invocation::of(&["run", "-", "--progress", "plain"]);
    let run = run.input(job_of(address).to_string()).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("2 of its 3 bytes are missing"), "{run}");
    assert!(run.stderr.contains(ID), "{run}");
    assert!(run.stderr.contains(r"a\u{1b}[2J\u{202e}.txt"), "{run}");
    assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']), "{run}");
}

#[test]
fn a_download_that_hangs_is_cancelled() {
    let (address, begun) = girder(&record(None), b"a", false);
    let running = downloading(address).start();
    begun.recv().unwrap();
    running.signal(Signal::SIGINT);
    // Which looks for what is left in TMPDIR.
    let run = running.finish();
    assert_eq!(run.code, 130, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["cancelled"], true, "{run}");
}
