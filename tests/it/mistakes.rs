//! What people do wrong with the command line and the environment, and what the command says: for each the exit code,
//! and words that must be there. `mistakes_in_jobs` has what they write into documents.

use super::cli::{gantline, said};

#[test]
fn a_name_that_is_also_a_folder_here_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let printed = |volume: &str| {
        let mut command = gantline(&["run", "--print-job", "--image", "i", "-v", volume]);
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let words = "-v data:/x mounts the engine's volume `data`; for what is here, write ./data";
    assert!(printed("data:/x").contains(words));
    for right in ["./data:/x", "other:/x", "/x"] {
        assert_eq!(printed(right), "", "{right}");
    }
}

#[test]
fn a_pipe_in_the_arguments_that_no_option_makes_is_warned_of() {
    let arguments =
        ["run", "--print-job", "--image", "i", "--in", "x=/a", "cat", "{x}", "{y}", "{}"];
    let (code, printed, stderr) = said(&arguments, "");
    assert!(code == 0 && printed.contains("\"{y}\""), "{printed}{stderr}");
    let words =
        "gantline: warning: {y} is passed as it is: no --in y=… or --out y=… makes a pipe of it\n";
    assert_eq!(stderr, words);
}

#[test]
fn an_id_that_has_lost_a_digit_is_warned_of_before_it_is_taken_for_a_file() {
    let warned = |pipe: &str| {
        let (code, _, stderr) =
            said(&["run", "--print-job", "--image", "i", "--out", pipe, "cat", "{x}"], "");
        assert_eq!(code, 0, "{stderr}");
        stderr
    };
    let words = "x=6b02c2bf8ed649d13bc50b4/f names a path here: an id of Girder's has 24 digits, and \
                 6b02c2bf8ed649d13bc50b4 has 23\n";
    assert!(warned("x=6b02c2bf8ed649d13bc50b4/f").ends_with(words));
    for right in ["x=6b02c2bf8ed649d13bc50b4f/f", "x=/6b02c2bf8ed649d13bc50b4", "x=cafe"] {
        assert_eq!(warned(right), "");
    }
}

#[test]
fn a_depot_of_a_file_is_told_which_folder_has_it() {
    let (code, _, stderr) = said(&["depot", "/etc/hostname"], "");
    assert_eq!(code, 125, "{stderr}");
    let words =
        "cannot serve /etc/hostname: it is a file, and a depot serves a folder: /etc has it";
    assert!(stderr.contains(words), "{stderr}");
}

#[test]
fn a_first_job_is_named_as_a_shell_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    for (file, named) in [("my job.json", "'my job.json'"), ("-x.json", "./-x.json")] {
        let mut command = gantline(&["init", "--", file]);
        let output = command.current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with(&format!("wrote {file}")), "{said}");
        let next = format!("next: gantline check {named}, gantline run {named}, ");
        assert!(said.contains(&next), "{said}");
    }
}

