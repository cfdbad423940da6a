//! The JSON Schema against the parser: each accepts and refuses the same documents.

use std::fmt::Write as _;

use fastrand::Rng;
use gantline::spec::{JobSpec, Problem, SpecError, schema};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// What a schema cannot say: that a name is declared, and that two places of a document do not
/// contradict each other. The parser may refuse for these reasons what the schema accepts.
fn beyond_a_schema(error: &SpecError) -> bool {
    match error.problem() {
        Problem::UnknownVolume { .. }
        | Problem::MountTaken(_)
        | Problem::ModeMismatch { .. }
        | Problem::Contradiction { .. }
        | Problem::FifoTaken(_)
        | Problem::EndTaken(_)
        | Problem::NotOnHost { .. }
        // Header names are compared without regard to case; members of the document are not.
        | Problem::Twice(_)
        | Problem::Exclusive { member: "propagation", other: "mode" }
        | Problem::Exclusive { member: "auto_remove" | "remove", .. } => true,
        // Two keywords that contradict each other by their values.
        Problem::PortsOfHost => true,
        // More than a pattern can say of an address: ports beyond 65,535, brackets that stay open.
        // How many bytes a number with its unit is. What is an address, and what a port, in a list.
        Problem::Unexpected { expected, .. } => {
            expected.contains("http://")
                || expected.contains("2^63")
                || expected.contains("an address and a port")
        }
        // Volumes and streams are counted over the whole document.
        Problem::TooMany { unit, .. } => matches!(*unit, "volumes" | "transfers"),
        _ => false,
    }
}

#[track_caller]
fn assert_agreement(schema: &Validator, document: &Value, context: &str) -> bool {
    let by_schema = schema.is_valid(document);
    match (JobSpec::from_json(&document.to_string()), by_schema) {
        (Ok(_), true) | (Err(_), false) => {}
        (Err(error), true) if beyond_a_schema(&error) => {}
        (Err(error), true) => panic!("only the schema accepts {document}\n{error}\n{context}"),
        (Ok(_), false) => {
            let mut message = format!("only the parser accepts {document}\n{context}");
            for error in schema.iter_errors(document) {
                let _ = write!(message, "\n{}: {error}", error.instance_path());
            }
            panic!("{message}");
        }
    }
    by_schema
}

