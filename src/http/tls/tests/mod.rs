//! A session against a peer whose handshake is rustls's, and whose records are what a test wants.

mod handover;
mod refusals;
mod traffic;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream as Blocking};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::kernel::KernelConnection;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{CipherSuite, ContentType, ProtocolVersion, RootCertStore, ServerConfig};

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
    let (mut client, peer) = acquaint(suite, &[], |peer| peer);
    client.sends().unwrap();
    let mut peer = peer.join().unwrap();
    assert_eq!(peer.next(), (ContentType::ApplicationData, b"request".to_vec()));
    (client, peer)
}

/// Both, at the beginning; the peer sends `ahead` with its first flight, and goes on with `then`.
fn acquaint<T: Send + 'static>(
    suite: CipherSuite,
    ahead: &'static [u8],
    then: impl FnOnce(Peer) -> T + Send + 'static,
) -> (Client, JoinHandle<T>) {
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
    if !ahead.is_empty() {
        // They would come between.
        server.send_tls13_tickets = 0;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer =
        thread::spawn(move || then(Peer::accept(listener.accept().unwrap().0, server, ahead)));
    let stream = Blocking::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let session = Session::new(Arc::new(config), name, b"request".to_vec()).unwrap();
    (Client { session, stream: TcpStream::from_std(stream) }, peer)
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

    /// Goes through the handshake and sends the request.
    fn sends(&mut self) -> Result<(), Fault> {
        while let Step::Blocked = self.session.send(&mut self.stream)? {
            self.waits();
        }
        Ok(())
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
    fn accept(mut socket: Blocking, config: ServerConfig, mut ahead: &[u8]) -> Self {
        let mut connection = UnbufferedServerConnection::new(Arc::new(config)).unwrap();
        let (mut incoming, mut flight) = (Vec::new(), Vec::new());
        let mut is_over = false;
        while !is_over {
            let UnbufferedStatus { discard, state } = connection.process_tls_records(&mut incoming);
            match state.unwrap() {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut record = vec![0; 20_000];
                    let count = data.encode(&mut record).unwrap();
                    flight.extend_from_slice(&record[..count]);
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)
                    if !flight.is_empty() =>
                {
                    flight.extend_from_slice(std::mem::take(&mut ahead));
                    socket.write_all(&flight).unwrap();
                    flight.clear();
                }
                ConnectionState::BlockedHandshake => {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    incoming.push(byte[0]);
                }
                ConnectionState::WriteTraffic(_) => is_over = true,
                state => panic!("{state:?}"),
            }
            incoming.drain(..discard);
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
const HELLO_REQUEST: [u8; 4] = [0; 4];

fn noise(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(bytes as u64);
    (0..bytes).map(|_| random.u8(..)).collect()
}
