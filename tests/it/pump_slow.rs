//! Sources and sinks that are slow, or stop: what is waited for, how long, and what is given up.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gantline::internal::http::{Client, ClientOptions, Get, Limits};
use gantline::internal::pump::{Carrier, Finish, Sink, Source, TransferError};

use crate::http_support::{Peer, Script, until_closed};
use crate::pump_peer::{DEADLINE, Fixture, noise, reader};

/// A GET of a peer, with a limit for a source that gives nothing.
fn source(peer: &Peer, stall: Duration) -> Source {
    let limits = Limits::default().with_stall(stall);
    let client = Client::new(ClientOptions::default().with_limits(limits)).unwrap();
    Source::Http { client, get: Get::new(peer.url("/file")), size: None, sum: None }
}

fn pause(length: Duration) {
    let _ = crossbeam_channel::after(length).recv();
}

fn head(stream: &mut TcpStream, length: usize) {
    let head = format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
}

/// Sends a first part at once, and the rest in pieces with pauses; the connection stays open.
fn trickles(body: &[u8], burst: usize, piece: usize, pauses: Duration) -> Script {
    let body = body.to_vec();
    Box::new(move |stream, _| {
        head(stream, body.len());
        let (first, rest) = body.split_at(burst);
        stream.write_all(first).unwrap();
        for piece in rest.chunks(piece) {
            pause(pauses);
            stream.write_all(piece).unwrap();
        }
        until_closed(stream);
    })
}

#[test]
fn a_source_that_trickles_for_longer_than_the_limit_has_not_stalled() {
    let body = noise(4000);
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::follows(vec![trickles(&body, 0, 100, Duration::from_millis(30))]);
    let limit = Duration::from_millis(400);
    let began = Instant::now();
    fixture.flow.add(0, source(&peer, limit), Sink::Fifo(fifo)).unwrap();
    assert!(fixture.join(reader(path)) == body);
    assert!(began.elapsed() > 2 * limit, "the test is too fast to show anything");
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.resumed), (Finish::Complete, 0));
}

#[test]
fn a_source_that_stalls_is_resumed_at_the_byte() {
    let body = noise(3 << 20);
    let (rest, total) = (body[1000..].to_vec(), body.len());
    let first = body[..1000].to_vec();
    let peer = Peer::follows(vec![
        Box::new(move |stream, _| {
            head(stream, total);
            stream.write_all(&first).unwrap();
            until_closed(stream);
        }),
        Box::new(move |stream, request| {
            assert!(request.contains("bytes=1000-"), "{request}");
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\
                 Content-Range: bytes 1000-{}/{total}\r\n\r\n",
                rest.len(),
                total - 1
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&rest).unwrap();
            until_closed(stream);
        }),
    ]);
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    fixture.flow.add(0, source(&peer, Duration::from_millis(200)), Sink::Fifo(fifo)).unwrap();
    assert!(fixture.join(reader(path)) == body);
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.resumed), (Finish::Complete, 1));
}

#[test]
fn a_reader_that_takes_its_time_is_no_stall_of_the_source() {
    let body = noise(20 << 20);
    let limit = Duration::from_millis(400);
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::follows(vec![trickles(&body, body.len(), 1, limit)]);
    fixture.flow.add(0, source(&peer, limit), Sink::Fifo(fifo)).unwrap();
    // Before it opens the FIFO, after it has, and in the middle.
    let slow = std::thread::spawn(move || {
        pause(2 * limit);
        let mut file = File::open(path).unwrap();
        pause(2 * limit);
        let mut read = vec![0; 9 << 20];
        file.read_exact(&mut read).unwrap();
        pause(2 * limit);
        file.read_to_end(&mut read).unwrap();
        read
    });
    assert!(fixture.join(slow) == body);
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.resumed), (Finish::Complete, 0));
}

#[test]
fn a_source_that_turns_slow_after_a_burst_is_not_waited_for() {
    // Fast enough to be let gather (`SO_RCVLOWAT`), then far below that mark, byte by byte.
    let burst = 8 << 20;
    let body = noise(burst + 50 * 100);
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    let peer = Peer::follows(vec![trickles(&body, burst, 100, Duration::from_millis(5))]);
    fixture.flow.add(0, source(&peer, Duration::from_secs(60)), Sink::Fifo(fifo)).unwrap();
    let began = Instant::now();
    assert!(fixture.join(reader(path)) == body);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    fixture.flow.container_exited();
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Direct));
}

