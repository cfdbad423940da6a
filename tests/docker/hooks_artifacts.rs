//! Artifacts of a job, at a Girder whose worker plugin takes them. The real one of these tests does
//! not, which `hooks` shows.

use std::io::{Read, Write};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::run_jobs::script;
use crate::support::command::{Finished, Invocation};
use crate::support::job::bind_mount;
use crate::support::peer::Peer;

const JOB: &str = "0123456789abcdef01234567";

/// Runs a script in `/out` of a volume, with one hook; gives the targets and bodies of the requests.
fn attaching(text: &str, hook: &Value) -> (Finished, Vec<(String, Vec<u8>)>) {
    attaching_after(0, text, hook)
}

/// The same with a server that is too busy for the first requests.
fn attaching_after(busy: usize, text: &str, hook: &Value) -> (Finished, Vec<(String, Vec<u8>)>) {
    let (sender, attached) = mpsc::channel();
    let peer = Peer::new(move |nth, request, stream| {
        assert_eq!(request.header("Girder-Token"), Some("secret-token"));
        let length = request.header("Content-Length").unwrap().parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        sender.send((request.target().to_owned(), body)).unwrap();
        if nth < busy {
            return stream
                .write_all(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
    });
    let host = tempfile::tempdir().unwrap();
    let volume = bind_mount(host.path(), "/out");
    let mut job = script(&format!("cd /out; {text}"));
    job["girder_api_url"] = peer.url().replace("/file", "/api/v1").into();
    job["girder_client_token"] = "secret-token".into();
    job["volumes"] = json!([volume]);
    let mut hook = hook.clone();
    hook["type"] = "GirderUploadVolumePathJobArtifact".into();
    hook["volumepath"]["type"] = "VolumePath".into();
    hook["volumepath"]["volume"] = volume;
    job["girder_result_hooks"] = json!([hook]);
    let run = Invocation::job(&job).finish();
    (run, attached.try_iter().collect())
}

#[test]
fn a_file_is_attached_to_the_job_under_its_name() {
    let hook = json!({"volumepath": {"filename": "r.txt"}, "job_id": JOB, "name": "the log.txt"});
    let (run, attached) = attaching("printf result > r.txt", &hook);
    assert_eq!(run.code, 0, "{run}");
    let (target, body) = &attached[0];
    assert_eq!(attached.len(), 1, "{run}");
    assert!(target.starts_with(&format!("/api/v1/job/{JOB}/artifact?")), "{target}");
    for member in ["name=the+log.txt", "size=6", "mimeType=text%2Fplain"] {
        assert!(target.replace("%20", "+").contains(member), "{target}");
    }
    assert_eq!(body, b"result");
    let uploads = json!([{
        "item_id": null, "file_id": null, "job_id": JOB, "name": "the log.txt", "bytes": 6,
    }]);
    assert_eq!(run.uploads(), uploads, "{run}");
}

#[test]
fn what_is_marked_is_attached_after_a_failure_and_what_is_not_is_not() {
    let mut hook = json!({"volumepath": {"filename": "."}, "job_id": JOB});
    let text = "printf a > a; printf b > b; exit 3";
    let (run, attached) = attaching(text, &hook);
    assert_eq!((run.code, attached.len()), (3, 0), "{run}");
    hook["upload_on_exception"] = true.into();
    let (run, attached) = attaching(text, &hook);
    let bodies: Vec<_> = attached.iter().map(|(_, body)| body.as_slice()).collect();
    assert_eq!((run.code, bodies), (3, vec![&b"a"[..], b"b"]), "{run}");
}

#[test]
fn a_girder_that_is_busy_is_asked_again_with_all_bytes() {
    let hook = json!({"volumepath": {"filename": "r.txt"}, "job_id": JOB});
    let (run, attached) = attaching_after(2, "printf result > r.txt", &hook);
    assert_eq!(run.code, 0, "{run}");
    let bodies: Vec<_> = attached.iter().map(|(_, body)| body.as_slice()).collect();
    assert_eq!(bodies, [b"result"; 3], "{run}");
    assert_eq!(run.reported("uploads").as_array().map(Vec::len), Some(1), "{run}");
}
