//! Meeting an engine: what is agreed on, and what is said when nobody is there.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use gantline::internal::docker::{
    AnswerError, ApiVersion, Client, DockerError, Endpoint, Settings,
};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use crate::docker_peer::{Peer, block_on, header, http, id, is_ping, ping, target};

fn refused(settings: Settings) -> DockerError {
    block_on(Client::connect(settings)).unwrap_err()
}

fn at(endpoint: Endpoint) -> Settings {
    Settings::default().with_endpoint(endpoint)
}

/// An engine whose newest version is this.
fn engine(version: &'static str) -> Peer {
    Peer::on_unix(move |request, stream| {
        let answer = if is_ping(request) { ping(version) } else { http(404, "{}") };
        stream.write_all(answer.as_bytes()).unwrap();
        true
    })
}

#[test]
fn a_missing_socket_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let error = refused(at(Endpoint::Unix(path.clone())));
    let expected = format!(
        "cannot connect to the engine at unix://{}: there is no such socket; start the engine \
         (systemctl start docker), or set DOCKER_HOST to where it listens",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_transient());
}

#[test]
fn a_socket_that_nobody_listens_on_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    drop(UnixListener::bind(&path).unwrap());
    let error = refused(at(Endpoint::Unix(path)));
    assert!(
        error.to_string().ends_with(
            "the socket is there but nobody listens; start the engine (systemctl start docker)"
        ),
        "{error}"
    );
    assert!(error.is_transient());
}

#[test]
fn a_socket_without_permission_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    // For this thread alone; a user who is not root may do without.
    let nobody = 65_534;
    let before = setfsuid(Uid::from_raw(nobody));
    if !before.is_root() {
        std::fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    }
    setfsgid(Gid::from_raw(nobody));
    let error = refused(at(Endpoint::Unix(path)));
    setfsuid(before);
    assert!(
        error.to_string().ends_with(
            "this user may not use the socket; join the group that owns it \
             (usermod -aG docker USER, then log in again) or use sudo"
        ),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[test]
fn a_port_that_nobody_listens_on_says_what_to_do() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(at(Endpoint::parse(&format!("tcp://{address}")).unwrap()));
    assert!(error.to_string().contains(&format!("tcp://{address}: nobody listens there")));
    assert!(error.to_string().ends_with("or correct DOCKER_HOST"), "{error}");
    assert!(error.is_transient());
}

#[test]
fn a_host_that_does_not_exist_keeps_the_systems_words() {
    let endpoint = Endpoint::Tcp { host: "no.such.host.invalid".to_owned(), port: 2375 };
    let error = refused(at(endpoint));
    assert!(matches!(error, DockerError::Connect { .. }), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_ping_has_no_version_and_the_calls_have_the_newest_that_both_know() {
    for (newest, spoken) in [("1.41", "1.41"), ("1.40", "1.40"), ("1.99", "1.51")] {
        let engine = engine(newest);
        block_on(async {
            let client = engine.client().await;
            assert_eq!(client.version(), spoken.parse::<ApiVersion>().unwrap());
            client.inspect(&id()).await.unwrap_err();
            let request = engine.request();
            assert_eq!(target(&request), format!("GET /v{spoken}/containers/{}/json", id()));
        });
    }
}

#[test]
fn an_engine_that_is_too_old_is_refused_by_name_and_version() {
    let error = refused(engine("1.24").settings()).to_string();
    assert!(error.starts_with("cannot agree with the engine at unix:///"), "{error}");
    assert!(error.contains("the engine speaks 1.24 at most, 1.40 is needed"));
}

#[test]
fn an_engine_that_leaves_the_version_out_is_asked_for_it() {
    let engine = Peer::on_unix(|request, stream| {
        let answer = match target(request) {
            "GET /_ping" => http(200, "OK"),
            "GET /version" => http(200, r#"{"ApiVersion":"1.43","MinAPIVersion":"1.24"}"#),
            other => panic!("{other}"),
        };
        stream.write_all(answer.as_bytes()).unwrap();
        true
    });
    let client = block_on(Client::connect(engine.settings())).unwrap();
    assert_eq!(client.version(), ApiVersion::new(1, 43));
}

#[test]
fn what_is_no_version_is_no_engine() {
    let error = refused(engine("banana").settings());
    assert_eq!(error.to_string(), "cannot use the engine's answer to GET /_ping");
    let other = Peer::on_unix(|_, stream| {
        stream.write_all(http(200, "<html>").as_bytes()).unwrap();
        true
    });
    let error = refused(other.settings());
    assert_eq!(error.to_string(), "cannot use the engine's answer to GET /version");
}

#[test]
fn a_pinned_version_is_spoken_after_the_engine_has_seen_it() {
    let engine = Peer::on_unix(|_, stream| {
        stream.write_all(ping("1.52").as_bytes()).unwrap();
        true
    });
    let settings = engine.settings().with_api_version(ApiVersion::new(1, 44));
    let client = block_on(Client::connect(settings)).unwrap();
    assert_eq!(client.version(), ApiVersion::new(1, 44));
    assert_eq!(target(&engine.request()), "GET /_ping");
    assert_eq!(target(&engine.request()), "GET /v1.44/_ping");
}

#[test]
fn a_pinned_version_that_the_engine_has_given_up_is_refused_in_its_words() {
    let engine = Peer::on_unix(|request, stream| {
        let too_old = r#"{"message":"client version 1.41 is too old. Minimum is 1.44"}"#;
        let answer = if is_ping(request) { ping("1.52") } else { http(400, too_old) };
        stream.write_all(answer.as_bytes()).unwrap();
        true
    });
    let error = refused(engine.settings().with_api_version(ApiVersion::new(1, 41)));
    assert!(error.to_string().contains("client version 1.41 is too old"), "{error}");
}

#[test]
fn a_pinned_version_that_the_engine_does_not_know_yet_is_refused() {
    let error = refused(engine("1.41").settings().with_api_version(ApiVersion::new(1, 48)));
    let expected = "DOCKER_API_VERSION asks for 1.48, the engine speaks 1.41 at most";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn an_engine_that_hangs_is_given_up_in_time() {
    let engine = Peer::on_unix(|_, stream| {
        stream.wait_for_close();
        true
    });
    let settings = engine.settings().with_timeout(Duration::from_millis(200));
    let begun = Instant::now();
    let error = refused(settings);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(
        error.to_string(),
        "no answer to GET /_ping within 0.2 s (DOCKER_CLIENT_TIMEOUT sets how long to wait)"
    );
    assert!(error.is_transient());
}

#[test]
fn something_that_does_not_speak_http_is_not_tried_again() {
    let other = Peer::on_unix(|_, stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n");
        true
    });
    let error = refused(other.settings());
    assert!(
        matches!(error, DockerError::Answer { source: AnswerError::NotHttp(_), .. }),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[test]
fn over_tcp_the_host_header_has_the_address() {
    let engine = Peer::on_tcp(|_, _| false);
    block_on(async {
        let client = Client::connect(engine.settings()).await.unwrap();
        let request = engine.request();
        let address = engine.endpoint.to_string();
        assert_eq!(header(&request, "host"), address.strip_prefix("tcp://"));
        assert_eq!(client.version(), ApiVersion::new(1, 41));
    });
}
