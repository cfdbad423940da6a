//! The life of a container through our own client.

use std::io::Read;
use std::time::Duration;

use gantline::internal::docker::{
    ApiVersion, Client, CreateContainer, DockerError, RemoveOptions, StartFailure,
};

use crate::engine_client_support::{
    Container, IMAGE, block_on, blocking, client, settings, strings, unique,
};

#[test]
fn a_container_lives_from_create_to_remove() {
    block_on(async {
        let client = client().await;
        let script = "echo out; echo err >&2; exit 3";
        let container = Container::create(&client, &["sh", "-c", script]).await;
        let state = client.inspect(&container.id).await.unwrap();
        assert_eq!((state.status.as_str(), state.running), ("created", false));

        let (stdout, stderr, code) = container.run(&client).await;
        assert_eq!((&stdout[..], &stderr[..], code), (&b"out\n"[..], &b"err\n"[..], 3));

        let state = client.inspect(&container.id).await.unwrap();
        assert_eq!((state.status.as_str(), state.exit_code), ("exited", 3));
        assert_eq!((state.oom_killed, state.error), (false, None));
        client.remove(&container.id, RemoveOptions::default()).await.unwrap();
        assert!(client.inspect(&container.id).await.unwrap_err().is_not_found());
    });
}

#[test]
fn the_oldest_version_that_we_speak_does_it_all() {
    block_on(async {
        client().await;
        let oldest = settings().with_api_version(ApiVersion::OLDEST);
        // Engines of 2025 and later have given it up: then they say so.
        let client = match Client::connect(oldest).await {
            Ok(client) => client,
            Err(error) => return assert!(error.to_string().contains("too old"), "{error}"),
        };
        assert_eq!(client.version(), ApiVersion::OLDEST);
        let container = Container::create(&client, &["echo", "x"]).await;
        assert_eq!(container.run(&client).await, (b"x\n".to_vec(), Vec::new(), 0));
    });
}

#[test]
fn a_version_that_the_engine_does_not_know_is_refused() {
    block_on(async {
        let pinned = settings().with_api_version(ApiVersion::new(1, 999));
        let error = Client::connect(pinned).await.unwrap_err();
        assert!(error.to_string().contains("DOCKER_API_VERSION asks for 1.999"), "{error}");
    });
}

#[test]
fn both_streams_are_exact_and_separate() {
    block_on(async {
        let client = client().await;
        let script = "i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo out$i; echo err$i >&2; \
                      done; printf end";
        let container = Container::create(&client, &["sh", "-c", script]).await;
        let (stdout, stderr, code) = container.run(&client).await;
        let lines = |what: &str| (1..=4000).map(|i| format!("{what}{i}\n")).collect::<String>();
        assert_eq!(String::from_utf8(stdout).unwrap(), lines("out") + "end");
        assert_eq!(String::from_utf8(stderr).unwrap(), lines("err"));
        assert_eq!(code, 0);
    });
}

#[test]
fn bytes_that_are_no_text_come_as_they_are() {
    block_on(async {
        let client = client().await;
        let script = "dd if=/dev/urandom bs=65536 count=80 2>/dev/null >/tmp/x; \
                      sha256sum </tmp/x >&2; cat /tmp/x";
        let container = Container::create(&client, &["sh", "-c", script]).await;
        let (stdout, stderr, _) = container.run(&client).await;
        assert_eq!(stdout.len(), 80 * 65_536);
        use sha2::Digest;
        let digest: String =
            sha2::Sha256::digest(&stdout).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(stderr.starts_with(digest.as_bytes()), "{digest}");
    });
}

