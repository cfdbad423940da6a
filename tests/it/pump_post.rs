//! Into the body of a POST: out of a FIFO and out of an attached container, plain and TLS, and
//! servers that say no, close, or say nothing.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use gantline::internal::http::{Client, ClientOptions, HeaderValue, Limits, Post};
use gantline::internal::pump::{Carrier, Finish, Sink, Source, TransferReport};
use rustls::{ServerConnection, StreamOwned};
use url::Url;

use crate::http_authority::{Authority, Version};
use crate::http_support::{chain, reset, until_closed};
use crate::pump_peer::{DEADLINE, Fixture, noise};
use crate::pump_sinks::attached;

const ACCEPTED: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok";

/// A server for one POST: what it does after the request's head, and what came of it.
pub(crate) struct Server<T> {
    port: u16,
    came: Receiver<(String, T)>,
}

impl<T: Send + 'static> Server<T> {
    pub(crate) fn new(script: impl FnOnce(&mut TcpStream) -> T + Send + 'static) -> Self {
        Self::listens(move |mut stream| (read_head(&mut stream), script(&mut stream)))
    }

    fn listens(serve: impl FnOnce(TcpStream) -> (String, T) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, came) = crossbeam_channel::bounded(1);
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let _ = sender.send(serve(stream));
        });
        Self { port, came }
    }

    pub(crate) fn sink(&self) -> Sink {
        self.sink_with(ClientOptions::default())
    }

    fn sink_with(&self, options: ClientOptions) -> Sink {
        sink(&format!("http://127.0.0.1:{}/in?secret=1", self.port), options)
    }

    pub(crate) fn came(&self) -> (String, T) {
        self.came.recv_timeout(DEADLINE).expect("the server has not got it all in time")
    }
}

fn sink(url: &str, options: ClientOptions) -> Sink {
    let post = Post::new(Url::parse(url).unwrap())
        .with_header("X-Token", HeaderValue::new("very-secret-token"));
    Sink::Post { client: Client::new(options).unwrap(), post }
}

fn read_head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn read_line(stream: &mut impl Read) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

fn read_chunk(stream: &mut impl Read) -> Vec<u8> {
    let length = usize::from_str_radix(&read_line(stream), 16).unwrap();
    let mut chunk = vec![0; length];
    stream.read_exact(&mut chunk).unwrap();
    assert_eq!(read_line(stream), "");
    chunk
}

/// Reads a whole body of chunks.
fn read_body(stream: &mut impl Read) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        match read_chunk(stream) {
            chunk if chunk.is_empty() => return body,
            chunk => body.extend(chunk),
        }
    }
}

pub(crate) fn accept(stream: &mut TcpStream) -> Vec<u8> {
    let body = read_body(stream);
    stream.write_all(ACCEPTED).unwrap();
    body
}

/// Writes into a FIFO, as a program in a container does, and tells whether it could.
pub(crate) fn writer(path: PathBuf, bytes: Vec<u8>) -> thread::JoinHandle<std::io::Result<()>> {
    thread::spawn(move || OpenOptions::new().write(true).open(path)?.write_all(&bytes))
}

/// Posts `bytes` out of a FIFO.
pub(crate) fn post(sink: Sink, bytes: &[u8]) -> TransferReport {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), sink).unwrap();
    fixture.join(writer(path, bytes.to_vec())).unwrap();
    fixture.flow.container_exited();
    fixture.ended(0)
}

/// The error of a POST of more than any socket holds.
fn refusal(sink: Sink) -> String {
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), sink).unwrap();
    let writing = writer(path, noise(32 << 20));
    let error = fixture.failed();
    assert!(fixture.join(writing).is_err(), "the writer gets EPIPE");
    fixture.flow.container_exited();
    let text = chain(&error);
    assert!(!text.contains("secret"), "{text}");
    text
}

#[test]
fn what_is_written_into_a_fifo_is_the_body_of_a_post() {
    let server = Server::new(accept);
    let body = noise(9 << 20);
    let report = post(server.sink(), &body);
    assert_eq!(report.finish, Finish::Complete);
    assert_eq!((report.carrier, report.bytes), (Carrier::Splice, 9 << 20));
    let (head, came) = server.came();
    assert!(came == body);
    assert!(head.starts_with("POST /in?secret=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
    assert!(head.contains("\r\nX-Token: very-secret-token\r\n"), "{head}");
}

#[test]
fn a_slow_server_gets_every_byte_in_its_order() {
    let server = Server::new(|stream| {
        socket2::SockRef::from(&*stream).set_recv_buffer_size(128 << 10).unwrap();
        accept(stream)
    });
    let body = noise(20 << 20);
    assert_eq!(post(server.sink(), &body).finish, Finish::Complete);
    assert!(server.came().1 == body);
}

#[test]
fn every_small_write_arrives_before_the_next_is_made() {
    let (sender, arrived) = crossbeam_channel::unbounded();
    let server = Server::new(move |stream| {
        for _ in 0..20 {
            sender.send(read_chunk(stream)).unwrap();
        }
        assert!(read_chunk(stream).is_empty());
        stream.write_all(ACCEPTED).unwrap();
    });
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), server.sink()).unwrap();
    let mut writer = OpenOptions::new().write(true).open(path).unwrap();
    for number in 0..20_u8 {
        writer.write_all(&[number; 7]).unwrap();
        assert_eq!(arrived.recv_timeout(DEADLINE).unwrap(), [number; 7]);
    }
    drop(writer);
    fixture.flow.container_exited();
    assert_eq!(fixture.ended(0).bytes, 140);
}

