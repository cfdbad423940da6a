//! Each row of the table of types: its example runs, with what a real Girder has in place of what it names.

use std::fs;
use std::path::Path;

use gantline::spec::schema;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::Finished;
use crate::support::girder::Girder;
use crate::support::job::named_output_pipe;
use crate::support::job::{
    Job, bind_mount, connect, end, host_file, host_file_to_stream, named_input_pipe,
};
use crate::support::posted::{ACCEPTED, server};

const BYTES: &[u8] = b"what a real Girder has\n";

/// What the examples' names stand for.
struct Place {
    girder: Girder,
    file: String,
    item: String,
    folder: String,
    host: TempDir,
    posted: String,
    /// What the examples of members need beside them.
    volumes: Vec<Value>,
}

impl Place {
    fn new(posted: String) -> Self {
        let girder = Girder::log_in();
        let folder = girder.make_folder(girder.folder(), "folder");
        let item = girder.make_item(&folder, "item");
        let file = girder.add_file(&item, "file.bin", BYTES);
        let host = TempDir::with_prefix("gantline-test-").unwrap();
        fs::write(host.path().join("in.bin"), BYTES).unwrap();
        fs::create_dir(host.path().join("data")).unwrap();
        fs::write(host.path().join("data/here"), BYTES).unwrap();
        Self { girder, file, item, folder, host, posted, volumes: Vec::new() }
    }

    /// An example, with what is here.
    fn real(&self, example: &Value) -> Value {
        let download = format!("{}/file/{}/download", self.girder.api(), self.file);
        let host = format!("{}/", self.host.path().display());
        let text = [
            ("6b02c2bf8ed649d13bc50b4f", self.file.as_str()),
            ("6b02c2bf8ed649d13bc50b4e", &self.item),
            ("6b02c2bf8ed649d13bc50b4d", &self.folder),
            ("https://data.example.org/file.bin", &download),
            ("https://data.example.org/sink", &self.posted),
            ("/srv/", &host),
            ("\"/scratch\"", &format!("\"{host}scratch\"")),
            ("/assetstore/ab/cd/abcd", &format!("{host}in.bin")),
        ]
        .into_iter()
        .fold(example.to_string(), |text, (from, to)| text.replace(from, to));
        let mut real: Value = serde_json::from_str(&text).unwrap();
        if real["type"] == "UrlToStream" {
            real["headers"]["Girder-Token"] = self.girder.token().into();
        }
        real
    }

    fn run(&self, job: Job) -> Finished {
        let job = self.volumes.iter().cloned().fold(job, Job::volume);
        let run = job.girder(&self.girder).finish();
        assert_eq!(run.code, 0, "{run}");
        run
    }

    /// What a script prints that gets the example as `$1`.
    fn printed(&self, script: &str, example: Value) -> Vec<u8> {
        self.run(Job::script(script).arg(example)).stdout
    }

    /// What the host has at a path, after a run.
    fn kept(&self, name: &str) -> Vec<u8> {
        fs::read(self.host.path().join(name)).unwrap()
    }

    /// The file of an item that has this name.
    fn content(&self, item: &str, name: &str) -> Vec<u8> {
        let files = self.girder.files(item);
        let (_, file) = files.iter().find(|(file, _)| file == name).expect(name);
        self.girder.content(file["_id"].as_str().unwrap())
    }
}

#[test]
fn the_example_of_every_type_runs_and_moves_its_bytes() {
    let (url, posted) = server(ACCEPTED);
    let place = Place::new(url);
    let schema = schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        assert_example(&place, name, place.real(&definition["examples"][0]));
    }
    let (_, _, bytes) = posted.join().unwrap();
    assert_eq!(bytes, BYTES.len() as u64, "of the POST");
}

#[test]
fn the_example_of_every_member_runs_and_moves_the_bytes_of_its_type() {
    let (url, posted) = server(ACCEPTED);
    let mut place = Place::new(url);
    let data = bind_mount(&place.host.path().join("data"), "/mnt/data");
    place.volumes = vec![json!({"type": "TemporaryVolume", "name": "scratch"}), data];
    let schema = schema();
    let mut run = 0;
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        for example in with_each_member(definition) {
            assert_example(&place, name, place.real(&example));
            run += 1;
        }
    }
    assert!(run > 20, "{run}");
    let (head, _, bytes) = posted.join().unwrap();
    assert!(head.contains("Girder-Token: …"), "{head}");
    assert_eq!(bytes, BYTES.len() as u64, "of the POST");
}

/// The example of a type with that of each member which it has not, and those that go together with it.
fn with_each_member(definition: &Value) -> Vec<Value> {
    let type_example = &definition["examples"][0];
    let mut all = Vec::new();
    for (name, member) in definition["properties"].as_object().unwrap() {
        let values = match member["examples"].as_array() {
            Some(examples) => examples.clone(),
            // An object has those of its own members.
            None => with_each_member_of_an_object(member),
        };
        for value in values.into_iter().filter(|_| type_example.get(name).is_none()) {
            let mut example = type_example.clone();
            example[name] = value;
            if name == "container_path" {
                example["host_path"] = definition["properties"]["host_path"]["examples"][0].clone();
            }
            if name != "host_path" {
                all.push(example);
            }
        }
    }
    all
}

fn with_each_member_of_an_object(member: &Value) -> Vec<Value> {
    let forms = member["anyOf"].as_array().into_iter().flatten();
    let members = forms.filter_map(|form| form["properties"].as_object()).flatten();
    members.map(|(name, member)| json!({name: member["examples"][0]})).collect()
}

