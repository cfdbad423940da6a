//! The depot beside the real Girder: the same request, the same answer.

use std::fs;
use std::io::Read;
use std::thread;

use gantline::internal::depot::{Depot, DepotOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::girder::Girder;
use crate::support::seeded::Seeded;

const NAME: &str = "slide 1.ome.TIFF";
const SIZE: u64 = 100;

/// What of an answer does not depend on the server.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    headers: Vec<Option<String>>,
    body: String,
}

const HEADERS: [&str; 5] =
    ["content-type", "content-length", "content-range", "content-disposition", "accept-ranges"];

/// Asks a server; the id in the answer's text becomes `{}` again.
fn ask(api: &str, token: &str, id: &str, path: &str, range: &str) -> Answer {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request =
        agent.get(format!("{api}/{}", path.replace("{}", id))).header("Girder-Token", token);
    if !range.is_empty() {
        request = request.header("Range", range);
    }
    let mut answer = request.call().unwrap();
    let header = |name| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
    let mut headers: Vec<_> = HEADERS.into_iter().map(header).collect();
    let status = answer.status().as_u16();
    let bytes = answer.body_mut().read_to_vec().unwrap();
    let mut body = bytes.escape_ascii().to_string();
    if headers[0].as_deref() == Some("application/json") {
        // Records differ in what only a server with users knows; see the test of records.
        headers[1] = None;
        let said: Value = serde_json::from_slice(&bytes).unwrap();
        body = format!("{} {}", said["type"], said["message"]).replace(id, "{}");
    }
    Answer { status, headers, body }
}

#[test]
fn a_depot_answers_as_girder_does() {
    let mut bytes = Vec::new();
    Seeded::new(1, SIZE).read_to_end(&mut bytes).unwrap();
    let girder = Girder::log_in();
    let stored = girder.upload(NAME, Seeded::new(1, SIZE));

    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(NAME), &bytes).unwrap();
    let mut options = DepotOptions::new(directory.path());
    options.listen = "127.0.0.1:0".parse().unwrap();
    let depot = Depot::open(options).unwrap();
    let api = format!("http://{}/api/v1", depot.address());
    let id = depot.files().unwrap()[0].id.clone();
    let stop = depot.stop_handle();
    let serving = thread::spawn(move || depot.serve());

    for (path, range) in [
        ("file/{}/download", ""),
        ("file/{}/download", "bytes=0-9"),
        ("file/{}/download", "bytes=90-"),
        ("file/{}/download", "bytes=-5"),
        ("file/{}/download", "bytes=95-200"),
        ("file/{}/download", "bytes=-500"),
        ("file/{}/download", "bytes=0-"),
        ("file/{}/download?offset=10", ""),
        ("file/{}/download?offset=10&endByte=20", ""),
        ("file/{}/download?endByte=20", ""),
        ("file/{}/download?offset=0&endByte=100", ""),
        ("file/{}/download?offset=10&endByte=1000", ""),
        ("file/{}/download?offset=10", "bytes=50-59"),
        ("file/{}/download?offset=abc", ""),
        ("file/{}/download?contentDisposition=inline", ""),
        ("file/{}/download/any.name", ""),
        ("file/{}/", ""),
        ("file/000000000000000000000000", ""),
        ("file/000000000000000000000000/download", ""),
        ("file/xyz", ""),
        ("file/xyz/download", ""),
        ("file", ""),
        ("file/{}/nothing", ""),
        ("item", ""),
        ("folder", ""),
        ("resource/lookup", ""),
        ("resource/lookup?path=/x", ""),
        ("resource/lookup?path=/collection/none/a", ""),
    ] {
        let theirs = ask(girder.api(), girder.token(), &stored.id, path, range);
        let ours = ask(&api, "", &id, path, range);
        assert_eq!(ours, theirs, "{path} {range}");
    }

    let record = |api: &str, token: &str, id: &str| -> Value {
        let request = ureq::get(format!("{api}/file/{id}")).header("Girder-Token", token);
        request.call().unwrap().body_mut().read_json().unwrap()
    };
    let theirs = record(girder.api(), girder.token(), &stored.id);
    let ours = record(&api, "", &id);
    for key in ["_modelType", "exts", "mimeType", "name", "size"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    for key in ours.as_object().unwrap().keys() {
        assert_eq!(
            ours[key].as_str().map(str::len),
            theirs[key].as_str().map(str::len),
            "{key}: {} {}",
            ours[key],
            theirs[key]
        );
    }
    stop.stop();
    serving.join().unwrap().unwrap();
}
