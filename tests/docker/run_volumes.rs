//! The documents' own examples: arguments, and volumes in each of their forms.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::job::{Job, bind_mount, end};

/// A folder that a container may write to, whoever it runs as.
fn folder() -> TempDir {
    let folder = TempDir::with_prefix("gantline-bound-").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn arguments_arrive_as_they_were_written_and_numbers_as_python_writes_them() {
    let odd = ["", " ", "a b", "$HOME", "\"'\\", "*", "äöü€", "two\nlines", "-c", "--"];
    let mut job = Job::script("for each; do printf '%s|' \"$each\"; done");
    for argument in odd {
        job = job.arg(argument);
    }
    let job = job.arg(json!(1)).arg(json!(-2.5)).arg(json!(1e3)).arg(json!(1e22));
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    let expected: String = odd.iter().map(|argument| format!("{argument}|")).collect();
    assert_eq!(run.text(), expected + "1|-2.5|1000.0|1e+22|", "{run}");
}

#[test]
fn an_entrypoint_takes_the_place_of_the_images() {
    for (entrypoint, said) in [(json!(["echo", "-n"]), "a b"), (json!("echo"), "a b\n")] {
        let run = Job::program(&["a", "b"]).set("entrypoint", entrypoint).finish();
        assert_eq!((run.code, run.text()), (0, said), "{run}");
    }
}

#[test]
fn dockers_mapping_of_volumes_mounts_them_for_writing_or_only_for_reading() {
    let (writable, readable) = (folder(), folder());
    fs::write(readable.path().join("given"), "given").unwrap();
    let volumes = json!({
        text(writable.path()): {"bind": "/mnt/out", "mode": "rw"},
        text(readable.path()): {"bind": "/mnt/in", "mode": "ro"},
    });
    let script = "cp /mnt/in/given /mnt/out/taken && ! touch /mnt/in/new";
    let run = Job::script(script).set("volumes", volumes).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read(writable.path().join("taken")).unwrap(), b"given");
    assert!(run.stderr.contains("Read-only"), "{run}");
    assert!(!readable.path().join("new").exists());
}

#[test]
fn dockers_list_of_volumes_mounts_them_for_writing_or_only_for_reading() {
    let (writable, readable) = (folder(), folder());
    fs::write(readable.path().join("given"), "given").unwrap();
    let volumes = json!([
        format!("{}:/mnt/out", text(writable.path())),
        format!("{}:/mnt/in:ro", text(readable.path())),
    ]);
    let script = "cp /mnt/in/given /mnt/out/taken && ! touch /mnt/in/new";
    let run = Job::script(script).set("volumes", volumes).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read(writable.path().join("taken")).unwrap(), b"given");
    assert!(run.stderr.contains("Read-only"), "{run}");
}

#[test]
fn a_bind_mount_is_a_volume_and_as_an_argument_its_path_in_the_container() {
    let bound = folder();
    fs::write(bound.path().join("given"), "given").unwrap();
    let volume = bind_mount(bound.path(), "/mnt/data");
    let script = "echo \"$1\"; cat \"$1/given\"; cp \"$1/given\" \"$1/taken\"";
    for job in [
        Job::script(script).volume(volume.clone()).arg(volume.clone()),
        // An argument alone mounts it as well.
        Job::script(script).arg(volume),
    ] {
        let run = job.finish();
        assert_eq!((run.code, run.text()), (0, "/mnt/data\ngiven"), "{run}");
        assert_eq!(fs::read(bound.path().join("taken")).unwrap(), b"given");
        fs::remove_file(bound.path().join("taken")).unwrap();
    }
}

#[test]
fn a_bind_mount_may_be_read_only() {
    let bound = folder();
    let mut volume = bind_mount(bound.path(), "/mnt/data");
    volume["mode"] = json!("ro");
    let run = Job::script("touch $1/new").arg(volume).finish();
    assert_eq!(run.code, 1, "{run}");
    assert!(run.stderr.contains("Read-only"), "{run}");
}

#[test]
fn a_temporary_volume_is_one_wherever_it_is_named() {
    let scratch = json!({"type": "TemporaryVolume", "name": "scratch"});
    let path = json!({"type": "VolumePath", "filename": "out/file", "volume": "scratch"});
    let job = Job::script("echo $1; mkdir $1/out && echo word > $2 && cat $1/out/file; ls $3")
        .volume(scratch.clone())
        .arg(scratch)
        .arg(path)
        .arg(end("TemporaryVolume.default"));
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    let lines: Vec<_> = run.text().lines().collect();
    assert!(lines[0].starts_with("/mnt/girder_worker/"), "{run}");
    assert_eq!(lines[1..], ["word"], "the default one is another, and empty: {run}");
}

