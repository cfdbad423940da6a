//! Uploads over a line that breaks.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::hooks::job;
use crate::support::command::Invocation;
use crate::support::girder::Girder;
use crate::support::in_front::Refusing;
use crate::support::seeded::hex;

/// What the line to the real Girder does, once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Breaks {
    /// It takes so many bytes and then breaks. (Girder itself drops less than 5 MiB of a chunk.)
    After(u64),
    /// It breaks before a request that says this.
    Before(&'static str),
    /// It breaks when the answer to such a request has come, which it keeps for itself.
    BeforeTheAnswerTo(&'static str),
}

/// Passes everything on to the real Girder, but for one break; counts what went there.
pub(crate) fn line(girder: &Girder, breaks: Breaks) -> (SocketAddr, Arc<AtomicU64>) {
    let host = url::Url::parse(girder.api()).unwrap();
    let there = (host.host_str().unwrap().to_owned(), host.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let is_broken = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for ours in listener.incoming().flatten() {
            let theirs = TcpStream::connect((there.0.as_str(), there.1)).unwrap();
            let (back, to) = (theirs.try_clone().unwrap(), ours.try_clone().unwrap());
            let keeps = Arc::new(AtomicBool::new(false));
            let kept = Arc::clone(&keeps);
            thread::spawn(move || pass(back, to, |_| !kept.load(Ordering::SeqCst)));
            let (counted, is_broken) = (Arc::clone(&counted), Arc::clone(&is_broken));
            thread::spawn(move || {
                pass(ours, theirs, |bytes| {
                    let before = counted.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                    let says = |text: &str| {
                        bytes.windows(text.len()).any(|window| window == text.as_bytes())
                    };
                    let is_due = match breaks {
                        Breaks::After(limit) => before > limit,
                        Breaks::Before(text) | Breaks::BeforeTheAnswerTo(text) => says(text),
                    };
                    if !is_due || is_broken.swap(true, Ordering::SeqCst) {
                        return true;
                    }
                    keeps.store(true, Ordering::SeqCst);
                    matches!(breaks, Breaks::BeforeTheAnswerTo(_))
                });
            });
        }
    });
    (address, count)
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut goes_on: impl FnMut(&mut [u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes @ 1..) = from.read(&mut buffer)
        && goes_on(&mut buffer[..bytes])
        && to.write_all(&buffer[..bytes]).is_ok()
    {}
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Uploads eighty million bytes over such a line; says how many went over it.
fn upload_over(breaks: Breaks) -> u64 {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let (address, count) = line(&girder, breaks);
    let host = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "big"},
        "item_id": item,
    }]);
    let text = "head -c 80000000 /dev/urandom > big; sha256sum < big";
    let mut job = job(&girder, host.path(), text, hooks);
    job["girder_api_url"] = format!("http://{address}/api/v1").into();
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    let files = girder.files(&item);
    assert_eq!(files.len(), 1, "{run}");
    let content = girder.content(files[0].1["_id"].as_str().unwrap());
    assert!(run.stdout.starts_with(hex(&Sha256::digest(&content)).as_bytes()), "{run}");
    count.load(Ordering::SeqCst)
}

#[test]
fn a_chunk_that_did_not_arrive_is_sent_again_and_only_that() {
    let sent = upload_over(Breaks::Before("offset=67108864"));
    assert!(sent < 2 * 67_108_864, "{sent}");
}

#[test]
fn an_upload_of_which_half_a_chunk_arrived_is_begun_anew() {
    let sent = upload_over(Breaks::After(75_000_000));
    assert!(sent > 80_000_000 + 67_108_864, "{sent}");
}

#[test]
fn a_file_whose_last_answer_was_lost_is_there_once() {
    let sent = upload_over(Breaks::BeforeTheAnswerTo("offset=67108864"));
    assert!(sent < 2 * 67_108_864, "{sent}");
}

