//! An engine that goes away while a container runs: a reader never takes that for the end of its file.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::hooks_kept::{command, to_item, type_in};
use crate::prune::Ground;
use crate::run_guard::wait_until;
use crate::support::command::{Finished, Invocation, Running};
use crate::support::engine::{OwnEngine, Stopped};
use crate::support::gate::{GATE, Gate};
use crate::support::girder::Girder;
use crate::support::job::{Job, connect, end, host_file, named_input_pipe, named_output_pipe, url};
use crate::support::peer::{Peer, write_head};
use crate::support::seeded::Seeded;

pub(crate) const LIVE_RESTORE: &[&str] = &["--live-restore"];

const BYTES: u64 = 6_000_000;

/// A container that reads a file whose second half comes when the test says so.
pub(crate) struct Reading {
    gate: Gate,
    results: TempDir,
    sha256: String,
    go_on: Sender<()>,
    job: Job,
    _peer: Peer,
}

impl Reading {
    pub(crate) fn new() -> Self {
        let seeded = Seeded::new(41, BYTES);
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut seeded.clone(), &mut bytes).unwrap();
        let (go_on, wait) = channel();
        let peer = Peer::new(move |_, request, stream| {
            write_head(request, bytes.len(), stream)?;
            let (first, second) = bytes.split_at(bytes.len() / 2);
            stream.write_all(first)?;
            let _ = wait.recv();
            stream.write_all(second)
        });
        let (gate, results) = (Gate::new(), TempDir::with_prefix("gantline-results-").unwrap());
        let read = "sha256sum < $1 > /results/sum && echo whole > /results/end";
        let job = Job::script(&format!("({GATE}) & {read}"))
            .arg(connect(url(&peer.url()), named_input_pipe("in")))
            .set("network_mode", "host")
            // A signal that stops the container ends what runs in it.
            .set("init", true)
            .mount(results.path(), "/results");
        let job = gate.mount(job);
        Self { gate, results, sha256: seeded.sha256(), go_on, job, _peer: peer }
    }

    /// For an engine whose containers have no network, nor a process of its own in them.
    pub(crate) fn bare(mut self) -> Self {
        self.job = self.job.set("network_mode", "none").set("init", false);
        self
    }

    fn invocation(&self, engine: &OwnEngine) -> Invocation {
        self.job.invocation().env("DOCKER_HOST", engine.host())
    }

    /// Starts it where a test has its runs, and waits until its container is there.
    pub(crate) fn start_in(&self, ground: &Ground, engine: Option<&OwnEngine>) -> Running {
        let mut run = ground.holds(self.job.invocation());
        if let Some(engine) = engine {
            run = run.env("DOCKER_HOST", engine.host());
        }
        // It stands still for as long as the test likes.
        let patient = run.args(&["--stall-timeout", "3600"]).deadline(Duration::from_secs(3600));
        self.gate.reached(patient.start())
    }

    /// Lets it have the second half.
    pub(crate) fn go_on(&self) {
        self.go_on.send(()).unwrap();
    }

    pub(crate) fn start(&self, engine: &OwnEngine) -> Running {
        started(engine, &self.gate, self.invocation(engine))
    }

    fn result(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.results.path().join(name)).ok()
    }

    /// That the container has read everything.
    pub(crate) fn assert_whole(&self, run: &Finished) {
        assert_eq!(run.code, 0, "{run}");
        assert!(self.result("sum").is_some_and(|sum| sum.starts_with(&self.sha256)), "{run}");
        assert_eq!(self.result("end").as_deref(), Some("whole\n"), "{run}");
    }

    /// That it was ended before it could take what it had for everything.
    fn assert_not_whole(&self, run: &Finished) {
        assert_eq!(self.result("end"), None, "{run}");
    }
}

/// Starts a run, until its container is at the gate and the engine has said so.
fn started(engine: &OwnEngine, gate: &Gate, run: Invocation) -> Running {
    let run = gate.reached(run.start());
    engine.knows_of_a_running_one();
    run.has_nothing_to_do();
    run
}

/// That the run tells of the absence.
pub(crate) fn assert_told(run: &Finished) {
    let warnings = run.reported("warnings").to_string();
    assert!(warnings.contains("the engine went away while the container ran"), "{run}");
}

#[test]
fn a_container_reads_on_while_its_engine_is_started_again() {
    let mut engine = OwnEngine::start(LIVE_RESTORE);
    for how in [Stopped::Orderly, Stopped::Killed] {
        let reading = Reading::new();
        let run = reading.start(&engine);
        engine.stop(how);
        reading.go_on();
        engine.start_again();
        let run = run.finish();
        reading.assert_whole(&run);
        assert_told(&run);
        assert_eq!(engine.containers(), [""; 0], "{how:?}");
    }
}

#[test]
fn a_container_that_its_engine_ends_is_removed_when_the_engine_is_back() {
    let mut engine = OwnEngine::start(&[]);
    for how in [Stopped::Orderly, Stopped::Killed] {
        let reading = Reading::new();
        let run = reading.start(&engine);
        engine.stop(how);
        engine.start_again();
        let run = run.finish();
        reading.assert_not_whole(&run);
        assert_ne!(run.code, 0, "{how:?}: {run}");
        assert_eq!(engine.containers(), [""; 0], "{how:?}");
    }
}

#[test]
fn a_container_that_runs_unknown_to_its_engine_is_killed() {
    let mut engine = OwnEngine::start(&[]);
    let reading = Reading::new();
    // The engine has not said yet that it has started the container.
    let run = reading.gate.reached(reading.invocation(&engine).start());
    engine.stop(Stopped::Killed);
    engine.start_again();
    let run = run.finish();
    reading.assert_not_whole(&run);
    assert_ne!(run.code, 0, "{run}");
    assert_eq!(engine.containers(), [""; 0], "{run}");
}

