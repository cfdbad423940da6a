//! `gantline run --image`: what docker's options and our pipes are for the container. And `gantline init`'s first job.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::Invocation;
use crate::support::gate::{GATE, Gate};
use crate::support::girder::Girder;
use crate::support::posted::{ACCEPTED, server};

const IMAGE: [&str; 4] = ["run", "--progress", "none", "--image=gantline-test:busybox"];

#[test]
fn a_container_sees_what_dockers_options_say() {
    let gate = Gate::new();
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    fs::write(folder.path().join("file"), "of the host\n").unwrap();
    let name = format!("gantline-test-image-{}", std::process::id());
    let seen = "id -u; id -g; pwd; echo $ONE $TWO ${THREE-none}; cat /data/file; \
                touch /data/x 2> /dev/null || echo read-only; ls /sys/class/net";
    let run = Invocation::of(&IMAGE)
        .args(&["-v", &format!("{}:/data:ro", folder.path().display())])
        .args(&["--volume", &format!("{}:/gate", gate.path().display())])
        .args(&["-e", "ONE=1", "--env", "TWO", "-e", "THREE"])
        .env("TWO", "2")
        .args(&["-u", "1234:5678", "-w", "/bin", "-m", "64m", "--network", "none"])
        .args(&["--name", &name, "--entrypoint", "sh", "-c"])
        .arg(format!("{seen}; {GATE}"))
        .start();
    let run = gate.reached(run);
    let format = "{{.Name}} {{.HostConfig.Memory}}";
    let inspected = Command::new("docker").args(["inspect", "--format", format, &name]).output();
    gate.open();
    let run = run.finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.text(), "1234\n5678\n/bin\n1 2 none\nof the host\nread-only\nlo\n", "{run}");
    let inspected = String::from_utf8(inspected.unwrap().stdout).unwrap();
    assert_eq!(inspected, format!("/{name} {}\n", 64 << 20));
}

#[test]
fn an_option_of_dockers_that_we_do_not_have_is_no_program() {
    let run = Invocation::of(&IMAGE).args(&["--rm", "-it", "sh"]).finish();
    assert_eq!(run.code, 127, "{run}");
    assert!(run.stderr.contains("-it is no option of `gantline run --image`"), "{run}");
    assert!(run.stderr.contains("; -it is docker's: a container here has no terminal"), "{run}");
    let run = Invocation::of(&IMAGE).args(&["no-such-program", "-it"]).finish();
    assert!(run.code == 127 && !run.stderr.contains("is no option"), "{run}");
    // What stands behind `--` is the program's.
    let run = Invocation::of(&IMAGE).args(&["--entrypoint", "echo", "--", "--sumary"]).finish();
    assert_eq!((run.code, run.text()), (0, "--sumary\n"), "{run}");
}

#[test]
fn gpus_are_asked_for_as_docker_does() {
    // This engine has no driver for them, and says so: it was asked.
    for gpus in ["all", "1", "device=0,1"] {
        let run = Invocation::of(&IMAGE).args(&["--gpus", gpus, "true"]).finish();
        assert_eq!(run.code, 125, "{gpus}: {run}");
        assert!(run.stderr.contains("could not select device driver"), "{gpus}: {run}");
    }
}

#[test]
fn pipes_join_the_container_and_whatever_they_name() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "item");
    let file = girder.add_file(&item, "in.txt", b"of Girder\n");
    girder.publish(girder.folder());
    let (posted_to, posted) = server(ACCEPTED);
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("in.txt"), "of the host\n").unwrap();
    let run = Invocation::of(&IMAGE)
        .env("GIRDER_API_URL", girder.api())
        .env("GIRDER_TOKEN", girder.token())
        .args(&["--in", &format!("girder={file}")])
        .args(&["--in", &format!("url={}/file/{file}/download", girder.api())])
        .args(&["--in", &format!("file={}", path("in.txt"))])
        .args(&["--out", &format!("item={item}/out.txt")])
        .args(&["--out", &format!("post={posted_to}")])
        .args(&["--out", &format!("host={}", path("out.txt"))])
        .args(&["--out", &format!("stdout={}", path("stdout"))])
        .args(&["--out", &format!("stderr={}", path("stderr"))])
        .args(&["sh", "-c", "cat $1 $2 $3; echo err >&2; echo i > $4; echo p > $5; echo h > $6"])
        .args(&["sh", "{girder}", "{url}", "{file}", "{item}", "{post}", "{host}"])
        .finish();
    assert_eq!(run.code, 0, "{run}");
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("stdout"), "of Girder\nof Girder\nof the host\n", "{run}");
    assert_eq!((read("stderr"), read("out.txt")), ("err\n".to_owned(), "h\n".to_owned()), "{run}");
    let files = girder.files(&item);
    let (_, made) = files.iter().find(|(name, _)| name == "out.txt").expect("out.txt");
    assert_eq!(girder.content(made["_id"].as_str().unwrap()), b"i\n");
    let (_, _, bytes) = posted.join().unwrap();
    assert_eq!(bytes, 2, "of the POST");
}

#[test]
fn the_first_job_is_what_its_schema_says_and_runs_as_its_comments_say() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let file = folder.path().join("job.json");
    let init =
        Command::new(env!("CARGO_BIN_EXE_gantline")).arg("init").arg(&file).output().unwrap();
    assert!(init.status.success(), "{init:?}");
    let read = |path: &std::path::Path| -> Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let mut job = read(&file);
    let schema = read(&folder.path().join(job["$schema"].as_str().unwrap()));
    jsonschema::validate(&schema, &job).unwrap();

    // The tests' engine has no registry.
    job["image"] = json!("gantline-test:busybox");
    let of = |text: &str| -> String {
        let sum = Command::new("sh").args(["-c", &format!("{text} | sha256sum")]).output().unwrap();
        String::from_utf8(sum.stdout).unwrap()[..64].to_owned()
    };
    let run = Invocation::job(&job).finish();
    assert_eq!((run.code, &run.text()[..64]), (0, &*of("cat /etc/hostname")), "{run}");

    // A file of Girder's, as the comment has it.
    let comment = job["$comment"][3].as_str().unwrap().trim();
    let said: Value = serde_json::from_str(&format!("{{{comment}}}")).unwrap();
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "item");
    let id = girder.add_file(&item, "in.txt", b"of Girder\n");
    job["container_args"][1]["input"] = said["input"].clone();
    job["container_args"][1]["input"]["id"] = id.into();
    jsonschema::validate(&schema, &job).unwrap();
    let run = Invocation::job(&job)
        .env("GIRDER_API_URL", girder.api())
        .env("GIRDER_TOKEN", girder.token())
        .finish();
    assert_eq!((run.code, &run.text()[..64]), (0, &*of("echo of Girder")), "{run}");
}
