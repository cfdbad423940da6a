//! What a killed run left is pruned, and nothing else is.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run_jobs::{job, script, script_apart};
use crate::support::command::{Finished, Invocation, NOBODY};
use crate::support::job::{bind_mount, connect, host_file, host_file_to_stream};

/// Where the runs of one test make and note things.
pub(crate) struct Ground(TempDir);

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("gantline-prune-").unwrap();
        for name in ["tmp", "records", "other", "bound", "out"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn start(&self, job: &Value, engine: Option<&Path>) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
        if let Some(socket) = engine {
            command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        }
        self.start_with(command, job)
    }

    /// Starts `gantline run` with what the command has been given so far.
    pub(crate) fn start_with(&self, mut command: Command, job: &Value) -> Child {
        let mut run = command
            .args(["run", "-"])
            .env("TMPDIR", self.folder("tmp"))
            .env("GANTLINE_RECORD_DIR", self.folder("records"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        run.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
        run
    }

    /// Has a command make and note things here.
    pub(crate) fn holds(&self, command: Invocation) -> Invocation {
        command.env("TMPDIR", self.folder("tmp")).env("GANTLINE_RECORD_DIR", self.folder("records"))
    }

    pub(crate) fn invocation(&self, arguments: &[&str]) -> Invocation {
        self.holds(Invocation::of(&["prune"]).args(arguments))
    }

    pub(crate) fn prune(&self, arguments: &[&str]) -> String {
        let pruned = self.invocation(arguments).finish();
        assert_eq!(pruned.code, 0, "{pruned}");
        String::from_utf8(pruned.stdout).unwrap()
    }

    /// A job that makes something in every folder.
    fn job_everywhere(&self, mut job: Value) -> Value {
        job["volumes"] = json!([
            {"type": "TemporaryVolume", "host_dir": self.folder("other")},
            bind_mount(&self.folder("bound"), "/data"),
        ]);
        let fifo = json!({
            "type": "NamedInputPipe", "name": "in",
            "container_path": "/data", "host_path": self.folder("bound"),
        });
        job["stream_connectors"] = json!([
            connect(host_file_to_stream(Path::new("/etc/hostname")), fifo),
            connect(
                json!({"type": "ContainerStdErr"}),
                host_file(&self.folder("out").join("half"))
            ),
        ]);
        job
    }

    pub(crate) fn left(&self) -> Vec<PathBuf> {
        let entries = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let folders = ["tmp", "other", "bound", "out"].map(|name| self.folder(name));
        let records = entries(self.folder("records"));
        folders.into_iter().chain(records).flat_map(entries).collect()
    }

    /// Kills a run that has made its volumes and waits for an engine that does not answer.
    fn kill_without_a_container(&self, job: &Value) {
        let socket = self.folder("engine.sock");
        let engine = UnixListener::bind(&socket).unwrap();
        let mut run = self.start(job, Some(&socket));
        let _met = engine.accept().unwrap();
        kill(&mut run);
        fs::remove_file(socket).unwrap();
    }

    fn without_engine(&self, arguments: &[&str]) -> Finished {
        self.invocation(arguments).env("DOCKER_HOST", "unix:///no/such/socket").finish()
    }
}

pub(crate) fn kill(run: &mut Child) {
    run.kill().unwrap();
    run.wait().unwrap();
}

pub(crate) fn first_line(run: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Whether the engine has a container.
fn exists(id: &str) -> bool {
    Command::new("docker").args(["inspect", id]).output().unwrap().status.success()
}

#[test]
fn what_a_killed_run_left_is_pruned_and_a_run_that_goes_on_is_left_alone() {
    let ground = Ground::new();
    let job = ground.job_everywhere(script_apart("hostname; exec sleep 600"));
    let mut run = ground.start(&job, None);
    let id = first_line(&mut run);
    assert_eq!(ground.prune(&[]), "");
    assert!(exists(&id), "a run that goes on is left alone");
    kill(&mut run);
    let before = ground.left();
    let would = ground.prune(&["--dry-run"]);
    assert!(exists(&id) && ground.left() == before, "{would}");
    let said = ground.prune(&[]);
    assert!(said.contains("removed container gantline-"), "{said}");
    assert!(!exists(&id), "{said}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{said}");
    assert_eq!(would.replace("would have ", ""), said);
    assert_eq!(ground.prune(&[]), "");
}

#[test]
fn what_a_run_made_before_it_had_a_container_is_pruned_without_an_engine() {
    let ground = Ground::new();
    ground.kill_without_a_container(&ground.job_everywhere(script("true")));
    let made = ground.left();
    assert_eq!(made.iter().filter(|path| path.starts_with(ground.folder("bound"))).count(), 1);
    let pruned = ground.without_engine(&[]);
    assert_eq!((pruned.code, pruned.stderr.as_str()), (0, ""), "{pruned}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{pruned}");
}

#[test]
fn a_line_of_a_record_that_is_not_whole_is_told_until_somebody_has_looked_and_the_rest_is_pruned() {
    let ground = Ground::new();
    ground.kill_without_a_container(&ground.job_everywhere(script("true")));
    let is_record = |path: &PathBuf| path.starts_with(ground.folder("records"));
    let record = ground.left().into_iter().find(is_record).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(&record).unwrap();
    file.write_all(
        b"{\"intends\":{\"number\":70,\"thing\":{\"path\":[\"fifo\",{\"folder\":\"/a\x1b[31",
    )
    .unwrap();
    let command = format!("; this does it: rm -- {}\n", record.display());
    for arguments in [["--dry-run"].as_slice(), &[], &[]] {
        let pruned = ground.without_engine(arguments);
        assert_eq!(pruned.code, 125, "{pruned}");
        assert!(pruned.stderr.contains("has a line that is not whole"), "{pruned}");
        assert!(pruned.stderr.contains("/a") && !pruned.stderr.contains('\x1b'), "{pruned}");
        assert!(pruned.stderr.ends_with(&command), "{pruned}");
    }
    assert_eq!(ground.left(), std::slice::from_ref(&record));
    fs::remove_file(&record).unwrap();
    assert_eq!(ground.without_engine(&[]).code, 0);
}

#[test]
fn a_prune_that_is_killed_leaves_the_rest_for_the_next() {
    let ground = Ground::new();
    let mut job = script("true");
    job["container_args"].as_array_mut().unwrap().push(json!({"type": "TemporaryVolume.default"}));
    ground.kill_without_a_container(&job);
    let outer = fs::read_dir(ground.folder("tmp")).unwrap().next().unwrap().unwrap().path();
    let inner = fs::read_dir(outer).unwrap().next().unwrap().unwrap().path();
    let files = 20_000;
    for name in 0..files {
        fs::write(inner.join(name.to_string()), "").unwrap();
    }
    let mut prune = Command::new(env!("CARGO_BIN_EXE_gantline"));
    let prune = prune.arg("prune").env("GANTLINE_RECORD_DIR", ground.folder("records"));
    let mut prune = prune.env("DOCKER_HOST", "unix:///no/such/socket").spawn().unwrap();
    let left = || fs::read_dir(&inner).map(Iterator::count).unwrap_or_default();
    while left() == files {}
    kill(&mut prune);
    assert!(left() > 0, "it was quicker than the test: more files are needed");
    let pruned = ground.without_engine(&[]);
    assert_eq!((pruned.code, pruned.stderr.as_str()), (0, ""), "{pruned}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{pruned}");
}

#[test]
fn what_is_mounted_in_a_temporary_volume_is_not_emptied_and_the_rest_is_found_again() {
    let ground = Ground::new();
    let precious = ground.folder("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "x").unwrap();
    let job = job(&["true", "{}"]);
    let mut job = job;
    job["container_args"][1] = json!({"type": "TemporaryVolume.default"});
    ground.kill_without_a_container(&job);
    // In a mount namespace of prune's own: nothing of it stays when that ends.
    let script = r#"
        for outer in "$TMPDIR"/gantline-*; do for inner in "$outer"/*; do
            mkdir "$inner/a" && touch "$inner/b" && mount --bind "$0" "$inner/a"
        done; done
        exec "$1" prune"#;
    let pruned = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .arg(&precious)
        .arg(env!("CARGO_BIN_EXE_gantline"))
        .env("TMPDIR", ground.folder("tmp"))
        .env("GANTLINE_RECORD_DIR", ground.folder("records"))
        .env("DOCKER_HOST", "unix:///no/such/socket")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&pruned.stderr);
    assert_eq!(pruned.status.code(), Some(125), "{said}");
    assert!(said.contains("something is mounted there; this does it: umount /"), "{said}");
    assert_eq!(fs::read(precious.join("file")).unwrap(), b"x");
    let pruned = ground.without_engine(&[]);
    assert_eq!(pruned.code, 0, "{pruned}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{pruned}");
}

#[test]
fn a_container_that_cannot_be_removed_is_named_with_the_command_and_found_again() {
    let ground = Ground::new();
    // The engine under a path that can be taken away from prune.
    let socket = ground.folder("engine.sock");
    std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap();
    let mut run = ground.start(&script_apart("hostname; exec sleep 600"), Some(&socket));
    let id = first_line(&mut run);
    kill(&mut run);
    fs::remove_file(&socket).unwrap();
    let pruned = ground.invocation(&[]).finish();
    assert_eq!(pruned.code, 125, "{pruned}");
    let command = format!(
        "this does it: docker --host unix://{} rm --force --volumes gantline-",
        socket.display()
    );
    assert!(pruned.stderr.contains(&command), "{pruned}");
    let address = format!("unix://{}", socket.display());
    let advice =
        format!("gantline: if that engine is gone for good: gantline prune --forget {address}\n");
    assert!(pruned.stderr.contains(&advice), "{pruned}");
    assert!(exists(&id), "{pruned}");
    std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap();
    assert!(ground.prune(&[]).contains("removed container gantline-"));
    assert!(!exists(&id));
    assert_eq!(ground.left(), [] as [PathBuf; 0]);
}

#[test]
fn an_engine_that_does_not_answer_is_asked_once_however_many_containers_it_may_have() {
    let ground = Ground::new();
    let socket = ground.folder("engine.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    let met = thread::spawn(move || engine.incoming().take(2).flatten().collect::<Vec<_>>());
    let records = ground.folder("records/gantline-0");
    fs::create_dir(&records).unwrap();
    let address = format!("unix://{}", socket.display());
    for nth in 0..5 {
        let container = json!({"engine": address, "name": format!("c{nth}"), "keep": false});
        let run = json!({"run": {"run": nth.to_string(), "boot": "b"}});
        let intends = json!({"intends": {"number": 0, "thing": {"container": container}}});
        fs::write(records.join(nth.to_string()), format!("{run}\n{intends}\n")).unwrap();
    }
    let prune = ground.invocation(&[]).env("DOCKER_HOST", "unix:///no/such/socket");
    let pruned = prune.env("DOCKER_CLIENT_TIMEOUT", "1").finish();
    assert_eq!(pruned.code, 125, "{pruned}");
    for nth in 0..5 {
        let command = format!("docker --host {address} rm --force --volumes c{nth}\n");
        assert!(pruned.stderr.contains(&command), "{pruned}");
    }
    assert_eq!(ground.left().len(), 5);
    // Nobody else has asked before us.
    drop(UnixStream::connect(&socket).unwrap());
    assert_eq!(met.join().unwrap().len(), 2);
}

#[test]
fn an_engine_that_is_gone_for_good_is_forgotten_and_one_that_is_there_is_not() {
    let ground = Ground::new();
    let mut job = ground.job_everywhere(script_apart("hostname; exec sleep 600"));
    let ids = ["gone", "there"].map(|name| {
        let socket = ground.folder(name);
        std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap();
        job["stream_connectors"] = json!([]);
        let mut run = ground.start(&job, Some(&socket));
        let id = first_line(&mut run);
        kill(&mut run);
        id
    });
    fs::remove_file(ground.folder("gone")).unwrap();
    let address = |name: &str| format!("unix://{}", ground.folder(name).display());
    let (gone, there) = (address("gone"), address("there"));
    let before = ground.left();
    let would = ground.prune(&["--dry-run", "--forget", &gone]);
    assert_eq!(ground.left(), before, "{would}");
    // Another engine's address: this one may come back.
    let pruned = ground.invocation(&["--forget", &there]).finish();
    assert_eq!(pruned.code, 125, "{pruned}");
    assert!(pruned.stderr.contains("nothing is forgotten"), "{pruned}");
    assert!(exists(&ids[0]) && !exists(&ids[1]), "{pruned}");
    let said = ground.prune(&["--forget", &gone]);
    assert!(said.starts_with("forgotten container gantline-"), "{said}");
    assert!(would.contains(&format!("would have {said}")), "{would} {said}");
    assert!(exists(&ids[0]), "{said}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{said}");
    assert_eq!(ground.prune(&[]), "");
    docker(&["rm", "--force", &ids[0]]);
}

#[test]
fn labels_of_an_image_make_nothing_a_runs_and_hide_nothing() {
    let ground = Ground::new();
    let image = "gantline-test-prune:labels";
    let host = docker(&["info", "--format", "{{.Name}}"]);
    let base = docker(&["create", "gantline-test:busybox"]);
    let precious = ground.folder("precious");
    nix::unistd::mkfifo(&precious, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let labels = format!(
        "LABEL gantline.run=0 gantline.uid=0 gantline.host={host} gantline.pid=1 \
         gantline.since=1.1 gantline.keep=yes gantline.made='[\"{}\"]'",
        precious.display()
    );
    docker(&["commit", "--change", &labels, &base, image]);
    docker(&["rm", &base]);
    let plain = docker(&["create", image, "true"]);
    let mut job = script_apart("hostname; exec sleep 600");
    job["image"] = json!(image);
    let mut run = ground.start(&job, None);
    let id = first_line(&mut run);
    kill(&mut run);
    let said = ground.prune(&[]);
    let (ours, theirs) = (exists(&id), exists(&plain));
    docker(&["rm", "--force", &plain]);
    docker(&["image", "rm", "--force", image]);
    assert!(!ours, "an image hides its run's container: {said}");
    assert!(theirs, "a container that is no run's was removed: {said}");
    assert!(precious.exists(), "{said}");
}

#[test]
fn the_container_that_a_killed_run_was_to_keep_is_stopped_and_kept() {
    let ground = Ground::new();
    let mut job = script_apart("hostname; exec sleep 600");
    job["remove_container"] = json!(false);
    let mut run = ground.start(&job, None);
    let id = first_line(&mut run);
    kill(&mut run);
    let said = ground.prune(&[]);
    assert!(said.contains("stopped container gantline-"), "{said}");
    let running = docker(&["inspect", "--format", "{{.State.Running}}", &id]);
    docker(&["rm", "--force", &id]);
    assert_eq!(running, "false");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{said}");
}

#[test]
fn what_another_users_run_left_stays_unless_everybodys_is_asked_for() {
    let ground = Ground::new();
    let program = ground.folder("gantline");
    fs::copy(env!("CARGO_BIN_EXE_gantline"), &program).unwrap();
    let group = fs::metadata("/var/run/docker.sock").unwrap().gid();
    for folder in ["", "tmp", "records"] {
        chown(ground.folder(folder), Some(NOBODY), Some(group)).unwrap();
    }
    let mut theirs = Command::new(program);
    theirs.uid(NOBODY).gid(group).env("HOME", ground.folder("tmp"));
    let mut job = script_apart("hostname; sleep 100");
    job["volumes"] = json!([{"type": "TemporaryVolume", "name": "v"}]);
    let mut run = ground.start_with(theirs, &job);
    let id = first_line(&mut run);
    kill(&mut run);

    assert_eq!(ground.prune(&[]), "");
    assert!(exists(&id) && !ground.left().is_empty(), "{:?}", ground.left());
    let would = ground.prune(&["--all", "--dry-run"]);
    assert!(would.contains("would have removed container gantline-") && exists(&id), "{would}");
    let removed = ground.prune(&["--all"]);
    assert!(!exists(&id), "{removed}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{removed}");
}

#[test]
fn what_another_users_record_names_has_root_remove_nothing_and_paste_nothing() {
    let ground = Ground::new();
    let precious = ground.folder("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "x").unwrap();
    let folder = fs::metadata(ground.folder("")).unwrap();
    let records = ground.folder(&format!("records/gantline-{NOBODY}"));
    fs::create_dir(&records).unwrap();
    let path = json!({"folder": ground.folder(""), "inode": [folder.dev(), folder.ino()], "name": "precious"});
    let container = json!({"engine": "unix:///no/such/socket", "name": "precious", "keep": false});
    let things = [json!({"path": ["directory", path]}), json!({"container": container})];
    let mut lines = json!({"run": {"run": "r", "boot": "b"}}).to_string() + "\n";
    for (number, thing) in things.iter().enumerate() {
        lines += &(json!({"intends": {"number": number, "thing": thing}}).to_string() + "\n");
    }
    let made = fs::metadata(&precious).unwrap();
    let made = json!({"made": {"number": 0, "inode": [made.dev(), made.ino()]}});
    let record = records.join("r");
    fs::write(&record, format!("{lines}{made}\n{{\"intends\":")).unwrap();
    for path in [&records, &record] {
        chown(path, Some(NOBODY), None).unwrap();
    }
    let pruned = ground.without_engine(&["--all"]);
    assert_eq!(pruned.code, 125, "{pruned}");
    assert_eq!(fs::read(precious.join("file")).unwrap(), b"x");
    let commands: Vec<_> = pruned
        .stderr
        .lines()
        .filter_map(|line| Some(line.split_once("; this does it: ")?.1))
        .collect();
    assert_eq!(commands.len(), 3, "{pruned}");
    let is_theirs = |command: &&str| command.starts_with(&format!("sudo -u '#{NOBODY}' "));
    assert!(commands.iter().all(is_theirs), "{pruned}");
}
