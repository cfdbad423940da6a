//! Many mixes of sources, readers and ends of a container, by a seed.
//!
//! `GANTLINE_TEST_SEED=<number>` plays one mix again. With `GANTLINE_TEST_LOOKS=1` each program first looks
//! whether its input can be opened, and `GANTLINE_TEST_SECONDS=<number>` is how long is played.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gantline::internal::pump::{Finish, Notice, Options, Sink, TransferReport};

use crate::pump_peer::{Act, DEADLINE, Fixture, Peer, noise};

/// How long the ordinary run plays.
const PLAYING: Duration = Duration::from_secs(4);

#[test]
fn whatever_sources_and_readers_do_the_bytes_are_exact_or_it_is_told() {
    if let Some(seed) = std::env::var("GANTLINE_TEST_SEED").ok().and_then(|seed| seed.parse().ok())
    {
        return play(seed);
    }
    let seconds = std::env::var("GANTLINE_TEST_SECONDS").ok().and_then(|text| text.parse().ok());
    let playing = seconds.map_or(PLAYING, Duration::from_secs);
    let began = Instant::now();
    let first = fastrand::u64(..1 << 40);
    for seed in first.. {
        play(seed);
        if began.elapsed() > playing {
            return;
        }
    }
}

/// What a program in the container does with its input.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    Never,
    Whole,
    Slow,
    LookThenWhole,
    Early(usize),
    Again(usize),
}

/// One transfer of a mix.
#[derive(Debug)]
struct Part {
    length: usize,
    script: Vec<Act>,
    habit: Habit,
    /// It looks whether its input can be opened, and then does what it does.
    looks: bool,
    path: PathBuf,
    peer: Peer,
}

/// What one reading got.
type Got = Vec<Vec<u8>>;

fn play(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let options =
        Options::default().with_workers(random.usize(1..3)).with_buffers(random.usize(1..4));
    let fixture = Fixture::with(options);
    let is_short = random.u8(..) < 80;
    let parts: Vec<Part> = (0..random.usize(1..5)).map(|_| part(&mut random, &fixture)).collect();
    // Shown only if it fails.
    println!("GANTLINE_TEST_SEED={seed}: exits at random: {is_short}, {parts:#?}");
    let readers: Vec<_> = parts.iter().map(|part| program(part, seed)).collect();
    let mut ends: Vec<Option<TransferReport>> = parts.iter().map(|_| None).collect();
    let mut has_failed = vec![false; parts.len()];
    if is_short {
        let _ = crossbeam_channel::after(Duration::from_millis(random.u64(0..60))).recv();
    } else {
        wait(&fixture, &readers, &mut has_failed);
    }
    fixture.flow.container_exited();
    while ends.iter().any(Option::is_none) {
        match fixture.notices.recv_timeout(DEADLINE).expect("a transfer has no end") {
            Notice::Ended { id, report } => {
                assert!(ends[id].replace(report).is_none(), "{id} ended twice");
            }
            Notice::Failed { id, error } => {
                assert!(ends[id].is_none(), "{id} failed after its end: {error:?}");
                has_failed[id] = true;
            }
            Notice::Advanced { id, .. } => {
                assert!(ends[id].is_none(), "{id} went on after its end")
            }
            Notice::Opened { id } => {
                assert!(ends[id].is_none(), "{id} was opened after its end");
            }
            other => panic!("{other:?}"),
        }
    }
    for (id, (part, reader)) in parts.iter().zip(readers).enumerate() {
        let got = finished(reader, &part.path);
        let report = ends[id].unwrap();
        assert_eq!(has_failed[id], report.finish == Finish::Failed, "{part:?}: {report:?}");
        judge(part, &got, &report, is_short);
    }
    parts.into_iter().for_each(|part| part.peer.stop());
}

fn part(random: &mut fastrand::Rng, fixture: &Fixture) -> Part {
    let length = match random.u8(0..4) {
        0 => random.usize(0..3),
        1 => random.usize(0..200_000),
        _ => random.usize(0..4 << 20),
    };
    let mut script: Vec<Act> = (0..random.usize(0..3))
        .map(|_| match random.u8(0..3) {
            0 => Act::Nothing,
            _ => Act::Break(random.usize(0..length.max(1))),
        })
        .collect();
    script.push(match random.u8(0..8) {
        0 => Act::IgnoreRange,
        1 | 2 if script.is_empty() => Act::Chunked,
        3 if script.is_empty() => Act::UntilClose,
        _ => Act::Whole,
    });
    let habit = match random.u8(0..8) {
        0 => Habit::Never,
        1 => Habit::Slow,
        2 => Habit::LookThenWhole,
        3 => Habit::Early(random.usize(0..length.max(1))),
        4 | 5 => Habit::Again(random.usize(2..4)),
        _ => Habit::Whole,
    };
    let id = fixture.folder.path().read_dir().unwrap().count();
    let (fifo, path) = fixture.fifo(&format!("in{id}"));
    let peer = Peer::new(noise(length), &script);
    fixture.flow.add(id, peer.source(), Sink::Fifo(fifo)).unwrap();
    let looks = habit == Habit::LookThenWhole
        || habit != Habit::Never && std::env::var_os("GANTLINE_TEST_LOOKS").is_some();
    Part { length, script, habit, looks, path, peer }
}

