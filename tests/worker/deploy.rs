//! What an installation starts: systemd's unit, and the image of `deploy/Containerfile`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;

use crate::held::{HOLDS, Held};
use crate::jobs::{SOON, SUCCESS};
use crate::place::Kind;
use crate::site::{Site, printing, script};

const UNIT: &str = include_str!("../../deploy/gantline-worker.service");

const COMPOSE: &str = include_str!("../../deploy/compose.yml");

/// The values of a key of the unit.
fn values(key: &str) -> Vec<&'static str> {
    let value = |line: &'static str| line.strip_prefix(key)?.strip_prefix('=');
    UNIT.lines().filter_map(value).collect()
}

fn ran(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
    output
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gantline-worker.service");
    // What it starts has to be there.
    let unit = UNIT.replace("/usr/local/bin/gantline", env!("CARGO_BIN_EXE_gantline"));
    // The units of an engine and of a network are not on every machine that tests it.
    let unit = unit.replace("Wants=", "# Wants=").replace("After=", "# After=");
    fs::write(&path, unit).unwrap();
    let output = ran(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path));
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("gantline-worker")).collect();
    assert_eq!(ours, [] as [&str; 0]);
}

/// A worker with the unit's own line and environment is ready for systemd, runs a job, and ends within the unit's time.
#[test]
fn what_the_unit_starts_is_ready_runs_a_job_and_ends() {
    assert_eq!(values("ExecStart"), ["/usr/local/bin/gantline worker"]);
    assert_eq!(values("Type"), ["notify"]);
    // The worker's guard has to outlive it: systemd ends it with any other mode.
    assert_eq!(values("KillMode"), ["process"]);
    let site = Site::new(Kind::RabbitMq);
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().display().to_string();
    for below in values("StateDirectory")[0].split(' ') {
        let below = below.strip_prefix("gantline").unwrap().trim_start_matches('/');
        fs::create_dir_all(folder.path().join(below)).unwrap();
    }
    let environment: BTreeMap<_, _> = values("Environment")
        .into_iter()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name, value.replace("/var/lib/gantline", &state)))
        .collect();
    let grace: u64 = environment["GANTLINE_WORKER_GRACE"].parse().unwrap();
    let stop: u64 = values("TimeoutStopSec")[0].parse().unwrap();
    assert!(stop > grace + 60, "it is killed before it is over");

    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let path = path.display().to_string();
    let mut given = vec![("NOTIFY_SOCKET", &*path)];
    // Another test may have the port.
    let environment = environment.iter().filter(|(name, _)| **name != "GANTLINE_WORKER_HTTP");
    given.extend(environment.map(|(name, value)| (*name, &**value)));
    let worker = site.starting_worker(&[], &given);
    let mut told = [0; 1024];
    let length = socket.recv(&mut told).unwrap();
    assert!(told[..length].starts_with(b"READY=1"), "{}", String::from_utf8_lossy(&told));
    let mut job = script("echo up > /there/out; cat /there/out");
    job["container_args"] = json!(["sh", "-c", "echo up", {"type": "TemporaryVolume"}]);
    let job = site.send(&job, json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    worker.signal(Signal::SIGTERM);
    worker.has_ended(0);
    let left = |below: &str| fs::read_dir(folder.path().join(below)).unwrap().count();
    assert_eq!(left("tmp"), 0);
    let mode = fs::metadata(folder.path().join("worker.state")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A worker in the container of `deploy/Containerfile`. Dropped, it is removed with its image.
struct Contained {
    name: String,
    /// Its temporary files, at one path on both sides.
    shared: PathBuf,
    folder: TempDir,
}

impl Contained {
    /// Starts one with some more options of `docker run`.
    fn start(site: &Site, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (name, shared) = (format!("gantline-{}", site.queue()), folder.path().join("shared"));
        let contained = Self { name, shared, folder };
        contained.build();
        contained.run(site, options);
        contained
    }

    fn build(&self) {
        let base = format!("{}-base", self.name);
        import_base(&base, self.folder.path());
        let context = self.folder.path().join("image");
        fs::create_dir(&context).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_gantline"), context.join("gantline")).unwrap();
        ran(Command::new("docker")
            .args(["build", "-q", "-f", CONTAINERFILE, "-t", &self.name])
            .args(["--build-arg", &format!("BASE={base}")])
            .arg(&context));
    }

    fn run(&self, site: &Site, options: &[&str]) {
        // The folder has one path on both sides, and nothing is in it.
        fs::create_dir(&self.shared).unwrap();
        let shared = self.shared.display().to_string();
        let text = fs::read_to_string(CONTAINERFILE).unwrap().replace("/srv/gantline", &shared);
        let of_image = |name: &str| {
            let mut words = text.split_whitespace();
            words.find(|word| word.starts_with(&format!("{name}={shared}"))).unwrap().to_owned()
        };
        let environment = [
            of_image("TMPDIR"),
            of_image("GANTLINE_RECORD_DIR"),
            of_image("GANTLINE_WORKER_STATEDB"),
            format!("CELERY_BROKER_URL={}", site.broker()),
            format!("CELERY_RESULT_BACKEND={}", site.broker()),
            format!("GANTLINE_WORKER_QUEUES={}", site.queue()),
            format!("GANTLINE_WORKER_HOSTNAME={}", site.node()),
        ];
        let mut start = Command::new("docker");
        // The broker and Girder of the tests are at this machine's loopback.
        start.args(["run", "-d", "--name", &self.name, "--network", "host"]).args(options);
        for pair in &environment {
            start.args(["-e", pair]);
        }
        for (there, here) in [(&*engine_socket(), "/var/run/docker.sock"), (&*shared, &*shared)] {
            start.args(["-v", &format!("{there}:{here}")]);
        }
        ran(start.arg(&self.name));
    }

    /// Its exit code, when it has ended.
    fn ended(&self) -> String {
        String::from_utf8(ran(Command::new("docker").args(["wait", &self.name])).stdout).unwrap()
    }

    /// What it has logged.
    fn log(&self) -> String {
        let log = ran(Command::new("docker").args(["logs", &self.name]));
        String::from_utf8([log.stdout, log.stderr].concat()).unwrap()
    }

    /// The process that works, as this machine knows it: the only child of the container's first.
    fn worker(&self) -> Pid {
        let asked = ["inspect", "--format", "{{.State.Pid}}", &self.name];
        let first = String::from_utf8(ran(Command::new("docker").args(asked)).stdout).unwrap();
        let first = first.trim();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap())
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
        for verb in [["rm", "-f"], ["image", "rm"]] {
            let names = [self.name.clone(), format!("{}-base", self.name)];
            let _ = Command::new("docker").args(verb).args(names).output();
        }
    }
}

const CONTAINERFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/Containerfile");

/// An image that has what the program needs of a system: its loader and its libraries.
fn import_base(name: &str, folder: &Path) {
    let root = folder.join("root");
    for below in ["tmp", "etc", "usr/local/bin", "var/tmp"] {
        fs::create_dir_all(root.join(below)).unwrap();
    }
    let listed = ran(Command::new("ldd").arg(env!("CARGO_BIN_EXE_gantline")));
    for word in String::from_utf8(listed.stdout).unwrap().split_whitespace() {
        if word.starts_with('/') {
            let to = root.join(word.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(word, &to).unwrap();
        }
    }
    let tar = folder.join("base.tar");
    ran(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg("."));
    ran(Command::new("docker")
        .args(["import", "--change", "ENV PATH=/usr/local/bin"])
        .arg(&tar)
        .arg(name));
}

#[test]
fn a_worker_in_a_container_runs_a_job_beside_itself() {
    let site = Site::new(Kind::Redis);
    let contained = Contained::start(&site, &[]);
    let file = site.upload("file", b"what is in the file");
    let job = site.send(&printing(&file), json!({}));
    assert_eq!(job.ended(), SUCCESS, "{}", job.log());
    assert!(job.log().contains("what is in the file"), "{}", job.log());
    ran(Command::new("docker").args(["exec", &contained.name, "gantline", "worker", "--check"]));
    // Its end is that of any worker.
    ran(Command::new("docker").args(["stop", "-t", "30", &contained.name]));
    assert_eq!(contained.ended().trim(), "0");
    assert!(!contained.log().contains("WARN"), "{}", contained.log());
    // The folder of the records, and those that were made for the job.
    let names = fs::read_dir(&contained.shared).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> =
        names.filter(|name| name.to_string_lossy().starts_with("gantline-")).collect();
    assert_eq!(names, ["gantline-0"]);
}

/// As when memory runs out in it: the worker is killed, and its guard has the time to kill who reads from it.
#[test]
fn a_worker_that_is_killed_in_its_container_lets_no_program_take_a_part_for_the_whole() {
    let site = Site::new(Kind::Redis);
    let contained = Contained::start(&site, &[]);
    // More than a pipe holds, each of whose 256 places may have up to 64 KiB that the kernel received at once; and the
    // reader waits in the middle.
    let file = site.upload("file", &vec![b'x'; 40 << 20]);
    let held = Held::new();
    let read = "exec <$1; dd bs=4096 count=1 >/held/part";
    let mut job =
        held.script(&format!("{read}; {HOLDS}; cat >/held/rest && echo whole >/held/whole"));
    let source = printing(&file)["container_args"][1].take();
    job["container_args"].as_array_mut().unwrap().extend([json!("sh"), source]);
    let job = site.send(&job, json!({}));
    site.until(|| fs::metadata(held.path().join("part")).is_ok_and(|part| part.len() == 4096));
    let containers = job.containers();
    kill(contained.worker(), Signal::SIGKILL).unwrap();
    assert_eq!(contained.ended().trim(), "137");
    held.goes_on();
    // The container's first process has waited for the guard.
    let states = ["inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", &containers[0]];
    let state = String::from_utf8(ran(Command::new("docker").args(states)).stdout).unwrap();
    assert_eq!(state.trim(), "false 137");
    assert!(!held.path().join("whole").exists());
    // What it has left is for the next worker of its name.
    ran(Command::new("docker").args(["start", &contained.name]));
    site.until(|| !job.has_container());
    site.until(|| job.log().contains("the worker died"));
    ran(Command::new("docker").args(["stop", "-t", "30", &contained.name]));
}

#[test]
fn a_worker_says_that_an_init_of_its_container_takes_its_guard_along() {
    let site = Site::new(Kind::Redis);
    let contained = Contained::start(&site, &["--init"]);
    site.until(|| contained.log().contains("connected to the broker"));
    let log = contained.log();
    let words = "is this container's first process, and ends when the worker does";
    assert!(log.contains(words) && log.contains("without --init"), "{log}");
    ran(Command::new("docker").args(["stop", "-t", "30", &contained.name]));
    assert_eq!(contained.ended().trim(), "0");
}

/// A line of compose's service `gantline`, without its key.
fn composed(key: &str) -> String {
    let (_, service) = COMPOSE.split_once("\n  gantline:\n").unwrap();
    let (service, _) = service.split_once("\n  python:\n").unwrap();
    let mut lines = service.lines();
    lines.find_map(|line| line.trim().strip_prefix(key)).unwrap().trim().to_owned()
}

#[test]
fn what_compose_starts_is_a_worker_that_has_its_folder_and_its_time() {
    let image = include_str!("../../deploy/Containerfile");
    let folder = image.split_whitespace().find_map(|word| word.strip_prefix("TMPDIR=")).unwrap();
    assert_eq!(composed(&format!("- {folder}:")), folder);
    assert_eq!(composed("- /var/run/docker.sock:"), "/var/run/docker.sock");
    let grace =
        image.split_whitespace().find_map(|word| word.strip_prefix("GANTLINE_WORKER_GRACE="));
    let minutes: u64 = composed("stop_grace_period:").strip_suffix('m').unwrap().parse().unwrap();
    assert!(minutes * 60 > grace.unwrap().parse().unwrap());
    // An init that is not the worker's own ends before the worker's guard.
    assert!(!COMPOSE.contains("init:"));
    assert!(image.contains("\nENTRYPOINT [\"gantline\"]\n"));

    let site = Site::new(Kind::RabbitMq);
    let command: Vec<String> = serde_json::from_str(&composed("command:")).unwrap();
    let own = tempfile::tempdir().unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_gantline"));
    check.args(command).arg("--check").env("TMPDIR", own.path());
    check.env("CELERY_BROKER_URL", site.broker());
    check.env("CELERY_RESULT_BACKEND", composed("- CELERY_RESULT_BACKEND="));
    ran(&mut check);
}

/// The engine's socket on this machine.
fn engine_socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned()
}
