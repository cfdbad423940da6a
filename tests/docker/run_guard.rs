//! A run that is killed: its container is killed before it can take the half that it has for the whole.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::Value;

use crate::prune::{Ground, docker, first_line, kill};
use crate::support::example::example;
use crate::support::job::{Job, connect, named_input_pipe, url};
use crate::support::peer::{Peer, wait_for_close, write_head};

/// Says who it is, takes what it reads for a file, and says when it has all of it.
const COPY: &str = r#"hostname; cat "$1" > /data/part && echo whole > /data/whole"#;

/// A job that copies what a peer gives.
pub(crate) fn copy(ground: &Ground, peer: &Peer) -> Value {
    let source = connect(url(&peer.url()), named_input_pipe("in"));
    // Its hostname is its id.
    let job = Job::script(COPY).set("network_mode", "none").arg(source);
    job.mount(&ground.folder("bound"), "/data").document().clone()
}

/// A peer that gives some of what it has promised, and then nothing.
pub(crate) fn half(bytes: usize) -> Peer {
    Peer::new(move |_, request, stream| {
        write_head(request, 2 * bytes, stream)?;
        stream.write_all(&vec![b'x'; bytes])?;
        wait_for_close(stream);
        Ok(())
    })
}

/// How much the peers have that give everything.
const BYTES: usize = 1_000_000;

/// A run whose container has half of its file.
pub(crate) struct Halfway {
    pub(crate) run: Child,
    pub(crate) id: String,
    pub(crate) part: PathBuf,
    pub(crate) whole: PathBuf,
}

impl Halfway {
    fn reached(ground: &Ground, peer: &Peer) -> Self {
        Self::of(ground, ground.start(&copy(ground, peer), None))
    }

    pub(crate) fn of(ground: &Ground, mut run: Child) -> Self {
        let id = first_line(&mut run);
        let [part, whole] = ["part", "whole"].map(|name| ground.folder("bound").join(name));
        wait_until("the container has the half", || bytes_of(&part) == 300_000);
        Self { run, id, part, whole }
    }

    /// Its run is dead: the guard has killed the container, which has taken the half for no whole, and a prune leaves
    /// that alone.
    pub(crate) fn saw_no_end(self, ground: &Ground, guard: &Path) {
        assert_eq!(docker(&["wait", &self.id]), "137");
        assert!(!self.whole.exists());
        assert_eq!(bytes_of(&self.part), 300_000);
        wait_until("the guard has ended", || !guard.exists());
        ground.prune(&[]);
        assert_eq!(ground.left(), [self.part]);
    }
}

/// A peer that gives everything, with a pause behind each piece.
fn in_pieces(pieces: usize, pause: Duration) -> Peer {
    Peer::new(move |_, request, stream| {
        write_head(request, BYTES, stream)?;
        for _ in 0..pieces {
            stream.write_all(&vec![b'x'; BYTES / pieces])?;
            rest(pause);
        }
        Ok(())
    })
}

/// There is no event that would tell what is awaited here.
pub(crate) fn rest(pause: Duration) {
    thread::park_timeout(pause);
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not so: {what}");
        rest(Duration::from_millis(10));
    }
}

pub(crate) fn bytes_of(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.len())
}

/// The guards of a run. None: it has not begun one, or has ended.
pub(crate) fn guards_of(run: u32) -> Vec<PathBuf> {
    let threads = fs::read_dir(format!("/proc/{run}/task")).into_iter().flatten().flatten();
    // A thread may end meanwhile, and a child.
    let children: String = threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .collect();
    let guards = children.split_whitespace().map(|child| Path::new("/proc").join(child));
    let is_guard = |process: &PathBuf| {
        fs::read(process.join("cmdline")).is_ok_and(|words| words.starts_with(b"gantline-guard"))
    };
    guards.filter(is_guard).collect()
}

/// The guard of a run.
pub(crate) fn guard_of(run: &Child) -> PathBuf {
    let mut guards = guards_of(run.id());
    assert_eq!(guards.len(), 1, "{guards:?}");
    guards.remove(0)
}

