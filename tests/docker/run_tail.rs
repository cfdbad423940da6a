//! The last words of a container whose output we could not take in time: the engine waits two seconds for us,
//! throws them away, and ends the stream as if they had been all.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::command::Finished;
use crate::support::gate::{GATE, Gate};
use crate::support::job::{Job, end, host_file};

/// More than the engine and the socket hold of it, and less than stalls the container.
const BYTES: usize = 1_212_890;

/// A line of 65 bytes.
const LINE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Runs a job whose container writes and exits while we stand still for longer than the engine waits.
fn stand_still(job: Job) -> Finished {
    stand_still_before(job, Path::new("/var/run/docker.sock"))
}

/// The same, on the engine at `socket`.
fn stand_still_before(job: Job, socket: &Path) -> Finished {
    let gate = Gate::new();
    let engine = format!("unix://{}", socket.display());
    let run = gate.reached(gate.mount(job).invocation().env("DOCKER_HOST", engine).start());
    let id = run.container_started();
    run.signal(Signal::SIGSTOP);
    gate.open();
    let waited = Command::new("docker").args(["wait", &id]).output().unwrap();
    assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
    // Not before the engine has lost its patience.
    let (_never, patience) = mpsc::channel::<()>();
    let _ = patience.recv_timeout(Duration::from_secs(4));
    run.signal(Signal::SIGCONT);
    run.finish()
}

#[test]
fn the_last_words_of_a_container_are_had_while_we_stand_still() {
    let run = stand_still(Job::script(&format!("{GATE}; yes {LINE} | head -c {BYTES}")));
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.stdout.len(), BYTES, "{run}");
    let line = format!("{LINE}\n");
    assert!(run.stdout.chunks(line.len()).all(|found| line.as_bytes().starts_with(found)));
    assert_eq!(run.transfer("host:stdout")["finish"], "complete", "{run}");
}

#[test]
fn last_words_that_are_not_text_are_whole_or_told_to_be_missing() {
    // The engine's log has another character in place of each of these bytes. Whether it throws some away depends on
    // how much its own buffers take.
    let bytes = format!("{GATE}; head -c {BYTES} /dev/zero | tr '\\0' '\\377'");
    let run = stand_still(Job::script(&bytes));
    assert_eq!(run.code, 0, "{run}");
    let finish = run.transfer("host:stdout")["finish"].clone();
    let is_told = run.reported("warnings").to_string().contains("may be missing");
    match run.stdout.len() {
        BYTES if finish == "complete" => assert!(!is_told, "{run}"),
        _ => assert!(finish == "incomplete" && is_told, "{run}"),
    }
    let folder = TempDir::with_prefix("gantline-results-").unwrap();
    let path = folder.path().join("out");
    let run = stand_still(Job::script(&bytes).stream(end("ContainerStdOut"), host_file(&path)));
    match fs::metadata(&path) {
        Ok(file) => assert_eq!((run.code, file.len()), (0, BYTES as u64), "{run}"),
        Err(_) => {
            assert_eq!(run.code, 125, "{run}");
            assert!(run.stderr.contains("may be missing from container:stdout"), "{run}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{run}");
        }
    }
}

#[test]
fn a_program_that_closes_its_output_and_goes_on_lacks_nothing() {
    let run = Job::script("printf '\\377'; exec >&- 2>&-; sleep 3").finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.stdout, [0xff], "{run}");
    assert_eq!(run.transfer("host:stdout")["finish"], "complete", "{run}");
}

/// Stands before the engine, and tells of a container's exit as one that is busy: later than its output ends, and with
/// a time that is later as well.
fn tells_late(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        for ours in listener.incoming().flatten() {
            let theirs = UnixStream::connect("/var/run/docker.sock").unwrap();
            let (from, to) = (ours.try_clone().unwrap(), theirs.try_clone().unwrap());
            let (tell, asked) = mpsc::channel();
            thread::spawn(move || pass(from, to, |bytes| drop(tell.send(bytes.to_vec()))));
            thread::spawn(move || {
                let mut request = None;
                pass(theirs, ours, |bytes| {
                    let request = request.get_or_insert_with(|| asked.recv().unwrap());
                    let is = |text: &[u8], word: &[u8]| text.windows(word.len()).any(|w| w == word);
                    if is(request, b"/wait?") && is(bytes, b"StatusCode") {
                        thread::park_timeout(Duration::from_millis(500));
                    }
                    let field = b"\"FinishedAt\":\"2";
                    if let Some(at) = bytes.windows(field.len()).position(|w| w == field) {
                        bytes[at + field.len()..][..3].copy_from_slice(b"999");
                    }
                });
            });
        }
    });
}

fn pass(mut from: UnixStream, mut to: UnixStream, mut each: impl FnMut(&mut [u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        each(&mut buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn output_that_ended_with_its_container_was_all_however_late_the_engine_says_so_or_we_look() {
    let folder = TempDir::with_prefix("gantline-results-").unwrap();
    let [socket, path, late] = ["engine.sock", "out", "late"].map(|name| folder.path().join(name));
    tells_late(&socket);
    // We see all of it at once, and by the engine's clock the container has only just ended.
    let job = Job::script(&format!("{GATE}; head -c 5000 /dev/zero"));
    let run = stand_still_before(job.stream(end("ContainerStdOut"), host_file(&late)), &socket);
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read(&late).unwrap(), [0; 5000], "{run}");
    // It has no log.
    let job = Job::script("sleep 1; echo all").stream(end("ContainerStdOut"), host_file(&path));
    let run = job.invocation().env("DOCKER_HOST", format!("unix://{}", socket.display())).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(fs::read(&path).unwrap(), b"all\n", "{run}");
}
