//! `Connect(GirderFileIdToStream, NamedInputPipe)`: what was uploaded is what the container reads.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::gate::{GATE, Gate};
use crate::support::girder::{Girder, Stored};
use crate::support::job::{Job, connect, girder_file, named_input_pipe};
use crate::support::seeded::Seeded;

/// What the process may hold, whatever the size of the file.
const MEMORY: u64 = 6 << 20;

/// A job's argument: the FIFO that has a file of Girder.
fn stream(file: &Stored) -> Value {
    connect(girder_file(file), named_input_pipe("in"))
}

#[test]
fn a_file_of_any_size_arrives_as_it_was_uploaded() {
    let girder = Girder::log_in();
    for size in [0, 1, 65_535, 65_536, 65_537, (1 << 20) + 1] {
        let file = girder.upload("file", Seeded::new(size, size));
        let job = Job::program(&["sha256sum"]).arg(stream(&file)).girder(&girder);
        let run = job.finish();
        assert_eq!(run.code, 0, "{size} bytes: {run}");
        assert!(run.text().starts_with(&file.sha256), "{size} bytes, {}: {run}", file.sha256);
        assert_eq!(run.stderr, "", "{size} bytes: {run}");
        let transfer = run.transfer("fifo:in");
        assert_eq!(transfer["source"], format!("girder:{}", file.id));
        assert_eq!(transfer["bytes"], size, "{run}");
        assert_eq!(transfer["finish"], "complete", "{size} bytes: {run}");
        assert_eq!(transfer["resumed"], 0);
    }
}

#[test]
fn a_program_that_only_opens_its_argument_and_reads_gets_all_of_it() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 20_000_003));
    let run = Job::program(&["drain"]).arg(stream(&file)).girder(&girder).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.text(), "20000003\n");
}

#[test]
fn a_connect_in_stream_connectors_streams_as_well_and_adds_no_argument() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(2, 3_000_000));
    // Where Girder Worker puts temporary volumes; the job's only one is the default one.
    let job = Job::script("echo $#; sha256sum /mnt/girder_worker/*/in")
        .stream(girder_file(&file), named_input_pipe("in"))
        .girder(&girder);
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text().starts_with(&format!("0\n{}  /mnt", file.sha256)), "{run}");
    assert_eq!(run.transfer("fifo:in")["finish"], "complete", "{run}");
}

#[test]
fn half_a_gibibyte_arrives_directly_and_is_never_held_in_memory() {
    let girder = Girder::log_in();
    let size = 512 << 20;
    let file = girder.upload("file", Seeded::new(512, size));
    let gate = Gate::new();
    let job = Job::script(&format!("sha256sum $1; {GATE}")).arg(stream(&file)).girder(&girder);
    let invocation = gate.mount(job).invocation().deadline(Duration::from_secs(120));
    let run = invocation.start();
    let run = gate.reached(run);
    let memory = run.peak_memory();
    gate.open();
    let run = run.finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text().starts_with(&file.sha256), "{}: {run}", file.sha256);
    let transfer = run.transfer("fifo:in");
    assert_eq!((&transfer["bytes"], &transfer["carrier"]), (&json!(size), &json!("direct")));
    assert_eq!(transfer["finish"], "complete", "{run}");
    assert!(memory < MEMORY, "{memory} bytes: {run}");
}

#[test]
fn a_small_file_costs_little_memory_too() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(3, 1 << 20));
    let gate = Gate::new();
    let job = Job::script(&format!("sha256sum $1; {GATE}")).arg(stream(&file)).girder(&girder);
    let run = gate.mount(job).invocation().start();
    let run = gate.reached(run);
    let memory = run.peak_memory();
    gate.open();
    let run = run.finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.transfer("fifo:in")["carrier"], "direct", "{run}");
    assert!(memory < MEMORY, "{memory} bytes: {run}");
}

#[test]
fn sixteen_files_arrive_side_by_side() {
    let girder = Girder::log_in();
    let files = [(); 16].map(|()| fastrand::u64(..)).map(|seed| {
        // Some fit into the FIFO and some do not.
        let file = girder.upload("file", Seeded::new(seed, seed % 3_000_000));
        (seed, file)
    });
    let script = "for pipe; do sha256sum $pipe > /tmp/${pipe##*/} & done; wait; \
                  cd /tmp; for nth in $(seq 0 15); do cat in$nth; done";
    let mut job = Job::script(script).girder(&girder);
    for (nth, (_, file)) in files.iter().enumerate() {
        job = job.arg(connect(girder_file(file), named_input_pipe(&format!("in{nth}"))));
    }
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    let hashes: Vec<_> = run.text().lines().map(|line| &line[..64]).collect();
    assert_eq!(hashes.len(), files.len(), "{run}");
    for (nth, (seed, file)) in files.iter().enumerate() {
        assert_eq!(hashes[nth], file.sha256, "the {nth}th, of seed {seed}: {run}");
        let transfer = run.transfer(&format!("fifo:in{nth}"));
        assert_eq!(
            (&transfer["bytes"], &transfer["finish"]),
            (&json!(file.size), &json!("complete"))
        );
    }
}

#[test]
fn a_program_that_is_not_root_reads_it() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(4, 2_000_000));
    let job = Job::script("id -u; sha256sum < $1; echo x > ${1%/*}/mine").arg(stream(&file));
    let job = job.set("image", "gantline-test:user1000").girder(&girder);
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.text(), format!("1000\n{}  -\n", file.sha256), "{run}");
}

#[test]
fn a_run_that_is_stopped_in_the_middle_of_a_file_leaves_nothing() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(5, 50_000_000));
    let gate = Gate::new();
    let script = format!("exec 3< $1; head -c 1000000 <&3 | wc -c; {GATE}; sleep 600");
    let job = gate.mount(Job::script(&script).arg(stream(&file)).girder(&girder));
    let run = job.invocation().arg("--stop-timeout").arg("0").start();
    let run = gate.reached(run);
    run.signal(Signal::SIGINT);
    let run = run.finish();
    assert_eq!((run.code, run.text()), (130, "1000000\n"), "{run}");
    assert_eq!(run.reported("cancelled"), true);
    assert_eq!(run.reported("error"), &json!(null));
    let transfer = run.transfer("fifo:in");
    assert!(transfer["bytes"].as_u64().unwrap() < file.size, "{run}");
    assert_ne!(transfer["finish"], "complete", "{run}");
}
