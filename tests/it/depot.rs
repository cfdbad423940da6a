//! What a depot answers, and that its bytes are those of the files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use gantline::internal::depot::{Depot, DepotError, DepotOptions};
use tempfile::TempDir;

use crate::depot_client::Serving;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (path, bytes) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    directory
}

fn seeded(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(size as u64).fill(&mut bytes);
    bytes
}

#[test]
fn a_file_of_any_size_arrives_as_it_is() {
    let sizes = [0, 1, 65_535, 65_536, 65_537, (1 << 20) + 1, (8 << 20) + 65_536, 40 << 20];
    let files: Vec<_> = sizes.map(|size| (size.to_string(), seeded(size))).into();
    let listed: Vec<_> = files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect();
    let directory = folder(&listed);
    let depot = Serving::folder(directory.path());
    for (name, bytes) in &files {
        let reply = depot.get(&format!("/api/v1/file/{}/download", depot.id(name)), "");
        assert_eq!((reply.status, reply.body.len()), (200, bytes.len()));
        assert!(reply.body == *bytes, "{name}");
    }
    depot.stop();
}

#[test]
fn a_range_is_part_of_the_file_whichever_way_it_is_asked_for() {
    let bytes = seeded(300_000);
    let directory = folder(&[("f.bin", &bytes)]);
    let depot = Serving::folder(directory.path());
    let path = format!("/api/v1/file/{}/download", depot.id("f.bin"));
    for (query, lines, start, end) in [
        ("", "Range: bytes=0-0\r\n", 0, 1),
        ("", "Range: bytes=70000-\r\n", 70_000, 300_000),
        ("", "Range: bytes=-65537\r\n", 234_463, 300_000),
        ("", "Range: bytes=100-199999\r\n", 100, 200_000),
        ("?offset=299999", "", 299_999, 300_000),
        ("?offset=10&endByte=20", "", 10, 20),
        ("?offset=10", "Range: bytes=50-59\r\n", 50, 60),
    ] {
        let reply = depot.get(&format!("{path}{query}"), lines);
        assert_eq!(reply.status, 206, "{query} {lines}");
        assert_eq!(reply.headers["content-range"], format!("bytes {start}-{}/300000", end - 1));
        assert!(reply.body == bytes[start..end], "{query} {lines}");
    }
    for (query, lines) in [("", "Range: bytes=300000-\r\n"), ("?offset=300000", "")] {
        let reply = depot.get(&format!("{path}{query}"), lines);
        assert_eq!((reply.status, &*reply.headers["content-range"]), (416, "bytes */300000"));
    }
    assert_eq!(depot.get(&format!("{path}?offset=-1"), "").status, 400);
    depot.stop();
}

#[test]
fn a_range_of_a_file_that_has_changed_is_the_whole_of_the_new_one() {
    let directory = folder(&[("f", b"0123456789")]);
    let depot = Serving::folder(directory.path());
    let path = format!("/api/v1/file/{}/download", depot.id("f"));
    let etag = depot.get(&path, "").headers["etag"].clone();
    let resume = format!("Range: bytes=8-\r\nIf-Range: {etag}\r\n");
    let reply = depot.get(&path, &resume);
    assert_eq!((reply.status, &*reply.body), (206, &b"89"[..]));
    fs::write(directory.path().join("f"), "abcdefghij").unwrap();
    let reply = depot.get(&path, &resume);
    assert_eq!((reply.status, &*reply.body), (200, &b"abcdefghij"[..]));
    depot.stop();
}

#[test]
fn the_head_alone_is_that_of_the_whole_answer() {
    let directory = folder(&[("f", b"0123456789")]);
    let depot = Serving::folder(directory.path());
    let path = format!("/api/v1/file/{}/download", depot.id("f"));
    for lines in ["", "Range: bytes=2-5\r\n", "Range: bytes=10-\r\n"] {
        let (mut head, mut get) = (depot.ask("HEAD", &path, lines), depot.get(&path, lines));
        // They are two answers, perhaps of two seconds.
        assert!(head.headers.remove("date").is_some() && get.headers.remove("date").is_some());
        assert_eq!((head.status, &head.headers), (get.status, &get.headers));
        assert!(head.body.is_empty() && !get.body.is_empty());
    }
    depot.stop();
}

