//! A run that is cancelled ends, whatever call the engine does not answer.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gantline::run::CleanUpError;
use gantline::{JobSpec, Runner};
use serde_json::json;

use crate::docker_peer::{Peer, SOON, Stream, http, id, target};

/// What the engine does not answer, and whether it is asked for before the run is cancelled. With `+` it begins an
/// answer that has no end.
const DEAF: [(&str, bool); 15] = [
    ("GET /_ping", true),
    ("GET /images/i:1/json", true),
    ("POST /images/create", true),
    ("POST /images/create+", true),
    ("POST /containers/create", true),
    ("POST /attach", true),
    ("POST /wait", true),
    ("HEAD /archive", true),
    ("POST /start", true),
    ("GET /logs", true),
    ("GET /logs+", true),
    ("POST /stop", false),
    ("POST /kill", false),
    ("GET /json", false),
    ("DELETE ", false),
];

/// What is asked for, without version, query and id.
pub(crate) fn asked(request: &str) -> String {
    let target = target(request);
    let (method, path) = target.split_once(' ').unwrap();
    let path = path.split('?').next().unwrap().trim_start_matches("/v1.41");
    format!("{method} {path}").replace(&format!("/containers/{}", id()), "")
}

/// Whether the container has been stopped.
#[derive(Debug, Default)]
struct Stopped(Mutex<bool>, Condvar);

impl Stopped {
    fn now(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let stopped = self.0.lock().unwrap();
        drop(self.1.wait_timeout_while(stopped, SOON, |stopped| !*stopped).unwrap());
    }
}

/// An engine that does not answer one kind of request.
fn engine(deaf: &'static str) -> Peer {
    let stopped = Arc::new(Stopped::default());
    Peer::on_unix(move |request, stream| {
        let asked = asked(request);
        let begins = deaf.strip_suffix('+');
        if asked == begins.unwrap_or(deaf) {
            if begins.is_some() {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head);
            }
            stream.wait_for_close();
            return true;
        }
        // A log takes the place of an attach that has ended while the container runs.
        let is_log = deaf.starts_with("GET /logs");
        let (status, is_running) = if is_log { ("running", true) } else { ("exited", false) };
        let inspected = json!({
            "State": {"Status": status, "Running": is_running, "ExitCode": 0},
            "Config": {},
            "HostConfig": {"LogConfig": {"Type": "json-file"}},
        });
        let answer = match asked.as_str() {
            "GET /_ping" => return false,
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(201, &format!(r#"{{"Id": "{}"}}"#, id())),
            "GET /containers/json" => http(200, "[]"),
            "POST /attach" => {
                let _ = stream.write_all(b"HTTP/1.1 101 Whatever\r\nUpgrade: tcp\r\n\r\n");
                if !is_log {
                    stopped.wait();
                }
                return true;
            }
            "POST /wait" => return waits(&stopped, stream),
            "POST /start" => http(204, ""),
            "POST /stop" | "POST /kill" => {
                stopped.now();
                http(204, "")
            }
            "GET /json" => http(200, &inspected.to_string()),
            "HEAD /archive" => http(200, ""),
            "DELETE " => http(204, ""),
            other => panic!("{other}"),
        };
        // A client that has left is what this is about.
        let _ = stream.write_all(answer.as_bytes());
        true
    })
}

fn waits(stopped: &Stopped, stream: &mut dyn Stream) -> bool {
    let body = r#"{"StatusCode": 0}"#;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes());
    stopped.wait();
    let _ = stream.write_all(body.as_bytes());
    true
}

/// What the records in a folder say.
fn recorded(folder: &Path) -> String {
    let users = fs::read_dir(folder).unwrap().flat_map(|user| fs::read_dir(user.unwrap().path()));
    users.flatten().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn whatever_the_engine_does_not_answer_a_run_that_is_cancelled_ends() {
    let one = |(deaf, is_asked_before): (&'static str, bool), insists: bool| {
        let told = format!("{deaf}, insists: {insists}");
        let engine = engine(deaf);
        // Only the cancel ends a call.
        let mut settings = engine.settings();
        settings.timeout = Duration::from_secs(3600);
        let folders = ["tmp", "records"].map(|_| tempfile::tempdir().unwrap());
        let grace = if insists { Duration::from_secs(3600) } else { Duration::from_millis(100) };
        let runner = Runner::builder()
            .engine(settings)
            .temporary_folder(folders[0].path())
            .record_folder(folders[1].path())
            .stop_timeout(grace)
            .build()
            .unwrap();
        let is_pull = deaf.starts_with("POST /images/create");
        let text = json!({"image": "i:1", "pull_image": is_pull, "container_args": ["x", {
            "type": "Connect",
            "input": {"type": "NamedOutputPipe", "name": "out"},
            "output": {"type": "HostStdErr"},
        }]});
        let handle = runner.start(&JobSpec::from_json(&text.to_string()).unwrap()).unwrap();
        let last = if is_asked_before { deaf.trim_end_matches('+') } else { "POST /start" };
        while asked(&engine.request()) != last {}
        let began = Instant::now();
        handle.cancel();
        if insists {
            handle.cancel();
        }
        let outcome = handle.wait();
        let took = began.elapsed();
        let (cancelled, clean_up) = match &outcome {
            Ok(outcome) => (outcome.is_cancelled(), outcome.report.warnings.join("\n")),
            Err(error) => panic!("{told}: {error:?}"),
        };
        assert!(cancelled, "{told}: {outcome:?}");
        // On a machine that is busy; without the bound it is an hour.
        assert!(took < SOON, "{told}: {took:?}");
        let record = recorded(folders[1].path());
        let has_volume = fs::read_dir(folders[0].path()).unwrap().next().is_some();
        assert!(!has_volume || record.contains("\"directory\""), "{told}: {record}");
        let (is_unknown, is_left) = (deaf == "POST /containers/create", deaf == "DELETE ");
        let is_recorded = record.contains("\"name\":\"gantline-");
        assert!(is_recorded || !(is_unknown || is_left), "{told}: {record}");
        // On a machine that is busy others are not removed in time either, which is said then.
        let late = CleanUpError::Late { what: String::new() }.to_string();
        assert!(clean_up.contains(late.trim()) || is_unknown || !is_recorded, "{told}: {clean_up}");
        took
    };
    let rows = DEAF.into_iter().flat_map(|row| [(row, false), (row, true)]);
    let runs: Vec<_> = rows
        .map(|(row, insists)| (row.0, insists, thread::spawn(move || one(row, insists))))
        .collect();
    for (deaf, insists, run) in runs {
        let took = run.join().unwrap();
        println!("{deaf}, insists: {insists}: {} ms", took.as_millis());
    }
}
