//! What is carried after the handshake, and how it ends.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::{AlertDescription, ContentType};

use super::super::record::CONTENT;
use super::super::*;
use super::{
    CLOSE_NOTIFY, HELLO_REQUEST, NOT_REQUESTED, REQUESTED, SUITES, TLS12, TLS13, meet, noise,
};

#[test]
fn every_suite_carries_data_both_ways() {
    for suite in SUITES {
        let (mut client, mut peer) = meet(suite);
        let data = noise(200_000);
        for size in [100, WIRE - 1, WIRE, 64 << 10, 1 << 20] {
            let (sent, mut rest) = (data.clone(), &data[..]);
            let mut random = fastrand::Rng::with_seed(size as u64);
            let reading = thread::spawn(move || {
                let read = client.read_exactly(sent.len(), size);
                assert!(read == sent, "{suite:?}, {size}");
                client
            });
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(random.usize(0..=CONTENT).min(rest.len()));
                // In pieces that are no records.
                let bytes = peer.sealed(ContentType::ApplicationData, part);
                let (first, second) = bytes.split_at(random.usize(0..bytes.len()));
                peer.socket.write_all(first).unwrap();
                peer.socket.write_all(second).unwrap();
                rest = behind;
            }
            client = reading.join().unwrap();
        }
        client.write(&data[..100_000]).unwrap();
        let mut taken = Vec::new();
        while taken.len() < 100_000 {
            taken.extend(peer.next().1);
        }
        assert!(taken == data[..100_000], "{suite:?}");
        peer.sends(b"the last");
        peer.says(ContentType::Alert, &CLOSE_NOTIFY);
        peer.sends(b"nobody's");
        assert_eq!(client.read(1 << 20).unwrap(), b"the last", "{suite:?}");
        for size in [100, 1 << 20] {
            assert!(client.read(size).unwrap().is_empty(), "{suite:?}");
        }
    }
}

#[test]
fn what_is_given_back_is_read_again() {
    let (mut client, mut peer) = meet(TLS13);
    peer.sends(b"a head and a body");
    assert_eq!(client.read(10).unwrap(), b"a head and");
    client.session.unread(4);
    assert!(client.session.ask_again(b"").is_none(), "there is something to read");
    assert_eq!(client.read(1 << 20).unwrap(), b" and a body");
    assert!(client.session.ask_again(b"another").is_some());
    assert!(matches!(client.session.send(&mut client.stream), Ok(Step::Done(_))));
    assert_eq!(peer.next().1, b"another");
}

#[test]
fn a_change_of_keys_is_answered_when_that_is_asked_for() {
    let (mut client, mut peer) = meet(TLS13);
    for size in [100, 1 << 20] {
        peer.says(ContentType::Handshake, &NOT_REQUESTED);
        peer.seals_with_the_next_key();
        peer.sends(b"one");
        assert_eq!(client.read(size).unwrap(), b"one");
        client.write(b"with the old key").unwrap();
        assert_eq!(peer.next().1, b"with the old key");
        // A message may be cut anywhere.
        peer.says(ContentType::Handshake, &REQUESTED[..2]);
        peer.says(ContentType::Handshake, &REQUESTED[2..]);
        peer.seals_with_the_next_key();
        peer.sends(b"two");
        assert_eq!(client.read(size).unwrap(), b"two");
        assert_eq!(peer.next(), (ContentType::Handshake, NOT_REQUESTED.to_vec()));
        peer.opens_with_the_next_key();
        client.write(b"with the new key").unwrap();
        assert_eq!(peer.next().1, b"with the new key");
    }
}

