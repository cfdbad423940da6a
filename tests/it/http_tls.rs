//! TLS: bodies of every framing through both versions, and certificates that are not to be trusted.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use gantline::internal::http::{Client, ClientOptions, Get, HeaderValue, HttpError, Response};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::Url;

use crate::http_authority::{Authority, Version};
use crate::http_support::{
    Peer, Way, chain, client, client_with, fetch, fetch_all, impatient, noise, until_closed,
};

type TlsStream = StreamOwned<ServerConnection, TcpStream>;

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

/// Serves connections by TLS, each with the same script; returns the port.
fn serve(config: ServerConfig, script: impl Fn(&mut TlsStream, &str) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                request.push(byte[0]);
            }
            if !request.is_empty() {
                script(&mut stream, &String::from_utf8(request).unwrap());
            }
        }
    });
    port
}

/// Answers and closes as TLS wants it.
fn say(stream: &mut TlsStream, answer: &[u8]) {
    let _ = stream.write_all(answer);
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn url(host: &str, port: u16) -> Url {
    Url::parse(&format!("https://{host}:{port}/x")).unwrap()
}

/// The error of a client that asks a server with this certificate at 127.0.0.1.
fn refusal(client: &Client, config: ServerConfig) -> HttpError {
    let port = serve(config, |stream, _| say(stream, b"HTTP/1.1 200 OK\r\n\r\n"));
    fetch(client, Get::new(url("127.0.0.1", port))).unwrap_err()
}

#[test]
fn every_framing_arrives_whole_through_both_versions() {
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    let client = authority.client();
    for version in VERSIONS {
        for size in [0, 1, 16_383, 16_384, 16_385, 700_001] {
            let data = noise(size as u64, size);
            let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
            let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in data.chunks(9999) {
                chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                chunked.extend(chunk);
                chunked.extend(b"\r\n");
            }
            chunked.extend(b"0\r\n\r\n");
            let until_close = [b"HTTP/1.1 200 OK\r\n\r\n", &data[..]].concat();
            for answer in [[length.as_bytes(), &data].concat(), chunked, until_close] {
                let port = serve(issued.server(version), move |stream, _| say(stream, &answer));
                for way in [Way::Read(100), Way::Read(20_000), Way::Read(1 << 20), Way::Splice] {
                    let get = Get::new(url("127.0.0.1", port));
                    let body = fetch_all(&client, get, way).unwrap();
                    assert!(body == data, "{size} bytes, {version:?}, {way:?}");
                }
            }
        }
    }
}

#[test]
fn small_records_and_changes_of_keys_do_not_disturb_a_body() {
    let authority = Authority::new();
    let mut config = authority.issue(&["127.0.0.1"]).server(Version::Tls13);
    config.max_fragment_size = Some(200);
    let data = noise(1, 100_000);
    let sent = data.clone();
    let port = serve(config, move |stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").unwrap();
        for part in sent.chunks(10_000) {
            stream.write_all(part).unwrap();
            stream.conn.refresh_traffic_keys().unwrap();
        }
        let _ = stream.flush();
        let _ = stream.read(&mut [0]);
    });
    for way in [Way::Read(100), Way::Read(1 << 18)] {
        let get = Get::new(url("127.0.0.1", port));
        assert!(fetch_all(&authority.client(), get, way).unwrap() == data, "{way:?}");
    }
}

#[test]
fn an_answer_cannot_be_spliced() {
    let authority = Authority::new();
    let config = authority.issue(&["127.0.0.1"]).server(Version::Tls13);
    let port = serve(config, |stream, _| {
        say(stream, b"HTTP/1.1 206 X\r\nContent-Range: bytes 5-8/9\r\n\r\nbody");
    });
    let get = Get { from: 5, ..Get::new(url("127.0.0.1", port)) };
    let Response { status, total, start, body, .. } = fetch(&authority.client(), get).unwrap();
    assert_eq!((status, total, start, body.remaining()), (206, Some(9), 5, Some(4)));
    assert!(body.raw().is_none());
}

