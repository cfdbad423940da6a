//! A long line to a server: what `tests/env/far.sh` makes, and a server at its far end.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gantline::internal::http::{Client, ClientOptions, Get};
use gantline::internal::pump::Source;
use nix::sched::{CloneFlags, setns};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Two network namespaces with a long way between them.
pub(crate) struct FarLink {
    name: String,
}

impl FarLink {
    /// 50 ms there and back.
    pub(crate) fn up() -> Self {
        Self::of("50")
    }

    /// So many milliseconds there and back.
    pub(crate) fn of(round_trip: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let link = Self { name: format!("gl{}-{number}", std::process::id()) };
        link.script(&["up", &link.name, round_trip]);
        link
    }

    fn script(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/env/far.sh");
        let done = Command::new("bash").arg(script).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Does something in a thread at the near end. Threads that it starts are there as well.
    pub(crate) fn near<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        self.at("near", act)
    }

    fn at<T: Send + 'static>(&self, side: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = File::open(format!("/run/netns/{}-{side}", self.name)).unwrap();
        let thread = thread::spawn(move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            act()
        });
        thread.join().unwrap()
    }
}

impl Drop for FarLink {
    fn drop(&mut self) {
        self.script(&["down", &self.name]);
    }
}

/// How a server answers a request for a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// With the part, and keeps the connection.
    Keeps,
    /// With the part, and all connections together have 6 MB/s.
    SharesARate,
    /// With the part; over its third connection at a third of a megabyte a second.
    ThirdIsSlow,
    /// With the part; over its third connection with the beginning of it, and nothing after that.
    ThirdStops,
    /// With the part, and closes the connection.
    Closes,
    /// With the part, but each third breaks off after a while.
    Breaks,
    /// With the whole.
    IgnoresRanges,
    /// With 503.
    Refuses,
    /// Never.
    IsSilent,
}

/// How much a connection of the server carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffer {
    /// 200 KiB in a round trip.
    Small,
    /// What the kernel gives, which fills a line of 400 Mbit/s.
    Usual,
}

/// What a server says of the version that it sends: with the whole, and with a part.
pub(crate) type Tags = [&'static str; 2];

/// A file that becomes another one.
#[derive(Clone)]
pub(crate) struct Versions {
    pub(crate) first: Arc<Vec<u8>>,
    pub(crate) second: Arc<Vec<u8>>,
    /// Requests after which it is the second.
    pub(crate) after: usize,
    /// Header lines, in which `N` is the version's number.
    pub(crate) tags: Tags,
}

impl Versions {
    fn of(body: &Arc<Vec<u8>>) -> Self {
        let (first, second) = (Arc::clone(body), Arc::clone(body));
        Self { first, second, after: usize::MAX, tags: [""; 2] }
    }

    /// The bytes of the `nth` request from 0 on, and what is said of them with the whole and with a part.
    fn at(&self, nth: usize) -> (&[u8], [String; 2]) {
        let is_first = nth < self.after;
        let body = if is_first { &self.first } else { &self.second };
        (body, self.tags.map(|tag| tag.replace('N', if is_first { "1" } else { "2" })))
    }
}

/// A server at the far end of a link.
pub(crate) struct FarServer {
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<AtomicUsize>,
    /// Answers that the client did not take to their end.
    pub(crate) left: Arc<AtomicUsize>,
}

impl FarServer {
    pub(crate) fn start(link: &FarLink, body: Arc<Vec<u8>>, manner: Manner) -> Self {
        Self::with_buffer(link, body, manner, Buffer::Small)
    }

    pub(crate) fn with_buffer(
        link: &FarLink,
        body: Arc<Vec<u8>>,
        manner: Manner,
        buffer: Buffer,
    ) -> Self {
        Self::listen(link, "10.97.0.2:80", buffer, move |connection, number, requests| {
            let manner = match manner {
                Manner::ThirdIsSlow | Manner::ThirdStops if number != 3 => Manner::Keeps,
                manner => manner,
            };
            serve(connection, &Versions::of(&body), manner, requests)
        })
    }

    /// In a good manner, of a file that becomes another one.
    pub(crate) fn of_versions(link: &FarLink, versions: Versions) -> Self {
        Self::listen(link, "10.97.0.2:80", Buffer::Small, move |connection, _, requests| {
            serve(connection, &versions, Manner::Keeps, requests)
        })
    }

    /// With TLS, in a good manner.
    pub(crate) fn with_tls(link: &FarLink, body: Arc<Vec<u8>>, config: ServerConfig) -> Self {
        let config = Arc::new(config);
        Self::listen(link, "10.97.0.2:443", Buffer::Small, move |connection, _, requests| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            let versions = Versions::of(&body);
            serve(StreamOwned::new(tls, connection), &versions, Manner::Keeps, requests)
        })
    }

    fn listen(
        link: &FarLink,
        address: &'static str,
        buffer: Buffer,
        serve: impl Fn(TcpStream, usize, &AtomicUsize) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let serve = Arc::new(serve);
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(AtomicUsize::new(0));
        let left = Arc::new(AtomicUsize::new(0));
        let (counter, asked) = (Arc::clone(&connections), Arc::clone(&requests));
        let leavers = Arc::clone(&left);
        link.at("far", move || {
            let listener = TcpListener::bind(address).unwrap();
            // It goes with the test's process.
            thread::spawn(move || {
                for connection in listener.incoming() {
                    let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                    let (serve, asked) = (Arc::clone(&serve), Arc::clone(&asked));
                    let leavers = Arc::clone(&leavers);
                    let connection = connection.unwrap();
                    if buffer == Buffer::Small {
                        SockRef::from(&connection).set_send_buffer_size(200 << 10).unwrap();
                    }
                    thread::spawn(move || {
                        let is_left = serve(connection, number, &asked).is_err();
                        leavers.fetch_add(usize::from(is_left), Ordering::SeqCst);
                    });
                }
            });
        });
        Self { connections, requests, left }
    }

    pub(crate) fn source(size: Option<u64>) -> Source {
        let client = Client::new(ClientOptions::default()).unwrap();
        let url = url::Url::parse("http://10.97.0.2/file").unwrap();
        Source::Http { client, get: Get::new(url), size, sum: None }
    }
}

