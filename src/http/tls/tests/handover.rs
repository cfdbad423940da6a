//! What happens between rustls's last turn and our first record.

use std::io::Write as _;

use rustls::ContentType;

use super::super::*;
use super::{CLOSE_NOTIFY, NOT_REQUESTED, REQUESTED, TLS13, acquaint};

/// The first byte of every record after the handshake: rustls is given a part of one.
const A_BYTE: &[u8] = &[23];

#[test]
fn a_change_of_keys_that_is_asked_for_before_the_request_is_answered_before_it() {
    let (mut client, peer) = acquaint(TLS13, A_BYTE, |mut peer| {
        let bytes = peer.sealed(ContentType::Handshake, &REQUESTED);
        peer.seals_with_the_next_key();
        peer.socket.write_all(&bytes[1..]).unwrap();
        assert_eq!(peer.next(), (ContentType::Handshake, NOT_REQUESTED.to_vec()));
        peer.opens_with_the_next_key();
        assert_eq!(peer.next(), (ContentType::ApplicationData, b"request".to_vec()));
        peer.sends(b"answer");
        peer
    });
    client.sends().unwrap();
    assert_eq!(client.read(1 << 20).unwrap(), b"answer");
    client.write(b"more").unwrap();
    assert_eq!(peer.join().unwrap().next().1, b"more");
}

#[test]
fn an_answer_that_comes_before_the_request_is_read_behind_it() {
    for size in [100, 1 << 20] {
        let (mut client, peer) = acquaint(TLS13, A_BYTE, |mut peer| {
            let busy = peer.sealed(ContentType::ApplicationData, b"busy");
            let end = peer.sealed(ContentType::Alert, &CLOSE_NOTIFY);
            peer.socket.write_all(&[&busy[1..], &end].concat()).unwrap();
            peer
        });
        // Whether its end has come with it is a matter of time.
        match client.sends() {
            Ok(()) => {
                assert_eq!(client.read(size).unwrap(), b"busy");
                assert!(client.read(size).unwrap().is_empty());
            }
            Err(error) => assert!(matches!(error, Fault::Io(_)), "{error:?}"),
        }
        drop(peer.join().unwrap());
    }
}

#[test]
fn a_handshake_comes_to_an_end() {
    let (mut client, peer) = acquaint(TLS13, A_BYTE, |mut peer| {
        // A ticket: lifetime, age, a nonce, the ticket, no extensions.
        let ticket = [4, 0, 0, 15, 0, 0, 1, 0, 1, 2, 3, 4, 1, 9, 0, 1, 7, 0, 0];
        let many = ticket.repeat(800);
        // Each time with a part of the next one, so that there is always a rest.
        while {
            let bytes = [peer.sealed(ContentType::Handshake, &many), vec![23]].concat();
            peer.socket.write_all(&bytes[1..]).is_ok()
        } {}
    });
    let error = client.sends().unwrap_err();
    let Fault::Io(error) = error else { panic!("{error:?}") };
    assert_eq!(error.to_string(), "a TLS handshake without end");
    drop(client);
    peer.join().unwrap();
}