#[test]
fn a_connection_that_is_cut_is_not_an_end() {
    let authority = Authority::new();
    let issued = authority.issue(&["127.0.0.1"]);
    for version in VERSIONS {
        for head in ["", "Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n"] {
            let body = if head.starts_with('T') { "5\r\nhello" } else { "hello" };
            let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}");
            // Closes the socket without saying so inside TLS, as whoever cuts the line would.
            let port = serve(issued.server(version), move |stream, _| {
                stream.write_all(answer.as_bytes()).unwrap();
            });
            let get = Get::new(url("127.0.0.1", port));
            let error = fetch_all(&authority.client(), get, Way::Read(1000)).unwrap_err();
            assert!(matches!(error, HttpError::Truncated { received: 5, .. }), "{error:?}");
            assert!(error.is_transient());
        }
    }
}

#[test]
fn a_known_length_needs_no_farewell() {
    let authority = Authority::new();
    let port = serve(authority.issue(&["127.0.0.1"]).server(Version::Tls13), |stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    });
    let get = Get::new(url("127.0.0.1", port));
    assert_eq!(fetch_all(&authority.client(), get, Way::Read(100)).unwrap(), b"hello");
}

#[test]
fn an_authority_that_is_not_known_is_said_to_be_so() {
    let stranger = Authority::new();
    let config = stranger.issue(&["127.0.0.1"]).server(Version::Tls13);
    let error = refusal(&Authority::new().client(), config);
    assert!(!error.is_transient());
    assert!(chain(&error).contains("not from an authority that is trusted"), "{}", chain(&error));
    assert!(chain(&error).contains("127.0.0.1"), "{}", chain(&error));
}

#[test]
fn a_certificate_for_another_host_is_said_to_be_so() {
    let authority = Authority::new();
    for version in VERSIONS {
        let config = authority.issue(&["other.example", "10.0.0.1"]).server(version);
        let error = refusal(&authority.client(), config);
        assert!(!error.is_transient());
        let text = chain(&error);
        assert!(text.contains("its certificate is for another host"), "{text}");
        assert!(text.contains("other.example"), "{text}");
    }
}

#[test]
fn a_certificate_out_of_its_time_is_said_to_be_so() {
    let authority = Authority::new();
    let expired = authority.issue_with(&["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let error = refusal(&authority.client(), expired.server(Version::Tls13));
    assert!(chain(&error).contains("its certificate has expired"), "{}", chain(&error));
    let early = authority.issue_with(&["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(3001, 1, 1);
        params.not_after = rcgen::date_time_ymd(3002, 1, 1);
    });
    let error = refusal(&authority.client(), early.server(Version::Tls13));
    assert!(chain(&error).contains("not valid yet"), "{}", chain(&error));
}

#[test]
fn a_port_for_plain_http_is_said_to_be_so() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        until_closed(&mut stream);
    });
    let error = fetch(&authority.client(), Get::new(url("127.0.0.1", port))).unwrap_err();
    assert!(chain(&error).contains("what it sends is not TLS"), "{}", chain(&error));
}

#[test]
fn a_handshake_that_does_not_go_on_meets_the_deadline_and_one_that_is_cut_is_transient() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut silent, _) = listener.accept().unwrap();
        until_closed(&mut silent);
        let (mut cut, _) = listener.accept().unwrap();
        let _ = cut.read(&mut [0; 5000]);
    });
    let get = Get::new(url("127.0.0.1", port));
    let error = fetch(&authority.client_with(impatient()), get.clone()).unwrap_err();
    assert!(matches!(error, HttpError::TimedOut { .. }), "{error:?}");
    let error = fetch(&authority.client(), get).unwrap_err();
    assert!(matches!(error, HttpError::Connection { .. }) && error.is_transient(), "{error:?}");
}

