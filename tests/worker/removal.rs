//! A container is removed beside what comes after its job.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::json;

use crate::jobs::{CANCELED, SUCCESS};
use crate::place::Kind;
use crate::site::{Site, script};

/// The engine, with removals that wait for the test.
struct SlowEngine {
    port: u16,
    removals: Arc<Removals>,
}

#[derive(Default)]
struct Removals {
    /// How many were asked for, and whether they go through.
    state: Mutex<(usize, bool)>,
    released: Condvar,
}

impl SlowEngine {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let removals = Arc::<Removals>::default();
        let shared = Arc::clone(&removals);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = UnixStream::connect("/var/run/docker.sock").unwrap();
                let (from_far, to_near) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                let removals = Arc::clone(&shared);
                thread::spawn(move || removals.pass_on(near, far));
                thread::spawn(move || pass_back(from_far, to_near));
            }
        });
        Self { port, removals }
    }

    fn host(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    fn asked(&self) -> usize {
        self.removals.state.lock().unwrap().0
    }

    fn removes(&self) {
        self.removals.state.lock().unwrap().1 = true;
        self.removals.released.notify_all();
    }
}

impl Removals {
    fn pass_on(&self, mut near: TcpStream, mut far: UnixStream) {
        let mut bytes = [0; 16384];
        while let Ok(length @ 1..) = near.read(&mut bytes) {
            if bytes.starts_with(b"DELETE ") {
                let mut state = self.state.lock().unwrap();
                state.0 += 1;
                drop(self.released.wait_while(state, |(_, are_released)| !*are_released).unwrap());
                // Who asked may have given it up: then nobody asks.
                let mut next = [0];
                near.set_nonblocking(true).unwrap();
                if near.peek(&mut next).is_ok_and(|bytes| bytes == 0) {
                    break;
                }
                near.set_nonblocking(false).unwrap();
            }
            if far.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = far.shutdown(Shutdown::Write);
    }
}

fn pass_back(mut far: UnixStream, mut near: TcpStream) {
    let mut bytes = [0; 16384];
    while let Ok(length @ 1..) = far.read(&mut bytes)
        && near.write_all(&bytes[..length]).is_ok()
    {}
    let _ = near.shutdown(Shutdown::Write);
}

#[test]
fn neither_the_result_nor_the_slot_waits_until_the_container_is_removed() {
    let site = Site::new(Kind::Redis);
    let engine = SlowEngine::new();
    let worker = site.starting_worker(&["--concurrency", "1"], &[("DOCKER_HOST", &*engine.host())]);
    let first = site.send(&script("echo one"), json!({}));
    let second = site.send(&script("echo two"), json!({}));
    assert_eq!(first.ended(), SUCCESS, "{}", first.log());
    assert_eq!(site.result(&first).unwrap()["status"], "SUCCESS");
    assert_eq!(second.ended(), SUCCESS, "{}", second.log());
    site.until(|| engine.asked() == 2);
    assert!(first.has_container() && second.has_container());
    // A third one waits: removals that take longer than jobs do not pile up.
    let third = site.send(&script("echo three"), json!({}));
    site.until(|| third.statuses() == [2]);
    assert!(!third.has_container());
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    engine.removes();
    assert_eq!(third.ended(), SUCCESS, "{}", third.log());
    worker.ends_well();
    assert!([first, second, third].iter().all(|job| !job.has_container()));
}

#[test]
fn a_container_for_whose_removal_a_cancelled_job_had_no_time_is_removed_later() {
    let site = Site::new(Kind::Redis);
    let engine = SlowEngine::new();
    let worker = site.starting_worker(&[], &[("DOCKER_HOST", &*engine.host())]);
    let job = site.send(&script("echo up; trap exit TERM; sleep 1000 & wait"), json!({}));
    job.says("up");
    job.cancel();
    assert_eq!(job.ended(), CANCELED, "{}", job.log());
    site.until(|| engine.asked() > 1);
    assert!(job.has_container());
    engine.removes();
    site.until(|| !job.has_container());
    worker.ends_well();
}