#[test]
fn a_wrong_command_line_is_told_with_what_would_be_right() {
    for (arguments, words) in [
        // What people type first.
        (
            &["run", "bb"][..],
            &["cannot read the job in bb", "a job document is wanted", "gantline run --image bb"][..],
        ),
        (&["check", "bb"], &["cannot read the job in bb", "gantline run --image bb"]),
        (
            &["run", "bb", "echo", "hi"],
            &["takes one job document", "gantline run --image bb echo hi"],
        ),
        (
            &["run", "bb", "echo", "it's mine", "$HOME"],
            &[r"gantline run --image bb echo 'it'\''s mine' '$HOME'"],
        ),
        (
            &["run", "--image", "bb", "-v", "./data", "ls"],
            &["-v ./data: expected HOST:CONTAINER, with an absolute path in the container"],
        ),
        (&["prune", "--forget", ""], &["a value is required for '--forget <ENGINE>'"]),
        (&["prune", "--forget", "nonsense"], &["cannot use \"nonsense\" as the engine's address"]),
        (&["run", "/no/such.json"], &["cannot read the job in /no/such.json: No such file"]),
        (&["run", "/etc"], &["cannot read the job in /etc: Is a directory"]),
        (&["run", "-v", "/a:/b", "bb"], &["--image <IMAGE>"]),
        (&["run"], &["JOB"]),
        (
            &["run", "-it", "bb", "sh"],
            &["'-i'", "as docker runs a container: gantline run --image IMAGE"],
        ),
        (&["run", "-p", "80:80", "job.json"], &["'-p'", "gantline run --image IMAGE"]),
        (&["run", "--rm", "bb"], &["--image <IMAGE>"]),
        (
            &["run", "job.json", "extra", "a b"],
            &["takes one job document, and nothing behind it: extra 'a b'"],
        ),
        (&["ps"], &["'ps'", "`ps` is docker's"]),
        (&["run", "--message", "m.json", "job.json"], &["cannot be used with"]),
        (&["rum"], &["'run'"]),
        (&["run", "--raport", "x", "job.json"], &["'--report'"]),
        (&["run", "--progress", "loud", "job.json"], &["auto", "plain", "none"]),
        (&["run", "--timeout", "0", "job.json"], &["--timeout", "at least 1 s"]),
        (&["run", "--timeout", "5m", "job.json"], &["--timeout", "whole seconds", "5m is 300"]),
        (&["worker", "--grace", "1h"], &["--grace", "1h is 3600"]),
        (&["worker", "--visibility-timeout", "2"], &["at least 3 s"]),
        // --image and its options.
        (
            &["run", "--image", "bb", "--sumary", "x"],
            &["'--sumary'", "'--summary'", "a `--` of its own"],
        ),
        (
            &["run", "--image", "bb", "--entrypoint", "echo", "--girder-tokn", "x"],
            &["'--girder-token'", "a `--` of its own"],
        ),
        (
            &["run", "-d", "--image", "bb", "true"],
            &["unexpected argument '-d'", "-d is docker's: a run always waits for its container"],
        ),
        (
            &["run", "--image", "bb", "--cpus", "2", "true"],
            &["--cpus is docker's: a job document has `nano_cpus` for it, and --print-job makes"],
        ),
        (&["run", "-p", "80:80", "--image", "bb"], &["-p is docker's: a job document has `ports`"]),
        (
            &["run", "-it", "--image", "bb", "sh"],
            &["-i is docker's: a container here has no terminal"],
        ),
        (
            &["run", "--env-file=x", "--image", "bb"],
            &["--env-file is docker's: each variable is given by -e NAME=VALUE"],
        ),
        (&["run", "--image", "BB"], &["gantline: --image: found", "its name in lower case"]),
        (&["run", "--image", "bb", "--in", "x=/y", "cat"], &["--in x is not used: write {x}"]),
        (
            &["run", "--image", "bb", "--in", "x", "{x}"],
            &["--in x: expected NAME=FILE_ID|URL|PATH"],
        ),
        (&["run", "--image", "bb", "--in", "=x", "{x}"], &["a name of letters"]),
        (&["run", "--image", "bb", "--in", "x=", "{x}"], &["something behind the `=`"]),
        (
            &["run", "--image", "bb", "--in", "x=/y", "cat", "--in={x}"],
            &["must be an argument of its own", "sh -c 'cat \"$0\"' {x}"],
        ),
        (
            &["run", "--image", "bb", "--in", "x=s3://b/k", "{x}"],
            &["--in x=s3://b/k: expected an http:// or https:// address"],
        ),
        (
            &["run", "--image", "bb", "--out", "x=file:///a/b", "{x}"],
            &["a file's path without a scheme"],
        ),
        (
            &["run", "--image", "bb", "--in", "x=~/f", "{x}"],
            &["--in x=~/f: nothing expands the `~` here; it would be /home/me/f"],
        ),
        (
            &["run", "--image", "bb", "--girder-url", "x"],
            &[
                "gantline: --girder-url: found a string (not shown), expected the http:// or https://",
            ],
        ),
        (
            &["run", "--image", "bb", "--girder-token="],
            &["gantline: --girder-token: found a string (not shown), expected a token"],
        ),
        (
            &["run", "--image", "bb", "--in", "x=5f8f7c2a1b2c3d4e5f6a7b8c", "cat", "{x}"],
            &["names no server", "; --girder-url names one"],
        ),
        (&["init", "-"], &["a file is wanted", "./- is one of this name"]),
        (
            &["run", "--image", "bb", "--in", "x=/y", "--out", "x=/z", "{x}"],
            &["the pipe x is there twice"],
        ),
        (
            &["run", "--image", "bb", "--out", "x=5f8f7c2a1b2c3d4e5f6a7b8c", "{x}"],
            &["ITEM_ID/FILE"],
        ),
        (
            &["run", "--image", "bb", "--in", "x=-", "{x}"],
            &["--in x=-: expected a file", "./- is a file of this name"],
        ),
        (
            &["run", "--image", "bb", "--out", "x=-", "{x}"],
            &["--out x=-: expected a file", "--out stdout=…"],
        ),
        (&["run", "--image", "bb", "--gpus", "many"], &["--gpus many: expected `all`"]),
        (
            &["run", "--image", "bb", "-v", "/a:/b", "-v", "~/x:/y"],
            &["gantline: -v ~/x:/y: expected HOST:CONTAINER", "it would be /home/me/x\n"],
        ),
        (
            &["run", "--image", "bb", "-v", "/a:/b:rx"],
            &["-v /a:/b:rx: expected", "HOST:CONTAINER:MODE, such as /data:/mnt:ro or VOLUME:/mnt"],
        ),
        (
            &["run", "--image", "bb", "-v", "/a:/m", "-v", "/b:/m"],
            &["gantline: -v: another volume is mounted at /m already"],
        ),
        (&["run", "--image", "bb", "-m", "lots"], &["gantline: -m: found the string \"lots\""]),
        (
            &["run", "--image", "bb", "--name", "a b"],
            &["gantline: --name: found", "a container's name"],
        ),
        (&["run", "--image", "bb", "-w", "here"], &["gantline: -w: found", "an absolute path"]),
        // The rest.
        (&["depot"], &["<DIR>"]),
        (
            &["depot", "--listen", "8080", "."],
            &["an IP address and a port, such as 127.0.0.1:8080"],
        ),
        (&["worker", "--http", ":9100"], &["an IP address and a port"]),
        (
            &["worker", "-l", "info"],
            &["'-l'", "GIRDER_WORKER_LOGGING_LEVEL says how much is logged"],
        ),
        (&["worker", "--autoscale", "3,1"], &["of Celery's options, `gantline worker` has -Q, -c"]),
        (&["-A", "girder_worker.app", "worker"], &["it needs no application"]),
        (&["worker", "--queue", "x"], &["'--queues'"]),
        (
            &["worker", "--queues", "local"],
            &[
                "no broker is named, by --broker or CELERY_BROKER_URL: \
                 amqp://guest:guest@localhost// is tried",
                "--queues: \"local\" is Girder's own: name others",
            ],
        ),
        (
            &["run", "--report", "/no/r.json", "j.json"],
            &["cannot write to /no/r.json: No such file or directory (os error 2)\n"],
        ),
        (&["completions", "tcsh"], &["bash", "zsh", "fish"]),
        (&["help", "nonsense"], &["there is no help about \"nonsense\""]),
        (&["help", "jobs"], &["about job, types, report", "did you mean job?"]),
        (&["help", "type"], &["did you mean types?"]),
        (&["help", "depot", "run"], &["unexpected argument 'run'"]),
        (&["bench", "--size", "huge"], &["--size"]),
    ] {
        let (code, stdout, stderr) = said(arguments, "");
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: no {word:?} in {stderr}");
        }
    }
}

