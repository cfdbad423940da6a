//! Output by FIFOs, past the engine: the same bytes, exit codes and words as without.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

use crate::prune::{Ground, kill};
use crate::support::job::{Job, end, host_file};
use crate::support::seeded::hex;

fn fast(job: Job) -> Job {
    job.set("fast_stdout", true)
}

#[test]
fn binary_bytes_arrive_exactly_and_none_pass_through_the_engine() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out.bin");
    let size = 64 << 20;
    let script = format!(
        "mkfifo /tmp/copy; sha256sum < /tmp/copy >&2 & head -c {size} /dev/urandom | tee /tmp/copy; wait"
    );
    let job = fast(Job::script(&script)).stream(end("ContainerStdOut"), host_file(&path));
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    let bytes = fs::read(&path).unwrap();
    assert!(run.stderr.starts_with(&hex(&Sha256::digest(&bytes))), "{run}");
    let transfer = run.transfer(&format!("file:{}", path.display()));
    assert_eq!((&transfer["source"], &transfer["bytes"]), (&json!("fifo:stdout"), &json!(size)));
    assert_eq!(transfer["finish"], "complete", "{run}");
    let transfers = run.reported("transfers").as_array().unwrap();
    let engines = transfers.iter().find(|transfer| transfer["source"] == "container:stdout");
    assert_eq!(engines.unwrap()["bytes"], 0, "{run}");
}

#[test]
fn output_is_ours_and_standard_error_stays_with_the_engine_unless_it_is_data() {
    let script = "echo out; echo err >&2; for fd in 1 2; do readlink /proc/$$/fd/$fd; done";
    let run = fast(Job::script(script)).finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, "err\n"), "{run}");
    let lines: Vec<_> = run.text().lines().collect();
    assert!(lines[1].ends_with("/stdout") && lines[2].starts_with("pipe:"), "{run}");

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("err");
    let job = fast(Job::script(script)).stream(end("ContainerStdErr"), host_file(&path));
    let run = job.finish();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
    assert!(run.text().contains("/stderr\n"), "{run}");
    assert_eq!(fs::read(&path).unwrap(), b"err\n");

    // One that says it alone.
    let stderr = json!({"type": "ContainerStdErr", "fast": true});
    let run = Job::script(script).stream(stderr, host_file(&path)).finish();
    let lines: Vec<_> = run.text().lines().collect();
    assert_eq!((run.code, lines[0]), (0, "out"), "{run}");
    assert!(lines[1].starts_with("pipe:") && lines[2].ends_with("/stderr"), "{run}");
    assert_eq!(fs::read(path).unwrap(), b"err\n");
}

#[test]
fn whoever_the_program_runs_as_and_whatever_it_may_write() {
    let keywords = [
        ("user", json!("1000:1000")),
        ("read_only", json!(true)),
        ("init", json!(true)),
        ("cap_drop", json!(["ALL"])),
        ("security_opt", json!(["no-new-privileges"])),
        ("working_dir", json!("/tmp")),
    ];
    let job = fast(Job::script("echo $(id -u) $0 $1"));
    let job = keywords.into_iter().fold(job, |job, (name, value)| job.set(name, value));
    let run = job.arg("two words").finish();
    assert_eq!((run.code, run.text()), (0, "1000 sh two words\n"), "{run}");
}

#[test]
fn exit_codes_are_the_programs() {
    for code in [0, 3, 255] {
        let run = fast(Job::script(&format!("echo x; exit {code}"))).finish();
        assert_eq!((run.code, run.text()), (code, "x\n"), "{run}");
    }
    let killed = fast(Job::script("echo x; sleep 600")).invocation().start();
    let id = killed.container_started();
    assert!(Command::new("docker").args(["kill", &id]).output().unwrap().status.success());
    assert_eq!(killed.finish().code, 137);
    for (program, code, words) in [
        ("no-such-program", 127, "exec: \"no-such-program\": executable file not found in $PATH"),
        ("/no/such/program", 127, "exec: \"/no/such/program\": no such file or directory"),
        ("", 127, "exec: \"\": executable file not found in $PATH"),
        ("/etc/not-executable", 126, "exec: \"/etc/not-executable\": permission denied"),
        ("/etc", 126, "exec: \"/etc\": permission denied"),
    ] {
        let run = fast(Job::program(&[program])).finish();
        assert_eq!((run.code, run.text()), (code, ""), "{run}");
        assert!(run.stderr.contains(words), "{run}");
    }
}

