//! Calls whose answer is short: what is asked, and what is made of bad answers.

use std::time::Duration;

use gantline::internal::docker::{
    AnswerError, Client, CreateContainer, DockerError, RemoveOptions,
};

use crate::docker_peer::{Peer, block_on, header, http, id, is_ping, target};

/// Makes one call to an engine that answers so; gives the request too.
fn call<T>(answer: &str, call: impl AsyncFnOnce(Client) -> T) -> (T, String) {
    let engine = Peer::answering(answer);
    block_on(async {
        let outcome = call(engine.client().await).await;
        (outcome, engine.request())
    })
}

fn inspect(answer: &str) -> DockerError {
    call(answer, async |client| client.inspect(&id()).await).0.unwrap_err()
}

#[test]
fn a_create_sends_name_and_body() {
    let body = CreateContainer::new("i:1", vec!["a b".to_owned()]);
    let answer = http(201, &format!(r#"{{"Id":"{}","Warnings":["w"]}}"#, id()));
    let (created, request) = call(&answer, async |client| client.create("n-1", &body).await);
    let created = created.unwrap();
    assert_eq!((created.id, created.warnings), (id(), vec!["w".to_owned()]));
    assert_eq!(target(&request), "POST /v1.41/containers/create?name=n-1");
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert!(request.ends_with(&serde_json::to_string(&body).unwrap()), "{request}");
}

#[test]
fn an_id_that_is_none_is_refused() {
    for bad in ["../../images/x", "", "xyz", "0123456789ab?force=1"] {
        let answer = http(201, &format!(r#"{{"Id":"{bad}","Warnings":null}}"#));
        let body = CreateContainer::new("i", Vec::new());
        let (created, _) = call(&answer, async |client| client.create("n", &body).await);
        let error = created.unwrap_err();
        assert!(matches!(error, DockerError::Answer { .. }), "{bad}: {error}");
    }
}

#[test]
fn what_is_so_already_is_no_error() {
    let not_modified = "HTTP/1.1 304 Not Modified\r\n\r\n";
    let (started, request) = call(not_modified, async |client| client.start(&id()).await);
    started.unwrap();
    assert_eq!(target(&request), format!("POST /v1.41/containers/{}/start", id()));
    let grace = Duration::from_millis(1_500);
    let (stopped, request) = call(not_modified, async |client| client.stop(&id(), grace).await);
    stopped.unwrap();
    assert_eq!(target(&request), format!("POST /v1.41/containers/{}/stop?t=2", id()));
}

#[test]
fn kill_and_remove_say_how() {
    let done = "HTTP/1.1 204 No Content\r\n\r\n";
    let (killed, request) = call(done, async |client| client.kill(&id(), "SIGINT").await);
    killed.unwrap();
    assert_eq!(target(&request), format!("POST /v1.41/containers/{}/kill?signal=SIGINT", id()));
    let all = RemoveOptions { force: true, volumes: true };
    let (removed, request) = call(done, async |client| client.remove(&id(), all).await);
    removed.unwrap();
    assert_eq!(target(&request), format!("DELETE /v1.41/containers/{}?force=1&v=1", id()));
    let plain = RemoveOptions::default();
    let (_, request) = call(done, async |client| client.remove(&id(), plain).await);
    assert_eq!(target(&request), format!("DELETE /v1.41/containers/{}", id()));
}

#[test]
fn what_does_not_say_that_it_was_done_was_not() {
    // A page of something that stands before the engine.
    let page = http(200, "<html>Welcome</html>");
    let removed = async |client: Client| {
        client.remove(&id(), RemoveOptions { force: true, volumes: true }).await
    };
    for outcome in [
        call(&page, async |client| client.start(&id()).await).0,
        call(&page, async |client| client.stop(&id(), Duration::ZERO).await).0,
        call(&page, async |client| client.kill(&id(), "KILL").await).0,
        call(&page, removed).0,
    ] {
        let error = outcome.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(matches!(error, DockerError::Answer { .. }), "{error:?}");
        assert_eq!(source, "it does not say that this was done");
    }
}

#[test]
fn a_list_asks_for_all_states_and_all_labels() {
    let answer = format!(
        r#"[{{"Id":"{}","Names":["/n"],"Image":"i","Labels":{{"a":"b"}},"State":"created",
            "Created":7,"Ports":[]}}]"#,
        id()
    );
    let labels = [("gantline.run", None), ("gantline.host", Some("h&x=1"))];
    let (list, request) =
        call(&http(200, &answer), async |client| client.list(&labels).await.unwrap());
    let [container] = &list[..] else { panic!("{list:?}") };
    assert_eq!((&container.id, container.state.as_str(), container.created), (&id(), "created", 7));
    assert_eq!(
        target(&request),
        "GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22gantline.run%22%2C\
         %22gantline.host%3Dh%26x%3D1%22%5D%7D"
    );
}

#[test]
fn a_refusal_keeps_status_message_and_endpoint() {
    let error = inspect(&http(404, r#"{"message":"No such container: 0123"}"#));
    let expected = format!(
        "the engine refused GET /containers/{}/json: No such container: 0123 (status 404)",
        id()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.is_not_found() && !error.is_conflict() && !error.is_transient());
}

#[test]
fn a_refusal_that_is_not_json_is_shown_short() {
    let page = format!("<html>{}", "<p>Bad\tGateway</p>\n".repeat(3_000));
    let error = inspect(&http(500, &page));
    let message = error.to_string();
    assert!(message.contains(": <html><p>Bad Gateway</p> <p>"), "{message}");
    assert!(message.ends_with("… (status 500)") && message.len() < 500, "{message}");
    assert!(!error.is_transient());
    assert!(inspect(&http(503, "")).is_transient());
    assert!(inspect(&http(503, "")).to_string().ends_with(": no message (status 503)"));
}

#[test]
fn a_redirect_is_not_followed() {
    let moved = "HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n";
    assert!(inspect(moved).to_string().ends_with("no message (status 301)"));
}

#[test]
fn json_that_is_cut_off_is_told_from_other_json() {
    let error = inspect(&http(200, r#"{"State":{"Status":"#));
    assert!(matches!(error, DockerError::Answer { source: AnswerError::Truncated, .. }));
    let error = inspect(&http(200, r#"{"State":[]}"#));
    assert!(matches!(error, DockerError::Answer { source: AnswerError::Json(_), .. }));
}

#[test]
fn an_answer_that_the_connection_cuts_off_is_broken() {
    for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "HTTP/1.1 200 OK\r\n", ""] {
        let error = inspect(answer);
        assert!(matches!(error, DockerError::Broken { .. }), "{answer:?}: {error}");
        assert!(error.is_transient());
    }
}

/// An engine that answers with this head and then the body without end.
fn endless(head: &'static str, body: &'static [u8]) -> Peer {
    Peer::on_unix(move |request, stream| {
        if is_ping(request) {
            return false;
        }
        let body = body.repeat(1_000);
        let mut written = stream.write_all(head.as_bytes());
        // Until the client hangs up.
        while written.is_ok() {
            written = stream.write_all(&body);
        }
        true
    })
}

#[test]
fn an_answer_without_end_is_given_up() {
    let engine = endless("HTTP/1.1 200 OK\r\n\r\n", b"[[[[[[[[[[");
    block_on(async {
        let error = engine.client().await.inspect(&id()).await.unwrap_err();
        let DockerError::Answer { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.to_string(), "longer than 33554432 bytes");
    });
}

#[test]
fn a_refusal_without_end_is_cut_off() {
    let engine = endless("HTTP/1.1 500 Whatever\r\n\r\n", b"no no no ");
    block_on(async {
        let error = engine.client().await.inspect(&id()).await.unwrap_err();
        assert!(error.to_string().contains("no no no no"), "{error}");
        assert!(error.to_string().len() < 500);
    });
}

#[test]
fn a_head_without_end_is_given_up() {
    let engine = endless("HTTP/1.1 200 OK\r\n", b"X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n");
    block_on(async {
        let error = engine.client().await.inspect(&id()).await.unwrap_err();
        assert!(
            matches!(error, DockerError::Answer { source: AnswerError::NotHttp(_), .. }),
            "{error}"
        );
        assert!(!error.is_transient());
    });
}

#[test]
fn an_answer_that_stops_in_the_middle_is_given_up_in_time() {
    let engine = Peer::on_unix(|request, stream| {
        !is_ping(request) && {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"St").unwrap();
            stream.wait_for_close();
            true
        }
    });
    block_on(async {
        let client = engine.hasty_client(Duration::from_millis(200)).await;
        let error = client.inspect(&id()).await.unwrap_err();
        assert!(matches!(error, DockerError::TimedOut { .. }), "{error}");
    });
}

#[test]
fn an_inspect_keeps_what_the_outcome_needs() {
    let answer = http(
        200,
        r#"{"State":{"Status":"exited","Running":false,"ExitCode":3,"OOMKilled":true,
            "Error":"first\n\u001b[31msecond","Pid":0},"Config":{"Tty":true},"HostConfig":{}}"#,
    );
    let (state, request) = call(&answer, async |client| client.inspect(&id()).await.unwrap());
    assert_eq!(target(&request), format!("GET /v1.41/containers/{}/json", id()));
    assert_eq!((state.status.as_str(), state.running, state.exit_code), ("exited", false, 3));
    assert_eq!((state.oom_killed, state.tty), (true, true));
    assert_eq!(state.error.as_deref(), Some("first [31msecond"));
}

#[test]
fn an_image_is_asked_for_by_its_reference() {
    let answer =
        http(200, r#"{"Id":"sha256:1","RepoTags":null,"RepoDigests":["a@b"],"Config":{}}"#);
    let (image, request) =
        call(&answer, async |client| client.inspect_image("h:5000/a/b:c").await.unwrap());
    assert_eq!((image.id.as_str(), image.user), ("sha256:1", None));
    assert_eq!(image.repo_digests, ["a@b"]);
    assert_eq!(target(&request), "GET /v1.41/images/h:5000/a/b:c/json");
}
