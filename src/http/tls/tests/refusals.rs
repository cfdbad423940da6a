//! What a peer must not send.

use std::io::Write as _;

use rustls::{
    AlertDescription, CipherSuite, ContentType, HandshakeType, InvalidMessage, PeerMisbehaved,
};

use super::super::record::CONTENT;
use super::super::*;
use super::{CLOSE_NOTIFY, HELLO_REQUEST, NOT_REQUESTED, Peer, REQUESTED, TLS12, TLS13, meet};

/// What the peer does wrong, what comes of it, and what it is told.
fn refusal(
    suite: CipherSuite,
    wrong: impl Fn(&mut Peer),
    expected: &TlsError,
    told: Option<AlertDescription>,
) {
    for size in [100, 1 << 20] {
        let (mut client, mut peer) = meet(suite);
        wrong(&mut peer);
        let error = client.read(size).unwrap_err();
        assert!(
            matches!(&error, Fault::Tls(error) if error == expected),
            "{error:?}, {expected:?}"
        );
        assert!(client.read(size).is_err(), "it goes on after {expected:?}");
        if let Some(told) = told {
            assert_eq!(peer.next(), (ContentType::Alert, vec![2, u8::from(told)]));
        }
    }
}

#[test]
fn what_the_peer_must_not_send_ends_the_session() {
    use AlertDescription as Alert;
    let data = ContentType::ApplicationData;
    let flipped = |peer: &mut Peer| {
        let mut bytes = peer.sealed(ContentType::ApplicationData, b"data");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        peer.socket.write_all(&bytes).unwrap();
    };
    let twice = |peer: &mut Peer| {
        let bytes = peer.sealed(ContentType::ApplicationData, b"");
        peer.socket.write_all(&[bytes.clone(), bytes].concat()).unwrap();
    };
    let too_long = |peer: &mut Peer| peer.says(ContentType::ApplicationData, &[1; CONTENT + 1]);
    let barren = |peer: &mut Peer| {
        (0..33).for_each(|_| peer.says(ContentType::ApplicationData, b""));
    };
    let failure = |peer: &mut Peer| peer.says(ContentType::Alert, &[2, 40]);
    for suite in [TLS12, TLS13] {
        refusal(suite, flipped, &TlsError::DecryptError, Some(Alert::BadRecordMac));
        refusal(suite, twice, &TlsError::DecryptError, Some(Alert::BadRecordMac));
        let oversized = TlsError::PeerSentOversizedRecord;
        refusal(suite, too_long, &oversized, Some(Alert::RecordOverflow));
        let too_many = PeerMisbehaved::TooManyEmptyFragments.into();
        refusal(suite, barren, &too_many, Some(Alert::UnexpectedMessage));
        refusal(suite, failure, &TlsError::AlertReceived(Alert::HandshakeFailure), None);
        let length = |peer: &mut Peer| peer.socket.write_all(&[23, 3, 3, 0x50, 0]).unwrap();
        let too_large = InvalidMessage::MessageTooLarge.into();
        refusal(suite, length, &too_large, Some(Alert::DecodeError));
        let plain = |peer: &mut Peer| peer.socket.write_all(b"HTTP/1.1 400 Bad").unwrap();
        let no_type = InvalidMessage::InvalidContentType.into();
        refusal(suite, plain, &no_type, Some(Alert::DecodeError));
        let alert = |peer: &mut Peer| peer.says(ContentType::Alert, &[1]);
        let missing = InvalidMessage::MissingData("alert").into();
        refusal(suite, alert, &missing, Some(Alert::DecodeError));
        let certificate = |peer: &mut Peer| peer.says(ContentType::Handshake, &[13, 0, 0, 0]);
        let inappropriate = TlsError::InappropriateHandshakeMessage {
            expect_types: vec![HandshakeType::NewSessionTicket, HandshakeType::KeyUpdate],
            got_type: HandshakeType::CertificateRequest,
        };
        refusal(suite, certificate, &inappropriate, Some(Alert::UnexpectedMessage));
    }
    let change = |peer: &mut Peer| peer.socket.write_all(&[20, 3, 3, 0, 1, 1]).unwrap();
    let got_type = ContentType::ChangeCipherSpec;
    let inappropriate = TlsError::InappropriateMessage { expect_types: vec![data], got_type };
    refusal(TLS13, change, &inappropriate, Some(Alert::UnexpectedMessage));
    let between = |peer: &mut Peer| {
        peer.says(ContentType::Handshake, &REQUESTED[..3]);
        peer.sends(b"data");
    };
    let end_between = |peer: &mut Peer| {
        peer.says(ContentType::Handshake, &REQUESTED[..3]);
        peer.says(ContentType::Alert, &CLOSE_NOTIFY);
    };
    let interleaved = PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into();
    refusal(TLS13, between, &interleaved, Some(Alert::UnexpectedMessage));
    refusal(TLS13, end_between, &interleaved, Some(Alert::UnexpectedMessage));
    let behind = |peer: &mut Peer| {
        peer.says(ContentType::Handshake, &[NOT_REQUESTED, NOT_REQUESTED].concat());
    };
    let pending = PeerMisbehaved::KeyEpochWithPendingFragment.into();
    refusal(TLS13, behind, &pending, Some(Alert::UnexpectedMessage));
    let neither = |peer: &mut Peer| peer.says(ContentType::Handshake, &[24, 0, 0, 1, 2]);
    let invalid = InvalidMessage::InvalidKeyUpdate.into();
    refusal(TLS13, neither, &invalid, Some(Alert::DecodeError));
    let endless = |peer: &mut Peer| peer.says(ContentType::Handshake, &[4, 255, 0, 0]);
    let too_large = InvalidMessage::HandshakePayloadTooLarge.into();
    refusal(TLS13, endless, &too_large, Some(Alert::DecodeError));
    let empty = |peer: &mut Peer| peer.says(ContentType::Handshake, b"");
    let nothing = InvalidMessage::InvalidEmptyPayload.into();
    refusal(TLS13, empty, &nothing, Some(Alert::DecodeError));
    let padded = |peer: &mut Peer| {
        // Its content is not too long, but what is around it.
        let content = [&[1; CONTENT - 1][..], &[23], &[0; 200]].concat();
        peer.says(ContentType::from(0), &content);
    };
    let oversized = TlsError::PeerSentOversizedRecord;
    refusal(TLS13, padded, &oversized, Some(Alert::RecordOverflow));
    let again = |peer: &mut Peer| {
        (0..2).for_each(|_| peer.says(ContentType::Handshake, &HELLO_REQUEST));
    };
    let too_many = PeerMisbehaved::TooManyRenegotiationRequests.into();
    refusal(TLS12, again, &too_many, None);
    let ticket = |peer: &mut Peer| peer.says(ContentType::Handshake, &[4, 0, 0, 1, 0]);
    let missing = InvalidMessage::MissingData("u32").into();
    refusal(TLS13, ticket, &missing, Some(Alert::DecodeError));
}