/// Documents that are right.
fn right() -> Vec<Value> {
    let mut documents = Vec::new();
    let mut add = |members: Value| {
        let mut document = json!({"image": "debian:12"});
        document.as_object_mut().unwrap().append(&mut members.as_object().unwrap().clone());
        documents.push(document);
    };
    for members in [
        json!({}),
        json!({"$schema": "https://example.org/job.schema.json"}),
        json!({"image": "sha256:0123456789abcdef"}),
        json!({"image": "registry:5000/a/b@sha256:00"}),
        json!({"pull_image": true}),
        json!({"pull_image": false}),
        json!({"pull_image": "if-not-present"}),
        json!({"entrypoint": null}),
        json!({"entrypoint": "/bin/sh -c"}),
        json!({"entrypoint": []}),
        json!({"entrypoint": ["/bin/sh", "-c", ""]}),
        json!({"remove_container": false}),
        json!({"container_args": null, "volumes": null, "stream_connectors": null}),
        json!({"container_args": [], "volumes": [], "stream_connectors": []}),
        json!({"volumes": {}}),
        json!({"girder_api_url": null, "girder_client_token": null}),
        json!({"girder_api_url": "http://127.0.0.1:8080/api/v1", "girder_client_token": "abc"}),
        json!({"girder_api_url": "HTTPS://[::1]/"}),
    ] {
        add(members);
    }
    for keywords in docker_pys() {
        add(keywords);
    }
    for argument in right_arguments() {
        add(json!({"container_args": [argument]}));
    }
    for volume in right_volumes() {
        add(json!({"volumes": [volume]}));
        if volume.is_object() {
            add(json!({"container_args": [volume]}));
            add(
                json!({"container_args": [{"type": "VolumePath", "filename": "f", "volume": volume}]}),
            );
        }
    }
    for mapping in [
        json!({"/a": "/b"}),
        json!({"/a": {"bind": "/b"}}),
        json!({"/a/": {"bind": "/b/", "mode": "ro"}, "named": {"bind": "/c", "mode": ""}}),
        json!({"/a": {"bind": "/b", "ro": true}, "na-me_d.2": "/c"}),
        json!({"/a": {"bind": "/b", "mode": "ro,z", "propagation": "rshared"}}),
        json!({"/a": {"bind": "/b", "ro": false, "propagation": "private"}}),
    ] {
        add(json!({"volumes": mapping}));
    }
    for hook in right_hooks() {
        add(json!({"girder_result_hooks": [hook]}));
    }
    add(json!({"girder_result_hooks": null, "girder_job": null}));
    for job in [
        json!({"url": "http://h/api/v1/job/5c"}),
        json!({"url": "http://h/api/v1/job/5c", "headers": null, "method": "POST"}),
        json!({"url": "http://h/", "headers": {"Girder-Token": "x"}, "method": "PUT"}),
    ] {
        add(json!({"girder_job": job}));
    }
    let pipe = json!({"type": "NamedInputPipe", "name": "in"});
    for source in right_sources() {
        let connect = json!({"type": "Connect", "input": source, "output": pipe});
        add(json!({"container_args": [connect]}));
        add(json!({"stream_connectors": [connect]}));
    }
    let pipe = json!({"type": "NamedOutputPipe", "name": "out"});
    for sink in right_sinks() {
        for source in
            [&pipe, &json!({"type": "ContainerStdOut"}), &json!({"type": "ContainerStdErr"})]
        {
            let connect = json!({"type": "Connect", "input": source, "output": sink});
            add(json!({"container_args": ["-", connect], "stream_connectors": []}));
        }
    }
    add(json!({
        "volumes": ["/a:/b:ro", {"type": "TemporaryVolume", "name": "t", "mode": 448}],
        "entrypoint": ["sh", "-c"],
        "container_args": [
            "x", 1, 2.5,
            {"type": "VolumePath", "filename": "y", "volume": "t"},
            {"type": "TemporaryVolume.default"},
            {"type": "NamedOutputPipe", "name": "bare", "volume": "t"},
            {"type": "Connect", "input": {"type": "UrlToStream", "url": "https://host/x?y=z",
                "headers": {"Authorization": "Bearer x"}},
             "output": {"type": "NamedInputPipe", "name": "in", "volume": "t"}},
        ],
        "stream_connectors": [
            {"type": "Connect", "input": {"type": "ContainerStdOut"}, "output": {"type": "HostStdErr"}},
            {"type": "Connect", "input": {"type": "ContainerStdErr"},
             "output": {"type": "HostFile", "path": "/tmp/err"}},
        ],
    }));
    documents
}

