//! A depot whose files change, whose clients misbehave, and that is stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;

use tempfile::TempDir;

use crate::depot_client::{Client, Serving};

/// More than the buffers of two sockets hold.
const LARGE: u64 = 64 << 20;

/// A depot with one large file, and a client that has read no more than the head of the answer.
fn download_begun() -> (TempDir, Serving, Client) {
    let directory = TempDir::new().unwrap();
    File::create(directory.path().join("f")).unwrap().set_len(LARGE).unwrap();
    let depot = Serving::folder(directory.path());
    let mut client = depot.connect();
    let id = depot.id("f");
    client.send(&format!("GET /api/v1/file/{id}/download HTTP/1.1\r\nHost: x\r\n\r\n"));
    let head = client.head().unwrap();
    assert_eq!(head.headers["content-length"], LARGE.to_string());
    (directory, depot, client)
}

/// The connection broke before the last byte.
fn assert_broken(client: Client) {
    let (bytes, end) = client.rest();
    assert!((bytes as u64) < LARGE, "all {bytes} bytes came");
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset, "after {bytes} bytes");
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_breaks_the_connection() {
    let (directory, depot, client) = download_begun();
    let file = OpenOptions::new().write(true).open(directory.path().join("f")).unwrap();
    file.set_len(1 << 20).unwrap();
    assert_broken(client);
    depot.stop();
}

#[test]
fn a_file_that_is_written_to_while_it_is_sent_breaks_the_connection() {
    let (directory, depot, client) = download_begun();
    let file = OpenOptions::new().write(true).open(directory.path().join("f")).unwrap();
    file.write_all_at(b"new", LARGE / 2).unwrap();
    assert_broken(client);
    depot.stop();
}

#[test]
fn a_file_that_is_replaced_while_it_is_sent_arrives_as_it_was() {
    let (directory, depot, client) = download_begun();
    let new = directory.path().join("new");
    fs::write(&new, "new").unwrap();
    fs::rename(new, directory.path().join("f")).unwrap();
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    let (bytes, end) = client.rest();
    assert_eq!(bytes as u64, LARGE);
    end.unwrap();
    depot.stop();
}

#[test]
fn one_connection_serves_many_requests_also_when_they_come_at_once() {
    let directory = TempDir::new().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(directory.path().join(name), name.repeat(1000)).unwrap();
    }
    let depot = Serving::folder(directory.path());
    let request = |name: &str| {
        format!("GET /api/v1/file/{}/download HTTP/1.1\r\nHost: x\r\n\r\n", depot.id(name))
    };
    let mut client = depot.connect();
    client.send(&["a", "b", "c"].map(request).concat());
    for name in ["a", "b", "c"] {
        assert_eq!(client.reply("GET").unwrap().body, name.repeat(1000).as_bytes());
    }
    client.send("GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(client.reply("GET").unwrap().headers["connection"], "close");
    assert_eq!(client.rest().0, 0);
    depot.stop();
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let directory = TempDir::new().unwrap();
    let depot = Serving::folder(directory.path());
    let mut client = depot.connect();
    client.socket.set_nodelay(true).unwrap();
    for byte in "GET /api/v1/system/version HTTP/1.1\r\nHost: x\r\n\r\n".chars() {
        client.send(&byte.to_string());
    }
    assert_eq!(client.reply("GET").unwrap().status, 200);
    depot.stop();
}

#[test]
fn what_is_not_a_request_gets_an_answer_and_the_end() {
    let directory = TempDir::new().unwrap();
    let depot = Serving::folder(directory.path());
    for (bytes, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        (
            "POST /api/v1/file HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nbody\r\n".to_owned(),
            413,
        ),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(100_000)), 431),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned() + &"\0".repeat(500), 400),
    ] {
        let mut client = depot.connect();
        client.send(&bytes);
        let reply = client.reply("GET").unwrap();
        assert_eq!((reply.status, &*reply.headers["connection"]), (status, "close"));
        assert_eq!(client.rest().0, 0);
    }
    depot.stop();
}

#[test]
fn a_client_that_leaves_or_says_nothing_disturbs_nobody() {
    let (_directory, depot, client) = download_begun();
    let silent = depot.connect();
    drop(client);
    let half = {
        let mut client = depot.connect();
        client.send("GET /api/v1/sys");
        client
    };
    assert_eq!(depot.get("/api/v1/system/version", "").status, 200);
    drop((silent, half));
    depot.stop();
}

#[test]
fn stopping_closes_idle_and_busy_connections_and_leaves_no_descriptor() {
    let before = fs::read_dir("/proc/self/fd").unwrap().count();
    let (directory, depot, busy) = download_begun();
    let mut idle = depot.connect();
    idle.send("GET /api/v1/system/version HTTP/1.1\r\nHost: x\r\n\r\n");
    idle.reply("GET").unwrap();
    depot.stop();
    assert!((busy.rest().0 as u64) < LARGE);
    assert_eq!(idle.rest().0, 0);
    drop(directory);
    assert_eq!(fs::read_dir("/proc/self/fd").unwrap().count(), before);
}

#[test]
fn a_seeded_adversary_never_takes_a_depot_down() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("f"), "0123456789").unwrap();
    let depot = Serving::folder(directory.path());
    let seed = std::env::var("SEED").ok().map_or_else(|| fastrand::u64(..), |s| s.parse().unwrap());
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let valid = format!(
        "GET /api/v1/file/{}/download?offset=3&endByte=8 HTTP/1.1\r\nHost: x\r\nRange: bytes=2-7\r\n\r\n",
        depot.id("f")
    );
    for _ in 0..300 {
        let mut bytes = valid.clone().into_bytes();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, random.u8(..)),
            }
        }
        let client = depot.connect();
        // The depot may have hung up already.
        let _ = (&client.socket).write_all(&bytes);
        let _ = client.socket.shutdown(std::net::Shutdown::Write);
        let (_, end) = client.rest();
        assert!(!end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "SEED={seed}");
    }
    assert_eq!(depot.get("/api/v1/system/version", "").status, 200);
    depot.stop();
}
