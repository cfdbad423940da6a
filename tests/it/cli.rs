//! The command without an engine: `check`, `schema`, `depot`, help, and bad usage.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::message::MESSAGES;

pub(super) fn gantline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("DOCKER_HOST").env_remove("GANTLINE_LOG").env("HOME", "/home/me");
    for name in ["GIRDER_API_URL", "GIRDER_TOKEN", "GIRDER_API_KEY"] {
        command.env_remove(name);
    }
    for name in ["GANTLINE_WORKER_BROKER", "CELERY_BROKER_URL", "GIRDER_WORKER_BROKER"] {
        command.env_remove(name);
    }
    command
}

pub(super) fn finish(mut child: Child, input: &str) -> Output {
    // A command that does not read its input closes it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The exit code, standard output and standard error of the command with such an input.
pub(super) fn said(arguments: &[&str], input: &str) -> (i32, String, String) {
    let output = finish(gantline(arguments).spawn().unwrap(), input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn check(job: &Value) -> (i32, String, String) {
    said(&["check", "-"], &job.to_string())
}

#[test]
fn check_says_what_is_to_be_mounted_and_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let [there, missing] = ["there", "missing"].map(|name| folder.path().join(name));
    std::fs::create_dir(&there).unwrap();
    let volumes =
        json!([format!("{}:/a", there.display()), format!("{}:/b", missing.display()), "named:/c"]);
    let (code, _, stderr) = check(&json!({"image": "busybox", "volumes": volumes}));
    assert_eq!((code, stderr.lines().count()), (0, 1), "{stderr}");
    let words = format!("{} is to be mounted and is not there", missing.display());
    assert!(stderr.contains(&words), "{stderr}");
}

#[test]
fn check_says_what_would_be_mounted_passed_and_moved() {
    let (code, stdout, stderr) = check(&json!({
        "image": "busybox",
        "pull_image": "if-not-present",
        "volumes": {"/data": {"bind": "/mnt/data", "mode": "ro"}},
        "container_args": ["wc", "-c", {
            "type": "Connect",
            "input": {"type": "GirderFileIdToStream", "id": "5f"},
            "output": {"type": "NamedInputPipe", "name": "in"},
        }, {"type": "GirderApiUrl"}, {"type": "GirderToken"}],
        "girder_client_token": "hidden",
    }));
    assert_eq!(code, 0, "{stderr}");
    for line in [
        "image: busybox (pulled if the engine does not have it)",
        "  (temporary directory):/mnt/girder_worker/<uuid>:rw",
        "  /data:/mnt/data:ro",
        "  \"wc\"",
        "  \"/mnt/girder_worker/<uuid>/in\"",
        "  \"<Girder API URL>\"",
        "  \"<Girder token>\"",
        "  girder:5f → fifo:in",
        "  container:stdout → host:stdout",
        "container: removed after the run",
    ] {
        assert!(stdout.lines().any(|found| found == line), "no {line:?} in\n{stdout}");
    }
    assert!(!stdout.contains("hidden"));
}

#[test]
fn a_path_that_begins_with_a_dot_is_mounted_from_where_we_are() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().canonicalize().unwrap();
    for (volume, behind) in [(".:/x", ":/x"), ("./a:/x:ro", "/a:/x:ro"), ("../b:/x", "/../b:/x")] {
        let mut command = gantline(&["run", "--print-job", "--image", "i", "-v", volume]);
        let output = command.current_dir(&here).output().unwrap();
        let job: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(job["volumes"], json!([format!("{}{behind}", here.display())]), "{volume}");
    }
}

#[test]
fn check_refuses_a_bad_job_with_its_place() {
    let (code, stdout, stderr) = check(&json!({
        "image": "busybox",
        "container_args": ["x", {"type": "VolumePath", "filename": "../x"}],
    }));
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("$.container_args[1].filename"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "told once: {stderr}");
}

#[test]
fn check_prints_the_plan_of_every_message() {
    // What a run cannot do yet is refused by name, whichever form it came in.
    for (name, message, document) in MESSAGES {
        let said = |arguments: &[&str], input: &str| {
            let output = finish(gantline(arguments).spawn().unwrap(), input);
            let text = |bytes| String::from_utf8(bytes).unwrap();
            let said = text(output.stderr);
            // The messages' folders are not of this machine.
            let said =
                said.lines().filter(|line| !line.contains("is to be mounted and is not there"));
            (text(output.stdout), said.map(str::to_owned).collect::<String>())
        };
        let (plan, refusal) = said(&["check", "--message", "-"], message);
        let planned = plan.starts_with("image: my/image (") && refusal.is_empty();
        assert!(planned, "{name}: {plan} {refusal}");
        assert_eq!((plan, refusal), said(&["check", "-"], document), "{name}");
    }
}

#[cfg(feature = "worker")]
#[test]
fn a_message_is_taken_in_each_form_that_it_is_found_in() {
    let body = r#"[["busybox"], {"container_args": ["hello"]}, {}]"#;
    let headers = json!({"task": "girder_worker.docker.tasks.docker_run", "id": "i"});
    // base64 of the body, as `base64` of coreutils gives it.
    let encoded = "W1siYnVzeWJveCJdLCB7ImNvbnRhaW5lcl9hcmdzIjogWyJoZWxsbyJdfSwge31d";
    let json: Value = serde_json::from_str(body).unwrap();
    for message in [
        json!({"headers": headers, "body": json}),
        json!({"headers": headers, "body": encoded, "content-type": "application/json",
            "content-encoding": "utf-8", "properties": {"body_encoding": "base64"}}),
        json!({"payload": encoded, "payload_encoding": "base64",
            "properties": {"headers": headers, "content_type": "application/json"}}),
        json!({"task": headers["task"], "args": json[0], "kwargs": json[1]}),
        json,
    ] {
        let (code, plan, stderr) = said(&["check", "--message", "-"], &message.to_string());
        assert_eq!(code, 0, "{message}: {stderr}");
        assert!(plan.starts_with("image: busybox (") && plan.contains("  \"hello\"\n"), "{plan}");
    }
}

#[test]
fn check_refuses_a_bad_message_with_its_place() {
    let message =
        r#"{"headers": {}, "body": [["i"], {"volumes": [{"py/object": "os.system"}]}, {}]}"#;
    let output = finish(gantline(&["check", "--message", "-"]).spawn().unwrap(), message);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.contains("cannot use the message in standard input: $.body[1].volumes[0]"),
        "{stderr}"
    );
    assert!(stderr.contains("the class `os.system` cannot be used here"), "{stderr}");
}