/// docker-py's keywords, as its own tests and documents have them, and in their other forms.
fn docker_pys() -> Vec<Value> {
    let cases: Value = serde_json::from_str(include_str!("../data/create_bodies.json")).unwrap();
    let cases = cases["cases"].as_array().unwrap().iter();
    let mut all: Vec<Value> = cases.map(|case| case["kwargs"].clone()).collect();
    all.extend([
        json!({"environment": {"A": 1, "B": 1.5, "C": true, "D": "x=y"}, "labels": {}}),
        json!({"ulimits": [{"name": "nofile", "soft": 1024}], "tmpfs": ["/a", "/b:size=1m"]}),
        json!({"device_requests": [{"driver": "x", "count": 1, "device_ids": ["0"],
            "capabilities": [["gpu", "compute"]], "options": {"a": "b"}}]}),
        json!({"devices": [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b"}]}),
        json!({"healthcheck": {"test": "true", "retries": 3, "start_period": 5}}),
        json!({"log_config": {"Type": "none", "Config": {}}, "extra_hosts": ["a:1.2.3.4"]}),
        json!({"ports": {"80/tcp": [["127.0.0.1", 80], {"HostPort": "81", "HostIp": ""}, null]}}),
        json!({"ports": {"80-90": "8080-8090", "1": "", "2": ["::1", null], "3": ["::1"]}}),
        json!({"volumes_from": "a,b:ro", "mem_limit": "1.5gb", "memswap_limit": -1}),
        json!({"network": "n", "networking_config": {"n": {"Aliases": ["a"]}}}),
        json!({"gpu": "required", "remove": true, "use_config_proxy": false}),
        json!({"gpu": "preferred", "kernel_memory": 4096.0, "sysctls": {"a": "b"}}),
        json!({"mem_limit": null, "ports": null, "environment": null, "gpu": null}),
    ]);
    all
}

fn right_arguments() -> Vec<Value> {
    vec![
        json!(""),
        json!("--flag=é\n"),
        json!(0),
        json!(-3),
        json!(1e300),
        json!(18446744073709551615_u64),
        json!({"type": "TemporaryVolume.default"}),
        json!({"type": "VolumePath", "filename": "a"}),
        json!({"type": "VolumePath", "filename": "a/b/./c..d/..e/"}),
        json!({"type": "VolumePath", "filename": "."}),
        json!({"type": "NamedInputPipe", "name": "a"}),
        json!({"type": "NamedOutputPipe", "name": "a/b.c/...", "volume": {"type": "TemporaryVolume"}}),
        json!({"type": "NamedInputPipe", "name": "a", "container_path": "/c/", "host_path": "/h"}),
        json!({"type": "NamedInputPipe", "name": "a", "container_path": null, "host_path": null}),
        json!({"type": "NamedInputPipe", "name": "a", "container_path": null,
               "volume": {"type": "TemporaryVolume.default"}}),
        json!({"type": "GirderFileIdToVolume", "id": "5f"}),
        json!({"type": "GirderFileIdToVolume", "id": "5f", "filename": "a/b.c", "volume": {"type": "TemporaryVolume"}}),
        json!({"type": "DirectGirderFileIdToVolume", "id": "5f", "filename": null, "direct_file_path": null}),
        json!({"type": "DirectGirderFileIdToVolume", "id": "5f", "direct_file_path": "/a/../b/c.d"}),
        json!({"type": "GirderItemIdToVolume", "id": "5f"}),
        json!({"type": "GirderFolderIdToVolume", "id": "5f"}),
        json!({"type": "GirderFolderIdToVolume", "id": "5f", "folder_name": "..a",
               "volume": {"type": "BindMountVolume", "host_path": "/a", "container_path": "/b"}}),
        json!({"type": "ProgressPipe"}),
        json!({"type": "CommaJoinedVolumes", "volumes": []}),
        json!({"type": "CommaJoinedVolumes", "volumes": [{"type": "TemporaryVolume.default"},
               {"type": "VolumePath", "filename": "a"}, {"type": "GirderItemIdToVolume", "id": "5"}]}),
        json!({"type": "ProgressPipe", "name": "a", "volume": {"type": "TemporaryVolume.default"}}),
        json!({"type": "GirderApiUrl"}),
        json!({"type": "GirderToken"}),
    ]
}

fn right_volumes() -> Vec<Value> {
    vec![
        json!("/a:/b"),
        json!("/a b:/c d:rw"),
        json!("named:/b:"),
        json!("/a:/b:z"),
        json!("/a:/b:ro,Z,rprivate,delegated"),
        json!({"type": "BindMountVolume", "host_path": "/a", "container_path": "/b"}),
        json!({"type": "BindMountVolume", "host_path": "/", "container_path": "/b/", "mode": "ro"}),
        json!({"type": "BindMountVolume", "host_path": "named", "container_path": "/b", "mode": "nocopy"}),
        json!({"type": "TemporaryVolume"}),
        json!({"type": "TemporaryVolume", "name": null, "host_dir": null}),
        json!({"type": "TemporaryVolume", "name": "a b", "host_dir": "/scratch/../x", "mode": 511}),
        json!({"type": "TemporaryVolume", "mode": 0}),
        json!({"type": "TemporaryVolume", "mode": 4095.0}),
        json!({"type": "TemporaryVolume.default"}),
    ]
}

fn right_sources() -> Vec<Value> {
    vec![
        json!({"type": "GirderFileIdToStream", "id": "6b02c2bf8ed649d13bc50b4f"}),
        json!({"type": "GirderFileIdToStream", "id": "a-B_9"}),
        json!({"type": "UrlToStream", "url": "http://host"}),
        json!({"type": "UrlToStream", "url": "https://host:8443/a@b?c=d#e", "headers": null}),
        json!({"type": "UrlToStream", "url": "http://[::1]:80/", "headers": {}}),
        json!({"type": "UrlToStream", "url": "http://h/", "headers": {"X-A": "", "b": "é\tü"}}),
        json!({"type": "HostFileToStream", "path": "/a"}),
        json!({"type": "HostFileToStream", "path": "/../a"}),
        json!({"type": "NamedOutputPipe", "name": "a"}),
        json!({"type": "ContainerStdOut"}),
        json!({"type": "ContainerStdErr"}),
    ]
}

fn right_sinks() -> Vec<Value> {
    vec![
        json!({"type": "NamedInputPipe", "name": "a"}),
        json!({"type": "HostStdOut"}),
        json!({"type": "HostStdErr"}),
        json!({"type": "HostFile", "path": "/a b"}),
        json!({"type": "ChunkedTransferEncodingStream", "url": "http://host/sink?a=b"}),
        json!({"type": "ChunkedTransferEncodingStream", "url": "https://h", "headers": {"X-A": "b"}}),
        json!({"type": "GirderStreamToItem", "item_id": "5e", "name": "out.bin"}),
        json!({"type": "GirderStreamToItem", "item_id": "5e", "name": "a/b", "size": null}),
        json!({"type": "GirderStreamToItem", "item_id": "5e", "name": "a", "size": 9007199254740991_u64}),
    ]
}

fn right_hooks() -> Vec<Value> {
    let path = json!({"type": "VolumePath", "filename": "out"});
    let elsewhere =
        json!({"type": "VolumePath", "filename": "a/b/", "volume": {"type": "TemporaryVolume"}});
    vec![
        json!({"type": "GirderUploadVolumePathToItem", "volumepath": path, "item_id": "5e"}),
        json!({"type": "GirderUploadVolumePathToItem", "volumepath": elsewhere, "item_id": "5e",
               "delete_file": true, "upload_kwargs": null, "upload_on_exception": true, "must_exist": false}),
        json!({"type": "GirderUploadVolumePathToFolder", "volumepath": path, "folder_id": "5d"}),
        json!({"type": "GirderUploadVolumePathToFolder", "volumepath": path, "folder_id": "5d",
               "upload_kwargs": {"reference": "{\"a\": 1}", "mimeType": "text/plain; charset=utf-8"}}),
        json!({"type": "GirderUploadVolumePathToFolder", "volumepath": path, "folder_id": "5d",
               "upload_kwargs": {"reference": null, "mimeType": null}, "must_exist": true}),
        json!({"type": "GirderUploadVolumePathJobArtifact", "volumepath": path}),
        json!({"type": "GirderUploadVolumePathJobArtifact", "volumepath": path, "job_id": "5c",
               "name": "log.txt", "upload_on_exception": true}),
        json!({"type": "GirderItemMetadata", "item_id": "5e", "metadata": elsewhere}),
        json!({"type": "GirderItemMetadata", "item_id": "5e", "metadata": {}}),
        json!({"type": "GirderItemMetadata", "item_id": "5e",
               "metadata": {"type": "other", "a": [1, 2.5, {"b": null}], "": true}}),
    ]
}

/// Values that are wrong wherever one of their kind is wanted.
fn wrong_values() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(4096),
        json!(1e99),
        json!(""),
        json!("a\u{0}"),
        json!(" "),
        json!(".."),
        json!("/../x"),
        json!("a:b"),
        json!("/a:/b:rw:rw"),
        json!("rw,ro"),
        json!("ftp://host/"),
        json!("http://user@host/"),
        json!("http://host/\n"),
        json!([]),
        json!(["a", null]),
        json!([[]]),
        json!({}),
        json!({"type": null}),
        json!({"type": "Nothing"}),
        json!({"type": "ProgressPipe"}),
        json!({"type": "TemporaryVolume.default", "name": "x"}),
        json!({"type": "HostStdOut"}),
        json!({"type": "ContainerStdOut"}),
        json!({"type": "Connect"}),
        json!({"host": "x"}),
    ]
}

#[test]
fn schema_and_parser_accept_what_is_right() {
    let schema = validator();
    for document in right() {
        assert!(assert_agreement(&schema, &document, ""), "refused: {document}");
    }
}

#[test]
fn schema_and_parser_agree_on_every_member_of_a_wrong_kind() {
    let schema = validator();
    let (mut documents, mut refused) = (0, 0);
    for document in right() {
        for path in places(&document) {
            for wrong in wrong_values() {
                let mut changed = document.clone();
                *changed.pointer_mut(&path).unwrap() = wrong;
                documents += 1;
                refused += usize::from(!assert_agreement(&schema, &changed, &path));
            }
        }
    }
    assert!(documents > 5000 && refused > documents / 2, "{refused} of {documents} refused");
}

#[test]
fn schema_and_parser_agree_on_members_that_are_missing_or_unknown() {
    let schema = validator();
    for document in right() {
        for path in places(&document) {
            let Some(Value::Object(members)) = document.pointer(&path) else { continue };
            for name in members.keys() {
                let mut changed = document.clone();
                object_at(&mut changed, &path).remove(name);
                assert_agreement(&schema, &changed, &path);
                let member = object_at(&mut changed, &path).insert(format!("{name}s"), json!("/x"));
                assert_eq!(member, None);
                assert_agreement(&schema, &changed, &path);
            }
            for name in
                ["tty", "mem_limit", "name", "volume", "container_path", "host_path", "ro", "mode"]
            {
                let mut changed = document.clone();
                object_at(&mut changed, &path).insert(name.to_owned(), json!("/x"));
                assert_agreement(&schema, &changed, &path);
            }
        }
    }
}

#[test]
fn schema_and_parser_agree_on_documents_put_together_at_random() {
    let seed = fastrand::u64(..);
    let mut random = Rng::with_seed(seed);
    let schema = validator();
    let right = right();
    let mut parts: Vec<Value> = wrong_values();
    parts.extend(right_arguments().into_iter().chain(right_volumes()));
    parts.extend(right_sources().into_iter().chain(right_sinks()).chain(right_hooks()));
    let mut accepted = 0;
    for _ in 0..3000 {
        let mut document = random.choice(&right).unwrap().clone();
        for _ in 0..random.usize(1..4) {
            mutate(&mut document, &right, &parts, &mut random);
        }
        accepted += usize::from(assert_agreement(&schema, &document, &format!("seed {seed}")));
    }
    assert!(accepted > 100, "only {accepted} accepted, seed {seed}");
}

#[test]
fn the_schema_is_a_schema_and_says_what_every_member_is_for() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().unwrap().values());
    for object in objects {
        assert!(object["title"].is_string() && object["description"].is_string(), "{object}");
        for (name, member) in object["properties"].as_object().unwrap() {
            assert!(member["description"].is_string(), "{name} of {}", object["title"]);
        }
    }
}