#[test]
fn a_redirect_from_tls_to_plain_is_refused_by_name() {
    let authority = Authority::new();
    let plain = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let location = plain.url("/x").to_string();
    let port =
        serve(authority.issue(&["127.0.0.1"]).server(Version::Tls13), move |stream, asked| {
            assert!(asked.contains("Girder-Token: t0ken"), "{asked}");
            say(stream, format!("HTTP/1.1 302 X\r\nLocation: {location}\r\n\r\n").as_bytes());
        });
    let get =
        Get::new(url("127.0.0.1", port)).with_header("Girder-Token", HeaderValue::new("t0ken"));
    let error = fetch_all(&authority.client(), get, Way::Splice).unwrap_err();
    assert!(matches!(&error, HttpError::Redirect { .. }) && !error.is_transient(), "{error:?}");
    assert!(chain(&error).contains("from https to http"), "{}", chain(&error));
}

#[test]
fn a_ca_file_that_is_of_no_use_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let error = |text: Option<&str>| {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let options = ClientOptions::default().with_ca_files([path.clone()]);
        let error = Client::new(options).unwrap_err();
        assert!(matches!(error, HttpError::CaFile { .. }) && !error.is_transient(), "{error:?}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        chain(&error)
    };
    assert!(error(None).contains("No such file"));
    assert!(error(Some("")).contains("no certificate in it"));
    assert!(error(Some("hello")).contains("no certificate in it"));
    let nonsense = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert!(error(Some(nonsense)).contains("cannot be used"));
}

/// Runs itself again with another environment, as the certificates are found through it.
#[test]
fn the_authorities_of_ssl_cert_file_are_trusted() {
    const URL: &str = "GANTLINE_TEST_TLS_URL";
    const NAME: &str = "http_tls::the_authorities_of_ssl_cert_file_are_trusted";
    if let Ok(url) = std::env::var(URL) {
        let get = Get::new(Url::parse(&url).unwrap());
        assert_eq!(fetch_all(&client(), get, Way::Splice).unwrap(), b"ok");
        return;
    }
    let authority = Authority::new();
    let port = serve(authority.issue(&["127.0.0.1"]).server(Version::Tls13), |stream, _| {
        say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let run = |file: std::path::PathBuf| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture"]);
        command.env(URL, url("127.0.0.1", port).as_str()).env("SSL_CERT_FILE", file);
        command.env_remove("SSL_CERT_DIR");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let (trusted, text) = run(authority.file());
    assert!(trusted && text.contains("1 passed"), "{text}");
    let (trusted, text) = run("/does/not/exist.pem".into());
    assert!(!trusted && text.contains("NoRoots"), "{text}");
}

#[test]
fn plain_http_needs_no_certificates() {
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let body =
        fetch_all(&client_with(ClientOptions::default()), Get::new(peer.url("/")), Way::Splice);
    assert_eq!(body.unwrap(), b"ok");
}

#[test]
fn a_servers_own_certificate_that_may_sign_others_is_trusted_if_it_is_named() {
    let (named, issued) = Authority::of_a_server(&["127.0.0.1"], |_| {});
    for version in VERSIONS {
        let port = serve(issued.server(version), |stream, _| {
            say(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
        let get = Get::new(url("127.0.0.1", port));
        assert_eq!(fetch_all(&named.client(), get.clone(), Way::Read(10)).unwrap(), b"ok");
        let error = fetch(&Authority::new().client(), get).unwrap_err();
        assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
    }
    let (elsewhere, issued) = Authority::of_a_server(&["another.host"], |_| {});
    let error = refusal(&elsewhere.client(), issued.server(Version::Tls13)).to_string();
    assert!(error.contains("is for another host"), "{error}");
    let (expired, issued) = Authority::of_a_server(&["127.0.0.1"], |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let error = refusal(&expired.client(), issued.server(Version::Tls13)).to_string();
    assert!(error.contains("has expired"), "{error}");
    // One that a named authority has signed, and that is not named itself, stays refused.
    let authority = Authority::new();
    let ca = authority.issue_with(&["127.0.0.1"], |params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    let error = refusal(&authority.client(), ca.server(Version::Tls13));
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
}
