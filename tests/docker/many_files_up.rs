//! Many small files that go up, to a store of our own that counts, and that loses what it is told to lose.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use sha2::{Digest, Sha512};

use crate::many_files::{Answer, Asked, Store};
use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation};
use crate::support::crowd::Crowd;
use crate::support::seeded::hex;

/// What a store does with bytes that come with the request that makes a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// They are the file.
    Taken,
    /// It wants them in chunks.
    Ignored,
    /// They are the file, and each third answer is lost, and the first to one without bytes.
    TakenAndLost,
    /// Those requests are lost.
    Lost,
}

/// Files by folder and name, each as often as it was put there; uploads that go on.
#[derive(Default)]
struct Shelf {
    files: Mutex<BTreeMap<String, Vec<Vec<u8>>>>,
    open: Mutex<Vec<(String, Vec<u8>, usize)>>,
    whole: AtomicUsize,
    /// Whether a file without bytes was asked for.
    is_met: AtomicBool,
    crowd: Crowd,
}

impl Shelf {
    fn put(&self, name: &str, bytes: &[u8]) -> Answer {
        self.files.lock().unwrap().entry(name.to_owned()).or_default().push(bytes.to_vec());
        let name = name.rsplit('/').next().unwrap();
        Answer::Json(json!({"_id": "f", "name": name, "size": bytes.len(), "itemId": "i"}))
    }

    fn answer(&self, whole: Whole, asked: &Asked) -> Answer {
        self.crowd.wait_for(6);
        self.answered(whole, asked)
    }

    fn answered(&self, whole: Whole, asked: &Asked) -> Answer {
        let of = |key: &str| asked.query.get(key).cloned().unwrap_or_default();
        let parts: Vec<_> = asked.path.split('/').collect();
        match (&*asked.method, &parts[..]) {
            ("GET", ["folder", id]) => Answer::Json(json!({"_id": id, "name": "results"})),
            ("POST", ["folder"]) => Answer::Json(json!({"_id": of("name"), "name": of("name")})),
            ("POST", ["file"]) => {
                let name = format!("{}/{}", of("parentId"), of("name"));
                let size: usize = of("size").parse().unwrap();
                let is_third = self.whole.fetch_add(1, Ordering::SeqCst) % 3 == 2;
                // What has no bytes is a file at once, wherever they were to come.
                let is_due =
                    if size == 0 { !self.is_met.swap(true, Ordering::SeqCst) } else { is_third };
                if size == 0 || size == asked.body.len() && whole != Whole::Ignored {
                    return match whole {
                        Whole::Lost if is_due => Answer::Nothing,
                        Whole::TakenAndLost if is_due => {
                            let _ = self.put(&name, &asked.body);
                            Answer::Nothing
                        }
                        _ => self.put(&name, &asked.body),
                    };
                }
                let mut open = self.open.lock().unwrap();
                open.push((name, Vec::new(), size));
                Answer::Json(
                    json!({"_id": format!("u{}", open.len() - 1), "name": "", "received": 0}),
                )
            }
            ("GET", ["file", "offset"]) => Answer::Json(json!({"offset": 0})),
            ("POST", ["file", "chunk"]) => {
                let at: usize = of("uploadId")[1..].parse().unwrap();
                let (name, ..) = self.open.lock().unwrap()[at].clone();
                self.put(&name, &asked.body)
            }
            ("GET", ["item"]) => {
                let name = format!("{}/{}", of("folderId"), of("name"));
                let is_there = self.files.lock().unwrap().contains_key(&name);
                let found =
                    is_there.then(|| json!({"_id": name.replace('/', "~"), "name": of("name")}));
                Answer::Json(found.into_iter().collect())
            }
            ("GET", ["item", id, "files"]) => {
                let name = id.replace('~', "/");
                let files = self.files.lock().unwrap();
                let records = files[&name].iter().map(|bytes| {
                    // Girder by itself tells none.
                    let is_told = name.starts_with("below/");
                    let sum = is_told.then(|| hex(&Sha512::digest(bytes)));
                    let shown = name.rsplit('/').next().unwrap();
                    json!({"_id": id, "name": shown, "size": bytes.len(), "sha512": sum})
                });
                Answer::Json(records.collect())
            }
            ("GET", ["file", id, "download"]) => {
                Answer::Bytes(self.files.lock().unwrap()[&id.replace('~', "/")][0].clone())
            }
            _ => Answer::Status(404),
        }
    }
}

