//! The README itself: its commands are pasted as they stand into a shell in a fresh folder, and print what it says.
//! And the jobs of the manual.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::command::Invocation;

/// The blocks of code of a text, with their languages.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("\n```").enumerate().filter(|(at, _)| at % 2 == 1);
    fenced.filter_map(|(_, block)| block.split_once('\n')).collect()
}

#[test]
fn what_is_pasted_from_the_readme_prints_what_it_says() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    assert!(readme.lines().count() <= 200, "{}", readme.lines().count());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let mut script = "set -eu -o pipefail; trap 'kill $(jobs -p)' EXIT\n".to_owned();
    let mut expected = String::new();
    for (language, text) in blocks(&readme) {
        // What the engine of the tests has, and a port that nobody has.
        let text = text.replace("busybox", "gantline-test:busybox");
        let text = text.replace("gantline depot ./data &", &depot(port));
        let text = text.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
        match language {
            "sh" => script += &format!("{text}\n"),
            "json" => fs::write(folder.path().join("job.json"), text).unwrap(),
            "output" => expected += &format!("{text}\n"),
            _ => {}
        }
    }
    assert!(expected.lines().count() > 10, "{expected}");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gantline"), folder.path().join("gantline"))
        .unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(folder.path()).env("PATH", path);
    for name in ["GIRDER_TOKEN", "GIRDER_API_KEY", "GIRDER_API_URL"] {
        shell.env_remove(name);
    }
    let output = shell.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stdout, expected, "{stderr}");
    assert!(output.status.success(), "{stderr}");
}

#[test]
fn the_jobs_of_the_manual_run_and_print_what_it_says() {
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual/job_document.md");
    let chapter = fs::read_to_string(chapter).unwrap();
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let mut blocks = blocks(&chapter).into_iter().peekable();
    let (mut jobs, mut outputs) = (0, 0);
    while let Some((language, text)) = blocks.next() {
        // Ids of a Girder are somebody's own: tests of girder:: have the transforms.
        if language != "json" || text.contains("Girder") {
            continue;
        }
        let text = text.replace("/tmp/", &format!("{}/", folder.path().display()));
        let mut job: Value = serde_json::from_str(&text).unwrap();
        job["image"] = "gantline-test:busybox".into();
        job["pull_image"] = false.into();
        let run = Invocation::of(&["run", "-"]).input(job.to_string()).finish();
        assert_eq!(run.code, 0, "{text}: {run}");
        jobs += 1;
        if let Some((_, output)) = blocks.next_if(|(language, _)| *language == "output") {
            assert_eq!(run.text(), format!("{output}\n"), "{text}: {run}");
            outputs += 1;
        }
    }
    assert!(jobs >= 5 && outputs >= 1, "{jobs} jobs, {outputs} outputs");
    assert_eq!(fs::read_to_string(folder.path().join("hello.txt")).unwrap(), "hello\n");
}

/// A depot that is up when the next command begins: who pastes by hand is slower than that.
fn depot(port: u16) -> String {
    format!(
        "gantline depot ./data --listen 127.0.0.1:{port} > depot.log & \
         until grep -q 1cbcd8c926bdcb29bcf34f09 depot.log; do sleep 0.05; done"
    )
}
