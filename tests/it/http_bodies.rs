//! Bodies of every framing, cut into pieces in every way, taken by every way.

use std::io::Write as _;

use gantline::internal::http::{ClientOptions, Get, HeaderValue};

use crate::http_support::{
    Driver, Peer, Way, client, client_with, fetch, fetch_all, noise, until_closed,
};

const WAYS: [Way; 4] = [Way::Splice, Way::Read(1), Way::Read(1000), Way::Read(1 << 20)];

/// The same body in each framing.
fn framed(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", data.len());
    let mut chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n".to_vec();
    for (number, chunk) in data.chunks(9999).enumerate() {
        let extension = if number % 2 == 0 { ";name=\"value\"" } else { "" };
        chunked.extend(format!("{:X}{extension}\r\n", chunk.len()).into_bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0;last\r\nT: x\r\nU: y\r\n\r\n");
    vec![
        ("length", [length.as_bytes(), data].concat()),
        ("until close", [b"HTTP/1.1 200 OK\r\n\r\n", data].concat()),
        ("until close, 1.0", [b"HTTP/1.0 200 OK\r\n\r\n", data].concat()),
        ("chunked", chunked),
    ]
}

#[test]
fn every_framing_arrives_whole_by_every_way() {
    for size in [0, 1, 65_535, 65_536, 65_537, 300_001] {
        let data = noise(size as u64, size);
        for (framing, answer) in framed(&data) {
            for way in WAYS {
                let peer = Peer::says(answer.clone());
                let body = fetch_all(&client(), Get::new(peer.url("/x")), way).unwrap();
                assert!(body == data, "{size} bytes, {framing}, {way:?}");
            }
        }
    }
}

#[test]
fn every_split_in_two_pieces_gives_the_same() {
    // Each piece is a segment of its own; the second is sent when the first has been seen.
    for (framing, answer) in framed(b"hello") {
        for cut in 1..answer.len() {
            let pieces = (answer[..cut].to_vec(), answer[cut..].to_vec());
            let peer = Peer::follows(vec![Box::new(move |stream, _| {
                stream.write_all(&pieces.0).unwrap();
                std::thread::yield_now();
                stream.write_all(&pieces.1).unwrap();
            })]);
            let way = if cut % 2 == 0 { Way::Splice } else { Way::Read(3) };
            let body = fetch_all(&client(), Get::new(peer.url("/x")), way).unwrap();
            assert_eq!(body, b"hello", "{framing}, cut at {cut}");
        }
    }
}

#[test]
fn no_byte_of_the_body_is_taken_with_the_head() {
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let mut response = fetch(&client(), Get::new(peer.url("/x"))).unwrap();
    assert_eq!(response.body.remaining(), Some(5));
    let mut buf = [0; 64];
    let raw = response.body.raw().unwrap();
    assert_eq!(nix::unistd::read(raw, &mut buf).unwrap(), 5);
    assert_eq!(&buf[..5], b"hello");
    response.body.taken(5);
    assert_eq!(response.body.remaining(), Some(0));
}

#[test]
fn a_head_that_comes_byte_by_byte_is_taken_without_a_busy_loop() {
    let peer = Peer::follows(vec![Box::new(|stream, _| {
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" {
            stream.write_all(&[*byte]).unwrap();
            std::thread::yield_now();
        }
        until_closed(stream);
    })]);
    let mut driver = Driver::new();
    let exchange = client().get(Get::new(peer.url("/x"))).unwrap();
    let mut response = driver.response(exchange).unwrap();
    assert!(driver.advances < 60, "{} advances", driver.advances);
    assert_eq!(driver.body(&mut response.body, Way::Splice).unwrap(), b"ok");
}

#[test]
fn a_half_head_and_nothing_more_is_waited_for_without_a_busy_loop() {
    let peer = Peer::follows(vec![Box::new(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let _ = std::io::Read::read(stream, &mut [0]);
        stream.write_all(b"Content-Length: 2\r\n\r\nok").unwrap();
        until_closed(stream);
    })]);
    let mut driver = Driver::new();
    let exchange = client().get(Get::new(peer.url("/x"))).unwrap();
    driver.response(exchange).unwrap();
    assert!(driver.advances < 10, "{} advances", driver.advances);
}

#[test]
fn chunks_cannot_be_spliced_and_lengths_can() {
    for (framing, answer) in framed(b"hello") {
        let response = fetch(&client(), Get::new(Peer::says(answer).url("/"))).unwrap();
        assert_eq!(response.body.raw().is_some(), framing != "chunked", "{framing}");
    }
}

#[test]
fn the_receive_buffer_is_asked_for_before_connecting() {
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let options = ClientOptions::default().with_receive_buffer(50_000);
    let mut response = fetch(&client_with(options), Get::new(peer.url("/"))).unwrap();
    let socket = socket2::SockRef::from(&*response.body.connection());
    // The kernel doubles it, for its own books (socket(7)).
    assert_eq!(socket.recv_buffer_size().unwrap(), 100_000);
    assert!(socket.tcp_nodelay().unwrap());
}

#[test]
fn a_peer_that_cuts_where_it_likes_changes_nothing() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let data = noise(seed, random.usize(..200_000));
        let (framing, answer) = framed(&data).swap_remove(random.usize(..4));
        let way = WAYS[random.usize(..WAYS.len())];
        let peer = Peer::follows(vec![Box::new(move |stream, _| {
            let mut rest = answer.as_slice();
            while !rest.is_empty() {
                let most = if random.bool() { 20 } else { 60_000 };
                let (piece, after) = rest.split_at(random.usize(1..=most.min(rest.len())));
                stream.write_all(piece).unwrap();
                if random.bool() {
                    std::thread::yield_now();
                }
                rest = after;
            }
        })]);
        let body = fetch_all(&client(), Get::new(peer.url("/x")), way).unwrap();
        assert!(body == data, "seed {seed}, {framing}, {way:?}");
    }
}

#[test]
fn a_response_can_be_shown_and_sent_and_its_token_stays_hidden() {
    fn is_send<T: Send>(_: &T) {}
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let get =
        Get::new(peer.url("/x?s3cret")).with_header("Girder-Token", HeaderValue::new("t0ken"));
    let exchange = client().get(get).unwrap();
    is_send(&exchange);
    let shown = format!("{exchange:?}");
    let response = Driver::new().response(exchange).unwrap();
    is_send(&response);
    let shown = format!("{shown} {response:?}");
    assert!(peer.request().contains("t0ken"));
    // As text, and as the numbers of its bytes.
    for secret in ["t0ken", "s3cret", "116, 48, 107"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
