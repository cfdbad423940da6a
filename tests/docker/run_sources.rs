//! What streams into the container beside Girder: addresses, a depot's files, files of the host; and
//! where the FIFO may be.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::run_depot::Depot;
use crate::support::gate::{GATE, Gate};
use crate::support::job::{
    Job, bind_mount, connect, host_file, host_file_to_stream, named_input_pipe, named_output_pipe,
    url,
};
use crate::support::peer::{Peer, serve, wait_for_close, write_head};
use crate::support::seeded::{Seeded, hex};

const SIZES: [u64; 7] = [0, 1, 65_535, 65_536, 65_537, (1 << 20) + 1, 20_000_000];

/// The argument of a program: the FIFO that has the source.
fn stream(source: Value) -> Value {
    connect(source, named_input_pipe("in"))
}

/// A new file with seeded bytes, and their hash.
fn write(path: &Path, seed: u64, size: u64) -> String {
    let mut bytes = Seeded::new(seed, size);
    let sha256 = bytes.sha256();
    let mut file = File::create(path).unwrap();
    let mut block = vec![0; 1 << 20];
    while let got @ 1.. = bytes.read(&mut block).unwrap() {
        file.write_all(&block[..got]).unwrap();
    }
    sha256
}

#[test]
fn files_of_the_host_arrive_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    for size in SIZES {
        let sha256 = write(&path, size, size);
        let run = Job::program(&["sha256sum"]).arg(stream(host_file_to_stream(&path))).finish();
        assert_eq!(run.code, 0, "{size} bytes: {run}");
        assert!(run.text().starts_with(&sha256), "{size} bytes: {run}");
        let transfer = run.transfer("fifo:in");
        assert_eq!(transfer["source"], format!("file:{}", path.display()));
        assert_eq!((&transfer["bytes"], &transfer["finish"]), (&json!(size), &json!("complete")));
        assert_eq!(transfer["carrier"], "direct", "{run}");
    }
}

#[test]
fn files_of_a_depot_arrive_whole_by_their_address_and_by_their_id() {
    let folder = TempDir::new().unwrap();
    let hashes = SIZES.map(|size| write(&folder.path().join(size.to_string()), size, size));
    let depot = Depot::serve(folder.path(), &[]);
    for (size, sha256) in SIZES.into_iter().zip(hashes) {
        let id = depot.id(&size.to_string());
        let address = url(&format!("{}/file/{id}/download", depot.api()));
        let file = json!({"type": "GirderFileIdToStream", "id": id});
        for source in [address, file] {
            let job = Job::program(&["sha256sum"]).arg(stream(source));
            let run = job.set("girder_api_url", depot.api()).finish();
            assert_eq!(run.code, 0, "{size} bytes: {run}");
            assert!(run.text().starts_with(&sha256), "{size} bytes: {run}");
            let transfer = run.transfer("fifo:in");
            assert_eq!(
                (&transfer["bytes"], &transfer["carrier"]),
                (&json!(size), &json!("direct"))
            );
        }
    }
}

#[test]
fn a_header_of_the_job_opens_a_depot_and_is_never_told() {
    let folder = TempDir::new().unwrap();
    let sha256 = write(&folder.path().join("file"), 1, 100_000);
    let depot = Depot::serve(folder.path(), &["--token", "open-sesame"]);
    let address = format!("{}/file/{}/download", depot.api(), depot.id("file"));
    let job = |token: &str| {
        let mut source = url(&address);
        source["headers"] = json!({ "Girder-Token": token });
        Job::script("echo started; sha256sum $1").arg(stream(source))
    };
    let run = job("open-sesame").invocation().env("GANTLINE_LOG", "trace").finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.text().lines().nth(1).unwrap()[..64], sha256, "{run}");
    assert!(!format!("{run}").contains("sesame"), "{run}");
    let run = job("wrong-sesame").finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("401"), "{run}");
    assert!(!format!("{run}").contains("sesame"), "{run}");
}

#[test]
fn headers_and_query_are_sent_as_they_are_and_the_report_has_neither() {
    let peer = Peer::new(|_, request, stream| serve(request, b"hello", stream));
    let mut source = url(&format!("{}?signature=a%2Fb&x=1", peer.url()));
    source["headers"] = json!({"X-One": "1", "Authorization": "Bearer abc"});
    let run = Job::program(&["cat"]).arg(stream(source)).finish();
    assert_eq!((run.code, run.text()), (0, "hello"), "{run}");
    let requests = peer.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].target(), "/file?signature=a%2Fb&x=1");
    assert_eq!(requests[0].header("X-One"), Some("1"));
    assert_eq!(requests[0].header("Authorization"), Some("Bearer abc"));
    assert_eq!(run.transfer("fifo:in")["source"], "url:127.0.0.1/file");
    assert!(!run.report.as_ref().unwrap().to_string().contains("signature"), "{run}");
}

#[test]
fn a_reader_that_leaves_ends_the_download() {
    let (sender, closed) = mpsc::channel();
    let peer = Peer::new(move |_, request, stream| {
        write_head(request, 1 << 40, stream)?;
        let block = vec![7; 1 << 20];
        while stream.write_all(&block).is_ok() {}
        wait_for_close(stream);
        sender.send(()).unwrap();
        Ok(())
    });
    let gate = Gate::new();
    let job = Job::script(&format!("head -c 10 $1 | wc -c; {GATE}; exit 7"));
    let run = gate.mount(job.arg(stream(url(&peer.url())))).invocation().start();
    let run = gate.reached(run);
    // The container goes on, and what it does not want does not come any more.
    closed.recv_timeout(Duration::from_secs(60)).unwrap();
    gate.open();
    let run = run.finish();
    assert_eq!((run.code, run.text()), (7, "10\n"), "{run}");
    assert_eq!(run.transfer("fifo:in")["finish"], "refused", "{run}");
}