#[test]
fn each_piece_of_a_trickle_arrives_before_the_next_is_sent() {
    for burst in [0, 8 << 20] {
        let piece = 100;
        let body = noise(burst + 20 * piece);
        let (wants, wanted) = crossbeam_channel::unbounded();
        let (first, rest) = (body[..burst].to_vec(), body[burst..].to_vec());
        let peer = Peer::follows(vec![Box::new(move |stream, _| {
            head(stream, first.len() + rest.len());
            stream.write_all(&first).unwrap();
            for piece in rest.chunks(piece) {
                wanted.recv_timeout(DEADLINE).expect("the piece before has not arrived");
                stream.write_all(piece).unwrap();
            }
            until_closed(stream);
        })]);
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        fixture.flow.add(0, source(&peer, Duration::from_secs(60)), Sink::Fifo(fifo)).unwrap();
        let program = std::thread::spawn(move || {
            let (mut file, mut read) = (File::open(path).unwrap(), vec![0; burst]);
            file.read_exact(&mut read).unwrap();
            for _ in 0..20 {
                wants.send(()).unwrap();
                let mut got = vec![0; piece];
                file.read_exact(&mut got).unwrap();
                read.extend(got);
            }
            read
        });
        assert!(fixture.join(program) == body, "{burst}");
        fixture.flow.container_exited();
        assert_eq!(fixture.ended(0).finish, Finish::Complete);
    }
}

#[test]
fn a_rest_that_is_smaller_than_what_is_gathered_arrives_though_the_connection_stays_open() {
    for rest in [1, 1000, 100_000] {
        let burst = 4 << 20;
        let body = noise(burst + rest);
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("in");
        let script = trickles(&body, burst, rest, Duration::from_millis(50));
        let peer = Peer::follows(vec![script]);
        fixture.flow.add(0, source(&peer, Duration::from_secs(60)), Sink::Fifo(fifo)).unwrap();
        assert!(fixture.join(reader(path)) == body, "{rest}");
        fixture.flow.container_exited();
        assert_eq!(fixture.ended(0).finish, Finish::Complete);
    }
}

#[test]
fn a_source_that_gives_a_byte_a_connection_is_given_up() {
    let body = noise(1 << 20);
    let byte = |_| -> Script {
        let body = body.clone();
        Box::new(move |stream, request| {
            let from = request.split_once("bytes=").and_then(|(_, range)| range.split_once('-'));
            let from: usize = from.map_or(0, |(from, _)| from.parse().unwrap());
            let total = body.len();
            let head = match from {
                0 => format!("200 OK\r\nContent-Length: {total}"),
                _ => format!(
                    "206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{total}",
                    total - from,
                    total - 1
                ),
            };
            let _ = write!(stream, "HTTP/1.1 {head}\r\nETag: \"v1\"\r\n\r\n");
            let _ = stream.write_all(&body[from..=from]);
        })
    };
    let peer = Peer::follows((0..100).map(byte).collect());
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    fixture.flow.add(0, source(&peer, Duration::from_secs(60)), Sink::Fifo(fifo)).unwrap();
    let reader = reader(path);
    let error = fixture.failed();
    assert!(matches!(error, TransferError::Interrupted { attempts: 6, .. }), "{error:?}");
    fixture.flow.container_exited();
    assert!(fixture.join(reader).len() < 100);
}

#[test]
fn a_source_that_gives_nothing_is_asked_again_six_times_and_given_up() {
    let (asks, asked) = std::sync::mpsc::channel();
    let silent = |nth: u32| -> Script {
        let asks = asks.clone();
        Box::new(move |stream, _| {
            let _ = asks.send(nth);
            head(stream, 1000);
            until_closed(stream);
        })
    };
    let peer = Peer::follows((0..20).map(silent).collect());
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    fixture.flow.add(0, source(&peer, Duration::from_millis(100)), Sink::Fifo(fifo)).unwrap();
    let reader = reader(path);
    let error = fixture.failed();
    assert!(matches!(&error, TransferError::Fetch(error) if error.is_transient()), "{error:?}");
    assert_eq!(asked.try_iter().count(), 1 + 6);
    fixture.flow.container_exited();
    assert_eq!(fixture.join(reader), b"");
}

#[test]
fn a_server_that_says_when_is_not_asked_before() {
    for status in [429, 503] {
        is_asked_when_it_says(status);
    }
}

fn is_asked_when_it_says(status: u16) {
    let body = noise(1000);
    let (asked, when) = std::sync::mpsc::channel();
    let (refused, answer) = (asked.clone(), body.clone());
    let peer = Peer::follows(vec![
        Box::new(move |stream, _| {
            refused.send(Instant::now()).unwrap();
            let head =
                format!("HTTP/1.1 {status} No\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
        }),
        Box::new(move |stream, _| {
            asked.send(Instant::now()).unwrap();
            head(stream, answer.len());
            stream.write_all(&answer).unwrap();
        }),
    ]);
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("in");
    fixture.flow.add(0, source(&peer, Duration::from_secs(60)), Sink::Fifo(fifo)).unwrap();
    assert!(fixture.join(reader(path)) == body);
    fixture.flow.container_exited();
    assert_eq!(fixture.ended(0).finish, Finish::Complete);
    let (refused, asked) = (when.recv().unwrap(), when.recv().unwrap());
    assert!(asked.duration_since(refused) >= Duration::from_secs(2));
}
