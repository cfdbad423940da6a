//! Every way in which a peer on plain TCP can let us down, and what is said about it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use gantline::internal::http::{Get, HeaderValue, HttpError, Read, Validator};

use crate::http_support::{
    Driver, Peer, Way, answers, chain, client, client_with, fetch, fetch_all, impatient, reset,
    until_closed,
};

/// The error of a GET whose answer is `answer`.
fn refusal(answer: &str) -> HttpError {
    refusal_of(answer, |get| get)
}

fn refusal_of(answer: &str, change: impl FnOnce(Get) -> Get) -> HttpError {
    let peer = Peer::says(answer);
    fetch(&client(), change(Get::new(peer.url("/data?secret=s3cret")))).unwrap_err()
}

fn from_seven(get: Get) -> Get {
    Get { from: 7, ..get }
}

#[test]
fn a_port_where_nobody_listens_is_a_transient_error_that_names_it() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = url::Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    let error = fetch(&client(), Get::new(url)).unwrap_err();
    assert!(error.is_transient());
    let expected = format!("cannot connect to 127.0.0.1 at 127.0.0.1:{port}: Connection refused");
    assert!(chain(&error).starts_with(&expected), "{}", chain(&error));
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    let url = url::Url::parse("http://does-not-exist.invalid/").unwrap();
    let error = fetch(&client(), Get::new(url)).unwrap_err();
    assert!(matches!(&error, HttpError::Lookup { host, .. } if host == "does-not-exist.invalid"));
    assert!(!error.is_transient());
}

#[test]
fn a_peer_that_never_answers_meets_the_deadline_for_the_head() {
    let peer = Peer::follows(vec![Box::new(|stream, _| until_closed(stream))]);
    let started = Instant::now();
    let error = fetch(&client_with(impatient()), Get::new(peer.url("/"))).unwrap_err();
    assert!(matches!(error, HttpError::TimedOut { .. }) && error.is_transient(), "{error:?}");
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_head_that_trickles_in_for_ever_meets_the_deadline_too() {
    let peer = Peer::follows(vec![Box::new(|stream, _| {
        while stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").is_ok() {
            // Waits for an answer that does not come, as a clock.
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let _ = std::io::Read::read(stream, &mut [0]);
            if stream.write_all(b"y").is_err() {
                break;
            }
        }
    })]);
    let mut driver = Driver::new();
    let exchange = client_with(impatient()).get(Get::new(peer.url("/"))).unwrap();
    let error = driver.response(exchange).unwrap_err();
    assert!(matches!(error, HttpError::TimedOut { .. }), "{error:?}");
    assert!(driver.advances < 100, "{} advances", driver.advances);
}

#[test]
fn a_peer_that_does_not_take_the_connection_meets_the_deadline_for_it() {
    // A queue of one that is full: the kernel drops the SYN of whoever comes next.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let one = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        one.set_nonblocking(true).unwrap();
        let _ = one.connect(&address.into());
        waiting.push(one);
    }
    let url = url::Url::parse(&format!("http://{address}/")).unwrap();
    let error = fetch(&client_with(impatient()), Get::new(url)).unwrap_err();
    let HttpError::Connect { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::TimedOut);
    assert!(error.is_transient());
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let url = url::Url::parse(&format!("http://localhost:{}/", peer.port())).unwrap();
    let mut exchange = client().get(Get::new(url)).unwrap();
    let first = exchange.advance(Instant::now()).unwrap();
    let gantline::internal::http::Progress::Lookup(lookup) = first else { panic!("{first:?}") };
    assert_eq!(lookup.host(), "localhost");
    // Asked again before the answer is there, it waits.
    let again = exchange.advance(Instant::now()).unwrap();
    assert!(matches!(again, gantline::internal::http::Progress::Blocked { .. }), "{again:?}");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let open = std::net::SocketAddr::from(([127, 0, 0, 1], peer.port()));
    exchange.resolved(Ok(vec![closed, open]));
    let mut driver = Driver::new();
    let mut response = driver.response(exchange).unwrap();
    assert_eq!(driver.body(&mut response.body, Way::Splice).unwrap(), b"ok");
}

