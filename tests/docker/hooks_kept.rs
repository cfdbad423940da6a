//! Results that do not come to Girder stay where they are, and are uploaded by the command that is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::hooks;
use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation};
use crate::support::girder::Girder;
use crate::support::in_front::{Limiting, Refusing};
use crate::support::job::{Job, connect, named_output_pipe};
use crate::support::seeded::hex;

/// A job that writes into its temporary volume, `$1`.
fn job(girder: &Girder, api: &str, text: &str, hooks: Value) -> Value {
    let mut job = girder.with_access(script(text));
    let arguments = job["container_args"].as_array_mut().unwrap();
    arguments.extend([json!("sh"), json!({"type": "TemporaryVolume.default"})]);
    job["girder_result_hooks"] = hooks;
    job["girder_api_url"] = api.into();
    job
}

pub(crate) fn to_item(item: &str, file: &str) -> Value {
    json!({
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"type": "VolumePath", "filename": file},
        "item_id": item,
    })
}

/// The command in the last line of a run.
pub(crate) fn command(run: &Finished) -> String {
    let last = run.stderr.lines().last().unwrap();
    last.split_once("; this uploads it: ")
        .unwrap_or_else(|| panic!("no command: {run}"))
        .1
        .to_owned()
}

/// Has a shell do what was said.
pub(crate) fn type_in(command: &str, token: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_gantline")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", path).env("GIRDER_TOKEN", token);
    let output = shell.env_remove("GIRDER_API_URL").output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn where_nobody_may_write_is_found_out_before_the_container_starts() {
    let girder = Girder::log_in();
    girder.publish(girder.folder());
    let item = girder.make_item(girder.folder(), "results");
    let stranger = girder.stranger();
    let to_folder = json!({
        "type": "GirderUploadVolumePathToFolder",
        "volumepath": {"filename": "r"},
        "folder_id": girder.folder(),
    });
    let mut file = to_item(&item, "r");
    file["volumepath"].as_object_mut().unwrap().remove("type");
    let metadata = json!({"type": "GirderItemMetadata", "item_id": item, "metadata": {"a": 1}});
    let nowhere = json!({"type": "GirderItemMetadata", "metadata": {"a": 1},
        "item_id": "0123456789abcdef01234567"});
    for (hook, said) in [
        (to_folder, format!("may only read folder {}", girder.folder())),
        (file, format!("may only read item {item}")),
        (metadata, format!("may only read item {item}")),
        (nowhere, "there is no item 0123456789abcdef01234567".to_owned()),
    ] {
        let host = tempfile::tempdir().unwrap();
        let mut job = hooks::job(&girder, host.path(), "echo r > r", json!([hook]));
        job["girder_client_token"] = stranger.clone().into();
        let run = Invocation::job(&job).finish();
        assert_eq!(run.code, 125, "{run}");
        assert!(run.stderr.contains(&said), "{said}: {run}");
        assert_eq!(run.reported("container_id"), &json!(null), "{run}");
        assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0, "{run}");
    }
}

#[test]
fn a_stream_that_girder_does_not_take_stays_and_the_last_line_uploads_it() {
    let girder = Girder::log_in();
    let refusing = Refusing::before(&girder, &["POST /api/v1/file?"]);
    let item = girder.make_item(girder.folder(), "results");
    let temporary = tempfile::tempdir().unwrap();
    let sink = json!({"type": "GirderStreamToItem", "item_id": item, "name": "it's one.txt"});
    let job = Job::script("echo result > $1").girder(&girder).set("girder_api_url", refusing.api());
    let job = job.arg(connect(named_output_pipe("out"), sink));
    let run = |keep| {
        let run = job.invocation().args(&["--keep", keep]).env("TMPDIR", temporary.path());
        let run = run.finish();
        assert_eq!(run.code, 125, "{run}");
        run
    };
    assert_eq!(run("never").report.unwrap().get("kept"), None);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);

    let run = run("on-failure");
    let kept = &run.reported("kept")[0];
    let path = Path::new(kept["path"].as_str().unwrap());
    assert!(path.starts_with(temporary.path()), "{run}");
    assert_eq!(fs::read(path).unwrap(), b"result\n", "{run}");
    assert_eq!(command(&run), kept["command"], "{run}");
    refusing.relents();
    type_in(&command(&run), girder.token());
    let files = girder.files(&item);
    assert_eq!((files.len(), files[0].0.as_str()), (1, "it's one.txt"), "{run}");
    assert_eq!(girder.content(files[0].1["_id"].as_str().unwrap()), b"result\n", "{run}");
}

