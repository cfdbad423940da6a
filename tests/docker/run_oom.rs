//! A run that the kernel kills for want of memory, in the middle of its file.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::prune::Ground;
use crate::run_guard::{Halfway, copy, guard_of, half, rest};

/// A control group with a limit of memory. It goes when nobody is in it any more.
struct Group {
    path: PathBuf,
    is_first: bool,
}

impl Group {
    fn new() -> Self {
        let first = PathBuf::from("/sys/fs/cgroup/memory");
        let is_first = first.exists();
        let root = if is_first { first } else { "/sys/fs/cgroup".into() };
        if !is_first {
            fs::write(root.join("cgroup.subtree_control"), "+memory").unwrap();
        }
        let path = root.join(format!("gantline-test-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self { path, is_first }
    }

    /// Begins a program in it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
        command.arg(self.path.join("cgroup.procs")).arg(program);
        command
    }

    /// A file by its name in either version.
    fn file(&self, first: &str, second: &str) -> PathBuf {
        self.path.join(if self.is_first { first } else { second })
    }

    /// Leaves so many bytes beyond what it has taken.
    fn leaves(&self, bytes: u64) {
        let used = self.file("memory.usage_in_bytes", "memory.current");
        let used: u64 = fs::read_to_string(used).unwrap().trim().parse().unwrap();
        let limit = (used + bytes).to_string();
        fs::write(self.file("memory.limit_in_bytes", "memory.max"), limit).unwrap();
    }

    /// How many the kernel has killed for its limit.
    fn kills(&self) -> u64 {
        let events = self.file("memory.oom_control", "memory.events");
        let events = fs::read_to_string(events).unwrap();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.unwrap().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Of a test that has failed somebody may be left, and takes a moment to end.
        while fs::remove_dir(&self.path).is_err() {
            let left = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
            for process in left.lines().filter_map(|process| process.parse().ok()) {
                let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
            }
            rest(Duration::from_millis(10));
        }
    }
}

/// Takes a MiB more for each line. The kernel kills it rather than a guard.
struct Glutton {
    child: Child,
    asks: ChildStdin,
    takes: BufReader<ChildStdout>,
}

impl Glutton {
    const PROGRAM: &str = "import sys\n\
        open('/proc/self/oom_score_adj', 'w').write('900')\n\
        kept = []\n\
        for line in sys.stdin:\n    \
            kept.append(b'x' * (1 << 20))\n    \
            print(flush=True)\n";

    fn new(group: &Group) -> Self {
        let mut command = group.command("python3");
        command.args(["-c", Self::PROGRAM]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (asks, takes) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut new = Self { child, asks, takes: BufReader::new(takes) };
        new.takes_more();
        new
    }

    fn takes_more(&mut self) {
        self.asks.write_all(b"\n").unwrap();
        self.takes.read_line(&mut String::new()).unwrap();
    }
}

impl Drop for Glutton {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether we may have the kernel spare a process: we are root, and not in a box without `CAP_SYS_RESOURCE`.
fn may_spare() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
    u64::from_str_radix(effective, 16).unwrap() & (1 << 24) != 0
}

#[test]
fn a_run_that_is_killed_for_want_of_memory_shows_its_container_no_end() {
    let (ground, peer, group) = (Ground::new(), half(300_000), Group::new());
    let command = group.command(env!("CARGO_BIN_EXE_gantline"));
    let run = ground.start_with(command, &copy(&ground, &peer));
    let mut halfway = Halfway::of(&ground, run);
    let guard = guard_of(&halfway.run);
    let spared = if may_spare() { "-1000\n" } else { "0\n" };
    assert_eq!(fs::read_to_string(guard.join("oom_score_adj")).unwrap(), spared);
    // It is the first to go, whoever is larger. What it had is not always enough.
    fs::write(format!("/proc/{}/oom_score_adj", halfway.run.id()), "1000").unwrap();
    let mut glutton = Glutton::new(&group);
    group.leaves(8 << 20);
    let status = (0..256).find_map(|_| {
        glutton.takes_more();
        (group.kills() > 0).then(|| halfway.run.wait().unwrap())
    });
    assert_eq!(status.and_then(|status| status.signal()), Some(9));
    assert!(group.kills() <= 2);
    halfway.saw_no_end(&ground, &guard);
}