#[test]
fn the_schema_is_printed_as_the_library_has_it() {
    let output = finish(gantline(&["schema"]).spawn().unwrap(), "");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, gantline::spec::schema());
}

#[test]
fn bad_usage_gives_2_and_help_gives_0() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["run"],
        &["check"],
        &["check", "a", "--message", "b"],
        &["depot", "--listen", "x", "."],
    ] {
        let output = finish(gantline(arguments).spawn().unwrap(), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let output = finish(gantline(arguments).spawn().unwrap(), "");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn what_a_terminal_would_obey_is_shown_and_not_sent() {
    let (code, stdout, stderr) = check(&json!({"image": "busy\u{1b}[2Jbox\u{202e}"}));
    assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "{code} {stdout}{stderr}");
    assert!((stdout + &stderr).contains("busy\\u{1b}[2Jbox\\u{202e}"));
}

#[test]
fn a_document_is_read_as_far_as_one_may_go_and_no_further() {
    let output = gantline(&["check", "/dev/zero"]).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/dev/zero: it has more than 16 MiB"), "{said}");
}

#[test]
fn help_does_not_show_the_environments_secrets() {
    let mut command = gantline(&["run", "--help"]);
    command.env("GIRDER_TOKEN", "hidden-token").env("GIRDER_API_KEY", "hidden-key");
    let output = finish(command.spawn().unwrap(), "");
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(!help.contains("hidden"), "{help}");
}

#[test]
fn the_log_has_colours_on_a_terminal_that_wants_them_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let logged = |environment: &[(&str, &str)]| {
        let command = format!("{} run --progress none --image i", env!("CARGO_BIN_EXE_gantline"));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        script.env("TMPDIR", folder.path()).env("GANTLINE_RECORD_DIR", folder.path());
        script.env("DOCKER_HOST", "unix:///no/such/socket").env("GANTLINE_LOG", "debug");
        script.env("TERM", "xterm").env_remove("NO_COLOR").envs(environment.iter().copied());
        let output = script.stdin(Stdio::null()).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("clean_up") && shown.contains("no such socket"), "{shown}");
        shown
    };
    assert!(logged(&[]).contains("\u{1b}["));
    for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let shown = logged(&[unwanted]);
        assert!(!shown.contains('\u{1b}'), "{unwanted:?}: {shown:?}");
    }
}

#[test]
fn a_depot_serves_until_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "x").unwrap();
    let path = folder.path().to_str().unwrap();
    let mut depot = gantline(&["depot", path, "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut lines = BufReader::new(depot.stdout.take().unwrap()).lines();
    let serving = lines.next().unwrap().unwrap();
    assert!(serving.starts_with("serving on http://127.0.0.1:"), "{serving}");
    assert!(lines.next().unwrap().unwrap().ends_with("data"));
    kill(Pid::from_raw(depot.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(depot.wait().unwrap().success());
}

#[test]
fn a_depot_that_is_killed_leaves_nothing_and_its_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ["files", "tmp", "records"].iter().for_each(|name| std::fs::create_dir(at(name)).unwrap());
    let data = vec![7; 64 << 20];
    std::fs::write(at("files/data"), &data).unwrap();
    let mut depot = gantline(&["depot"]);
    depot.arg(at("files")).args(["--listen", "127.0.0.1:0"]);
    let mut depot =
        depot.env("TMPDIR", at("tmp")).env("GANTLINE_RECORD_DIR", at("records")).spawn().unwrap();
    let mut lines = BufReader::new(depot.stdout.take().unwrap()).lines();
    let serving = lines.next().unwrap().unwrap();
    let address = serving.split('/').nth(2).unwrap().to_owned();
    let line = lines.next().unwrap().unwrap();
    let id = line.split_whitespace().next().unwrap();
    let mut client = std::net::TcpStream::connect(&address).unwrap();
    write!(client, "GET /api/v1/file/{id}/download HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 1 << 16]).unwrap();
    depot.kill().unwrap();
    depot.wait().unwrap();
    // The client sees no end of the file.
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert!(rest.len() < data.len());
    let left = |name: &str| std::fs::read_dir(at(name)).unwrap().count();
    assert_eq!((left("files"), left("tmp"), left("records")), (1, 0, 0));
    assert!(std::fs::read(at("files/data")).unwrap() == data);
    std::net::TcpListener::bind(address).unwrap();
    let mut prune = gantline(&["prune"]);
    prune.env("TMPDIR", at("tmp")).env("GANTLINE_RECORD_DIR", at("records"));
    prune.env("DOCKER_HOST", "unix:///no/such/socket");
    let pruned = finish(prune.spawn().unwrap(), "");
    assert!(pruned.status.success() && pruned.stdout.is_empty(), "{pruned:?}");
}
