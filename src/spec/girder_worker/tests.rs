//! What can be in a message, and what can be wrong with it. The real ones are in `tests/it`.
//!
//! Pickles here are as jsonpickle 4.1.4 writes them.

use crate::spec::jsonpickle::MAX_REFERENCES;
use crate::spec::{
    Argument, Download, Downloaded, GirderJob, Hook, JobSpec, Problem, PullPolicy, Secret,
    SpecError, TemporaryVolume, Volume, VolumePath, VolumeRef,
};

const DEFAULT: &str = r#"{"py/object": "girder_worker.docker.transforms._DefaultTemporaryVolume",
    "_host_path": null, "_container_path": null, "mode": "rw", "_transformed": false,
    "host_dir": null, "_mode": 511, "_instance": null}"#;

fn text(headers: &str, args: &str, kwargs: &str) -> String {
    format!(
        r#"{{"headers": {{{headers}}}, "body": {{"py/tuple": [{args}, {{{kwargs}}},
            {{"callbacks": null, "errbacks": null, "chain": null, "chord": null}}]}}}}"#
    )
}

fn job(headers: &str, args: &str, kwargs: &str) -> JobSpec {
    let text = text(headers, args, kwargs);
    match JobSpec::from_message(&text) {
        Ok(job) => job,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn refusal(headers: &str, args: &str, kwargs: &str) -> SpecError {
    JobSpec::from_message(&text(headers, args, kwargs)).unwrap_err()
}

fn argument(argument: &str) -> Argument {
    let job = job("", r#"["i"]"#, &format!(r#""container_args": [{argument}]"#));
    job.container_args.into_iter().next().unwrap()
}

fn client(url: &str, token: &str) -> String {
    format!(
        r#""gc": {{"py/object": "girder_client.GirderClient", "host": null, "urlBase": "{url}",
            "token": "{token}", "_folderUploadCallbacks": [], "_serverApiDescription": {{}},
            "progressReporterCls": {{"py/type": "girder_client._NoopProgressReporter"}}}}"#
    )
}

#[test]
fn arguments_by_position_and_by_name_are_the_same() {
    let by_name = job(
        "",
        "[]",
        r#""image": "i", "pull_image": false, "entrypoint": ["sh"], "container_args": ["x"],
           "volumes": {}, "remove_container": false"#,
    );
    assert_eq!(by_name.pull, PullPolicy::Never);
    let args = r#"{"py/tuple": ["i", false, {"py/tuple": ["sh"]}, ["x"], {}, false]}"#;
    assert_eq!(job("", args, ""), by_name);
}

#[test]
fn what_python_takes_for_false_is_false_and_what_girder_worker_drops_is_dropped() {
    let read = job(
        "",
        r#"["i"]"#,
        r#""pull_image": null, "remove_container": null, "tty": true, "detach": false"#,
    );
    let expected =
        JobSpec { pull: PullPolicy::Never, remove_container: false, ..JobSpec::new("i") };
    assert_eq!(read, expected);
}

#[test]
fn a_container_that_docker_py_has_removed_is_removed_whatever_the_parameter_says() {
    for keyword in ["remove", "auto_remove"] {
        let by_name = format!(r#""{keyword}": true, "remove_container": false"#);
        assert!(job("", r#"["i"]"#, &by_name).remove_container, "{keyword}");
        let by_position = r#"["i", false, null, [], {}, false]"#;
        assert!(job("", by_position, &format!(r#""{keyword}": true"#)).remove_container);
    }
}

#[test]
fn an_object_that_is_there_again_is_counted_as_jsonpickle_counts() {
    // Lists, dictionaries and objects, from 0: [args], {kwargs}, {volumes}, "x", [args], the id.
    let kwargs = r#""volumes": {}, "container_args": ["x",
        {"py/object": "girder_worker.docker.transforms.girder.GirderFileIdToVolume",
         "_file_id": {"py/object": "bson.objectid.ObjectId", "py/state": {"py/b64": "awLCv47WSdE7xQtP"}},
         "_volume": null},
        {"py/object": "girder_worker.docker.transforms.girder.GirderItemIdToVolume",
         "_item_id": {"py/id": 5}}]"#;
    let id = "6b02c2bf8ed649d13bc50b4f".to_owned();
    let volume = VolumeRef::DEFAULT;
    let read = job("", r#"["i"]"#, kwargs);
    let file = Downloaded::File { id: id.clone(), filename: None, direct: None };
    assert_eq!(read.container_args[1], Argument::Download(Download { what: file, volume }));
    let item = Downloaded::Item { id };
    assert_eq!(read.container_args[2], Argument::Download(Download { what: item, volume }));
}

#[test]
fn a_temporary_volume_that_is_one_object_is_one_volume() {
    let temporary = r#"{"py/object": "girder_worker.docker.transforms.TemporaryVolume",
        "_host_path": null, "_container_path": null, "mode": "rw", "_transformed": false,
        "host_dir": "/scratch", "_mode": 448, "_instance": null}"#;
    let path = |name: &str, volume: &str| {
        format!(
            r#"{{"py/object": "girder_worker.docker.transforms.VolumePath", "filename": "{name}",
                "_volume": {volume}}}"#
        )
    };
    let read = job(
        "",
        r#"["i"]"#,
        &format!(
            r#""volumes": [{temporary}], "container_args": [{}, {}, {DEFAULT}, {DEFAULT}, {temporary}]"#,
            path("a", r#"{"py/id": 3}"#),
            path("b", r#"{"py/id": 3}"#),
        ),
    );
    let volume = |name: Option<&str>| {
        let name = name.map(str::to_owned);
        Volume::Temporary(TemporaryVolume { name, host_dir: Some("/scratch".into()), mode: 0o700 })
    };
    assert_eq!(read.volumes, [volume(Some("py/id 3")), volume(None)]);
    let first = VolumeRef::at(0);
    let path =
        |name: &str| Argument::VolumePath(VolumePath { filename: name.to_owned(), volume: first });
    assert_eq!(
        read.container_args,
        [
            path("a"),
            path("b"),
            Argument::Volume(VolumeRef::DEFAULT),
            Argument::Volume(VolumeRef::DEFAULT),
            Argument::Volume(VolumeRef::at(1)),
        ]
    );
}

#[test]
fn sets_and_tuples_are_lists() {
    let read = job(
        "",
        r#"["i"]"#,
        r#""container_args": {"py/set": ["x"]}, "entrypoint": {"py/tuple": []}"#,
    );
    assert_eq!(read.container_args, [Argument::Literal("x".to_owned())]);
    assert_eq!(read.entrypoint, Some(Vec::new()));
}

#[test]
fn the_transforms_of_slicer_cli_web_are_known() {
    let slicer = "slicer_cli_web.girder_worker_plugin.direct_docker_run";
    let plain = |name: &str| argument(&format!(r#"{{"py/object": "{slicer}.{name}"}}"#));
    assert_eq!(plain("GirderApiUrl"), Argument::GirderApiUrl);
    assert_eq!(plain("GirderToken"), Argument::GirderToken);
    let direct = argument(&format!(
        r#"{{"py/object": "{slicer}.DirectGirderFileIdToVolume", "_file_id": "5f",
            "_volume": {DEFAULT}, "_filename": "a.svs", "_file_path": null,
            "_direct_file_path": "/store/a.svs", "_direct_container_path": null}}"#
    ));
    let what = Downloaded::File {
        id: "5f".to_owned(),
        filename: Some("a.svs".to_owned()),
        direct: Some("/store/a.svs".into()),
    };
    assert_eq!(direct, Argument::Download(Download { what, volume: VolumeRef::DEFAULT }));
    let joined = argument(&format!(
        r#"{{"py/object": "{slicer}.CommaJoinedVolumes", "_volumes": [{DEFAULT},
            {{"py/object": "girder_worker.docker.transforms.girder.GirderItemIdToVolume",
              "_item_id": "5e", "_volume": {{"py/id": 5}}, "_item_path": null}}]}}"#
    ));
    let item = Downloaded::Item { id: "5e".to_owned() };
    let item = Argument::Download(Download { what: item, volume: VolumeRef::DEFAULT });
    assert_eq!(joined, Argument::CommaJoined(vec![Argument::Volume(VolumeRef::DEFAULT), item]));
    let task = format!(r#""task": "{slicer}.run""#);
    assert_eq!(job(&task, "[]", r#""image": "i""#), JobSpec::new("i"));
}

#[test]
fn docker_pys_keywords_and_its_own_objects_are_those_of_the_document() {
    let kwargs = r#""environment": {"A": "b"}, "mem_limit": "1g",
        "ulimits": [{"py/object": "docker.types.containers.Ulimit",
            "Name": "nofile", "Soft": 1, "Hard": 2, "__dict__": {}}],
        "device_requests": [{"py/object": "docker.types.containers.DeviceRequest", "Driver": "",
            "Count": -1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}, "__dict__": {}}],
        "healthcheck": {"py/object": "docker.types.healthcheck.Healthcheck", "Test": ["CMD", "x"],
            "Interval": 1000000, "Timeout": null, "Retries": null, "StartPeriod": null, "__dict__": {}},
        "mounts": [{"py/object": "docker.types.services.Mount", "Target": "/t", "Source": "/s",
            "Type": "bind", "ReadOnly": true, "__dict__": {}}],
        "log_config": {"py/object": "docker.types.containers.LogConfig", "Type": "json-file",
            "Config": {"a": "b"}, "__dict__": {}}"#;
    let document = r#"{"image": "i", "environment": {"A": "b"}, "mem_limit": "1g",
        "ulimits": [{"name": "nofile", "soft": 1, "hard": 2}],
        "device_requests": [{"count": -1, "capabilities": [["gpu"]]}],
        "healthcheck": {"test": ["CMD", "x"], "interval": 1000000},
        "mounts": [{"Target": "/t", "Source": "/s", "Type": "bind", "ReadOnly": true}],
        "log_config": {"type": "json-file", "config": {"a": "b"}}}"#;
    assert_eq!(job("", r#"["i"]"#, kwargs), JobSpec::from_json(document).unwrap());
}

#[test]
fn a_hook_is_a_pickle_of_its_own_and_girders_record_in_it_is_passed_over() {
    let hook = format!(
        r#"{{"py/object": "girder_worker.docker.transforms.girder.GirderUploadVolumePathJobArtifact",
            {}, "job_id": null, "name": null, "_volumepath":
              {{"py/object": "girder_worker.docker.transforms.VolumePath", "filename": "log",
                "_volume": {DEFAULT}}},
            "_upload_on_exception": true,
            "job": {{"_id": {{"py/object": "bson.objectid.ObjectId", "py/state": {{"py/b64": "awLCv47WSdE7xQtP"}}}},
              "created": {{"py/object": "datetime.datetime", "__reduce__":
                [{{"py/type": "datetime.datetime"}}, ["B+QBAQAAAAAAAA=="]]}}}}}}"#,
        client("http://h/api/v1/", "TOKEN"),
    );
    let read = job(&format!(r#""girder_result_hooks": [{hook}, {hook}]"#), r#"["i"]"#, "");
    let path = VolumePath { filename: "log".to_owned(), volume: VolumeRef::DEFAULT };
    let hook = Hook::JobArtifact { path, job_id: None, name: None, upload_on_exception: true };
    assert_eq!(read.result_hooks, [hook.clone(), hook]);
    assert_eq!(read.girder_client_token, Some(Secret::new("TOKEN")));
}

#[test]
fn the_token_of_the_transforms_goes_before_that_of_the_headers() {
    let headers = r#""girder_client_token": "HEADER", "girder_api_url": "http://h/api/v1""#;
    let read = job(headers, r#"["i"]"#, "");
    assert_eq!(read.girder_client_token, Some(Secret::new("HEADER")));
    assert_eq!(read.girder_api_url.as_deref(), Some("http://h/api/v1"));
    let stream = |url: &str, token: &str| {
        format!(
            r#"{{"py/object": "girder_worker.docker.transforms.girder.GirderItemIdToVolume", {},
                "_item_id": "5e", "_volume": {DEFAULT}, "_item_path": null}}"#,
            client(url, token)
        )
    };
    let args = |second: &str| {
        let first = stream("http://g/api/v1/", "FIRST");
        format!(r#""container_args": [{first}, {}]"#, stream(second, "SECOND"))
    };
    let read = job(headers, r#"["i"]"#, &args("http://g/api/v1"));
    assert_eq!(read.girder_client_token, Some(Secret::new("FIRST")));
    assert_eq!(read.girder_api_url.as_deref(), Some("http://g/api/v1"));
    let error = refusal(headers, r#"["i"]"#, &args("http://other/api/v1/"));
    assert!(matches!(error.problem(), Problem::OtherServer));
    assert!(error.place().path.ends_with(".container_args[1].gc.urlBase"), "{error}");
}

#[test]
fn a_client_that_nobody_has_logged_in_has_no_token() {
    let stream = format!(
        r#"{{"py/object": "girder_worker.docker.transforms.girder.GirderFileIdToVolume",
            "_file_id": "6b02c2bf8ed649d13bc50b4e", "_volume": null, {}}}"#,
        client("http://g/api/v1/", "")
    );
    let read = job("", r#"["i"]"#, &format!(r#""container_args": [{stream}]"#));
    assert_eq!(read.girder_client_token, None);
}

#[test]
fn the_job_in_girder_is_taken_from_the_headers() {
    let headers = r#""jobInfoSpec": {"method": "put", "url": "http://h/api/v1/job/5c",
        "reference": "5c", "headers": {"Girder-Token": "TOKEN"}, "logPrint": true}"#;
    let read = job(headers, r#"["i"]"#, "").girder_job.unwrap();
    assert_eq!((read.id(), read.method.as_str()), (Some("5c"), GirderJob::METHOD));
    assert_eq!(read.headers.get("Girder-Token").map(Secret::expose), Some("TOKEN"));
}

#[test]
fn what_is_set_of_the_session_is_the_jobs_and_what_is_not_understood_is_a_warning() {
    let headers = r#""jobInfoSpec": {"url": "http://h/api/v1/job/5c",
        "headers": {"Girder-Token": "TOKEN"}, "method": null},
        "girder_client_session_kwargs": {"verify": "/ca.pem", "cert": ["/c.pem", "/k.pem"],
          "proxies": {"http": "http://p:1"}, "auth": ["a", "b"], "stream": null,
          "headers": {"X-Proxy": "p", "girder-token": "other", "Host": "h", "X-Line": "a\nb"}}"#;
    let read = job(headers, r#"["i"]"#, "");
    let sent: Vec<_> = read.girder_job().unwrap().headers.iter().collect();
    let (token, proxy) = (Secret::new("TOKEN"), Secret::new("p"));
    assert_eq!(sent, [(&"Girder-Token".to_owned(), &token), (&"X-Proxy".to_owned(), &proxy)]);
    let session = &read.girder_job().unwrap().session;
    assert_eq!(session.ca_file.as_deref(), Some("/ca.pem".as_ref()));
    assert_eq!(session.certificate, Some(("/c.pem".into(), "/k.pem".into())));
    assert_eq!(session.proxies.get("http"), Some(&Secret::new("http://p:1")));
    assert!(!session.unverified);
    let [auth, unsent] = read.warnings() else { panic!("{:?}", read.warnings()) };
    assert!(auth.contains("`auth`") && unsent.contains("2 of `headers`"), "{auth} {unsent}");

    let spec = r#""jobInfoSpec": {"url": "http://h/api/v1/job/5c"}"#;
    let with = |settings: &str| {
        let headers = format!(r#"{spec}, "girder_client_session_kwargs": {{{settings}}}"#);
        job(&headers, r#"["i"]"#, "")
    };
    let unverified = with(r#""verify": false, "cert": "/both.pem""#);
    let session = &unverified.girder_job().unwrap().session;
    assert!(session.unverified);
    assert_eq!(session.certificate, Some(("/both.pem".into(), "/both.pem".into())));
    assert!(unverified.warnings()[0].contains("is not checked"), "{:?}", unverified.warnings());
    assert_eq!(with(r#""verify": true"#).warnings(), [] as [String; 0]);
    assert_eq!(with(r#""cert": [1], "verify": 5, "proxies": "p""#).warnings().len(), 3);
    let without = job(r#""girder_client_session_kwargs": {"verify": false}"#, r#"["i"]"#, "");
    assert_eq!(without.warnings(), [] as [String; 0]);
}

#[test]
fn a_key_that_is_a_number_is_what_python_prints() {
    let read = job("", r#"["i"]"#, r#""ports": {"json://8080": 80}"#);
    let document = r#"{"image": "i", "ports": {"8080": 80}}"#;
    assert_eq!(read, JobSpec::from_json(document).unwrap());
}

#[test]
fn what_is_not_known_is_refused_with_its_name_and_place() {
    let in_args =
        |value: &str| refusal("", r#"["i"]"#, &format!(r#""container_args": ["x", {value}]"#));
    let place = |error: &SpecError| error.place().path.clone();
    let at = r#"$.body["py/tuple"][1].container_args[1]"#;

    let error = in_args(r#"{"py/object": "os.system", "command": "x"}"#);
    assert!(matches!(error.problem(), Problem::UnknownClass { name, .. } if name == "os.system"));
    assert_eq!(place(&error), format!(r#"{at}["py/object"]"#));
    let error = in_args(r#"{"py/object": "girder_worker.docker.transforms.NamedInputPip"}"#);
    let hint = "did you mean `girder_worker.docker.transforms.NamedInputPipe`?";
    assert!(error.to_string().contains(hint), "{error}");

    let known = r#""py/object": "girder_worker.docker.transforms.VolumePath", "filename": "a""#;
    let error = in_args(&format!(r#"{{{known}, "follow_links": true}}"#));
    assert!(error.to_string().contains("VolumePath has no `follow_links`"), "{error}");
    assert_eq!(place(&error), format!("{at}.follow_links"));
    assert!(matches!(argument(&format!(r#"{{{known}, "new": null}}"#)), Argument::VolumePath(_)));

    for (value, found) in [
        (r#"{"py/type": "builtins.int"}"#, "found a Python class"),
        (r#"{"py/b64": "AAAA"}"#, "the class `bytes` cannot be used here; in Python, `.decode()`"),
        (
            r#"{"py/set": [1, 2]}"#,
            "`set` cannot be used here; it has no order: in Python, `str(sort",
        ),
        (
            r#"{"py/reduce": [{"py/type": "fractions.Fraction"}, {"py/tuple": [1, 3]}]}"#,
            "`fractions.Fraction` cannot be used here; in Python, `str(…)` makes a string of it",
        ),
        (
            r#"{"py/reduce": [{"py/function": "numpy._core.multiarray.scalar"}, {"py/tuple": []}]}"#,
            "`numpy._core.multiarray.scalar` cannot be used here; in Python, `str(…)`",
        ),
        (
            r#"{"py/object": "datetime.date", "__reduce__": [{"py/type": "datetime.date"}, ["B+QBAg=="]]}"#,
            "`datetime.date` cannot be used here; in Python, `str(…)`",
        ),
        (r#"{"py/function": "os.system"}"#, "what only Python has"),
        (r#"{"py/repr": "os/os"}"#, "what only Python has"),
        (r#"{"py/tuple": 1}"#, "found the number 1, expected an array"),
        (r#"{"json://null": 1}"#, "found a key that is not a string"),
        (r#"{"py/id": 3}"#, "there is no object 3 before this, of which there are 3"),
        (r#"{"py/id": -1}"#, "there is no object -1"),
        (r#"{"py/id": "0"}"#, "there is no object the string \"0\""),
        (r#"{"py/object": "bson.objectid.ObjectId"}"#, "found no id"),
    ] {
        let error = in_args(value).to_string();
        assert!(error.contains(found) && error.contains("container_args[1]"), "{value}: {error}");
    }

    let error = refusal(
        r#""girder_result_hooks": [{"py/object":
            "girder_worker.utils.transforms.girder_io.GirderItemMetadata", "item_id": "5e"}]"#,
        r#"["i"]"#,
        "",
    );
    assert!(error.to_string().contains("`GirderItemMetadata` cannot be set: it merges"), "{error}");
    assert!(place(&error).starts_with("$.headers.girder_result_hooks[0]"));
}

#[test]
fn what_is_not_a_message_of_docker_run_is_refused() {
    let says = |error: SpecError, part: &str| {
        assert!(error.to_string().contains(part), "{error}");
    };
    says(JobSpec::from_message("{}").unwrap_err(), "a message needs `headers`");
    says(JobSpec::from_message(r#"{"headers": {}}"#).unwrap_err(), "a message needs `body`");
    says(
        JobSpec::from_message(r#"{"headers": {}, "body": "SECRET"}"#).unwrap_err(),
        "$.body (line 1, column 25): found a string (not shown), expected the arguments of a task",
    );
    says(
        refusal(r#""task": "celery.chord""#, r#"["i"]"#, ""),
        "the task `celery.chord` cannot be run",
    );
    says(refusal("", "[]", ""), "a job needs `image`");
    says(refusal("", r#"["i"]"#, r#""image": "j""#), "`image` is there twice");
    says(
        refusal("", r#"["i", true, null, [], {}, true, 1]"#, ""),
        "7 arguments of docker_run are too many: at most 6 are allowed",
    );
}

#[test]
fn references_are_limited() {
    // In a place that is passed over, so that nothing else is the matter.
    let references = |count: usize| {
        let ids = vec![r#"{"py/id":0}"#; count].join(",");
        let known = r#""py/object": "girder_worker.docker.transforms.HostStdOut""#;
        text("", r#"["i"]"#, &format!(r#""container_args": [{{{known}, "gc": [{ids}]}}]"#))
    };
    let within = JobSpec::from_message(&references(MAX_REFERENCES)).unwrap_err();
    assert!(matches!(within.problem(), Problem::Misplaced { .. }), "{within}");
    let error = JobSpec::from_message(&references(MAX_REFERENCES + 1)).unwrap_err();
    let Problem::TooMany { unit: "references", most: MAX_REFERENCES, .. } = error.problem() else {
        panic!("{error}")
    };
}

#[test]
fn references_do_not_get_around_the_limits_of_a_document() {
    let too_many = |kwargs: &str, expected: &str| {
        let error = refusal("", r#"["i"]"#, kwargs);
        assert!(
            matches!(error.problem(), Problem::TooMany { unit, .. } if *unit == expected),
            "{error}"
        );
    };
    // A list in itself.
    too_many(r#""container_args": [{"py/id": 2}]"#, "levels of nesting");
    // Each list is the one before it, ten times.
    let mut lists = vec![r#"["x"]"#.to_owned()];
    for id in 3..12 {
        lists.push(format!("[{}]", vec![format!(r#"{{"py/id": {id}}}"#); 10].join(",")));
    }
    too_many(&format!(r#""container_args": [{}]"#, lists.join(",")), "values");
    let deep = format!(r#""container_args": {}{}"#, "[".repeat(40), "]".repeat(40));
    too_many(&deep, "levels of nesting");
}

#[test]
fn what_is_no_string_is_passed_as_python_says_it() {
    let literal = |json: &str| match argument(json) {
        Argument::Literal(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(literal("null"), "None");
    assert_eq!(literal("true"), "True");
    assert_eq!(literal(r#"[1, ["a", null]]"#), "[1, ['a', None]]");
    assert_eq!(literal(r#"{"a": 1.0}"#), "{'a': 1.0}");
    assert_eq!(literal(r#"{"py/tuple": [1]}"#), "(1,)");
    // A job document says what the program is to see.
    for text in ["null", "true", "[1]"] {
        let document = format!(r#"{{"image": "i", "container_args": [{text}]}}"#);
        assert!(JobSpec::from_json(&document).is_err(), "{text}");
    }
}

#[test]
fn a_task_that_was_not_sent_is_read_as_one_that_was() {
    let sent = job("", r#"["i"]"#, &format!(r#""container_args": ["a", {DEFAULT}]"#));
    let kwargs = format!(r#"{{"container_args": ["a", {DEFAULT}]}}"#);
    let task = "girder_worker.docker.tasks.docker_run";
    for text in [
        // What kombu's serializer makes of the arguments alone.
        format!(r#"{{"py/tuple": [["i"], {kwargs}, {{}}]}}"#),
        format!(r#"[["i"], {kwargs}, null]"#),
        // A signature, as JSON and as jsonpickle writes them.
        format!(r#"{{"task": "{task}", "args": ["i"], "kwargs": {kwargs}, "options": {{}}}}"#),
        format!(
            r#"{{"py/object": "celery.canvas.Signature", "task": "{task}", "args": {{"py/tuple": ["i"]}},
                "kwargs": {kwargs}, "options": {{}}, "subtask_type": null, "immutable": false}}"#
        ),
    ] {
        let read = JobSpec::from_message(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read, sent, "{text}");
    }
    let hooked = format!(
        r#"{{"task": "{task}", "args": ["i"], "kwargs": {{}}, "options": {{"girder_api_url": "http://h/api/v1",
            "girder_result_hooks": [{{"py/object":
                "girder_worker.docker.transforms.girder.GirderUploadVolumePathToItem", "item_id": "5f",
                "_volumepath": {{"py/object": "girder_worker.docker.transforms.VolumePath",
                    "filename": "x", "_volume": {DEFAULT}}}}}]}}}}"#
    );
    let read = JobSpec::from_message(&hooked).unwrap();
    assert_eq!(read.result_hooks().len(), 1);
    assert_eq!(read.girder_api_url(), Some("http://h/api/v1"));
    let other = JobSpec::from_message(r#"{"task": "x.y", "args": [], "kwargs": {}}"#).unwrap_err();
    assert!(matches!(other.problem(), Problem::UnknownTask { .. }), "{other}");
    let nothing = JobSpec::from_message("{}").unwrap_err();
    assert!(matches!(nothing.problem(), Problem::Missing { member: "headers", .. }), "{nothing}");
}
