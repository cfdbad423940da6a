//! Runs that are killed.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use super::kind::{Kind, Site};
use super::{Beside, gantline, lengths, part, seeds, tally};
use crate::prune::{Ground, docker, kill};
use crate::run_engine_lost::Reading;
use crate::run_guard::{guards_of, kill_guard, rest, wait_until};

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Run,
    GuardAndThenRun,
    RunAndThenGuard,
}

impl Victim {
    fn choose(random: &mut Rng) -> Self {
        match random.u8(..10) {
            0..8 => Self::Run,
            8 => Self::GuardAndThenRun,
            _ => Self::RunAndThenGuard,
        }
    }
}

/// Where trials are made, one after the other, beside a run that goes on.
struct Place<'a> {
    site: &'a Site,
    ground: Ground,
    lengths: Vec<Duration>,
    beside: Beside,
    killed: Vec<u32>,
    told: Vec<(Kind, String)>,
}

impl Place<'_> {
    fn trial(&mut self, seed: u64) {
        let mut random = Rng::with_seed(seed);
        let nth = random.usize(..Kind::ALL.len());
        let kind = Kind::ALL[nth];
        // A little longer than it takes: some have ended, and are not killed.
        let moment = self.lengths[nth].mul_f64(random.f64() * 1.05);
        let victim = Victim::choose(&mut random);
        let what = format!("seed {seed}: {kind:?}, {victim:?} after {moment:?}");
        let trial = self.site.trial(kind, &self.ground);
        let mut run = self.ground.start_with(gantline(None), &trial.job);
        rest(moment);
        let guards = guards_of(run.id());
        if victim == Victim::GuardAndThenRun {
            guards.iter().for_each(|guard| kill_guard(guard));
            rest(moment.mul_f64(random.f64() * 0.2));
        }
        let how = match run.try_wait().unwrap() {
            Some(_) => "had ended".to_owned(),
            None => format!("{victim:?}"),
        };
        self.killed.push(run.id());
        kill(&mut run);
        if victim == Victim::RunAndThenGuard {
            guards.iter().for_each(|guard| kill_guard(guard));
        }
        // The prune comes while the guard is at work, or after that.
        if random.bool() {
            self.guards_end(&guards, &what);
        }
        self.beside.assert_alone(&self.ground, None, &what);
        self.guards_end(&guards, &what);
        // With the guard, nobody is left who could hold an input.
        if victim == Victim::Run || !kind.reads() {
            trial.assert_nothing_short(&what);
        }
        trial.clear();
        self.told.push((kind, how));
    }

    fn guards_end(&self, guards: &[PathBuf], what: &str) {
        wait_until(&format!("{what}: the guard has ended"), || {
            guards.iter().all(|guard| !guard.exists())
        });
    }
}

/// How many places there are: an engine, and this machine, do more than one thing at a time.
const PLACES: u64 = 3;

#[test]
fn whenever_a_run_is_killed_nothing_short_looks_whole_and_one_prune_leaves_nothing() {
    let seeds = seeds(10);
    let trials = |thread| {
        // Of its own: a trial removes the image that it is to pull.
        let site = Site::new();
        let ground = Ground::new();
        let lengths = lengths(&site, &ground, &Kind::ALL, None);
        let reading = Reading::new();
        let beside = reading.start_in(&ground, None);
        let mut place = Place {
            site: &site,
            lengths,
            beside: Beside::of(&ground),
            ground,
            killed: Vec::new(),
            told: Vec::new(),
        };
        part(&seeds, thread, PLACES).for_each(|seed| place.trial(seed));
        assert!(!beside.has_ended());
        reading.go_on();
        reading.assert_whole(&beside.finish());
        assert_eq!(place.ground.left(), [] as [PathBuf; 0]);
        (place.killed, place.told)
    };
    let told: Vec<_> = thread::scope(|scope| {
        let threads = (0..PLACES).map(|thread| {
            scope.spawn({
                let trials = &trials;
                move || trials(thread)
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // An engine that was asked for a container may have made it after the prune.
    let label = r#"{{.Label "gantline.pid"}}"#;
    let containers = docker(&["ps", "-a", "--format", label]);
    let mut all = Vec::new();
    for (killed, told) in told {
        let left = |run: &u32| containers.lines().any(|line| line == run.to_string());
        assert_eq!(killed.into_iter().find(left), None, "a container is left");
        all.extend(told);
    }
    println!("{}", tally(&all));
}
