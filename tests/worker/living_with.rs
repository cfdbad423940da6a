//! How a worker lives with who looks after it: signals, systemd, health, counters.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::jobs::{ERROR, SOON, SUCCESS};
use crate::place::Kind;
use crate::site::{Site, script};

/// Where a worker may serve.
fn free_address(host: &str) -> String {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().to_string()
}

/// What a request is answered with: its status and its body.
fn ask(method: &str, address: &str, path: &str) -> (u16, String) {
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .body(())
        .unwrap();
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build(),
    );
    match agent.run(request) {
        Ok(mut answer) => (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap()),
        Err(error) => (0, error.to_string()),
    }
}

/// The value of a counter.
fn counted(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).parse().unwrap()
}

#[test]
fn every_counter_of_a_worker_counts() {
    let site = Site::new(Kind::Redis);
    let address = free_address("127.0.0.1");
    let _worker = site.worker(&["--http", &address, "--concurrency", "3"]);
    let file = site.upload("file", b"what is in the file");
    let mut streamed = script("cat /mnt/girder_worker/*/in; sleep 1");
    streamed["container_args"] = json!(["cat", {
        "type": "Connect",
        "input": {"type": "GirderFileIdToStream", "id": file},
        "output": {"type": "NamedInputPipe", "name": "in"},
    }]);
    let job = site.send(&streamed, json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    let failed = site.send(&script("exit 3"), json!({}));
    assert_eq!(failed.ended(), ERROR);
    site.send_other("slicer_cli_web.image_job.ingest_from_docker");
    let running = site.send(&script("trap 'exit 0' TERM; echo up; sleep 100 & wait"), json!({}));
    running.says("up");

    let task = r#"task="girder_worker.docker.tasks.docker_run""#;
    let other = r#"task="slicer_cli_web.image_job.ingest_from_docker""#;
    let failures = format!(r#"gantline_jobs_total{{{task},outcome="failure"}}"#);
    site.until(|| ask("GET", &address, "/metrics").1.contains(&failures));
    let text = ask("GET", &address, "/metrics").1;
    for (name, value) in [
        (&*failures, 1.0),
        (&format!(r#"gantline_jobs_total{{{task},outcome="success"}}"#), 1.0),
        ("gantline_jobs_running", 1.0),
        ("gantline_slots", 3.0),
        ("gantline_job_seconds_count", 2.0),
        ("gantline_queue_seconds_count", 3.0),
        (r#"gantline_bytes_total{direction="in"}"#, 19.0),
        ("gantline_broker_up", 1.0),
        ("gantline_girder_retries_total", 0.0),
    ] {
        assert!((counted(&text, name) - value).abs() < 0.5, "{name}\n{text}");
    }
    assert!(counted(&text, &format!("gantline_passed_on_total{{{other}}}")) >= 1.0);
    assert!(counted(&text, "gantline_queue_seconds_sum") < 60.0, "{text}");
    for phase in ["prepare", "start", "stream", "wait", "collect", "clean up"] {
        let name = format!(r#"gantline_phase_seconds_count{{phase="{phase}"}}"#);
        if text.contains(&name) {
            assert!(counted(&text, &name) >= 1.0);
        }
    }
    assert!(text.contains("gantline_phase_seconds_count{"), "{text}");
    assert!(text.ends_with("# EOF\n"));
    running.cancel();
    assert_eq!(running.ended(), crate::jobs::CANCELED);
}

#[test]
fn a_worker_is_ready_while_it_takes_jobs_and_ends_when_it_has_drained() {
    let site = Site::new(Kind::RabbitMq);
    let address = free_address("127.0.0.1");
    let worker = site.worker(&["--http", &address]);
    site.until(|| ask("GET", &address, "/readyz") == (200, "ready\n".to_owned()));
    assert_eq!(ask("GET", &address, "/healthz"), (200, "alive\n".to_owned()));
    let job = site.send(&script("echo up; sleep 3"), json!({}));
    job.says("up");
    assert_eq!(ask("POST", &address, "/drain").0, 202);
    site.until(|| ask("GET", &address, "/readyz") == (503, "no new jobs are taken\n".to_owned()));
    assert_eq!(ask("GET", &address, "/healthz").0, 200);
    let left = site.send(&script("echo left"), json!({}));
    assert_eq!(job.ended(), SUCCESS);
    worker.has_ended(0);
    assert_eq!(left.statuses(), [] as [u64; 0]);
    assert_eq!(site.waiting(), 1);
}

#[test]
fn only_this_machine_may_drain() {
    let site = Site::new(Kind::Redis);
    // An address of this machine's that is not its loopback: who asks there has it as well.
    let towards = UdpSocket::bind("0.0.0.0:0").unwrap();
    towards.connect("192.0.2.1:9").unwrap();
    let host = towards.local_addr().unwrap().ip();
    assert!(!host.is_loopback());
    let address = free_address(&host.to_string());
    let worker = site.worker(&["--http", &address]);
    assert_eq!(ask("GET", &address, "/healthz").0, 200);
    assert_eq!(ask("POST", &address, "/drain"), (403, "ask from this machine\n".to_owned()));
    let job = site.send(&script("echo it goes on"), json!({}));
    assert_eq!(job.ended(), SUCCESS);
    worker.ends_well();
}

#[test]
fn after_the_first_signal_what_runs_ends_by_itself() {
    let site = Site::new(Kind::Redis);
    let worker = site.worker(&[]);
    let job = site.send(&script("echo up; sleep 4; echo down"), json!({}));
    job.says("up");
    worker.signal(Signal::SIGTERM);
    let left = site.send(&script("echo left"), json!({}));
    assert_eq!(job.ended(), SUCCESS);
    assert!(job.log().contains("down\n"));
    worker.has_ended(0);
    assert_eq!((site.waiting(), left.statuses().len()), (1, 0));
}

#[test]
fn a_second_signal_stops_what_runs() {
    let site = Site::new(Kind::RabbitMq);
    let worker = site.worker(&["--stop-timeout", "1"]);
    let job = site.send(&script("echo up; sleep 1000"), json!({}));
    job.says("up");
    worker.signal(Signal::SIGINT);
    site.until(|| worker.log().contains("takes no new jobs"));
    worker.signal(Signal::SIGTERM);
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("the worker was stopped"), "{}", job.log());
    worker.has_ended(0);
    assert!(!job.has_container());
}

#[test]
fn systemd_is_told_when_the_worker_is_ready_lives_and_ends() {
    let site = Site::new(Kind::Redis);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let told = |wanted: &str| loop {
        let mut line = [0; 1024];
        let length = socket.recv(&mut line).unwrap_or_else(|_| panic!("{wanted} was not told"));
        let text = String::from_utf8_lossy(&line[..length]).into_owned();
        if text.lines().any(|line| line.starts_with(wanted)) {
            return text;
        }
    };
    let path = path.display().to_string();
    let worker =
        site.starting_worker(&[], &[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "1000000")]);
    told("READY=1");
    assert!(worker.log().contains("connected to the broker"));
    told("STATUS=takes jobs");
    for _ in 0..3 {
        told("WATCHDOG=1");
    }
    worker.signal(Signal::SIGTERM);
    told("STOPPING=1");
    worker.has_ended(0);
}
