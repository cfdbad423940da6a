//! A signal ends a run in good time, whatever takes nothing or answers nothing.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::run_guard::{guards_of, stop_guard, wait_until};
use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation, Running};
use crate::support::girder::Girder;
use crate::support::girder_job;
use crate::support::in_front::Refusing;
use crate::support::job::{Job, connect, named_input_pipe, url};
use crate::support::peer::{Peer, wait_for_close, write_head};

/// Two signals spare the container its grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signals {
    One,
    Two,
}

/// Runs a job, and signals when it hangs.
fn signalled(job: &Value, signals: Signals, hangs: impl FnOnce(&Running)) -> Finished {
    stopped(Invocation::job(job), signals, hangs)
}

/// No request, and no write, has a limit that is shorter than the deadline.
fn stopped(run: Invocation, signals: Signals, hangs: impl FnOnce(&Running)) -> Finished {
    let grace = if signals == Signals::One { "1" } else { "600" };
    let run = run.args(&["--stop-timeout", grace]).deadline(Duration::from_secs(18)).start();
    run.container_started();
    hangs(&run);
    let began = Instant::now();
    run.signal(Signal::SIGINT);
    if signals == Signals::Two {
        run.has_nothing_to_do();
        run.signal(Signal::SIGTERM);
    }
    let run = run.finish();
    println!("{signals:?}: {} ms, with the look for what is left", began.elapsed().as_millis());
    assert_eq!(run.code, 130, "{run}");
    assert!(run.report.is_none() || *run.reported("cancelled") == true, "{run}");
    run
}

/// Does it with one signal and with two.
fn both(of: impl Fn(Signals) + Send + Sync) {
    thread::scope(|scope| {
        scope.spawn(|| of(Signals::One));
        scope.spawn(|| of(Signals::Two));
    });
}

/// Ends at SIGTERM, and writes into `$1` until then.
const WRITES: &str = "trap 'exit 0' TERM; head -c 90000000 /dev/zero > $1 & wait; sleep 600 & wait";

fn writing(sink: Value) -> Value {
    let mut job = script(WRITES);
    let arguments = job["container_args"].as_array_mut().unwrap();
    arguments.push(json!("sh"));
    arguments.push(json!({
        "type": "Connect",
        "input": {"type": "NamedOutputPipe", "name": "out"},
        "output": sink,
    }));
    job
}

#[test]
fn nobody_takes_standard_output() {
    both(|signals| {
        let (reader, writer) = std::io::pipe().unwrap();
        let job = script("trap 'exit 0' TERM; head -c 3000000 /dev/zero; sleep 600 & wait");
        let run = Invocation::job(&job).stdout(writer);
        stopped(run, signals, Running::has_nothing_to_do);
        drop(reader);
    });
}

/// Ours as well as the container's, from the first line on.
#[test]
fn nobody_takes_standard_error() {
    both(|signals| {
        let (reader, writer) = full_pipe();
        let job = script("trap 'exit 0' TERM; head -c 3000000 /dev/zero >&2; sleep 600 & wait");
        let run = Invocation::of(&["run", "-", "--progress", "plain"]).input(job.to_string());
        stopped(run.stderr(writer), signals, Running::has_nothing_to_do);
        drop(reader);
    });
}

/// A pipe that nobody reads, and that has no room for another byte; as large as a run makes it, if it is an output.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

#[test]
fn nobody_takes_the_report() {
    both(|signals| {
        let (reader, writer) = full_pipe();
        let job = script("trap 'exit 0' TERM; sleep 600 & wait").to_string();
        let run = Invocation::of(&["run", "-", "--report", "-"]).input(job).stdout(writer);
        let run = stopped(run, signals, Running::has_nothing_to_do);
        assert!(run.stderr.contains("nobody takes the report"), "{run}");
        drop(reader);
    });
}