#[test]
fn a_container_is_given_entrypoint_binds_and_labels() {
    block_on(async {
        let client = client().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "from the host").unwrap();
        let run = unique("run");
        let mut body = CreateContainer::new(IMAGE, strings(&["/data/file"]));
        body.entrypoint = Some(strings(&["cat"]));
        body.host_config.binds = vec![format!("{}:/data:ro", folder.path().display())];
        body.host_config.network_mode = "host".to_owned();
        body.labels.insert("gantline.client-test".to_owned(), run.clone());
        let container = Container::of(&client, &body).await;

        // One that was never started is found, too.
        let list = client.list(&[("gantline.client-test", Some(&run))]).await.unwrap();
        let [found] = &list[..] else { panic!("{list:?}") };
        assert_eq!((&found.id, found.state.as_str()), (&container.id, "created"));
        assert_eq!(
            (found.labels.get("gantline.client-test"), found.created > 0),
            (Some(&run), true)
        );
        let labels = [("gantline.client-test", Some(&run[..])), ("gantline.no-such-label", None)];
        assert_eq!(client.list(&labels).await.unwrap(), []);
        assert!(!client.list(&[("gantline.client-test", None)]).await.unwrap().is_empty());

        assert_eq!(container.run(&client).await, (b"from the host".to_vec(), Vec::new(), 0));
    });
}

#[test]
fn a_command_that_is_not_there_is_told_from_other_failures() {
    block_on(async {
        let client = client().await;
        let failure = async |cmd: &[&str], bind: Option<&str>| {
            let mut body = CreateContainer::new(IMAGE, strings(cmd));
            body.host_config.binds.extend(bind.map(str::to_owned));
            let container = Container::of(&client, &body).await;
            let error = client.start(&container.id).await.unwrap_err();
            let state = client.inspect(&container.id).await.unwrap();
            assert_eq!(state.status, "created");
            (error.start_failure(), state.exit_code, error.to_string())
        };
        let (why, code, message) = failure(&["no-such-command"], None).await;
        assert_eq!((why, code), (StartFailure::NotFound, 127), "{message}");
        let (why, code, message) = failure(&["/no/such/command"], None).await;
        assert_eq!((why, code), (StartFailure::NotFound, 127), "{message}");
        let (why, code, message) = failure(&["/tmp"], None).await;
        assert_eq!((why, code), (StartFailure::NotExecutable, 126), "{message}");
        let (why, code, message) = failure(&["/etc/passwd"], Some("/etc/passwd:/etc/passwd")).await;
        assert_eq!((why, code), (StartFailure::NotExecutable, 126), "{message}");
        let (why, _, message) = failure(&["true"], Some("/etc/passwd:/bin/busybox/x")).await;
        assert_eq!(why, StartFailure::Other, "{message}");
    });
}

#[test]
fn a_start_that_fails_ends_the_attach_and_not_the_wait() {
    block_on(async {
        let client = client().await;
        let container = Container::create(&client, &["no-such-command"]).await;
        let attached = client.attach(&container.id).await.unwrap();
        let wait = client.wait_next_exit(&container.id).await.unwrap();
        let error = client.start(&container.id).await.unwrap_err();
        assert!(matches!(error, DockerError::Engine { status: 400, .. }), "{error}");
        let mut rest = attached.read_ahead.to_vec();
        blocking(attached.socket).read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
        let limit = Duration::from_millis(300);
        tokio::time::timeout(limit, wait.exit()).await.unwrap_err();
        container.remove(&client).await;
    });
}

#[test]
fn a_removal_ends_a_wait_for_a_container_that_never_ran() {
    block_on(async {
        let client = client().await;
        let container = Container::create(&client, &["true"]).await;
        let attached = client.attach(&container.id).await.unwrap();
        drop(attached);
        container.remove(&client).await;
        let error = client.wait_next_exit(&container.id).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    });
}