#[test]
fn a_second_reader_makes_a_second_request_for_all_of_it() {
    let bytes = vec![b'x'; 5_000_000];
    let peer = Peer::new(move |_, request, stream| serve(request, &bytes, stream));
    let job = Job::script("wc -c < $1; wc -c < $1").arg(stream(url(&peer.url())));
    let run = job.finish();
    assert_eq!((run.code, run.text()), (0, "5000000\n5000000\n"), "{run}");
    let requests = peer.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests.iter().all(|request| request.header("Range").is_none()), "{requests:?}");
}

#[test]
fn two_readers_at_once_fail_the_run_rather_than_share_the_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    write(&path, 5, 20_000_000);
    // Both are opened before anything else happens.
    let job = Job::script("exec 3< $1 4< $1; sha256sum <&3 & sha256sum <&4; wait; sleep 600");
    let run = job.arg(stream(host_file_to_stream(&path))).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("opened by a second reader"), "{run}");
}

#[test]
fn a_file_of_the_host_is_read_again_by_a_second_reader() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    for size in SIZES {
        let sha256 = write(&path, size, size);
        let job = Job::script("sha256sum < $1; sha256sum < $1");
        let run = job.arg(stream(host_file_to_stream(&path))).finish();
        let expected = format!("{sha256}  -\n{sha256}  -\n");
        assert_eq!((run.code, run.text()), (0, &*expected), "{size} bytes: {run}");
    }
}

#[test]
fn a_body_without_a_length_arrives_whole() {
    let bytes = vec![b'x'; 3_000_000];
    let peer = Peer::new(move |_, _, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        stream.write_all(&bytes)
    });
    let run = Job::script("wc -c < $1").arg(stream(url(&peer.url()))).finish();
    assert_eq!((run.code, run.text()), (0, "3000000\n"), "{run}");
    assert_eq!(run.transfer("fifo:in")["carrier"], "direct", "{run}");
}

#[test]
fn a_body_in_chunks_arrives_whole() {
    let peer = Peer::new(|_, _, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for nth in 1..=1000 {
            write!(stream, "{:x}\r\n{}\r\n", nth * 3, "abc".repeat(nth))?;
        }
        stream.write_all(b"0\r\n\r\n")
    });
    let run = Job::script("tr -d abc < $1 | wc -c; wc -c < $1").arg(stream(url(&peer.url())));
    let run = run.finish();
    assert_eq!((run.code, run.text()), (0, "0\n1501500\n"), "{run}");
    assert_eq!(run.transfer("fifo:in")["carrier"], "copy", "{run}");
}

#[test]
fn a_fifo_may_be_in_a_bound_folder_by_the_volume_or_by_its_two_paths() {
    let folder = TempDir::new().unwrap();
    let bound = folder.path().join("bound");
    fs::create_dir(&bound).unwrap();
    let file = folder.path().join("file");
    let sha256 = write(&file, 3, 2_000_000);
    let volume = bind_mount(&bound, "/mnt/data");
    let mut by_volume = named_input_pipe("pipe.in");
    by_volume["volume"] = volume.clone();
    let mut by_paths = named_input_pipe("pipe.in");
    by_paths["container_path"] = json!("/mnt/data");
    by_paths["host_path"] = json!(bound);
    for pipe in [by_volume, by_paths] {
        let job = Job::script("echo $1; ls -l $1 | cut -c 1-10; sha256sum < $1")
            .volume(volume.clone())
            .arg(connect(host_file_to_stream(&file), pipe));
        let run = job.finish();
        assert_eq!(run.code, 0, "{run}");
        let expected = format!("/mnt/data/pipe.in\nprw-rw-rw-\n{sha256}  -\n");
        assert_eq!(run.text(), expected, "{run}");
        assert_eq!(fs::read_dir(&bound).unwrap().count(), 0, "the FIFO stays: {run}");
    }
}

#[test]
fn a_fifo_may_be_in_a_temporary_volume_by_its_name() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    let sha256 = write(&file, 4, 2_000_000);
    let mut pipe = named_input_pipe("pipe.in");
    pipe["volume"] = json!("scratch");
    let job = Job::script("ls $1; sha256sum < $2")
        .volume(json!({"type": "TemporaryVolume", "name": "scratch"}))
        .arg(json!({"type": "TemporaryVolume", "name": "scratch"}))
        .arg(connect(host_file_to_stream(&file), pipe));
    let run = job.finish();
    assert_eq!((run.code, run.text()), (0, &*format!("pipe.in\n{sha256}  -\n")), "{run}");
}

#[test]
fn sixteen_inputs_and_sixteen_outputs_of_one_job_do_not_mix() {
    let folder = TempDir::new().unwrap();
    let mut job =
        Job::script("cd ${1%/*}; for nth in $(seq 0 15); do cat in$nth > out$nth & done; wait");
    let mut expected = Vec::new();
    for nth in 0..16 {
        let (file, copy) = (folder.path().join(format!("in{nth}")), format!("copy{nth}"));
        expected.push(write(&file, nth, 1_000_000 + nth * 100_000));
        job = job
            .arg(connect(host_file_to_stream(&file), named_input_pipe(&format!("in{nth}"))))
            .stream(named_output_pipe(&format!("out{nth}")), host_file(&folder.path().join(copy)));
    }
    let run = job.finish();
    assert_eq!(run.code, 0, "{run}");
    for (nth, expected) in expected.iter().enumerate() {
        let copy = fs::read(folder.path().join(format!("copy{nth}"))).unwrap();
        assert_eq!(&hex(&Sha256::digest(&copy)), expected, "the {nth}th: {run}");
    }
}
