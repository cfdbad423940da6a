//! A real nginx, plain and with TLS.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use gantline::internal::http::{ClientOptions, Get, HttpError, Response, Validator};
use tempfile::TempDir;
use url::Url;

use crate::http_authority::Authority;
use crate::http_support::{Driver, Way, chain, fetch, fetch_all, noise};

const WAYS: [Way; 3] = [Way::Splice, Way::Read(1000), Way::Read(1 << 18)];

/// Two servers on loopback, which end with the test.
pub(crate) struct Nginx {
    directory: TempDir,
    pub(crate) authority: Authority,
    plain: u16,
    tls: u16,
}

impl Nginx {
    pub(crate) fn start() -> Self {
        let authority = Authority::new();
        let directory = tempfile::tempdir().unwrap();
        let issued = authority.issue(&["127.0.0.1", "localhost"]);
        let write = |name: &str, text: &[u8]| fs::write(directory.path().join(name), text).unwrap();
        write("server.pem", issued.certificate.as_bytes());
        write("server.key", issued.key.as_bytes());
        write("users", b"user:{PLAIN}pass word\n");
        fs::create_dir_all(directory.path().join("www/folder")).unwrap();
        write("www/folder/index.html", b"index");
        // Another process may take the ports before nginx does.
        for _ in 0..5 {
            let (plain, tls) = (free_port(), free_port());
            let path = directory.path().to_str().unwrap();
            write("nginx.conf", configuration(path, plain, tls).as_bytes());
            if nginx(&directory, &[]) {
                return Self { directory, authority, plain, tls };
            }
        }
        panic!(
            "nginx does not start: {}",
            fs::read_to_string(directory.path().join("log")).unwrap()
        );
    }

    pub(crate) fn put(&self, name: &str, data: &[u8]) {
        fs::write(self.directory.path().join("www").join(name), data).unwrap();
    }

    pub(crate) fn folder(&self, name: &str) {
        fs::create_dir_all(self.directory.path().join("www").join(name)).unwrap();
    }

    pub(crate) fn plain(&self, path: &str) -> Get {
        Get::new(Url::parse(&format!("http://127.0.0.1:{}{path}", self.plain)).unwrap())
    }

    pub(crate) fn tls(&self, path: &str) -> Get {
        Get::new(Url::parse(&format!("https://127.0.0.1:{}{path}", self.tls)).unwrap())
    }

    fn both(&self, path: &str) -> [Get; 2] {
        [self.plain(path), self.tls(path)]
    }

    fn response(&self, get: Get) -> Result<Response, HttpError> {
        fetch(&self.authority.client(), get)
    }

    fn body(&self, get: Get, way: Way) -> Result<Vec<u8>, HttpError> {
        fetch_all(&self.authority.client(), get, way)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        nginx(&self.directory, &["-s", "stop"]);
    }
}