#[test]
fn a_result_that_girder_does_not_take_stays_and_the_last_line_uploads_it() {
    let girder = Girder::log_in();
    let refusing = Refusing::before(&girder, &["POST /api/v1/file?", "POST /api/v1/folder?"]);
    let items = ["one", "two"].map(|name| girder.make_item(girder.folder(), name));
    let mut to_folder = to_item("", "results");
    to_folder["type"] = "GirderUploadVolumePathToFolder".into();
    to_folder.as_object_mut().unwrap().remove("item_id");
    to_folder["folder_id"] = girder.folder().into();
    let mut typed = to_item(&items[1], "it's one.txt");
    typed["upload_kwargs"] = json!({"mimeType": "text/csv"});
    let hooks = json!([to_folder, to_item(&items[0], "not there"), typed]);
    let text = "mkdir -p $1/results/deep; echo a > $1/results/deep/a; echo 1 > \"$1/it's one.txt\"";
    let temporary = tempfile::tempdir().unwrap();
    let run = Invocation::job(&job(&girder, &refusing.api(), text, hooks))
        .env("TMPDIR", temporary.path())
        .finish();
    assert_eq!(run.code, 125, "{run}");
    let kept = run.reported("kept").as_array().unwrap();
    assert_eq!(kept.len(), 2, "{run}");
    let path = |nth: usize| PathBuf::from(kept[nth]["path"].as_str().unwrap());
    assert_eq!(fs::read(path(0).join("deep/a")).unwrap(), b"a\n", "{run}");
    assert_eq!(fs::read(path(1)).unwrap(), b"1\n", "{run}");
    assert!(path(1).starts_with(temporary.path()), "{run}");
    assert_eq!(command(&run), kept[1]["command"], "{run}");
    refusing.relents();
    for kept in kept {
        type_in(kept["command"].as_str().unwrap(), girder.token());
    }
    let files = girder.files(&items[1]);
    assert_eq!((files.len(), files[0].0.as_str()), (1, "it's one.txt"), "{run}");
    assert_eq!(files[0].1["mimeType"], "text/csv", "{run}");
    let deep = girder.get(&format!("folder?parentType=folder&parentId={}", girder.folder()));
    assert_eq!(deep[0]["name"], "deep", "{run}");
}

#[test]
fn metadata_that_girder_does_not_take_is_kept_too() {
    let girder = Girder::log_in();
    let refusing = Refusing::before(&girder, &["PUT /api/v1/item/"]);
    let item = girder.make_item(girder.folder(), "one");
    let hook = json!({"type": "GirderItemMetadata", "item_id": item,
        "metadata": {"type": "VolumePath", "filename": "m.json"}});
    let text = "echo '{\"a\": 5}' > $1/m.json";
    let temporary = tempfile::tempdir().unwrap();
    let run = Invocation::job(&job(&girder, &refusing.api(), text, json!([hook])))
        .env("TMPDIR", temporary.path())
        .finish();
    assert_eq!(run.code, 125, "{run}");
    refusing.relents();
    let said = type_in(&command(&run), girder.token());
    assert!(said.ends_with(&format!("/m.json: metadata of item {item}\n")), "{said}");
    assert_eq!(girder.get(&format!("item/{item}"))["meta"], json!({"a": 5}), "{run}");
}