/// Uploads a folder of forty files, and one below it of ten; each file has its own name in it, but for one that is empty.
fn upload(whole: Whole) -> (Finished, Arc<Shelf>, usize) {
    let shelf = Arc::<Shelf>::default();
    let (played, host) = (shelf.clone(), tempfile::tempdir().unwrap());
    let store = Store::plays(move |asked| played.answer(whole, asked));
    let volume =
        json!({"type": "BindMountVolume", "host_path": host.path(), "container_path": "/out"});
    let text = "mkdir -p /out/r/below; cd /out/r; for n in $(seq 40); do echo $n > $n; done; : > 0; \
                for n in $(seq 10); do echo below/$n > below/$n; done";
    let mut job = store.with_access(script(text));
    job["volumes"] = json!([volume]);
    let place = json!({"type": "VolumePath", "filename": "r", "volume": volume});
    job["girder_result_hooks"] = json!([{"type": "GirderUploadVolumePathToFolder", "volumepath": place, "folder_id": "top"}]);
    let run = Invocation::job(&job).finish();
    (run, shelf, store.requests())
}

fn assert_all_there_once(run: &Finished, shelf: &Shelf) {
    assert_eq!(run.code, 0, "{run}");
    let top = (1..=40).map(|n| (format!("top/{n}"), format!("{n}\n")));
    let below = (1..=10).map(|n| (format!("below/{n}"), format!("below/{n}\n")));
    let mut expected: BTreeMap<_, _> =
        top.chain(below).map(|(name, text)| (name, vec![text.into_bytes()])).collect();
    expected.insert("top/0".to_owned(), vec![Vec::new()]);
    assert_eq!(*shelf.files.lock().unwrap(), expected, "{run}");
    let uploads = run.reported("uploads").as_array().unwrap();
    let names: Vec<_> = uploads.iter().map(|upload| upload["name"].as_str().unwrap()).collect();
    // In the order of the names, whichever came first.
    let mut sorted: Vec<_> = (0..=40).map(|n| n.to_string()).collect();
    let mut below: Vec<_> = (1..=10).map(|n| n.to_string()).collect();
    sorted.sort();
    below.sort();
    sorted.extend(below);
    assert_eq!(names, sorted, "{run}");
}

#[test]
fn a_small_file_goes_with_the_request_that_makes_it_four_at_a_time() {
    let (run, shelf, requests) = upload(Whole::Taken);
    assert_all_there_once(&run, &shelf);
    // The folder is looked at before the container starts, and before the uploads; the one below is made.
    assert_eq!(requests, 3 + 51, "{run}");
    // Four, and the folder below.
    assert!((3..=5).contains(&shelf.crowd.most()), "{:?}", shelf.crowd);
}

#[test]
fn a_store_that_wants_chunks_gets_them_and_is_not_offered_more() {
    let (run, shelf, requests) = upload(Whole::Ignored);
    assert_all_there_once(&run, &shelf);
    // Of those that were offered whole, at most four at once, it was asked how much it has taken.
    assert!((103..=111).contains(&requests), "{requests} {run}");
}

#[test]
fn a_file_whose_answer_was_lost_is_there_once() {
    let (run, shelf, _) = upload(Whole::TakenAndLost);
    assert_all_there_once(&run, &shelf);
}

#[test]
fn a_file_whose_request_was_lost_is_sent_again() {
    let (run, shelf, _) = upload(Whole::Lost);
    assert_all_there_once(&run, &shelf);
}
