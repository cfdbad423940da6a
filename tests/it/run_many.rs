//! Hundreds of runs in one process, on an engine whose containers are threads of this one: they read the FIFOs that
//! they are given, write, exit and are killed as programs would, in a thousandth of the time.
//!
//! `GANTLINE_TEST_RUNS=<number>` is how many. The same on a real engine: `cargo run --example many_runs`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use gantline::internal::docker::Endpoint;
use serde_json::Value;

use crate::docker_peer::{Peer, SOON, Stream, http, target};
use crate::example::example;

/// What exits when a signal ends it.
const KILLED: i64 = 137;

/// The containers that there are, by their ids.
type Containers = Arc<Mutex<HashMap<String, Arc<Container>>>>;

struct Container {
    command: Vec<String>,
    /// What is mounted: where on the host, where in the container.
    binds: Vec<(String, String)>,
    /// What the program has written and nobody was given yet, and what it exited with.
    state: Mutex<(Vec<u8>, Option<i64>)>,
    changed: Condvar,
}

impl Container {
    fn new(body: &Value) -> Self {
        let texts = |value: &Value| -> Vec<String> {
            let texts = value.as_array().into_iter().flatten();
            texts.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let binds = texts(&body["HostConfig"]["Binds"]);
        let bind = |text: &String| {
            let mut parts = text.split(':').map(str::to_owned);
            (parts.next().unwrap(), parts.next().unwrap())
        };
        Self {
            command: texts(&body["Cmd"]),
            binds: binds.iter().map(bind).collect(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn exit(&self, code: i64) {
        self.state.lock().unwrap().1.get_or_insert(code);
        self.changed.notify_all();
    }

    fn exit_code(&self) -> i64 {
        let state = self.state.lock().unwrap();
        let state = self.changed.wait_timeout_while(state, SOON, |state| state.1.is_none());
        state.unwrap().0.1.expect("the program does not exit")
    }

    /// The program.
    fn run(&self) {
        let words: Vec<_> = self.command.iter().map(String::as_str).collect();
        match words[..] {
            ["true", _] => self.exit(0),
            ["false"] => self.exit(1),
            // Until a signal comes.
            ["sleep", _] => {}
            ["cat", path, ..] => self.read(path, u64::MAX),
            ["head", "-c", count, path] => self.read(path, count.parse().unwrap()),
            _ => panic!("{words:?}"),
        }
    }

    /// Writes what it reads.
    fn read(&self, path: &str, most: u64) {
        let place =
            |(host, inside): &(String, String)| Some(host.clone() + path.strip_prefix(inside)?);
        let path = self.binds.iter().find_map(place).unwrap();
        let mut input = File::open(path).unwrap().take(most);
        let mut bytes = vec![0; 1 << 16];
        loop {
            let count = input.read(&mut bytes).unwrap();
            if count == 0 {
                break;
            }
            self.state.lock().unwrap().0.extend_from_slice(&bytes[..count]);
            self.changed.notify_all();
        }
        self.exit(0);
    }

    /// Gives what the program writes, until it has exited.
    fn attach(&self, stream: &mut dyn Stream) {
        let _ = stream.write_all(b"HTTP/1.1 101 Whatever\r\nUpgrade: tcp\r\n\r\n");
        loop {
            let state = self.state.lock().unwrap();
            let is_still =
                |state: &mut (Vec<u8>, Option<i64>)| state.0.is_empty() && state.1.is_none();
            let mut state = self.changed.wait_timeout_while(state, SOON, is_still).unwrap().0;
            let bytes = std::mem::take(&mut state.0);
            drop(state);
            if bytes.is_empty() {
                return;
            }
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            let _ = stream.write_all(&[&[1, 0, 0, 0][..], &length, &bytes].concat());
        }
    }

    fn wait(&self, stream: &mut dyn Stream) {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let body = format!(r#"{{"StatusCode": {}}}"#, self.exit_code());
        let _ = write!(stream, "{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    }

    fn start(self: &Arc<Self>) -> String {
        if self.command[0].starts_with('/') {
            self.exit(127);
            return http(400, r#"{"message": "exec: no such file or directory: unknown"}"#);
        }
        let container = Arc::clone(self);
        thread::spawn(move || container.run());
        http(204, "")
    }

    fn inspected(&self) -> String {
        let code = self.state.lock().unwrap().1;
        let (status, code) = code.map_or(("running", 0), |code| ("exited", code));
        let is_running = status == "running";
        http(
            200,
            &format!(
                r#"{{"State": {{"Status": "{status}", "Running": {is_running}, "ExitCode": {code}}}, "Config": {{}}}}"#
            ),
        )
    }
}

pub(crate) fn engine() -> Peer {
    let containers = Containers::default();
    Peer::on_unix(move |request, stream| {
        let target = target(request).split('?').next().unwrap();
        let (method, path) = target.split_once(' ').unwrap();
        let path: Vec<_> = path.trim_start_matches("/v1.41").split('/').skip(1).collect();
        let named = |id: &str| Arc::clone(&containers.lock().unwrap()[id]);
        // Who removes a container twice, since the first answer was late, hears that it is gone.
        let is_gone = matches!(path[..], ["containers", id, ..] if id.len() == 64
            && !containers.lock().unwrap().contains_key(id));
        let answer = match (method, &path[..]) {
            _ if is_gone => http(404, r#"{"message": "No such container"}"#),
            ("GET", ["_ping"]) => return false,
            ("GET", ["images", ..]) => http(200, r#"{"Id": "sha256:1"}"#),
            ("GET", ["containers", "json"]) => http(200, "[]"),
            // A doubt whether an output was all stays one.
            ("GET", ["info"]) => http(404, r#"{"message": "no clock"}"#),
            ("POST", ["containers", "create"]) => {
                let body = request.split_once("\r\n\r\n").unwrap().1;
                let container = Container::new(&serde_json::from_str(body).unwrap());
                let id = format!("{:064x}", fastrand::u128(..));
                containers.lock().unwrap().insert(id.clone(), Arc::new(container));
                http(201, &format!(r#"{{"Id": "{id}"}}"#))
            }
            ("POST", ["containers", id, "attach"]) => {
                named(id).attach(stream);
                return true;
            }
            ("POST", ["containers", id, "wait"]) => {
                named(id).wait(stream);
                return true;
            }
            ("POST", ["containers", id, "start"]) => named(id).start(),
            ("POST", ["containers", id, "stop" | "kill"]) => {
                named(id).exit(KILLED);
                http(204, "")
            }
            ("GET", ["containers", id, "json"]) => named(id).inspected(),
            ("HEAD", ["containers", _, "archive"]) => http(200, ""),
            ("DELETE", ["containers", id]) => {
                containers.lock().unwrap().remove(*id).unwrap().exit(KILLED);
                http(204, "")
            }
            other => panic!("{other:?}"),
        };
        // A client that has left is what a cancel does.
        let _ = stream.write_all(answer.as_bytes());
        true
    })
}

#[test]
fn what_a_process_holds_does_not_grow_with_its_runs() {
    let engine = engine();
    let Endpoint::Unix(socket) = &engine.endpoint else { panic!("{:?}", engine.endpoint) };
    // On a machine that is busy some are not cleaned up in time, and stay in the record.
    let records = tempfile::tempdir().unwrap();
    let runs = std::env::var("GANTLINE_TEST_RUNS").unwrap_or_else(|_| "300".to_owned());
    let ended = example("many_runs")
        .args([&runs, "i:1"])
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("GANTLINE_RECORD_DIR", records.path())
        .output()
        .unwrap();
    let (told, error) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr));
    assert!(ended.status.success(), "{told}{}", error.unwrap());
    println!("{told}");
    assert!(told.contains("after 102 runs: "), "{told}");
}