#[test]
fn the_record_of_a_file_says_what_girder_says() {
    let directory = folder(&[("a/b \"c\" é.tar.GZ", b"123")]);
    let depot = Serving::folder(directory.path());
    let id = depot.id("a/b \"c\" é.tar.GZ");
    let record = depot.json(&format!("file/{id}"));
    assert_eq!(record["_id"], id);
    assert_eq!(record["_modelType"], "file");
    assert_eq!(record["name"], "b \"c\" é.tar.GZ");
    assert_eq!(record["size"], 3);
    assert_eq!(record["exts"], serde_json::json!(["tar", "gz"]));
    assert_eq!(
        depot.json(&format!("item/{}/files", record["itemId"].as_str().unwrap()))[0],
        record
    );
    let reply = depot.get(&format!("/api/v1/file/{id}/download"), "");
    let name = &reply.headers["content-disposition"];
    assert!(name.ends_with("filename*=UTF-8''b%20%22c%22%20%C3%A9.tar.GZ"), "{name}");
    depot.stop();
}

#[test]
fn a_file_is_found_by_browsing_and_by_its_path() {
    let directory = folder(&[("top", b"1"), ("a/b/deep", b"22"), ("a/x", b"333"), ("a/y", b"")]);
    let depot = Serving::folder(directory.path());
    let id = |value: &serde_json::Value| value["_id"].as_str().unwrap().to_owned();
    let collection = id(&depot.json("collection")[0]);
    let files = id(&depot.json(&format!("folder?parentType=collection&parentId={collection}"))[0]);
    let a = id(&depot.json(&format!("folder?parentType=folder&parentId={files}&name=a"))[0]);
    let items = depot.json(&format!("item?folderId={a}"));
    assert_eq!(items.as_array().unwrap().len(), 2);
    assert_eq!((&items[0]["name"], &items[0]["folderId"]), (&"x".into(), &a.clone().into()));
    let page = depot.get(&format!("/api/v1/item?folderId={a}&limit=1&offset=1"), "");
    assert_eq!(page.headers["girder-total-count"], "2");
    let page: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!((page.as_array().unwrap().len(), &page[0]["name"]), (1, &"y".into()));

    let deep = depot.json("resource/lookup?path=/collection/depot/files/a/b/deep/deep");
    assert_eq!(deep["_id"], depot.id("a/b/deep"));
    let item = depot.json("resource/lookup?path=/collection/depot/files/a/b/deep");
    assert_eq!((&item["_modelType"], &item["_id"]), (&"item".into(), &deep["itemId"]));
    assert_eq!(id(&depot.json("resource/lookup?path=/collection/depot/files/a")), a);
    for path in ["/collection/depot/files/../..", "/collection/depot/files/none", "/user/x/y"] {
        let reply = depot.get(&format!("/api/v1/resource/lookup?path={path}"), "");
        assert_eq!(reply.status, 400, "{path}");
    }
    depot.stop();
}

#[test]
fn ids_are_the_same_in_the_next_depot_and_for_a_copy_of_the_folder() {
    let (one, other) = (folder(&[("a/b", b"1")]), folder(&[("a/b", b"other"), ("c", b"")]));
    let (first, second) = (Serving::folder(one.path()), Serving::folder(other.path()));
    assert_eq!(first.id("a/b"), second.id("a/b"));
    first.stop();
    second.stop();
}

#[test]
fn files_that_come_and_go_are_found_and_missed() {
    let directory = folder(&[("old", b"1")]);
    let depot = Serving::folder(directory.path());
    fs::create_dir(directory.path().join("new")).unwrap();
    fs::write(directory.path().join("new/file"), "fresh").unwrap();
    let found = depot.json("resource/lookup?path=/collection/depot/files/new/file/file");
    let path = format!("/api/v1/file/{}/download", found["_id"].as_str().unwrap());
    assert_eq!(depot.get(&path, "").body, b"fresh");
    fs::remove_file(directory.path().join("old")).unwrap();
    assert_eq!(depot.get(&format!("/api/v1/file/{}", depot.id("old")), "").status, 404);
    assert_eq!(depot.get(&format!("/api/v1/file/{}/download", depot.id("old")), "").status, 404);
    depot.stop();
}

#[test]
fn links_are_followed_inside_the_folder_and_never_out_of_it() {
    let outside = folder(&[("secret", b"secret")]);
    let directory = folder(&[("real", b"real"), ("swapped", b"real"), ("sub/x", b"")]);
    let at = |name: &str| directory.path().join(name);
    symlink("real", at("inside")).unwrap();
    symlink("../real", at("sub/up")).unwrap();
    symlink(outside.path().join("secret"), at("absolute")).unwrap();
    symlink("../../../../../../../../etc/passwd", at("climbing")).unwrap();
    symlink(".", at("sub/circle")).unwrap();
    symlink("nothing", at("dangling")).unwrap();
    let depot = Serving::folder(directory.path());
    let listed: BTreeSet<_> = depot.files.iter().map(|file| file.path.clone()).collect();
    let expected = ["inside", "real", "sub/up", "sub/x", "swapped"];
    assert_eq!(listed, expected.iter().map(PathBuf::from).collect());
    let inside = depot.get(&format!("/api/v1/file/{}/download", depot.id("inside")), "");
    assert_eq!(inside.body, b"real");
    // A file that becomes a link after it was listed.
    fs::remove_file(at("swapped")).unwrap();
    symlink(outside.path().join("secret"), at("swapped")).unwrap();
    let swapped = depot.get(&format!("/api/v1/file/{}/download", depot.id("swapped")), "");
    assert_eq!(swapped.status, 404);
    depot.stop();
}

