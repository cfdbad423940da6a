//! What lies in a file goes to a server, whatever the server does meanwhile.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use gantline::internal::http::{
    Answered, ClientOptions, HttpError, LaneError, Limits, Outgoing, Payload, Pool,
};
use rustls::{ServerConnection, StreamOwned};
use url::Url;

use crate::http_authority::{Authority, Version};
use crate::http_support::{client, client_with};
use crate::pump_peer::noise;

/// The bytes of a file from a place on, spliced or copied.
struct Bytes {
    file: File,
    at: u64,
    is_copied: bool,
    /// What the kernel is given in its place, and does not send.
    unspliced: Option<File>,
    /// It may be read up to here.
    ends: u64,
}

impl Bytes {
    fn of(content: &[u8], is_copied: bool) -> Self {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.seek(SeekFrom::Start(3)).unwrap();
        Self { file, at: 0, is_copied, unspliced: None, ends: u64::MAX }
    }
}

impl Payload for Bytes {
    fn in_file(&mut self) -> io::Result<Option<(BorrowedFd<'_>, u64)>> {
        if self.at >= self.ends {
            return Err(io::Error::other("nobody wants it"));
        }
        let file = self.unspliced.as_ref().unwrap_or(&self.file);
        Ok((!self.is_copied).then(|| (file.as_fd(), self.at)))
    }

    fn sent(&mut self, bytes: usize) -> io::Result<()> {
        self.at += bytes as u64;
        if bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// What a server does with a connection.
type Script = Box<dyn FnOnce(TcpStream) + Send>;

/// A server that does one script a connection.
fn server(scripts: Vec<Script>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for script in scripts {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            script(stream);
        }
    });
    Url::parse(&format!("http://127.0.0.1:{port}/file/chunk?offset=0")).unwrap()
}

fn head_of(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn body_of(stream: &mut TcpStream, head: &str) -> Vec<u8> {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    body
}

fn say(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).unwrap();
}

fn outgoing(url: &Url, length: usize) -> Outgoing {
    Outgoing {
        url: url.clone(),
        headers: Vec::new(),
        kind: "application/octet-stream",
        length: length as u64,
        asks_first: false,
        limit: Duration::from_secs(20),
    }
}

fn send(url: &Url, content: &[u8]) -> Result<Answered, LaneError> {
    let (pool, _stopper) = Pool::new(client()).unwrap();
    pool.send(&outgoing(url, content.len()), &mut Bytes::of(content, false), 1024)
}

#[test]
fn one_connection_brings_one_body_after_the_other_byte_for_byte() {
    let bodies: Vec<Vec<u8>> = [1, 70_001, 5 << 20, 9 << 20].map(noise).to_vec();
    let (sender, came) = mpsc::channel();
    let turns = bodies.len() * 2;
    let url = server(vec![Box::new(move |mut stream| {
        for _ in 0..turns {
            let head = head_of(&mut stream);
            sender.send(body_of(&mut stream, &head)).unwrap();
            say(&mut stream, "200 OK", "{}");
        }
    })]);
    let (pool, _stopper) = Pool::new(client()).unwrap();
    for is_copied in [false, true] {
        for body in &bodies {
            let answered =
                pool.send(&outgoing(&url, body.len()), &mut Bytes::of(body, is_copied), 1024);
            let answered = answered.unwrap();
            assert_eq!((answered.status, &*answered.body), (200, &b"{}"[..]));
            assert!(came.recv().unwrap() == *body, "other bytes of {}", body.len());
        }
    }
}

#[test]
fn an_answer_before_the_end_is_the_answer() {
    let url = server(vec![Box::new(|mut stream| {
        head_of(&mut stream);
        say(&mut stream, "413 Too Large", "no");
        // It takes no more, and does not close before that was read.
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut piece = vec![0; 1 << 16];
        let mut taken = 0;
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            taken += count;
            if taken > 1 << 20 {
                return;
            }
        }
    })]);
    let answered = send(&url, &noise(64 << 20)).unwrap();
    assert_eq!((answered.status, &*answered.body), (413, &b"no"[..]));
}

#[test]
fn who_is_content_before_it_has_everything_does_not_have_it() {
    let url = server(vec![Box::new(|mut stream| {
        head_of(&mut stream);
        say(&mut stream, "200 OK", "{}");
        stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
    })]);
    let error = send(&url, &noise(64 << 20)).unwrap_err();
    assert!(matches!(&error, LaneError::Http(error) if error.is_transient()), "{error:?}");
}

