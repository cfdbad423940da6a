//! Runs on an engine that fails as a real one seldom does.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use gantline::event::{Event, EventSink, RunId};
use gantline::internal::docker::DockerError;
use gantline::run::{Cause, CleanUpError};
use gantline::{JobSpec, Phase, RunSettings, Runner, RunnerBuilder};
use serde_json::json;

use crate::docker_peer::{Peer, SOON, http, id, is_ping, target};
use crate::http_support;

fn job(pull: bool) -> JobSpec {
    let text = json!({"image": "i:1", "pull_image": pull, "container_args": ["x"]});
    JobSpec::from_json(&text.to_string()).unwrap()
}

fn runner(engine: &Peer, timeout: Duration) -> (RunnerBuilder, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let [temporary, records] = [TEMPORARY, "records"].map(|name| folder.path().join(name));
    [&temporary, &records].into_iter().for_each(|path| std::fs::create_dir(path).unwrap());
    let mut settings = engine.settings();
    settings.timeout = timeout;
    let builder = Runner::builder().engine(settings).temporary_folder(temporary);
    // Not everything is removed of an engine that fails, and nobody prunes that.
    (builder.record_folder(records), folder)
}

const TEMPORARY: &str = "tmp";

fn is_empty(folder: &tempfile::TempDir) -> bool {
    std::fs::read_dir(folder.path().join(TEMPORARY)).unwrap().next().is_none()
}

/// What is asked for, without version and query.
fn asked(request: &str) -> String {
    let target = target(request);
    let (method, path) = target.split_once(' ').unwrap();
    let path = path.split('?').next().unwrap();
    format!("{method} {}", path.trim_start_matches("/v1.41"))
}

#[test]
fn a_run_is_cancelled_while_its_image_is_pulled() {
    let (closed, was_closed) = channel();
    let engine = Peer::on_unix(move |request, stream| {
        if is_ping(request) {
            return false;
        }
        assert!(asked(request) == "POST /images/create", "{request}");
        let line = "{\"status\":\"Pulling\"}\r\n";
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = write!(stream, "{head}{:x}\r\n{line}\r\n", line.len());
        stream.wait_for_close();
        let _ = closed.send(());
        true
    });
    struct Told(std::sync::mpsc::Sender<()>);
    impl EventSink for Told {
        fn event(&self, _: &RunId, event: &Event) {
            if matches!(event, Event::Pull(_)) {
                let _ = self.0.send(());
            }
        }
    }
    let (sender, pulling) = channel();
    let (builder, folder) = runner(&engine, SOON);
    let handle = builder.events(Told(sender)).build().unwrap().start(&job(true)).unwrap();
    pulling.recv_timeout(SOON).unwrap();
    handle.cancel();
    let outcome = handle.wait().unwrap();
    assert!(outcome.is_cancelled());
    assert_eq!(outcome.exit_code(), None);
    was_closed.recv_timeout(SOON).expect("the pull goes on");
    assert!(is_empty(&folder));
}

#[test]
fn a_run_whose_time_is_over_before_it_has_a_container_fails_and_says_that_it_was_stopped() {
    let engine = Peer::on_unix(|request, stream| {
        if is_ping(request) {
            return false;
        }
        assert!(asked(request) == "POST /images/create", "{request}");
        stream.wait_for_close();
        true
    });
    let (builder, folder) = runner(&engine, SOON);
    let settings = RunSettings::default().with_timeout(Duration::from_millis(50));
    let handle = builder.build().unwrap().start_with(&job(true), settings).unwrap();
    let error = handle.wait().unwrap_err();
    assert!(matches!(*error.cause, Cause::TimedOut { .. }), "{error:?}");
    assert!(error.report.cancelled);
    assert_eq!((error.report.exit_code, &error.report.container_id), (None, &None));
    assert!(is_empty(&folder));
}

/// Two who wait for each other.
#[derive(Default)]
struct Meeting(Mutex<usize>, Condvar);

impl Meeting {
    /// Whether the other has come, too.
    fn meets(&self) -> bool {
        let mut here = self.0.lock().unwrap();
        *here += 1;
        self.1.notify_all();
        let waited = self.1.wait_timeout_while(here, SOON, |here| *here < 2).unwrap();
        !waited.1.timed_out()
    }
}

