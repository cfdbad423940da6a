//! Attach, wait and pull against engines that do not behave.

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use gantline::internal::docker::{AnswerError, Client, DockerError};

use crate::docker_peer::{Peer, SOON, Stream, block_on, header, http, id, is_ping, ping, target};

const SWITCHING: &str = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";
const FRAMES: &str = "Content-Type: application/vnd.docker.multiplexed-stream\r\n";
const RAW: &str = "Content-Type: application/vnd.docker.raw-stream\r\n";

/// An engine that speaks `version`, has a container with or without a TTY, and upgrades.
fn attachable(version: &'static str, tty: bool, content_type: &'static str) -> Peer {
    Peer::on_unix(move |request, stream| {
        let inspected = format!(
            r#"{{"State":{{"Status":"created","Running":false,"ExitCode":0,"OOMKilled":false,
                "Error":""}},"Config":{{"Tty":{tty}}}}}"#
        );
        if is_ping(request) {
            stream.write_all(ping(version).as_bytes()).unwrap();
        } else if target(request).starts_with("GET") {
            stream.write_all(http(200, &inspected).as_bytes()).unwrap();
        } else {
            let answer = format!("{SWITCHING}{content_type}\r\nfirst");
            stream.write_all(answer.as_bytes()).unwrap();
            stream.write_all(b" second").unwrap();
        }
        true
    })
}

/// Attaches and reads to the end; gives whether it is framed, too.
fn attach(engine: &Peer) -> (bool, String) {
    block_on(async {
        let client = engine.client().await;
        let attached = client.attach(&id()).await.unwrap();
        let mut text = String::from_utf8(attached.read_ahead.to_vec()).unwrap();
        let mut socket = socket2::Socket::from(attached.socket);
        assert!(socket.nonblocking().unwrap());
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket.read_to_string(&mut text).unwrap();
        (attached.framed, text)
    })
}

#[test]
fn bytes_that_come_with_the_head_are_not_lost() {
    let engine = attachable("1.45", false, FRAMES);
    assert_eq!(attach(&engine), (true, "first second".to_owned()));
    let request = engine.request();
    assert_eq!(
        target(&request),
        format!("POST /v1.45/containers/{}/attach?stream=1&stdout=1&stderr=1", id())
    );
    assert_eq!(header(&request, "connection"), Some("Upgrade"));
    assert_eq!(header(&request, "upgrade"), Some("tcp"));
}

#[test]
fn bytes_that_come_with_the_head_over_tcp_are_not_lost() {
    let engine = Peer::on_tcp(|request, stream| {
        let answer = match is_ping(request) {
            true => ping("1.45"),
            false => format!("{SWITCHING}{FRAMES}\r\nfirst second"),
        };
        stream.write_all(answer.as_bytes()).unwrap();
        true
    });
    assert_eq!(attach(&engine), (true, "first second".to_owned()));
}

#[test]
fn an_old_engine_frames_what_has_no_terminal_whatever_its_content_type() {
    assert!(attach(&attachable("1.41", false, RAW)).0);
    assert!(!attach(&attachable("1.41", true, RAW)).0);
}

#[test]
fn a_newer_engine_says_whether_it_frames() {
    assert!(attach(&attachable("1.42", false, FRAMES)).0);
    assert!(!attach(&attachable("1.42", false, RAW)).0);
}

fn attach_fails(answer: String) -> DockerError {
    let engine = Peer::on_unix(move |request, stream| {
        let answer = if is_ping(request) { ping("1.42") } else { answer.clone() };
        stream.write_all(answer.as_bytes()).unwrap();
        true
    });
    block_on(async { engine.client().await.attach(&id()).await.unwrap_err() })
}

