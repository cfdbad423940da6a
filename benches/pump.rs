//! How fast does each route of the pump move 64 MiB, by itself and without another process?
//!
//! `cargo bench --bench pump`; `gantline bench` measures the same with real peers and counts CPU.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot run stops")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_channel::Receiver;
use gantline::internal::http::{Client, ClientOptions, Get, Post};
use gantline::internal::pump::{
    Attach, Carrier, Finish, Flow, Notice, Options, Outlet, Piece, Pump, Sink, Source, Split,
};
use gantline::internal::sys::fifo::Fifo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::Url;

const BYTES: usize = 64 << 20;
const CHUNK: usize = 64 << 10;

/// Which route is the fastest into a FIFO that is read at once?
fn into_a_fifo(criterion: &mut Criterion) {
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("64 MiB into a FIFO");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    group.bench_function("plain HTTP, direct", |b| {
        let get = bench.served(Body::Plain);
        b.iter(|| bench.move_into_fifo(get(), Carrier::Direct));
    });
    group.bench_function("chunked HTTP, copy", |b| {
        let get = bench.served(Body::Chunked);
        b.iter(|| bench.move_into_fifo(get(), Carrier::Copy));
    });
    group.bench_function("HTTPS, copy", |b| {
        let get = bench.served_by_tls();
        b.iter(|| bench.move_into_fifo(get(), Carrier::Copy));
    });
    group.bench_function("a file, direct", |b| {
        b.iter(|| bench.move_into_fifo(Source::File(bench.source()), Carrier::Direct));
    });
    group.finish();
}

/// What does a file cost as a sink, by each route?
fn into_a_file(criterion: &mut Criterion) {
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("64 MiB into a file");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    group.bench_function("plain HTTP, splice", |b| {
        let get = bench.served(Body::Plain);
        b.iter(|| bench.move_into_file(get(), Carrier::Splice));
    });
    group.bench_function("chunked HTTP, copy", |b| {
        let get = bench.served(Body::Chunked);
        b.iter(|| bench.move_into_file(get(), Carrier::Copy));
    });
    group.bench_function("a FIFO, direct", |b| {
        b.iter(|| bench.move_from_fifo(bench.target(), Carrier::Direct));
    });
    group.bench_function("an attached stream, spool", |b| b.iter(|| bench.attached()));
    group.finish();
}

/// What does a FIFO cost that goes into a POST?
fn into_a_post(criterion: &mut Criterion) {
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("64 MiB into a POST");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(10);
    group.bench_function("a FIFO, splice", |b| {
        let address = serve(Body::Taken);
        b.iter(|| bench.post_from_fifo(address));
    });
    group.finish();
}

