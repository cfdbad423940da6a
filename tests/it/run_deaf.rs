//! An engine that does not answer any more does not keep a run that is to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use gantline::{JobSpec, Runner};

use crate::docker_peer::{Peer, SOON, http, id, is_ping, target};

/// An engine that answers nothing from its first call of this kind on, and says so.
fn deaf_from(call: &'static str) -> (Peer, Receiver<()>) {
    let (fell, is_deaf) = (unbounded(), Arc::new(AtomicBool::new(false)));
    let (says, heard) = fell;
    let peer = Peer::on_unix(move |request, stream| {
        let container = format!("/containers/{}", id());
        let target = target(request).replace("/v1.41", "").replace(&container, "");
        let asked = target.split('?').next().unwrap();
        if asked == call {
            is_deaf.store(true, Ordering::Relaxed);
            let _ = says.send(());
        }
        if is_deaf.load(Ordering::Relaxed) {
            stream.wait_for_close();
            return true;
        }
        let answer = match asked {
            _ if is_ping(request) => return false,
            "GET /images/i:1/json" => http(200, r#"{"Id": "sha256:1"}"#),
            "POST /containers/create" => http(201, &format!(r#"{{"Id": "{}"}}"#, id())),
            "POST /start" => {
                let _ = says.send(());
                http(204, "")
            }
            "POST /kill" | "DELETE " => {
                is_deaf.store(true, Ordering::Relaxed);
                stream.wait_for_close();
                return true;
            }
            "POST /attach" => {
                let head = b"HTTP/1.1 101 Whatever\r\nUpgrade: tcp\r\n\r\n";
                let _ = stream.write_all(head);
                stream.wait_for_close();
                return true;
            }
            "POST /wait" => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head);
                stream.wait_for_close();
                return true;
            }
            other => panic!("{other}"),
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    (peer, heard)
}

/// Starts a run on it, cancels it so often, and gives how long it took to end then.
fn cancelled(call: &'static str, times: usize) -> (Duration, String) {
    let (engine, deaf) = deaf_from(call);
    let [folder, records] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let job = r#"{"image": "i:1", "pull_image": false, "container_args": ["x"]}"#;
    let job = JobSpec::from_json(job).unwrap();
    // Nobody waits for a call so long.
    let settings = engine.settings().with_timeout(Duration::from_secs(3600));
    let runner = Runner::builder().engine(settings).temporary_folder(folder.path());
    let runner = runner.record_folder(records.path()).stop_timeout(Duration::from_secs(1));
    let run = runner.build().unwrap().start(&job).unwrap();
    deaf.recv_timeout(SOON).unwrap();
    let asked = Instant::now();
    (0..times).for_each(|_| run.cancel());
    let _ = run.wait();
    let took = asked.elapsed();
    let files = std::fs::read_dir(records.path()).unwrap();
    let files = files.flat_map(|user| std::fs::read_dir(user.unwrap().path()).unwrap());
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    (took, texts.collect())
}

#[test]
fn a_run_ends_soon_whichever_call_is_not_answered_and_the_container_is_written_down() {
    for call in ["POST /containers/create", "POST /attach", "POST /start", "POST /stop"] {
        for times in [1, 2] {
            let (took, record) = cancelled(call, times);
            assert!(took < Duration::from_secs(10), "{call}, {times}: {took:?}");
            assert!(record.contains("gantline-"), "{call}: {record}");
        }
    }
}
