//! Through a real proxy: what goes by it, what does not, and what it refuses.

use gantline::internal::girder::{Client as GirderClient, Credentials, GirderError, Options};
use gantline::internal::http::{ClientOptions, Get, HttpError, Proxies};

use crate::http_authority::Authority;
use crate::http_nginx::Nginx;
use crate::http_support::{Peer, Way, answers, chain, client_with, fetch, fetch_all, noise};
use crate::tinyproxy::{PASSWORD, Tinyproxy};

fn through(proxy: &str) -> ClientOptions {
    ClientOptions::default().with_proxies(Proxies::none().with_http(proxy).with_https(proxy))
}

#[test]
fn a_plain_get_through_a_proxy_stays_spliced_and_tls_has_a_tunnel() {
    let (nginx, proxy) = (Nginx::start(), Tinyproxy::start(""));
    let data = noise(3, 2_000_000);
    nginx.put("file", &data);
    let client = nginx.authority.client_with(through(&proxy.open()));
    let response = fetch(&client, nginx.plain("/file")).unwrap();
    assert!(response.body.raw().is_some());
    for get in [nginx.plain("/file"), nginx.tls("/file")] {
        for way in [Way::Splice, Way::Read(1 << 18)] {
            assert!(fetch_all(&client, get.clone(), way).unwrap() == data, "{way:?}");
        }
        let part = Get { from: 1_999_000, ..get };
        assert!(fetch_all(&client, part, Way::Read(1000)).unwrap() == data[1_999_000..]);
    }
    let asked = proxy.asked();
    assert!(asked.contains("CONNECT 127.0.0.1:"), "{asked}");
    assert!(asked.contains("GET http://127.0.0.1:"), "{asked}");
    assert!(!asked.contains("GET https://"), "{asked}");
}

#[test]
fn a_proxy_that_does_not_know_us_is_said_without_the_password() {
    let (nginx, proxy) = (Nginx::start(), Tinyproxy::start(""));
    nginx.put("file", b"x");
    for user in [format!("another:{PASSWORD}"), format!("user:{PASSWORD}-not")] {
        let client = nginx.authority.client_with(through(&proxy.address(&user)));
        for get in [nginx.plain("/file"), nginx.tls("/file")] {
            let error = fetch(&client, get).unwrap_err();
            // tinyproxy has 407 for who says nothing and 401 for who says something wrong.
            let told = chain(&error);
            assert!(told.contains("401") || told.contains("407"), "{told}");
            assert!(
                !told.contains(PASSWORD) && !format!("{client:?}").contains(PASSWORD),
                "{told}"
            );
        }
    }
    let client = client_with(through(&proxy.address("").replace('@', "")));
    for get in [nginx.plain("/file"), nginx.tls("/file")] {
        let error = fetch(&client, get).unwrap_err();
        assert!(matches!(error, HttpError::Proxy { status: 407, .. }), "{error:?}");
        assert!(error.to_string().contains("user:password@host:port"), "{error}");
    }
}

#[test]
fn a_port_that_a_proxy_forbids_is_said_as_its_rule() {
    let (nginx, proxy) = (Nginx::start(), Tinyproxy::start("ConnectPort 1"));
    let client = nginx.authority.client_with(through(&proxy.open()));
    let error = fetch(&client, nginx.tls("/file")).unwrap_err();
    assert!(matches!(error, HttpError::Proxy { status: 403, .. }), "{error:?}");
    assert!(error.to_string().contains("its rules forbid"), "{error}");
    assert!(!error.is_transient());
}

#[test]
fn what_needs_no_proxy_is_asked_directly_and_a_proxy_that_is_away_is_named() {
    let nginx = Nginx::start();
    nginx.put("file", b"body");
    let away = "http://user:secret-secret@127.0.0.1:9";
    let client = nginx.authority.client_with(through(away));
    for get in [nginx.plain("/file"), nginx.tls("/file")] {
        let error = chain(&fetch(&client, get).unwrap_err());
        assert!(error.contains("127.0.0.1 (the proxy)"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    let proxies = Proxies::none().with_http(away).with_https(away).with_direct("127.0.0.0/8");
    let client = nginx.authority.client_with(ClientOptions::default().with_proxies(proxies));
    for get in [nginx.plain("/file"), nginx.tls("/file")] {
        assert_eq!(fetch_all(&client, get, Way::Read(10)).unwrap(), b"body");
    }
}

const ID: &str = "5f3c9e0a1b2c3d4e5f6a7b8c";

fn record() -> Vec<u8> {
    let record = format!(r#"{{"_id": "{ID}", "name": "a", "size": 5}}"#);
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{record}", record.len()).into_bytes()
}

fn girder(api: &str, options: Options) -> Result<GirderClient, GirderError> {
    GirderClient::with_options(api, Credentials::Anonymous, &options)
}

#[test]
fn calls_to_girder_go_by_the_proxy_as_well() {
    let proxy = Tinyproxy::start("");
    let proxies = Proxies::none().with_http(&proxy.open()).with_https(&proxy.open());
    let peer = Peer::follows(vec![answers(record()), answers(record())]);
    let api = peer.url("/api/v1").to_string();
    for _ in 0..2 {
        let options = Options { proxies: proxies.clone(), ..Options::default() };
        assert_eq!(girder(&api, options).unwrap().file(ID).unwrap().size, Some(5));
        let request = peer.request();
        assert!(request.starts_with(&format!("GET /api/v1/file/{ID} HTTP/1")), "{request}");
        assert!(!request.to_ascii_lowercase().contains("proxy-authorization"), "{request}");
    }
    let asked = proxy.asked();
    assert_eq!(asked.matches(&format!("GET {api}/file/{ID}")).count(), 2, "{asked}");

    let nginx = Nginx::start();
    fs_record(&nginx);
    let options = Options { proxies, ca_files: vec![nginx.authority.file()], ..Options::default() };
    let api = nginx.tls("/api/v1").url.to_string();
    assert_eq!(girder(&api, options.clone()).unwrap().file(ID).unwrap().size, Some(5));
    assert!(proxy.asked().contains("CONNECT 127.0.0.1:"), "{}", proxy.asked());
    let wrong = proxy.address(&format!("another:{PASSWORD}"));
    let proxies = Proxies::none().with_https(&wrong);
    let error = girder(&api, Options { proxies, ..options }).unwrap().file(ID).unwrap_err();
    let told = chain(&error);
    assert!(told.contains("proxy") && !told.contains(PASSWORD), "{told}");
}

fn fs_record(nginx: &Nginx) {
    nginx.folder("api/v1/file");
    nginx.put(
        &format!("api/v1/file/{ID}"),
        format!(r#"{{"_id": "{ID}", "name": "a", "size": 5}}"#).as_bytes(),
    );
}

#[test]
fn tls_through_a_tunnel_is_with_the_server_and_not_with_the_proxy() {
    let proxy = Tinyproxy::start("");
    let (named, other) = (Authority::new(), Nginx::start());
    other.put("file", b"x");
    let client = named.client_with(through(&proxy.open()));
    let error = fetch(&client, other.tls("/file")).unwrap_err();
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
}
