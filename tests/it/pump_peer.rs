//! What the tests of the pump share: a pump with one flow, FIFOs, and a scripted HTTP server.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use gantline::internal::http::{Client, ClientOptions, Get};
use gantline::internal::pump::{
    Flow, Notice, Options, Pump, Source, TransferError, TransferReport,
};
use gantline::internal::sys::fifo::Fifo;

/// No single thing that a test waits for takes longer than this.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A pump, one flow of it, and what it tells.
pub(crate) struct Fixture {
    pub(crate) flow: Flow,
    pub(crate) notices: Receiver<Notice>,
    pub(crate) folder: tempfile::TempDir,
    /// Of transfers that ended while another was waited for.
    reports: RefCell<HashMap<usize, TransferReport>>,
    pub(crate) pump: Pump,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let pump = Pump::start(options).unwrap();
        let (sender, notices) = crossbeam_channel::unbounded();
        let flow = pump.flow(Arc::new(move |notice| {
            let _ = sender.send(notice);
        }));
        Self {
            flow,
            notices,
            folder: tempfile::tempdir().unwrap(),
            reports: RefCell::default(),
            pump,
        }
    }

    /// Makes a FIFO and says where it is.
    pub(crate) fn fifo(&self, name: &str) -> (Fifo, PathBuf) {
        let folder = File::open(self.folder.path()).unwrap();
        let fifo = Fifo::create(folder.as_fd(), name.as_ref()).unwrap();
        (fifo, self.folder.path().join(name))
    }

    /// Waits until a transfer is over.
    pub(crate) fn ended(&self, wanted: usize) -> TransferReport {
        loop {
            if let Some(report) = self.reports.borrow_mut().remove(&wanted) {
                return report;
            }
            match self.notices.recv_timeout(DEADLINE).expect("the transfer is not over in time") {
                Notice::Ended { id, report } => {
                    self.reports.borrow_mut().insert(id, report);
                }
                Notice::Failed { error, .. } => panic!("it failed: {error:?}"),
                _ => {}
            }
        }
    }

    /// Joins a thread that reads or writes a FIFO; if it hangs, what the pump told says why.
    pub(crate) fn join<T: Send + 'static>(&self, thread: thread::JoinHandle<T>) -> T {
        let (sender, joined) = crossbeam_channel::bounded(1);
        thread::spawn(move || sender.send(thread.join()));
        match joined.recv_timeout(DEADLINE) {
            Ok(outcome) => outcome.expect("a thread of the test panicked"),
            Err(_) => {
                let told: Vec<Notice> = self.notices.try_iter().collect();
                panic!("a thread of the test hangs; the pump told {told:?}, {:?}", self.flow)
            }
        }
    }

    /// Waits until a transfer fails.
    pub(crate) fn failed(&self) -> TransferError {
        loop {
            match self.notices.recv_timeout(DEADLINE).expect("the transfer does not fail in time") {
                Notice::Failed { error, .. } => return error,
                Notice::Ended { report, .. } => panic!("it did not fail: {report:?}"),
                _ => {}
            }
        }
    }

    /// Waits until so many bytes were taken.
    pub(crate) fn advanced(&self, wanted: u64) {
        loop {
            match self.notices.recv_timeout(DEADLINE).expect("no bytes in time") {
                Notice::Advanced { bytes, .. } if bytes >= wanted => return,
                Notice::Advanced { .. } | Notice::Opened { .. } => {}
                other => panic!("waiting for bytes: {other:?}"),
            }
        }
    }
}

/// Runs tests of this binary again, in a process that `command` makes of the program that follows it.
pub(crate) fn run_again(mut command: Command, tests: &[&str]) {
    command.arg(std::env::current_exe().unwrap()).args(["--exact", "--test-threads=2"]);
    let output = command.args(tests).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains(&format!("{} passed", tests.len())), "{told}");
}

/// Bytes that are all different enough for a loss or a swap to show.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}

/// Reads a FIFO to its end in a thread of its own, as a program in a container does.
pub(crate) fn reader(path: PathBuf) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// What a request found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// The whole answer, or the rest that a Range asked for.
    Whole,
    /// The answer's head and so many bytes of its body; then the connection breaks.
    Break(usize),
    /// The whole entity, whatever Range was asked for.
    IgnoreRange,
    /// Chunks.
    Chunked,
    /// A body that ends with the connection.
    UntilClose,
    /// No connection is answered; it is closed.
    Nothing,
}

/// A server that acts its script, one act a request, the last one again and again.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) source_url: url::Url,
    pub(crate) requests: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Peer {
    pub(crate) fn new(body: Vec<u8>, script: &[Act]) -> Self {
        let script = script.to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let source_url =
            url::Url::parse(&format!("http://{}/file", listener.local_addr().unwrap())).unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let body = Arc::new(body);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        // It goes with the test's process, unless it is stopped.
        thread::spawn(move || {
            for connection in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let act = script[number.min(script.len() - 1)];
                let body = Arc::clone(&body);
                thread::spawn(move || answer(connection.unwrap(), &body, act));
            }
        });
        Self { source_url, requests, is_over }
    }

    /// Ends it, with what it holds.
    pub(crate) fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        let port = self.source_url.port().unwrap();
        drop(TcpStream::connect(("127.0.0.1", port)));
    }

    pub(crate) fn source(&self) -> Source {
        let client = Client::new(ClientOptions::default()).unwrap();
        Source::Http { client, get: Get::new(self.source_url.clone()), size: None, sum: None }
    }
}

/// An answer's failure is the client's leaving, which is its right.
fn answer(mut connection: TcpStream, body: &[u8], act: Act) -> Option<()> {
    let mut from = 0;
    let mut lines = BufReader::new(connection.try_clone().ok()?);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            from = range.trim().trim_end_matches('-').parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let rest = &body[from..];
    let (total, last) = (body.len(), body.len().max(1) - 1);
    let mut head = format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {total}\r\n\r\n");
    if from > 0 {
        head = format!(
            "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\
             Content-Range: bytes {from}-{last}/{total}\r\n\r\n",
            rest.len()
        );
    }
    match act {
        Act::Whole => {
            connection.write_all(head.as_bytes()).ok()?;
            connection.write_all(rest).ok()
        }
        Act::Break(length) => {
            connection.write_all(head.as_bytes()).ok()?;
            connection.write_all(&rest[..length.min(rest.len())]).ok()
        }
        Act::IgnoreRange => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n");
            connection.write_all(head.as_bytes()).ok()?;
            connection.write_all(body).ok()
        }
        Act::Chunked => {
            connection.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
            for chunk in body.chunks(70_001) {
                write!(connection, "{:x}\r\n", chunk.len()).ok()?;
                connection.write_all(chunk).ok()?;
                connection.write_all(b"\r\n").ok()?;
            }
            connection.write_all(b"0\r\n\r\n").ok()
        }
        Act::UntilClose => {
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
            connection.write_all(body).ok()
        }
        Act::Nothing => None,
    }
}