#[test]
fn a_program_that_cannot_be_run_is_told_with_the_reason() {
    let folder = TempDir::new().unwrap();
    for (name, text, mode) in [
        ("no-shebang", "echo x\n", 0o755),
        ("no-interpreter", "#!/no/such/interpreter\n", 0o755),
        ("not-executable", "#!/bin/sh\n", 0o644),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let mounted = json!({folder.path().to_str().unwrap(): {"bind": "/odd", "mode": "ro"}});
    for (program, code, reason) in [
        ("no-shebang", 126, "exec format error"),
        ("/odd/no-shebang", 126, "exec format error"),
        ("no-interpreter", 126, "no such file or directory"),
        ("/odd/no-interpreter", 126, "no such file or directory"),
        ("not-executable", 127, "executable file not found in $PATH"),
        ("/odd/not-executable", 126, "permission denied"),
        ("folder", 127, "executable file not found in $PATH"),
        ("/odd/folder", 126, "permission denied"),
        ("/odd/no-shebang/x", 127, "not a directory"),
    ] {
        let job = fast(Job::program(&[program])).set("volumes", mounted.clone());
        let run = job.set("environment", json!({"PATH": "/bin:/odd"})).finish();
        assert_eq!((run.code, run.text()), (code, ""), "{run}");
        assert_eq!(run.stderr, format!("exec: \"{program}\": {reason}\n"), "{run}");
    }
}

#[test]
fn a_program_may_close_its_output_and_go_on() {
    let run = fast(Job::script("echo one; exec 1>&-; echo two >&2; exit 4")).finish();
    assert_eq!((run.code, run.text(), run.stderr.as_str()), (4, "one\n", "two\n"), "{run}");
}

#[test]
fn a_cancelled_run_gives_what_was_written_and_leaves_nothing() {
    let job = fast(Job::script("trap 'echo last; exit 5' TERM; echo up; sleep 600 & wait"));
    let run = job.invocation().start();
    let _ = run.container_started();
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
    let said = run.text();
    assert!(said.is_empty() || said == "up\nlast\n", "{run}");
}

#[test]
fn what_a_killed_run_leaves_is_pruned() {
    let ground = Ground::new();
    let job = fast(Job::script("echo up; sleep 600"));
    let mut run = ground.start(job.document(), None);
    let mut up = [0; 3];
    std::io::Read::read_exact(run.stdout.as_mut().unwrap(), &mut up).unwrap();
    assert_eq!(&up, b"up\n");
    kill(&mut run);
    let pruned = ground.invocation(&[]).finish();
    assert_eq!(pruned.code, 0, "{pruned}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{pruned}");
}

/// An image that has nothing but a static program, and says how it is run.
struct Scratch(String);

impl Scratch {
    fn new(changes: &[&str]) -> Self {
        let name = format!("gantline-test-scratch:{}", Uuid::new_v4().simple());
        let tar = Command::new("tar").args(["-C", "/bin", "-c", "busybox"]).output().unwrap();
        let changes = changes.iter().flat_map(|change| ["--change", change]);
        let mut import = Command::new("docker")
            .arg("import")
            .args(changes)
            .args(["-", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut import.stdin.take().unwrap(), &tar.stdout).unwrap();
        assert!(import.wait().unwrap().success());
        Self(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", "--force", &self.0]).output();
    }
}

#[test]
fn entrypoint_and_command_are_what_the_engine_would_make_of_them() {
    let both =
        Scratch::new(&[r#"ENTRYPOINT ["/busybox", "echo", "entry"]"#, r#"CMD ["of", "image"]"#]);
    let command = Scratch::new(&[r#"CMD ["/busybox", "echo", "command"]"#]);
    let said = |image: &Scratch, entrypoint: Value, arguments: &[&str], is_fast: bool| {
        let job = Job::program(arguments).set("image", image.0.as_str());
        let job = match entrypoint.is_null() {
            true => job,
            false => job.set("entrypoint", entrypoint),
        };
        let run = job.set("fast_stdout", is_fast).finish();
        (run.code, run.text().to_owned())
    };
    let cases: [(&Scratch, Value, &[&str], &str); 7] = [
        (&both, json!(null), &[], "entry of image\n"),
        (&both, json!(null), &["a b"], "entry a b\n"),
        (&both, json!(["/busybox", "echo", "own"]), &[], "own\n"),
        (&both, json!("/busybox"), &["echo", "c"], "c\n"),
        (&both, json!([]), &["/busybox", "echo", "d"], "d\n"),
        (&command, json!(null), &[], "command\n"),
        (&command, json!(null), &["/busybox", "echo", "e"], "e\n"),
    ];
    for (image, entrypoint, arguments, expected) in cases {
        for is_fast in [false, true] {
            let said = said(image, entrypoint.clone(), arguments, is_fast);
            assert_eq!(said, (0, expected.to_owned()), "{entrypoint} {arguments:?} {is_fast}");
        }
    }
    let nothing = Scratch::new(&[]);
    for is_fast in [false, true] {
        assert_eq!(said(&nothing, json!(null), &[], is_fast), (125, String::new()));
    }
}
