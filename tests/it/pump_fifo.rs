//! Into FIFOs: every kind of source, every kind of reader.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use gantline::internal::pump::{Carrier, Finish, Options, Sink, Source, TransferError};

use crate::pump_peer::{Act, Fixture, Peer, noise, reader};

const SIZES: [usize; 7] = [0, 1, 65_535, 65_536, 65_537, (1 << 20) + 1, 20 << 20];

fn stream(act: &'static [Act], length: usize, carrier: Carrier) {
    let body = noise(length);
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(body.clone(), act);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    assert!(fixture.join(reader(path)) == body, "other bytes for a length of {length}");
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!(report.finish, Finish::Complete, "{length}");
    assert_eq!((report.bytes, report.carrier), (length as u64, carrier), "{length}");
    assert_eq!((report.readings, report.resumed), (1, 0), "{length}");
}

#[test]
fn a_body_with_a_length_goes_directly_whatever_its_length() {
    for length in SIZES {
        stream(&[Act::Whole], length, Carrier::Direct);
    }
}

#[test]
fn a_body_that_ends_with_its_connection_goes_directly() {
    for length in SIZES {
        stream(&[Act::UntilClose], length, Carrier::Direct);
    }
}

#[test]
fn chunks_are_copied() {
    for length in SIZES {
        stream(&[Act::Chunked], length, Carrier::Copy);
    }
}

#[test]
fn a_host_file_goes_directly() {
    for length in SIZES {
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let body = noise(length);
        let file = fixture.folder.path().join("file");
        fs::write(&file, &body).unwrap();
        let source = Source::File(File::open(file).unwrap());
        fixture.flow.add(0, source, Sink::Fifo(fifo)).unwrap();
        assert!(fixture.join(reader(path)) == body, "{length}");
        fixture.flow.container_exited();
        let report = fixture.ended(0);
        assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Direct));
        assert_eq!(report.bytes, length as u64);
    }
}

#[test]
fn the_first_mebibyte_waits_for_the_reader() {
    let body = noise(3 << 20);
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(body.clone(), &[Act::Whole]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    fixture.advanced(1);
    assert!(fixture.join(reader(path)) == body);
    fixture.flow.container_exited();
    assert_eq!(fixture.ended(0).finish, Finish::Complete);
}

#[test]
fn a_fifo_that_nobody_opens_is_released_and_noted() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(100), &[Act::Whole]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.bytes), (Finish::NotOpened, 0));
    assert!(path.exists());
}

#[test]
fn the_first_reader_is_told_of_once_however_little_there_is_and_nobody_is_not() {
    for (length, readers) in [(0, 1), (5, 1), (5, 2), (3 << 20, 2), (5, 0)] {
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let peer = Peer::new(noise(length), &[Act::Whole]);
        fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
        if length > 0 {
            fixture.advanced(1);
        }
        for _ in 0..readers {
            assert_eq!(fixture.join(reader(path.clone())).len(), length);
        }
        fixture.flow.container_exited();
        let mut opened = 0;
        loop {
            match fixture.notices.recv_timeout(crate::pump_peer::DEADLINE).unwrap() {
                gantline::internal::pump::Notice::Opened { id: 0 } => opened += 1,
                gantline::internal::pump::Notice::Ended { .. } => break,
                _ => {}
            }
        }
        assert_eq!(opened, readers.min(1), "{length} bytes, {readers} readers");
    }
}

