//! The library, as a program that embeds it uses it.

use std::sync::{Arc, Mutex};
use std::thread;

use gantline::event::RunId;
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
    let (mut stdout, ours) = std::io::pipe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let builder = Runner::builder().temporary_folder(folder.path()).stdout(ours);
    let runner = builder.build().unwrap();
    runner.run(&spec(&script("echo here"))).unwrap();
    drop(runner);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut text).unwrap();
    assert_eq!(text, "here\n");
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