#[test]
fn nobody_takes_the_report_of_a_run_that_has_ended() {
    let (reader, writer) = full_pipe();
    let run = Invocation::of(&["run", "-", "--report", "-"]).input(script("true").to_string());
    let run = run.stdout(writer).deadline(Duration::from_secs(18)).start();
    let container = run.container_started();
    let is_there = || {
        let listed = Command::new("docker").args(["ps", "-aq", "--no-trunc"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().contains(&container)
    };
    while is_there() {}
    run.has_nothing_to_do();
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
    drop(reader);
}

#[test]
fn the_guard_was_stopped() {
    both(|signals| {
        let peers = ["a", "b", "c"].map(|name| {
            let peer = Peer::new(|_, request, stream| {
                write_head(request, 90_000_000, stream)?;
                stream.write_all(&[b'x'; 300_000])?;
                wait_for_close(stream);
                Ok(())
            });
            (peer, name)
        });
        let script = "trap 'exit 0' TERM; cat $1 > /dev/null & sleep 600 & wait";
        let mut job = Job::script(script);
        for (peer, name) in &peers {
            job = job.arg(connect(url(&peer.url()), named_input_pipe(name)));
        }
        let grace = if signals == Signals::One { 1 } else { 600 };
        let run = job.invocation().args(&["--stop-timeout", &grace.to_string()]).start();
        run.container_started();
        let guards = guards_of(run.id());
        assert_eq!(guards.len(), 1);
        stop_guard(&guards[0]);
        let began = Instant::now();
        run.signal(Signal::SIGINT);
        if signals == Signals::Two {
            run.has_nothing_to_do();
            run.signal(Signal::SIGTERM);
        }
        wait_until("the run has ended", || run.has_ended());
        let took = began.elapsed();
        let run = run.finish();
        assert_eq!(run.code, 130, "{run}");
        // Its second, a grace of one at most, and what a busy machine makes of both.
        assert!(took < Duration::from_secs(4), "{took:?}: {run}");
    });
}

#[test]
fn nobody_takes_the_body_of_a_post() {
    both(|signals| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let job = writing(json!({"type": "ChunkedTransferEncodingStream", "url": url}));
        let mut taken = None;
        signalled(&job, signals, |run| {
            let mut stream = listener.accept().unwrap().0;
            stream.read_exact(&mut [0; 1000]).unwrap();
            taken = Some(stream);
            run.has_nothing_to_do();
        });
    });
}

#[test]
fn a_chunk_of_an_item_stream_is_never_answered() {
    both(|signals| {
        let girder = Girder::log_in();
        let deaf = Refusing::deaf(&girder, &["POST /api/v1/file/chunk"]);
        let item = girder.make_item(girder.folder(), "results");
        let sink = json!({"type": "GirderStreamToItem", "item_id": item, "name": "a",
            "size": 90_000_000});
        let mut job = girder.with_access(writing(sink));
        job["girder_api_url"] = deaf.api().into();
        let run = signalled(&job, signals, |_| deaf.meets_one());
        assert!(girder.files(&item).is_empty(), "{run}");
    });
}

#[test]
fn the_job_in_girder_is_never_answered() {
    both(|signals| {
        let girder = Girder::log_in();
        let deaf = Refusing::deaf(&girder, &["PUT /api/v1/job/"]);
        let reported = girder_job::Job::new(&girder);
        let mut job = script("trap 'exit 0' TERM; sleep 600 & wait");
        job["girder_job"] = reported.info.clone();
        let url = reported.info["url"].as_str().unwrap();
        job["girder_job"]["url"] = url.replace(girder.api(), &deaf.api()).into();
        let run = signalled(&job, signals, |_| deaf.meets_one());
        let warnings = run.reported("warnings").to_string();
        assert!(warnings.contains("Girder"), "{run}");
    });
}

#[test]
fn an_upload_or_metadata_is_never_answered() {
    let upload = |item: &str| {
        json!({"type": "GirderUploadVolumePathToItem", "item_id": item,
            "volumepath": {"type": "VolumePath", "filename": "r"}})
    };
    let metadata =
        |item: &str| json!({"type": "GirderItemMetadata", "item_id": item, "metadata": {"a": 1}});
    let hang = |hook: &dyn Fn(&str) -> Value, request: &'static [&'static str], signals| {
        let girder = Girder::log_in();
        let deaf = Refusing::deaf(&girder, request);
        let item = girder.make_item(girder.folder(), "results");
        let mut job = girder.with_access(script("echo r > $1/r"));
        let arguments = job["container_args"].as_array_mut().unwrap();
        arguments.extend([json!("sh"), json!({"type": "TemporaryVolume.default"})]);
        job["girder_result_hooks"] = json!([hook(&item)]);
        job["girder_api_url"] = deaf.api().into();
        let run = signalled(&job, signals, |_| deaf.meets_one());
        assert!(girder.files(&item).is_empty(), "{run}");
    };
    both(|signals| hang(&upload, &["POST /api/v1/file?"], signals));
    both(|signals| hang(&metadata, &["PUT /api/v1/item/"], signals));
}