#[test]
fn a_connection_that_is_not_handed_over_is_an_error() {
    let error = attach_fails(http(200, ""));
    assert!(matches!(error, DockerError::NotUpgraded { status: 200, .. }), "{error}");
    assert!(error.to_string().contains("must let the upgrade to tcp through"));
    assert!(attach_fails(http(404, r#"{"message":"No such container"}"#)).is_not_found());
    assert!(attach_fails(http(409, r#"{"message":"paused"}"#)).is_conflict());
    let error = attach_fails(format!("{SWITCHING}\r\n"));
    assert!(matches!(error, DockerError::Answer { .. }), "{error}");
}

#[test]
fn an_attach_that_hangs_is_given_up_in_time() {
    let engine = Peer::on_unix(|request, stream| {
        !is_ping(request) && {
            stream.wait_for_close();
            true
        }
    });
    block_on(async {
        let client = engine.hasty_client(Duration::from_millis(200)).await;
        let error = client.attach(&id()).await.unwrap_err();
        assert!(matches!(error, DockerError::TimedOut { .. }), "{error}");
    });
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// An engine that sends a head and `first`, then waits for the word, then sends `last`.
fn pausing(head: &'static str, first: String, last: String) -> (Peer, std::sync::mpsc::Sender<()>) {
    let (go_on, word) = channel();
    let word = std::sync::Arc::new(Mutex::new(word));
    let peer = Peer::on_unix(move |request, stream| {
        !is_ping(request) && {
            stream.write_all(format!("{head}{first}").as_bytes()).unwrap();
            word.lock().unwrap().recv_timeout(SOON).unwrap();
            stream.write_all(last.as_bytes()).unwrap();
            true
        }
    });
    (peer, go_on)
}

#[test]
fn a_wait_returns_with_the_head_and_then_has_no_limit() {
    let exit = chunk("{\"Error\":null,\"StatusCode\":3}\n") + "0\r\n\r\n";
    let (engine, go_on) = pausing(CHUNKED, String::new(), exit);
    block_on(async {
        let limit = Duration::from_millis(150);
        let client = engine.hasty_client(limit).await;
        let wait = client.wait_next_exit(&id()).await.unwrap();
        assert_eq!(
            target(&engine.request()),
            format!("POST /v1.41/containers/{}/wait?condition=next-exit", id())
        );
        let mut exit = Box::pin(wait.exit());
        tokio::time::timeout(limit * 3, &mut exit).await.unwrap_err();
        go_on.send(()).unwrap();
        let exit = exit.await.unwrap();
        assert_eq!((exit.status_code, exit.error), (3, None));
    });
}

#[test]
fn a_wait_whose_head_does_not_come_is_given_up_in_time() {
    let (engine, _go_on) = pausing("", String::new(), String::new());
    block_on(async {
        let client = engine.hasty_client(Duration::from_millis(150)).await;
        let error = client.wait_next_exit(&id()).await.unwrap_err();
        assert!(matches!(error, DockerError::TimedOut { .. }), "{error}");
    });
}

fn exit_of(answer: String) -> Result<(i64, Option<String>), DockerError> {
    let engine = Peer::answering(answer);
    block_on(async {
        let wait = engine.client().await.wait_next_exit(&id()).await?;
        let exit = wait.exit().await?;
        Ok((exit.status_code, exit.error))
    })
}

#[test]
fn an_engine_that_goes_away_is_not_the_containers_end() {
    let error = exit_of(CHUNKED.to_owned()).unwrap_err();
    assert!(matches!(error, DockerError::Broken { .. }), "{error}");
    let error = exit_of(format!("{CHUNKED}0\r\n\r\n")).unwrap_err();
    assert!(matches!(error, DockerError::Answer { source: AnswerError::Truncated, .. }));
    let error = exit_of(http(200, "{\"Error\"")).unwrap_err();
    assert!(matches!(error, DockerError::Answer { source: AnswerError::Truncated, .. }));
}

#[test]
fn what_went_wrong_while_waiting_is_kept() {
    let exit = exit_of(http(200, r#"{"StatusCode":-1,"Error":{"Message":"lost it"}}"#)).unwrap();
    assert_eq!(exit, (-1, Some("lost it".to_owned())));
    let exit = exit_of(http(200, r#"{"StatusCode":137,"Error":{"Message":""}}"#)).unwrap();
    assert_eq!(exit, (137, None));
    assert!(exit_of(http(404, r#"{"message":"no"}"#)).unwrap_err().is_not_found());
}

/// Pulls; gives the statuses as well.
fn pull(answer: String) -> (Result<Option<String>, DockerError>, String) {
    let engine = Peer::answering(answer);
    block_on(async {
        let client = engine.client().await;
        let mut seen = String::new();
        let outcome = client.pull("r:5000/a:1", &mut |line| seen.push_str(&line.status)).await;
        let target = target(&engine.request()).to_owned();
        assert_eq!(target, "POST /v1.41/images/create?fromImage=r%3A5000%2Fa&tag=1");
        (outcome.map(|pulled| pulled.digest), seen)
    })
}

#[test]
fn a_pull_gives_its_lines_and_the_digest() {
    let lines = [
        "{\"status\":\"Pulling from a\",\"id\":\"1\"}\r\n{\"sta",
        "tus\":\"Digest: sha256:12\"}\r\n",
        "{\"status\":\"Status: new\"}\r\n",
    ];
    let chunks: String = lines.iter().map(|line| chunk(line)).collect();
    let (digest, seen) = pull(format!("{CHUNKED}{chunks}0\r\n\r\n"));
    assert_eq!(digest.unwrap().as_deref(), Some("sha256:12"));
    assert_eq!(seen, "Pulling from aDigest: sha256:12Status: new");
}

#[test]
fn an_error_inside_a_good_answer_fails_the_pull() {
    let line = r#"{"errorDetail":{"message":"toomanyrequests"},"error":"toomanyrequests"}"#;
    let chunks = chunk("{\"status\":\"Downloading\"}\n") + &chunk(line);
    let (outcome, seen) = pull(format!("{CHUNKED}{chunks}0\r\n\r\n"));
    let error = outcome.unwrap_err();
    assert_eq!(error.to_string(), "the engine could not pull r:5000/a:1: toomanyrequests");
    assert_eq!(seen, "Downloading");
}

#[test]
fn a_pull_that_is_cut_off_is_not_a_good_one() {
    let begun = chunk("{\"status\":\"Downloading\"}\n");
    let (outcome, _) = pull(format!("{CHUNKED}{begun}"));
    assert!(matches!(outcome.unwrap_err(), DockerError::Broken { .. }));
    let half = chunk("{\"status\":\"Down");
    let (outcome, _) = pull(format!("{CHUNKED}{half}0\r\n\r\n"));
    let error = outcome.unwrap_err();
    assert!(matches!(error, DockerError::Answer { source: AnswerError::Truncated, .. }), "{error}");
}

#[test]
fn a_pull_may_be_quiet_for_longer_than_a_call() {
    for head in [CHUNKED, ""] {
        let late = if head.is_empty() { CHUNKED } else { "" };
        let last = format!("{late}{}0\r\n\r\n", chunk("{\"status\":\"done\"}\n"));
        let (engine, go_on) = pausing(head, String::new(), last);
        block_on(async {
            let limit = Duration::from_millis(150);
            let client = engine.hasty_client(limit).await;
            let mut seen = String::new();
            let mut progress =
                |line: gantline::internal::docker::PullLine| seen.push_str(&line.status);
            let mut pull = Box::pin(client.pull("a", &mut progress));
            tokio::time::timeout(limit * 3, &mut pull).await.unwrap_err();
            go_on.send(()).unwrap();
            pull.await.unwrap();
            assert_eq!(seen, "done");
        });
    }
}

#[test]
fn a_pull_that_is_dropped_closes_its_connection() {
    let (closed, word) = channel();
    let engine = Peer::on_unix(move |request, stream: &mut dyn Stream| {
        !is_ping(request) && {
            let line = chunk("{\"status\":\"Downloading\"}\n");
            stream.write_all(format!("{CHUNKED}{line}").as_bytes()).unwrap();
            stream.wait_for_close();
            closed.send(()).unwrap();
            true
        }
    });
    block_on(async {
        let client = engine.client().await;
        let (seen, mut first) = tokio::sync::mpsc::unbounded_channel();
        let mut progress = move |line| drop(seen.send(line));
        tokio::select! {
            outcome = client.pull("a", &mut progress) => panic!("{outcome:?}"),
            line = first.recv() => assert_eq!(line.unwrap().status, "Downloading"),
        }
        // The runtime has no turn any more, and the peer sees it all the same.
        word.recv_timeout(SOON).unwrap();
    });
}

#[test]
fn a_pull_carries_the_login_of_its_registry_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let config_file = folder.path().join("config.json");
    // me:secret
    let config = r#"{"auths": {"https://r.example:5000/v2/": {"auth": "bWU6c2VjcmV0"}}}"#;
    std::fs::write(&config_file, config).unwrap();
    let engine = Peer::answering(http(200, ""));
    block_on(async {
        let settings = engine.settings().with_config_file(config_file);
        let client = Client::connect(settings).await.unwrap();
        engine.request();
        client.pull("r.example:5000/a", &mut |_| {}).await.unwrap();
        assert_eq!(
            header(&engine.request(), "x-registry-auth"),
            Some(
                "eyJ1c2VybmFtZSI6Im1lIiwicGFzc3dvcmQiOiJzZWNyZXQiLCJzZXJ2ZXJhZGRyZXNzIjoici5leGFt\
                 cGxlOjUwMDAifQ=="
            )
        );
        client.pull("other.example/a", &mut |_| {}).await.unwrap();
        assert_eq!(header(&engine.request(), "x-registry-auth"), None);
    });
}

/// A registry may put into its refusal what it was sent, and the engine tells it.
#[test]
fn a_login_that_its_registry_says_again_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let config_file = folder.path().join("config.json");
    // me:hunter2-hunter2
    let pair = "bWU6aHVudGVyMi1odW50ZXIy";
    let config = format!(r#"{{"auths": {{"r.example": {{"auth": "{pair}"}}}}}}"#);
    std::fs::write(&config_file, config).unwrap();
    let refusals = [
        http(500, &format!(r#"{{"message": "denied: Basic {pair}"}}"#)),
        http(404, r#"{"message": "unauthorized: hunter2-hunter2"}"#),
        http(200, &format!(r#"{{"errorDetail": {{"message": "denied: Basic {pair}"}}}}"#)),
    ];
    for refusal in refusals {
        let engine = Peer::answering(refusal);
        let settings = engine.settings().with_config_file(config_file.clone());
        block_on(async {
            let client = Client::connect(settings).await.unwrap();
            let error = client.pull("r.example/a", &mut |_| {}).await.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains('…'), "{shown}");
            assert!(!shown.contains(pair) && !shown.contains("hunter2"), "{shown}");
        });
    }
}

#[test]
fn a_reference_that_no_engine_takes_is_not_sent() {
    let engine = Peer::answering(http(200, ""));
    block_on(async {
        let client = engine.client().await;
        let error = client.pull("Not/A Ref", &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, DockerError::Reference { .. }), "{error}");
    });
}

#[test]
fn a_pull_that_stands_still_is_given_up() {
    block_on(async {
        for said in ["", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
            let engine = Peer::on_unix(move |request, stream| {
                !is_ping(request) && {
                    let _ = stream.write_all(said.as_bytes());
                    stream.wait_for_close();
                    true
                }
            });
            let mut settings = engine.settings();
            settings.pull_stall = Duration::from_millis(100);
            let client = Client::connect(settings).await.unwrap();
            let error = client.pull("r:5000/a:1", &mut |_| {}).await.unwrap_err();
            assert!(matches!(error, DockerError::Stalled { .. }), "{error:?}");
        }
    });
}