#[test]
fn a_wrong_environment_is_told_by_the_variables_name() {
    let job = r#"{"image": "i"}"#;
    for (name, value, words) in [
        (
            "TMPDIR",
            "/no/such/folder",
            "TMPDIR, where temporary volumes are made, is /no/such/folder",
        ),
        ("TMPDIR", "tmp", "must be an absolute path"),
        ("TMPDIR", "/etc/hostname", "is no folder"),
        ("GIRDER_API_URL", "garbage", "cannot use GIRDER_API_URL: found a string (not shown)"),
        ("GIRDER_TOKEN", "a b", "cannot use GIRDER_TOKEN: found a string (not shown)"),
        (
            "GANTLINE_LOG",
            "debgu",
            "GANTLINE_LOG is \"debgu\": \"debgu\" is none of error, warn, info",
        ),
        ("DOCKER_HOST", "https://h:1", "cannot use DOCKER_HOST"),
        ("DOCKER_HOST", "/run/docker.sock", "a socket's path has unix:// before it"),
        ("DOCKER_HOST", "ssh://h", "forward the socket with ssh -L"),
        (
            "DOCKER_TLS_VERIFY",
            "1",
            "DOCKER_TLS_VERIFY is set, but TLS to the engine is not supported",
        ),
        ("DOCKER_API_VERSION", "new", "expected something like 1.41"),
        ("DOCKER_CLIENT_TIMEOUT", "soon", "expected something like 60"),
        ("GIRDER_WORKER_DOCKER_RUN_OPTIONS", "{x", "GIRDER_WORKER_DOCKER_RUN_OPTIONS"),
    ] {
        let mut command = gantline(&["run", "-"]);
        command.env(name, value);
        let output = super::cli::finish(command.spawn().unwrap(), job);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}: {stderr}");
        assert!(stderr.contains(words), "{name}={value}: {stderr}");
    }
}

