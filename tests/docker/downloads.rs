//! Files, items and folders of a real Girder that are put into volumes.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::run_jobs::job;
use crate::support::command::Invocation;
use crate::support::girder::Girder;
use crate::support::seeded::Seeded;

/// A job whose shell script is given these arguments.
fn script(girder: &Girder, script: &str, arguments: &[Value]) -> Value {
    let mut job = girder.with_access(job(&["sh", "-ec", script, "sh"]));
    job["container_args"].as_array_mut().unwrap().extend_from_slice(arguments);
    job
}

fn stdout(run: &crate::support::command::Finished) -> String {
    String::from_utf8_lossy(&run.stdout).into_owned()
}

#[test]
fn a_file_is_in_the_default_volume_under_its_id_and_name() {
    let girder = Girder::log_in();
    let stored = girder.upload("data \"1\" ä.bin", Seeded::new(1, 30_000_001));
    let argument = json!({"type": "GirderFileIdToVolume", "id": stored.id});
    let print = "echo \"$1\"; stat -c '%a' \"$1\" \"${1%/*}\"; sha256sum < \"$1\"";
    let run = Invocation::job(&script(&girder, print, &[argument])).finish();
    assert_eq!(run.code, 0, "{run}");
    let text = stdout(&run);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("/mnt/girder_worker/"), "{run}");
    assert!(lines[0].ends_with(&format!("/{}/data \"1\" ä.bin", stored.id)), "{run}");
    assert_eq!(lines[1..3], ["644", "777"], "{run}");
    assert!(lines[3].starts_with(&stored.sha256), "{run}");
    let report = run.report.as_ref().unwrap();
    let download = &report["downloads"][0];
    assert_eq!(download["file_id"], stored.id.as_str(), "{run}");
    assert_eq!(download["bytes"], 30_000_001, "{run}");
    assert_eq!(download["finish"], "complete", "{run}");
}

#[test]
fn a_large_file_passes_through_little_memory() {
    let girder = Girder::log_in();
    let stored = girder.upload("large.bin", Seeded::new(4, 200_000_000));
    let argument = json!({"type": "GirderFileIdToVolume", "id": stored.id});
    let wait = "trap 'exit 0' TERM; sha256sum < $1; while :; do sleep 0.1; done";
    let (reader, writer) = std::io::pipe().unwrap();
    let running = Invocation::job(&script(&girder, wait, &[argument]))
        .stdout(std::process::Stdio::from(writer))
        .start();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(reader), &mut line).unwrap();
    let peak = running.peak_memory();
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let run = running.finish();
    assert!(line.starts_with(&stored.sha256), "{line} {run}");
    assert!(peak < 10 << 20, "{peak} bytes, {run}");
}

#[test]
fn a_file_is_put_where_the_job_says() {
    let girder = Girder::log_in();
    let stored = girder.upload("a.bin", Seeded::new(2, 5000));
    let host = tempfile::tempdir().unwrap();
    let volume = json!({
        "type": "BindMountVolume",
        "host_path": host.path(),
        "container_path": "/data",
    });
    let argument = json!({
        "type": "GirderFileIdToVolume",
        "id": stored.id,
        "volume": volume,
        "filename": "deep/er/b.bin",
    });
    let job = script(&girder, "echo $1; sha256sum < $1", &[argument]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(stdout(&run), format!("/data/deep/er/b.bin\n{}  -\n", stored.sha256), "{run}");
    // A volume of the host keeps what was put there, and nothing else.
    let path = host.path().join("deep/er/b.bin");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_without_bytes_is_a_file() {
    let girder = Girder::log_in();
    let stored = girder.upload("empty", Seeded::new(2, 0));
    let argument = json!({"type": "GirderFileIdToVolume", "id": stored.id});
    let run = Invocation::job(&script(&girder, "test -f $1 && wc -c < $1", &[argument])).finish();
    assert_eq!((run.code, stdout(&run).as_str()), (0, "0\n"), "{run}");
}

#[test]
fn what_is_asked_for_twice_is_downloaded_once() {
    let girder = Girder::log_in();
    let stored = girder.upload("a.bin", Seeded::new(3, 100_000));
    let argument = json!({"type": "GirderFileIdToVolume", "id": stored.id});
    let arguments = [argument.clone(), argument];
    let job = script(&girder, "test $1 = $2; sha256sum < $2", &arguments);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(stdout(&run).starts_with(&stored.sha256), "{run}");
    assert_eq!(run.report.as_ref().unwrap()["downloads"].as_array().unwrap().len(), 1, "{run}");
}

#[test]
fn an_item_is_a_folder_of_its_files() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "the item");
    for name in ["a.txt", "b/c.txt", "a.txt"] {
        girder.add_file(&item, name, name.as_bytes());
    }
    let argument = json!({"type": "GirderItemIdToVolume", "id": item});
    let list = "echo \"$1\"; cd \"$1\"; ls | sort; cat *.txt; stat -c %a .";
    let run = Invocation::job(&script(&girder, list, &[argument])).finish();
    assert_eq!(run.code, 0, "{run}");
    let text = stdout(&run);
    let (path, rest) = text.split_once('\n').unwrap();
    assert!(path.ends_with(&format!("/{item}/the item")), "{run}");
    assert_eq!(rest, "a (1).txt\na.txt\nb_c.txt\na.txta.txtb/c.txt777\n", "{run}");
    let warnings = run.report.as_ref().unwrap()["warnings"].to_string();
    assert!(warnings.contains("b_c.txt") && warnings.contains("a (1).txt"), "{run}");
}