#[test]
fn a_temporary_volume_is_made_in_the_folder_that_the_job_says() {
    let place = folder();
    let host_dir = place.path().join("made/for/it");
    let volume = json!({"type": "TemporaryVolume", "host_dir": host_dir, "mode": 0o750});
    let job = Job::script("ls /watched/made/for/it | wc -l; echo x > $1/file");
    let run = job.arg(volume).mount(place.path(), "/watched").finish();
    assert_eq!((run.code, run.text()), (0, "1\n"), "{run}");
    assert_eq!(fs::read_dir(&host_dir).unwrap().count(), 0, "{run}");
    assert_eq!(fs::metadata(&host_dir).unwrap().permissions().mode() & 0o777, 0o750, "{run}");
}

#[test]
fn no_other_user_of_the_host_gets_into_a_temporary_volume_and_the_container_does() {
    let place = folder();
    let volume = json!({"type": "TemporaryVolume", "host_dir": place.path()});
    let job = Job::script("echo word > $1/file && cat $1/file; exec sleep 600").arg(volume);
    let job = job.set("image", "gantline-test:user1000");
    let run = job.invocation().arg("--stop-timeout").arg("0").start();
    let container = run.container_started();
    // As the engine has mounted it, and as anybody may read it in /proc/*/mountinfo.
    let format = "{{range .Mounts}}{{println .Source}}{{end}}";
    let mounts = docker(&["inspect", "--format", format, &container]);
    let mounts = String::from_utf8(mounts.stdout).unwrap();
    let volume = mounts.lines().find_map(|path| Path::new(path).strip_prefix(place.path()).ok());
    let volume = Path::new("/host").join(volume.unwrap_or_else(|| panic!("{mounts}")));
    let bound = format!("{}:/host", text(place.path()));
    let other = ["run", "--rm", "--user", "65534", "--volume", &bound, "gantline-test:busybox"];
    for command in [["ls", text(&volume)], ["touch", text(&volume.join("planted"))]] {
        let tried = docker(&[&other[..], &command[..]].concat());
        let said = String::from_utf8_lossy(&tried.stderr).into_owned();
        assert!(said.contains("Permission denied"), "{command:?}: {tried:?}");
    }
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!((run.code, run.text()), (143, "word\n"), "{run}");
}

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

#[test]
fn the_default_temporary_volume_is_one_for_all_who_use_it() {
    let job = Job::script("echo $1; echo word > $2; cat $1/file; ls -ld $1 | cut -c 1-10")
        .arg(end("TemporaryVolume.default"))
        .arg(json!({"type": "VolumePath", "filename": "file"}))
        .set("image", "gantline-test:user1000");
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    let lines: Vec<_> = run.text().lines().collect();
    assert!(lines[0].starts_with("/mnt/girder_worker/"), "{run}");
    assert_eq!(lines[1..], ["word", "drwxrwsrwx"], "{run}");
}

#[test]
fn a_path_in_a_bound_folder_is_the_hosts() {
    let bound = folder();
    let volume = bind_mount(bound.path(), "/mnt/data");
    let path = json!({"type": "VolumePath", "filename": "result.txt", "volume": volume});
    let run = Job::script("echo $1; echo word > $1").arg(path).finish();
    assert_eq!((run.code, run.text()), (0, "/mnt/data/result.txt\n"), "{run}");
    assert_eq!(fs::read(bound.path().join("result.txt")).unwrap(), b"word\n");
}

#[test]
fn a_volume_of_the_engine_is_mounted_by_its_name() {
    let name = format!("gantline-test-{}", uuid::Uuid::new_v4().simple());
    let job = |script| Job::script(script).volume(format!("{name}:/mnt/kept"));
    let wrote = job("echo word > /mnt/kept/file").finish();
    let read = job("cat /mnt/kept/file").finish();
    let removed = docker(&["volume", "rm", &name]);
    assert_eq!(wrote.code, 0, "{wrote}");
    assert_eq!((read.code, read.text()), (0, "word\n"), "{read}");
    assert!(removed.status.success(), "a named volume outlives the run");
}

