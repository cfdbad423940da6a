//! A container's output whose connection is over before the container is: what the engine's log has is had
//! from there, and what may be missing is told.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use gantline::run::Cause;
use gantline::{JobSpec, Outcome, RunError, RunSettings, Runner};
use serde_json::{Value, json};

use crate::docker_peer::{Peer, SOON, Stream, http, id, is_ping, target};

/// What an engine does with an attach after the first line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Attach {
    /// It ends it.
    Closes,
    /// It ends it within a frame.
    Cuts,
    /// It says nothing any more.
    FallsSilent,
    /// It ends it, and the container exits as soon as it is looked at: nobody will attach again.
    ClosesBefore {
        /// The engine's time of the exit.
        exit: &'static str,
    },
}

/// An engine whose container writes two lines, of which an attach has only the first. It exits when its
/// log is read, or an attach is made again; or at once if the attach falls silent.
fn engine(attach: Attach, log: Value) -> Peer {
    let (exit, exits) = crossbeam_channel::unbounded();
    let [attaches, looks] = [(); 2].map(|()| Arc::new(Mutex::new(0)));
    Peer::on_unix(move |request, stream| {
        let container = format!("/containers/{}", id());
        let target = target(request).replace("/v1.41", "").replace(&container, "");
        let asked = target.split('?').next().unwrap();
        let state = match attach {
            Attach::ClosesBefore { exit } => json!({
                "Status": "exited", "Running": false, "ExitCode": 0, "FinishedAt": exit,
            }),
            _ => json!({"Status": "running", "Running": true, "ExitCode": 0}),
        };
        let inspected = json!({
            "State": state, "Config": {}, "HostConfig": {"LogConfig": log},
        });
        let answer = match asked {
            _ if is_ping(request) => return false,
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(201, &format!(r#"{{"Id": "{}"}}"#, id())),
            "POST /start" => http(204, ""),
            "GET /json" if matches!(attach, Attach::ClosesBefore { .. }) && is_first(&looks) => {
                let _ = exit.send(());
                stream.wait_for_close();
                return true;
            }
            "GET /json" => http(200, &inspected.to_string()),
            "DELETE " => http(204, ""),
            "POST /attach" => {
                let again = !is_first(&attaches);
                attached(attach, again, stream);
                if again || attach == Attach::FallsSilent {
                    let _ = exit.send(());
                }
                if attach == Attach::FallsSilent {
                    stream.wait_for_close();
                }
                return true;
            }
            "POST /wait" => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).unwrap();
                let _ = exits.recv_timeout(SOON);
                let body = r#"{"StatusCode": 0}"#;
                format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
            }
            "GET /logs" => {
                let frames = [frame("first\n"), frame("second\n")].concat();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", frames.len());
                let _ = exit.send(());
                return stream.write_all(&[head.into_bytes(), frames].concat()).is_ok();
            }
            other => panic!("{other}"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

fn is_first(calls: &Mutex<u32>) -> bool {
    let mut calls = calls.lock().unwrap();
    *calls += 1;
    *calls == 1
}

fn attached(attach: Attach, again: bool, stream: &mut dyn Stream) {
    let head = b"HTTP/1.1 101 Whatever\r\nUpgrade: tcp\r\n\r\n";
    let text = if again { "third\n" } else { "first\n" };
    let mut bytes = [&head[..], &frame(text)].concat();
    if attach == Attach::Cuts && !again {
        bytes.extend_from_slice(&frame("second\n")[..11]);
    }
    let _ = stream.write_all(&bytes);
}

fn frame(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    [&[1, 0, 0, 0][..], &length.to_be_bytes(), text.as_bytes()].concat()
}

fn whole_log() -> Value {
    json!({"Type": "json-file", "Config": {}})
}

fn no_log() -> Value {
    json!({"Type": "none", "Config": {}})
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes one POST, up to its end or that of the connection, and answers it.
fn taker() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let (sender, taken) = channel();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while !bytes.ends_with(END_OF_CHUNKS)
            && let Ok(count @ 1..) = stream.read(&mut buffer)
        {
            bytes.extend_from_slice(&buffer[..count]);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let _ = sender.send(bytes);
    });
    (url, taken)
}

const END_OF_CHUNKS: &[u8] = b"\r\n0\r\n\r\n";

fn file(path: &Path) -> Value {
    json!({"type": "HostFile", "path": path})
}

/// Runs a job whose output goes to our own, or into a sink.
fn run(engine: &Peer, sink: Option<Value>) -> (Result<Outcome, RunError>, String) {
    let [folder, records] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let streams = sink.map(
        |sink| json!({"type": "Connect", "input": {"type": "ContainerStdOut"}, "output": sink}),
    );
    let job = json!({
        "image": "i:1", "pull_image": false, "container_args": ["x"],
        "stream_connectors": Vec::from_iter(streams),
    });
    let job = JobSpec::from_json(&job.to_string()).unwrap();
    let runner = Runner::builder().engine(engine.settings()).temporary_folder(folder.path());
    let runner = runner.record_folder(records.path());
    let written = Written::default();
    let settings = RunSettings::new().with_stdout_writer(written.clone());
    let ended = runner.build().unwrap().start_with(&job, settings).unwrap().wait();
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    (ended, text)
}

/// How the transfer of standard output ended.
fn finish(outcome: &Outcome) -> Value {
    outcome.report.to_json()["transfers"][0]["finish"].clone()
}

#[test]
fn output_whose_connection_ends_too_early_comes_from_the_log() {
    for attach in [Attach::Closes, Attach::Cuts] {
        let (ended, text) = run(&engine(attach, whole_log()), None);
        let outcome = ended.unwrap();
        assert_eq!(text, "first\nsecond\n", "{attach:?}");
        assert_eq!((outcome.exit_code(), finish(&outcome)), (Some(0), json!("complete")));
        assert!(outcome.report.warnings.is_empty(), "{:?}", outcome.report.warnings);
    }
}

#[test]
fn output_whose_connection_falls_silent_comes_from_the_log() {
    let (ended, text) = run(&engine(Attach::FallsSilent, whole_log()), None);
    let outcome = ended.unwrap();
    assert_eq!(text, "first\nsecond\n");
    assert_eq!((outcome.exit_code(), finish(&outcome)), (Some(0), json!("complete")));
}

#[test]
fn output_whose_connection_ended_before_its_container_comes_from_the_log_when_it_has_exited() {
    for (exit, expected) in [
        // A program that closed its output, and whose exit was told late.
        ("2001-01-01T00:00:00Z", "first\n"),
        ("2999-01-01T00:00:00Z", "first\nsecond\n"),
        ("0001-01-01T00:00:00Z", "first\nsecond\n"),
    ] {
        let (ended, text) = run(&engine(Attach::ClosesBefore { exit }, whole_log()), None);
        let outcome = ended.unwrap();
        assert_eq!(text, expected, "{exit}");
        assert_eq!((outcome.exit_code(), finish(&outcome)), (Some(0), json!("complete")));
    }
    let attach = Attach::ClosesBefore { exit: "2999-01-01T00:00:00Z" };
    let (ended, text) = run(&engine(attach, no_log()), None);
    assert_eq!((&*text, finish(&ended.unwrap())), ("first\n", json!("incomplete")));
}

#[test]
fn without_a_log_the_output_goes_on_and_what_may_be_missing_is_told() {
    let (ended, text) = run(&engine(Attach::Closes, no_log()), None);
    let outcome = ended.unwrap();
    assert_eq!(text, "first\nthird\n");
    assert_eq!((outcome.exit_code(), finish(&outcome)), (Some(0), json!("incomplete")));
    let warnings = outcome.report.warnings.join("\n");
    assert!(warnings.contains("may be missing from container:stdout → host:stdout"), "{warnings}");
}

#[test]
fn a_post_that_may_lack_something_is_not_ended_and_fails_the_run() {
    let post = |url| json!({"type": "ChunkedTransferEncodingStream", "url": url});
    let (url, posted) = taker();
    let (ended, _) = run(&engine(Attach::Closes, no_log()), Some(post(url)));
    let error = ended.unwrap_err();
    assert!(matches!(*error.cause, Cause::Incomplete { .. }), "{error:?}");
    let taken = String::from_utf8(posted.recv_timeout(SOON).unwrap()).unwrap();
    assert!(taken.contains("third\n") && !taken.as_bytes().ends_with(END_OF_CHUNKS), "{taken}");
    let (url, taken) = taker();
    let (ended, _) = run(&engine(Attach::Closes, whole_log()), Some(post(url)));
    assert_eq!(ended.unwrap().exit_code(), Some(0));
    assert!(taken.recv_timeout(SOON).unwrap().ends_with(END_OF_CHUNKS));
}

#[test]
fn a_file_that_may_lack_something_is_not_kept_and_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let (ended, _) = run(&engine(Attach::Closes, no_log()), Some(file(&path)));
    let error = ended.unwrap_err();
    assert!(matches!(*error.cause, Cause::Incomplete { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 125);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let (ended, _) = run(&engine(Attach::Closes, whole_log()), Some(file(&path)));
    assert_eq!(ended.unwrap().exit_code(), Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
}
