//! Scripted peers on real sockets, and an event loop that drives an exchange as the pump does.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use gantline::internal::http::{
    Body, Client, ClientOptions, Exchange, Get, HttpError, Limits, Progress, Read, Response,
};
use mio::{Events, Interest, Poll, Token};
use nix::fcntl::{OFlag, SpliceFFlags, splice};
use url::Url;

/// Nothing in these tests takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a peer does with one connection, after it has read the request.
pub(crate) type Script = Box<dyn FnOnce(&mut TcpStream, &str) + Send>;

/// A server that follows a script, one connection after the other.
pub(crate) struct Peer {
    port: u16,
    requests: mpsc::Receiver<String>,
}

impl Peer {
    /// Serves one connection a script.
    pub(crate) fn follows(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for script in scripts {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                stream.set_write_timeout(Some(DEADLINE)).unwrap();
                stream.set_nodelay(true).unwrap();
                let request = read_request(&mut stream);
                let _ = sender.send(request.clone());
                script(&mut stream, &request);
            }
        });
        Self { port, requests }
    }

    /// Answers one connection with these bytes, and closes.
    pub(crate) fn says(answer: impl Into<Vec<u8>>) -> Self {
        Self::follows(vec![answers(answer)])
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next request that came, head and all.
    pub(crate) fn request(&self) -> String {
        self.requests.recv_timeout(DEADLINE).expect("a request should have come")
    }
}

/// A script that answers with these bytes, and closes.
pub(crate) fn answers(answer: impl Into<Vec<u8>>) -> Script {
    let answer = answer.into();
    Box::new(move |stream, _| {
        // The other side may be satisfied before it has all.
        let _ = stream.write_all(&answer);
    })
}

/// Sends what is to be sent and resets the connection.
pub(crate) fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Waits until the other side closes.
pub(crate) fn until_closed(stream: &mut TcpStream) {
    let mut buf = [0; 64];
    while stream.read(&mut buf).is_ok_and(|count| count > 0) {}
}

/// Reads a request up to its empty line.
fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

/// A client whose limits are short enough to wait for.
pub(crate) fn client() -> Client {
    client_with(ClientOptions::default())
}

pub(crate) fn client_with(options: ClientOptions) -> Client {
    Client::new(options).unwrap()
}

/// Limits of a fraction of a second, for peers that never answer.
pub(crate) fn impatient() -> ClientOptions {
    let soon = Duration::from_millis(200);
    ClientOptions::default().with_limits(Limits::default().with_connect(soon).with_head(soon))
}

/// How a body is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// By `read`, into a buffer of that size.
    Read(usize),
    /// By splice, when it can be; by `read` otherwise.
    Splice,
}

/// One exchange and its body, driven by edges.
pub(crate) struct Driver {
    poll: Poll,
    events: Events,
    registered: Option<u32>,
    started: Instant,
    /// How often the exchange was advanced: a busy loop shows here.
    pub(crate) advances: u32,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self {
            poll: Poll::new().unwrap(),
            events: Events::with_capacity(8),
            registered: None,
            started: Instant::now(),
            advances: 0,
        }
    }

    /// Drives an exchange to its response.
    pub(crate) fn response(&mut self, mut exchange: Exchange) -> Result<Response, HttpError> {
        loop {
            self.advances += 1;
            match exchange.advance(Instant::now())? {
                Progress::Ready(mut response) => {
                    self.register(Some((response.socket, response.body.connection())));
                    return Ok(*response);
                }
                Progress::Lookup(lookup) => exchange.resolved(lookup.run()),
                Progress::Blocked { deadline } => {
                    self.register(exchange.connection());
                    self.wait(deadline.saturating_duration_since(Instant::now()));
                }
                other => panic!("unknown progress {other:?}"),
            }
        }
    }

    /// Takes a whole body.
    pub(crate) fn body(&mut self, body: &mut Body, way: Way) -> Result<Vec<u8>, HttpError> {
        let mut all = Vec::new();
        let size = match way {
            Way::Read(size) => size,
            Way::Splice if body.raw().is_some() => return self.spliced(body),
            Way::Splice => 64 * 1024,
        };
        let mut buf = vec![0; size];
        loop {
            match body.read(&mut buf)? {
                Read::Bytes(count) => all.extend_from_slice(&buf[..count]),
                Read::Blocked => self.wait(DEADLINE),
                Read::Ended => return Ok(all),
                other => panic!("unknown {other:?}"),
            }
        }
    }

    fn spliced(&mut self, body: &mut Body) -> Result<Vec<u8>, HttpError> {
        let (out, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE;
        let mut all = Vec::new();
        let mut buf = vec![0; 65536];
        loop {
            let room = body.remaining().unwrap_or(u64::MAX).min(65536) as usize;
            if room == 0 {
                return Ok(all);
            }
            let raw = body.raw().expect("it was raw before");
            match splice(raw, None, into.as_fd(), None, room, flags) {
                Ok(0) => {
                    body.peer_closed()?;
                    return Ok(all);
                }
                Ok(count) => {
                    body.taken(count as u64);
                    let mut left = count;
                    while left > 0 {
                        let count = nix::unistd::read(&out, &mut buf[..left]).unwrap();
                        all.extend_from_slice(&buf[..count]);
                        left -= count;
                    }
                }
                Err(nix::errno::Errno::EAGAIN) => self.wait(DEADLINE),
                Err(error) => return Err(body.broken(error.into())),
            }
        }
    }

    fn register(&mut self, connection: Option<(u32, &mut mio::net::TcpStream)>) {
        if let Some((number, stream)) = connection
            && self.registered != Some(number)
        {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(stream, Token(0), interest).unwrap();
            self.registered = Some(number);
        }
    }

    fn wait(&mut self, at_most: Duration) {
        assert!(self.started.elapsed() < DEADLINE, "the test has hung");
        loop {
            match self.poll.poll(&mut self.events, Some(at_most.min(DEADLINE))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.unwrap(),
            }
        }
    }
}

/// A response without its body.
pub(crate) fn fetch(client: &Client, get: Get) -> Result<Response, HttpError> {
    Driver::new().response(client.get(get)?)
}

/// A whole body.
pub(crate) fn fetch_all(client: &Client, get: Get, way: Way) -> Result<Vec<u8>, HttpError> {
    let mut driver = Driver::new();
    let mut response = driver.response(client.get(get)?)?;
    driver.body(&mut response.body, way)
}

/// The whole chain of an error's messages, as the command prints it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += ": ";
        text += &error.to_string();
        source = error.source();
    }
    text
}

/// Bytes that are not all alike, the same for each seed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}
