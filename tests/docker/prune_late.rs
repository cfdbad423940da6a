//! An engine that makes a container when the run that has asked for it is dead, and one that is removing it already, or does
//! not know yet what it lists.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::prune::{Ground, docker, kill};
use crate::run_jobs::script;

/// What passes everything on to the engine; the making of a container when it is told to. The first removal may have an
/// answer of its own.
struct Busy {
    /// The first line of each request.
    requests: Receiver<String>,
    go_on: Sender<()>,
}

impl Busy {
    fn at(socket: &Path, mut first_removal: Option<&'static [u8]>) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let (tell, requests) = channel();
        let (go_on, may_go_on) = channel();
        thread::spawn(move || {
            let mut may_go_on = Some(may_go_on);
            // There is a connection for each request.
            for mut ours in listener.incoming().flatten() {
                let mut head = vec![0; 1 << 16];
                let Ok(bytes @ 1..) = ours.read(&mut head) else { continue };
                head.truncate(bytes);
                let line = String::from_utf8_lossy(&head).lines().next().unwrap().to_owned();
                let hold = line.contains("/containers/create").then(|| may_go_on.take()).flatten();
                let answer = line.starts_with("DELETE ").then(|| first_removal.take()).flatten();
                let _ = tell.send(line);
                if let Some(answer) = answer {
                    let _ = ours.write_all(answer);
                    continue;
                }
                thread::spawn(move || pass(ours, &head, hold));
            }
        });
        Self { requests, go_on }
    }

    fn meets(&self, what: &str) {
        while !self.requests.recv_timeout(BOUND).expect(what).contains(what) {}
    }
}

const BOUND: Duration = Duration::from_secs(60);

const REMOVING: &[u8] = b"HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 67\r\n\
    Connection: close\r\n\r\n{\"message\":\"removal of container x is already in progress for now\"}";

/// What an engine says of a container that it lists, and is still making.
const NOT_YET: &[u8] =
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 37\r\n\
    Connection: close\r\n\r\n{\"message\":\"No such container: 0123\"}";

fn pass(mut ours: UnixStream, head: &[u8], hold: Option<Receiver<()>>) -> io::Result<()> {
    if let Some(hold) = hold {
        let _ = hold.recv_timeout(BOUND);
    }
    let mut theirs = UnixStream::connect("/var/run/docker.sock")?;
    theirs.write_all(head)?;
    let (mut from, mut to) = (ours.try_clone()?, theirs.try_clone()?);
    thread::spawn(move || pump(&mut from, &mut to));
    // Whoever has asked may be gone; the engine does not know.
    pump(&mut theirs, &mut ours)
}

fn pump(from: &mut UnixStream, to: &mut UnixStream) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    while let bytes @ 1.. = from.read(&mut buffer)? {
        to.write_all(&buffer[..bytes])?;
    }
    Ok(())
}

fn prune(ground: &Ground) -> Command {
    let mut prune = Command::new(env!("CARGO_BIN_EXE_gantline"));
    prune
        .arg("prune")
        .env("TMPDIR", ground.folder("tmp"))
        .env("GANTLINE_RECORD_DIR", ground.folder("records"))
        .stdout(Stdio::piped());
    prune
}

/// Asserts that it has removed the container of this process, and everything else.
fn is_pruned(ground: &Ground, pruned: &Output, process: u32) {
    assert!(pruned.status.success(), "{pruned:?}");
    let said = String::from_utf8_lossy(&pruned.stdout);
    assert!(said.contains("removed container gantline-"), "{said}");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{said}");
    assert_eq!(docker(&["ps", "-aq", "--filter", &format!("label=gantline.pid={process}")]), "");
}

#[test]
fn a_container_that_is_made_when_its_run_is_dead_is_pruned() {
    let ground = Ground::new();
    let socket = ground.folder("engine.sock");
    let engine = Busy::at(&socket, None);
    let mut run = ground.start(&script("true"), Some(&socket));
    engine.meets("/containers/create");
    let process = run.id();
    kill(&mut run);
    let prune = prune(&ground).spawn().unwrap();
    // It has looked once, and there was none.
    engine.meets("/containers/json");
    engine.meets("/containers/json");
    engine.go_on.send(()).unwrap();
    is_pruned(&ground, &prune.wait_with_output().unwrap(), process);
}

#[test]
fn a_container_that_another_is_removing_or_the_engine_still_makes_is_gone_when_a_prune_ends() {
    for first_removal in [REMOVING, NOT_YET] {
        let ground = Ground::new();
        let socket = ground.folder("engine.sock");
        let engine = Busy::at(&socket, Some(first_removal));
        engine.go_on.send(()).unwrap();
        let mut run = ground.start(&script("sleep 1000"), Some(&socket));
        engine.meets("/start");
        let process = run.id();
        kill(&mut run);
        is_pruned(&ground, &prune(&ground).output().unwrap(), process);
        engine.meets("DELETE ");
        engine.meets("DELETE ");
    }
}

#[test]
fn a_container_to_keep_that_is_started_when_its_run_is_dead_is_stopped() {
    let ground = Ground::new();
    let socket = ground.folder("engine.sock");
    let engine = Busy::at(&socket, None);
    engine.go_on.send(()).unwrap();
    let mut job = script("sleep 1000");
    job["remove_container"] = json!(false);
    let mut run = ground.start(&job, Some(&socket));
    engine.meets("/start");
    let process = run.id();
    kill(&mut run);
    let pruned = prune(&ground).output().unwrap();
    let said = String::from_utf8_lossy(&pruned.stdout);
    let label = format!("label=gantline.pid={process}");
    let id = docker(&["ps", "-aq", "--filter", &label]);
    let running = docker(&["inspect", "--format", "{{.State.Running}}", &id]);
    docker(&["rm", "--force", &id]);
    assert!(pruned.status.success() && said.contains("stopped container gantline-"), "{pruned:?}");
    assert_eq!(running, "false");
    assert_eq!(ground.left(), [] as [PathBuf; 0], "{said}");
}
