//! Runs the built command, and holds it to leaving nothing behind.
//!
//! ```ignore
//! let run = Invocation::job(&json!({"image": "gantline-test:busybox", …})).finish();
//! assert_eq!(run.code, 0, "{run}");
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// A call of the command that has not been made yet. It gets a TMPDIR of its own.
#[derive(Debug)]
pub(crate) struct Invocation {
    command: Command,
    input: String,
    keeps_container: bool,
    keeps_record: bool,
    deadline: Duration,
    directory: TempDir,
}

impl Invocation {
    /// `gantline run - --report …` on this document.
    pub(crate) fn job(document: &Value) -> Self {
        let mut invocation = Self::of(&["run", "-", "--progress", "none", "--report"]);
        let report = invocation.directory.path().join("report.json");
        invocation.command.arg(report);
        invocation.input = document.to_string();
        invocation.keeps_container = document["remove_container"] == false;
        invocation
    }

    /// `gantline` with these arguments and an empty standard input.
    pub(crate) fn of(arguments: &[&str]) -> Self {
        let directory = TempDir::with_prefix("gantline-test-").unwrap();
        for folder in ["tmp", "records"] {
            fs::create_dir(directory.path().join(folder)).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
        command
            .args(arguments)
            .env("TMPDIR", directory.path().join("tmp"))
            .env("GANTLINE_RECORD_DIR", directory.path().join("records"))
            .env_remove("GIRDER_API_URL")
            .env_remove("GIRDER_TOKEN")
            .env_remove("GIRDER_API_KEY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let deadline = Duration::from_secs(60);
        Self {
            command,
            input: String::new(),
            keeps_container: false,
            keeps_record: false,
            deadline,
            directory,
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it this on its standard input.
    pub(crate) fn input(mut self, input: String) -> Self {
        self.input = input;
        self
    }

    /// Gives it another standard output than the one that [`Finished::stdout`] is read from.
    pub(crate) fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// Gives it another standard error than the one that [`Finished::stderr`] is read from.
    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// It may leave what its record names, for a prune to find.
    pub(crate) fn keeps_record(mut self) -> Self {
        self.keeps_record = true;
        self
    }

    /// Runs it below a shell's limit: `ulimit -n 16`. To be said last.
    pub(crate) fn limited(mut self, limit: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]);
        command.arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command = command;
        self
    }

    /// Has a user run it who is not root, and in the group of the engine's socket. It is a copy: where the
    /// project is, others may not come.
    pub(crate) fn by_nobody(mut self) -> Self {
        let group = fs::metadata("/var/run/docker.sock").unwrap().gid();
        let directory = self.directory.path();
        for path in [directory.to_owned(), directory.join("tmp"), directory.join("records")] {
            chown(path, Some(NOBODY), Some(group)).unwrap();
        }
        let program = directory.join("gantline");
        fs::copy(self.command.get_program(), &program).unwrap();
        let mut command = Command::new(program);
        command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.uid(NOBODY).gid(group).env("HOME", directory);
        self.command = command;
        self
    }

    /// How long it may take, if not a minute.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut child = self.command.spawn().unwrap();
        // Frees our side of what was handed to it.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut stdin = child.stdin.take().unwrap();
        let input = std::mem::take(&mut self.input);
        // A command that does not read its input closes it: no failure of the test.
        thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running {
            id: child.id(),
            stop: StopOnPanic(child.id()),
            exit: exit_of(child),
            invocation: self,
            began,
            stdout,
            stderr,
        }
    }

    /// Runs it to its end.
    pub(crate) fn finish(self) -> Finished {
        self.start().finish()
    }

    fn prune(&self) {
        let mut prune = Command::new(env!("CARGO_BIN_EXE_gantline"));
        prune.arg("prune").env("TMPDIR", self.directory.path().join("tmp"));
        prune.env("GANTLINE_RECORD_DIR", self.directory.path().join("records"));
        let pruned = prune.output().unwrap();
        assert!(pruned.status.success(), "{}", String::from_utf8_lossy(&pruned.stderr));
    }
}

/// The most memory that a process has held so far, in bytes: its own, whatever other programs held, and without the
/// pages of its program, of which an unoptimized one has many. None if it is gone.
pub(crate) fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
    };
    Some(bytes("VmHWM:")?.saturating_sub(bytes("RssFile:")?))
}