/// Girder makes a file of an upload, and forgets it, before it answers.
#[test]
fn a_file_that_was_made_without_our_hearing_of_it_is_found_wherever_it_was_put() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let to_item = json!({
        "type": "GirderUploadVolumePathToItem", "volumepath": {"filename": "r"}, "item_id": item,
    });
    let to_folder = json!({
        "type": "GirderUploadVolumePathToFolder", "volumepath": {"filename": "r"},
        "folder_id": girder.folder(),
    });
    let large = "head -c 20000000 /dev/urandom > r; sha256sum < r";
    let another = girder.make_item(girder.folder(), "another");
    let mut to_another = to_item.clone();
    to_another["item_id"] = json!(another);
    // An item of the same name is in the folder after the first.
    for (hook, text, answer, files) in [
        (&to_item, large, "file/chunk", 1),
        (&to_item, large, "file/chunk", 1),
        (&to_folder, large, "file/chunk", 1),
        (&to_folder, large, "file/chunk", 2),
        (&to_item, ": > r; sha256sum < r", "/contents?", 1),
        (&to_folder, ": > r; sha256sum < r", "POST /api/v1/file?", 3),
        (&to_another, ": > r; sha256sum < r", "POST /api/v1/file?", 1),
    ] {
        let (address, _) = line(&girder, Breaks::BeforeTheAnswerTo(answer));
        let host = tempfile::tempdir().unwrap();
        let mut job = job(&girder, host.path(), text, json!([hook]));
        job["girder_api_url"] = format!("http://{address}/api/v1").into();
        let run = Invocation::job(&job).finish();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
        let items = match hook["item_id"].as_str() {
            Some(item) => vec![json!(item)],
            None => {
                let path = format!("item?folderId={}&sort=created", girder.folder());
                let made = girder.get(&path);
                let made = made.as_array().unwrap().iter().map(|item| item["_id"].clone());
                made.filter(|made| *made != json!(item) && *made != json!(another)).collect()
            }
        };
        let found: Vec<_> =
            items.iter().flat_map(|item| girder.files(item.as_str().unwrap())).collect();
        assert_eq!(found.len(), files, "{run}");
        let content = girder.content(found.last().unwrap().1["_id"].as_str().unwrap());
        assert!(run.stdout.starts_with(hex(&Sha256::digest(&content)).as_bytes()), "{run}");
    }
}

#[test]
fn a_file_that_was_made_is_found_behind_the_last_attempt_as_well() {
    let girder = Girder::log_in();
    for (text, answer) in [
        (": > r; sha256sum < r", "POST /api/v1/file?"),
        ("echo result > r; sha256sum < r", "POST /api/v1/file?"),
        ("head -c 20000000 /dev/urandom > r; sha256sum < r", "file/chunk"),
    ] {
        let item = girder.make_item(girder.folder(), "results");
        let hook = json!({
            "type": "GirderUploadVolumePathToItem", "volumepath": {"filename": "r"}, "item_id": item,
        });
        let (address, _) = line(&girder, Breaks::BeforeTheAnswerTo(answer));
        let host = tempfile::tempdir().unwrap();
        let mut job = job(&girder, host.path(), text, json!([hook]));
        job["girder_api_url"] = format!("http://{address}/api/v1").into();
        let run = Invocation::job(&job).args(&["--girder-patience", "0"]).finish();
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run}");
        let files = girder.files(&item);
        assert_eq!(files.len(), 1, "{run}");
        let content = girder.content(files[0].1["_id"].as_str().unwrap());
        assert!(run.stdout.starts_with(hex(&Sha256::digest(&content)).as_bytes()), "{run}");
    }
}

#[test]
fn a_girder_that_is_busy_when_the_container_has_ended_is_asked_again_unless_it_is_not_to_be() {
    let girder = Girder::log_in();
    let (item, folder) = (girder.make_item(girder.folder(), "results"), girder.folder());
    let to_item = json!({
        "type": "GirderUploadVolumePathToItem", "volumepath": {"filename": "r"}, "item_id": item,
    });
    let to_folder = json!({
        "type": "GirderUploadVolumePathToFolder", "volumepath": {"filename": "d"}, "folder_id": folder,
    });
    let metadata =
        json!({"type": "GirderItemMetadata", "item_id": item, "metadata": {"key": "value"}});
    let listing: &str = format!("GET /api/v1/item/{item}/files").leak();
    let cases: [(&Value, &'static [&'static str]); 3] = [
        (&to_item, vec![listing].leak()),
        (&to_folder, &["POST /api/v1/folder?"]),
        (&metadata, &["PUT /api/v1/item/"]),
    ];
    for (hook, requests) in cases {
        for (patience, code) in [("6", 0), ("0", 125)] {
            let busy = Refusing::busy_once(&girder, requests);
            let host = tempfile::tempdir().unwrap();
            let text = "mkdir -p d/e; echo result | tee r > d/e/r";
            let mut job = job(&girder, host.path(), text, json!([hook]));
            job["girder_api_url"] = busy.api().into();
            let run = Invocation::job(&job).args(&["--girder-patience", patience]).finish();
            busy.meets_one();
            assert_eq!(run.code, code, "{requests:?} {run}");
            assert!(code == 0 || run.stderr.contains("answered with status 503"), "{run}");
        }
    }
    assert_eq!(girder.files(&item).len(), 1);
    assert_eq!(girder.get(&format!("item/{item}"))["meta"], json!({"key": "value"}));
}