pub(crate) fn kill_guard(guard: &Path) {
    kill_process(guard.file_name().unwrap().to_str().unwrap().parse().unwrap(), Signal::SIGKILL);
}

fn kill_process(process: u32, signal: Signal) {
    // It may have ended by itself.
    let _ = nix::sys::signal::kill(Pid::from_raw(process.cast_signed()), signal);
}

#[test]
fn a_container_whose_run_is_killed_is_killed_before_it_sees_an_end() {
    let ground = Ground::new();
    let peer = half(300_000);
    let mut halfway = Halfway::reached(&ground, &peer);
    let guard = guard_of(&halfway.run);
    let environment = fs::read(guard.join("environ")).unwrap();
    assert_eq!(environment, b"", "a guard has no use for what is secret");
    kill(&mut halfway.run);
    halfway.saw_no_end(&ground, &guard);
}

#[test]
fn a_container_whose_embedder_is_killed_is_killed_before_it_sees_an_end() {
    let (ground, peer) = (Ground::new(), half(300_000));
    let mut embedder = example("embed")
        .args(["gantline-test:busybox", &peer.url()])
        .env("TMPDIR", ground.folder("tmp"))
        .env("GANTLINE_RECORD_DIR", ground.folder("records"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It says what its run does, and what the container says: its hostname, with the first byte of its file.
    let mut lines = BufReader::new(embedder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let id = lines.find(|line| line.len() == 12 && !line.contains(':')).unwrap();
    let guard = guard_of(&embedder);
    kill(&mut embedder);
    assert_eq!(docker(&["wait", &id]), "137");
    assert_eq!(docker(&["logs", &id]), id, "no `whole`");
    wait_until("the guard has ended", || !guard.exists());
    ground.prune(&[]);
    assert_eq!(ground.left(), [] as [PathBuf; 0]);
}

#[test]
fn a_guard_ends_with_its_run() {
    let ground = Ground::new();
    let peer = in_pieces(2, Duration::from_secs(1));
    let mut run = ground.start(&copy(&ground, &peer), None);
    first_line(&mut run);
    let guard = guard_of(&run);
    assert!(run.wait().unwrap().success());
    assert_eq!(bytes_of(&ground.folder("bound").join("part")), BYTES as u64);
    wait_until("the guard has ended", || !guard.exists());
}

#[test]
fn a_run_whose_guards_are_killed_goes_on() {
    let ground = Ground::new();
    let peer = in_pieces(2, Duration::from_secs(1));
    let mut run = ground.start(&copy(&ground, &peer), None);
    let run_id = run.id();
    first_line(&mut run);
    let is_over = AtomicBool::new(false);
    let killed = thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut killed = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                for guard in guards_of(run_id) {
                    kill_guard(&guard);
                    killed.insert(guard);
                }
                rest(Duration::from_millis(1));
            }
            killed.len()
        });
        let status = run.wait().unwrap();
        is_over.store(true, Ordering::Relaxed);
        assert!(status.success());
        killer.join().unwrap()
    });
    assert!(killed > 1, "{killed}");
    assert_eq!(bytes_of(&ground.folder("bound").join("part")), BYTES as u64);
    assert!(ground.folder("bound").join("whole").exists());
}

#[test]
fn a_guard_that_is_killed_is_replaced_while_the_run_goes_on_and_the_next_one_kills_the_container() {
    let ground = Ground::new();
    let peer = half(300_000);
    let Halfway { mut run, id, part, whole } = Halfway::reached(&ground, &peer);
    for _ in 0..3 {
        let guard = guard_of(&run);
        let had = held_by(&guard);
        assert!(had > 0);
        kill_guard(&guard);
        // A zombie still has its folder in /proc.
        wait_until("the guard is gone, and another one there", || {
            !guard.exists() && guards_of(run.id()).len() == 1
        });
        let next = guard_of(&run);
        wait_until("it holds what the one before it held", || held_by(&next) == had);
    }
    kill(&mut run);
    assert_eq!(docker(&["wait", &id]), "137");
    assert!(!whole.exists());
    ground.prune(&[]);
    assert_eq!(ground.left(), [part]);
}