#[test]
fn a_lookup_that_takes_too_long_or_finds_nothing_is_an_error() {
    let url = url::Url::parse("http://localhost/").unwrap();
    let mut exchange = client_with(impatient()).get(Get::new(url.clone())).unwrap();
    let now = Instant::now();
    let _ = exchange.advance(now).unwrap();
    let error = exchange.advance(now + Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, HttpError::TimedOut { .. }), "{error:?}");
    let mut exchange = client().get(Get::new(url)).unwrap();
    let _ = exchange.advance(now).unwrap();
    exchange.resolved(Ok(Vec::new()));
    let error = exchange.advance(now).unwrap_err();
    assert!(matches!(error, HttpError::Lookup { .. }), "{error:?}");
}

#[test]
fn a_connection_that_ends_before_the_head_does_is_no_answer() {
    for answer in ["", "H", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"] {
        let error = refusal(answer);
        assert!(matches!(error, HttpError::NoAnswer { .. }) && error.is_transient(), "{error:?}");
    }
}

#[test]
fn a_reset_in_the_middle_is_a_transient_error() {
    for way in [Way::Splice, Way::Read(1000)] {
        let peer = Peer::follows(vec![Box::new(|stream, _| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe").unwrap();
            // Waits until the head was taken, as a reset discards what was not.
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let _ = std::io::Read::read(stream, &mut [0]);
            reset(stream);
        })]);
        let error = fetch_all(&client(), Get::new(peer.url("/")), way).unwrap_err();
        assert!(matches!(error, HttpError::Connection { .. }) && error.is_transient(), "{error:?}");
    }
}

#[test]
fn a_body_that_ends_too_early_is_truncated_by_every_way() {
    let bodies = [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    for body in bodies {
        for way in [Way::Splice, Way::Read(1), Way::Read(1000)] {
            let error = fetch_all(&client(), Get::new(Peer::says(body).url("/")), way).unwrap_err();
            assert!(matches!(error, HttpError::Truncated { received: 5, .. }), "{error:?}");
            assert!(error.is_transient());
        }
    }
}

#[test]
fn bytes_beyond_the_announced_length_are_not_part_of_the_body() {
    for way in [Way::Splice, Way::Read(1000)] {
        let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more");
        assert_eq!(fetch_all(&client(), Get::new(peer.url("/")), way).unwrap(), b"hello");
    }
}

#[test]
fn a_response_that_could_be_two_is_refused() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Content-Length : 5",
        "Content-Length: 5\r\n X: y",
    ] {
        let error = refusal(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello"));
        assert!(matches!(error, HttpError::Head { .. }) && !error.is_transient(), "{error:?}");
    }
}

#[test]
fn a_head_that_fills_the_limit_is_refused() {
    let error = refusal(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(70_000)));
    assert!(chain(&error).ends_with("it is larger than 65536 bytes"), "{}", chain(&error));
    // Just below it is well.
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: {}\r\n\r\nz", "y".repeat(65_400));
    let peer = Peer::says(answer);
    assert_eq!(fetch_all(&client(), Get::new(peer.url("/")), Way::Splice).unwrap(), b"z");
}

#[test]
fn interim_responses_are_skipped_but_not_for_ever() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let peer = Peer::says(format!("{interim}{interim}{last}"));
    assert_eq!(fetch_all(&client(), Get::new(peer.url("/")), Way::Splice).unwrap(), b"ok");
    let error = refusal(&interim.repeat(2000));
    assert!(matches!(error, HttpError::Head { .. }), "{error:?}");
    let error = refusal("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert!(matches!(error, HttpError::Status { status: 101, .. }), "{error:?}");
}

#[test]
fn what_is_not_http_is_refused() {
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "\0\0\0\0\r\n\r\n", "HTTP/3 200\r\n\r\n"] {
        let error = refusal(answer);
        assert!(matches!(error, HttpError::Head { .. }), "{error:?}");
    }
}

