//! Too few descriptors: one clear error, and nothing is left.

use serde_json::{Value, json};

use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation};

/// A job with twelve inputs and an output.
fn job() -> Value {
    let mut job = script("cat \"$@\" | wc -c > /dev/null; echo done");
    let arguments = job["container_args"].as_array_mut().unwrap();
    arguments.push(json!("sh"));
    for nth in 0..12 {
        arguments.push(json!({
            "type": "Connect",
            "input": {"type": "HostFileToStream", "path": "/etc/services"},
            "output": {"type": "NamedInputPipe", "name": format!("in{nth}")},
        }));
    }
    job
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
        let run = Invocation::job(&job()).limited(&format!("ulimit -n {limit}")).finish();
        assert_clear(&run);
        if run.code == 125 {
            assert!(run.stderr.contains("Too many open files"), "{limit}: {run}");
        }
    }
}

#[test]
fn a_soft_limit_is_raised() {
    let run = Invocation::job(&job()).limited("ulimit -Sn 16").finish();
    assert_eq!((run.code, &*run.stdout), (0, &b"done\n"[..]), "{run}");
}