fn assert_example(place: &Place, name: &str, example: Value) {
    let text = String::from_utf8(BYTES.to_vec()).unwrap();
    let say = format!("printf %s '{text}'");
    let hello = Job::script(&say);
    match name {
        "BindMountVolume" => assert_eq!(place.printed("cat $1/here", example), BYTES),
        "TemporaryVolume" | "TemporaryVolume.default" => {
            let script = format!("{say} > $1/x; cat $1/x");
            assert_eq!(place.printed(&script, example), BYTES, "{name}");
        }
        "VolumePath" => {
            let script = format!("mkdir -p ${{1%/*}}; {say} > $1; cat $1");
            assert_eq!(place.printed(&script, example), BYTES);
        }
        "CommaJoinedVolumes" => {
            let printed = String::from_utf8(place.printed("echo $1", example)).unwrap();
            let (path, volume) = printed.trim_end().split_once(',').unwrap();
            assert_eq!(Path::new(path), Path::new(volume).join("a"));
        }
        "NamedInputPipe" => {
            let source = host_file_to_stream(&place.host.path().join("in.bin"));
            assert_eq!(place.printed("cat $1", connect(source, example)), BYTES);
        }
        "NamedOutputPipe" => {
            let sink = host_file(&place.host.path().join("piped"));
            place.printed(&format!("{say} > $1"), connect(example, sink));
            assert_eq!(place.kept("piped"), BYTES);
        }
        "ProgressPipe" => {
            let line = r#"echo '{"message": "m", "total": 3, "current": 1}' > $1"#;
            place.printed(line, example);
        }
        "Connect" => assert_eq!(place.printed("cat $1", example), BYTES),
        "GirderFileIdToStream" | "UrlToStream" | "HostFileToStream" => {
            let piped = connect(example, named_input_pipe("in"));
            assert_eq!(place.printed("cat $1", piped), BYTES, "{name}");
        }
        "ContainerStdOut" | "ContainerStdErr" => {
            let file = place.host.path().join(name);
            let job = Job::script(&format!("{say}; {say} >&2"));
            place.run(job.stream(example, host_file(&file)));
            assert_eq!(place.kept(name), BYTES, "{name}");
        }
        "HostStdOut" => {
            let script = format!("{say} > $1");
            let piped = connect(named_output_pipe("out"), example);
            assert_eq!(place.printed(&script, piped), BYTES);
        }
        "HostStdErr" => {
            let run = place.run(hello.stream(end("ContainerStdOut"), example));
            assert_eq!((run.stderr.as_bytes(), &*run.stdout), (BYTES, &b""[..]));
        }
        "HostFile" => {
            place.run(hello.stream(end("ContainerStdOut"), example));
            assert_eq!(place.kept("out.bin"), BYTES);
        }
        "ChunkedTransferEncodingStream" => {
            place.run(hello.stream(end("ContainerStdOut"), example));
        }
        "GirderStreamToItem" => {
            let size = example["size"].as_u64();
            let sized = size.map(|size| Job::script(&format!("head -c {size} /dev/zero")));
            place.run(sized.unwrap_or(hello).stream(end("ContainerStdOut"), example));
            let content = place.content(&place.item, "out.bin");
            match size {
                Some(size) => assert!(content == vec![0; size.try_into().unwrap()]),
                None => assert_eq!(content, BYTES),
            }
        }
        "GirderFileIdToVolume" | "DirectGirderFileIdToVolume" => {
            assert_eq!(place.printed("cat $1", example), BYTES, "{name}");
        }
        "GirderItemIdToVolume" => assert_eq!(place.printed("cat $1/file.bin", example), BYTES),
        "GirderFolderIdToVolume" => {
            assert_eq!(place.printed("cat $(find $1 -name file.bin)", example), BYTES);
        }
        "GirderApiUrl" => {
            assert_eq!(place.printed("printf %s $1", example), place.girder.api().as_bytes());
        }
        "GirderToken" => {
            assert_eq!(place.printed("printf %s $1", example), place.girder.token().as_bytes());
        }
        "GirderUploadVolumePathToItem" | "GirderUploadVolumePathToFolder" => {
            let run = uploading(place, &say, example);
            let uploaded = &run.reported("uploads")[0];
            assert_eq!(uploaded["bytes"], BYTES.len(), "{name}: {run}");
            let item = uploaded["item_id"].as_str().unwrap();
            assert_eq!(place.content(item, "out.csv"), BYTES, "{name}");
            let file = place.girder.get(&format!("file/{}", uploaded["file_id"].as_str().unwrap()));
            assert_eq!(file["mimeType"], "text/csv", "{name}");
        }
        // This Girder has no place for artifacts; docker::hooks_artifacts has a server that does.
        "GirderUploadVolumePathJobArtifact" => {
            // Without a `girder_job` the hook says whose it is.
            let mut named = example;
            named["job_id"] = json!(place.item);
            let run = uploading(place, &say, named);
            assert!(run.reported("warnings").as_array().unwrap().len() == 1, "{run}");
        }
        "GirderItemMetadata" => {
            place.run(hello.set("girder_result_hooks", json!([example])));
            let item = place.girder.get(&format!("item/{}", place.item));
            assert_eq!(item["meta"], json!({"processed": true, "score": 0.75}));
        }
        other => panic!("nobody has run the example of {other}"),
    }
}

/// A run that writes what its hook uploads.
fn uploading(place: &Place, say: &str, hook: Value) -> Finished {
    let job = Job::script(&format!("{say} > $1")).arg(hook["volumepath"].clone());
    place.run(job.set("girder_result_hooks", json!([hook])))
}