/// Sends, at its share of a rate if there is one.
fn send(connection: &mut impl Write, bytes: &[u8], manner: Manner) -> std::io::Result<()> {
    static RATE: Mutex<()> = Mutex::new(());
    let pause = |micros| {
        let _ = crossbeam_channel::after(Duration::from_micros(micros)).recv();
    };
    for piece in bytes.chunks(16 << 10) {
        match manner {
            Manner::SharesARate => {
                let _turn = RATE.lock().unwrap();
                pause(2700);
            }
            Manner::ThirdIsSlow => pause(50_000),
            _ => return connection.write_all(bytes),
        }
        connection.write_all(piece)?;
    }
    Ok(())
}

/// Answers the requests of one connection. A failure is the client's leaving, which is its right.
fn serve(
    connection: impl Read + Write,
    versions: &Versions,
    manner: Manner,
    requests: &AtomicUsize,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection);
    loop {
        let mut range = None;
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(text) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                let (from, last) = text.trim().split_once('-').unwrap();
                let from: usize = from.parse().unwrap();
                let size = versions.first.len();
                range = Some(from..last.parse::<usize>().map_or(size, |last| last + 1));
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let connection = lines.get_mut();
        let number = requests.fetch_add(1, Ordering::SeqCst);
        let (body, [of_whole, of_part]) = versions.at(number);
        match (range, manner) {
            (None, _) | (Some(_), Manner::IgnoresRanges) => {
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{of_whole}\r\n");
                connection.write_all(head.as_bytes())?;
                send(connection, body, manner)?;
            }
            (Some(_), Manner::Refuses) => {
                connection.write_all(
                    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                )?;
                return Ok(());
            }
            (Some(_), Manner::IsSilent) => {
                lines.read_line(&mut String::new())?;
                return Ok(());
            }
            (Some(range), _) => {
                let part = &body[range.clone()];
                let option = if manner == Manner::Closes { "close" } else { "keep-alive" };
                write!(
                    connection,
                    "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nConnection: {option}\r\n\
                     Content-Range: bytes {}-{}/{}\r\n{of_part}\r\n",
                    part.len(),
                    range.start,
                    range.end - 1,
                    body.len()
                )?;
                if manner == Manner::ThirdStops {
                    connection.write_all(&part[..part.len().min(64 << 10)])?;
                    lines.read_line(&mut String::new())?;
                    return Err(std::io::ErrorKind::BrokenPipe.into());
                }
                if manner == Manner::Breaks && number.is_multiple_of(3) {
                    return connection.write_all(&part[..part.len() / 2]);
                }
                send(connection, part, manner)?;
                if manner == Manner::Closes {
                    return Ok(());
                }
            }
        }
    }
}
