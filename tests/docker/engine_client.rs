//! The life of a container through our own client.

use gantline::docker::{CreateContainer, StartFailure};

use crate::engine_client_support::{Container, IMAGE, block_on, client, strings};

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
        container.remove(&client).await;
        assert!(client.inspect(&container.id).await.unwrap_err().is_not_found());
    });
}

#[test]
fn a_command_that_is_not_there_is_told_from_other_failures() {
    block_on(async {
        let client = client().await;
        let failure = async |cmd: &[&str]| {
            let container =
                Container::of(&client, &CreateContainer::new(IMAGE, strings(cmd))).await;
            let error = client.start(&container.id).await.unwrap_err();
            let state = client.inspect(&container.id).await.unwrap();
            assert_eq!(state.status, "created");
            (error.start_failure(), state.exit_code, error.to_string())
        };
        let (why, code, message) = failure(&["no-such-command"]).await;
        assert_eq!((why, code), (StartFailure::NotFound, 127), "{message}");
        let (why, code, message) = failure(&["/no/such/command"]).await;
        assert_eq!((why, code), (StartFailure::NotFound, 127), "{message}");
        let (why, code, message) = failure(&["/tmp"]).await;
        assert_eq!((why, code), (StartFailure::NotExecutable, 126), "{message}");
    });
}
