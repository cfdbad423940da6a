//! A real proxy on loopback, which ends with the test.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// tinyproxy, which wants a user and a password.
#[derive(Debug)]
pub(crate) struct Tinyproxy {
    folder: TempDir,
    port: u16,
    process: Child,
}

/// Nobody else has this one.
pub(crate) const PASSWORD: &str = "pass-word-of-the-proxy";

impl Tinyproxy {
    /// `more` is more of its configuration.
    pub(crate) fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = folder.path().join("log");
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{}\"\nLogLevel Connect\n\
             MaxClients 50\nBasicAuth user {PASSWORD}\n{more}\n",
            log.display()
        );
        let configuration = folder.path().join("tinyproxy.conf");
        fs::write(&configuration, text).unwrap();
        let program = match Path::new("/usr/bin/tinyproxy").exists() {
            true => "/usr/bin/tinyproxy",
            false => "tinyproxy",
        };
        let mut command = Command::new(program);
        command.arg("-d").arg("-c").arg(&configuration).stdin(Stdio::null());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("tinyproxy should be installed (Debian's package tinyproxy)");
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "tinyproxy does not listen");
            std::thread::yield_now();
        }
        Self { folder, port, process }
    }

    /// Its address, with these words for user and password.
    pub(crate) fn address(&self, user: &str) -> String {
        format!("http://{user}@127.0.0.1:{}", self.port)
    }

    /// Its address, for who may pass.
    pub(crate) fn open(&self) -> String {
        self.address(&format!("user:{PASSWORD}"))
    }

    /// What it was asked for, a line a request.
    pub(crate) fn asked(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        log.lines().filter(|line| line.contains("Request (file")).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
