//! Redirects between real servers, and what does not travel with them.

use gantline::internal::http::{Get, HeaderValue, HttpError, RedirectError};

use crate::http_support::{Peer, Way, answers, chain, client, fetch, fetch_all};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn to(status: u16, location: &str) -> String {
    // A redirect with a body that says otherwise.
    format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nhere")
}

fn with_token(get: Get) -> Get {
    get.with_header("Girder-Token", HeaderValue::new("t0ken-t0ken"))
}

#[test]
fn a_chain_of_every_kind_is_followed_and_keeps_token_and_range_on_one_server() {
    let answer = "HTTP/1.1 206 X\r\nContent-Range: bytes 7-8/9\r\nContent-Length: 2\r\n\r\nok";
    let statuses = [301, 302, 303, 307, 308];
    let scripts = statuses.iter().map(|&status| answers(to(status, &format!("/{status}"))));
    let peer = Peer::follows(scripts.chain([answers(answer)]).collect());
    let get = with_token(Get { from: 7, ..Get::new(peer.url("/start")) });
    assert_eq!(fetch_all(&client(), get, Way::Splice).unwrap(), b"ok");
    for path in ["/start", "/301", "/302", "/303", "/307", "/308"] {
        let request = peer.request();
        assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains("\r\nGirder-Token: t0ken-t0ken\r\n"), "{request}");
        assert!(request.contains("\r\nRange: bytes=7-\r\n"), "{request}");
    }
}

#[test]
fn a_token_does_not_leave_its_origin_and_does_not_come_back() {
    let home = Peer::follows(vec![answers(OK)]);
    let other = Peer::says(to(302, home.url("/again").as_str()));
    let start = Peer::says(to(302, other.url("/signed?X-Signature=abc").as_str()));
    // The other server is on another port, which is another origin.
    let get = Get { from: 0, ..with_token(Get::new(start.url("/file"))) };
    assert_eq!(fetch_all(&client(), get, Way::Splice).unwrap(), b"ok");
    assert!(start.request().contains("Girder-Token"));
    let request = other.request();
    assert!(request.starts_with("GET /signed?X-Signature=abc HTTP/1.1\r\n"), "{request}");
    assert!(!request.contains("oken"), "{request}");
    assert!(!home.request().contains("oken"));
}

#[test]
fn a_token_does_not_go_to_another_name_of_the_same_server() {
    let peer = Peer::follows(vec![answers(OK)]);
    let start = Peer::says(to(307, &format!("http://localhost:{}/x", peer.port())));
    let get = with_token(Get::new(start.url("/file")));
    assert_eq!(fetch_all(&client(), get, Way::Read(100)).unwrap(), b"ok");
    let request = peer.request();
    assert!(request.contains(&format!("\r\nHost: localhost:{}\r\n", peer.port())), "{request}");
    assert!(!request.contains("oken"), "{request}");
}

#[test]
fn redirects_that_lead_nowhere_are_told_apart() {
    let circle = vec![answers(to(302, "/b")), answers(to(302, "/a"))];
    let many = (0..11).map(|n| answers(to(302, &format!("/{n}")))).collect();
    let bare = vec![answers("HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n")];
    let ftp = vec![answers(to(302, "ftp://a/b"))];
    for (scripts, expected) in [
        (circle, RedirectError::Loop),
        (many, RedirectError::TooMany(10)),
        (bare, RedirectError::NoLocation),
        (ftp, RedirectError::BadLocation),
    ] {
        let peer = Peer::follows(scripts);
        let error = fetch(&client(), Get::new(peer.url("/a"))).unwrap_err();
        assert!(!error.is_transient());
        let HttpError::Redirect { source, .. } = error else { panic!("{}", chain(&error)) };
        assert_eq!(source, expected);
    }
}

#[test]
fn an_error_behind_a_redirect_names_the_last_place_without_its_query() {
    let store = Peer::says(
        "HTTP/1.1 403 X\r\nContent-Type: application/xml\r\n\r\n<Error><Code>AccessDenied</Code>\
         <Message>Request has expired</Message></Error>",
    );
    let start = Peer::says(to(303, store.url("/key?X-Signature=s3cret").as_str()));
    let error = fetch(&client(), Get::new(start.url("/file"))).unwrap_err();
    let text = chain(&error);
    assert_eq!(
        text,
        format!(
            "http://127.0.0.1:{}/key answered with status 403: Request has expired",
            store.port()
        )
    );
}

#[test]
fn a_redirect_to_a_server_that_is_gone_names_it() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = Peer::says(to(302, &format!("http://{gone}/x")));
    let error = fetch(&client(), Get::new(start.url("/file"))).unwrap_err();
    assert!(error.is_transient());
    assert!(chain(&error).contains(&gone.to_string()), "{}", chain(&error));
}