#[test]
fn a_file_that_the_kernel_does_not_send_is_copied() {
    let content = noise(3 << 20);
    let (sender, came) = mpsc::channel();
    let url = server(vec![Box::new(move |mut stream| {
        let head = head_of(&mut stream);
        sender.send(body_of(&mut stream, &head)).unwrap();
        say(&mut stream, "200 OK", "{}");
    })]);
    let (pool, _stopper) = Pool::new(client()).unwrap();
    // sendfile(2) of a folder is EINVAL.
    let unspliced = Some(File::open("/").unwrap());
    let mut bytes = Bytes { unspliced, ..Bytes::of(&content, false) };
    assert_eq!(pool.send(&outgoing(&url, content.len()), &mut bytes, 1024).unwrap().status, 200);
    assert!(came.recv().unwrap() == content);
}

/// A server that does at each request one of the things that servers should not do. What it is content with has come
/// byte for byte; all else is an error, or says no.
#[test]
fn whatever_a_server_does_what_it_is_content_with_has_come_whole() {
    let mut contents = 0;
    for seed in 0..40 {
        let (sender, came) = mpsc::channel();
        let url = misbehaving(seed, sender);
        let (pool, _stopper) = Pool::new(client()).unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        for number in 0..12 {
            let length =
                if random.bool() { random.usize(1..5000) } else { random.usize(1..2_000_000) };
            let content = noise(length);
            let sent = pool.send(&outgoing(&url, length), &mut Bytes::of(&content, false), 1024);
            let mut bodies = came.try_iter();
            if let Ok(Answered { status: 200, .. }) = sent {
                assert!(bodies.any(|body| body == content), "seed {seed}, request {number}");
                contents += 1;
            }
        }
    }
    assert!(contents > 40, "{contents}");
}

/// What it takes of each body goes to `taken` before it says anything.
fn misbehaving(seed: u64, taken: mpsc::Sender<Vec<u8>>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (nth, stream) in listener.incoming().flatten().enumerate() {
            let (taken, seed) = (taken.clone(), seed * 1000 + nth as u64);
            thread::spawn(move || misbehave(stream, seed, &taken));
        }
    });
    Url::parse(&format!("http://127.0.0.1:{port}/file/chunk")).unwrap()
}

fn misbehave(mut stream: TcpStream, seed: u64, taken: &mpsc::Sender<Vec<u8>>) -> Option<()> {
    const CONTENT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    const NO: &[u8] = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let head = head_of(&mut stream);
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
        let length = length.parse().ok()?;
        // (That it is content, of bytes that it leaves in its socket, nobody could tell.)
        let (takes, says, closes) = match random.u8(0..10) {
            // It breaks off while the body comes, or behind it, or in its answer.
            0 => (random.usize(..length), vec![], true),
            1 => (length, vec![], true),
            2 => (length, CONTENT[..random.usize(..CONTENT.len())].to_vec(), true),
            3 => (length, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}".to_vec(), true),
            // It says no: too soon, or in time.
            4 => (random.usize(..length), NO.to_vec(), true),
            5 => (length, NO.to_vec(), false),
            // It answers twice: the second must not be the answer to the next.
            6 => (length, [CONTENT, CONTENT].concat(), false),
            7 => (length, [b"HTTP/1.1 100 Go on\r\n\r\n", CONTENT].concat(), false),
            _ => (length, CONTENT.to_vec(), random.bool()),
        };
        let mut body = vec![0; takes];
        stream.read_exact(&mut body).ok()?;
        taken.send(body).ok()?;
        stream.write_all(&says).ok()?;
        if closes {
            return None;
        }
    }
}

#[test]
fn a_server_that_does_not_agree_gets_no_body() {
    let (sender, came) = mpsc::channel();
    let url = server(vec![
        Box::new(move |mut stream| {
            let head = head_of(&mut stream);
            assert!(head.contains("Expect: 100-continue\r\n"), "{head}");
            say(&mut stream, "401 Unauthorized", "");
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            sender.send(rest.len()).unwrap();
        }),
        Box::new(|mut stream| {
            let head = head_of(&mut stream);
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            let body = body_of(&mut stream, &head);
            say(&mut stream, "200 OK", &body.len().to_string());
        }),
    ]);
    let content = noise(100_000);
    let asking = || Outgoing { asks_first: true, ..outgoing(&url, content.len()) };
    let (pool, _stopper) = Pool::new(client()).unwrap();
    let answered = pool.send(&asking(), &mut Bytes::of(&content, false), 1024).unwrap();
    assert_eq!(answered.status, 401);
    assert_eq!(came.recv().unwrap(), 0);
    let answered = pool.send(&asking(), &mut Bytes::of(&content, false), 1024).unwrap();
    assert_eq!((answered.status, &*answered.body), (200, &b"100000"[..]));
}