#[test]
fn a_result_that_there_was_no_time_to_upload_stays() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "one");
    let second = girder.make_item(girder.folder(), "two");
    // The first is under way when the time is over, the second has not begun, and the third was never written.
    let hooks = || json!([to_item(&item, "r"), to_item(&second, "r"), to_item(&item, "none")]);
    for (keep, stays) in [("on-failure", 2), ("never", 0)] {
        let deaf = Refusing::deaf(&girder, &["POST /api/v1/file?"]);
        let temporary = tempfile::tempdir().unwrap();
        let run = Invocation::job(&job(&girder, &deaf.api(), "echo r > $1/r", hooks()))
            .args(&["--timeout", "4", "--keep", keep])
            .env("TMPDIR", temporary.path())
            .finish();
        assert_eq!((run.code, run.reported("exit_code")), (125, &json!(0)), "{run}");
        assert!(run.stderr.contains("has not ended within 4 s"), "{run}");
        let kept = run
            .report
            .as_ref()
            .unwrap()
            .get("kept")
            .map_or(&[][..], |kept| kept.as_array().unwrap());
        assert_eq!(kept.len(), stays, "{run}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), stays.min(1), "{run}");
        if stays > 0 {
            deaf.relents();
            assert_eq!(command(&run), kept[1]["command"], "{run}");
            type_in(&command(&run), girder.token());
            let files = girder.files(&second);
            assert_eq!(girder.content(files[0].1["_id"].as_str().unwrap()), b"r\n", "{run}");
        }
    }
}

#[test]
fn what_stays_is_for_the_user_to_say() {
    let girder = Girder::log_in();
    let refusing = Refusing::before(&girder, &["POST /api/v1/file?"]);
    let item = girder.make_item(girder.folder(), "one");
    for (keep, api, stays, code) in [
        ("never", refusing.api(), false, 125),
        ("on-failure", girder.api().to_owned(), false, 0),
        ("always", girder.api().to_owned(), true, 0),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let job = job(&girder, &api, "echo r > $1/r", json!([to_item(&item, "r")]));
        let run =
            Invocation::job(&job).args(&["--keep", keep]).env("TMPDIR", temporary.path()).finish();
        assert_eq!(run.code, code, "{keep}: {run}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), usize::from(stays), "{run}");
        if stays {
            let kept = run.reported("kept")[0]["path"].as_str().unwrap();
            assert_eq!(fs::read(Path::new(kept).join("r")).unwrap(), b"r\n", "{run}");
            assert_eq!(run.stderr, format!("gantline: {kept} stays\n"), "{run}");
        }
    }
}

#[test]
fn a_proxy_that_takes_no_large_requests_gets_smaller_ones() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "one");
    let limiting = Limiting::before(&girder, "10m");
    let text = "head -c 70000000 /dev/urandom > $1/big; sha256sum < $1/big";
    let run = Invocation::job(&job(&girder, &limiting.api(), text, json!([to_item(&item, "big")])));
    let run = run.finish();
    assert_eq!(run.code, 0, "{run}");
    let files = girder.files(&item);
    let content = girder.content(files[0].1["_id"].as_str().unwrap());
    assert!(run.stdout.starts_with(hex(&Sha256::digest(&content)).as_bytes()), "{run}");
}

#[test]
fn a_proxy_that_takes_less_than_girder_asks_for_is_said_by_name() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "one");
    let limiting = Limiting::before(&girder, "1m");
    let text = "head -c 12000000 /dev/zero > $1/big";
    let temporary = tempfile::tempdir().unwrap();
    let run = Invocation::job(&job(&girder, &limiting.api(), text, json!([to_item(&item, "big")])))
        .env("TMPDIR", temporary.path())
        .finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("client_max_body_size"), "{run}");
    type_in(&command(&run).replace(&limiting.api(), girder.api()), girder.token());
    assert_eq!(girder.files(&item)[0].1["size"], 12_000_000, "{run}");
}