/// Passes everything on to the real Girder; the two functions see what goes there and what comes back.
fn altering(
    girder: &Girder,
    there: impl Fn(&mut [u8]) + Clone + Send + 'static,
    back: impl Fn(&mut [u8]) + Clone + Send + 'static,
) -> String {
    let host = url::Url::parse(girder.api()).unwrap();
    let place = (host.host_str().unwrap().to_owned(), host.port().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let seen = |see: &dyn Fn(&mut [u8]), bytes: &mut [u8]| {
            see(bytes);
            true
        };
        for ours in listener.incoming().flatten() {
            let theirs = TcpStream::connect((place.0.as_str(), place.1)).unwrap();
            let (from, to) = (theirs.try_clone().unwrap(), ours.try_clone().unwrap());
            let (there, back) = (there.clone(), back.clone());
            thread::spawn(move || pass(ours, theirs, |bytes| seen(&there, bytes)));
            thread::spawn(move || pass(from, to, |bytes| seen(&back, bytes)));
        }
    });
    format!("http://{address}/api/v1")
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_no_success_and_does_not_stay_in_girder() {
    let girder = Girder::log_in();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let changes: [fn(&Path); 4] = [
        |path| to_write(path).set_len(100_001).unwrap(),
        |path| to_write(path).write_all(b"x").unwrap(),
        |path| to_write(path).set_len(400_000).unwrap(),
        |path| {
            fs::write(path.with_extension("new"), "new").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        },
    ];
    for (nth, change) in changes.into_iter().enumerate() {
        let item = girder.make_item(girder.folder(), "results");
        let changed = path.clone();
        // Before Girder has any of it.
        let there = move |bytes: &mut [u8]| {
            if bytes.starts_with(b"POST /api/v1/file?") {
                change(&changed);
            }
        };
        let hooks = json!([{
            "type": "GirderUploadVolumePathToItem",
            "volumepath": {"filename": "r"},
            "item_id": item,
            "delete_file": true,
        }]);
        let mut job = job(&girder, folder.path(), "head -c 300000 /dev/urandom > r", hooks);
        job["girder_api_url"] = altering(&girder, there, |_| {}).into();
        let run = Invocation::job(&job).finish();
        // One that has only grown, or has a successor, is what it was.
        let is_whole = nth >= 2;
        assert_eq!(run.code, if is_whole { 0 } else { 125 }, "{run}");
        assert_eq!(girder.files(&item).len(), usize::from(is_whole), "{run}");
        assert!(is_whole || run.stderr.contains("changed while it was uploaded"), "{run}");
        // What was uploaded goes, and nothing else.
        assert_eq!(path.exists(), nth != 2, "{run}");
        let warnings = run.reported("warnings").to_string();
        assert_eq!(warnings.contains("was replaced while it was uploaded"), nth == 3, "{run}");
    }
    assert_eq!(fs::read(path).unwrap(), b"new");
}

fn to_write(path: &Path) -> fs::File {
    fs::OpenOptions::new().write(true).open(path).unwrap()
}

#[test]
fn a_file_that_is_shorter_in_girder_than_what_was_sent_is_no_success_and_the_result_stays() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "results");
    let back = |bytes: &mut [u8]| {
        let (is, says) = (b"\"size\": 7", b"\"size\": 6");
        while let Some(at) = bytes.windows(is.len()).position(|window| window == is) {
            bytes[at..][..is.len()].copy_from_slice(says);
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let hooks = json!([{
        "type": "GirderUploadVolumePathToItem",
        "volumepath": {"filename": "r"},
        "item_id": item,
        "delete_file": true,
    }]);
    let mut job = job(&girder, folder.path(), "echo result > r", hooks);
    job["girder_api_url"] = altering(&girder, |_| {}, back).into();
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("1 of its 7 bytes are missing in Girder"), "{run}");
    assert_eq!(fs::read(folder.path().join("r")).unwrap(), b"result\n", "{run}");
}
