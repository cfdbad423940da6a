//! Python's kombu and Celery, as the other side: the scripts of `tests/worker/python/`.
//!
//! They run in forks of a Python that has its imports (`tests/env/warm_python.py`), and end with the connection to it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream as Connection;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::Command;

/// Does one thing and gives its answer.
pub(crate) async fn run(url: &str, verb: &str, options: Value) -> Value {
    start(url, verb, options).answer().await
}

/// The same where nothing else is to be done meanwhile, by any of the scripts.
pub(crate) fn answer_of(script: &str, url: &str, verb: &str, options: &Value) -> Value {
    let mut told = String::new();
    ask(script, url, verb, options).read_to_string(&mut told).unwrap();
    let lines = told.strip_suffix("exit 0\n").unwrap_or_else(|| panic!("{verb}: {told}"));
    let answer = lines.lines().last().unwrap_or_else(|| panic!("{verb} says nothing"));
    serde_json::from_str(answer).unwrap_or_else(|error| panic!("{verb}: {error}: {told}"))
}

/// Begins one thing.
pub(crate) fn start(url: &str, verb: &str, options: Value) -> Python {
    start_script("broker.py", url, verb, options)
}

/// Begins one thing that another script does.
pub(crate) fn start_script(script: &str, url: &str, verb: &str, options: Value) -> Python {
    let connection = ask(script, url, verb, &options);
    connection.set_nonblocking(true).unwrap();
    Python { lines: BufReader::new(UnixStream::from_std(connection).unwrap()).lines() }
}

fn ask(script: &str, url: &str, verb: &str, options: &Value) -> Connection {
    let socket = variable("GANTLINE_TEST_WARM_PYTHON");
    let mut connection = Connection::connect(&socket).unwrap_or_else(|e| panic!("{socket}: {e}"));
    let script = format!("{}/tests/worker/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let arguments = json!([script, url, verb, options.to_string()]);
    connection.write_all(format!("{arguments}\n").as_bytes()).unwrap();
    connection
}

/// Python with Celery, girder_worker and all that they need.
pub(crate) fn command() -> Command {
    let mut command = Command::new(variable("GANTLINE_TEST_PYTHON"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: eval \"$(tests/env/brokers.sh up)\""))
}

/// A script that runs.
pub(crate) struct Python {
    lines: Lines<BufReader<UnixStream>>,
}

impl Python {
    /// The next line of its output that is JSON: girder_worker warns on it as well.
    pub(crate) async fn line(&mut self) -> Value {
        let mut told = Vec::new();
        loop {
            let line = self.next().await;
            if let Ok(answer) = serde_json::from_str(&line) {
                return answer;
            }
            told.push(line);
            let ended = told.last().is_some_and(|line| line.starts_with("exit "));
            assert!(!ended, "Python has ended without an answer: {}", told.join("\n"));
        }
    }

    /// Its last line, when it has ended well.
    pub(crate) async fn answer(mut self) -> Value {
        let answer = self.line().await;
        let end = self.next().await;
        assert_eq!(end, "exit 0");
        answer
    }

    async fn next(&mut self) -> String {
        let line = self.lines.next_line().await.unwrap();
        line.expect("the Python that runs the tests' scripts is gone")
    }
}
