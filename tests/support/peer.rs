//! An HTTP server that does what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// A server on loopback. It serves one connection after the other until the test's process ends.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    requests: Receiver<Request>,
}

/// The head of a request.
#[derive(Debug, Clone)]
pub(crate) struct Request(String);

impl Request {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| {
            line.split_once(": ").is_some_and(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        self.0.lines().find(|l| line(l)).and_then(|line| Some(line.split_once(": ")?.1))
    }

    /// The path and the query.
    pub(crate) fn target(&self) -> &str {
        self.0.split(' ').nth(1).unwrap()
    }

    /// The first byte that is asked for.
    pub(crate) fn first_byte(&self) -> usize {
        let range = self.header("Range").and_then(|range| range.strip_prefix("bytes="));
        range.and_then(|range| range.strip_suffix('-')).map_or(0, |from| from.parse().unwrap())
    }
}

impl Peer {
    /// Answers the nth request, from 0 on, with `answer`; then the connection is closed.
    pub(crate) fn new(
        answer: impl Fn(usize, &Request, &mut TcpStream) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for (nth, mut stream) in listener.incoming().flatten().enumerate() {
                let Ok(request) = read_head(&stream) else { continue };
                let _ = sender.send(request.clone());
                // A client that leaves is what some tests are about.
                let _ = answer(nth, &request, &mut stream);
            }
        });
        Self { address, requests }
    }

    /// An address of something on it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/file", self.address)
    }

    /// The requests that have come, each once; waits for the first.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let first = self.requests.recv_timeout(Duration::from_secs(60)).unwrap();
        std::iter::once(first).chain(self.requests.try_iter()).collect()
    }
}

/// Answers with the bytes that are asked for.
pub(crate) fn serve(
    request: &Request,
    bytes: &[u8],
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    write_head(request, bytes.len(), stream)?;
    stream.write_all(&bytes[request.first_byte()..])
}

/// Answers with some of the bytes that are asked for, and closes the connection.
pub(crate) fn break_off(
    request: &Request,
    bytes: &[u8],
    after: usize,
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    write_head(request, bytes.len(), stream)?;
    stream.write_all(&bytes[request.first_byte()..][..after])
}

/// The head of an answer.
pub(crate) fn write_head(
    request: &Request,
    size: usize,
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    let from = request.first_byte();
    let (status, length) = (if from > 0 { "206 Partial Content" } else { "200 OK" }, size - from);
    let last = size.saturating_sub(1);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nETag: \"1\"\r\n")?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{last}/{size}\r\n")?;
    }
    stream.write_all(b"\r\n")
}

/// Waits until the client has closed the connection.
pub(crate) fn wait_for_close(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // A reset is a close too.
    let _ = stream.read(&mut [0]);
}

fn read_head(stream: &TcpStream) -> std::io::Result<Request> {
    let mut head = String::new();
    // No byte of a body: that is for who answers.
    let mut reader = BufReader::with_capacity(1, stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Request(head))
}
