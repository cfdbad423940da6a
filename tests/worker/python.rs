//! Python's kombu and Celery, as the other side: `tests/worker/python/broker.py`.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Does one thing and gives its answer.
pub(crate) async fn run(url: &str, verb: &str, options: Value) -> Value {
    start(url, verb, options).answer().await
}

/// Begins one thing.
pub(crate) fn start(url: &str, verb: &str, options: Value) -> Python {
    start_script("broker.py", url, verb, options)
}

/// Begins one thing that another script does.
pub(crate) fn start_script(script: &str, url: &str, verb: &str, options: Value) -> Python {
    let script = format!("{}/tests/worker/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut child = command().arg(script).args([url, verb, &options.to_string()]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Python { child, lines }
}

/// Python with Celery, girder_worker and all that they need.
pub(crate) fn command() -> Command {
    let python = std::env::var("GANTLINE_TEST_PYTHON")
        .expect("GANTLINE_TEST_PYTHON is not set: eval \"$(tests/env/brokers.sh up)\"");
    let mut command = Command::new(python);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// A script that runs.
pub(crate) struct Python {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// The next line of its output that is JSON: girder_worker warns on it as well.
    pub(crate) async fn line(&mut self) -> Value {
        loop {
            let line = self.lines.next_line().await.unwrap();
            let line = line.expect("Python has ended without an answer");
            if let Ok(answer) = serde_json::from_str(&line) {
                return answer;
            }
        }
    }

    /// Its last line, when it has ended well.
    pub(crate) async fn answer(mut self) -> Value {
        let answer = self.line().await;
        assert!(self.child.wait().await.unwrap().success());
        answer
    }
}
