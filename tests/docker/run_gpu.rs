//! GPUs, on an engine that has none: what is preferred is done without, what is required fails.

use std::process::Command;

use serde_json::{Value, json};

use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation};

fn run(keywords: Value) -> Finished {
    let mut job = script("echo here; cat; exit 3");
    job.as_object_mut().unwrap().extend(keywords.as_object().unwrap().clone());
    Invocation::job(&job).finish()
}

fn warnings(run: &Finished) -> Vec<String> {
    let warnings = run.report.as_ref().unwrap()["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_runs_without(run: &Finished) {
    assert_eq!(run.code, 3, "{run}");
    assert_eq!(run.stdout, b"here\n", "{run}");
    let warnings = warnings(run);
    assert!(warnings[0].contains("no GPU, trying the runtime nvidia"), "{run}");
    assert!(warnings[0].contains("device driver"), "{run}");
    assert!(warnings[1].contains("no GPU, the container runs without one"), "{run}");
    assert_eq!(warnings.len(), 2, "{run}");
}

#[test]
fn a_preferred_gpu_that_is_not_there_is_warned_about() {
    assert_runs_without(&run(json!({"gpu": "preferred"})));
}

#[test]
fn an_image_that_asks_for_a_gpu_runs_without_one() {
    let image = "gantline-test-gpu:label";
    let docker = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let container = docker(&["create", "gantline-test:busybox"]);
    let label = "LABEL com.nvidia.volumes.needed=nvidia_driver";
    docker(&["commit", "--change", label, &container, image]);
    docker(&["rm", &container]);
    let by_label = run(json!({"image": image}));
    let other_runtime = run(json!({"image": image, "runtime": "runc"}));
    docker(&["image", "rm", image]);
    assert_runs_without(&by_label);
    assert_eq!((other_runtime.code, warnings(&other_runtime).len()), (3, 0), "{other_runtime}");
}

#[test]
fn a_required_gpu_that_is_not_there_fails_the_run_clearly() {
    let run = run(json!({"gpu": "required"}));
    assert_eq!(run.code, 125, "{run}");
    assert_eq!(run.stdout, b"", "{run}");
    let expected = "gantline: the job requires a GPU, and the engine gives it none: ";
    assert!(run.stderr.starts_with(expected), "{run}");
    assert!(run.stderr.contains("device driver"), "{run}");
}

#[test]
fn a_job_that_names_runtime_or_devices_itself_fails_as_the_engine_says() {
    let run_with = |keywords| {
        let run = run(keywords);
        assert_eq!(run.code, 125, "{run}");
        run.stderr
    };
    let own = run_with(json!({"device_requests": [{"driver": "nvidia", "count": -1,
        "capabilities": [["gpu"]]}]}));
    assert!(own.contains("cannot start the container") && own.contains("device driver"), "{own}");
    let runtime = run_with(json!({"runtime": "nvidia"}));
    assert!(runtime.contains("cannot create the container"), "{runtime}");
    assert!(runtime.to_lowercase().contains("runtime"), "{runtime}");
}

#[test]
fn a_command_that_is_not_there_is_no_question_of_gpus() {
    for gpu in ["required", "preferred"] {
        let mut job = script("true");
        job["gpu"] = gpu.into();
        job["container_args"] = json!(["no-such-program"]);
        let run = Invocation::job(&job).finish();
        let expected = if gpu == "preferred" { 127 } else { 125 };
        assert_eq!(run.code, expected, "{run}");
    }
}
