//! `gantline worker --check`: says whether a worker could work, and changes nothing.

use std::process::{Command, Output};

use crate::place::Kind;
use crate::site::Site;

fn check(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_gantline"))
        .args(["worker", "--check"])
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_check_says_what_the_worker_would_do_and_declares_nothing() {
    for kind in [Kind::RabbitMq, Kind::Redis] {
        let site = Site::new(kind);
        let queue = site.queue();
        let arguments = ["--broker", site.broker(), "--queues", queue, "--others-to", "python"];
        // A worker of that name is no hindrance.
        let worker = site.worker(&["--queues", &site.other_queue()]);
        let named = [arguments.as_slice(), &["--hostname", site.node()]].concat();
        let (code, told, said) = check(&named, &[]);
        assert_eq!(code, Some(0), "{said}");
        assert!(told.contains(&format!("It would take messages from {queue}")), "{told}");
        assert!(told.contains("are published to python"), "{told}");
        let cores = std::thread::available_parallelism().unwrap();
        assert!(told.contains(&format!("run {cores} jobs at once")), "{told}");
        assert!(!told.contains("guest:guest"), "{told}");
        worker.ends_well();
        if kind == Kind::RabbitMq {
            assert!(site.is_absent(queue));
        }
    }
}

#[test]
fn a_check_names_what_is_not_there() {
    let site = Site::new(Kind::Redis);
    let arguments = ["--broker", site.broker()];
    let (code, _, said) = check(&arguments, &[("DOCKER_HOST", "unix:///no/such/socket")]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot use the engine") && said.contains("/no/such/socket"), "{said}");
    let (code, _, said) = check(&arguments, &[("TMPDIR", "/no/such/folder")]);
    assert!(code == Some(2) && said.contains("TMPDIR, where temporary volumes are made"), "{said}");
    let (code, _, said) = check(&["--broker", "amqp://127.0.0.1:1"], &[]);
    assert!(code == Some(1) && said.matches("refused").count() == 1, "{said}");
    let (code, _, said) = check(&["--broker", "redis://:wrong@127.0.0.1:1/0"], &[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("127.0.0.1:1") && !said.contains("wrong"), "{said}");
    assert_eq!(said.matches("refused").count(), 1, "{said}");
    let nobody = format!("redis://127.0.0.1:1/0;{}", site.broker());
    let (code, _, said) = check(&["--broker", &nobody], &[]);
    assert!(code == Some(0) && said.contains("127.0.0.1:1"), "{said}");
    let (code, _, said) = check(&["--broker", "sqs://x"], &[]);
    assert_eq!(code, Some(2), "{said}");
    // Girder's own queue.
    let (code, _, said) = check(&["--queues", "celery,local"], &[]);
    assert!(code == Some(2) && said.contains("\"local\" is Girder's own"), "{said}");
    let (code, _, said) = check(&["--backend", "mongodb://x"], &[]);
    assert!(code == Some(2) && said.contains("mongodb"), "{said}");
}

#[test]
fn the_first_variable_that_is_set_names_the_broker() {
    let at = |port: u8| format!("redis://127.0.0.1:{port}/0");
    let [option, ours, celery, girder] = [at(1), at(2), at(3), at(4)];
    let variables = [
        ("GANTLINE_WORKER_BROKER", &*ours),
        ("CELERY_BROKER_URL", &*celery),
        ("GIRDER_WORKER_BROKER", &*girder),
    ];
    let tried = |arguments: &[&str], set: &[(&str, &str)], port: u8| {
        let (code, _, said) = check(arguments, set);
        assert!(code == Some(1) && said.contains(&format!("127.0.0.1:{port}")), "{port}: {said}");
    };
    tried(&["--broker", &option], &variables, 1);
    tried(&[], &variables, 2);
    tried(&[], &variables[1..], 3);
    tried(&[], &variables[2..], 4);
    let of_results = [("CELERY_RESULT_BACKEND", "a://"), ("GIRDER_WORKER_BACKEND", "b://")];
    for (set, name) in [(&of_results[..], "a"), (&of_results[1..], "b")] {
        let (code, _, said) = check(&[], set);
        assert!(code == Some(2) && said.contains(&format!("`{name}")), "{said}");
    }
}

#[test]
fn a_worker_whose_name_is_taken_or_that_may_not_connect_ends_with_one_line() {
    let site = Site::new(Kind::RabbitMq);
    let _worker = site.worker(&[]);
    let ended_with = |broker: &str, words: &str| {
        let worker = site.starting_worker(&["--broker", broker], &[]);
        worker.has_ended_saying(1, words);
    };
    ended_with(site.broker(), &format!("a worker called `{}` is connected already", site.node()));
    let other = site.broker().replace("guest:guest", "guest:wrong");
    ended_with(&other, "refuses the login of `guest`");
    let other = format!("{}nowhere", site.broker().trim_end_matches('/').to_owned() + "/");
    ended_with(&other, "has no vhost `nowhere`");
    let other = format!("{}/999999", crate::place::server(Kind::Redis));
    ended_with(&other, "has no database 999999");
    let other = crate::place::server(Kind::Redis).replace("redis://", "redis://nobody:wrong@");
    ended_with(&format!("{other}/0"), "refuses the login of `nobody`");
}

#[test]
fn girder_workers_run_options_are_for_every_container_of_the_workers() {
    let site = Site::of_one_broker();
    let options = r#"{"environment": {"OF": "the worker"}}"#;
    let worker = site.starting_worker(&[], &[("GIRDER_WORKER_DOCKER_RUN_OPTIONS", options)]);
    let job = site.send(&crate::site::script("echo of $OF"), serde_json::json!({}));
    assert_eq!(job.ended(), crate::jobs::SUCCESS, "{}", job.log());
    assert!(job.log().contains("of the worker\n"), "{}", job.log());
    worker.ends_well();
}

#[test]
fn girder_workers_logging_level_is_the_workers() {
    let site = Site::of_one_broker();
    let worker = site.starting_worker(&[], &[("GIRDER_WORKER_LOGGING_LEVEL", "WARNING")]);
    let job = site.send(&crate::site::script("echo once"), serde_json::json!({}));
    assert_eq!(job.ended(), crate::jobs::SUCCESS);
    assert_eq!(worker.log(), "");
    worker.ends_well();
}
