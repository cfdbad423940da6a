//! Hooks against a Girder of this file's: it takes whatever comes, and remembers what it was asked.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use super::{Access, HookError, Performed, Task};
use crate::event::{Ledger, RunId, Silent};
use crate::spec::{Hook, UploadOptions, VolumePath, VolumeRef};
use crate::store::Store;
use crate::volume::MAX_DEPTH;

const ID: &str = "5f3c9e0a1b2c3d4e5f6a7b8c";

/// The requests' methods and targets, in their order.
type Asked = Arc<Mutex<Vec<String>>>;

/// A Girder that has every folder, and to which every file has come.
fn girder() -> (Store, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let asked = Asked::default();
    let told = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let told = Arc::clone(&told);
            thread::spawn(move || serve(&stream.unwrap(), &told));
        }
    });
    (Store::new(&url, None).unwrap(), asked)
}

fn serve(stream: &TcpStream, asked: &Asked) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            let line = line.trim_end().to_owned();
            if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = bytes.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        if head.iter().any(|line| line.eq_ignore_ascii_case("expect: 100-continue")) {
            let _ = (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let target = head[0].trim_end_matches(" HTTP/1.1").replace("/api/v1/", "");
        (&mut reader).take(length).read_to_end(&mut Vec::new()).unwrap();
        // A file that is asked for without bytes is an upload.
        let is_open = length == 0 && target.starts_with("POST file");
        let more = if is_open { r#", "received": 0"# } else { "" };
        asked.lock().unwrap().push(target);
        let body = format!(r#"{{"_id": "{ID}", "name": "d"{more}}}"#);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = (&*stream).write_all(answer.as_bytes());
    }
}

/// What comes of the upload of `name` in `root` into a folder.
fn upload(store: Store, root: &Path, name: &str) -> Performed {
    let (_stop, cancelled): (_, Receiver<Infallible>) = bounded(0);
    let ledger = Ledger::new(RunId::random(), Arc::new(Silent));
    let path = VolumePath { volume: VolumeRef::DEFAULT, filename: name.to_owned() };
    let hook =
        Hook::UploadToFolder { path, folder_id: ID.to_owned(), options: UploadOptions::default() };
    let task = Task { hook, root: root.to_owned(), job_id: None };
    Access { client: store, ledger }.session(cancelled).perform(&task)
}

#[test]
fn folders_are_uploaded_as_deep_as_they_may_be_and_no_deeper() {
    let deep = |nth| std::iter::repeat_n("d", nth).collect::<PathBuf>();
    for (nth, is_taken) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
        let volume = tempfile::tempdir().unwrap();
        let last = volume.path().join("top").join(deep(nth));
        fs::create_dir_all(&last).unwrap();
        fs::write(last.join("file"), "x").unwrap();
        let (store, asked) = girder();
        let performed = upload(store, volume.path(), "top");
        let asked = asked.lock().unwrap();
        let files = asked.iter().filter(|asked| asked.starts_with("POST file")).count();
        if is_taken {
            performed.ended.unwrap();
            assert_eq!((files, performed.uploads.len()), (1, 1), "{asked:?}");
        } else {
            let error = performed.ended.unwrap_err();
            assert!(matches!(error, HookError::TooDeep { limit: MAX_DEPTH, .. }), "{error:?}");
            assert_eq!(files, 0, "{asked:?}");
        }
    }
}

#[test]
fn a_file_goes_with_the_request_that_makes_it_only_if_it_is_small() {
    let volume = tempfile::tempdir().unwrap();
    let most = 8 << 20;
    for (size, requests) in [(most, 1), (most + 1, 2)] {
        File::create(volume.path().join("file")).unwrap().set_len(size).unwrap();
        let (store, asked) = girder();
        let performed = upload(store, volume.path(), "file");
        performed.ended.unwrap();
        assert_eq!(performed.uploads[0].bytes, size);
        let asked = asked.lock().unwrap();
        let sent: Vec<_> = asked.iter().filter(|asked| asked.starts_with("POST file")).collect();
        assert_eq!(sent.len(), requests, "{sent:?}");
    }
}
