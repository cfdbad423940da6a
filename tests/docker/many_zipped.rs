//! Many small files in one zip, from a store of our own that lies: whatever it says, each file of the listing lands as single
//! requests bring it, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::many_files::{Answer, Asked, Store};
use crate::run_jobs::script;
use crate::support::archive::archive;
use crate::support::command::{Finished, Invocation};

const FILES: usize = 60;

/// A file in a zip.
type File = (String, Vec<u8>);

fn name_of(nth: usize) -> String {
    format!("{nth}.txt")
}

fn body_of(nth: usize) -> Vec<u8> {
    format!("{nth} ").repeat(nth * 30).into_bytes()
}

/// The files of a folder as its zip has them.
fn zipped() -> Vec<File> {
    (0..FILES).map(|nth| (format!("the folder/{}", name_of(nth)), body_of(nth))).collect()
}

fn packed(files: &[File]) -> Vec<u8> {
    archive(&files.iter().map(|(path, body)| (&**path, &**body)).collect::<Vec<_>>())
}

/// A folder of items without sums, by single requests.
fn folder_of(named: impl Fn(usize) -> String, asked: &Asked) -> Answer {
    let nth = |id: &str| id[1..].parse::<usize>().unwrap();
    match asked.path.split('/').collect::<Vec<_>>()[..] {
        ["folder", id] => Answer::Json(json!({"_id": id, "name": "the folder"})),
        ["folder"] => Answer::Json(json!([])),
        ["item"] => {
            let begin: usize = asked.query["offset"].parse().unwrap();
            let item = |nth: usize| json!({"_id": format!("i{nth}"), "name": named(nth), "size": body_of(nth).len()});
            Answer::Json((begin..FILES.min(begin + 50)).map(item).collect())
        }
        ["item", id, "files"] => {
            let size = body_of(nth(id)).len();
            Answer::Json(json!([{"_id": id, "name": named(nth(id)), "size": size}]))
        }
        ["file", id, "download"] => Answer::Bytes(body_of(nth(id))),
        _ => Answer::Status(404),
    }
}

/// A store whose zip is this, and how many are asked for.
fn store(zip: impl Fn() -> Answer + Send + Sync + 'static) -> (Store, Arc<AtomicUsize>) {
    let zips = Arc::<AtomicUsize>::default();
    let count = zips.clone();
    let store = Store::plays(move |asked| match asked.path.ends_with("f/download") {
        true => {
            count.fetch_add(1, Ordering::SeqCst);
            zip()
        }
        false => folder_of(name_of, asked),
    });
    (store, zips)
}

/// Downloads the folder, and looks at all that is in the volume.
fn downloads(store: &Store) -> Finished {
    let argument = json!({"type": "GirderFolderIdToVolume", "id": "f"});
    let text = r#"cd "$0"; for file in $(seq 0 59); do cat $file.txt; done | md5sum
        cd ../..; find . -type f | wc -l; find . ! -name '*.txt' | sort"#;
    let mut job = store.with_access(script(text));
    job["container_args"].as_array_mut().unwrap().push(argument);
    Invocation::job(&job).finish()
}

fn assert_whole(what: &str, run: &Finished, by_zip: usize) {
    assert_eq!(run.code, 0, "{what}: {run}");
    let text = run.text();
    let expected = format!("{SUM}  -\n{FILES}\n.\n./f\n./f/the folder\n");
    assert_eq!(text, expected, "{what}: {run}");
    let records = run.reported("downloads").as_array().unwrap();
    assert_eq!(records.len(), FILES, "{what}: {run}");
    let zipped = records.iter().filter(|record| record["carrier"] == "zip").count();
    assert_eq!(zipped, by_zip, "{what}: {run}");
}

#[test]
fn a_folder_is_one_request_beside_its_listing() {
    let (store, _) = store(|| Answer::Bytes(packed(&zipped())));
    assert_whole("one zip", &downloads(&store), FILES);
    // A folder, those in it, two pages; the files of the first item, which show that there are no sums; the zip.
    assert_eq!(store.requests(), 4 + 1 + 1);
}