#[test]
fn a_connection_that_breaks_is_an_error_at_each_of_its_points() {
    let content = noise(3 << 20);
    for cut in [0, 1, 100_000, 2 << 20, 3 << 20] {
        let url = server(vec![Box::new(move |mut stream| {
            head_of(&mut stream);
            let mut taken = vec![0; cut];
            stream.read_exact(&mut taken).unwrap();
        })]);
        let error = send(&url, &content).unwrap_err();
        let is_cut = matches!(
            error,
            LaneError::Http(HttpError::NoAnswer { .. } | HttpError::Connection { .. })
        );
        assert!(is_cut, "{cut}: {error:?}");
    }
    // Half an answer is none.
    let url = server(vec![Box::new(|mut stream| {
        let head = head_of(&mut stream);
        body_of(&mut stream, &head);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"_id\"").unwrap();
    })]);
    let error = send(&url, &content).unwrap_err();
    assert!(matches!(error, LaneError::Http(HttpError::Truncated { .. })), "{error:?}");
}

#[test]
fn a_file_that_is_shorter_and_one_that_nobody_wants_any_more_are_not_sent_to_their_end() {
    let swallow = || -> Script {
        Box::new(|mut stream| {
            let mut piece = [0; 4096];
            while stream.read(&mut piece).is_ok_and(|count| count > 0) {}
        })
    };
    let url = server(vec![swallow(), swallow(), swallow()]);
    let (pool, _stopper) = Pool::new(client()).unwrap();
    let content = noise(100_000);
    for is_copied in [false, true] {
        let sent = pool.send(&outgoing(&url, 100_001), &mut Bytes::of(&content, is_copied), 1024);
        let error = sent.unwrap_err();
        assert!(matches!(error, LaneError::Payload(_)), "{error:?}");
    }
    let mut unwanted = Bytes { ends: 0, ..Bytes::of(&content, false) };
    let error = pool.send(&outgoing(&url, 100_000), &mut unwanted, 1024).unwrap_err();
    assert!(matches!(error, LaneError::Payload(_)), "{error:?}");
}

#[test]
fn who_takes_nothing_and_who_does_not_answer_is_not_waited_for_without_end() {
    let soon = Duration::from_millis(200);
    let limits = Limits::default().with_stall(soon);
    let (held, hold) = mpsc::channel::<()>();
    let url = server(vec![Box::new(move |_stream| {
        let _ = hold.recv();
    })]);
    let (pool, _stopper) =
        Pool::new(client_with(ClientOptions::default().with_limits(limits))).unwrap();
    let content = noise(32 << 20);
    let sent = pool.send(&outgoing(&url, content.len()), &mut Bytes::of(&content, false), 1024);
    let error = sent.unwrap_err();
    assert!(matches!(error, LaneError::Http(HttpError::TimedOut { .. })), "{error:?}");
    drop(held);
    let (held, hold) = mpsc::channel::<()>();
    let url = server(vec![Box::new(move |mut stream| {
        let head = head_of(&mut stream);
        body_of(&mut stream, &head);
        let _ = hold.recv();
    })]);
    let outgoing = Outgoing { limit: soon, ..outgoing(&url, 10) };
    let error = pool.send(&outgoing, &mut Bytes::of(&noise(10), false), 1024).unwrap_err();
    assert!(matches!(error, LaneError::Http(HttpError::TimedOut { .. })), "{error:?}");
    drop(held);
}

#[test]
fn a_body_goes_through_tls_in_both_versions() {
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let content = noise(3 << 20);
    for version in [Version::Tls12, Version::Tls13] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = Arc::new(issued.server(version));
        let length = content.len();
        let came = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
            let mut both = Vec::new();
            for _ in 0..2 {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
                both.push(body);
            }
            both
        });
        let url = Url::parse(&format!("https://127.0.0.1:{port}/x")).unwrap();
        let (pool, _stopper) = Pool::new(authority.client()).unwrap();
        for _ in 0..2 {
            let sent = pool.send(&outgoing(&url, length), &mut Bytes::of(&content, false), 1024);
            assert_eq!(sent.unwrap().status, 200);
        }
        assert!(came.join().unwrap().iter().all(|body| *body == content), "{version:?}");
    }
}