/// Stops a guard, and waits until it is.
pub(crate) fn stop_guard(guard: &Path) {
    kill_process(guard.file_name().unwrap().to_str().unwrap().parse().unwrap(), Signal::SIGSTOP);
    wait_until("the guard stands still", || {
        let stat = fs::read_to_string(guard.join("stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    });
}

#[test]
fn a_guard_that_is_stopped_holds_nothing_up_and_is_replaced() {
    let ground = Ground::new();
    let peer = in_pieces(2, Duration::from_secs(1));
    let mut run = ground.start(&copy(&ground, &peer), None);
    first_line(&mut run);
    let guard = guard_of(&run);
    stop_guard(&guard);
    let began = Instant::now();
    assert!(run.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(bytes_of(&ground.folder("bound").join("part")), BYTES as u64);
    wait_until("the guard has ended", || !guard.exists());
}

#[test]
fn a_container_whose_run_is_killed_sees_no_end_while_its_guard_is_stopped() {
    let ground = Ground::new();
    let peer = half(300_000);
    let Halfway { mut run, id, part, whole } = Halfway::reached(&ground, &peer);
    let guard = guard_of(&run);
    stop_guard(&guard);
    kill(&mut run);
    rest(Duration::from_millis(500));
    assert_eq!(docker(&["inspect", "--format", "{{.State.Running}}", &id]), "true");
    ground.prune(&[]);
    assert!(!whole.exists());
    assert_eq!(ground.left(), [part]);
    kill_process(guard.file_name().unwrap().to_str().unwrap().parse().unwrap(), Signal::SIGCONT);
    wait_until("the guard has ended", || !guard.exists());
}

/// The command as the first process of a PID namespace, as in a container.
fn as_first(ground: &Ground, job: &Value) -> Child {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", env!("CARGO_BIN_EXE_gantline")]);
    ground.start_with(command, job)
}

/// The only child of a process.
fn child_of(process: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    children.trim().parse().unwrap()
}

#[test]
fn a_run_that_is_killed_below_a_containers_first_process_is_outlived_by_its_guard() {
    let (ground, peer) = (Ground::new(), half(300_000));
    let run = as_first(&ground, &copy(&ground, &peer));
    let Halfway { mut run, id, part, whole } = Halfway::of(&ground, run);
    let first = child_of(run.id());
    kill_process(child_of(first), Signal::SIGKILL);
    assert_eq!(run.wait().unwrap().code(), Some(137));
    // The first process has ended, and all others in its namespace with it.
    assert_eq!(docker(&["inspect", "--format", "{{.State.ExitCode}}", &id]), "137");
    assert!(!whole.exists());
    ground.prune(&[]);
    assert_eq!(ground.left(), [part]);
}

#[test]
fn a_containers_first_process_hands_on_signals_and_the_exit_code() {
    let ground = Ground::new();
    let job = |script| Job::script(script).set("network_mode", "none").document().clone();
    assert_eq!(as_first(&ground, &job("exit 7")).wait().unwrap().code(), Some(7));
    let mut run = as_first(&ground, &job("trap 'echo told; exit' TERM; echo up; sleep 100 & wait"));
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "up");
    kill_process(child_of(run.id()), Signal::SIGTERM);
    assert_eq!(lines.next().unwrap(), "told");
    assert_eq!(run.wait().unwrap().code(), Some(143));
    assert_eq!(ground.left(), [] as [PathBuf; 0]);
}

/// How many FIFOs a guard holds.
fn held_by(guard: &Path) -> usize {
    let descriptors = fs::read_dir(guard.join("fd")).into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    targets.filter(|target| target.starts_with("/") && target.ends_with("in")).count()
}
