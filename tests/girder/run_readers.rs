//! Programs that read their input as they please: slowly, late, in part, never, more than once.

use serde_json::json;

use crate::support::command::Finished;
use crate::support::gate::{GATE, Gate};
use crate::support::girder::{Girder, Stored};
use crate::support::job::{Job, connect, girder_file, named_input_pipe};
use crate::support::seeded::Seeded;

/// Fits into the FIFO, fills it to the last byte, and does not fit.
const SIZES: [u64; 5] = [1, 70_000, 1 << 20, (1 << 20) + 1, 5_000_000];

/// A script whose `$1` is the FIFO with a file of Girder.
fn script(girder: &Girder, file: &Stored, text: &str) -> Job {
    Job::script(text).arg(connect(girder_file(file), named_input_pipe("in"))).girder(girder)
}

fn assert_whole(run: &Finished, file: &Stored) {
    assert_eq!(run.code, 0, "{run}");
    assert!(run.text().starts_with(&file.sha256), "{}: {run}", file.sha256);
    assert_eq!(run.transfer("fifo:in")["finish"], "complete", "{run}");
}

#[test]
fn a_reader_that_takes_one_byte_at_a_time_for_a_while_gets_all() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 3_000_001));
    let run = script(&girder, &file, "reader 1 200000 $1 | sha256sum").finish();
    assert_whole(&run, &file);
}

#[test]
fn a_reader_that_sleeps_first_gets_all() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(2, 3_000_001));
    let run = script(&girder, &file, "sleep 1; sha256sum < $1").finish();
    assert_whole(&run, &file);
}

#[test]
fn a_reader_that_opens_and_then_sleeps_gets_all() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(3, 3_000_001));
    let run = script(&girder, &file, "exec < $1; sleep 1; sha256sum").finish();
    assert_whole(&run, &file);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure_and_the_exit_code_decides() {
    let girder = Girder::log_in();
    for size in [70_000, 20_000_000] {
        let file = girder.upload("file", Seeded::new(4, size));
        for code in [0, 7] {
            let text = format!("head -c 10 $1 | wc -c; exit {code}");
            let run = script(&girder, &file, &text).finish();
            assert_eq!(run.code, code, "{run}");
            assert_eq!(run.text(), "10\n", "{run}");
            assert_eq!(run.stderr, "", "{run}");
            assert_eq!(run.reported("error"), &json!(null));
            let transfer = run.transfer("fifo:in");
            // What fits into the FIFO was in it: nobody can tell how much of that was read.
            let finish = transfer["finish"].as_str().unwrap();
            assert!(finish == "refused" || size < 1 << 20, "{size} bytes: {run}");
            assert!(["refused", "complete"].contains(&finish), "{size} bytes: {run}");
            assert!(transfer["bytes"].as_u64().unwrap() <= size, "{run}");
        }
    }
}

#[test]
fn an_input_that_is_never_opened_is_noted_and_no_failure() {
    let girder = Girder::log_in();
    for size in [0, 70_000, 20_000_000] {
        let file = girder.upload("file", Seeded::new(5, size));
        for code in [0, 7] {
            let run = script(&girder, &file, &format!("exit {code}")).finish();
            assert_eq!(run.code, code, "{run}");
            assert_eq!(run.reported("error"), &json!(null));
            let transfer = run.transfer("fifo:in");
            assert_eq!(
                (&transfer["finish"], &transfer["bytes"]),
                (&json!("not_opened"), &json!(0))
            );
        }
    }
}

#[test]
fn a_program_that_opens_its_input_twice_gets_the_whole_of_it_twice() {
    let girder = Girder::log_in();
    for size in SIZES {
        let file = girder.upload("file", Seeded::new(6, size));
        let run = script(&girder, &file, "sha256sum $1; sha256sum $1").finish();
        assert_eq!(run.code, 0, "{size} bytes: {run}");
        let hashes: Vec<_> = run.text().lines().map(|line| &line[..64]).collect();
        assert_eq!(hashes, [&file.sha256, &file.sha256], "{size} bytes: {run}");
        let transfer = run.transfer("fifo:in");
        assert_eq!(
            (&transfer["finish"], &transfer["bytes"]),
            (&json!("complete"), &json!(2 * size))
        );
    }
}

#[test]
fn a_program_that_opens_its_input_again_the_moment_it_has_read_it_gets_it_again() {
    let girder = Girder::log_in();
    for size in SIZES {
        let file = girder.upload("file", Seeded::new(7, size));
        let readings = 20;
        let run = script(&girder, &file, &format!("reader {readings} 0 $1 | wc -c")).finish();
        assert_eq!(run.code, 0, "{size} bytes: {run}");
        assert_eq!(run.text(), format!("{}\n", readings * size), "{size} bytes: {run}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_followed_by_one_that_gets_all() {
    let girder = Girder::log_in();
    for size in SIZES {
        let file = girder.upload("file", Seeded::new(8, size));
        let gate = Gate::new();
        let text = format!("head -c 10 $1 > /dev/null; {GATE}; sha256sum < $1");
        let run = gate.mount(script(&girder, &file, &text)).invocation().start();
        let run = gate.reached(run);
        // Who opens the FIFO before it is empty again would get the middle of the file.
        run.has_nothing_to_do();
        gate.open();
        let run = run.finish();
        assert_eq!(run.code, 0, "{size} bytes: {run}");
        assert!(run.text().starts_with(&file.sha256), "{size} bytes, {}: {run}", file.sha256);
        assert_eq!(run.transfer("fifo:in")["finish"], "complete", "{size} bytes: {run}");
    }
}