/// The command at work.
#[derive(Debug)]
pub(crate) struct Running {
    id: u32,
    stop: StopOnPanic,
    exit: mpsc::Receiver<ExitStatus>,
    invocation: Invocation,
    began: Duration,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id.cast_signed()), signal).unwrap();
    }

    /// The most memory that it has held so far. See [`peak_memory`].
    pub(crate) fn peak_memory(&self) -> u64 {
        peak_memory(self.id).unwrap()
    }

    /// How long it may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.invocation.deadline
    }

    /// Stops it at once, if it goes on; it then cleans up by itself.
    pub(crate) fn stop(&self) {
        self.stop.now();
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.threads().iter().all(|state| *state == 'Z')
    }

    /// Waits until all of its threads sleep: what has happened by now it has heeded, since whatever
    /// wakes a thread makes it runnable at once.
    pub(crate) fn has_nothing_to_do(&self) {
        let deadline = Instant::now() + self.invocation.deadline;
        while self.threads().iter().any(|state| *state != 'S') {
            assert!(Instant::now() < deadline, "it never comes to rest");
            thread::yield_now();
        }
    }

    /// The states of its threads, see proc_pid_stat(5).
    fn threads(&self) -> Vec<char> {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.id)) else {
            return Vec::new();
        };
        let state = |stat: String| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        // A thread may end meanwhile.
        let stats = threads.filter_map(|t| fs::read_to_string(t.ok()?.path().join("stat")).ok());
        stats.filter_map(state).collect()
    }

    /// Waits until its container has started; gives the container's id.
    pub(crate) fn container_started(&self) -> String {
        let mut events = Command::new("docker")
            .args(["events", "--format", "{{.ID}}", "--filter", "event=start"])
            .args(["--filter", &format!("label=gantline.pid={}", self.id)])
            .args([
                "--since",
                &format!("{}.{:09}", self.began.as_secs(), self.began.subsec_nanos()),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(events.stdout.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = lines.read_line(&mut line);
            let _ = sender.send(line.trim().to_owned());
        });
        let started = receiver.recv_timeout(self.invocation.deadline);
        events.kill().unwrap();
        events.wait().unwrap();
        started.expect("no container was started before the deadline")
    }

    /// Waits for its exit, and asserts that it left no container, no temporary file and no open
    /// descriptor. A container that the job said to keep is looked for, and removed.
    pub(crate) fn finish(self) -> Finished {
        let Self { id, exit, stop, invocation, stdout, stderr, .. } = self;
        std::mem::forget(stop);
        let in_time = exit.recv_timeout(invocation.deadline);
        if in_time.is_err() {
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
        let status = in_time.or_else(|_| exit.recv()).unwrap();
        let is_heard = stderr.is_some();
        let collected = |reader: Option<JoinHandle<Vec<u8>>>| {
            reader.map(|reader| reader.join().unwrap()).unwrap_or_default()
        };
        let finished = Finished {
            code: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)),
            stdout: collected(stdout),
            stderr: String::from_utf8_lossy(&collected(stderr)).into_owned(),
            report: fs::read(invocation.directory.path().join("report.json"))
                .ok()
                .map(|text| serde_json::from_slice(&text).unwrap()),
        };
        let is_left = finished.stderr.contains("`gantline prune` removes it");
        if is_left || (!is_heard && finished.code == CANCELLED) {
            // An engine that is busy has not removed a container in the second that a signal gives: what
            // is left is in the record, whether or not anybody takes the words.
            invocation.prune();
        }
        let containers = take_containers(id);
        assert!(in_time.is_ok(), "not finished after {:?}\n{finished}", invocation.deadline);
        let kept = usize::from(invocation.keeps_container);
        assert_eq!(containers.len(), kept, "containers left: {containers:?}\n{finished}");
        let temporary = invocation.directory.path().join("tmp");
        let entries: Vec<_> =
            fs::read_dir(&temporary).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(entries.is_empty(), "left in TMPDIR: {entries:?}\n{finished}");
        let records = fs::read_dir(invocation.directory.path().join("records")).unwrap();
        let records = records.flat_map(|user| fs::read_dir(user.unwrap().path()).unwrap());
        let records: Vec<_> = records.map(|e| fs::read_to_string(e.unwrap().path())).collect();
        let may_stay = invocation.keeps_record;
        assert!(may_stay || records.is_empty(), "left in the record: {records:?}\n{finished}");
        let open = open_under(&temporary);
        // What a guard holds for a container that may still run is told.
        let is_told = finished.stderr.contains("is kept open until it is dead, by process");
        assert!(open.is_empty() || is_told, "still open: {open:?}\n{finished}");
        finished
    }
}