#[test]
fn a_reader_that_leaves_early_ends_the_transfer() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(50 << 20), &[Act::Whole]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    let mut ten = [0; 10];
    let mut file = File::open(path).unwrap();
    file.read_exact(&mut ten).unwrap();
    drop(file);
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.bytes, report.readings), (Finish::Refused, 10, 1));
    assert_eq!(peer.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn every_further_reader_is_served_from_the_first_byte() {
    for length in [0, 10, 70_000, 5 << 20] {
        let body = noise(length);
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let peer = Peer::new(body.clone(), &[Act::Whole]);
        fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
        for _ in 0..4 {
            assert!(fixture.join(reader(path.clone())) == body, "{length}");
        }
        fixture.flow.container_exited();
        let report = fixture.ended(0);
        assert_eq!((report.finish, report.readings), (Finish::Complete, 4), "{length}");
        assert_eq!(report.bytes, 4 * length as u64);
    }
}

#[test]
fn no_further_request_is_made_before_a_further_reader_comes() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(1000), &[Act::Whole]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    fixture.join(reader(path));
    fixture.flow.container_exited();
    assert_eq!(fixture.ended(0).readings, 1);
    assert_eq!(peer.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn a_look_without_reading_takes_nothing_from_the_reader_after_it() {
    for length in [10, 5 << 20] {
        let body = noise(length);
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let peer = Peer::new(body.clone(), &[Act::Whole]);
        fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
        // As programs do that first see whether their arguments can be opened.
        let shell = Command::new("sh")
            .args(["-c", ": <\"$0\"; sh -c ': <\"$0\"' \"$0\"; cat \"$0\""])
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = fixture.join(std::thread::spawn(move || shell.wait_with_output().unwrap()));
        assert!(output.stdout == body, "{length}");
        fixture.flow.container_exited();
        assert_eq!(fixture.ended(0).finish, Finish::Complete, "{length}");
    }
}

#[test]
fn a_second_reader_beside_the_first_fails_the_transfer() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(50 << 20), &[Act::Whole]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    let mut first = File::open(&path).unwrap();
    first.read_exact(&mut [0; 100]).unwrap();
    fixture.advanced(1);
    let _second = File::open(&path).unwrap();
    assert!(matches!(fixture.failed(), TransferError::Overlap));
    fixture.flow.container_exited();
}

#[test]
fn a_source_that_breaks_off_is_resumed_at_the_byte() {
    let body = noise(9 << 20);
    for script in [
        &[Act::Break(3_000_000), Act::Whole][..],
        &[Act::Break(1), Act::Nothing, Act::Break(0), Act::Break(70_000), Act::Whole],
    ] {
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let peer = Peer::new(body.clone(), script);
        fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
        assert!(fixture.join(reader(path)) == body);
        fixture.flow.container_exited();
        let report = fixture.ended(0);
        assert_eq!((report.finish, report.bytes), (Finish::Complete, body.len() as u64));
        assert!(report.resumed >= 1, "{report:?}");
    }
}

#[test]
fn a_short_file_never_looks_like_a_whole_one() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(2 << 20), &[Act::Break(100_000), Act::IgnoreRange]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    let reading = reader(path);
    let error = fixture.failed();
    assert!(matches!(error, TransferError::Interrupted { at: 100_000, .. }), "{error:?}");
    // The reader still waits for more: it would have ended by now if our end were closed.
    assert!(!reading.is_finished());
    fixture.flow.container_exited();
    assert_eq!(fixture.join(reading).len(), 100_000);
    assert_eq!(fixture.ended(0).finish, Finish::Failed);
}

#[test]
fn a_file_that_became_shorter_fails_the_transfer() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let file = fixture.folder.path().join("file");
    fs::write(&file, noise(8 << 20)).unwrap();
    fixture.flow.add(0, Source::File(File::open(&file).unwrap()), Sink::Fifo(fifo)).unwrap();
    // The FIFO is full now, and nothing more is read before somebody comes.
    fixture.advanced(1);
    File::options().write(true).open(&file).unwrap().set_len(4 << 20).unwrap();
    let reading = reader(path);
    let error = fixture.failed();
    assert!(matches!(error, TransferError::Size { expected, .. } if expected == 8 << 20));
    fixture.flow.container_exited();
    fixture.join(reading);
}