#[test]
fn a_fifo_is_not_listed_and_one_that_takes_a_files_place_does_not_hold_the_request() {
    let directory = folder(&[("f", b"1")]);
    let fifo = |name: &str| {
        let mode = nix::sys::stat::Mode::S_IRWXU;
        nix::unistd::mkfifo(&directory.path().join(name), mode).unwrap();
    };
    fifo("fifo");
    let depot = Serving::folder(directory.path());
    assert_eq!(depot.files.len(), 1);
    fs::remove_file(directory.path().join("f")).unwrap();
    fifo("f");
    assert_eq!(depot.get(&format!("/api/v1/file/{}/download", depot.id("f")), "").status, 404);
    depot.stop();
}

#[test]
fn only_the_token_opens_a_depot_that_has_one() {
    let directory = folder(&[("f", b"1")]);
    let depot = Serving::with_token(directory.path(), Some("right"));
    for path in ["file/{}", "file/{}/download", "item?folderId=x", "collection"] {
        let path = format!("/api/v1/{}", path.replace("{}", depot.id("f")));
        for lines in ["", "Girder-Token: wrong\r\n", "Girder-Token: righ\r\n", "Girder-Token: \r\n"]
        {
            let reply = depot.get(&path, lines);
            assert_eq!(reply.status, 401, "{path} {lines}");
            let message: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(message["type"], "access");
            assert!(!message["message"].as_str().unwrap().contains("right"));
        }
        assert_ne!(depot.get(&path, "Girder-Token: right\r\n").status, 401, "{path}");
    }
    assert_eq!(depot.get("/api/v1/system/version", "").status, 200);
    depot.stop();
}

#[test]
fn what_a_depot_does_not_have_is_an_error_as_girder_words_it() {
    let directory = folder(&[("f", b"1")]);
    let depot = Serving::folder(directory.path());
    let id = depot.id("f").to_owned();
    let none = "0".repeat(24);
    for (method, path, status, message) in [
        ("GET", format!("file/{none}"), 400, format!("Invalid file id ({none}).")),
        ("GET", format!("file/{none}/download"), 400, format!("Invalid file id ({none}).")),
        ("GET", format!("item/{id}"), 400, format!("Invalid item id ({id}).")),
        ("GET", "file/xyz".to_owned(), 400, "Invalid ObjectId: xyz".to_owned()),
        ("GET", "item".to_owned(), 400, "Invalid search mode.".to_owned()),
        ("GET", "user/me".to_owned(), 400, "No matching route for \"GET me\"".to_owned()),
        ("DELETE", format!("file/{id}"), 400, format!("No matching route for \"DELETE {id}\"")),
    ] {
        let reply = depot.ask(method, &format!("/api/v1/{path}"), "");
        let said: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &said["message"]), (status, &message.into()), "{path}");
    }
    assert_eq!(depot.get("/etc/passwd", "").status, 404);
    assert_eq!(fs::read(directory.path().join("f")).unwrap(), b"1");
    depot.stop();
}

#[test]
fn many_clients_at_once_each_get_the_whole() {
    let bytes = seeded(3 << 20);
    let directory = folder(&[("f", &bytes)]);
    let depot = Serving::folder(directory.path());
    let path = format!("/api/v1/file/{}/download", depot.id("f"));
    thread::scope(|threads| {
        for _ in 0..24 {
            threads.spawn(|| assert!(depot.get(&path, "").body == bytes));
        }
    });
    depot.stop();
}

#[test]
fn a_folder_that_is_not_there_and_an_address_that_is_taken_say_so() {
    let error = Depot::open(DepotOptions::new("/does/not/exist")).unwrap_err();
    assert_eq!(error.to_string(), "cannot serve the folder /does/not/exist");
    let directory = folder(&[]);
    let depot = Serving::folder(directory.path());
    let mut options = DepotOptions::new(directory.path());
    options.listen = depot.address;
    let error = Depot::open(options).unwrap_err();
    assert!(matches!(error, DepotError::Listen { .. }));
    assert_eq!(error.to_string(), format!("cannot listen at {}", depot.address));
    assert!(Depot::open(DepotOptions::new(Path::new("/etc/passwd"))).is_err());
    depot.stop();
}