/// Runs nginx, which goes into the background when its ports are open.
fn nginx(directory: &TempDir, arguments: &[&str]) -> bool {
    let path: PathBuf = directory.path().into();
    let program =
        if PathBuf::from("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    Command::new(program)
        .arg("-p")
        .arg(&path)
        .arg("-c")
        .arg(path.join("nginx.conf"))
        .arg("-e")
        .arg(path.join("log"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("nginx should be installed (Debian's package nginx-light)")
        .success()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn configuration(path: &str, plain: u16, tls: u16) -> String {
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "{user}
        worker_processes 1;
        pid {path}/pid;
        error_log {path}/log;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            sendfile on;
            client_body_temp_path {path}/t1;
            proxy_temp_path {path}/t2;
            fastcgi_temp_path {path}/t3;
            uwsgi_temp_path {path}/t4;
            scgi_temp_path {path}/t5;
            server {{
                listen 127.0.0.1:{plain};
                listen 127.0.0.1:{tls} ssl;
                ssl_certificate {path}/server.pem;
                ssl_certificate_key {path}/server.key;
                root {path}/www;
                port_in_redirect on;
                location /chunked/ {{ alias {path}/www/; ssi on; ssi_types *; }}
                location /closed/ {{
                    alias {path}/www/;
                    auth_basic closed;
                    auth_basic_user_file {path}/users;
                }}
                location /moved/ {{ return 308 https://127.0.0.1:{tls}/; }}
                location /busy/ {{ return 503; }}
            }}
        }}"
    )
}

#[test]
fn files_of_every_size_arrive_whole_plain_and_by_tls() {
    let nginx = Nginx::start();
    for size in [0, 1, 65_535, 65_536, 65_537, (1 << 20) + 1, 20_000_000] {
        let data = noise(size as u64, size);
        nginx.put("data", &data);
        for get in nginx.both("/data").into_iter().chain(nginx.both("/chunked/data")) {
            for way in WAYS {
                let body = nginx.body(get.clone(), way).unwrap();
                assert!(body == data, "{size} bytes, {get:?}, {way:?}");
            }
        }
    }
}

#[test]
fn a_small_receive_buffer_and_a_large_file_meet_every_edge() {
    let nginx = Nginx::start();
    let data = noise(7, 3_000_000);
    nginx.put("data", &data);
    let options = ClientOptions::default().with_receive_buffer(4096);
    let client = nginx.authority.client_with(options);
    for get in nginx.both("/data") {
        for way in WAYS {
            assert!(fetch_all(&client, get.clone(), way).unwrap() == data, "{get:?}, {way:?}");
        }
    }
}

#[test]
fn a_file_is_continued_by_its_tag_and_not_when_it_has_changed() {
    let nginx = Nginx::start();
    nginx.put("data", b"hello, world");
    for get in nginx.both("/data") {
        let response = nginx.response(get.clone()).unwrap();
        assert_eq!((response.status, response.total, response.start), (200, Some(12), 0));
        let tag = response.validator;
        assert!(tag.is_some());
        let rest = Get { from: 7, if_range: tag, ..get.clone() };
        let mut driver = Driver::new();
        let exchange = nginx.authority.client().get(rest.clone()).unwrap();
        let mut response = driver.response(exchange).unwrap();
        assert_eq!((response.status, response.total, response.start), (206, Some(12), 7));
        assert_eq!(driver.body(&mut response.body, Way::Splice).unwrap(), b"world");
        let other = Get { if_range: Some(Validator::tag("\"other\"")), ..rest.clone() };
        let error = nginx.response(other).unwrap_err();
        assert!(matches!(error, HttpError::RangeIgnored { from: 7, .. }), "{error:?}");
        let error = nginx.response(Get { from: 12, ..rest }).unwrap_err();
        assert!(matches!(error, HttpError::RangeNotSatisfiable { from: 12, .. }), "{error:?}");
    }
}

#[test]
fn a_connection_that_is_kept_carries_the_next_part() {
    let nginx = Nginx::start();
    let data = noise(5, 300_000);
    nginx.put("data", &data);
    for get in nginx.both("/data") {
        let client = nginx.authority.client();
        let part = |from, to| Get { from, to: Some(to), keep: true, ..get.clone() };
        let mut driver = Driver::new();
        let exchange = client.get(part(0, 100_000)).unwrap();
        let mut response = driver.response(exchange).unwrap();
        let port = response.body.connection().local_addr().unwrap();
        assert_eq!((response.status, response.total), (206, Some(300_000)));
        assert!(driver.body(&mut response.body, Way::Read(1 << 16)).unwrap() == data[..100_000]);
        let kept = response.body.into_kept().expect("nginx keeps it");
        let exchange = client.get_over(kept, part(200_000, 300_000)).unwrap();
        let mut response = driver.response(exchange).unwrap();
        assert_eq!(response.body.connection().local_addr().unwrap(), port);
        assert!(driver.body(&mut response.body, Way::Read(1 << 16)).unwrap() == data[200_000..]);
        // What was not read to its end, or was to be closed, is not kept.
        let kept = response.body.into_kept().expect("nginx keeps it");
        let mut response = driver.response(client.get_over(kept, get.clone()).unwrap()).unwrap();
        assert!(driver.body(&mut response.body, Way::Read(1 << 16)).unwrap() == data);
        assert!(response.body.into_kept().is_none());
        let exchange = client.get(part(0, 100_000)).unwrap();
        let mut response = Driver::new().response(exchange).unwrap();
        assert!(response.body.read(&mut [0; 10]).is_ok());
        assert!(response.body.into_kept().is_none());
    }
}

#[test]
fn what_nginx_says_is_in_the_error() {
    let nginx = Nginx::start();
    for (path, status, message) in [
        ("/missing", 404, "404 Not Found"),
        ("/busy/", 503, "503 Service Temporarily Unavailable"),
        ("/closed/data", 401, "401 Authorization Required"),
    ] {
        for get in nginx.both(path) {
            let error = nginx.response(get).unwrap_err();
            let text = chain(&error);
            assert!(text.ends_with(&format!("answered with status {status}: {message}")), "{text}");
            assert_eq!(error.is_transient(), status == 503);
        }
    }
    // TLS to the plain port and the other way round.
    let wrong = Get::new(Url::parse(&format!("https://127.0.0.1:{}/", nginx.plain)).unwrap());
    let error = nginx.response(wrong).unwrap_err();
    assert!(chain(&error).contains("what it sends is not TLS"), "{}", chain(&error));
    let wrong = Get::new(Url::parse(&format!("http://127.0.0.1:{}/", nginx.tls)).unwrap());
    let error = nginx.response(wrong).unwrap_err();
    assert!(chain(&error).contains("plain HTTP request"), "{}", chain(&error));
}

#[test]
fn redirects_and_passwords_work() {
    let nginx = Nginx::start();
    nginx.put("data", b"data");
    for get in nginx.both("/folder") {
        assert_eq!(nginx.body(get, Way::Splice).unwrap(), b"index");
    }
    let error = nginx.response(nginx.plain("/moved/x")).unwrap_err();
    let HttpError::Status { place, status: 403, .. } = &error else { panic!("{error:?}") };
    assert_eq!(place, &format!("https://127.0.0.1:{}/", nginx.tls));
    for mut get in nginx.both("/closed/data") {
        get.url.set_username("user").unwrap();
        get.url.set_password(Some("pass word")).unwrap();
        assert_eq!(nginx.body(get, Way::Splice).unwrap(), b"data");
    }
}

#[test]
fn a_name_is_looked_up_and_checked() {
    let nginx = Nginx::start();
    nginx.put("data", b"data");
    for (scheme, port) in [("http", nginx.plain), ("https", nginx.tls)] {
        let url = Url::parse(&format!("{scheme}://localhost:{port}/data")).unwrap();
        assert_eq!(nginx.body(Get::new(url), Way::Splice).unwrap(), b"data");
    }
}
