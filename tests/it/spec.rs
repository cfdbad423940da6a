//! What the parser says when it refuses a job document.

use gantline::spec::{JobSpec, Problem};

fn refusal(text: &str) -> String {
    match JobSpec::from_json(text) {
        Ok(job) => panic!("accepted: {text}\n{job:?}"),
        Err(error) => error.to_string(),
    }
}

/// The refusal of a document whose one line begins with `{"image": "i", ` and goes on with
/// `members`.
fn with(members: &str) -> String {
    refusal(&format!(r#"{{"image": "i", {members}}}"#))
}

fn argument(argument: &str) -> String {
    with(&format!(r#""container_args": [{argument}]"#))
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn text_that_is_not_json_is_refused_with_line_and_column() {
    assert_eq!(refusal(""), "line 1, column 1: not valid JSON: the document is empty");
    assert_eq!(refusal(" \n "), "line 2, column 1: not valid JSON: the document is empty");
    assert_says(
        &refusal("{\n  \"image\": \"i\",\n}"),
        &["line 3, column 1: ", "key must be a string"],
    );
    assert_says(&refusal("{\"image\": 'i'}"), &["line 1, column 11: ", "expected value"]);
    assert_says(&refusal("{\"image\": \"i\"} x"), &["line 1, column 16: ", "trailing characters"]);
    assert_says(&refusal("{\"é\": \"ü\" 1}"), &["line 1, column 11: "]);
    assert_says(&refusal("{\"image\":\n\"\\ud800\"}"), &["line 2, column ", "hex escape"]);
    assert_says(&refusal("{\"image\":\n 01}"), &["line 2, column 3: ", "invalid number"]);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert!(JobSpec::from_json("\u{feff}{\"image\": \"i\"}").is_ok());
}

#[test]
fn what_is_not_an_object_is_refused() {
    assert_eq!(refusal("[]"), "$ (line 1, column 1): found an array, expected an object (a job)");
    assert_eq!(
        refusal(" 3"),
        "$ (line 1, column 2): found the number 3, expected an object (a job)"
    );
    assert_eq!(refusal("{}"), "$ (line 1, column 1): a job needs `image`");
}

#[test]
fn a_repeated_member_is_refused_wherever_it_is() {
    assert_eq!(
        with(r#""pull_image": true, "pull_image": true"#),
        "$.pull_image (line 1, column 50): `pull_image` is there twice"
    );
    assert_eq!(
        argument(r#"{"type": "VolumePath", "filename": "a", "file\u006eame": "b"}"#),
        "$.container_args[0].filename (line 1, column 92): `filename` is there twice"
    );
    let many: String = (0..20).map(|nth| format!(r#""V{nth}": "", "#)).collect();
    let error = with(&format!(r#""environment": {{{many}"V7": ""}}"#));
    assert!(error.ends_with(": `V7` is there twice"), "{error}");
}

#[test]
fn an_unknown_member_is_refused_with_the_nearest_known_one() {
    assert_eq!(
        refusal("{\n  \"image\": \"i\",\n  \"container_arg\": []\n}"),
        "$.container_arg (line 3, column 20): a job has no `container_arg`; \
         did you mean `container_args`?"
    );
    assert_says(&with(r#""Image": 1"#), &["did you mean `image`?"]);
    assert_says(&with(r#""memory_limit": 1"#), &["did you mean `mem_limit`?"]);
    assert_says(
        &with(r#""zzz": 1"#),
        &["known are `image`, `pull_image`", "`girder_client_token`"],
    );
    assert_says(
        &argument(r#"{"type": "VolumePath", "filname": "a"}"#),
        &["$.container_args[0].filname ", "VolumePath has no `filname`; did you mean `filename`?"],
    );
    assert_says(
        &argument(r#"{"type": "TemporaryVolume.default", "name": "a"}"#),
        &["TemporaryVolume.default has no `name`; none is known"],
    );
}

#[test]
fn an_unknown_type_is_refused_with_the_nearest_known_one() {
    assert_eq!(
        argument(r#"{"type": "NamedInputpipe", "name": "a"}"#),
        "$.container_args[0].type (line 1, column 44): there is no type `NamedInputpipe`; \
         did you mean `NamedInputPipe`?"
    );
    assert_says(&argument(r#"{"type": "Zzz"}"#), &["known are `BindMountVolume`, ", "`Connect`"]);
    assert_says(&argument(r#"{"name": "a"}"#), &["$.container_args[0] ", "needs `type`"]);
    assert_says(
        &argument(r#"{"type": 1}"#),
        &["found the number 1, expected the name of a transform"],
    );
}

#[test]
fn a_type_in_the_wrong_place_is_refused_with_the_right_one() {
    assert_eq!(
        argument(
            r#"{"type": "Connect", "input": {"type": "NamedInputPipe", "name": "a"},
                "output": {"type": "HostStdOut"}}"#
        ),
        "$.container_args[0].input.type (line 1, column 73): `NamedInputPipe` does not belong here, but \
         in `container_args` or the `output` of a Connect; expected an object of type \
         NamedOutputPipe, GirderFileIdToStream, UrlToStream, HostFileToStream, ContainerStdOut or \
         ContainerStdErr"
    );
    // Two sources.
    assert_says(
        &argument(
            r#"{"type": "Connect", "input": {"type": "ContainerStdOut"},
                "output": {"type": "NamedOutputPipe", "name": "a"}}"#,
        ),
        &["$.container_args[0].output.type", "`NamedOutputPipe` does not belong here"],
    );
    assert_says(
        &argument(r#"{"type": "GirderFileIdToStream", "id": "1"}"#),
        &["`GirderFileIdToStream` does not belong here, but in the `input` of a Connect"],
    );
    assert_says(
        &with(r#""stream_connectors": [{"type": "NamedInputPipe", "name": "a"}]"#),
        &["$.stream_connectors[0].type", "expected an object of type Connect"],
    );
}

#[test]
fn what_a_job_may_never_set_is_refused_with_the_reason() {
    for member in [
        "tty",
        "detach",
        "command",
        "stdin",
        "stdout",
        "stderr",
        "stream",
        "version",
        "init_path",
        "lxc_conf",
    ] {
        assert_says(
            &with(&format!(r#""{member}": false"#)),
            &[&format!("$.{member} "), &format!("`{member}` cannot be set: ")],
        );
    }
}

#[test]
fn values_of_the_wrong_kind_are_refused_with_what_was_found_and_expected() {
    for (members, message) in [
        (
            r#""pull_image": "always""#,
            r#"found the string "always", expected true or false or "if-not-present""#,
        ),
        (r#""remove_container": 1"#, "found the number 1, expected true or false"),
        (
            r#""entrypoint": [1]"#,
            "$.entrypoint[0] (line 1, column 31): found the number 1, expected a string",
        ),
        (r#""container_args": "x""#, r#"found the string "x", expected an array of arguments"#),
        (r#""container_args": [true]"#, "found true, expected a string without NUL"),
        (r#""container_args": [null]"#, "found null, expected a string without NUL"),
        (r#""container_args": [["a"]]"#, "found an array, expected a string without NUL"),
        (r#""container_args": [1e999]"#, "found the number 1e999, expected"),
        (r#""container_args": ["a\u0000"]"#, "expected a string without NUL"),
        (
            r#""volumes": 1"#,
            "found the number 1, expected an object of volumes or an array of volumes",
        ),
        (
            r#""volumes": [":/a"]"#,
            r#"$.volumes[0] (line 1, column 28): found the string ":/a", expected `host:container[:mode]`"#,
        ),
        (r#""volumes": ["/a:/b:rx"]"#, r#"found the string "/a:/b:rx""#),
        (
            r#""volumes": {"data/x": "/b"}"#,
            r#"$.volumes["data/x"] (line 1, column 38): found the path "data/x", expected an absolute path"#,
        ),
        (
            r#""volumes": {"/a": {"bind": "b"}}"#,
            r#"$.volumes["/a"].bind (line 1, column 43): found the string "b", expected an absolute path"#,
        ),
        (
            r#""volumes": {"/a": {"bind": "/b", "mode": "rw", "ro": true}}"#,
            "`mode` and `ro` cannot be given together",
        ),
        (
            r#""volumes": {"/a": {"bind": "/b", "mode": "rw,shared", "propagation": "slave"}}"#,
            "`propagation` and `mode` cannot be given together",
        ),
        (
            r#""volumes": [{"type": "TemporaryVolume", "mode": 4096}]"#,
            "found the number 4096, expected a whole number from 0 to 4095",
        ),
        (
            r#""volumes": [{"type": "TemporaryVolume", "mode": 1.5}]"#,
            "found the number 1.5, expected a whole number",
        ),
        (r#""image": "j""#, "`image` is there twice"),
    ] {
        assert_says(&with(members), &[message]);
    }
    assert_says(
        &refusal(r#"{"image": ""}"#),
        &["$.image ", "found an empty string, expected an image reference"],
    );
}

#[test]
fn paths_that_leave_their_volume_are_refused() {
    for filename in ["", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "a\\u0000"] {
        let message = argument(&format!(r#"{{"type": "VolumePath", "filename": "{filename}"}}"#));
        assert_says(
            &message,
            &["$.container_args[0].filename ", "expected a relative path without `..`"],
        );
    }
    for name in ["", "/x", "..", "a/../x", "./a", "a/", "a//b", "a\\u0000"] {
        let message = argument(&format!(r#"{{"type": "NamedInputPipe", "name": "{name}"}}"#));
        assert_says(
            &message,
            &["$.container_args[0].name ", "expected a relative path of ordinary names"],
        );
    }
}

#[test]
fn volumes_that_contradict_each_other_are_refused() {
    for (volumes, message) in [
        (
            r#"["/a:/b", "/c:/b"]"#,
            "$.volumes[1] (line 1, column 37): another volume is mounted at /b already",
        ),
        (r#"["/a:/b", "/a:/b/:ro"]"#, "another volume is mounted at /b/ already"),
        (r#"{"/a": "/b", "/c": {"bind": "//b/."}}"#, "another volume is mounted at //b/. already"),
        (
            r#"[{"type": "TemporaryVolume", "name": "t", "mode": 448}, {"type": "TemporaryVolume", "name": "t", "mode": 511}]"#,
            "the temporary volume `t` has another `mode` before this",
        ),
        (
            r#"[{"type": "TemporaryVolume", "name": "t", "host_dir": "/a"}, {"type": "TemporaryVolume", "name": "t", "host_dir": "/b"}]"#,
            "the temporary volume `t` has another `host_dir` before this",
        ),
    ] {
        assert_says(&with(&format!(r#""volumes": {volumes}"#)), &[message]);
    }
}

#[test]
fn modes_that_the_engine_refuses_for_a_kind_of_volume_are_refused() {
    assert_says(
        &with(r#""volumes": ["/a:/b:ro,nocopy"]"#),
        &["$.volumes[0] ", "the mode `nocopy` is only for the engine's volumes"],
    );
    assert_says(
        &with(r#""volumes": {"named": {"bind": "/b", "propagation": "rslave"}}"#),
        &["$.volumes.named ", "the mode `rslave` is only for paths of the host"],
    );
}

#[test]
fn a_volume_that_is_named_but_not_there_is_refused() {
    let message = with(
        r#""volumes": [{"type": "TemporaryVolume", "name": "scratch"}],
           "container_args": [{"type": "VolumePath", "filename": "x", "volume": "scrtach"}]"#,
    );
    assert_says(
        &message,
        &["$.container_args[0].volume ", "no volume named `scrtach`", "did you mean `scratch`?"],
    );
    let message = argument(r#"{"type": "VolumePath", "filename": "x", "volume": "data"}"#);
    assert_says(&message, &["no volume named `data`", "none is known"]);
}

#[test]
fn a_pipe_needs_a_folder_of_the_host() {
    let pipe = |members: &str| {
        argument(&format!(r#"{{"type": "NamedInputPipe", "name": "p", {members}}}"#))
    };
    assert_says(&pipe(r#""host_path": "/a""#), &["`host_path` needs `container_path` beside it"]);
    assert_says(
        &pipe(r#""container_path": "/a""#),
        &["`container_path` needs `host_path` beside it"],
    );
    assert_says(
        &pipe(
            r#""container_path": "/a", "host_path": "/b", "volume": {"type": "TemporaryVolume"}"#,
        ),
        &["`volume` and `container_path` cannot be given together"],
    );
    assert_says(
        &pipe(
            r#""volume": {"type": "BindMountVolume", "host_path": "named", "container_path": "/b"}"#,
        ),
        &["the FIFO `p` needs a folder of the host, and `named` is the engine's volume"],
    );
}

#[test]
fn ends_are_connected_once() {
    let connects = |connects: &[(&str, &str)]| {
        let connects: Vec<String> = connects
            .iter()
            .map(|(input, output)| {
                format!(r#"{{"type": "Connect", "input": {{{input}}}, "output": {{{output}}}}}"#)
            })
            .collect();
        argument(&connects.join(","))
    };
    let (file, out) = (r#""type": "HostFileToStream", "path": "/x""#, r#""type": "HostStdOut""#);
    let pipe = r#""type": "NamedInputPipe", "name": "p""#;
    assert_says(
        &connects(&[(file, pipe), (file, pipe)]),
        &["$.container_args[1].output ", "the FIFO `p` is connected already"],
    );
    let folder =
        |way: &str, place: &str| format!(r#""type": "Named{way}Pipe", "name": "p", {place}"#);
    let by_volume =
        r#""volume": {"type": "BindMountVolume", "host_path": "/h/", "container_path": "/c"}"#;
    let by_paths = r#""container_path": "/d", "host_path": "/h""#;
    assert_says(
        &connects(&[(file, &folder("Input", by_volume)), (&folder("Output", by_paths), out)]),
        &["$.container_args[1].input ", "the FIFO `p` is connected already"],
    );
    let stdout = r#""type": "ContainerStdOut""#;
    assert_says(
        &connects(&[(stdout, out), (stdout, pipe)]),
        &["ContainerStdOut is connected already"],
    );
    let host_file = r#""type": "HostFile", "path": "/y""#;
    let stderr = r#""type": "ContainerStdErr""#;
    assert_says(
        &connects(&[(stdout, host_file), (stderr, host_file)]),
        &["the file /y is connected already"],
    );
    assert_says(&connects(&[(file, host_file)]), &["neither end is in the container"]);
}

#[test]
fn no_error_shows_a_secret() {
    let url = |url: &str, headers: &str| {
        argument(&format!(
            r#"{{"type": "Connect", "output": {{"type": "NamedInputPipe", "name": "p"}},
                "input": {{"type": "UrlToStream", "url": {url}, "headers": {headers}}}}}"#
        ))
    };
    for message in [
        with(r#""girder_client_token": "SECRET SECRET""#),
        with(r#""girder_client_token": ["SECRET"]"#),
        with(r#""girder_client_token": {"type": "SECRET"}"#),
        with(r#""girder_api_url": "http://SECRET:SECRET@host/""#),
        with(r#""girder_api_url": "http://host/?token=SECRET""#),
        url(r#""http://user:SECRET@host/""#, "{}"),
        url(r#""ftp://host/?SECRET""#, "{}"),
        url(r#""http://[::1/?SECRET""#, "{}"),
        url(r#""http://host/ ?SECRET""#, "{}"),
        url(r#""http://host/""#, r#"{"Authorization": "SECRET\n"}"#),
        url(r#""http://host/""#, r#"{"Authorization: SECRET": ""}"#),
        url(r#""http://host/""#, r#""SECRET""#),
        url(r#""http://host/""#, r#"["SECRET"]"#),
        url(r#""http://host/""#, r#"{"A": "SECRET", "a": "SECRET"}"#),
    ] {
        assert!(!message.contains("SECRET"), "{message}");
    }
}

#[test]
fn an_accepted_job_shows_no_secret() {
    let job = JobSpec::from_json(
        r#"{"image": "i", "girder_client_token": "SECRET", "container_args": [{"type": "Connect",
            "input": {"type": "UrlToStream", "url": "https://host/path?sign=SECRET#SECRET",
                      "headers": {"Authorization": "SECRET"}},
            "output": {"type": "NamedInputPipe", "name": "p"}}]}"#,
    )
    .unwrap();
    let shown = format!("{job:?} {job:#?}");
    assert!(!shown.contains("SECRET"), "{shown}");
    assert!(shown.contains("https://host/path?…"), "{shown}");
}

#[test]
fn the_place_of_an_error_is_also_there_for_programs() {
    let error = JobSpec::from_json("{\"image\": \"i\",\n \"tty\": true}").unwrap_err();
    assert_eq!(
        (error.place().path.as_str(), error.place().line, error.place().column),
        ("$.tty", 2, 9)
    );
    assert!(matches!(error.problem(), Problem::Refused { member: "tty", .. }));
}
