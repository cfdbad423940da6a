//! Engines that are started again.

use std::path::PathBuf;
use std::time::Duration;

use fastrand::Rng;

use super::kind::{Kind, Site};
use super::{Beside, ended, gantline, lengths, part, seeds, tally};
use crate::prune::Ground;
use crate::run_engine_lost::{LIVE_RESTORE, Reading};
use crate::run_guard::rest;
use crate::support::engine::{OwnEngine, Stopped};

const KINDS: [Kind; 6] = Kind::WITHOUT_A_PULL;

/// Of two engines each has half of the seeds.
fn whenever_an_engine_is_started_again(options: &[&str], half: u64) {
    let seeds = seeds(4);
    let site = Site::new();
    let mut engine = OwnEngine::start(options);
    let ground = Ground::new();
    let host = engine.host();
    let lengths = lengths(&site, &ground, &KINDS, Some(&host));
    // A container that its engine takes along with it is no run that goes on: it has another engine.
    let reading = Reading::new();
    let beside_here = options.contains(&"--live-restore");
    let beside_run = reading.start_in(&ground, beside_here.then_some(&engine));
    if beside_here {
        engine.knows_of_a_running_one();
    }
    let beside = Beside::of(&ground);
    let containers = engine.containers();
    let mut told = Vec::new();
    for seed in part(&seeds, half, 2) {
        let mut random = Rng::with_seed(seed);
        let nth = random.usize(..KINDS.len());
        let kind = KINDS[nth];
        let moment = lengths[nth].mul_f64(random.f64());
        let how = if random.bool() { Stopped::Orderly } else { Stopped::Killed };
        let away = Duration::from_millis(random.u64(..3000));
        let what = format!("seed {seed}: {kind:?}, {how:?} after {moment:?} for {away:?}");
        let trial = site.trial(kind, &ground);
        let mut run = ground.start_with(gantline(Some(&host)), &trial.job);
        rest(moment);
        engine.stop(how);
        rest(away);
        engine.start_again();
        let code = ended(&mut run);
        assert!(code.is_some(), "{what}: the run does not end");
        if code == Some(0) {
            trial.assert_complete(&what);
        }
        trial.assert_nothing_short(&what);
        beside.assert_alone(&ground, Some(&host), &what);
        assert_eq!(engine.containers(), containers, "{what}");
        trial.clear();
        told.push((kind, format!("{how:?}, code {}", code.unwrap_or_default())));
    }
    assert!(!beside_run.has_ended());
    reading.go_on();
    reading.assert_whole(&beside_run.finish());
    assert_eq!(ground.left(), [] as [PathBuf; 0]);
    assert_eq!(engine.containers(), [""; 0]);
    println!("{}", tally(&told));
}

#[test]
fn whenever_an_engine_is_started_again_nothing_short_looks_whole_and_nothing_is_left() {
    whenever_an_engine_is_started_again(&[], 0);
}

#[test]
fn whenever_an_engine_is_started_again_beneath_its_containers_nothing_short_looks_whole() {
    whenever_an_engine_is_started_again(LIVE_RESTORE, 1);
}