#[test]
fn the_image_is_pulled_while_files_come_to_volumes() {
    let meeting = Arc::new(Meeting::default());
    let met = Arc::clone(&meeting);
    let engine = Peer::on_unix(move |request, stream| {
        let answer = match asked(request).as_str() {
            // The pull goes on until a file is on its way, which does not come before there is a pull.
            "POST /images/create" if met.meets() => http(200, r#"{"status": "Downloaded"}"#),
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(400, r#"{"message": "that was all"}"#),
            path if path.starts_with("GET /_ping") => return false,
            other => panic!("{other}"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let file = "5f3c9e0a1b2c3d4e5f6a7b8c";
    let record = format!(r#"{{"_id": "{file}", "name": "a", "size": 5}}"#);
    let girder = http_support::Peer::follows(vec![
        http_support::answers(closing(&record)),
        Box::new(move |stream, request| {
            assert!(
                request.starts_with(&format!("GET /api/v1/file/{file}/download ")),
                "{request}"
            );
            assert!(meeting.meets(), "there is no pull beside the download");
            let _ = stream.write_all(closing("bytes").as_bytes());
        }),
    ]);
    let text = json!({
        "image": "i:1",
        "girder_api_url": girder.url("/api/v1").as_str(),
        "container_args": [{"type": "GirderFileIdToVolume", "id": file}],
    });
    let (builder, _folder) = runner(&engine, SOON);
    let job = JobSpec::from_json(&text.to_string()).unwrap();
    let error = builder.build().unwrap().run(&job).unwrap_err();
    assert!(matches!(*error.cause, Cause::Create(_)), "{error:?}");
    assert_eq!(error.report.downloads[0].bytes, 5);
}

/// An answer, and the connection's end.
fn closing(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn a_container_that_may_have_been_made_is_looked_for_and_removed() {
    let engine = Peer::on_unix(|request, stream| {
        let answer = match asked(request).as_str() {
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => {
                stream.wait_for_close();
                return true;
            }
            "GET /containers/json" => http(200, &format!(r#"[{{"Id": "{}"}}]"#, id())),
            path if path == format!("DELETE /containers/{}", id()) => http(204, ""),
            _ => return false,
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let (builder, folder) = runner(&engine, Duration::from_secs(1));
    let error = builder.build().unwrap().run(&job(false)).unwrap_err();
    assert!(matches!(*error.cause, Cause::Create(DockerError::TimedOut { .. })), "{error:?}");
    assert_eq!((error.phase, error.exit_code()), (Phase::Prepare, 125));
    assert!(error.clean_up.is_empty());
    let requests: Vec<_> = (0..5).map(|_| engine.request()).collect();
    let listed = requests.iter().find(|request| asked(request) == "GET /containers/json");
    assert!(target(listed.unwrap()).contains(&error.report.run_id), "only our own: {requests:?}");
    assert!(requests.iter().any(|request| request.starts_with("DELETE")), "{requests:?}");
    assert!(is_empty(&folder));
}

#[test]
fn what_clean_up_cannot_do_stands_beside_the_cause() {
    let engine = Peer::on_unix(|request, stream| {
        let refuse = |what| http(500, &format!(r#"{{"message": "no {what}"}}"#));
        let answer = match asked(request).as_str() {
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(201, &format!(r#"{{"Id": "{}"}}"#, id())),
            path if path.starts_with("DELETE") => refuse("removal"),
            path if path.starts_with("GET /_ping") => return false,
            _ => refuse("attach"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let (builder, folder) = runner(&engine, SOON);
    let error = builder.build().unwrap().run(&job(false)).unwrap_err();
    assert!(matches!(*error.cause, Cause::Attach(_)), "{error:?}");
    assert_eq!(error.phase, Phase::Start);
    assert!(matches!(error.clean_up.as_slice(), [CleanUpError::Container { .. }]));
    let report = error.report.to_json();
    assert!(report["error"].as_str().unwrap().contains("no attach"), "{report}");
    assert!(report["warnings"][0].as_str().unwrap().contains("no removal"), "{report}");
    let phases: Vec<_> = report["phases"].as_object().unwrap().keys().collect();
    assert_eq!(phases, ["prepare", "start", "clean_up"]);
    assert!(is_empty(&folder));
}

#[test]
fn a_removal_that_fails_is_a_warning_beside_the_exit_code() {
    let engine = Peer::on_unix(|request, stream| {
        let inspected = r#"{"State": {"Status": "exited", "Running": false, "ExitCode": 3},
            "Config": {}}"#;
        let container = format!("/containers/{}", id());
        let answer = match asked(request).replace(&container, "").as_str() {
            "GET /_ping" => return false,
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(201, &format!(r#"{{"Id": "{}"}}"#, id())),
            "POST /attach" => "HTTP/1.1 101 Whatever\r\nUpgrade: tcp\r\n\r\n".to_owned(),
            "POST /wait" => http(200, r#"{"StatusCode": 3}"#),
            "POST /start" => http(204, ""),
            "GET /json" => http(200, inspected),
            "DELETE " => http(500, r#"{"message": "no removal"}"#),
            other => panic!("{other}"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let (builder, folder) = runner(&engine, SOON);
    let outcome = builder.build().unwrap().run(&job(false)).unwrap();
    assert_eq!(outcome.exit_code(), Some(3));
    let report = outcome.report.to_json();
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("cannot remove the container gantline-"), "{report}");
    assert!(warning.contains("no removal"), "{report}");
    // The ping, the image, the create, attach and wait, the start, one look at the end, the removal.
    let requests: Vec<_> = (0..8).map(|_| asked(&engine.request())).collect();
    let looks = requests.iter().filter(|request| request.ends_with(&format!("{}/json", id())));
    assert_eq!(looks.count(), 1, "{requests:?}");
    assert!(requests[7].starts_with("DELETE"), "{requests:?}");
    assert!(is_empty(&folder));
}

#[test]
fn the_image_is_looked_at_while_the_engine_is_met() {
    let (looked, was_looked_at) = crossbeam_channel::bounded(1);
    let engine = Peer::on_unix(move |request, stream| {
        let answer = match target(request) {
            // Not before it has been asked for the image.
            "GET /_ping" => {
                was_looked_at.recv_timeout(SOON).expect("the image waits for the ping");
                return false;
            }
            "GET /images/i:1/json" => {
                let _ = looked.send(());
                http(200, r#"{"Id": "sha256:1"}"#)
            }
            _ => http(500, r#"{"message": "no"}"#),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let (builder, folder) = runner(&engine, SOON);
    let error = builder.build().unwrap().run(&job(false)).unwrap_err();
    assert!(matches!(*error.cause, Cause::Create(_)), "{error:?}");
    let requests: Vec<_> = (0..4).map(|_| asked(&engine.request())).collect();
    let looks = requests.iter().filter(|request| request.ends_with("/images/i:1/json"));
    assert_eq!(looks.count(), 1, "{requests:?}");
    assert!(is_empty(&folder));
}

#[test]
fn an_engine_that_wants_a_version_in_the_path_is_asked_again_for_the_image() {
    let engine = Peer::on_unix(|request, stream| {
        let answer = match target(request) {
            "GET /_ping" => return false,
            "GET /images/i:1/json" => http(403, r#"{"message": "which version?"}"#),
            "GET /v1.41/images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            _ => http(500, r#"{"message": "no"}"#),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let (builder, folder) = runner(&engine, SOON);
    let error = builder.build().unwrap().run(&job(false)).unwrap_err();
    assert!(matches!(*error.cause, Cause::Create(_)), "{error:?}");
    assert!(is_empty(&folder));
}

#[test]
fn an_engine_that_refuses_to_be_met_is_told_of_at_once() {
    let engine = Peer::on_unix(|request, stream| match target(request) {
        "GET /_ping" => stream.write_all(http(403, r#"{"message": "not you"}"#).as_bytes()).is_ok(),
        _ => {
            stream.wait_for_close();
            true
        }
    });
    // Nobody waits for the image, which would take longer than the test may.
    let (builder, folder) = runner(&engine, Duration::from_secs(3600));
    let error = builder.build().unwrap().run(&job(false)).unwrap_err();
    assert!(matches!(*error.cause, Cause::Connect(_)), "{error:?}");
    assert!(is_empty(&folder));
}

#[test]
fn fifos_and_an_engine_that_may_be_elsewhere_are_warned_about() {
    let engine = Peer::on_tcp(|request, stream| {
        let answer = match asked(request).as_str() {
            "GET /_ping" => return false,
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "GET /containers/json" => http(200, "[]"),
            _ => http(500, r#"{"message": "no"}"#),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let (builder, folder) = runner(&engine, SOON);
    let runner = builder.build().unwrap();
    let fifo = json!({"type": "NamedInputPipe", "name": "in"});
    let text = json!({"image": "i:1", "pull_image": false, "container_args": [fifo]});
    let with_fifo = JobSpec::from_json(&text.to_string()).unwrap();
    let warnings = |job| runner.run(job).unwrap_err().report.warnings.join("\n");
    assert!(warnings(&with_fifo).contains("the engine is reached over TCP"));
    assert_eq!(warnings(&job(false)), "");
    assert!(is_empty(&folder));
}

/// An engine that says it has started the container, and nothing of its exit. `look` is what the nth look at it shows:
/// its status, or that it is gone.
fn never_tells(look: fn(usize) -> Option<&'static str>) -> Peer {
    let looks = Arc::new(AtomicUsize::new(0));
    Peer::on_unix(move |request, stream| {
        let answer = match asked(request).as_str() {
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(201, &format!(r#"{{"Id": "{}"}}"#, id())),
            path if path.ends_with("/attach") => {
                "HTTP/1.1 101 Whatever\r\nUpgrade: tcp\r\n\r\n".to_owned()
            }
            path if path.ends_with("/wait") => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head.as_bytes());
                stream.wait_for_close();
                return true;
            }
            path if path.ends_with("/start") => http(204, ""),
            path if path.starts_with("GET /containers/") && path.ends_with("/json") => {
                match look(looks.fetch_add(1, Ordering::SeqCst)) {
                    Some(status) => {
                        let running = status == "running";
                        let state = json!({"Status": status, "Running": running, "ExitCode": 3});
                        let inspected = json!({"State": state, "Config": {"Tty": false}});
                        http(200, &inspected.to_string())
                    }
                    None => http(404, r#"{"message": "No such container"}"#),
                }
            }
            path if path.starts_with("DELETE") => http(204, ""),
            _ => return false,
        };
        stream.write_all(answer.as_bytes()).is_ok()
    })
}

#[test]
fn an_exit_that_the_engine_never_tells_is_found_by_looking() {
    // The first look finds it at work.
    let engine = never_tells(|nth| Some(if nth == 0 { "running" } else { "exited" }));
    let (builder, folder) = runner(&engine, Duration::from_secs(1));
    let outcome = builder.build().unwrap().run(&job(false)).unwrap();
    assert_eq!(outcome.exit_code(), Some(3));
    assert!(is_empty(&folder));
}

#[test]
fn a_container_that_was_not_started_or_is_gone_whatever_was_answered_is_found_by_looking() {
    let failed = |look| {
        let engine = never_tells(look);
        let (builder, folder) = runner(&engine, Duration::from_secs(1));
        let error = builder.build().unwrap().run(&job(false)).unwrap_err();
        assert_eq!((error.phase, error.exit_code()), (Phase::Stream, 125));
        assert!(error.clean_up.is_empty() && is_empty(&folder), "{error:?}");
        let requests: Vec<_> = std::iter::from_fn(|| Some(engine.request()))
            .take_while(|request| !request.starts_with("DELETE"))
            .collect();
        assert!(requests.iter().any(|request| asked(request).ends_with("/start")));
        *error.cause
    };
    let cause = failed(|_| Some("created"));
    assert!(matches!(cause, Cause::NotStarted), "{cause:?}");
    let cause = failed(|nth| (nth == 0).then_some("running"));
    assert!(matches!(&cause, Cause::Exit(error) if error.is_not_found()), "{cause:?}");
}