#[test]
fn a_scheme_may_be_in_capitals_and_what_is_printed_of_a_job_is_all_but_its_token() {
    let arguments =
        ["run", "--print-job", "--image", "i", "--in", "x=HTTP://h/x", "--verify", "never"];
    let store = ["--girder-url", "http://g/api/v1", "--girder-token", "hidden", "cat", "{x}"];
    let (code, printed, stderr) = said(&[&arguments[..], &store[..]].concat(), "");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let job: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(job["container_args"][1]["input"]["url"], "HTTP://h/x");
    assert_eq!(
        (&job["verify"], &job["girder_api_url"]),
        (&"never".into(), &"http://g/api/v1".into())
    );
    assert!(!printed.contains("hidden"), "{printed}");
    assert_eq!(said(&["check", "-"], &printed).0, 0, "{printed}");
}

#[test]
fn a_schema_that_is_there_is_not_said_to_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("job.schema.json");
    let wrote = |name: &str| {
        let mut command = gantline(&["init", name]);
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(wrote("a.json").starts_with("wrote a.json, and job.schema.json beside it\n"));
    assert!(wrote("b.json").starts_with("wrote b.json; job.schema.json is beside it already\n"));
    let again = gantline(&["init", "a.json"]).current_dir(folder.path()).output().unwrap();
    let again = (again.status.code(), String::from_utf8(again.stderr).unwrap());
    let words = "nothing was written over: `gantline init FILE` writes another\n";
    assert!(again.0 == Some(125) && again.1.ends_with(words), "{again:?}");
    std::fs::write(&schema, "{}").unwrap();
    let words = "wrote c.json; job.schema.json is another one and was left as it is";
    assert!(wrote("c.json").starts_with(words));
    assert_eq!(std::fs::read(&schema).unwrap(), b"{}");
}

#[test]
fn a_job_and_a_message_are_not_taken_for_each_other() {
    let (code, _, stderr) = said(&["check", "--message", "-"], r#"{"image": "i"}"#);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("; this is a job document, which is given without --message"),
        "{stderr}"
    );
    let message = r#"{"headers": {}, "body": [["i"], {}, {}]}"#;
    let (code, _, stderr) = said(&["check", "-"], message);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("; this is a message, which is given by --message"), "{stderr}");
    // Places are those of the file, and there are none of what was in base64.
    let cut = r#"{"headers": {"task": "t", "id": "i"}, "body": "W1tdLCB7fSw="}"#;
    for (body, words) in
        [(cut, "its decoded body: not valid JSON"), (&cut.replace("7fSw", "!"), "not base64")]
    {
        let (code, _, stderr) = said(&["check", "--message", "-"], body);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(words) && !stderr.contains("column"), "{stderr}");
    }
}

#[test]
fn no_engine_is_told_with_what_to_do() {
    let mut command = gantline(&["run", "-"]);
    command.env("DOCKER_HOST", "unix:///no/such/socket");
    let output = super::cli::finish(command.spawn().unwrap(), r#"{"image": "i"}"#);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    assert!(stderr.contains("there is no such socket; start the engine"), "{stderr}");
    assert!(stderr.contains("set DOCKER_HOST"), "{stderr}");
}

#[test]
fn a_job_that_uses_girder_and_names_none_says_how_to_name_one() {
    let job = r#"{"image": "i", "container_args": [{"type": "GirderFileIdToVolume", "id": "5f"}]}"#;
    let (code, _, stderr) = said(&["run", "-"], job);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("names no server: it needs girder_api_url"), "{stderr}");
    // The library has no options.
    assert!(!stderr.contains("--"), "{stderr}");
}
