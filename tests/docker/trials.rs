//! Runs that are killed, and engines that are started again, at random moments of runs of every kind: no container
//! takes a part of a file for the whole, one prune leaves nothing, and a run beside them is not touched.
//!
//! `cargo nextest` runs a few of them, `tests/docker/trials.sh` hundreds. A trial that fails names its seed:
//! `GANTLINE_TEST_SEED=… GANTLINE_TEST_TRIALS=1` does it again.

mod kill;
mod kind;
mod restart;

use std::env;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::prune::Ground;
use crate::run_guard::rest;
use kind::{Kind, Site};

/// How long whatever a trial waits for may take.
const BOUND: Duration = Duration::from_secs(120);

/// How many trials there are, and the seed of the first. The others' are the numbers after that.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| Some(env::var(name).ok()?.parse::<u64>().unwrap());
    let first = number("GANTLINE_TEST_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let trials = number("GANTLINE_TEST_TRIALS").unwrap_or(usual);
    println!("the seeds are {first} to {}", first + trials - 1);
    first..first + trials
}

/// The seeds of one of so many threads.
fn part(seeds: &std::ops::Range<u64>, thread: u64, threads: u64) -> impl Iterator<Item = u64> {
    seeds.clone().filter(move |seed| seed % threads == thread)
}

/// Waits for the end of a run. None: it goes on for ever.
fn ended(run: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + BOUND;
    while Instant::now() < deadline {
        if let Some(status) = run.try_wait().unwrap() {
            return Some(status.code().unwrap_or(-1));
        }
        rest(Duration::from_millis(20));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    None
}

/// How long a run of each kind takes here when nothing disturbs it: one of each ends well.
fn lengths(site: &Site, ground: &Ground, kinds: &[Kind], host: Option<&str>) -> Vec<Duration> {
    let length = |kind: &Kind| {
        let trial = site.trial(*kind, ground);
        let began = Instant::now();
        let mut run = ground.start_with(gantline(host), &trial.job);
        assert_eq!(ended(&mut run), Some(0), "{kind:?}");
        let length = began.elapsed();
        trial.assert_complete(&format!("{kind:?}"));
        trial.clear();
        length
    };
    kinds.iter().map(length).collect()
}

/// The command, for an engine.
fn gantline(host: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    command.envs(host.map(|host| ("DOCKER_HOST", host)));
    command
}

/// What a trial may leave among what its container and its job have written.
const RESULTS: [&str; 4] = ["part", "whole", "file", "stderr"];

/// What runs have left but for results, and what the runs beside them have.
struct Beside(Vec<PathBuf>);

impl Beside {
    fn of(ground: &Ground) -> Self {
        let is_result = |path: &PathBuf| {
            path.is_file()
                && path.file_name().is_some_and(|name| RESULTS.iter().any(|r| name == *r))
        };
        let mut there = ground.left();
        there.retain(|path| !is_result(path));
        there.sort();
        Self(there)
    }

    /// That nothing else is there after one prune, and nothing of theirs is gone.
    fn assert_alone(&self, ground: &Ground, host: Option<&str>, what: &str) {
        let prune = ground.invocation(&[]);
        let prune = match host {
            Some(host) => prune.env("DOCKER_HOST", host),
            None => prune,
        };
        let pruned = prune.finish();
        // The engine may have containers of others.
        let of_others = |line: &&str| line.ends_with("and no record here names it: it stays");
        let said = pruned.stderr.lines().find(|line| !of_others(line));
        assert_eq!((pruned.code, said), (0, None), "{what}: {pruned}");
        let Self(left) = Self::of(ground);
        assert_eq!(left, self.0, "{what}: {pruned}");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let ours = ground.folder("").display().to_string();
        let mounted: Vec<_> = mounts.lines().filter(|mount| mount.contains(&ours)).collect();
        assert_eq!(mounted, [""; 0], "{what}");
    }
}

/// How many trials there are with each kind, in words.
fn tally(told: &[(Kind, String)]) -> String {
    let mut counted = std::collections::BTreeMap::<String, usize>::new();
    for (kind, how) in told {
        *counted.entry(format!("{kind:?}, {how}")).or_default() += 1;
    }
    counted.iter().map(|(what, often)| format!("{often:4} {what}\n")).collect()
}
