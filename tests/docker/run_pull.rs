//! Images that have to be pulled first.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::command::Invocation;

/// An image in the registry of `tests/env/registry.sh up`, and not in the engine when this is
/// dropped.
struct Image(String);

impl Image {
    fn new(name: &str) -> Self {
        let registry = std::env::var("GANTLINE_TEST_REGISTRY").expect(
            "GANTLINE_TEST_REGISTRY is not set: run `eval \"$(tests/env/registry.sh up)\"`",
        );
        Self(format!("{registry}/{name}"))
    }

    fn job(&self, pull: &Value) -> Value {
        json!({"image": self.0, "pull_image": pull, "container_args": ["echo", "pulled"]})
    }

    fn remove(&self) {
        // That it is not there is as good.
        Command::new("docker").args(["image", "rm", "--force", &self.0]).output().unwrap();
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.remove();
    }
}

#[test]
fn an_image_is_pulled_by_its_policy_and_the_pull_is_told() {
    let image = Image::new("gantline/busybox:latest");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    for (policy, there, pulls) in [
        (json!("if-not-present"), false, true),
        (json!("if-not-present"), true, false),
        (json!(false), true, false),
        (json!(true), true, true),
    ] {
        if !there {
            image.remove();
        }
        std::fs::write(&path, image.job(&policy).to_string()).unwrap();
        let run = Invocation::of(&["run", "--progress", "plain"]).arg(&path).finish();
        assert_eq!(run.code, 0, "{run}");
        assert_eq!(run.stdout, b"pulled\n");
        assert_eq!(run.stderr.contains("gantline: pull: "), pulls, "{policy}: {run}");
    }
    image.remove();
    let run = Invocation::job(&image.job(&json!(false))).finish();
    assert_eq!(run.code, 125, "{run}");
}

#[test]
fn an_image_that_no_registry_has_is_named() {
    let image = Image::new("gantline/no-such-image:1");
    let run = Invocation::job(&image.job(&json!(true))).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("cannot get the image"), "{run}");
    assert!(run.stderr.contains("no-such-image"), "{run}");
    assert_eq!(run.report.as_ref().unwrap()["container_id"], json!(null));
}

#[test]
fn a_registry_that_wants_a_login_is_named_with_the_way_to_get_one() {
    let registry = std::env::var("GANTLINE_TEST_PRIVATE_REGISTRY").expect(
        "GANTLINE_TEST_PRIVATE_REGISTRY is not set: run `eval \"$(tests/env/registry.sh up)\"`",
    );
    let image = Image(format!("{registry}/gantline/busybox:latest"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("job.json");
    std::fs::write(&path, image.job(&json!(true)).to_string()).unwrap();
    let run = |login: Option<&str>| {
        if let Some(login) = login {
            let login = json!({"auths": {&registry: {"username": "gantline", "password": login}}});
            std::fs::write(folder.path().join("config.json"), login.to_string()).unwrap();
        }
        let run = Invocation::of(&["run", "--progress", "none"]).arg(&path);
        run.env("DOCKER_CONFIG", folder.path()).finish()
    };
    for login in [None, Some("lower")] {
        let run = run(login);
        assert_eq!(run.code, 125, "{run}");
        assert_eq!(run.stderr.lines().count(), 1, "{run}");
        assert!(run.stderr.contains("cannot get the image"), "{run}");
        let way_out = format!("run `docker login {registry}`");
        assert!(run.stderr.contains(&way_out), "{run}");
        assert_eq!(run.stderr.contains("that login is wrong"), login.is_some(), "{run}");
        assert!(!run.stderr.contains("lower"), "{run}");
    }
    let run = run(Some("password"));
    assert_eq!((run.code, &*run.stdout), (0, &b"pulled\n"[..]), "{run}");
}

#[test]
fn a_credential_helper_that_is_not_there_is_a_warning() {
    let image = Image::new("gantline/busybox:latest");
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"credsStore": "of-no-system"}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let run = Invocation::job(&image.job(&json!(true)));
    let run = run.env("DOCKER_CONFIG", folder.path()).finish();
    assert_eq!((run.code, &*run.stdout), (0, &b"pulled\n"[..]), "{run}");
    assert!(run.stderr.contains("names docker-credential-of-no-system"), "{run}");
}

#[test]
fn a_pull_that_fails_while_the_image_is_there_names_the_way_out() {
    // No registry has it.
    let mut job = json!({"image": "127.0.0.1:1/gantline-test:busybox", "pull_image": true,
        "container_args": ["echo", "pulled"]});
    let tag = |arguments: &[&str]| Command::new("docker").args(arguments).output().unwrap();
    tag(&["tag", "gantline-test:busybox", "127.0.0.1:1/gantline-test:busybox"]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains(r#""pull_image": "if-not-present" uses"#), "{run}");
    job["pull_image"] = "if-not-present".into();
    let run = Invocation::job(&job).finish();
    assert_eq!((run.code, &*run.stdout), (0, &b"pulled\n"[..]), "{run}");
    tag(&["rmi", "127.0.0.1:1/gantline-test:busybox"]);
}
