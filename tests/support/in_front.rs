//! What stands between us and a real Girder: somebody who refuses, a slow line, an nginx with a limit.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::girder::Girder;

/// Passes everything on to the real Girder, but for some requests while it refuses.
#[derive(Debug)]
pub(crate) struct Refusing {
    address: SocketAddr,
    refuses: Arc<AtomicBool>,
    met: Receiver<()>,
}

/// What becomes of a request that is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is answered as Girder does when a token has expired.
    Refused,
    /// It is never answered.
    Unanswered,
    /// The first is answered as a proxy does whose server is being started; those behind it are passed on.
    BusyOnce,
}

impl Refusing {
    /// Answers requests that begin with one of these as Girder does when a token has expired.
    pub(crate) fn before(girder: &Girder, requests: &'static [&'static str]) -> Self {
        Self::with(girder, requests, Fate::Refused)
    }

    /// Never answers requests that begin with one of these.
    pub(crate) fn deaf(girder: &Girder, requests: &'static [&'static str]) -> Self {
        Self::with(girder, requests, Fate::Unanswered)
    }

    /// Answers the first request that begins with one of these with 503.
    pub(crate) fn busy_once(girder: &Girder, requests: &'static [&'static str]) -> Self {
        Self::with(girder, requests, Fate::BusyOnce)
    }

    fn with(girder: &Girder, requests: &'static [&'static str], fate: Fate) -> Self {
        let there = place(girder);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let refuses = Arc::new(AtomicBool::new(true));
        let is_refusing = Arc::clone(&refuses);
        let (meets, met) = channel();
        thread::spawn(move || {
            for mut ours in listener.incoming().flatten() {
                let mut theirs = TcpStream::connect(&there).unwrap();
                let (back, to) = (theirs.try_clone().unwrap(), ours.try_clone().unwrap());
                thread::spawn(move || pass(back, to));
                let (refuses, meets) = (Arc::clone(&is_refusing), meets.clone());
                thread::spawn(move || {
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(bytes @ 1..) = ours.read(&mut buffer) {
                        let begins = |begin: &&str| buffer.starts_with(begin.as_bytes());
                        if refuses.load(Ordering::SeqCst) && requests.iter().any(begins) {
                            let _ = meets.send(());
                            if fate == Fate::Unanswered {
                                // Until the client leaves; what it sends is not taken.
                                while matches!(ours.peek(&mut [0]), Ok(1..)) {
                                    thread::park_timeout(Duration::from_millis(50));
                                }
                                break;
                            }
                            let answer = match fate {
                                Fate::BusyOnce => {
                                    refuses.store(false, Ordering::SeqCst);
                                    BUSY
                                }
                                _ => EXPIRED,
                            };
                            let _ = ours.write_all(answer.as_bytes());
                            break;
                        }
                        if theirs.write_all(&buffer[..bytes]).is_err() {
                            break;
                        }
                    }
                    let _ = theirs.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, refuses, met }
    }

    /// Waits until such a request has come.
    pub(crate) fn meets_one(&self) {
        self.met.recv_timeout(Duration::from_secs(60)).expect("no such request has come");
    }

    /// From now on everything is passed on.
    pub(crate) fn relents(&self) {
        self.refuses.store(false, Ordering::SeqCst);
    }

    /// What a job document takes as `girder_api_url`.
    pub(crate) fn api(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

const EXPIRED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\
    Connection: close\r\nContent-Length: 55\r\n\r\n\
    {\"message\": \"You must be logged in.\", \"type\": \"access\"}";

const BUSY: &str =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

fn pass(from: TcpStream, to: TcpStream) {
    pass_with(Duration::ZERO, from, to);
}

/// With a pause behind each piece.
fn pass_with(pause: Duration, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes @ 1..) = from.read(&mut buffer)
        && to.write_all(&buffer[..bytes]).is_ok()
    {
        if !pause.is_zero() {
            thread::park_timeout(pause);
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A slow line to the real Girder: there is a pause behind each 64 KiB of either way, and so behind each answer.
#[derive(Debug)]
pub(crate) struct Slow(SocketAddr);

impl Slow {
    pub(crate) fn before(girder: &Girder, pause: Duration) -> Self {
        let there = place(girder);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for ours in listener.incoming().flatten() {
                let theirs = TcpStream::connect(&there).unwrap();
                let (back, to) = (theirs.try_clone().unwrap(), ours.try_clone().unwrap());
                thread::spawn(move || pass_with(pause, back, to));
                thread::spawn(move || pass_with(pause, ours, theirs));
            }
        });
        Self(address)
    }

    /// What a job document takes as `girder_api_url`.
    pub(crate) fn api(&self) -> String {
        format!("http://{}/api/v1", self.0)
    }
}

fn place(girder: &Girder) -> String {
    let url = url::Url::parse(girder.api()).unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// An nginx before the real Girder that takes requests of so many bytes, or speaks TLS. It ends with the test.
#[derive(Debug)]
pub(crate) struct Limiting {
    folder: TempDir,
    port: u16,
    is_tls: bool,
}

impl Limiting {
    /// `limit` in nginx's words: `6m`.
    pub(crate) fn before(girder: &Girder, limit: &str) -> Self {
        Self::with(girder, limit, None)
    }

    /// One that speaks TLS, with this certificate and key.
    pub(crate) fn with_tls(girder: &Girder, certificate: &str, key: &str) -> Self {
        Self::with(girder, "0", Some((certificate, key)))
    }

    fn with(girder: &Girder, limit: &str, tls: Option<(&str, &str)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (is_tls, more) = match tls {
            Some((certificate, key)) => {
                fs::write(folder.path().join("certificate"), certificate).unwrap();
                fs::write(folder.path().join("key"), key).unwrap();
                (true, "ssl; ssl_certificate certificate; ssl_certificate_key key")
            }
            None => (false, ""),
        };
        for _ in 0..5 {
            // Another process may take the port before nginx does.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let text = format!(
                "pid pid; error_log log; events {{}} http {{ access_log off; client_body_temp_path b;
                proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
                client_max_body_size {limit}; server {{ listen 127.0.0.1:{port} {more};
                location / {{ proxy_pass http://{}; proxy_set_header Host $http_host; }} }} }}",
                place(girder)
            );
            let user = if nix::unistd::geteuid().is_root() { "user root; " } else { "" };
            fs::write(folder.path().join("nginx.conf"), format!("{user}{text}")).unwrap();
            if nginx(&folder, &[]) {
                return Self { folder, port, is_tls };
            }
        }
        panic!("nginx does not start: {:?}", fs::read_to_string(folder.path().join("log")));
    }

    /// What a job document takes as `girder_api_url`.
    pub(crate) fn api(&self) -> String {
        match self.is_tls {
            true => format!("https://localhost:{}/api/v1", self.port),
            false => format!("http://127.0.0.1:{}/api/v1", self.port),
        }
    }

    /// The file of its certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }
}

impl Drop for Limiting {
    fn drop(&mut self) {
        nginx(&self.folder, &["-s", "stop"]);
    }
}

fn nginx(folder: &TempDir, arguments: &[&str]) -> bool {
    let path: PathBuf = folder.path().into();
    let program =
        if PathBuf::from("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(&path).arg("-c").arg(path.join("nginx.conf"));
    command.arg("-e").arg(path.join("log")).args(arguments);
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().expect("nginx should be installed (Debian's package nginx-light)").success()
}