fn program(part: &Part, seed: u64) -> JoinHandle<Got> {
    let (habit, looks, path) = (part.habit, part.looks, part.path.clone());
    thread::spawn(move || {
        if looks {
            drop(File::open(&path).unwrap());
        }
        let whole = || {
            let mut bytes = Vec::new();
            File::open(&path).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        match habit {
            Habit::Never => Vec::new(),
            Habit::Whole | Habit::LookThenWhole => vec![whole()],
            Habit::Again(times) => (0..times).map(|_| whole()).collect(),
            Habit::Early(most) => {
                let mut bytes = Vec::new();
                File::open(&path).unwrap().take(most as u64).read_to_end(&mut bytes).unwrap();
                vec![bytes]
            }
            Habit::Slow => {
                let mut random = fastrand::Rng::with_seed(seed);
                let (mut file, mut bytes) = (File::open(&path).unwrap(), Vec::new());
                let mut piece = vec![0; 300_000];
                loop {
                    let most = random.usize(1..piece.len());
                    let got = file.read(&mut piece[..most]).unwrap();
                    bytes.extend(&piece[..got]);
                    if got == 0 {
                        return vec![bytes];
                    }
                    let _ = crossbeam_channel::after(Duration::from_millis(1)).recv();
                }
            }
        }
    })
}

/// Waits until every program is done, or has an input that failed: then it is killed.
fn wait(fixture: &Fixture, readers: &[JoinHandle<Got>], has_failed: &mut [bool]) {
    let began = Instant::now();
    while !readers.iter().zip(&*has_failed).all(|(reader, failed)| reader.is_finished() || *failed)
    {
        assert!(began.elapsed() < DEADLINE, "a program hangs: {has_failed:?}");
        if let Ok(Notice::Failed { id, .. }) =
            fixture.notices.recv_timeout(Duration::from_millis(1))
        {
            has_failed[id] = true;
        }
    }
}

/// What a program got; one that still waits inside open(2) is let out, as its death would.
fn finished(reader: JoinHandle<Got>, path: &Path) -> Got {
    let began = Instant::now();
    while !reader.is_finished() {
        assert!(began.elapsed() < DEADLINE, "a program hangs after the end");
        drop(OpenOptions::new().read(true).write(true).open(path).unwrap());
        let _ = crossbeam_channel::after(Duration::from_millis(1)).recv();
    }
    reader.join().unwrap()
}

fn judge(part: &Part, got: &Got, report: &TransferReport, is_short: bool) {
    let body = noise(part.length);
    for bytes in got {
        assert!(body.starts_with(bytes), "other bytes: {part:?} {report:?}");
    }
    if is_short || report.finish == Finish::Failed {
        // Failing is in order only for a source that cannot be resumed.
        let can_fail = part.script.last() == Some(&Act::IgnoreRange);
        assert!(report.finish != Finish::Failed || can_fail, "{part:?} {report:?}");
        return;
    }
    let total: usize = got.iter().map(Vec::len).sum();
    // A slow look may have been there when our end closed, and has then had the file.
    let seen = if part.looks { part.length as u64 } else { 0 };
    match part.habit {
        Habit::Never => assert_eq!((report.finish, report.bytes), (Finish::NotOpened, 0)),
        Habit::Early(most) => {
            assert_eq!(got[0].len(), most, "{part:?} {report:?}");
            // What it left in the FIFO counts if our end was closed by then.
            let counted = most as u64..=part.length as u64 + seen;
            assert!(counted.contains(&report.bytes), "{part:?} {report:?}");
            assert!(
                (1..=1 + u32::from(part.looks)).contains(&report.readings),
                "{part:?} {report:?}"
            );
        }
        Habit::Whole | Habit::Slow | Habit::LookThenWhole | Habit::Again(_) => {
            assert!(got.iter().all(|bytes| *bytes == body), "a short file: {part:?} {report:?}");
            assert_eq!(report.finish, Finish::Complete, "{part:?} {report:?}");
            let is_counted = (total as u64..=total as u64 + seen).contains(&report.bytes);
            assert!(is_counted, "{part:?} {report:?}");
        }
    }
}