#[test]
fn a_fifo_that_nobody_writes_is_an_empty_body() {
    let server = Server::new(accept);
    let fixture = Fixture::new();
    let (fifo, _path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), server.sink()).unwrap();
    fixture.flow.container_exited();
    assert_eq!(fixture.ended(0).finish, Finish::NotOpened);
    assert!(server.came().1.is_empty());
}

#[test]
fn it_connects_when_the_first_byte_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    let sink = sink(&format!("http://127.0.0.1:{port}/"), ClientOptions::default());
    fixture.flow.add(0, Source::Fifo(fifo), sink).unwrap();
    let mut writer = OpenOptions::new().write(true).open(path).unwrap();
    // A transfer that is added after it has had its turn when this one is over.
    let (other, _) = fixture.fifo("other");
    fixture.flow.add(1, Source::Fifo(other), Sink::Listener(Box::new(Deaf))).unwrap();
    assert!(listener.accept().is_err(), "nobody connects yet");
    writer.write_all(b"x").unwrap();
    listener.set_nonblocking(false).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(read_head(&mut stream).starts_with("POST / "));
    assert_eq!(read_chunk(&mut stream), b"x");
}

struct Deaf;

impl gantline::internal::pump::Listen for Deaf {
    fn hear(&mut self, _: &[u8]) {}
    fn ended(&mut self) {}
}

#[test]
fn a_containers_output_is_posted_out_of_its_spool() {
    let server = Server::new(accept);
    let fixture = Fixture::new();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (read, write) = std::io::pipe().unwrap();
    let attach = attached(ours, Vec::new());
    fixture.flow.attach(attach, (0, server.sink()), (1, Sink::Inherited(write.into()))).unwrap();
    theirs.write_all(b"o\x03abce\x03xyzo\x03def").unwrap();
    drop(theirs);
    let report = fixture.ended(0);
    assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Spool));
    assert_eq!(server.came().1, b"abcdef");
    drop(read);
}

#[test]
fn tls_carries_the_body_too() {
    for version in [Version::Tls12, Version::Tls13] {
        let authority = Authority::new();
        let config = Arc::new(authority.issue(&["127.0.0.1"]).server(version));
        let server = Server::listens(move |stream| {
            let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
            let head = read_head(&mut stream);
            let body = read_body(&mut stream);
            stream.write_all(ACCEPTED).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            (head, body)
        });
        let options = ClientOptions::default().with_ca_files([authority.file()]);
        let sink = sink(&format!("https://127.0.0.1:{}/in", server.port), options);
        let body = noise(5 << 20);
        let report = post(sink, &body);
        assert_eq!((report.finish, report.carrier), (Finish::Complete, Carrier::Copy));
        let (head, came) = server.came();
        assert!(head.starts_with("POST /in HTTP/1.1\r\n") && came == body);
    }
}

#[test]
fn a_refusal_in_the_middle_of_the_body_says_what_the_server_says() {
    let answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 46\r\n\r\n\
                  {\"message\": \"no room for very-secret-token now\"}";
    let server = Server::new(move |stream| {
        read_chunk(stream);
        stream.write_all(answer.as_bytes()).unwrap();
        // It takes no more, and keeps the connection.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        until_closed(stream);
    });
    let text = refusal(server.sink());
    assert!(
        text.starts_with("cannot post the bytes, which cannot be sent a second time"),
        "{text}"
    );
    assert!(text.contains("status 413"), "{text}");
}

#[test]
fn a_refusal_whose_text_comes_late_still_fails_the_transfer() {
    for is_at_the_end in [false, true] {
        let server = Server::new(move |stream| {
            match is_at_the_end {
                true => read_body(stream),
                false => read_chunk(stream),
            };
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\n\r\n").unwrap();
            let _ = crossbeam_channel::after(Duration::from_millis(300)).recv();
            stream.write_all(b"too much").unwrap();
            until_closed(stream);
        });
        let fixture = Fixture::new();
        let (fifo, path) = fixture.fifo("out");
        fixture.flow.add(0, Source::Fifo(fifo), server.sink()).unwrap();
        let size = if is_at_the_end { 100_000 } else { 20 << 20 };
        // Not joined: what nobody takes any more may hold it up until the flow goes.
        writer(path, noise(size));
        if is_at_the_end {
            fixture.advanced(size as u64);
            fixture.flow.container_exited();
        }
        let text = chain(&fixture.failed());
        assert!(text.ends_with("answered with status 413: too much"), "{text}");
    }
}

#[test]
fn a_refusal_at_the_end_fails_the_transfer() {
    let server = Server::new(|stream| {
        read_body(stream);
        let answer = b"HTTP/1.1 507 Full\r\nContent-Length: 8\r\n\r\nno space";
        stream.write_all(answer).unwrap();
    });
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), server.sink()).unwrap();
    fixture.join(writer(path, noise(100))).unwrap();
    fixture.flow.container_exited();
    let text = chain(&fixture.failed());
    assert!(text.ends_with("answered with status 507: no space"), "{text}");
}

