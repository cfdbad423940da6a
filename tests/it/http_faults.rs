//! Plain TCP: what goes right, and every way in which a peer can let us down.

use std::io::Write as _;

use gantline::http::{Get, HttpError};

use crate::http_support::{Driver, Peer, Way, client, fetch, fetch_all, noise, until_closed};

const WAYS: [Way; 4] = [Way::Splice, Way::Read(1), Way::Read(1000), Way::Read(1 << 18)];

#[test]
fn a_body_with_a_length_arrives_whole_by_every_way() {
    let data = noise(1, 300_001);
    for way in WAYS {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", data.len()).into_bytes();
        answer.extend(&data);
        let peer = Peer::says(answer);
        assert!(fetch_all(&client(), Get::new(peer.url("/x")), way).unwrap() == data, "{way:?}");
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
fn a_peer_that_refuses_is_a_transient_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = url::Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let error = fetch(&client(), Get::new(url)).unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }) && error.is_transient(), "{error:?}");
}