#[test]
fn what_a_lying_zip_does_not_bring_comes_by_single_requests_and_nothing_else_does() {
    let good = packed(&zipped());
    let with = |at: usize, path: &str| {
        let mut files = zipped();
        files.insert(at, (path.to_owned(), b"evil".to_vec()));
        packed(&files)
    };
    let changed = |change: &dyn Fn(&mut Vec<File>)| {
        let mut files = zipped();
        change(&mut files);
        packed(&files)
    };
    let wrong_at = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let begin_of = |nth: usize| packed(&zipped()[..nth]).len() - 22 - directory_of(nth);
    let mut compressed = good.clone();
    compressed[8] = 8;
    let cases = [
        ("a path that leads out", with(10, "the folder/../../evil.txt"), 10),
        ("an absolute path", with(10, "/evil.txt"), 10),
        ("the root alone", with(10, "the folder/"), 10),
        ("another folder", with(10, "other/9.txt"), 10),
        ("a path with a NUL", with(10, "the folder/9.txt\0"), 10),
        ("an entry twice", with(10, "the folder/3.txt"), 10),
        ("a file inside a file", with(10, "the folder/20.txt/x"), 10),
        ("entries in another order", changed(&|files| files.reverse()), FILES),
        ("entries that are missing", changed(&|files| drop(files.drain(20..30))), FILES - 10),
        ("no entries", changed(&Vec::clear), 0),
        ("a longer file", changed(&|files| files[10].1.push(b'x')), 10),
        ("a shorter file", changed(&|files| files[10].1.truncate(10)), 10),
        ("a wrong byte", wrong_at(begin_of(10) + 100), 10),
        ("compressed", compressed, 0),
        ("a cut before an entry", good[..begin_of(10)].to_vec(), 10),
        ("a cut in a header", good[..begin_of(10) + 12].to_vec(), 10),
        ("a cut in the bytes", good[..begin_of(11) - 40].to_vec(), 10),
        ("a cut behind the bytes", good[..begin_of(11) - 1].to_vec(), 10),
        ("a cut before the directory", good[..begin_of(FILES)].to_vec(), FILES),
        ("a cut in the end", good[..good.len() - 1].to_vec(), FILES),
        ("a page", b"<html>not found</html>".to_vec(), 0),
        ("nothing", Vec::new(), 0),
    ];
    for (what, zip, by_zip) in cases {
        let (store, zips) = store(move || Answer::Bytes(zip.clone()));
        assert_whole(what, &downloads(&store), by_zip);
        assert_eq!(zips.load(Ordering::SeqCst), 1, "{what}");
    }
}

/// Bytes of the directory of so many files.
fn directory_of(files: usize) -> usize {
    zipped()[..files].iter().map(|(path, _)| 46 + path.len()).sum()
}

#[test]
fn a_store_that_has_no_zips_is_asked_for_one_once() {
    for answer in [400, 403, 404, 500, 503] {
        let (store, zips) = store(move || Answer::Status(answer));
        assert_whole("refused", &downloads(&store), 0);
        assert_eq!(zips.load(Ordering::SeqCst), 1, "{answer}");
        assert_eq!(store.requests(), 4 + 1 + FILES * 2, "{answer}");
    }
}

#[test]
fn a_folder_whose_names_could_mean_two_things_comes_by_single_requests() {
    for name in ["0.txt", "a/b", "a\0"] {
        let named = move |nth: usize| if nth == 55 { name.to_owned() } else { name_of(nth) };
        let store = Store::plays(move |asked| match asked.path.ends_with("f/download") {
            true => Answer::Bytes(packed(&zipped())),
            false => folder_of(named, asked),
        });
        let argument = json!({"type": "GirderFolderIdToVolume", "id": "f"});
        let mut job = store.with_access(script(r#"ls "$0" | wc -l"#));
        job["container_args"].as_array_mut().unwrap().push(argument);
        let run = Invocation::job(&job).finish();
        assert_eq!((run.code, run.text()), (0, format!("{FILES}\n").as_str()), "{name:?}: {run}");
        let records = run.reported("downloads").as_array().unwrap();
        assert!(records.iter().all(|record| record["carrier"] == "copy"), "{name:?}: {run}");
    }
}

/// The MD5 of all bodies, one behind the other.
const SUM: &str = "77406243108cc4be1a2685ead24d964f";
