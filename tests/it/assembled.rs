//! What is in the binary as machine code is its source, assembled.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn what_opens_a_containers_output_is_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/run/container/fast_stdout");
    let object = folder.path().join("x86_64.o");
    let made = folder.path().join("x86_64");
    let assembled = Command::new("as").arg("-o").arg(&object).arg(ours.join("x86_64.S")).status();
    assert!(assembled.unwrap().success());
    let linked = Command::new("ld")
        .args(["--oformat", "binary", "-Ttext", "0x10000", "-o"])
        .args([&made, &object])
        .status();
    assert!(linked.unwrap().success());
    assert!(fs::read(made).unwrap() == fs::read(ours.join("x86_64")).unwrap());
}
