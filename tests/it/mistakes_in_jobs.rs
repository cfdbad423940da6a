//! What people write wrong into a job document, and what the command says: for each the exit code, and words that must
//! be there.

use super::cli::said;
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
        (
            r#""frobnicate": 1"#,
            &[
                "a job has no `frobnicate`; known are `image`, `pull_image`",
                ", and the keywords of docker-py's `containers.run`",
            ],
        ),
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
            &["expected an array of arguments, such as `\"container_args\": [\"echo\"]`"],
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
        (
            r#""stream_connectors": [{"type": "Connect", "input": {"type": "ContainerStdOut"},
                "output": {"type": "HostFile", "path": "out.bin"}}]"#,
            &["found the path \"out.bin\"", "it would be /", "/out.bin"],
        ),
        (
            r#""volumes": [{"type": "TemporaryVolume", "host_dir": "${HOME}/a"}]"#,
            &["it would be /home/me/a"],
        ),
        (r#""volumes": ["data"]"#, &["`host:container[:mode]` as in"]),
        (
            r#""volumes": ["/data:mnt"]"#,
            &["as in `/data:/mnt:ro`", "an absolute path of the host and one in the container"],
        ),
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
        (
            r#""volumes": "/data:/mnt:ro""#,
            &[
                "$.volumes (",
                "found the string \"/data:/mnt:ro\"",
                "expected an object of volumes or an array of volumes, such as \
                 `\"volumes\": [\"/data:/mnt:ro\"]`",
            ],
        ),
        (
            r#""volumes": "data""#,
            &["such as `\"volumes\": {\"/data\": {\"bind\": \"/mnt/data\", \"mode\": \"ro\"}}`"],
        ),
        (r#""volumes": 1"#, &["found the number 1", "such as `\"volumes\": {\"/data\": {\"bind\""]),
        (
            r#""volumes": {"type": "TemporaryVolume", "name": "a"}"#,
            &["$.volumes (", "such as `\"volumes\": [{\"type\": \"TemporaryVolume\", …}]`"],
        ),
        (r#""environment": "A=1""#, &["found a string (not shown)", "such as `\"environment\": {"]),
        (
            r#""volumes": [["/data", "/mnt"]]"#,
            &["$.volumes[0]", "found an array", "`host:container[:mode]` as in"],
        ),
        (
            r#""volumes": ["/data:/mnt:rx"]"#,
            &["\"/data:/mnt:rx\"", "`host:container[:mode]` as in `/data:/mnt:ro`"],
        ),
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
            &[
                "$.container_args[0].input",
                "found the string \"5f\"",
                "such as `\"input\": {\"type\": \"GirderFileIdToStream\", \"id\": \"6b02c2bf8ed649d13bc50b4f\"}`",
            ],
        ),
        (
            r#""container_args": [{"type": "Connect", "output": "in",
                "input": {"type": "GirderFileIdToStream", "id": "5f"}}]"#,
            &[
                "$.container_args[0].output",
                "found the string \"in\"",
                "such as `\"output\": {\"type\": \"NamedInputPipe\", \"name\": \"in\"}`",
            ],
        ),
        (
            r#""container_args": [{"type": "Connect", "output": [{"type": "HostStdOut"}], "input": 1}]"#,
            &["$.container_args[0].output", "found an array", "such as `\"output\": {"],
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
        // Streams and results in the words of other programs.
        (
            r#""girder_result_hooks": [{"type": "GirderUploadVolumePathToItem", "volumepath": "o.csv",
                "item_id": "5f"}]"#,
            &["$.girder_result_hooks[0].volumepath", "expected an object of type VolumePath"],
        ),
        (
            r#""girder_result_hooks": {"type": "GirderItemMetadata", "item_id": "5f"}"#,
            &[
                "found an object of type \"GirderItemMetadata\", expected an array of hooks",
                "such as `\"girder_result_hooks\": [{\"type\": \"GirderItemMetadata\", …}]`",
            ],
        ),
        (
            r#""stream_connectors": {"type": "Connect"}"#,
            &["found an object of type \"Connect\", expected an array"],
        ),
        (
            r#""stream_connectors": ["stdout"]"#,
            &[
                "$.stream_connectors[0]",
                "expected an object of type Connect, such as `\"stream_connectors\": [{\"type\": \"Connect\"",
            ],
        ),
        (r#""container_args": [{"type": "VolumePath"}]"#, &["VolumePath needs `filename`"]),
        (
            r#""container_args": [{"type": "VolumePath", "foo": 1}]"#,
            &["known are `filename`, `volume`"],
        ),
        (r#""ports": ["80:80"]"#, &["$.ports", "expected an object of ports"]),
        (r#""net": "host""#, &["did you mean `network`?"]),
        (r#""detach": true"#, &["`detach` cannot be set: a run always waits for its container"]),
        (r#""name": "a b""#, &["expected a container's name"]),
        // What contradicts itself.
        (
            r#""remove_container": true, "remove": false"#,
            &["`remove` and `remove_container` cannot be given together"],
        ),
        (
            r#""auto_remove": true, "remove_container": false"#,
            &["`auto_remove` and `remove_container` cannot be given together"],
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
fn what_is_no_json_is_told_with_what_json_has() {
    for (text, words) in [
        ("", "the document is empty"),
        (r#"{"image": "i""#, "EOF while parsing an object: its `}` is missing"),
        (
            r#"{"image": "i", "container_args": ["a""#,
            "EOF while parsing a list: its `]` is missing",
        ),
        (r#"{"image": "i"#, "EOF while parsing a string: its last double quote is missing"),
        ("image: busybox", "expected value: text in double quotes, a number, true, false, null"),
        (r#"{"image": "i",}"#, "a name in double quotes, and no comma behind the last member"),
        ("{'image': 'i'}", "key must be a string: a name in double quotes"),
        (r#"{"image": "i", "container_args": ["a",]}"#, "and no comma behind the last one"),
        (r#"{"image": "i", "container_args": ["a" "b"]}"#, "expected `,` or `]`"),
        (r#"["i"]"#, "found an array, expected an object (a job)"),
        (
            r#"{"image": "i", "container_args": [1, NaN]}"#,
            "column 38: not valid JSON: JSON has no NaN",
        ),
        (r#"{"image": "i", "pull_image": True}"#, "JSON has no True: write it as text, or what"),
        ("{\"image\": \"i\" // mine\n}", "JSON has no comments: a job's member `$comment` is for"),
        ("# mine\n{\"image\": \"i\"}", "JSON has no comments"),
        (r#""i""#, "found the string \"i\", expected an object (a job)"),
        (r#"{"image": "i", "image": "j"}"#, "`image` is there twice"),
        (r#"{"Image": "i"}"#, "did you mean `image`?"),
    ] {
        let (code, _, stderr) = said(&["check", "-"], text);
        assert!(code == 2 && stderr.contains(words), "{text}: {code}: {stderr}");
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
fn an_id_that_would_change_an_address_is_refused_wherever_it_stands() {
    for (members, at) in [
        (
            r#""container_args": [{"type": "GirderFileIdToVolume", "id": "ID"}]"#,
            "$.container_args[0].id",
        ),
        (
            r#""container_args": [{"type": "GirderItemIdToVolume", "id": "ID"}]"#,
            "$.container_args[0].id",
        ),
        (
            r#""container_args": [{"type": "GirderFolderIdToVolume", "id": "ID"}]"#,
            "$.container_args[0].id",
        ),
        (
            r#""container_args": [{"type": "Connect", "input": {"type": "GirderFileIdToStream", "id": "ID"},
                "output": {"type": "NamedInputPipe", "name": "x"}}]"#,
            "$.container_args[0].input.id",
        ),
        (
            r#""stream_connectors": [{"type": "Connect", "input": {"type": "ContainerStdOut"},
                "output": {"type": "GirderStreamToItem", "item_id": "ID", "name": "x"}}]"#,
            "$.stream_connectors[0].output.item_id",
        ),
        (
            r#""girder_result_hooks": [{"type": "GirderItemMetadata", "item_id": "ID", "metadata": {}}]"#,
            "$.girder_result_hooks[0].item_id",
        ),
        (
            r#""girder_result_hooks": [{"type": "GirderUploadVolumePathToFolder", "folder_id": "ID",
                "volumepath": {"type": "VolumePath", "filename": "x"}}]"#,
            "$.girder_result_hooks[0].folder_id",
        ),
    ] {
        for id in
            ["", " ", "a b", "a/b", "../user", "..", ".", "a?x=1", "a#b", "%2e%2e", "ü", "5f\\n"]
        {
            document(
                &members.replace("ID", id),
                &[at, "expected an id of letters, digits, `-` and `_`"],
            );
        }
    }
}

#[test]
fn what_is_odd_and_no_fault_is_warned_of_by_check() {
    for (members, words) in [
        (
            r#""container_args": [{"type": "NamedInputPipe", "name": "x"}]"#,
            "the FIFO x is in no Connect, and a program that opens it waits for ever: make it the \
             `output` of a Connect, or leave it out",
        ),
        (
            r#""container_args": [{"type": "NamedOutputPipe", "name": "x"}]"#,
            "the FIFO x is in no Connect, and a program that opens it waits for ever: make it the \
             `input` of a Connect, or leave it out",
        ),
        (
            r#""volumes": [{"type": "TemporaryVolume", "name": "a"},
                {"type": "TemporaryVolume", "name": "a"}]"#,
            "two temporary volumes named `a`: they are one folder",
        ),
        (
            r#""container_args": [{"type": "GirderFileIdToVolume", "id": "6b02c2bf8ed649d13bc50b4"}]"#,
            "the id 6b02c2bf8ed649d13bc50b4 has 23 characters: Girder's have 24, all of them 0 to 9 or a to f",
        ),
        (
            r#""entrypoint": "/bin/sh -c""#,
            "`entrypoint` is one program named \"/bin/sh -c\": a program with arguments is a list",
        ),
        (
            r#""container_args": [{"type": "Connect",
                "input": {"type": "HostFileToStream", "path": "/no/such.csv"},
                "output": {"type": "NamedInputPipe", "name": "x"}}]"#,
            "/no/such.csv is to be streamed and is not there",
        ),
        (
            r#""stream_connectors": [{"type": "Connect", "input": {"type": "ContainerStdOut"},
                "output": {"type": "HostFile", "path": "/no/such/out.csv"}}]"#,
            "/no/such is to have a file of the job, and is not there",
        ),
    ] {
        let (code, _, stderr) = said(&["check", "-"], &format!("{{\"image\": \"i\", {members}}}"));
        assert_eq!((code, stderr.lines().count()), (0, 1), "{members}: {stderr}");
        assert!(stderr.starts_with("gantline: warning: ") && stderr.contains(words), "{stderr}");
    }
}

#[test]
fn what_is_wrong_with_volumes_is_told_in_a_line_that_can_be_read() {
    for volume in [r#""data""#, r#""/data:mnt""#, r#""/data:/mnt:rx""#, "1", r#"["/a", "/b"]"#] {
        let (_, _, stderr) =
            said(&["check", "-"], &format!(r#"{{"image": "i", "volumes": [{volume}]}}"#));
        assert!(stderr.len() < 310, "{} bytes: {stderr}", stderr.len());
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
