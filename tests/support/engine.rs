//! An engine of one test, which may be stopped in the middle of whatever it does.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A dockerd, or a podman, of its own. It is gone, with all that it has made, when this is dropped or the test's process
/// ends.
#[derive(Debug)]
pub(crate) struct OwnEngine {
    script: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

/// How a running engine is stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stopped {
    /// As by its service manager: it ends orderly.
    Orderly,
    /// As by the kernel.
    Killed,
}

impl OwnEngine {
    /// Starts a dockerd with these options.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_by("tests/env/own_engine.sh", options)
    }

    /// Starts a podman. What is stopped of it is its service.
    pub(crate) fn podman() -> Self {
        Self::start_by("tests/env/own_podman.sh", &[])
    }

    fn start_by(script: &str, options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("gantline-engine-").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut script = Command::new(script)
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = script.stdin.take();
        let answers = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut engine = Self { script, commands, answers, folder };
        engine.answered();
        engine
    }

    /// What `DOCKER_HOST` is for it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}/engine.sock", self.folder.path().display())
    }

    /// Lets users who are in its socket's group come to it.
    pub(crate) fn for_its_group(self) -> Self {
        fs::set_permissions(self.folder.path(), Permissions::from_mode(0o711)).unwrap();
        self
    }

    /// Stops it; what runs in it may run on.
    pub(crate) fn stop(&mut self, how: Stopped) {
        self.say(match how {
            Stopped::Orderly => "term",
            Stopped::Killed => "kill",
        });
    }

    /// Starts it again.
    pub(crate) fn start_again(&mut self) {
        self.say("start");
    }

    /// The containers that it has.
    pub(crate) fn containers(&self) -> Vec<String> {
        self.list(&["-a", "--no-trunc"])
    }

    /// Waits until it has it in its books that a container runs: one that is stopped before has forgotten it.
    pub(crate) fn knows_of_a_running_one(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.list(&["--no-trunc"]).is_empty() {
            assert!(Instant::now() < deadline, "no container runs");
        }
    }

    fn list(&self, options: &[&str]) -> Vec<String> {
        let listed = Command::new("docker")
            .args(["ps", "-q"])
            .args(options)
            .env("DOCKER_HOST", self.host())
            .output()
            .unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    fn say(&mut self, command: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{command}").unwrap();
        self.answered();
    }

    fn answered(&mut self) {
        let answer = self.answers.next().expect("the engine of this test did not start").unwrap();
        assert_eq!(answer, "done");
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // The end of its input has it clean up.
        self.commands.take();
        let _ = self.script.wait();
    }
}
