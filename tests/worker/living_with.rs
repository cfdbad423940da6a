//! How a worker lives with who looks after it: signals, systemd, health, counters.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::held::{HOLDS, Held};
use crate::jobs::{ERROR, SOON, SUCCESS};
use crate::place::Kind;
use crate::site::{Site, printing, script};

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
    let job = site.send(&printing(&file), json!({}));
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
    for phase in ["prepare", "start", "stream", "collect"] {
        let name = format!(r#"gantline_phase_seconds_count{{phase="{phase}"}}"#);
        assert!((counted(&text, &name) - 2.0).abs() < 0.5, "{name}\n{text}");
    }
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
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}")), json!({}));
    job.says("up");
    assert_eq!(ask("POST", &address, "/drain").0, 202);
    site.until(|| ask("GET", &address, "/readyz") == (503, "no new jobs are taken\n".to_owned()));
    assert_eq!(ask("GET", &address, "/healthz").0, 200);
    let left = site.send(&script("echo left"), json!({}));
    held.goes_on();
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
    let held = Held::new();
    let job = site.send(&held.script(&format!("echo up; {HOLDS}; echo down")), json!({}));
    job.says("up");
    worker.signal(Signal::SIGTERM);
    site.until(|| worker.log().contains("takes no new jobs"));
    let left = site.send(&script("echo left"), json!({}));
    held.goes_on();
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
    // A busy engine may be at its removal still.
    site.until(|| !job.has_container());
}

#[test]
fn what_still_runs_when_the_grace_is_over_is_stopped() {
    let site = Site::new(Kind::Redis);
    let worker = site.worker(&["--grace", "2", "--stop-timeout", "1"]);
    let short = site.send(&script("echo up; sleep 1"), json!({}));
    let long = site.send(&script("echo up; sleep 1000"), json!({}));
    short.says("up");
    long.says("up");
    worker.signal(Signal::SIGTERM);
    assert_eq!((short.ended(), long.ended()), (SUCCESS, ERROR));
    assert!(long.log().contains("the worker was stopped"), "{}", long.log());
    worker.has_ended(0);
    site.until(|| !long.has_container());
}

/// The log of a worker as JSON has each job's names with each of its lines, and nothing that is secret.
#[test]
fn the_log_names_task_job_and_container_and_no_secret() {
    let site = Site::new(Kind::RabbitMq);
    let environment = [("GANTLINE_LOG", "debug"), ("GANTLINE_WORKER_LOG_JSON", "true")];
    let worker = site.starting_worker(&[], &environment);
    let file = site.upload("file", b"what is in the file");
    let job = site.send(&printing(&file), json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    site.until(|| worker.log().contains("the job has ended"));
    let log = worker.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ended = lines.iter().find(|line| line["fields"]["message"] == "the job has ended").unwrap();
    assert_eq!(ended["fields"]["outcome"], "success");
    assert_eq!(ended["span"]["task"], *job.task_id(), "{ended}");
    assert!(job.is(ended["span"]["girder"].as_str().unwrap()), "{ended}");
    assert_eq!(ended["span"]["container"].as_str().unwrap().len(), 64, "{ended}");
    // What the run itself says is of the same job.
    let of_run = lines.iter().find(|line| line["fields"]["message"] == "enters").unwrap();
    assert_eq!(of_run["spans"][0]["task"], *job.task_id(), "{of_run}");
    // Girder's tokens have 64 letters and digits, as containers' ids have, which are hexadecimal.
    let words = log.split(|char: char| !char.is_ascii_alphanumeric());
    let is_token = |word: &&str| word.len() == 64 && word.bytes().any(|byte| byte > b'f');
    assert_eq!(words.filter(is_token).collect::<Vec<_>>(), [] as [&str; 0]);
    assert!(!log.contains("guest:guest"), "{log}");
    worker.ends_well();
}

#[test]
fn a_result_that_nobody_wants_is_not_kept() {
    let site = Site::new(Kind::Redis);
    let _worker = site.worker(&["--concurrency", "1"]);
    let unwanted = site.send(&script("true"), json!({"ignore_result": true}));
    let wanted = site.send(&script("true"), json!({}));
    assert_eq!(site.result(&wanted).unwrap()["status"], "SUCCESS");
    assert_eq!(unwanted.ended(), SUCCESS);
    assert!(!site.has_result(&unwanted));
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
