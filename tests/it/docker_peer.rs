//! An engine that follows a script: it commits the faults that a real one will not.

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use gantline::internal::docker::{Client, ContainerId, Endpoint, Settings};
use tempfile::TempDir;

/// How long anything may take that should happen.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A socket on which requests are answered, each on a connection and in a thread of its own.
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    requests: Receiver<String>,
    /// Holds the socket.
    _folder: TempDir,
}

impl Peer {
    /// Answers on a Unix socket. A ping is answered with 1.41 unless `answer` returns true.
    pub(crate) fn on_unix(
        answer: impl Fn(&str, &mut dyn Stream) -> bool + Send + Sync + Clone + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (sent, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, sent, answer) = (stream.unwrap(), sent.clone(), answer.clone());
                thread::spawn(move || serve(&mut stream, &answer, |request| sent.send(request)));
            }
        });
        Self { endpoint: Endpoint::Unix(path), requests, _folder: folder }
    }

    /// Answers on a port of this machine.
    pub(crate) fn on_tcp(
        answer: impl Fn(&str, &mut dyn Stream) -> bool + Send + Sync + Clone + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, sent, answer) = (stream.unwrap(), sent.clone(), answer.clone());
                thread::spawn(move || serve(&mut stream, &answer, |request| sent.send(request)));
            }
        });
        let endpoint = Endpoint::parse(&format!("tcp://{address}")).unwrap();
        Self { endpoint, requests, _folder: tempfile::tempdir().unwrap() }
    }

    /// Answers everything but a ping with these bytes.
    pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::on_unix(move |request, stream| {
            !is_ping(request) && {
                let _ = stream.write_all(&bytes);
                true
            }
        })
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::default().with_endpoint(self.endpoint.clone()).with_timeout(SOON)
    }

    /// A client that has met this engine; the ping is not among the requests any more.
    pub(crate) async fn client(&self) -> Client {
        let client = Client::connect(self.settings()).await.unwrap();
        assert!(is_ping(&self.request()));
        client
    }

    /// A client whose calls have only this long.
    pub(crate) async fn hasty_client(&self, timeout: Duration) -> Client {
        let client = Client::connect(self.settings().with_timeout(timeout)).await.unwrap();
        assert!(is_ping(&self.request()));
        client
    }

    /// The next request, head and body.
    pub(crate) fn request(&self) -> String {
        self.requests.recv_timeout(SOON).unwrap()
    }
}

/// What a script writes to, whichever socket it is.
pub(crate) trait Stream: Read + Write {
    /// Waits until the client has closed its end, and then some bytes at most.
    fn wait_for_close(&mut self) {
        let mut rest = Vec::new();
        let _ = self.take(1 << 20).read_to_end(&mut rest);
    }

    fn close(&mut self);
}

impl Stream for UnixStream {
    fn close(&mut self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Stream for TcpStream {
    fn close(&mut self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

fn serve<S, E>(
    stream: &mut S,
    answer: &dyn Fn(&str, &mut dyn Stream) -> bool,
    log: impl Fn(String) -> Result<(), E>,
) where
    S: Stream,
{
    let Some(request) = read_request(stream) else { return };
    // Nobody asks any more when the test is over.
    let _ = log(request.clone());
    if !answer(&request, stream) {
        assert!(is_ping(&request), "nothing is scripted for {request}");
        let _ = stream.write_all(ping("1.41").as_bytes());
    }
    stream.close();
}

/// Reads a head and, by its Content-Length, a body.
fn read_request(stream: &mut dyn Stream) -> Option<String> {
    // One byte a read: what comes behind the request is for the script.
    let mut reader = BufReader::with_capacity(1, stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        if reader.read_line(&mut request).ok()? == 0 {
            return None;
        }
    }
    let length = header(&request, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.push_str(&String::from_utf8(body).unwrap());
    Some(request)
}

/// A header of a request.
pub(crate) fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The first line without the version of HTTP.
pub(crate) fn target(request: &str) -> &str {
    request.lines().next().unwrap().strip_suffix(" HTTP/1.1").unwrap()
}

pub(crate) fn is_ping(request: &str) -> bool {
    target(request) == "GET /_ping"
}

pub(crate) fn ping(version: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK")
}

/// A whole answer.
pub(crate) fn http(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Runs `test` in a runtime like the product's, for a minute at most.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await })
        .expect("the test takes too long")
}

/// An id as engines give them.
pub(crate) fn id() -> ContainerId {
    ContainerId::try_from("0123456789abcdef".repeat(4)).unwrap()
}
