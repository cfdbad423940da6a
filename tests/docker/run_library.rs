//! The library, as a program that embeds it uses it.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gantline::event::RunId;
use gantline::run::Listen;
use gantline::run::RunSettings;
use gantline::{Event, EventSink, JobSpec, Phase, Runner};
use serde_json::json;

use crate::run_jobs::script;

fn spec(job: &serde_json::Value) -> JobSpec {
    JobSpec::from_json(&job.to_string()).unwrap()
}

/// A job that writes `text` into a file of the host.
fn writing(text: &str, path: &std::path::Path) -> JobSpec {
    let mut job = script(&format!("echo {text}"));
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "ContainerStdOut"},
        "output": {"type": "HostFile", "path": path},
    }]);
    spec(&job)
}

#[test]
fn many_runs_share_one_runner() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::builder().temporary_folder(folder.path()).build().unwrap();
    thread::scope(|scope| {
        for nth in 0..4 {
            let (runner, path) = (runner.clone(), folder.path().join(format!("out-{nth}")));
            scope.spawn(move || {
                let outcome = runner.run(&writing(&format!("run {nth}"), &path)).unwrap();
                assert_eq!(outcome.exit_code(), Some(0));
                assert_eq!(std::fs::read_to_string(path).unwrap(), format!("run {nth}\n"));
            });
        }
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn a_run_may_be_started_inside_an_async_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let runner = Runner::builder().temporary_folder(folder.path()).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(async { runner.run(&writing("x", &path)) }).unwrap();
    assert_eq!(outcome.exit_code(), Some(0));
}

#[test]
fn host_streams_can_be_given() {
    let (mut stdout, ours) = io::pipe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let builder = Runner::builder().temporary_folder(folder.path()).stdout(ours);
    let runner = builder.build().unwrap();
    runner.run(&spec(&script("echo here"))).unwrap();
    drop(runner);
    let mut text = String::new();
    io::Read::read_to_string(&mut stdout, &mut text).unwrap();
    assert_eq!(text, "here\n");
}

/// What eight runs wrote, each its own.
#[derive(Default, Clone)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn of_eight_runs_at_once_each_event_and_each_byte_belongs_to_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let told: Arc<Mutex<Vec<(RunId, Event)>>> = Arc::default();
    let sink = {
        let told = Arc::clone(&told);
        move |run: &RunId, event: &Event| told.lock().unwrap().push((run.clone(), event.clone()))
    };
    let runner = Runner::builder().temporary_folder(folder.path()).events(sink).build().unwrap();
    let (sender, ended) = channel();
    let mut runs = HashMap::new();
    for nth in 0..8_u8 {
        let (written, id) = (Written::default(), RunId::new(&format!("{nth}-{}", RunId::random())));
        let settings = RunSettings::new()
            .with_id(id.unwrap())
            .with_label("nth", nth.to_string())
            .with_stdout_writer(written.clone());
        let job = spec(&script(&format!("seq 1 20000; echo run {nth}; exit {nth}")));
        let (run, sender) = (runner.start_with(&job, settings).unwrap(), sender.clone());
        run.on_end(move |id| sender.send(id.clone()).unwrap());
        runs.insert(run.id().clone(), (nth, run, written));
    }
    let seq: String = (1..=20000).map(|line| format!("{line}\n")).collect();
    // One thread watches all of them.
    for _ in 0..8 {
        let id = ended.recv_timeout(Duration::from_secs(60)).unwrap();
        let (nth, mut run, written) = runs.remove(&id).unwrap();
        let report = run.try_wait().unwrap().unwrap().report;
        assert_eq!((report.exit_code, &report.run_id), (Some(nth.into()), &id.to_string()));
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written, format!("{seq}run {nth}\n"));
        let told = told.lock().unwrap();
        let of_the_run = told.iter().filter(|(run, _)| *run == id).map(|(_, event)| event);
        let of_the_run: Vec<&Event> = of_the_run.collect();
        let exits = of_the_run.iter().filter_map(|event| match event {
            Event::ContainerExited { exit_code } => Some(*exit_code),
            _ => None,
        });
        assert_eq!(exits.collect::<Vec<_>>(), [i64::from(nth)]);
        let created = of_the_run.iter().find_map(|event| match event {
            Event::ContainerCreated { id, .. } => Some(id.clone()),
            _ => None,
        });
        assert_eq!(created, report.container_id);
        let began = of_the_run.iter().filter_map(|event| match event {
            Event::TransferStarted { transfer, .. } => Some(*transfer),
            _ => None,
        });
        let reported = report.transfers.iter().map(|record| record.id);
        assert_eq!(began.collect::<BTreeSet<_>>(), reported.collect());
    }
}

