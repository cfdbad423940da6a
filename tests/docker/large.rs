//! Two gibibytes each way pass through little memory. The store is one that costs no time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::command::{Finished, peak_memory};
use crate::support::gate::{GATE, Gate};
use crate::support::job::{Job, bind_mount, connect, named_output_pipe};

const SIZE: u64 = 2 << 30;
const LIMIT: u64 = 12 << 20;
const ID: &str = "5f3c9e0a1b2c3d4e5f6a7b8c";

/// A Girder whose one file is zeros, and that throws away what is uploaded.
#[derive(Debug, Default)]
struct Store {
    received: AtomicU64,
    /// The process whose memory is looked at with each request; 0 is none.
    watched: AtomicU32,
    peak: AtomicU64,
}

impl Store {
    fn serve() -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let store = Arc::new(Self::default());
        let serving = Arc::clone(&store);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let store = Arc::clone(&serving);
                // A client that closes has had enough.
                thread::spawn(move || store.answer_all(&mut BufReader::new(stream)).is_ok());
            }
        });
        (store, address)
    }

    fn answer_all(&self, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
        let mut piece = vec![0; 1 << 20];
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head)? == 0 {
                    return Ok(());
                }
            }
            let head = head.to_ascii_lowercase();
            let mut left: u64 = header(&head, "content-length").map_or(0, |n| n.parse().unwrap());
            let received = self.received.fetch_add(left, Ordering::SeqCst) + left;
            while left > 0 {
                let room = piece.len().min(usize::try_from(left).unwrap());
                left -= stream.read(&mut piece[..room])? as u64;
            }
            self.look();
            if head.contains("/download") {
                zeros(stream.get_mut(), header(&head, "range"))?;
                continue;
            }
            let record = match received {
                _ if head.contains("/item/") && head.contains("/files") => json!([]),
                _ if head.starts_with("get") => json!({"_id": ID, "name": "big", "size": SIZE}),
                SIZE => json!({"_id": ID, "name": "big", "size": SIZE, "itemId": ID}),
                received => json!({"_id": ID, "name": "big", "size": SIZE, "received": received}),
            };
            answer(stream.get_mut(), &record)?;
        }
    }

    fn look(&self) {
        let process = self.watched.load(Ordering::SeqCst);
        self.peak.fetch_max(peak_memory(process).unwrap_or(0), Ordering::SeqCst);
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn answer(stream: &mut TcpStream, record: &Value) -> std::io::Result<()> {
    let record = record.to_string();
    let length = record.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{record}")
}

fn zeros(stream: &mut TcpStream, range: Option<&str>) -> std::io::Result<()> {
    let numbers = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (first, end) = numbers.map_or((0, SIZE), |(first, last)| {
        (first.parse().unwrap(), last.parse().map_or(SIZE, |last: u64| last + 1))
    });
    let (length, last) = (end - first, end - 1);
    match range {
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
        Some(_) => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n"
        )?,
    }
    write!(stream, "Content-Length: {length}\r\n\r\n")?;
    let piece = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        let room = piece.len().min(usize::try_from(left).unwrap());
        stream.write_all(&piece[..room])?;
        left -= room as u64;
    }
    Ok(())
}

/// Runs a job that uploads everything; its memory is looked at while it does.
fn upload(job: &Job) -> Finished {
    let (store, address) = Store::serve();
    let job = job.clone().set("girder_api_url", format!("http://{address}/api/v1"));
    let running = job.invocation().deadline(Duration::from_secs(120)).start();
    store.watched.store(running.id(), Ordering::SeqCst);
    let run = running.finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.reported("uploads")[0]["bytes"], SIZE, "{run}");
    assert_eq!(store.received.load(Ordering::SeqCst), SIZE, "{run}");
    let peak = store.peak.load(Ordering::SeqCst);
    assert!((1..LIMIT).contains(&peak), "{peak} bytes of memory: {run}");
    run
}

#[test]
fn a_file_of_two_gibibytes_comes_into_a_volume() {
    let (_, address) = Store::serve();
    let gate = Gate::new();
    let script = format!("stat -c %s $1; {GATE}");
    let job =
        gate.mount(Job::script(&script).arg(json!({"type": "GirderFileIdToVolume", "id": ID})));
    let job = job.set("girder_api_url", format!("http://{address}/api/v1"));
    let running = gate.reached(job.invocation().deadline(Duration::from_secs(120)).start());
    let peak = running.peak_memory();
    gate.open();
    let run = running.finish();
    assert_eq!((run.code, run.text()), (0, "2147483648\n"), "{run}");
    assert!(peak < LIMIT, "{peak} bytes of memory: {run}");
}

#[test]
fn a_file_of_two_gibibytes_is_uploaded_from_a_volume() {
    let host = tempfile::tempdir().unwrap();
    // A hole: it takes no room on the disk.
    File::create(host.path().join("big")).unwrap().set_len(SIZE).unwrap();
    let volume = bind_mount(host.path(), "/out");
    upload(&Job::program(&["true"]).volume(volume.clone()).set(
        "girder_result_hooks",
        json!([{
            "type": "GirderUploadVolumePathToItem",
            "volumepath": {"type": "VolumePath", "filename": "big", "volume": volume},
            "item_id": ID,
        }]),
    ));
}

#[test]
fn two_gibibytes_are_streamed_into_an_item() {
    let item = json!({"type": "GirderStreamToItem", "item_id": ID, "name": "big", "size": SIZE});
    let script = "dd if=/dev/zero of=$1 bs=1M count=2048 2>/dev/null";
    let run = upload(&Job::script(script).arg(connect(named_output_pipe("out"), item)));
    assert_eq!(run.reported("transfers")[0]["bytes"], SIZE, "{run}");
}