#[test]
fn a_container_is_killed_when_its_engine_does_not_come_back() {
    let mut engine = OwnEngine::start(LIVE_RESTORE);
    let reading = Reading::new();
    let run = reading.invocation(&engine).args(&["--engine-patience", "2"]).keeps_record();
    let run = started(&engine, &reading.gate, run);
    let container = engine.containers().remove(0);
    assert!(runs(&container));
    engine.stop(Stopped::Killed);
    let run = run.finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("was not met again within 2 s"), "{run}");
    reading.assert_not_whole(&run);
    assert!(!runs(&container), "{run}");
}

/// Who may not kill another user's processes has nobody but the engine to do it.
#[test]
fn a_container_that_nobody_can_kill_sees_no_end_until_its_engine_is_back_and_kills_it() {
    let mut engine = OwnEngine::start(LIVE_RESTORE).for_its_group();
    let reading = Reading::new();
    let run = reading.invocation(&engine).args(&["--engine-patience", "2"]).keeps_record();
    let run = started(&engine, &reading.gate, run.by_nobody());
    let container = engine.containers().remove(0);
    engine.stop(Stopped::Killed);
    let run = run.finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("was not met again within 2 s"), "{run}");
    let (_, holder) = run.stderr.split_once("is kept open until it is dead, by process ").unwrap();
    let guard = Path::new("/proc").join(holder.split(' ').next().unwrap());
    assert!(guard.exists() && runs(&container), "{run}");
    engine.start_again();
    wait_until("the container is dead", || !runs(&container));
    wait_until("its guard has ended", || !guard.exists());
    reading.assert_not_whole(&run);
}

#[test]
fn output_goes_on_when_the_engine_is_back_and_what_may_be_missing_is_told() {
    let mut engine = OwnEngine::start(LIVE_RESTORE);
    let folder = TempDir::with_prefix("gantline-results-").unwrap();
    let path = folder.path().join("out");
    let job = || Job::script(&format!("echo one; {GATE}; echo two")).set("network_mode", "host");
    let into_file = job().stream(end("ContainerStdOut"), host_file(&path));
    for (job, how) in
        [(job(), Stopped::Orderly), (job(), Stopped::Killed), (into_file, Stopped::Killed)]
    {
        let gate = Gate::new();
        let is_data = job.document()["stream_connectors"] != json!([]);
        let run = gate.mount(job).invocation().env("DOCKER_HOST", engine.host());
        let run = started(&engine, &gate, run);
        engine.stop(how);
        // What a container writes and leaves while the engine is away is lost to it.
        engine.start_again();
        gate.open();
        let run = run.finish();
        assert_told(&run);
        assert_eq!(engine.containers(), [""; 0], "{how:?}");
        if is_data {
            // Whether it lacks something nobody knows.
            assert_eq!(run.code, 125, "{run}");
            assert!(run.stderr.contains("may be missing from container:stdout"), "{run}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{run}");
            continue;
        }
        assert_eq!((run.code, run.text()), (0, "one\ntwo\n"), "{how:?}: {run}");
        assert_eq!(run.transfer("host:stdout")["finish"], "incomplete", "{run}");
        assert!(run.reported("warnings").to_string().contains("may be missing"), "{run}");
    }
}

#[test]
fn a_result_of_a_program_that_ended_well_stays_when_its_run_fails_for_want_of_output() {
    let mut engine = OwnEngine::start(LIVE_RESTORE);
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let [folder, temporary] = ["results", "tmp"].map(|_| tempfile::tempdir().unwrap());
    let gate = Gate::new();
    let streamed = girder.make_item(girder.folder(), "streamed");
    let sink = json!({"type": "GirderStreamToItem", "item_id": streamed, "name": "s"});
    let text = format!("echo one; echo r > $1/r; {GATE}; echo whole > $2; echo s > $3");
    let job = Job::script(&text)
        .arg(json!({"type": "TemporaryVolume.default"}))
        .arg(connect(named_output_pipe("out"), host_file(&folder.path().join("other"))))
        .arg(connect(named_output_pipe("stream"), sink))
        .set("network_mode", "host")
        .set("girder_result_hooks", json!([to_item(&item, "r")]))
        .stream(end("ContainerStdOut"), host_file(&folder.path().join("out")))
        .girder(&girder);
    let run = gate.mount(job).invocation().env("DOCKER_HOST", engine.host());
    let run = started(&engine, &gate, run.env("TMPDIR", temporary.path()));
    engine.stop(Stopped::Killed);
    engine.start_again();
    gate.open();
    let run = run.finish();
    assert_eq!((run.code, run.reported("exit_code")), (125, &json!(0)), "{run}");
    assert!(run.stderr.contains("may be missing from container:stdout"), "{run}");
    // An output that lacks nothing takes its place, as beside a hook that fails.
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["other"], "{run}");
    assert_eq!(fs::read(folder.path().join("other")).unwrap(), b"whole\n");
    let content = |item| girder.content(girder.files(item)[0].1["_id"].as_str().unwrap());
    assert_eq!(content(&streamed), b"s\n", "{run}");
    assert_eq!(command(&run), run.reported("kept")[0]["command"], "{run}");
    type_in(&command(&run), girder.token());
    assert_eq!(content(&item), b"r\n", "{run}");
}

/// Whether a process runs in a container.
fn runs(container: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut groups = processes.filter_map(|process| read(&process.path().join("cgroup")));
    groups.any(|groups| groups.contains(container))
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}
