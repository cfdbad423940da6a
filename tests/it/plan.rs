//! From the text of a job to its plan, as a program that embeds us sees it.

use gantline::spec::Problem;
use gantline::spec::builder::{Input, Output};
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
fn a_job_that_no_document_has_said_is_held_to_the_same() {
    let file = Output::host_file("/tmp/out");
    let job = JobSpec::builder("i")
        .stream(Input::container_stdout(), file.clone())
        .stream(Input::container_stderr(), file);
    let error = job.build().unwrap_err();
    assert!(matches!(error.problem(), Problem::EndTaken(end) if end == "the file /tmp/out"));
}

#[test]
fn a_fifo_is_looked_for_where_a_volume_is_mounted() {
    let document = |more: &str, folder: &str| {
        format!(
            r#"{{"image": "i", {more} "container_args": [{{"type": "Connect",
                 "input": {{"type": "NamedOutputPipe", "name": "out",
                            "container_path": "{folder}", "host_path": "/h"}},
                 "output": {{"type": "HostStdOut"}}}}]}}"#
        )
    };
    let volumes = r#""volumes": ["/h:/data"],"#;
    for folder in ["/data", "/data/deep"] {
        let plan = plan(&document(volumes, folder)).unwrap();
        assert_eq!(plan.arguments(), [format!("{folder}/out")]);
    }
    for (more, folder) in [("", "/data"), (volumes, "/database"), (volumes, "/")] {
        let error = plan(&document(more, folder)).unwrap_err();
        let words = format!("the FIFO out is looked for in {folder}, and no volume of the job is");
        assert!(error.to_string().starts_with(&words), "{error}");
    }
    // Whose volumes they are, only the engine knows.
    plan(&document(r#""volumes_from": ["other"],"#, "/data")).unwrap();
}

#[test]
fn a_file_that_this_host_may_have_says_so() {
    let plan = plan(
        r#"{"image": "i", "container_args": [{"type": "DirectGirderFileIdToVolume", "id": "5f",
             "filename": "a.svs", "direct_file_path": "/store/ab/cd"}]}"#,
    )
    .unwrap();
    let expected =
        "girder:5f (or /store/ab/cd, if it can be mounted) → /mnt/girder_worker/t1/a.svs";
    assert_eq!(plan.downloads(), [expected]);
}

#[test]
fn a_stream_into_an_item_is_a_transfer_and_needs_a_server() {
    let text = r#"{"image": "i", "stream_connectors": [{"type": "Connect",
        "input": {"type": "ContainerStdOut"},
        "output": {"type": "GirderStreamToItem", "item_id": "5e", "name": "o", "size": 3}}]}"#;
    let plan = plan(text).unwrap();
    assert_eq!(plan.transfers()[0], "container:stdout → girder:item/5e/o");
    let runner = gantline::Runner::builder().build().unwrap();
    let error = runner.run(&JobSpec::from_json(text).unwrap()).unwrap_err();
    assert!(error.to_string().contains("names no server"), "{error}");
}