#[test]
fn a_redirect_is_not_followed_and_the_error_says_why() {
    let server = Server::new(|stream| {
        read_chunk(stream);
        let answer = b"HTTP/1.1 307 Elsewhere\r\nLocation: /there?secret\r\n\r\n";
        stream.write_all(answer).unwrap();
        until_closed(stream);
    });
    let text = refusal(server.sink());
    assert!(text.ends_with("a POST is not redirected: its body cannot be sent again"), "{text}");
}

#[test]
fn a_server_that_closes_or_resets_without_an_answer_fails_the_transfer() {
    let closes = Server::new(|stream| {
        read_chunk(stream);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        until_closed(stream);
    });
    let text = refusal(closes.sink());
    assert!(text.ends_with("closed the connection before it answered"), "{text}");
    let resets = Server::new(|stream| {
        read_chunk(stream);
        reset(stream);
    });
    let text = refusal(resets.sink());
    assert!(text.contains("broke") || text.contains("closed the connection"), "{text}");
}

#[test]
fn a_server_that_is_content_before_the_end_may_stop_reading() {
    let server = Server::new(|stream| {
        read_chunk(stream);
        stream.write_all(ACCEPTED).unwrap();
        reset(stream);
    });
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), server.sink()).unwrap();
    let writing = writer(path, noise(32 << 20));
    assert_eq!(fixture.ended(0).finish, Finish::Refused);
    assert!(fixture.join(writing).is_err(), "the writer gets EPIPE");
}

#[test]
fn an_answer_that_comes_early_does_not_stop_the_body() {
    let server = Server::new(|stream| {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        stream.write_all(ACCEPTED).unwrap();
        read_body(stream)
    });
    let body = noise(5 << 20);
    assert_eq!(post(server.sink(), &body).finish, Finish::Complete);
    assert!(server.came().1 == body);
}

#[test]
fn a_server_that_takes_nothing_or_never_answers_has_a_deadline() {
    let limits = Limits::default().with_stall(Duration::from_millis(300));
    let options = ClientOptions::default().with_limits(limits);
    let (done, wait) = crossbeam_channel::bounded::<()>(1);
    let idle = Server::new(move |_| wait.recv_timeout(DEADLINE).is_ok());
    let text = refusal(idle.sink_with(options.clone()));
    assert!(text.ends_with("it takes no more bytes"), "{text}");
    drop(done);

    let mute = Server::new(|stream| {
        let body = read_body(stream);
        until_closed(stream);
        body
    });
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), mute.sink_with(options)).unwrap();
    fixture.join(writer(path, noise(100))).unwrap();
    fixture.flow.container_exited();
    let text = chain(&fixture.failed());
    assert!(text.ends_with("everything is sent, and it does not answer"), "{text}");
    assert_eq!(mute.came().1.len(), 100);
}

#[test]
fn a_server_that_is_not_there_fails_at_the_first_byte() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = refusal(sink(&format!("http://localhost:{port}/"), ClientOptions::default()));
    assert!(text.contains("cannot connect to localhost"), "{text}");
}

#[test]
fn a_cancelled_post_does_not_look_whole() {
    let server = Server::new(|stream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        rest
    });
    let fixture = Fixture::new();
    let (fifo, path) = fixture.fifo("out");
    fixture.flow.add(0, Source::Fifo(fifo), server.sink()).unwrap();
    let mut writer = OpenOptions::new().write(true).open(path).unwrap();
    writer.write_all(b"part").unwrap();
    fixture.advanced(4);
    fixture.flow.cancel();
    assert_eq!(fixture.ended(0).finish, Finish::Cancelled);
    assert!(!server.came().1.ends_with(b"0\r\n\r\n"));
}
