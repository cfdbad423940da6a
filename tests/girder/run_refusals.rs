//! Files that cannot be had: the message says which and why, the code is 125, and nothing is left.

use serde_json::json;

use crate::support::command::Finished;
use crate::support::girder::{Girder, Stored};
use crate::support::job::{Job, connect, girder_file, named_input_pipe};
use crate::support::seeded::Seeded;

const NO_SUCH_FILE: &str = "000000000000000000000000";

/// A job whose container would leave a word.
fn job(girder: &Girder, file: &Stored) -> Job {
    let stream = connect(girder_file(file), named_input_pipe("in"));
    Job::script("echo started; cat $1").arg(stream).girder(girder)
}

/// That it failed before any container was made, with all of these words in its one line.
fn assert_refused(run: &Finished, words: &[&str]) {
    assert_eq!(run.code, 125, "{run}");
    assert_eq!(run.stdout, b"", "{run}");
    assert_eq!(run.stderr.lines().count(), 1, "{run}");
    assert!(run.stderr.starts_with("gantline: "), "{run}");
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is not in {run}");
    }
    assert_eq!(run.reported("container_id"), &json!(null));
    assert_eq!(run.reported("exit_code"), &json!(null));
    let error = run.reported("error").as_str().unwrap();
    assert_eq!(run.stderr.trim_end(), format!("gantline: {error}"));
}

fn of(id: &str) -> Stored {
    Stored { id: id.to_owned(), sha256: String::new(), size: 0 }
}

#[test]
fn a_file_that_girder_does_not_have_is_named() {
    let girder = Girder::log_in();
    let run = job(&girder, &of(NO_SUCH_FILE)).finish();
    assert_refused(&run, &[NO_SUCH_FILE, girder.api(), "Girder"]);
}

#[test]
fn an_id_that_is_none_is_named() {
    let girder = Girder::log_in();
    let run = job(&girder, &of("nonsense")).finish();
    assert_refused(&run, &["nonsense", "id"]);
}

#[test]
fn a_folder_where_a_file_is_due_is_named() {
    let girder = Girder::log_in();
    let run = job(&girder, &of(girder.folder())).finish();
    assert_refused(&run, &["there is no file", girder.folder(), girder.api()]);
}

#[test]
fn a_private_file_is_refused_without_a_token_and_says_what_is_needed() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 10));
    let run = job(&girder, &file).set("girder_client_token", json!(null)).finish();
    assert_refused(&run, &[&file.id, girder.api(), "a token or an API key is needed"]);
}

#[test]
fn a_private_file_is_refused_to_a_token_that_is_not_valid() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 10));
    let token = "a".repeat(64);
    let run = job(&girder, &file).set("girder_client_token", token.as_str()).finish();
    assert_refused(&run, &[&file.id, girder.api(), "not valid, or has expired"]);
    assert!(!format!("{run}").contains(&token), "{run}");
}

#[test]
fn a_private_file_is_refused_to_a_user_who_may_not_see_it() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 10));
    let token = girder.stranger();
    let run = job(&girder, &file).set("girder_client_token", token.as_str()).finish();
    assert_refused(&run, &[&file.id, girder.api(), "access"]);
    assert!(!format!("{run}").contains(&token), "{run}");
}

#[test]
fn one_file_that_is_refused_among_several_fails_the_run_by_its_name() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 5_000_000));
    let refused = connect(girder_file(&of(NO_SUCH_FILE)), named_input_pipe("in2"));
    let run = job(&girder, &file).arg(refused).finish();
    assert_refused(&run, &[NO_SUCH_FILE]);
}

#[test]
fn an_address_without_the_api_and_one_where_nobody_listens_are_told_apart() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(1, 10));
    let root = girder.api().strip_suffix("/api/v1").unwrap();
    let run = job(&girder, &file).set("girder_api_url", root).finish();
    assert_refused(&run, &[girder.api()]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = job(&girder, &file).set("girder_api_url", format!("http://{nobody}/api/v1")).finish();
    assert_refused(&run, &[&nobody.to_string(), "refused"]);
}

#[test]
fn the_token_and_the_address_may_come_from_the_command_line_and_the_environment() {
    let girder = Girder::log_in();
    let file = girder.upload("file", Seeded::new(2, 1000));
    let stream = connect(girder_file(&file), named_input_pipe("in"));
    let job = Job::program(&["sha256sum"]).arg(stream);
    let by_options = job.invocation().arg("--girder-url").arg(girder.api());
    let by_options = by_options.arg("--girder-token").arg(girder.token()).finish();
    let by_variables = job.invocation().env("GIRDER_API_URL", girder.api());
    let by_variables = by_variables.env("GIRDER_TOKEN", girder.token()).finish();
    for run in [by_options, by_variables] {
        assert_eq!(run.code, 0, "{run}");
        assert!(run.text().starts_with(&file.sha256), "{run}");
    }
    let run = job.finish();
    assert_eq!(run.code, 2, "a job that names no server cannot be run: {run}");
    assert!(run.stderr.contains("girder_api_url"), "{run}");
}