/// A pump, a flow of it, and a folder with a file.
struct Bench {
    flow: Flow,
    notices: Receiver<Notice>,
    folder: tempfile::TempDir,
    _pump: Pump,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("source"), noise(BYTES)).unwrap();
        let pump = Pump::start(Options::default()).unwrap();
        let (sender, notices) = crossbeam_channel::unbounded();
        let flow = pump.flow(Arc::new(move |notice| {
            let _ = sender.send(notice);
        }));
        Self { flow, notices, folder, _pump: pump }
    }

    fn source(&self) -> File {
        File::open(self.folder.path().join("source")).unwrap()
    }

    fn target(&self) -> Sink {
        Sink::File(File::create(self.folder.path().join("target")).unwrap())
    }

    /// A server, and what asks it anew each time.
    fn served(&self, body: Body) -> impl Fn() -> Source + use<> {
        let address = serve(body);
        let client = Client::new(ClientOptions::default()).unwrap();
        move || {
            let get = Get::new(Url::parse(&format!("http://{address}/")).unwrap());
            Source::Http { client: client.clone(), get, size: Some(BYTES as u64), sum: None }
        }
    }

    /// The same by TLS, with an authority of its own.
    fn served_by_tls(&self) -> impl Fn() -> Source + use<> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let file = self.folder.path().join("authority.pem");
        fs::write(&file, cert.pem()).unwrap();
        let options = ClientOptions::default().with_ca_files([file]);
        let client = Client::new(options).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let port = serve_by(move |socket| {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            Body::Plain.answer(&mut StreamOwned::new(connection, socket));
        })
        .port();
        move || {
            let get = Get::new(Url::parse(&format!("https://localhost:{port}/")).unwrap());
            Source::Http { client: client.clone(), get, size: Some(BYTES as u64), sum: None }
        }
    }

    fn fifo(&self) -> (Fifo, PathBuf) {
        let folder = File::open(self.folder.path()).unwrap();
        let path = self.folder.path().join("fifo");
        let _ = fs::remove_file(&path);
        (Fifo::create(folder.as_fd(), "fifo".as_ref()).unwrap(), path)
    }

    /// A FIFO is read as a container reads it: opened once it is held.
    fn move_into_fifo(&self, source: Source, carrier: Carrier) {
        let (fifo, path) = self.fifo();
        self.flow.add(0, source, Sink::Fifo(fifo)).unwrap();
        assert_eq!(drain(&path), BYTES);
        self.flow.container_exited();
        self.ended(carrier);
    }

    fn move_into_file(&self, source: Source, carrier: Carrier) {
        self.flow.add(0, source, self.target()).unwrap();
        self.ended(carrier);
    }

    fn post_from_fifo(&self, address: SocketAddr) {
        let post = Post::new(Url::parse(&format!("http://{address}/")).unwrap());
        let client = Client::new(ClientOptions::default()).unwrap();
        self.move_from_fifo(Sink::Post { client, post }, Carrier::Splice);
    }

    fn move_from_fifo(&self, sink: Sink, carrier: Carrier) {
        let (fifo, path) = self.fifo();
        self.flow.add(0, Source::Fifo(fifo), sink).unwrap();
        let block = noise(1 << 20);
        let mut writer = File::options().write(true).open(path).unwrap();
        (0..BYTES / block.len()).for_each(|_| writer.write_all(&block).unwrap());
        drop(writer);
        self.flow.container_exited();
        self.ended(carrier);
    }

    fn attached(&self) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let attach = Attach::new(OwnedFd::from(ours), Bytes::new(), Box::new(AllStdOut));
        let stderr = Sink::File(File::create("/dev/null").unwrap());
        self.flow.attach(attach, (0, self.target()), (1, stderr)).unwrap();
        let block = noise(32 << 10);
        (0..BYTES / block.len()).for_each(|_| theirs.write_all(&block).unwrap());
        drop(theirs);
        self.ended(Carrier::Spool);
    }

    fn ended(&self, carrier: Carrier) {
        loop {
            match self.notices.recv().unwrap() {
                Notice::Ended { id: 0, report } => {
                    assert_eq!((report.finish, report.carrier), (Finish::Complete, carrier));
                    return assert_eq!(report.bytes, BYTES as u64);
                }
                Notice::Failed { error, .. } => panic!("{error:?}"),
                _ => {}
            }
        }
    }
}

/// What comes is stdout: the decoding of frames has a bench of its own.
struct AllStdOut;

impl Split for AllStdOut {
    fn next<'a>(
        &mut self,
        input: &'a [u8],
    ) -> Result<Piece<'a>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Piece { outlet: Some(Outlet::StdOut), payload: input, consumed: input.len() })
    }

    fn end(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// What a server does.
#[derive(Clone, Copy)]
enum Body {
    Plain,
    Chunked,
    /// Takes one, in chunks.
    Taken,
}

impl Body {
    fn answer(self, socket: &mut (impl Read + Write)) {
        if let Self::Taken = self {
            let (mut block, mut end) = (vec![0; 1 << 20], Vec::new());
            while !end.ends_with(b"\r\n0\r\n\r\n") {
                let got = socket.read(&mut block).unwrap();
                assert!(got > 0, "the body is cut off");
                end.extend_from_slice(&block[got.saturating_sub(8)..got]);
                end.drain(..end.len().saturating_sub(8));
            }
            return socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
        let (head, block) = match self {
            Self::Chunked => {
                let size = format!("{CHUNK:x}\r\n");
                let chunk = [size.as_bytes(), &noise(CHUNK), b"\r\n"].concat();
                ("Transfer-Encoding: chunked".to_owned(), chunk)
            }
            _ => (format!("Content-Length: {BYTES}"), noise(CHUNK)),
        };
        let block = block.repeat(16);
        // A request is far smaller than that, and comes in one segment.
        let _ = socket.read(&mut [0; 4096]).unwrap();
        write!(socket, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n").unwrap();
        (0..BYTES / CHUNK / 16).for_each(|_| socket.write_all(&block).unwrap());
        if let Self::Chunked = self {
            socket.write_all(b"0\r\n\r\n").unwrap();
        }
        socket.flush().unwrap();
    }
}

fn serve(body: Body) -> SocketAddr {
    serve_by(move |mut socket| body.answer(&mut socket))
}

/// Does the same with every connection, until the process ends.
fn serve_by(answer: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|socket| answer(socket.unwrap())));
    address
}

/// Reads a FIFO to its end, and counts.
fn drain(path: &Path) -> usize {
    let mut fifo = File::open(path).unwrap();
    let (mut block, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        match fifo.read(&mut block).unwrap() {
            0 => return bytes,
            got => bytes += got,
        }
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    bytes
}

criterion_group!(benches, into_a_fifo, into_a_file, into_a_post);
criterion_main!(benches);
