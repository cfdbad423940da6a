//! Too few descriptors, too little memory or room: one clear error, and nothing is left.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation};
use crate::support::disk::Disk;
use crate::support::job::{Job, named_input_pipe};

/// A job with so many inputs and an output.
fn job(inputs: usize) -> Value {
    let mut job = script("cat \"$@\" | wc -c > /dev/null; echo done");
    let arguments = job["container_args"].as_array_mut().unwrap();
    arguments.push(json!("sh"));
    for nth in 0..inputs {
        arguments.push(json!({
            "type": "Connect",
            "input": {"type": "HostFileToStream", "path": "/etc/services"},
            "output": {"type": "NamedInputPipe", "name": format!("in{nth}")},
        }));
    }
    job
}

/// Leaves room for so many pages.
fn fill(disk: &Path, but: u64) {
    let mut filler = File::create(disk.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    filler.set_len(filler.metadata().unwrap().len() - but * 4096).unwrap();
}

#[test]
fn what_cannot_be_written_down_for_want_of_room_is_not_made() {
    let disk = Disk::mount(1 << 20);
    // Whoever finds the folder there has room for a record, or for its beginning.
    for (pages, inputs) in [(0, 0), (0, 1), (1, 40)] {
        fill(disk.path(), pages);
        let run = Invocation::job(&job(inputs)).env("GANTLINE_RECORD_DIR", disk.path()).finish();
        assert_eq!(run.code, 125, "{run}");
        let words = format!("cannot write down in {}", disk.path().display());
        assert!(run.stderr.contains(&words), "{run}");
        assert!(run.stderr.contains("No space left on device"), "{run}");
        assert_eq!(run.reported("container_id"), &json!(null), "{run}");
        let users = fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().path());
        let records =
            users.filter(|path| path.is_dir()).flat_map(|user| fs::read_dir(user).unwrap());
        assert_eq!(records.count(), 0, "{run}");
    }
}

fn assert_clear(run: &Finished) {
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains("bug"), "{run}");
    match run.code {
        0 => assert_eq!(run.stdout, b"done\n", "{run}"),
        // A file that cannot be opened for the job is bad usage.
        2 | 125 => {
            let errors = run.stderr.lines().filter(|line| !line.contains(" warning: "));
            assert_eq!(errors.count(), 1, "{run}");
        }
        other => panic!("{other}: {run}"),
    }
}

#[test]
fn whatever_the_limit_of_open_files_there_is_no_panic_and_nothing_is_left() {
    for limit in [6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 64] {
        let run = Invocation::job(&job(12)).limited(&format!("ulimit -n {limit}")).finish();
        assert_clear(&run);
        if run.code == 125 {
            assert!(run.stderr.contains("Too many open files"), "{limit}: {run}");
        }
    }
}

#[test]
fn whatever_the_limit_of_memory_there_is_one_clear_error_or_none_and_nothing_is_left() {
    let mut codes = std::collections::BTreeSet::new();
    // Below the first the program itself is not loaded.
    for mebibytes in (56..=144).step_by(8) {
        let limit = format!("ulimit -v {}", mebibytes << 10);
        let run = Invocation::job(&job(12)).limited(&limit).finish();
        assert_clear(&run);
        if run.code == 125 {
            assert!(run.stderr.contains("a run may need 64 MiB of memory"), "{limit}: {run}");
        }
        codes.insert(run.code);
    }
    assert_eq!(Vec::from_iter(codes), [0, 125]);
}

#[test]
fn a_soft_limit_is_raised() {
    let run = Invocation::job(&job(12)).limited("ulimit -Sn 16").finish();
    assert_eq!((run.code, &*run.stdout), (0, &b"done\n"[..]), "{run}");
}

#[test]
fn two_hundred_streams_take_less_than_a_thousand_descriptors() {
    let run = Invocation::job(&job(198)).limited("ulimit -n 1000").finish();
    assert_eq!((run.code, &*run.stdout), (0, &b"done\n"[..]), "{run}");
}

#[test]
fn a_program_that_is_given_more_than_its_stack_takes_is_told_the_bound() {
    let run = Job::program(&["true"]);
    let run = (0..30).fold(run, |job, _| job.arg("x".repeat(100_000))).finish();
    assert_ne!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("take 3000283 bytes"), "{}", run.stderr);
    assert!(run.stderr.contains("at most a quarter of what its stack may have"), "{}", run.stderr);
}

#[test]
fn the_longest_values_that_are_taken_are_taken_by_the_engine_too() {
    let run = Job::script("hostname; echo ${#LONG} ${#1}; ls $2")
        .arg("x".repeat(131_071))
        .arg(named_input_pipe(&"p".repeat(255)))
        .set("environment", json!({"LONG": "x".repeat(131_071 - "LONG=".len())}))
        .set("hostname", "h".repeat(64))
        .set("domainname", "d".repeat(64))
        .set("labels", json!({"l".repeat(4095): "v".repeat(4095)}))
        .set("name", format!("{}{}", uuid::Uuid::new_v4().simple(), "n".repeat(480)))
        .finish();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<_> = run.text().lines().collect();
    assert_eq!(lines[..2], ["h".repeat(64).as_str(), "131066 131071"]);
    assert!(lines[2].ends_with(&"p".repeat(255)), "{}", lines[2]);
}
