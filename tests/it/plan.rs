//! From the text of a job to its plan, as a program that embeds us sees it.

use gantline::spec::{Connect, Sink, Source};
use gantline::{JobSpec, Plan, PlanError};

fn plan(text: &str) -> Result<Plan, PlanError> {
    let mut next = 0;
    Plan::new(&JobSpec::from_json(text).unwrap(), || {
        next += 1;
        format!("t{next}")
    })
}

#[test]
fn the_documents_own_forms_of_volumes_become_mounts_and_paths() {
    for volumes in [
        r#"{"/data": {"bind": "/mnt/data", "mode": "rw"}}"#,
        r#"["/data:/mnt/data:rw"]"#,
        r#"[{"type": "BindMountVolume", "host_path": "/data", "container_path": "/mnt/data"}]"#,
    ] {
        let plan = plan(&format!(
            r#"{{"image": "i", "volumes": {volumes}, "container_args": ["a", 1, 2.5]}}"#
        ))
        .unwrap();
        assert_eq!(plan.binds(), ["/data:/mnt/data:rw"], "{volumes}");
        assert_eq!(plan.arguments(), ["a", "1", "2.5"]);
    }
}

#[test]
fn a_stream_into_a_fifo_is_its_path_and_a_transfer() {
    let plan = plan(
        r#"{"image": "i", "container_args": [
             "--in",
             {"type": "Connect",
              "input": {"type": "GirderFileIdToStream", "id": "5f"},
              "output": {"type": "NamedInputPipe", "name": "in"}}]}"#,
    )
    .unwrap();
    assert_eq!(plan.arguments(), ["--in", "/mnt/girder_worker/t1/in"]);
    assert_eq!(
        plan.transfers(),
        ["girder:5f → fifo:in", "container:stdout → host:stdout", "container:stderr → host:stderr"]
    );
}

#[test]
fn a_job_that_no_parser_has_seen_is_held_to_the_same() {
    let mut job = JobSpec::new("i");
    for source in [Source::ContainerStdOut, Source::ContainerStdErr] {
        let sink = Sink::HostFile { path: "/tmp/out".into() };
        job.stream_connectors.push(Connect { source, sink });
    }
    let error = Plan::new(&job, || "t".to_owned()).unwrap_err();
    assert!(matches!(error, PlanError::ConnectedTwice { end } if end == "file:/tmp/out"));
}
