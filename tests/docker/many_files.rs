//! Many small files, down and up: from and to a store of our own that counts, and that fails as it is told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::run_jobs::{job, script};
use crate::support::command::{Finished, Invocation};
use crate::support::crowd::Crowd;
use crate::support::seeded::hex;

/// What came: the method, the path behind `/api/v1/`, the query, the body.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What it is answered with.
pub(crate) enum Answer {
    Json(Value),
    Bytes(Vec<u8>),
    Status(u16),
    /// Nothing: the connection closes.
    Nothing,
}

/// A store that a function plays.
pub(crate) struct Store {
    api: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Store {
    pub(crate) fn plays(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (opened, asked, answer) = (connections.clone(), requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                opened.fetch_add(1, Ordering::SeqCst);
                let (asked, answer) = (asked.clone(), answer.clone());
                thread::spawn(move || serve(stream, &asked, &*answer));
            }
        });
        Self { api, connections, requests }
    }

    pub(crate) fn with_access(&self, mut job: Value) -> Value {
        job["girder_api_url"] = self.api.clone().into();
        job
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, asked: &AtomicUsize, answer: &dyn Fn(&Asked) -> Answer) {
    stream.set_nodelay(true).unwrap();
    while let Some(request) = read_request(&mut stream) {
        asked.fetch_add(1, Ordering::SeqCst);
        let (status, bytes) = match answer(&request) {
            Answer::Json(value) => (200, value.to_string().into_bytes()),
            Answer::Bytes(bytes) => (200, bytes),
            Answer::Status(status) => (status, br#"{"message": "no"}"#.to_vec()),
            Answer::Nothing => return,
        };
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n", bytes.len());
        if stream.write_all(&[head.as_bytes(), &bytes].concat()).is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    };
    if field("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = vec![0; field("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    let mut words = head.split(' ');
    let method = words.next()?.to_owned();
    let url = url::Url::parse("http://store").unwrap().join(words.next()?).unwrap();
    let path = url.path().trim_start_matches("/api/v1/").to_owned();
    Some(Asked { method, path, query: url.query_pairs().into_owned().collect(), body })
}

/// What a folder of so many items of one file each is answered with.
fn folder_of(files: usize, asked: &Asked) -> Answer {
    let parts: Vec<_> = asked.path.split('/').collect();
    match parts[..] {
        ["folder", id] => Answer::Json(json!({"_id": id, "name": "the folder"})),
        ["folder"] => Answer::Json(json!([])),
        ["item"] => {
            let begin: usize = asked.query["offset"].parse().unwrap();
            let items = (begin..files.min(begin + 50))
                .map(|nth| json!({"_id": format!("i{nth}"), "name": format!("{nth}.txt")}));
            Answer::Json(items.collect())
        }
        ["item", id, "files"] => {
            let body = body_of(id);
            let sum = hex(&Sha512::digest(&body));
            let record = json!({"_id": id, "name": format!("{}.txt", &id[1..]), "size": body.len(), "sha512": sum});
            Answer::Json(json!([record]))
        }
        ["file", id, "download"] => Answer::Bytes(body_of(id)),
        _ => Answer::Status(404),
    }
}

fn body_of(id: &str) -> Vec<u8> {
    format!("{id} ").repeat(id[1..].parse::<usize>().unwrap() * 3).into_bytes()
}

/// What the container has to find.
fn sum_of(files: usize) -> String {
    let mut sum = Sha512::new();
    let mut names: Vec<_> = (0..files).map(|nth| format!("{nth}.txt")).collect();
    names.sort();
    names
        .iter()
        .for_each(|name| sum.update(body_of(&format!("i{}", name.trim_end_matches(".txt")))));
    hex(&sum.finalize())
}

fn downloads(store: &Store) -> Finished {
    let argument = json!({"type": "GirderFolderIdToVolume", "id": "f"});
    let text = r#"cd "$0"; LC_ALL=C; for name in *; do cat "$name"; done | sha512sum; find . -name '.*' -type f"#;
    let mut job = store.with_access(script(text));
    job["container_args"].as_array_mut().unwrap().push(argument);
    Invocation::job(&job).finish()
}

fn assert_whole(run: &Finished, files: usize) {
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.text(), format!("{}  -\n", sum_of(files)), "{run}");
    let records = run.reported("downloads").as_array().unwrap();
    assert_eq!(records.len(), files, "{run}");
    assert!(records.iter().all(|record| record["checked"] == true), "{run}");
}

#[test]
fn a_folder_of_small_files_comes_over_few_connections_and_each_is_asked_for_once() {
    let store = Store::plays(|asked| folder_of(230, asked));
    let run = downloads(&store);
    assert_whole(&run, 230);
    // A folder, those in it, five pages; what each item has, and each file.
    assert_eq!(store.requests(), 7 + 230 * 2, "{run}");
    assert!(store.connections.load(Ordering::SeqCst) <= 32, "{run}");
}

#[test]
fn a_store_that_is_asked_too_much_is_asked_less_and_everything_comes() {
    let (crowd, refused) = (Crowd::default(), Arc::<AtomicUsize>::default());
    let count = refused.clone();
    let store = Store::plays(move |asked| {
        if crowd.wait_for(8) > 6 {
            count.fetch_add(1, Ordering::SeqCst);
            return Answer::Status(429);
        }
        folder_of(150, asked)
    });
    let run = downloads(&store);
    assert_whole(&run, 150);
    assert!(refused.load(Ordering::SeqCst) > 0, "it was never too much: {run}");
}

#[test]
fn a_store_whose_connections_break_gives_each_file_whole() {
    let nth = AtomicUsize::new(0);
    let store = Store::plays(move |asked| match nth.fetch_add(1, Ordering::SeqCst) % 7 {
        3 => Answer::Nothing,
        5 => Answer::Status(503),
        _ => folder_of(120, asked),
    });
    assert_whole(&downloads(&store), 120);
}

#[test]
fn a_small_file_that_is_not_what_its_record_says_fails_the_run_and_leaves_nothing() {
    for (bad, words) in [
        (b"other".to_vec(), "its SHA-512 is not the one in Girder's record"),
        (b"longer than that".to_vec(), "the source has 16 bytes, 5 were expected"),
    ] {
        let record = json!([{"_id": "i1", "name": "a", "size": 5, "sha512": hex(&Sha512::digest(b"right"))}]);
        let store = Store::plays(move |asked| match &*asked.path {
            "item/f" => Answer::Json(json!({"_id": "f", "name": "item"})),
            "item/f/files" => Answer::Json(record.clone()),
            _ => Answer::Bytes(bad.clone()),
        });
        let host = tempfile::tempdir().unwrap();
        let volume =
            json!({"type": "BindMountVolume", "host_path": host.path(), "container_path": "/d"});
        let mut job = store.with_access(job(&["true"]));
        let argument = json!({"type": "GirderItemIdToVolume", "id": "f", "volume": volume});
        job["container_args"].as_array_mut().unwrap().push(argument);
        let run = Invocation::job(&job).finish();
        assert_eq!(run.code, 125, "{run}");
        assert!(run.stderr.contains(words), "{run}");
        let left: Vec<_> = std::fs::read_dir(host.path().join("f/item")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn what_a_job_does_not_want_checked_is_held_against_its_length() {
    let record =
        json!({"_id": "i1", "name": "a", "size": 5, "sha512": hex(&Sha512::digest(b"right"))});
    let store = Store::plays(move |asked| match &*asked.path {
        "file/i1" => Answer::Json(record.clone()),
        _ => Answer::Bytes(b"wrong".to_vec()),
    });
    let argument = json!({"type": "GirderFileIdToVolume", "id": "i1"});
    let mut job = store.with_access(script("cat $0"));
    job["container_args"].as_array_mut().unwrap().push(argument);
    let checked = Invocation::job(&job).finish();
    assert_eq!(checked.code, 125, "{checked}");
    for (option, member, code) in [
        (None, Some("never"), 0),
        (Some("never"), None, 0),
        (Some("never"), Some("always"), 0),
        (Some("always"), Some("never"), 125),
        (None, Some("large-only-by-length"), 125),
    ] {
        let mut job = job.clone();
        if let Some(member) = member {
            job["verify"] = member.into();
        }
        let run = Invocation::job(&job);
        let run = match option {
            Some(option) => run.args(&["--verify", option]),
            None => run,
        };
        let run = run.finish();
        assert_eq!(run.code, code, "{option:?} {member:?} {run}");
        if code == 0 {
            assert_eq!(run.text(), "wrong");
            assert_eq!(run.reported("downloads")[0]["checked"], false, "{run}");
        }
    }
}