#[test]
fn an_item_that_is_one_file_of_its_name_is_a_folder_too() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "one.txt");
    girder.add_file(&item, "one.txt", b"1");
    let argument = json!({"type": "GirderItemIdToVolume", "id": item});
    let run = Invocation::job(&script(&girder, "cat $1/one.txt", &[argument])).finish();
    assert_eq!((run.code, stdout(&run).as_str()), (0, "1"), "{run}");
}

#[test]
fn a_folder_comes_with_all_that_is_in_it_over_several_pages() {
    let girder = Girder::log_in();
    let folder = girder.make_folder(girder.folder(), "the folder");
    // Girder tells fifty at a time.
    for nth in 0..61 {
        let item = girder.make_item(&folder, &format!("{nth}.txt"));
        girder.add_file(&item, &format!("{nth}.txt"), format!("{nth}\n").as_bytes());
    }
    let many = girder.make_item(&folder, "many");
    for nth in 0..53 {
        girder.add_file(&many, &format!("file {nth}"), b"x");
    }
    girder.make_item(&folder, "empty item");
    let below = girder.make_folder(&folder, "below");
    girder.make_folder(&below, "empty");
    let item = girder.make_item(&below, "deep");
    girder.add_file(&item, "deep", b"deep");
    // An item of the name that a folder has.
    let item = girder.make_item(&folder, "below (item)");
    girder.add_file(&item, "other", b"other");
    let argument = json!({"type": "GirderFolderIdToVolume", "id": folder});
    let list = "echo \"$1\"; cd \"$1\"; find . -type f | wc -l; cat *.txt | awk '{ n += $1 } END { print n }'; \
                ls many | wc -l; ls -d 'empty item' below/empty; cat below/deep \
                'below (item)/other'; find . -type d ! -perm 777; find . -type f ! -perm 644";
    let run = Invocation::job(&script(&girder, list, &[argument])).finish();
    assert_eq!(run.code, 0, "{run}");
    let text = stdout(&run);
    let (path, rest) = text.split_once('\n').unwrap();
    assert!(path.ends_with(&format!("/{folder}/the folder")), "{run}");
    let expected = "116\n1830\n53\nbelow/empty\nempty item\ndeepother";
    assert_eq!(rest, expected, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["downloads"].as_array().unwrap().len(), 116, "{run}");
}

#[test]
fn a_folder_has_the_name_that_the_job_gives_it() {
    let girder = Girder::log_in();
    let folder = girder.make_folder(girder.folder(), "theirs");
    let item = girder.make_item(&folder, "a");
    girder.add_file(&item, "a", b"a");
    let argument = json!({"type": "GirderFolderIdToVolume", "id": folder, "folder_name": "ours"});
    let run = Invocation::job(&script(&girder, "echo $1; cat $1/a", &[argument])).finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(stdout(&run).ends_with(&format!("/{folder}/ours\na")), "{run}");
}
