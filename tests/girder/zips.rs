//! Many small files of a real Girder: what comes in its zips is what single requests bring, name for name and byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::girder::Girder;
use crate::support::job::Job;

/// Files by their paths; a folder is none.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// What a download puts into a volume, and how each file came there.
fn downloaded(girder: &Girder, argument: &Value, verify: &str) -> (Tree, BTreeMap<String, Value>) {
    let host = tempfile::tempdir().unwrap();
    let mut argument = argument.clone();
    argument["volume"] =
        json!({"type": "BindMountVolume", "host_path": host.path(), "container_path": "/d"});
    let job = Job::program(&["true"]).arg(argument).girder(girder);
    let run = job.invocation().args(&["--verify", verify]).finish();
    assert_eq!(run.code, 0, "{run}");
    let records = run.reported("downloads").as_array().unwrap();
    let by_path = |record: &Value| (record["path"].as_str().unwrap().to_owned(), record.clone());
    let mut tree = Tree::new();
    gather(host.path(), host.path(), &mut tree);
    assert_eq!(records.len(), tree.values().flatten().count(), "{run}");
    (tree, records.iter().map(by_path).collect())
}

fn gather(root: &Path, folder: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let inside = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            tree.insert(inside, None);
            gather(root, &path, tree);
        } else {
            tree.insert(inside, Some(fs::read(&path).unwrap()));
        }
    }
}

/// How many files came by each carrier.
fn carriers(records: &BTreeMap<String, Value>) -> BTreeMap<&str, usize> {
    let mut carriers = BTreeMap::new();
    for record in records.values() {
        *carriers.entry(record["carrier"].as_str().unwrap()).or_default() += 1;
    }
    carriers
}

/// So many bytes, no two files the same.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed as u64).fill(&mut bytes);
    bytes
}

/// An item of one file of its name.
fn add(girder: &Girder, folder: &str, name: &str, bytes: &[u8]) -> String {
    let item = girder.make_item(folder, name);
    girder.add_file(&item, name, bytes)
}

#[test]
fn a_folder_of_any_items_lands_from_its_zip_as_by_single_requests() {
    let girder = Girder::log_in();
    let folder = girder.make_folder(girder.folder(), "a study: ä/1 \"x\"");
    for nth in 0..60 {
        add(&girder, &folder, &format!("slice {nth}.dcm"), &bytes(nth, 100 + nth * 37));
    }
    for name in ["..", ".gantline-x", "ü €\u{1f600}", "back\\slash", "a:b", &"long ".repeat(60)]
    {
        add(&girder, &folder, name, &bytes(name.len(), 50));
    }
    add(&girder, &folder, "empty", b"");
    add(&girder, &folder, "large", &bytes(1, 3_000_000));
    // An archive that is itself what a zip's entry looks like.
    add(&girder, &folder, "inner.zip", &crate::support::archive::archive(&[("a", b"b")]));
    let several = girder.make_item(&folder, "several");
    for name in ["one", "two", "two", "a/b", "several", "http"] {
        girder.add_file(&several, name, &bytes(name.len(), 300));
    }
    let other = girder.make_item(&folder, "other");
    girder.add_file(&other, "of another name", b"x");
    girder.make_item(&folder, "no files");
    let argument = json!({"type": "GirderFolderIdToVolume", "id": folder});
    let (by_requests, records) = downloaded(&girder, &argument, "always");
    assert!(!carriers(&records).contains_key("zip"), "{records:?}");
    assert!(by_requests.len() > 75, "{:?}", by_requests.keys());
    let (by_zip, records) = downloaded(&girder, &argument, "unless-spliced");
    assert_eq!(by_zip.keys().collect::<Vec<_>>(), by_requests.keys().collect::<Vec<_>>());
    assert!(by_zip == by_requests);
    // The two files of one name are where the zip ends.
    let zipped = carriers(&records)["zip"];
    assert!(zipped >= 60, "{records:?}");
    // What has no file's id has its item's.
    assert!(records.values().all(|one| one["file_id"].is_string() != one["item_id"].is_string()));
}

#[test]
fn an_item_of_many_files_lands_from_its_zip() {
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "a series");
    for nth in 0..70 {
        girder.add_file(&item, &format!("{nth}/ä"), &bytes(nth, nth * 11));
    }
    for (kind, id) in
        [("GirderItemIdToVolume", &*item), ("GirderFolderIdToVolume", girder.folder())]
    {
        let argument = json!({"type": kind, "id": id});
        let (tree, records) = downloaded(&girder, &argument, "always");
        assert_eq!(carriers(&records), [("zip", 70)].into(), "{records:?}");
        for (path, content) in
            tree.iter().filter_map(|(path, content)| Some((path, content.as_ref()?)))
        {
            let name = path.rsplit('/').next().unwrap();
            let nth: usize = name.trim_end_matches("_ä").parse().unwrap();
            assert_eq!(*content, bytes(nth, nth * 11), "{path}");
            assert!(records[path]["file_id"].is_string());
        }
    }
}

#[test]
fn what_a_link_leads_to_lands_and_not_its_address() {
    let girder = Girder::log_in();
    let folder = girder.make_folder(girder.folder(), "links");
    for nth in 0..20 {
        add(&girder, &folder, &format!("{nth}"), &bytes(nth, 100));
    }
    let target = add(&girder, girder.folder(), "target", b"what it leads to");
    girder.publish(girder.folder());
    let address = format!("{}/file/{target}/download", girder.api());
    girder.link(&folder, "link", &address, 16);
    // A text that begins as an address does is no link.
    add(&girder, &folder, "text", b"http://example.org/");
    let argument = json!({"type": "GirderFolderIdToVolume", "id": folder});
    let (by_requests, _) = downloaded(&girder, &argument, "always");
    let (by_zip, records) = downloaded(&girder, &argument, "unless-spliced");
    assert!(by_zip == by_requests, "{records:?}");
    assert!(carriers(&records)["zip"] >= 20, "{records:?}");
}

#[test]
fn a_tree_of_folders_has_a_zip_for_each_that_holds_many_files_and_no_folder() {
    let girder = Girder::log_in();
    let top = girder.make_folder(girder.folder(), "patient");
    for (series, files) in [("axial", 20), ("coronal", 17), ("few", 3)] {
        let folder = girder.make_folder(&top, series);
        for nth in 0..files {
            add(&girder, &folder, &format!("{nth}.dcm"), &bytes(nth, 500 + nth));
        }
    }
    for nth in 0..18 {
        add(&girder, &top, &format!("report {nth}"), &bytes(nth, 100 + nth));
    }
    let argument = json!({"type": "GirderFolderIdToVolume", "id": top});
    let (by_requests, _) = downloaded(&girder, &argument, "always");
    let (by_zip, records) = downloaded(&girder, &argument, "never");
    assert!(by_zip == by_requests);
    assert_eq!(carriers(&records), [("zip", 37), ("copy", 21)].into(), "{records:?}");
}