#[test]
fn an_error_status_keeps_what_the_server_says_and_shows_no_secret() {
    let body = r#"{"message": "no file for t0ken-t0ken", "type": "rest"}"#;
    let answer = |status: u16| {
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    for (status, transient) in
        [(400, false), (401, false), (403, false), (404, false), (408, true), (429, true)]
            .into_iter()
            .chain([(500, true), (503, true), (204, false), (304, false), (300, false)])
    {
        let error = refusal_of(&answer(status), |get| {
            get.with_header("Girder-Token", HeaderValue::new("t0ken-t0ken"))
        });
        let text = format!("{error} {error:?}");
        assert!(text.contains(&format!("answered with status {status}: no file for …")), "{text}");
        assert!(!text.contains("t0ken") && !text.contains("s3cret"), "{text}");
        assert_eq!(error.is_transient(), transient, "{status}");
    }
}

#[test]
fn an_error_status_without_an_end_is_reported_all_the_same() {
    let chunked = "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let endless = format!("HTTP/1.1 500 X\r\n\r\n{}", "hello ".repeat(100_000));
    for answer in [chunked, &endless, "HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\nhello"] {
        let peer = Peer::follows(vec![Box::new({
            let answer = answer.to_owned();
            move |stream, _| {
                let _ = stream.write_all(answer.as_bytes());
                until_closed(stream);
            }
        })]);
        let error = fetch(&client(), Get::new(peer.url("/"))).unwrap_err();
        let HttpError::Status { status: 500, message: Some(message), .. } = &error else {
            panic!("{error:?}");
        };
        assert!(message.starts_with("hello") && message.len() < 400, "{message}");
    }
}

#[test]
fn a_range_that_is_not_served_is_told_apart() {
    let error = refusal_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", from_seven);
    assert!(matches!(error, HttpError::RangeIgnored { from: 7, .. }), "{error:?}");
    let answer = "HTTP/1.1 416 X\r\nContent-Range: bytes */5\r\nContent-Length: 0\r\n\r\n";
    let error = refusal_of(answer, from_seven);
    assert!(matches!(error, HttpError::RangeNotSatisfiable { from: 7, .. }), "{error:?}");
    for answer in [
        "HTTP/1.1 206 X\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 206 X\r\nContent-Range: bytes 6-8/9\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 206 X\r\nContent-Range: bytes 7-8/9\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 206 X\r\nContent-Range: bytes 7-7/9\r\nContent-Length: 1\r\n\r\n",
    ] {
        let error = refusal_of(answer, from_seven);
        assert!(matches!(error, HttpError::Range { .. }) && !error.is_transient(), "{error:?}");
    }
}

#[test]
fn the_rest_of_a_file_comes_with_its_place_and_only_of_the_same_file() {
    let answer = "HTTP/1.1 206 X\r\nContent-Range: bytes 7-8/9\r\nETag: \"a\"\r\n\
                  Content-Length: 2\r\n\r\nok";
    for (tag, same) in [("\"a\"", true), ("\"b\"", false)] {
        let peer = Peer::says(answer);
        let get = Get { from: 7, if_range: Some(Validator::tag(tag)), ..Get::new(peer.url("/")) };
        let outcome = fetch(&client(), get);
        let request = peer.request();
        assert!(request.contains(&format!("\r\nIf-Range: {tag}\r\n")), "{request}");
        assert!(request.contains("\r\nRange: bytes=7-\r\n"), "{request}");
        if !same {
            assert!(matches!(outcome, Err(HttpError::Range { .. })), "{outcome:?}");
            continue;
        }
        let response = outcome.unwrap();
        assert_eq!((response.status, response.start, response.total), (206, 7, Some(9)));
        assert_eq!(response.validator, Some(Validator::tag("\"a\"")));
        assert_eq!(response.body.remaining(), Some(2));
    }
}

#[test]
fn a_coding_that_nobody_asked_for_is_refused_by_name() {
    for status in ["200 OK", "206 X\r\nContent-Range: bytes 0-1/2"] {
        let error = refusal(&format!(
            "HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok"
        ));
        assert!(
            matches!(&error, HttpError::Coding { coding, .. } if coding == "gzip"),
            "{error:?}"
        );
        assert!(!error.is_transient());
    }
}

#[test]
fn an_exchange_that_has_failed_says_so_when_it_is_advanced_again() {
    let peer = Peer::follows(vec![answers("nonsense\r\n\r\n")]);
    let mut exchange = client().get(Get::new(peer.url("/"))).unwrap();
    while exchange.advance(Instant::now()).is_ok() {
        std::thread::yield_now();
    }
    assert!(matches!(exchange.advance(Instant::now()), Err(HttpError::Bug(_))));
    assert!(exchange.connection().is_none());
}

#[test]
fn a_body_read_into_no_room_is_a_bug() {
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
    let mut response = fetch(&client(), Get::new(peer.url("/"))).unwrap();
    assert!(matches!(response.body.read(&mut []), Err(HttpError::Bug(_))));
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let mut response = fetch(&client(), Get::new(peer.url("/"))).unwrap();
    assert!(matches!(response.body.read(&mut []), Ok(Read::Ended)));
}
