//! A container that its run cannot kill: what it reads has no end until it is dead.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gantline::{JobSpec, Runner};
use serde_json::json;

use crate::docker_peer::{Peer, SOON, http, id};
use crate::run_stops::asked;

/// An engine that starts a container, and then hears nothing until it is awake.
fn engine(is_awake: &Arc<AtomicBool>) -> Peer {
    let is_awake = Arc::clone(is_awake);
    Peer::on_unix(move |request, stream| {
        let answer = match asked(request).as_str() {
            "GET /_ping" => return false,
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(201, &format!(r#"{{"Id": "{}"}}"#, id())),
            "HEAD /archive" => http(200, ""),
            "POST /start" => http(204, ""),
            "DELETE " if is_awake.load(Ordering::Relaxed) => http(204, ""),
            asked => {
                let head: &[u8] = match asked {
                    "POST /attach" => b"HTTP/1.1 101 Whatever\r\nUpgrade: tcp\r\n\r\n",
                    "POST /wait" => b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n",
                    _ => b"",
                };
                let _ = stream.write_all(head);
                stream.wait_for_close();
                return true;
            }
        };
        let _ = stream.write_all(answer.as_bytes());
        true
    })
}

/// The FIFO in a folder, at any depth.
fn fifo_in(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).unwrap().flatten().find_map(|entry| {
        let kind = entry.file_type().unwrap();
        match kind.is_dir() {
            true => fifo_in(&entry.path()),
            false => kind.is_fifo().then(|| entry.path()),
        }
    })
}

/// Reads until there is nothing more now. Whether that was the end.
fn read_on(fifo: &mut File) -> bool {
    let mut bytes = vec![0; 1 << 20];
    loop {
        match fifo.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_a_container_reads_has_no_end_while_it_may_run() {
    let is_awake = Arc::new(AtomicBool::new(false));
    let engine = engine(&is_awake);
    let [temporary, records, source] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    // More than a pipe holds.
    let path = source.path().join("source");
    fs::write(&path, vec![b'x'; 4 << 20]).unwrap();
    // A call that is not answered is made again after that.
    let mut settings = engine.settings();
    settings.timeout = Duration::from_secs(5);
    let runner = Runner::builder()
        .engine(settings)
        .temporary_folder(temporary.path())
        .record_folder(records.path())
        .stop_timeout(Duration::ZERO)
        .build()
        .unwrap();
    let job = json!({"image": "i:1", "pull_image": false, "container_args": [{
        "type": "Connect",
        "input": {"type": "HostFileToStream", "path": path},
        "output": {"type": "NamedInputPipe", "name": "in"},
    }]});
    let handle = runner.start(&JobSpec::from_json(&job.to_string()).unwrap()).unwrap();
    while asked(&engine.request()) != "POST /start" {}
    // This test is the container's program.
    let fifo = fifo_in(temporary.path()).unwrap();
    let nonblock = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut fifo = OpenOptions::new().read(true).custom_flags(nonblock).open(fifo).unwrap();
    fifo.read_exact(&mut [0; 4096]).unwrap();
    handle.cancel();
    handle.cancel();
    let outcome = handle.wait().unwrap();
    let told = outcome.report.warnings.join("\n");
    assert!(told.contains("may still run: what it reads is kept open until it is dead"), "{told}");
    assert!(!read_on(&mut fifo), "it takes what it has for the whole: {told}");

    is_awake.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + SOON;
    while !read_on(&mut fifo) {
        assert!(Instant::now() < deadline, "it is held open for ever");
        thread::park_timeout(Duration::from_millis(20));
    }
}