#[test]
fn many_transfers_share_few_threads_and_buffers() {
    let fixture = Fixture::with(Options::default().with_workers(2).with_buffers(4));
    let body = noise(1 << 20);
    let peer = Peer::new(body.clone(), &[Act::Chunked]);
    let readers: Vec<_> = (0..64)
        .map(|number| {
            let (fifo, path) = fixture.fifo(&format!("in{number}"));
            fixture.flow.add(number, peer.source(), Sink::Fifo(fifo)).unwrap();
            path
        })
        .map(reader)
        .collect();
    for reading in readers {
        assert!(fixture.join(reading) == body);
    }
    fixture.flow.container_exited();
    for _ in 0..64 {
        loop {
            match fixture.notices.recv_timeout(crate::pump_peer::DEADLINE).unwrap() {
                gantline::internal::pump::Notice::Ended { report, .. } => {
                    assert_eq!(report.finish, Finish::Complete);
                    break;
                }
                gantline::internal::pump::Notice::Failed { error, .. } => panic!("{error:?}"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_dropped_flow_lets_go_of_everything() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(50 << 20), &[Act::Whole]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    let mut file = File::open(path).unwrap();
    file.read_exact(&mut [0; 10]).unwrap();
    let Fixture { flow, notices, .. } = &fixture;
    flow.cancel();
    let report = fixture.ended(0);
    assert_eq!(report.finish, Finish::Cancelled);
    assert!(notices.is_empty());
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_transfer_that_comes_late_to_the_buffers_is_not_held_up_by_those_that_wait() {
    let fixture = Fixture::with(Options::default().with_workers(1).with_buffers(1));
    let body = noise(9 << 20);
    let peer = Peer::new(body.clone(), &[Act::Chunked]);
    let paths = [0, 1, 2].map(|number| {
        let (fifo, path) = fixture.fifo(&format!("in{number}"));
        fixture.flow.add(number, peer.source(), Sink::Fifo(fifo)).unwrap();
        // It fills the FIFO, and then the buffer.
        fixture.advanced(1 << 19);
        path
    });
    // A program that reads its last argument first.
    for path in paths.into_iter().rev() {
        assert!(fixture.join(reader(path)) == body);
    }
}

#[test]
fn a_reader_that_knows_the_length_and_does_not_wait_for_the_end_had_everything() {
    for length in [10, 70_000, 5 << 20] {
        let body = noise(length);
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let peer = Peer::new(body.clone(), &[Act::Whole]);
        fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
        let reading = std::thread::spawn(move || {
            let mut bytes = vec![0; length];
            File::open(path).unwrap().read_exact(&mut bytes).unwrap();
            bytes
        });
        assert!(fixture.join(reading) == body);
        fixture.flow.container_exited();
        let report = fixture.ended(0);
        assert_eq!((report.finish, report.bytes), (Finish::Complete, length as u64), "{length}");
    }
}

#[test]
fn a_body_that_is_longer_than_the_record_says_fails() {
    let fixture = Fixture::new();
    let peer = Peer::new(noise(1001), &[Act::Chunked]);
    let Source::Http { client, get, .. } = peer.source() else { unreachable!() };
    let source = Source::Http { client, get, size: Some(1000), sum: None };
    let file = File::create(fixture.folder.path().join("file")).unwrap();
    fixture.flow.add(0, source, Sink::File(file)).unwrap();
    let error = fixture.failed();
    assert!(matches!(error, TransferError::Size { expected: 1000, found: 1001 }), "{error:?}");
    fixture.flow.container_exited();
    assert_eq!(fixture.ended(0).finish, Finish::Failed);
}

#[test]
fn what_fails_after_it_was_served_is_counted_once() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(1000), &[Act::Whole, Act::Break(10), Act::IgnoreRange]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    fixture.join(reader(path.clone()));
    let again = reader(path);
    assert!(matches!(fixture.failed(), TransferError::Interrupted { at: 10, .. }));
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.bytes, report.readings), (Finish::Failed, 1010, 2));
    fixture.join(again);
}

#[test]
fn a_pump_that_is_dropped_ends_what_goes_on() {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(50 << 20), &[Act::Whole]);
    fixture.flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    let mut file = File::open(path).unwrap();
    file.read_exact(&mut [0; 10]).unwrap();
    let Fixture { flow, notices, pump, .. } = fixture;
    drop(pump);
    let is_cancelled = |notice| {
        matches!(notice, gantline::internal::pump::Notice::Ended { report, .. }
            if report.finish == Finish::Cancelled)
    };
    assert!(notices.try_iter().any(is_cancelled));
    assert!(flow.add(1, peer.source(), Sink::File(File::create("/dev/null").unwrap())).is_err());
}

#[test]
fn a_panic_in_a_workers_thread_does_not_look_like_the_end_of_a_file() {
    let fixture = Fixture::with(Options::default().with_workers(1));
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::new(noise(50 << 20), &[Act::Whole]);
    let (sender, notices) = crossbeam_channel::unbounded();
    let flow = fixture.pump.flow(std::sync::Arc::new(move |notice| {
        let is_progress = matches!(notice, gantline::internal::pump::Notice::Advanced { .. });
        let _ = sender.send(notice);
        assert!(!is_progress, "a mistake of whoever listens");
    }));
    flow.add(0, peer.source(), Sink::Fifo(fifo)).unwrap();
    let next = || notices.recv_timeout(crate::pump_peer::DEADLINE).unwrap();
    assert!(matches!(next(), gantline::internal::pump::Notice::Advanced { .. }));
    let told = next();
    assert!(
        matches!(
            told,
            gantline::internal::pump::Notice::Failed { error: TransferError::Bug(_), .. }
        ),
        "{told:?}"
    );
    let reading = reader(path);
    // The worker goes on, for others too.
    let (other, other_path) = fixture.fifo("other");
    fixture.flow.add(1, peer.source(), Sink::Fifo(other)).unwrap();
    assert_eq!(fixture.join(reader(other_path)).len(), 50 << 20);
    assert!(!reading.is_finished(), "it saw the end of a short file");
    flow.container_exited();
    loop {
        if let gantline::internal::pump::Notice::Ended { report, .. } = next() {
            assert_eq!(report.finish, Finish::Failed);
            break;
        }
    }
    fixture.join(reading);
}
