//! What people do wrong, and what the command says: for each the exit code, and words that must be there.

use super::cli::{gantline, said};
use super::message::MESSAGES;

/// The words of `gantline check` about a document whose members these are.
#[track_caller]
fn document(members: &str, words: &[&str]) {
    let (code, stdout, stderr) = said(&["check", "-"], &format!("{{\"image\": \"i\", {members}}}"));
    assert_eq!((code, stdout.as_str()), (2, ""), "{members}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "told once: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{members}: no {word:?} in {stderr}");
    }
}

#[test]
fn a_wrong_document_is_told_with_what_would_be_right() {
    for (members, words) in [
        // Other programs' names.
        (r#""args": ["x"]"#, &["a job has no `args`; did you mean `container_args`?"][..]),
        (r#""cmd": ["x"]"#, &["did you mean `container_args`?"]),
        (r#""command": ["x"]"#, &["`command` cannot be set", "`container_args`"]),
        (r#""girder_token": "t""#, &["did you mean `girder_client_token`?"]),
        (r#""girder_url": "http://h""#, &["did you mean `girder_api_url`?"]),
        (r#""env": {}"#, &["did you mean `environment`?"]),
        (r#""gpus": "all""#, &["did you mean `gpu`?"]),
        (r#""memory": "1g""#, &["did you mean `mem_limit`?"]),
        (r#""workdir": "/""#, &["did you mean `working_dir`?"]),
        (r#""rm": true"#, &["did you mean `remove_container`?"]),
        (r#""binds": []"#, &["did you mean `volumes`?"]),
        (r#""hooks": []"#, &["did you mean `girder_result_hooks`?"]),
        (r#""container_arg": []"#, &["did you mean `container_args`?"]),
        (r#""frobnicate": 1"#, &["a job has no `frobnicate`; known are `image`, `pull_image`"]),
        (r#""tty": true"#, &["`tty` cannot be set"]),
        (
            r#""container_args": [{"type": "GirderFileIdToVolume", "file_id": "5f"}]"#,
            &["$.container_args[0].file_id", "did you mean `id`?"],
        ),
        (
            r#""girder_result_hooks": [{"type": "GirderItemMetadata", "id": "5f"}]"#,
            &["did you mean `item_id`?"],
        ),
        (
            r#""container_args": [{"type": "VolumePath", "path": "x"}]"#,
            &["VolumePath has no `path`; did you mean `filename`?"],
        ),
        (
            r#""container_args": [{"type": "GirderFileToVolume", "id": "5f"}]"#,
            &["there is no type `GirderFileToVolume`; did you mean `GirderFileIdToVolume`?"],
        ),
        // What JSON has and a command has not.
        (r#""container_args": [true]"#, &["found true, expected", "a number"]),
        (r#""container_args": [null]"#, &["found null, expected"]),
        (r#""container_args": [["a"]]"#, &["found an array, expected"]),
        (
            r#""container_args": "echo""#,
            &["found the string \"echo\", expected an array of arguments"],
        ),
        (r#""container_args": [{"input": {}}]"#, &["a transform needs `type`"]),
        // Paths.
        (
            r#""volumes": ["./data:/mnt"]"#,
            &["found the path \"./data\"", "absolute", "nothing expands it here; it would be /"],
        ),
        (
            r#""volumes": ["~/data:/mnt"]"#,
            &["found the path \"~/data\"", "it would be /home/me/data"],
        ),
        (r#""volumes": {"$HOME/data": {"bind": "/mnt"}}"#, &["it would be /home/me/data"]),
        (r#""volumes": {"data/x": {"bind": "/mnt"}}"#, &["found the path \"data/x\"", "/data/x"]),
        (r#""volumes": ["$DATA:/mnt"]"#, &["found the path \"$DATA\"", "nothing expands it here"]),
        (
            r#""volumes": [{"type": "TemporaryVolume", "host_dir": "scratch/a"}]"#,
            &["an absolute path of the host", "it would be /"],
        ),
        (
            r#""stream_connectors": [{"type": "Connect", "input": {"type": "ContainerStdOut"},
                "output": {"type": "HostFile", "path": "./out.bin"}}]"#,
            &["found the path \"./out.bin\"", "/out.bin"],
        ),
        (r#""volumes": ["data"]"#, &["`host:container`"]),
        (r#""volumes": ["/data:mnt"]"#, &["`host:container`", "absolute path in the container"]),
        (r#""volumes": {"/data": {"mode": "ro"}}"#, &["docker-py's volume needs `bind`"]),
        (r#""volumes": {"/a": "/m", "/b": "/m"}"#, &["another volume is mounted at /m already"]),
        (
            r#""container_args": [{"type": "VolumePath", "filename": "/etc/passwd"}]"#,
            &["expected a relative path without `..`"],
        ),
        (
            r#""container_args": [{"type": "VolumePath", "filename": "x", "volume": "scrath"}],
               "volumes": [{"type": "TemporaryVolume", "name": "scratch"}]"#,
            &["there is no volume named `scrath`", "did you mean `scratch`?"],
        ),
        (r#""volumes": "/data:/mnt""#, &["expected an object of volumes or an array of volumes"]),
        (
            r#""volumes": [["/data", "/mnt"]]"#,
            &["$.volumes[0]", "found an array", "`host:container`"],
        ),
        (r#""volumes": ["/data:/mnt:rx"]"#, &["\"/data:/mnt:rx\"", "`host:container:mode`"]),
        (
            r#""volumes": {"/data": {"bind": "/mnt", "mode": "r"}}"#,
            &["$.volumes[\"/data\"].mode", "a mode of docker: `rw` or `ro`"],
        ),
        (
            r#""volumes": {"/data": {"bind": "/mnt", "mod": "ro"}}"#,
            &["docker-py's volume has no `mod`; did you mean `mode`?"],
        ),
        (
            r#""volumes": {"/data": {"bind": "mnt"}}"#,
            &["$.volumes[\"/data\"].bind", "an absolute path in the container"],
        ),
        (
            r#""volumes": [{"host_path": "/data", "container_path": "/mnt"}]"#,
            &["$.volumes[0]", "a transform needs `type`"],
        ),
        (
            r#""volumes": [{"type": "BindMountVolume", "host_path": "/data"}]"#,
            &["BindMountVolume needs `container_path`"],
        ),
        (
            r#""volumes": [{"type": "TemporaryVolume", "mode": "0777"}]"#,
            &["$.volumes[0].mode", "a whole number from 0 to 4095"],
        ),
        (
            r#""volumes": [{"type": "NamedInputPipe", "name": "x"}]"#,
            &["does not belong here, but in `container_args` or the `output` of a Connect"],
        ),
        // Connect.
        (
            r#""container_args": [{"type": "Connect", "source": {"type": "ContainerStdOut"}}]"#,
            &["Connect has no `source`; did you mean `input`?"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": "5f",
                "output": {"type": "NamedInputPipe", "name": "x"}}]"#,
            &["$.container_args[0].input", "found the string \"5f\"", "GirderFileIdToStream"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "GirderFileIdToVolume", "id": "5f"},
                "output": {"type": "NamedInputPipe", "name": "x"}}]"#,
            &["$.container_args[0].input.type", "`GirderFileIdToVolume` does not belong here"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "UrlToStream", "url": "http://h/x"},
                "output": {"type": "NamedOutputPipe", "name": "x"}}]"#,
            &["`NamedOutputPipe` does not belong here", "the `input` of a Connect"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "UrlToStream", "url": "http://h/x"},
                "output": {"type": "NamedInputPipe"}}]"#,
            &["$.container_args[0].output", "NamedInputPipe needs `name`"],
        ),
        (
            r#""container_args": [
                {"type": "Connect", "input": {"type": "UrlToStream", "url": "http://h/a"},
                 "output": {"type": "NamedInputPipe", "name": "x"}},
                {"type": "Connect", "input": {"type": "UrlToStream", "url": "http://h/b"},
                 "output": {"type": "NamedInputPipe", "name": "x"}}]"#,
            &["$.container_args[1].output", "the FIFO `x` is connected already"],
        ),
        (
            r#""stream_connectors": [{"type": "NamedInputPipe", "name": "x"}]"#,
            &["$.stream_connectors[0].type", "expected an object of type Connect"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "GirderFileIdToStream", "id": "5f"}}]"#,
            &["Connect needs `output`"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "NamedInputPipe", "name": "x"},
                "output": {"type": "HostStdOut"}}]"#,
            &["`NamedInputPipe` does not belong here, but in", "the `output` of a Connect"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "UrlToStream", "url": "http://h/x"},
                "output": {"type": "HostStdOut"}}]"#,
            &["neither end is in the container", "NamedInputPipe"],
        ),
        (
            r#""container_args": [{"type": "GirderFileIdToStream", "id": "5f"}]"#,
            &["does not belong here, but in the `input` of a Connect"],
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "UrlToStream", "url": "ftp://h/x"},
                "output": {"type": "NamedInputPipe", "name": "x"}}]"#,
            &["an http:// or https:// address"],
        ),
        // What contradicts itself.
        (
            r#""remove_container": true, "remove": false"#,
            &["`remove` and `remove_container` cannot be given together"],
        ),
        (
            r#""girder_api_url": "girder.example.org""#,
            &["the http:// or https:// address of a Girder API"],
        ),
        (r#""pull_image": "always""#, &["true or false or \"if-not-present\""]),
        (r#""mem_limit": "lots""#, &["$.mem_limit"]),
        (r#""environment": ["=x"]"#, &["`NAME=value`"]),
    ] {
        document(members, words);
    }
}

#[test]
fn an_image_that_no_engine_has_is_refused_by_name() {
    for image in ["BB:latest", "my image", "Busybox", "a:", "http://h/i"] {
        let (code, _, stderr) = said(&["check", "-"], &format!("{{\"image\": \"{image}\"}}"));
        assert_eq!(code, 2, "{image}: {stderr}");
        assert!(stderr.contains("expected an image reference, such as `debian:12`"), "{stderr}");
    }
    for image in ["bb:Latest", "REGISTRY.example.org:5000/a/b:1", "a@sha256:0123", "sha256:0123"] {
        let (code, _, stderr) = said(&["check", "-"], &format!("{{\"image\": \"{image}\"}}"));
        assert_eq!(code, 0, "{image}: {stderr}");
    }
}

#[test]
fn remove_by_docker_pys_name_is_not_ignored() {
    let kept = r#"{"image": "i", "remove": false}"#;
    assert!(said(&["check", "-"], kept).1.ends_with("container: kept after the run\n"));
    let removed = r#"{"image": "i", "remove": true}"#;
    assert!(said(&["check", "-"], removed).1.ends_with("container: removed after the run\n"));
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
        (&["run", "/no/such.json"], &["cannot read the job in /no/such.json: No such file"]),
        (&["run", "/etc"], &["cannot read the job in /etc: Is a directory"]),
        (&["run", "-v", "/a:/b", "bb"], &["--image <IMAGE>"]),
        (&["run"], &["JOB"]),
        (&["run", "--message", "m.json", "job.json"], &["cannot be used with"]),
        (&["rum"], &["'run'"]),
        (&["run", "--raport", "x", "job.json"], &["'--report'"]),
        (&["run", "--progress", "loud", "job.json"], &["auto", "plain", "none"]),
        (&["run", "--timeout", "0", "job.json"], &["--timeout"]),
        // --image and its options.
        (&["run", "--image", "BB"], &["$.image", "its name in lower case"]),
        (&["run", "--image", "bb", "--in", "x=/y", "cat"], &["--in x is not used: write {x}"]),
        (
            &["run", "--image", "bb", "--in", "x", "{x}"],
            &["--in x: expected NAME=FILE_ID|URL|PATH"],
        ),
        (&["run", "--image", "bb", "--in", "=x", "{x}"], &["a name of letters"]),
        (&["run", "--image", "bb", "--in", "x=", "{x}"], &["something behind the `=`"]),
        (
            &["run", "--image", "bb", "--in", "x=/y", "cat", "--in={x}"],
            &["must be an argument of its own"],
        ),
        (
            &["run", "--image", "bb", "--in", "x=/y", "--out", "x=/z", "{x}"],
            &["the pipe x is there twice"],
        ),
        (
            &["run", "--image", "bb", "--out", "x=5f8f7c2a1b2c3d4e5f6a7b8c", "{x}"],
            &["ITEM_ID/FILE"],
        ),
        (&["run", "--image", "bb", "--gpus", "many"], &["--gpus many: expected `all`"]),
        (&["run", "--image", "bb", "-v", "~/x:/y"], &["$.volumes[0]", "it would be /home/me/x"]),
        (&["run", "--image", "bb", "-m", "lots"], &["$.mem_limit"]),
        // The rest.
        (&["depot"], &["<DIR>"]),
        (&["depot", "--listen", "8080", "."], &["invalid socket address"]),
        (&["completions", "tcsh"], &["bash", "zsh", "fish"]),
        (&["help", "nonsense"], &["there is no help about \"nonsense\""]),
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
        (
            "GANTLINE_LOG",
            "debgu",
            "GANTLINE_LOG is \"debgu\": \"debgu\" is none of error, warn, info",
        ),
        ("DOCKER_HOST", "https://h:1", "cannot use DOCKER_HOST"),
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

#[test]
fn a_value_that_is_too_long_is_refused_with_its_bound_wherever_it_comes_from() {
    let long = "x".repeat(131_072);
    let words = ["131072 bytes are too many", "at most 131071 are allowed"];
    document(
        &format!(r#""container_args": ["{long}"]"#),
        &[words[0], words[1], "$.container_args[0]"],
    );
    let (_, message, _) = MESSAGES.iter().find(|(name, ..)| *name == "plain").unwrap();
    let (code, _, stderr) =
        said(&["check", "--message", "-"], &message.replace("hello docker!", &long));
    assert_eq!(code, 2, "{stderr}");
    assert!(words.iter().all(|word| stderr.contains(word)) && stderr.len() < 1000, "{stderr}");
    let name = "n".repeat(513);
    let (code, _, stderr) = said(&["run", "--image", "i", "--name", &name], "");
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("513 bytes are too many: at most 512 are allowed"), "{stderr}");
}