#[test]
fn a_volume_without_a_host_is_a_new_one_that_goes_with_the_container() {
    // The fourth word of its line is where it lies on the host: …/volumes/NAME/_data.
    let job = Job::script(
        "echo word > /only/here/file; cat /only/here/file; grep ' /only/here ' /proc/self/mountinfo | cut -d ' ' -f 4",
    );
    let run = job.volume("/only/here".to_owned()).finish();
    assert_eq!(run.code, 0, "{run}");
    let (word, root) = run.text().split_once('\n').unwrap();
    let name = root.trim_end().strip_suffix("/_data").and_then(|path| path.rsplit('/').next());
    let name = name.unwrap_or_else(|| panic!("{run}"));
    assert_eq!((word, name.len()), ("word", 64), "{run}");
    assert!(!docker(&["volume", "inspect", name]).status.success(), "{name} stays");
}

#[test]
fn a_temporary_folder_may_have_a_colon_in_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a:b");
    fs::create_dir(&odd).unwrap();
    let job = Job::script("echo x > $1/file; cat $1/file");
    let run = job
        .arg(json!({"type": "TemporaryVolume.default"}))
        .invocation()
        .env("TMPDIR", &odd)
        .finish();
    assert_eq!((run.code, run.text()), (0, "x\n"), "{run}");
    assert_eq!(fs::read_dir(odd).unwrap().count(), 0, "{run}");
}

#[test]
fn a_folder_of_the_host_may_have_a_colon_in_its_path() {
    let bound = folder();
    let odd = bound.path().join("a:b");
    fs::create_dir(&odd).unwrap();
    let written = odd.join("out:put");
    let run = Job::script("echo x > /data/file; echo y; touch /only/file 2>&1 || true")
        .mount(&odd, "/data")
        .volume(json!({"type": "BindMountVolume", "host_path": odd, "container_path": "/only", "mode": "ro"}))
        .stream(json!({"type": "ContainerStdOut"}), json!({"type": "HostFile", "path": written}))
        .finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read_to_string(odd.join("file")).unwrap(), "x\n", "{run}");
    let text = fs::read_to_string(&written).unwrap();
    assert!(text.starts_with("y\n") && text.contains("Read-only file system"), "{run}");
    let run = Job::script("true")
        .volume(json!({"type": "BindMountVolume", "host_path": odd, "container_path": "/data", "mode": "ro,z"}))
        .finish();
    let words = "a:b\" holds a colon: it can be mounted `rw` or `ro`, and not `ro,z`";
    assert!(run.code == 2 && run.stderr.contains(words), "{run}");
}

#[test]
fn a_temporary_folder_that_takes_no_files_is_told_by_its_variable() {
    let job = Job::script("true").arg(json!({"type": "TemporaryVolume.default"}));
    let run = job.invocation().env("TMPDIR", "/proc").finish();
    assert_eq!(run.code, 125, "{run}");
    let words = "; TMPDIR is /proc: set it to a folder that holds files, pipes and folders";
    assert!(run.stderr.contains(words), "{run}");

    // It is not to blame for a folder that nobody makes.
    let run = Job::script("true").arg(json!({"type": "NamedInputPipe", "name": "a/in"})).finish();
    assert_eq!(run.code, 125, "{run}");
    let words = "/a, which must be there before the run, for the FIFO in: No such file";
    assert!(run.stderr.contains(words) && !run.stderr.contains("TMPDIR"), "{run}");
}

#[test]
fn what_is_to_be_mounted_and_is_not_there_is_warned_of() {
    let bound = folder();
    let missing = bound.path().join("missing");
    let run = Job::script("ls -A /mnt/data").mount(&missing, "/mnt/data").finish();
    assert_eq!((run.code, run.text()), (0, ""), "{run}");
    let words = format!("{} is to be mounted and is not there", missing.display());
    assert!(run.reported("warnings").to_string().contains(&words), "{run}");
    assert!(run.stderr.contains(&words), "{run}");
    // The engine has made it.
    assert!(missing.is_dir(), "{run}");
}

#[test]
fn a_folder_may_be_mounted_at_mnt_and_nothing_is_made_in_it() {
    let bound = folder();
    fs::write(bound.path().join("file"), "word\n").unwrap();
    let here = bound.path().display();
    let run = Job::script("cat /mnt/file").volume(format!("{here}:/mnt:ro")).finish();
    assert_eq!((run.code, run.text()), (0, "word\n"), "{run}");
    let run = Job::script("ls /mnt").volume(format!("{here}:/mnt")).finish();
    assert_eq!((run.code, run.text()), (0, "file\n"), "{run}");
    assert_eq!(fs::read_dir(bound.path()).unwrap().count(), 1, "{run}");

    let pipe = json!({"type": "NamedInputPipe", "name": "in"});
    let run = Job::script("true").arg(pipe).volume(format!("{here}:/mnt:ro")).finish();
    let words = format!("the volume {here} is mounted read-only at /mnt");
    assert!(run.code == 2 && run.stderr.contains(&words), "{run}");
}
