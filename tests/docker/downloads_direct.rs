//! Files that Girder has and this host as well: mounted, where they can be, and else downloaded.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::run_inside::inside;
use crate::support::girder::{Girder, Stored};
use crate::support::job::Job;
use crate::support::seeded::Seeded;

/// What shows which of the two it was: no store has this in a file.
const HERE: &str = "the file of this host";

fn direct(stored: &Stored, path: &Path, filename: Option<&str>) -> Value {
    json!({
        "type": "DirectGirderFileIdToVolume",
        "id": stored.id,
        "filename": filename,
        "direct_file_path": path,
    })
}

#[test]
fn a_file_that_is_here_is_mounted_read_only_and_not_downloaded() {
    let girder = Girder::log_in();
    let stored = girder.upload("a.svs", Seeded::new(1, 1000));
    let store = tempfile::tempdir().unwrap();
    let path = store.path().join("9f86d081");
    fs::write(&path, HERE).unwrap();
    let script = "echo \"$1\"; cat \"$1\"; echo; (: > \"$1\") 2>/dev/null || echo read-only; \
                  echo \"$2\"; cat \"$2\"; echo; echo \"$3\"";
    let run = Job::script(script)
        .girder(&girder)
        .arg(direct(&stored, &path, Some("a.svs")))
        // Without a name it has the one that it has here.
        .arg(direct(&stored, &path, None))
        .arg(direct(&stored, &path, Some("a.svs")))
        .finish();
    assert_eq!(run.code, 0, "{run}");
    let lines: Vec<_> = run.text().lines().collect();
    let expected = [
        "/mnt/girder_direct_worker/a.svs",
        HERE,
        "read-only",
        "/mnt/girder_direct_worker/9f86d081",
        HERE,
        "/mnt/girder_direct_worker/a.svs",
    ];
    assert_eq!(lines, expected, "{run}");
    assert_eq!(fs::read_to_string(&path).unwrap(), HERE);
    let downloads = run.reported("downloads").as_array().unwrap();
    assert_eq!(downloads.len(), 2, "{run}");
    assert_eq!(downloads[0]["carrier"], "mount", "{run}");
    assert_eq!(downloads[0]["bytes"], HERE.len(), "{run}");
}

#[test]
fn two_files_of_one_name_are_both_there() {
    let girder = Girder::log_in();
    let stored = [1, 2].map(|seed| girder.upload("a.svs", Seeded::new(seed, 10)));
    let store = tempfile::tempdir().unwrap();
    let paths = ["one", "two"].map(|name| store.path().join(name));
    paths
        .iter()
        .for_each(|path| fs::write(path, path.file_name().unwrap().as_encoded_bytes()).unwrap());
    let run = Job::script("cat $1; echo; cat $2")
        .girder(&girder)
        .arg(direct(&stored[0], &paths[0], Some("a.svs")))
        .arg(direct(&stored[1], &paths[1], Some("a.svs")))
        .finish();
    assert_eq!((run.code, run.text()), (0, "one\ntwo"), "{run}");
    // Downloaded, one would take the other's place.
    let none = store.path().join("none");
    let run = Job::program(&["cat"])
        .girder(&girder)
        .arg(direct(&stored[0], &none, Some("a.svs")))
        .arg(direct(&stored[1], &none, Some("a.svs")))
        .finish();
    assert_eq!(run.code, 2, "{run}");
    assert!(run.stderr.contains("two files are downloaded to"), "{run}");
}

#[test]
fn a_file_that_is_not_here_is_downloaded() {
    let girder = Girder::log_in();
    let stored = girder.upload("a.svs", Seeded::new(1, 1000));
    let store = tempfile::tempdir().unwrap();
    let fifo = store.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // None at all, a folder, a FIFO, and one that the engine cannot be told of.
    let link = store.path().join("link");
    fs::write(store.path().join("a:b"), HERE).unwrap();
    std::os::unix::fs::symlink("a:b", &link).unwrap();
    for path in [&store.path().join("none"), store.path(), &fifo, &link] {
        let run = Job::script("sha256sum < \"$1\"; echo \"$1\"")
            .girder(&girder)
            .arg(direct(&stored, path, Some("b.svs")))
            .finish();
        assert_eq!(run.code, 0, "{run}");
        assert!(run.text().starts_with(&stored.sha256), "{run}");
        let argument = run.text().lines().last().unwrap();
        assert!(argument.starts_with("/mnt/girder_worker/"), "{run}");
        assert!(argument.ends_with("/b.svs"), "{run}");
    }
}

#[test]
fn in_a_container_of_our_own_the_engines_path_is_mounted() {
    let girder = Girder::log_in();
    let stored = girder.upload("a.svs", Seeded::new(1, 1000));
    let store = tempfile::tempdir().unwrap();
    fs::create_dir(store.path().join("ab")).unwrap();
    fs::write(store.path().join("ab/cd"), HERE).unwrap();
    let mount = format!("{}:/assetstore:ro", store.path().display());
    let job = |path: &str| {
        let mut job = girder.with_access(crate::run_jobs::job(&["cat"]));
        job["container_args"].as_array_mut().unwrap().push(direct(
            &stored,
            Path::new(path),
            Some("a.svs"),
        ));
        job
    };
    let options = ["--volume", &mount, "--network", "host"];
    let output = inside("gantline-test-inside-5", &options, &job("/assetstore/ab/cd"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), HERE, "{output:?}");
    // The container's own file is none of the engine's.
    let output = inside("gantline-test-inside-6", &options, &job("/bin/busybox"));
    assert_eq!(output.stdout.len(), 1000, "{output:?}");
}
