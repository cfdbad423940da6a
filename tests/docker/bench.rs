//! `gantline bench --image`: through a container, by the ordinary run.

use serde_json::Value;

use crate::support::command::Invocation;

#[test]
fn every_case_with_a_container_is_measured_through_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.json");
    let bench = ["bench", "--image", "gantline-test:busybox", "--size", "1000001", "--runs", "1"];
    let finished =
        Invocation::of(&bench).arg("--files").arg("30").arg("--json").arg(&data).finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""), "{finished}");
    let data: Value = serde_json::from_slice(&std::fs::read(data).unwrap()).unwrap();
    assert_eq!(data["image"], "gantline-test:busybox");
    let cases: Vec<_> = data["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| (case["case"].as_str().unwrap(), case["bytes"].as_u64().unwrap()))
        .collect();
    let names = [
        "http-fifo",
        "https-fifo",
        "chunked-fifo",
        "file-fifo",
        "fifo-post",
        "fifo-file",
        "stdout-file",
        "many-down",
        "checked-down",
    ];
    let bytes = |name| if name == "many-down" { 30 << 11 } else { 1_000_001 };
    assert_eq!(cases, names.map(|name| (name, bytes(name))));
}

#[test]
fn several_transfers_go_through_one_container() {
    let bench = ["bench", "--image", "gantline-test:busybox", "--size", "1MiB", "--runs", "1"];
    let finished = Invocation::of(&bench)
        .arg("--parallel")
        .arg("4")
        .arg("--case")
        .arg("http-fifo")
        .arg("--case")
        .arg("fifo-post")
        .arg("--case")
        .arg("fifo-file")
        .finish();
    assert_eq!((finished.code, finished.stderr.as_str()), (0, ""), "{finished}");
}

#[test]
fn an_image_that_is_not_there_is_said_once() {
    let bench = ["bench", "--image", "127.0.0.1:1/none", "--size", "1", "--case", "http-fifo"];
    let finished = Invocation::of(&bench).finish();
    assert_eq!(finished.code, 125, "{finished}");
    assert!(finished.stderr.contains("cannot get the image 127.0.0.1:1/none"), "{finished}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished}");
}
