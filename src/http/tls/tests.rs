//! A session against a peer whose handshake is rustls's, and whose records are what a test wants.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream as Blocking};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::kernel::KernelConnection;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{
    AlertDescription, CipherSuite, ContentType, HandshakeType, InvalidMessage, PeerMisbehaved,
    ProtocolVersion, RootCertStore, ServerConfig,
};

use super::record::{CONTENT, Opener, Sealer};
use super::*;

const SUITES: [CipherSuite; 6] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
];
const TLS13: CipherSuite = SUITES[0];
const TLS12: CipherSuite = SUITES[3];

/// The server's side, after the handshake.
struct Peer {
    socket: Blocking,
    keeper: KernelConnection<ServerConnectionData>,
    opener: Opener,
    sealer: Sealer,
    /// What came behind the last record that was read.
    ahead: Vec<u8>,
}

/// The client's side.
struct Client {
    session: Session,
    stream: TcpStream,
}

/// Both, with `request` sent and read.
fn meet(suite: CipherSuite) -> (Client, Peer) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|offered| offered.suite() == suite);
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    server.enable_secret_extraction = true;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || Peer::accept(listener.accept().unwrap().0, server));
    let stream = Blocking::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let session = Session::new(Arc::new(config), name, b"request".to_vec()).unwrap();
    let mut client = Client { session, stream: TcpStream::from_std(stream) };
    while let Step::Blocked = client.session.send(&mut client.stream).unwrap() {
        client.waits();
    }
    let mut peer = peer.join().unwrap();
    assert_eq!(peer.next(), (ContentType::ApplicationData, b"request".to_vec()));
    (client, peer)
}

impl Client {
    fn waits(&self) {
        let mut descriptors = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        assert_eq!(
            poll(&mut descriptors, PollTimeout::from(10_000u16)).unwrap(),
            1,
            "nothing comes"
        );
    }

    /// What the next read comes to, with a buffer of this size.
    fn read(&mut self, size: usize) -> Result<Vec<u8>, Fault> {
        let mut buf = vec![0; size];
        loop {
            match self.session.read(&mut self.stream, &mut buf)? {
                Step::Done(count) => {
                    assert!(count > 0);
                    buf.truncate(count);
                    return Ok(buf);
                }
                Step::Closed { clean: true } => return Ok(Vec::new()),
                Step::Closed { clean: false } => return Err(io::Error::other("cut").into()),
                Step::Blocked => self.waits(),
            }
        }
    }

    fn read_exactly(&mut self, bytes: usize, size: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < bytes {
            all.extend(self.read(size).unwrap());
        }
        all
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        assert_eq!(self.session.write(&mut self.stream, bytes)?, Step::Done(bytes.len()));
        assert!(self.session.is_flushed(&mut self.stream)?);
        Ok(())
    }

    fn channel(&mut self) -> &mut Channel {
        let State::Open(channel) = &mut self.session.state else { panic!("not open") };
        channel
    }
}

impl Peer {
    fn accept(mut socket: Blocking, config: ServerConfig) -> Self {
        let mut connection = UnbufferedServerConnection::new(Arc::new(config)).unwrap();
        let mut incoming = Vec::new();
        loop {
            let UnbufferedStatus { discard, state } = connection.process_tls_records(&mut incoming);
            let mut is_over = false;
            match state.unwrap() {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut record = vec![0; 20_000];
                    let count = data.encode(&mut record).unwrap();
                    socket.write_all(&record[..count]).unwrap();
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::BlockedHandshake => {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    incoming.push(byte[0]);
                }
                ConnectionState::WriteTraffic(_) => is_over = true,
                state => panic!("{state:?}"),
            }
            incoming.drain(..discard);
            if is_over {
                break;
            }
        }
        let (secrets, keeper) = connection.dangerous_into_kernel_connection().unwrap();
        let version = keeper.protocol_version();
        let opener = Opener::new(version, secrets.rx).unwrap();
        let sealer = Sealer::new(version, secrets.tx).unwrap();
        Self { socket, keeper, opener, sealer, ahead: incoming }
    }

    /// The next record of the client.
    fn next(&mut self) -> (ContentType, Vec<u8>) {
        loop {
            let mut bytes = self.ahead.clone();
            if let Some(opened) = self.opener.open(&mut bytes, 0, 0).unwrap() {
                self.ahead.drain(..opened.wire);
                bytes.truncate(opened.content);
                return (opened.kind, bytes);
            }
            let mut more = [0; 4096];
            let count = self.socket.read(&mut more).unwrap();
            assert!(count > 0, "the client has closed");
            self.ahead.extend_from_slice(&more[..count]);
        }
    }

    fn sealed(&mut self, kind: ContentType, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.sealer.seal(kind, content, &mut bytes).unwrap();
        bytes
    }

    fn says(&mut self, kind: ContentType, content: &[u8]) {
        let bytes = self.sealed(kind, content);
        self.socket.write_all(&bytes).unwrap();
    }

    fn sends(&mut self, data: &[u8]) {
        data.chunks(CONTENT).for_each(|part| self.says(ContentType::ApplicationData, part));
    }

    fn seals_with_the_next_key(&mut self) {
        let secrets = self.keeper.update_tx_secret().unwrap();
        self.sealer = Sealer::new(ProtocolVersion::TLSv1_3, secrets).unwrap();
    }

    fn opens_with_the_next_key(&mut self) {
        let secrets = self.keeper.update_rx_secret().unwrap();
        self.opener = Opener::new(ProtocolVersion::TLSv1_3, secrets).unwrap();
    }
}

const NOT_REQUESTED: [u8; 5] = [24, 0, 0, 1, 0];
const REQUESTED: [u8; 5] = [24, 0, 0, 1, 1];
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

fn noise(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(bytes as u64);
    (0..bytes).map(|_| random.u8(..)).collect()
}

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
    assert!(client.session.ask_again(Vec::new()).is_none(), "there is something to read");
    assert_eq!(client.read(1 << 20).unwrap(), b" and a body");
    assert!(client.session.ask_again(b"another".to_vec()).is_some());
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
    peer.says(ContentType::Handshake, &[0, 0, 0, 0]);
    peer.says(ContentType::Alert, &[1, u8::from(AlertDescription::NoRenegotiation)]);
    peer.sends(b"data");
    assert_eq!(client.read(1 << 20).unwrap(), b"data");
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
    let interleaved = PeerMisbehaved::MessageInterleavedWithHandshakeMessage.into();
    refusal(TLS13, between, &interleaved, Some(Alert::UnexpectedMessage));
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
    let ticket = |peer: &mut Peer| peer.says(ContentType::Handshake, &[4, 0, 0, 1, 0]);
    let missing = InvalidMessage::MissingData("u32").into();
    refusal(TLS13, ticket, &missing, Some(Alert::DecodeError));
}