#[test]
fn a_name_that_is_taken_is_a_conflict_and_a_missing_image_is_not_found() {
    block_on(async {
        let client = client().await;
        let name = unique("taken");
        let body = CreateContainer::new(IMAGE, Vec::new());
        let created = client.create(&name, &body).await;
        let container = Container { id: created.unwrap().id };
        let error = client.create(&name, &body).await.unwrap_err();
        assert!(error.is_conflict() && error.to_string().contains(&name), "{error}");
        container.remove(&client).await;

        let body = CreateContainer::new("gantline-client-test/no-such-image", Vec::new());
        let error = client.create(&unique("none"), &body).await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
        assert!(error.to_string().contains("POST /containers/create"), "{error}");
        assert!(error.to_string().contains("gantline-client-test/no-such-image"), "{error}");
    });
}

#[test]
fn a_stop_ends_with_a_kill_when_the_grace_is_over() {
    block_on(async {
        let client = client().await;
        // A first process has no default for SIGTERM.
        let container = Container::create(&client, &["sleep", "600"]).await;
        let wait = client.wait_next_exit(&container.id).await.unwrap();
        client.start(&container.id).await.unwrap();
        client.stop(&container.id, Duration::from_millis(500)).await.unwrap();
        assert_eq!(wait.exit().await.unwrap().status_code, 137);
        let state = client.inspect(&container.id).await.unwrap();
        assert_eq!((state.exit_code, state.oom_killed), (137, false));
        client.stop(&container.id, Duration::ZERO).await.unwrap();
    });
}

#[test]
fn a_stop_that_is_heeded_gives_the_containers_own_code() {
    block_on(async {
        let client = client().await;
        let script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done";
        let container = Container::create(&client, &["sh", "-c", script]).await;
        let attached = client.attach(&container.id).await.unwrap();
        let wait = client.wait_next_exit(&container.id).await.unwrap();
        client.start(&container.id).await.unwrap();
        let mut frame = [0; 14];
        blocking(attached.socket).read_exact(&mut frame).unwrap();
        assert_eq!(&frame[8..], b"ready\n");
        client.stop(&container.id, Duration::from_secs(20)).await.unwrap();
        assert_eq!(wait.exit().await.unwrap().status_code, 5);
    });
}

#[test]
fn a_kill_is_for_containers_that_run_and_a_removal_for_those_that_do_not() {
    block_on(async {
        let client = client().await;
        let container = Container::create(&client, &["sleep", "600"]).await;
        assert!(client.kill(&container.id, "SIGKILL").await.unwrap_err().is_conflict());
        let wait = client.wait_next_exit(&container.id).await.unwrap();
        client.start(&container.id).await.unwrap();
        let error = client.remove(&container.id, RemoveOptions::default()).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        client.kill(&container.id, "SIGKILL").await.unwrap();
        assert_eq!(wait.exit().await.unwrap().status_code, 137);
    });
}

#[test]
fn several_calls_go_on_at_once() {
    block_on(async {
        let client = client().await;
        let container = Container::create(&client, &["sleep", "600"]).await;
        let wait = client.wait_next_exit(&container.id).await.unwrap();
        let calls = async {
            client.start(&container.id).await.unwrap();
            let (one, two) =
                tokio::join!(client.inspect(&container.id), client.inspect_image(IMAGE));
            assert!(one.unwrap().running);
            assert!(two.unwrap().id.starts_with("sha256:"));
            client.kill(&container.id, "KILL").await.unwrap();
        };
        let ((), exit) = tokio::join!(calls, wait.exit());
        assert_eq!(exit.unwrap().status_code, 137);
    });
}

#[test]
fn an_image_is_found_by_name_and_by_id() {
    block_on(async {
        let client = client().await;
        let image = client.inspect_image(IMAGE).await.unwrap();
        assert!(image.repo_tags.iter().any(|tag| tag == IMAGE), "{image:?}");
        assert_eq!(image.user, None);
        assert_eq!(client.inspect_image(&image.id).await.unwrap(), image);
        let short = image.id.trim_start_matches("sha256:").get(..12).unwrap();
        assert_eq!(client.inspect_image(short).await.unwrap(), image);
        let error = client.inspect_image("gantline-client-test/none:x").await.unwrap_err();
        assert!(error.is_not_found(), "{error}");
    });
}