#[test]
fn no_key_seals_more_than_it_may() {
    let (mut client, mut peer) = meet(TLS13);
    client.channel().limit = 3;
    let data = noise(7 * CONTENT);
    client.write(&data).unwrap();
    let mut kinds = Vec::new();
    while kinds.iter().filter(|&&kind| kind == ContentType::ApplicationData).count() < 7 {
        let (kind, content) = peer.next();
        if kind == ContentType::Handshake {
            assert_eq!(content, NOT_REQUESTED);
            peer.opens_with_the_next_key();
        }
        kinds.push(kind);
    }
    let changes = kinds.iter().filter(|&&kind| kind == ContentType::Handshake).count();
    assert_eq!(changes, 2, "{kinds:?}");

    let (mut client, _peer) = meet(TLS12);
    client.channel().limit = 3;
    let error = client.write(&data).unwrap_err();
    assert!(matches!(error, Fault::Tls(TlsError::EncryptError)), "{error:?}");
}

#[test]
fn words_that_change_nothing_are_passed_over() {
    let (mut client, mut peer) = meet(TLS12);
    peer.says(ContentType::Handshake, &HELLO_REQUEST);
    peer.says(ContentType::Alert, &[1, u8::from(AlertDescription::NoRenegotiation)]);
    peer.sends(b"data");
    assert_eq!(client.read(1 << 20).unwrap(), b"data");
    let refused = vec![1, u8::from(AlertDescription::NoRenegotiation)];
    assert_eq!(peer.next(), (ContentType::Alert, refused), "another handshake is refused");
    let (mut client, mut peer) = meet(TLS13);
    peer.says(ContentType::Alert, &[1, u8::from(AlertDescription::UserCanceled)]);
    for _ in 0..30 {
        peer.says(ContentType::ApplicationData, b"");
    }
    peer.sends(b"data");
    assert_eq!(client.read(100).unwrap(), b"data");
}

#[test]
fn a_connection_that_is_cut_is_no_end() {
    for size in [100, 1 << 20] {
        let (mut client, mut peer) = meet(TLS13);
        let bytes = peer.sealed(ContentType::ApplicationData, b"data");
        peer.socket.write_all(&bytes[..10]).unwrap();
        peer.socket.shutdown(Shutdown::Write).unwrap();
        assert!(matches!(client.read(size), Err(Fault::Io(_))));
    }
}

#[test]
fn what_came_before_an_error_is_read() {
    for size in [100, 1 << 20] {
        let (mut client, mut peer) = meet(TLS13);
        let good = peer.sealed(ContentType::ApplicationData, b"good");
        let bad = peer.sealed(ContentType::Alert, &[2, 80]);
        peer.socket.write_all(&[good, bad].concat()).unwrap();
        assert_eq!(client.read(size).unwrap(), b"good");
        let error = client.read(size).unwrap_err();
        let internal = TlsError::AlertReceived(AlertDescription::InternalError);
        assert!(matches!(&error, Fault::Tls(error) if *error == internal), "{error:?}");
    }
}

#[test]
fn an_answer_is_read_though_nothing_can_be_sent_any_more() {
    for suite in [TLS12, TLS13] {
        let (mut client, mut peer) = meet(suite);
        // A body that the server does not read.
        let body = noise(1 << 20);
        while let Step::Done(_) = client.session.write(&mut client.stream, &body).unwrap() {}
        let answer = peer.sealed(ContentType::ApplicationData, b"413");
        let end = peer.sealed(ContentType::Alert, &CLOSE_NOTIFY);
        peer.socket.write_all(&[answer, end].concat()).unwrap();
        // With bytes that it has not read, that is a reset.
        drop(peer);
        let mut descriptors = [PollFd::new(client.stream.as_fd(), PollFlags::empty())];
        assert_eq!(poll(&mut descriptors, PollTimeout::from(10_000u16)).unwrap(), 1);
        assert_eq!(client.read(4096).unwrap(), b"413", "{suite:?}");
        assert!(client.read(4096).unwrap().is_empty(), "{suite:?}");
    }
}

#[test]
fn nothing_is_written_behind_the_peers_end() {
    let (mut client, mut peer) = meet(TLS12);
    peer.says(ContentType::Alert, &CLOSE_NOTIFY);
    assert!(client.read(100).unwrap().is_empty());
    let wrote = client.session.write(&mut client.stream, b"more");
    assert!(matches!(wrote, Ok(Step::Closed { clean: true })), "{wrote:?}");
}
