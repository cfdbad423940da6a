//! A client of HTTP that does exactly what a test says, and a depot for it to talk to.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gantline::internal::depot::{
    Depot, DepotError, DepotFile, DepotOptions, DepotToken, StopHandle,
};
use serde_json::Value;

/// No answer of a server on this machine takes longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A depot at work in a thread.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    pub(crate) files: Vec<DepotFile>,
    stop: StopHandle,
    thread: JoinHandle<Result<(), DepotError>>,
}

impl Serving {
    pub(crate) fn folder(directory: &Path) -> Self {
        Self::with_token(directory, None)
    }

    pub(crate) fn with_token(directory: &Path, token: Option<&str>) -> Self {
        let mut options = DepotOptions::new(directory);
        options.listen = "127.0.0.1:0".parse().unwrap();
        options.token = token.map(DepotToken::new);
        let depot = Depot::open(options).unwrap();
        let (address, files, stop) = (depot.address(), depot.files().unwrap(), depot.stop_handle());
        Self { address, files, stop, thread: thread::spawn(|| depot.serve()) }
    }

    /// The id of a file that was there when the depot was opened.
    pub(crate) fn id(&self, path: &str) -> &str {
        &self.files.iter().find(|file| file.path == Path::new(path)).unwrap().id
    }

    pub(crate) fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Client { socket, held: Vec::new() }
    }

    /// The answer to a GET on a connection of its own, with these lines in the head.
    pub(crate) fn get(&self, path: &str, lines: &str) -> Reply {
        self.ask("GET", path, lines)
    }

    pub(crate) fn ask(&self, method: &str, path: &str, lines: &str) -> Reply {
        let mut client = self.connect();
        client.send(&format!("{method} {path} HTTP/1.1\r\nHost: depot\r\n{lines}\r\n"));
        client.reply(method).unwrap()
    }

    /// The answer to a GET under `/api/v1`, as JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(&format!("/api/v1/{path}"), "").body).unwrap()
    }

    /// Stops it and waits until it has stopped.
    pub(crate) fn stop(self) {
        self.stop.stop();
        self.thread.join().unwrap().unwrap();
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    held: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &str) {
        self.socket.write_all(bytes.as_bytes()).unwrap();
    }

    /// Reads one answer, with as much of a body as its head says.
    pub(crate) fn reply(&mut self, method: &str) -> io::Result<Reply> {
        let mut reply = self.head()?;
        let length =
            if method == "HEAD" { 0 } else { reply.headers["content-length"].parse().unwrap() };
        while self.held.len() < length {
            self.read()?;
        }
        reply.body = self.held.drain(..length).collect();
        Ok(reply)
    }

    /// Reads the head of an answer.
    pub(crate) fn head(&mut self) -> io::Result<Reply> {
        let length = loop {
            match self.held.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.read()?,
            }
        };
        let head: Vec<u8> = self.held.drain(..length).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap()["HTTP/1.1 ".len()..][..3].parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Ok(Reply { status, headers, body: Vec::new() })
    }

    /// Reads to the end of the connection: how many bytes came, and whether it ended in order.
    pub(crate) fn rest(mut self) -> (usize, io::Result<()>) {
        let mut total = self.held.len();
        let mut block = vec![0; 1 << 20];
        loop {
            match self.socket.read(&mut block) {
                Ok(0) => return (total, Ok(())),
                Ok(got) => total += got,
                Err(error) => return (total, Err(error)),
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut block = [0; 1 << 16];
        match self.socket.read(&mut block)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                self.held.extend(&block[..got]);
                Ok(())
            }
        }
    }
}
