//! A user who is not root, in the engine's group, has what a container of root's has made.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::run_jobs::script;
use crate::support::command::{Invocation, NOBODY};
use crate::support::gate::{GATE, Gate};
use crate::support::girder::Girder;
use crate::support::job::{Job, connect, end, named_output_pipe};

/// Nobody but root can read this, or remove what is in the folders.
const SHUT: &str = "umask 077; mkdir -p $1/deep/er; echo r > $1/deep/r; echo x > $1/deep/er/x";

#[test]
fn what_root_has_made_is_uploaded_and_nothing_stays() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let mut job = girder.with_access(script(SHUT));
    let arguments = job["container_args"].as_array_mut().unwrap();
    arguments.extend([json!("sh"), json!({"type": "TemporaryVolume.default"})]);
    job["girder_result_hooks"] = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"type": "VolumePath", "filename": "deep/r"},
        "item_id": item,
    }]);
    let run = Invocation::job(&job).by_nobody().finish();
    assert_eq!((run.code, &*run.stderr), (0, ""), "{run}");
    let files = girder.files(&item);
    assert_eq!(girder.content(files[0].1["_id"].as_str().unwrap()), b"r\n", "{run}");
}

#[test]
fn what_root_has_put_in_the_place_of_an_output_is_delivered() {
    let replaced = "umask 077; echo result > $1.part; mv -f $1.part $1";
    let output = connect(named_output_pipe("out"), end("HostStdOut"));
    let run = Job::script(replaced).arg(output).invocation().by_nobody().finish();
    assert_eq!((run.code, run.text()), (0, "result\n"), "{run}");
}

#[test]
fn a_tmpdir_that_cannot_be_written_to_is_named_before_anything_is_made() {
    let run = Invocation::job(&script("true")).by_nobody().env("TMPDIR", "/usr").finish();
    assert_eq!(run.code, 2, "{run}");
    let words = "TMPDIR, where temporary volumes are made, is /usr and cannot be written to: Permission denied";
    assert!(run.stderr.contains(words), "{run}");
}

#[test]
fn what_root_has_made_and_nobody_wants_goes_and_nobody_sees_into_the_run() {
    let gate = Gate::new();
    let job =
        Job::script(&format!("{GATE}; {SHUT}")).arg(json!({"type": "TemporaryVolume.default"}));
    let run = gate.reached(gate.mount(job).invocation().by_nobody().start());
    // proc(5): what is in there is root's if the process leaves no core, and cannot be traced. It holds tokens.
    let owner = fs::metadata(format!("/proc/{}/environ", run.id())).unwrap().uid();
    gate.open();
    let run = run.finish();
    assert_eq!((run.code, &*run.stderr), (0, ""), "{run}");
    assert_eq!(owner, 0);
}

#[test]
fn an_image_without_chmod_leaves_the_command_that_removes_it() {
    let image = "gantline-test:without-chmod";
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    for name in ["sh", "mkdir"] {
        fs::copy("/bin/busybox", folder.path().join("bin").join(name)).unwrap();
    }
    let mut tar = Command::new("tar");
    let tar = tar.arg("-C").arg(folder.path()).args(["-c", "."]).stdout(Stdio::piped());
    let mut tar = tar.spawn().unwrap();
    let mut import = Command::new("docker");
    let import = import.args(["import", "-", image]).stdin(tar.stdout.take().unwrap());
    assert!(import.output().unwrap().status.success());
    assert!(tar.wait().unwrap().success());
    let mut job = script("umask 077; /bin/mkdir $1/deep; echo x > $1/deep/x");
    job["image"] = image.into();
    let arguments = job["container_args"].as_array_mut().unwrap();
    arguments.extend([json!("sh"), json!({"type": "TemporaryVolume.default"})]);
    let [temporary, records] = ["tmp", "records"].map(|_| tempfile::tempdir().unwrap());
    for folder in [&temporary, &records] {
        chown(folder.path(), Some(NOBODY), None).unwrap();
    }
    let run = Invocation::job(&job)
        .by_nobody()
        .env("TMPDIR", temporary.path())
        .env("GANTLINE_RECORD_DIR", records.path())
        .finish();
    assert_eq!(run.code, 0, "{run}");
    let (_, command) = run.stderr.split_once("this removes it: sudo ").expect("a command");
    let command = command.split_once(": ").map_or(command, |(command, _)| command);
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{run}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "{run}");
}