#[test]
fn the_examples_and_defaults_of_the_schema_are_right() {
    let schema = schema();
    let (mut examples, whole) = (0, validator());
    let members = schema["properties"].as_object().unwrap();
    for (name, member) in members {
        for value in
            member["examples"].as_array().into_iter().flatten().chain(member.get("default"))
        {
            let mut document = json!({"image": "i"});
            document[name.as_str()] = value.clone();
            assert!(assert_agreement(&whole, &document, name), "{document}");
            examples += 1;
        }
    }
    for definition in schema["$defs"].as_object().unwrap().values() {
        for (name, member) in definition["properties"].as_object().unwrap() {
            let values = member["examples"].as_array().into_iter().flatten();
            for value in values.chain(member.get("default")) {
                let mut alone = member.clone();
                alone["$defs"] = schema["$defs"].clone();
                assert!(
                    jsonschema::validator_for(&alone).unwrap().is_valid(value),
                    "{name}: {value}"
                );
                examples += 1;
            }
        }
    }
    assert!(examples > 20, "{examples}");
}

/// The JSON pointers of all values but the document itself.
fn places(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), document)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Array(items) => {
                open.extend(
                    items.iter().enumerate().map(|(i, item)| (format!("{path}/{i}"), item)),
                );
            }
            Value::Object(members) => open.extend(members.iter().map(|(name, member)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                (format!("{path}/{name}"), member)
            })),
            _ => {}
        }
        found.push(path);
    }
    found.retain(|path| !path.is_empty());
    found
}

fn object_at<'v>(document: &'v mut Value, path: &str) -> &'v mut Map<String, Value> {
    document.pointer_mut(path).and_then(Value::as_object_mut).unwrap()
}

/// One change: a value replaced, removed, repeated, or a member of another document added.
fn mutate(document: &mut Value, right: &[Value], parts: &[Value], random: &mut Rng) {
    let places = places(document);
    let Some(path) = random.choice(&places) else { return };
    match (random.u8(0..5), document.pointer_mut(path).unwrap()) {
        (0, Value::Array(items)) => items.push(random.choice(parts).unwrap().clone()),
        (1, Value::Array(items)) => {
            if let Some(item) = random.choice(&*items).cloned() {
                items.push(item);
            }
        }
        (0 | 1, Value::Object(members)) => {
            if let Some(name) = random.choice(members.keys()).cloned() {
                members.remove(&name);
            }
        }
        (2, value) => *value = random.choice(parts).unwrap().clone(),
        (3, Value::String(text)) => {
            text.push_str(random.choice(["/", "..", ":", ",z", "\0", "x", " "]).unwrap());
        }
        _ => {
            let other = random.choice(right).unwrap().as_object().unwrap().clone();
            document.as_object_mut().unwrap().extend(other);
        }
    }
}