#[test]
fn a_run_is_awaited_without_a_thread_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::builder().temporary_folder(folder.path()).build().unwrap();
    let path = folder.path().join("out");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(runner.start(&writing("x", &path)).unwrap()).unwrap();
    assert_eq!(outcome.exit_code(), Some(0));
}

#[test]
fn a_writer_that_fails_refuses_the_rest_and_is_a_warning() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::builder().temporary_folder(folder.path()).build().unwrap();
    let settings = RunSettings::new().with_stdout_writer(Full);
    let job = spec(&script("seq 1 200000"));
    let outcome = runner.start_with(&job, settings).unwrap().wait().unwrap();
    let warnings = &outcome.report.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("no storage space")), "{warnings:?}");
    let finish = outcome.report.transfers[0].finish;
    assert_eq!(finish, gantline::event::Finish::Refused);
}

#[test]
fn a_listener_hears_a_stream_that_goes_elsewhere() {
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<(Vec<u8>, u32)>>);
    impl Listen for Heard {
        fn hear(&mut self, bytes: &[u8]) {
            self.0.lock().unwrap().0.extend_from_slice(bytes);
        }

        fn ended(&mut self) {
            self.0.lock().unwrap().1 += 1;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::builder().temporary_folder(folder.path()).build().unwrap();
    let heard = Heard::default();
    let settings = RunSettings::new().with_stdout_listener(heard.clone());
    let path = folder.path().join("out");
    runner.start_with(&writing("heard", &path), settings).unwrap().wait().unwrap();
    assert_eq!(*heard.0.lock().unwrap(), (b"heard\n".to_vec(), 1));
    assert_eq!(std::fs::read(path).unwrap(), b"heard\n");
}

/// Keeps what it is told.
#[derive(Default, Clone)]
pub(crate) struct Told(pub(crate) Arc<Mutex<Vec<Event>>>);

impl EventSink for Told {
    fn event(&self, _: &RunId, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

#[test]
fn a_run_tells_what_it_does_in_the_order_in_which_it_does_it() {
    let folder = tempfile::tempdir().unwrap();
    let told = Told::default();
    let builder = Runner::builder().temporary_folder(folder.path()).events(told.clone());
    builder.build().unwrap().run(&writing("x", &folder.path().join("out"))).unwrap();
    let told = told.0.lock().unwrap();
    let at = |wanted: &dyn Fn(&Event) -> bool| told.iter().position(wanted).unwrap();
    let phases: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::PhaseStarted(phase) => Some(*phase),
            _ => None,
        })
        .collect();
    let all =
        [Phase::Prepare, Phase::Start, Phase::Stream, Phase::Wait, Phase::Collect, Phase::CleanUp];
    assert_eq!(phases, all);
    let created = at(&|event| matches!(event, Event::ContainerCreated { .. }));
    let started = at(&|event| matches!(event, Event::ContainerStarted { .. }));
    let exited = at(&|event| matches!(event, Event::ContainerExited { exit_code: 0 }));
    let ended = at(&|event| matches!(event, Event::TransferEnded { bytes: 2, .. }));
    let waited = at(&|event| matches!(event, Event::PhaseEnded(Phase::Wait, _)));
    assert!(created < started && started < exited && ended < waited, "{told:?}");
}
