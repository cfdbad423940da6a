//! A command that needs no library of the system.

use std::path::Path;
use std::process::Command;

#[test]
fn a_static_command_runs_in_an_empty_image_and_finds_names_there() {
    let deps = Path::new(env!("CARGO_BIN_EXE_gantline")).with_file_name("deps");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker/static.sh");
    let output = Command::new(script).arg(deps).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(
        stdout, "by its DNS name: by a name\nby a name in /etc/hosts: by a name\n",
        "{stderr}"
    );
}
