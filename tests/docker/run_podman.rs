//! A podman in the engine's place, by its service for Docker's API. What it does otherwise is in the manual's chapter on
//! other places.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::prune::{Ground, docker, first_line, kill};
use crate::run_engine_lost::{Reading, assert_told};
use crate::support::command::Invocation;
use crate::support::engine::{OwnEngine, Stopped};
use crate::support::gate::{GATE, Gate};
use crate::support::job::{
    Job, connect, host_file, host_file_to_stream, named_input_pipe, named_output_pipe,
};
use crate::support::seeded::Seeded;

struct Podman(OwnEngine);

impl Podman {
    fn run(&self, job: &Job) -> Invocation {
        let job = job.clone().set("network", "none");
        job.invocation().env("DOCKER_HOST", self.0.host())
    }
}

#[test]
fn a_job_runs_with_podman_as_with_docker() {
    let mut podman = Podman(OwnEngine::podman());
    bytes_go_in_and_out(&podman);
    exit_codes_are_dockers(&podman);
    what_was_refused_leaves_nothing(&podman);
    a_container_that_is_to_stay_stays(&podman);
    a_run_can_be_cancelled(&podman);
    a_run_that_is_killed_takes_its_container_along(&podman);
    for how in [Stopped::Orderly, Stopped::Killed] {
        a_run_goes_on_while_the_service_is_started_again(&mut podman, how);
    }
    assert_eq!(podman.0.containers(), [""; 0]);
}

fn bytes_go_in_and_out(podman: &Podman) {
    let folder = tempfile::tempdir().unwrap();
    let [source, out] = ["source", "out"].map(|name| folder.path().join(name));
    let seeded = Seeded::new(3, 3_300_000);
    let mut bytes = Vec::new();
    seeded.clone().read_to_end(&mut bytes).unwrap();
    fs::write(&source, &bytes).unwrap();
    let job = Job::script(r#"tee "$2" < "$1" | sha256sum; echo oops >&2; exit 3"#)
        .arg(connect(host_file_to_stream(&source), named_input_pipe("in")))
        .arg(connect(named_output_pipe("out"), host_file(&out)));
    let run = podman.run(&job).finish();
    assert_eq!(run.code, 3, "{run}");
    assert!(run.text().starts_with(&seeded.sha256()), "{run}");
    assert!(run.stderr.contains("oops\n"), "{run}");
    assert!(fs::read(&out).unwrap() == bytes, "{run}");
}

fn exit_codes_are_dockers(podman: &Podman) {
    for (command, code) in [(["no-such-program", ""], 127), (["/etc", ""], 126)] {
        let run = podman.run(&Job::program(&command)).finish();
        assert_eq!(run.code, code, "{run}");
        assert!(run.stderr.contains("cannot start the container"), "{run}");
    }
}

fn what_was_refused_leaves_nothing(podman: &Podman) {
    let refused = Job::program(&["true"]).set("log_config", json!({"type": "no-such-driver"}));
    // Podman's word for whatever it does not like is 500: `finish` sees that no record is left.
    let run = podman.run(&refused).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("(status 500)"), "{run}");
}

fn a_container_that_is_to_stay_stays(podman: &Podman) {
    let kept = Job::program(&["true"]).set("network", "none").set("remove_container", false);
    let run = Invocation::of(&["run", "-"]).input(kept.document().to_string());
    let run = run.env("DOCKER_HOST", podman.0.host()).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
    let containers = podman.0.containers();
    assert_eq!(containers.len(), 1, "{run}");
    docker(&["--host", &podman.0.host(), "rm", &containers[0]]);
}

fn a_run_can_be_cancelled(podman: &Podman) {
    let gate = Gate::new();
    let job = gate.mount(Job::script(&format!("{GATE}; exec sleep 600")));
    let run = gate.reached(podman.run(&job).args(&["--stop-timeout", "1"]).start());
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");

    // It has ended by the first signal when the second has it killed: podman refuses that with 500.
    for _ in 0..3 {
        let gate = Gate::new();
        let ends = format!("trap 'exit 0' TERM; {GATE}; sleep 600 & wait");
        let run = gate.reached(podman.run(&gate.mount(Job::script(&ends))).start());
        run.signal(Signal::SIGTERM);
        run.has_nothing_to_do();
        run.signal(Signal::SIGTERM);
        let run = run.finish();
        assert_eq!(run.code, 143, "{run}");
    }
}

fn a_run_that_is_killed_takes_its_container_along(podman: &Podman) {
    let ground = Ground::new();
    let document = Job::script("hostname; exec sleep 600").set("network", "none");
    let socket: PathBuf = podman.0.host().trim_start_matches("unix://").into();
    let mut run = ground.start(document.document(), Some(&socket));
    first_line(&mut run);
    kill(&mut run);
    assert!(ground.prune(&[]).contains("removed container gantline-"));
    assert_eq!(ground.left(), [] as [PathBuf; 0]);
}

fn a_run_goes_on_while_the_service_is_started_again(podman: &mut Podman, how: Stopped) {
    let reading = Reading::new().bare();
    let run = reading.start(&podman.0);
    podman.0.stop(how);
    reading.go_on();
    podman.0.start_again();
    let run = run.finish();
    reading.assert_whole(&run);
    assert_told(&run);
}
