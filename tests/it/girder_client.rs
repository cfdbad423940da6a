//! The Girder client against scripted peers: what a real Girder does not do on demand.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gantline::internal::girder::{
    ApiKey, Client, Credentials, GirderError, JobClient, JobStatus, JobUpdate, Options, Token,
};

use crate::http_authority::{Authority, Version};
use crate::http_support::{Peer, answers, chain, until_closed};

const ID: &str = "5f3c9e0a1b2c3d4e5f6a7b8c";

fn client(peer: &Peer) -> Client {
    let api = peer.url("/api/v1/");
    Client::new(api.as_str(), Some(Token::new("t0ken-t0ken"))).unwrap()
}

/// The peer closes after it: who does not know that may ask for the next over the same connection.
fn answer(status: u16, body: &str) -> String {
    let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn error(status: u16, body: &str) -> GirderError {
    client(&Peer::says(answer(status, body))).file(ID).unwrap_err()
}

#[test]
fn a_record_is_read_and_the_token_is_sent() {
    let body =
        format!(r#"{{"_id": "{ID}", "name": "a b", "size": 5, "sha512": "00ff", "exts": ["x"]}}"#);
    let peer = Peer::says(answer(200, &body));
    let record = client(&peer).file(ID).unwrap();
    assert_eq!((record.id.as_str(), record.name.as_str(), record.size), (ID, "a b", Some(5)));
    assert_eq!(record.sha512.as_deref(), Some("00ff"));
    let request = peer.request();
    assert!(request.starts_with(&format!("GET /api/v1/file/{ID} HTTP/1.1\r\n")), "{request}");
    assert!(request.to_lowercase().contains("\r\ngirder-token: t0ken-t0ken\r\n"), "{request}");
}

#[test]
fn a_file_that_is_a_link_may_have_no_size() {
    let body = format!(r#"{{"_id": "{ID}", "name": "a", "size": null, "linkUrl": "http://x/"}}"#);
    assert_eq!(client(&Peer::says(answer(200, &body))).file(ID).unwrap().size, None);
}

#[test]
fn a_download_is_a_get_with_the_token_hidden() {
    let client = Client::new("http://g:8080/api/v1/", Some(Token::new("t0ken-t0ken"))).unwrap();
    let get = client.download(ID).unwrap();
    assert_eq!(get.url.as_str(), format!("http://g:8080/api/v1/file/{ID}/download"));
    assert_eq!(get.headers[0].0, "Girder-Token");
    assert_eq!(get.headers[0].1.expose(), "t0ken-t0ken");
    assert!(!format!("{client:?} {get:?}").contains("t0ken"));
    let anonymous = Client::new("http://g/api/v1", None).unwrap();
    assert!(anonymous.download(ID).unwrap().headers.is_empty());
}

#[test]
fn an_id_that_would_change_the_path_is_refused_before_anything_is_sent() {
    let client = Client::new("http://127.0.0.1:9/api/v1", None).unwrap();
    for id in ["", "..", "a/b", "a?b", "a#b", "a b", "%2e%2e", "a\r\nb"] {
        for error in [client.file(id).unwrap_err(), client.download(id).unwrap_err()] {
            assert!(matches!(error, GirderError::InvalidId { .. }), "{id:?}: {error:?}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_says_what_to_look_at() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Client::new(&format!("http://127.0.0.1:{port}/api/v1"), None).unwrap();
    let error = client.file(ID).unwrap_err();
    assert!(matches!(error, GirderError::Unreachable { .. }) && error.is_transient(), "{error:?}");
    let expected = format!(
        "cannot reach Girder at http://127.0.0.1:{port}/api/v1: is it running, and is the port right?"
    );
    assert_eq!(error.to_string(), expected);
    let client = Client::new("http://does-not-exist.invalid/api/v1", None).unwrap();
    let error = client.file(ID).unwrap_err();
    assert!(matches!(error, GirderError::Unreachable { .. }), "{error:?}");
    assert!(chain(&error).contains("does-not-exist.invalid"), "{}", chain(&error));
}

#[test]
fn a_server_that_does_not_answer_meets_the_deadline() {
    let peer = Peer::follows(vec![Box::new(|stream, _| until_closed(stream))]);
    let options = Options { timeout: Duration::from_millis(200), ..Options::default() };
    let api = peer.url("/api/v1");
    let client = Client::with_options(api.as_str(), Credentials::Anonymous, &options).unwrap();
    let started = Instant::now();
    let error = client.file(ID).unwrap_err();
    assert!(matches!(error, GirderError::TimedOut { .. }) && error.is_transient(), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_not_girder_is_told_apart() {
    let page = "<!DOCTYPE html><html><head><title>Girder</title></head></html>";
    for status in [200, 404] {
        let peer = Peer::says(answer(status, page));
        let api = peer.url("/girder");
        let error = Client::new(api.as_str(), None).unwrap().file(ID).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, GirderError::NotAnApi { .. }), "{text}");
        let usual = format!("usually at http://127.0.0.1:{}/api/v1", peer.port());
        assert!(text.contains(&usual), "{text}");
    }
    let error = client(&Peer::says("SSH-2.0-OpenSSH_9.2\r\n\r\n")).file(ID).unwrap_err();
    assert!(matches!(error, GirderError::Protocol { .. }), "{error:?}");
}

#[test]
fn a_redirect_is_not_followed_and_names_the_url_to_use() {
    let other = Peer::says(answer(200, "{}"));
    let location = other.url(&format!("/api/v1/file/{ID}"));
    let peer =
        Peer::says(format!("HTTP/1.1 301 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"));
    let error = client(&peer).file(ID).unwrap_err();
    let expected = format!("redirects to http://127.0.0.1:{}/api/v1: use that", other.port());
    assert!(error.to_string().contains(&expected), "{error}");
}

#[test]
fn a_proxy_whose_server_is_down_is_transient_and_quoted() {
    let error = error(502, "<html><title>502 Bad Gateway</title></html>");
    assert!(error.is_transient() && error.to_string().contains("502 Bad Gateway"), "{error}");
}

#[test]
fn an_answer_without_end_is_bounded() {
    let peer = Peer::follows(vec![Box::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    })]);
    client(&peer).file(ID).unwrap_err();
}

#[test]
fn an_answer_is_taken_up_to_its_bound_and_not_beyond() {
    const MIB: usize = 1 << 20;
    let file = |peer: &Peer| client(peer).file(ID).map(drop);
    let page =
        |peer: &Peer| client(peer).items_of_folder(ID).collect::<Result<Vec<_>, _>>().map(drop);
    let job = |peer: &Peer| {
        let url = peer.url(&format!("/api/v1/job/{ID}"));
        JobClient::new(&url, "PUT", Vec::new(), &Options::default())?.record().map(drop)
    };
    type Asks<'a> = &'a dyn Fn(&Peer) -> Result<(), GirderError>;
    let record = format!(r#"{{"_id": "{ID}", "name": "x", "status": 2}}"#);
    // Of a job's record the log is the most; it takes a while to read.
    let cases: [(&str, (usize, usize), Asks<'_>); 3] = [
        (&record, (MIB - 1, MIB), &file),
        ("[]", (16 * MIB - 1, 16 * MIB), &page),
        (&record, (17 * MIB, 64 * MIB), &job),
    ];
    for (json, (taken, most), asks) in cases {
        let of = |size: usize| answer(200, &format!("{json}{}", " ".repeat(size - json.len())));
        asks(&Peer::says(of(taken))).unwrap();
        let error = asks(&Peer::says(of(most + 1))).unwrap_err();
        assert!(chain(&error).contains("larger than"), "{most}: {}", chain(&error));
    }
}

#[test]
fn only_an_answer_with_a_job_is_girders_word_about_a_job() {
    let client = |peer: &Peer, method: &str| {
        let url = peer.url(&format!("/api/v1/job/{ID}"));
        JobClient::new(&url, method, Vec::new(), &Options::default()).unwrap()
    };
    let pages = ["<html>Back soon</html>", "", "{}", "[]", r#"{"status": 200, "message": "x"}"#];
    for page in pages {
        for status in [200, 203] {
            let says = || Peer::says(answer(status, page));
            let update = JobUpdate::default();
            for told in [
                client(&says(), "PUT").update(&update).map(drop),
                client(&says(), "PUT").record().map(drop),
                client(&says(), "POST").create(&[]).map(drop),
            ] {
                let error = told.unwrap_err();
                assert!(error.is_of_another() && !error.is_transient(), "{page}: {error:?}");
            }
        }
    }
    // Members that are not what they should be are left out.
    let odd =
        r#"{"_id": "5f", "status": 2, "log": "x", "created": 5, "updated": {}, "timestamps": [1]}"#;
    let record = client(&Peer::says(answer(200, odd)), "PUT").record().unwrap();
    assert_eq!((record.status, record.created, record.log), (JobStatus::Running, None, None));
    let made = client(&Peer::says(answer(200, odd)), "POST").create(&[]).unwrap_err();
    assert!(!made.is_of_another() && made.to_string().contains("how to report to it"), "{made}");
}

#[test]
fn the_same_page_of_a_listing_for_ever_is_an_error() {
    let records = (0..50).map(|nth| format!(r#"{{"_id": "{nth:024}", "name": "x"}}"#));
    let page = answer(200, &format!("[{}]", records.collect::<Vec<_>>().join(",")));
    let peer = Peer::follows((0..9).map(|_| answers(page.clone())).collect());
    let mut listed: Vec<_> = client(&peer).items_of_folder(ID).collect();
    let error = listed.pop().unwrap().unwrap_err();
    assert!(error.to_string().contains("the same page of"), "{error}");
    assert_eq!(listed.len(), 50);
}

#[test]
fn a_listing_is_asked_for_in_larger_and_larger_pages_as_far_as_the_server_can() {
    let page = |from: usize, count: usize| {
        let record = |nth| format!(r#"{{"_id": "{nth:024}", "name": "x"}}"#);
        let records = (from..from + count).map(record).collect::<Vec<_>>();
        answers(answer(200, &format!("[{}]", records.join(","))))
    };
    let peer = Peer::follows(vec![
        page(0, 50),
        page(50, 100),
        // It gives no more than so many, and there are more.
        page(150, 70),
        // 400 are more than is taken at once: items come with their metadata.
        answers(answer(200, &format!("[{}]", " ".repeat(17 << 20)))),
        page(220, 50),
        page(270, 3),
    ]);
    let listed = client(&peer).items_of_folder(ID).map(|item| item.unwrap().id);
    let listed: Vec<_> = listed.collect();
    assert_eq!(listed, (0..273).map(|nth| format!("{nth:024}")).collect::<Vec<_>>());
    for asked in [(50, 0), (100, 50), (200, 150), (400, 220), (50, 220), (50, 270)] {
        let request = peer.request();
        let wanted = format!("limit={}&offset={}&", asked.0, asked.1);
        assert!(request.contains(&wanted), "{wanted}: {request}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    let peer = Peer::says("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{");
    client(&peer).file(ID).unwrap_err();
}

#[test]
fn an_api_key_goes_in_the_body_and_its_token_with_what_follows() {
    let token = r#"{"authToken": {"token": "n3w", "scope": []}, "user": {"_id": "1"}}"#;
    let record = format!(r#"{{"_id": "{ID}", "name": "a", "size": 5}}"#);
    let peer = Peer::follows(vec![
        Box::new(move |stream, _| {
            let mut body = [0; 14];
            std::io::Read::read_exact(stream, &mut body).unwrap();
            assert_eq!(&body, b"key=s3cret%2B5");
            stream.write_all(answer(200, token).as_bytes()).unwrap();
        }),
        Box::new(move |stream, _| stream.write_all(answer(200, &record).as_bytes()).unwrap()),
    ]);
    let api = peer.url("/api/v1");
    let client = Client::with_api_key(api.as_str(), ApiKey::new("s3cret+5")).unwrap();
    client.file(ID).unwrap();
    let request = peer.request();
    assert!(request.starts_with("POST /api/v1/api_key/token HTTP/1.1\r\n"), "{request}");
    assert!(peer.request().to_lowercase().contains("girder-token: n3w\r\n"));
}

#[test]
fn secrets_that_cannot_be_sent_are_refused_without_being_shown() {
    let refused = [
        Client::new("http://g/api/v1", Some(Token::new("t0ken\n"))).unwrap_err(),
        Client::with_api_key("http://127.0.0.1:9/api/v1", ApiKey::new("")).unwrap_err(),
        Client::new("http://user:t0ken@g/api/v1", None).unwrap_err(),
    ];
    for error in refused {
        assert!(!format!("{error} {error:?}").contains("t0ken"), "{error:?}");
    }
}

#[test]
fn tls_uses_the_same_authorities_and_says_what_is_wrong() {
    let authority = Authority::new();
    let body = format!(r#"{{"_id": "{ID}", "name": "a", "size": 5}}"#);
    let serve = |config: rustls::ServerConfig| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = answer(200, &body);
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        });
        format!("https://127.0.0.1:{port}/api/v1")
    };
    let ask = |api: &str, ca_files| {
        let options = Options { ca_files, ..Options::default() };
        Client::with_options(api, Credentials::Anonymous, &options).unwrap().file(ID)
    };
    let good = authority.issue(&["127.0.0.1"]);
    let record = ask(&serve(good.server(Version::Tls13)), vec![authority.file()]).unwrap();
    let (named, own) = Authority::of_a_server(&["127.0.0.1"], |_| {});
    ask(&serve(own.server(Version::Tls13)), vec![named.file()]).unwrap();
    assert_eq!(record.size, Some(5));
    for (names, trusted, expected) in [
        (["127.0.0.1"], false, "not from an authority that is trusted"),
        (["other.example"], true, "its certificate is for another host"),
    ] {
        let files = if trusted { vec![authority.file()] } else { Vec::new() };
        let error = ask(&serve(authority.issue(&names).server(Version::Tls13)), files).unwrap_err();
        assert!(matches!(error, GirderError::Tls { .. }) && !error.is_transient(), "{error:?}");
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    }
    let missing = Options { ca_files: vec!["/does/not/exist".into()], ..Options::default() };
    let error = Client::with_options("https://g/api/v1", Credentials::Anonymous, &missing);
    assert!(chain(&error.unwrap_err()).contains("/does/not/exist"));
}