/// The exit code of a run that was cancelled.
const CANCELLED: i32 = 130;

/// A user who is not root.
pub(crate) const NOBODY: u32 = 65534;

/// Ends a run that nobody waits for, because the test failed before: it then cleans up by itself.
#[derive(Debug)]
struct StopOnPanic(u32);

impl StopOnPanic {
    fn now(&self) {
        let process = Pid::from_raw(self.0.cast_signed());
        // The second signal spares the container its grace. One that has ended gets none.
        let _ = kill(process, Signal::SIGINT).and_then(|()| kill(process, Signal::SIGTERM));
    }
}

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        self.now();
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; after a signal, its number below zero.
    pub(crate) code: i32,
    /// Everything on standard output.
    pub(crate) stdout: Vec<u8>,
    /// Everything on standard error.
    pub(crate) stderr: String,
    /// The report, if it wrote one.
    pub(crate) report: Option<Value>,
}

impl Finished {
    /// A member of the report.
    pub(crate) fn reported(&self, member: &str) -> &Value {
        let report = self.report.as_ref().unwrap_or_else(|| panic!("no report: {self}"));
        report.get(member).unwrap_or_else(|| panic!("no {member} in the report: {self}"))
    }

    /// The report's uploads without the seconds that each took.
    pub(crate) fn uploads(&self) -> Value {
        let mut uploads = self.reported("uploads").clone();
        for upload in uploads.as_array_mut().unwrap() {
            let seconds = upload.as_object_mut().unwrap().remove("seconds");
            assert!(seconds.is_some_and(|seconds| seconds.as_f64() > Some(0.0)), "{self}");
        }
        uploads
    }

    /// The report's record of the only transfer into this sink.
    pub(crate) fn transfer(&self, sink: &str) -> &Value {
        let all = self.reported("transfers").as_array().unwrap();
        let found: Vec<_> = all.iter().filter(|transfer| transfer["sink"] == sink).collect();
        assert_eq!(found.len(), 1, "transfers into {sink}: {self}");
        found[0]
    }

    /// Standard output, which must be text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// For the message of a failed assertion.
impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.stdout[..self.stdout.len().min(2000)];
        writeln!(f, "exit code {}", self.code)?;
        writeln!(f, "stdout, {} bytes: {}", self.stdout.len(), String::from_utf8_lossy(shown))?;
        writeln!(f, "stderr: {}", self.stderr)?;
        write!(f, "report: {}", self.report.as_ref().map(Value::to_string).unwrap_or_default())
    }
}

/// Reads to the end in a thread, so that a full pipe never holds the command.
fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// The status, once it has exited.
fn exit_of(mut child: Child) -> mpsc::Receiver<ExitStatus> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(child.wait().unwrap());
    });
    receiver
}

/// The containers that the process made; they are removed, whatever the test makes of them.
fn take_containers(process: u32) -> Vec<String> {
    let label = format!("label=gantline.pid={process}");
    let listed = Command::new("docker").args(["ps", "-aq", "--filter", &label]).output().unwrap();
    assert!(listed.status.success(), "docker ps: {}", String::from_utf8_lossy(&listed.stderr));
    let ids: Vec<_> =
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect();
    if !ids.is_empty() {
        Command::new("docker").args(["rm", "--force", "--volumes"]).args(&ids).output().unwrap();
    }
    ids
}

/// The descriptors of any process, the engine's too, on something under a directory.
fn open_under(directory: &Path) -> Vec<String> {
    let descriptors = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|process| fs::read_dir(process.ok()?.path().join("fd")).ok())
        .flatten()
        .filter_map(|descriptor| Some(descriptor.ok()?.path()));
    descriptors
        .filter_map(|descriptor| Some((fs::read_link(&descriptor).ok()?, descriptor)))
        .filter(|(target, _)| target.starts_with(directory))
        .map(|(target, descriptor)| format!("{} → {}", descriptor.display(), target.display()))
        .collect()
}
