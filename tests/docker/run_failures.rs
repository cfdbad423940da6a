//! A source that fails never looks like the end of a file.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use gantline::run::Cause;
use gantline::{JobSpec, Phase, Runner};
use serde_json::{Value, json};

use crate::run_jobs::job;
use crate::support::command::Invocation;
use crate::support::job::{Job, connect, host_file_to_stream, named_input_pipe};

/// Serves what looks like a file of a hundred million bytes, breaks off in the middle, and has
/// forgotten it when it is asked for the rest. Half of it is more than the FIFO and the socket hold
/// before somebody reads.
fn forgetful_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (nth, stream) in listener.incoming().flatten().enumerate() {
            let _ = if nth == 0 { half(stream) } else { gone(stream) };
        }
    });
    address
}

fn half(mut stream: TcpStream) -> std::io::Result<()> {
    read_head(&stream)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")?;
    stream.write_all(&vec![b'x'; 50_000_000])
}

fn gone(mut stream: TcpStream) -> std::io::Result<()> {
    read_head(&stream)?;
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
}

fn read_head(stream: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    while !lines.next().transpose()?.unwrap_or_default().is_empty() {}
    Ok(())
}

/// A job that reads a URL, and makes a mark when it has seen its end.
fn reading(url: &str, folder: &Path) -> Value {
    let connect = json!({
        "type": "Connect",
        "input": {"type": "UrlToStream", "url": url},
        "output": {"type": "NamedInputPipe", "name": "in"},
    });
    let mut job = job(&["sh", "-c", "cat \"$0\" > /data/copy; touch /data/ended; exit 0"]);
    job["container_args"].as_array_mut().unwrap().push(connect);
    job["volumes"] = json!({folder.to_str().unwrap(): {"bind": "/data", "mode": "rw"}});
    job
}

#[test]
fn a_source_that_breaks_off_kills_the_container_before_its_reader_sees_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/file?signature=hidden", forgetful_server());
    let run = Invocation::job(&reading(&url, folder.path())).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(!folder.path().join("ended").exists(), "the reader took half for the whole: {run}");
    assert!(run.stderr.contains("the transfer url:127.0.0.1/file → fifo:in failed"), "{run}");
    let report = run.report.as_ref().unwrap();
    assert_eq!(report["exit_code"], 137, "{run}");
    assert_eq!(report["transfers"][0]["finish"], "failed", "{run}");
    assert!(!format!("{run}").contains("hidden"), "{run}");
}

#[test]
fn the_phase_in_which_a_transfer_failed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/file", forgetful_server());
    let job = JobSpec::from_json(&reading(&url, folder.path()).to_string()).unwrap();
    let runner = Runner::builder().temporary_folder(folder.path()).build().unwrap();
    let error = runner.run(&job).unwrap_err();
    assert!(matches!(*error.cause, Cause::Transfer { .. }), "{error:?}");
    assert_eq!(error.phase, Phase::Stream);
}

#[test]
fn a_source_that_is_not_there_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file", listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(gone(stream))));
    let run = Invocation::job(&reading(&url, folder.path())).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("404"), "{run}");
    assert!(!folder.path().join("ended").exists(), "{run}");
}

#[test]
fn what_is_no_file_of_the_host_fails_by_name_and_before_any_container() {
    let folder = tempfile::tempdir().unwrap();
    // Whoever opens it waits for a writer.
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (path, reason) in [
        ("/no/such/file".as_ref(), "No such file or directory"),
        ("/dev/zero".as_ref(), "it is not a regular file"),
        (folder.path(), "is a directory"),
        (&*fifo, "it is not a regular file"),
    ] {
        let job =
            Job::program(&["true"]).arg(connect(host_file_to_stream(path), named_input_pipe("in")));
        let run = job.finish();
        assert_eq!(run.code, 125, "{run}");
        let told = format!("cannot open {} for reading: {reason}", path.display());
        assert!(run.stderr.contains(&told), "{run}");
        assert_eq!(run.reported("container_id"), &json!(null), "{run}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_fails_by_name_and_before_any_container() {
    let mut job = job(&["true"]);
    job["stream_connectors"] = json!([{
        "type": "Connect",
        "input": {"type": "ContainerStdOut"},
        "output": {"type": "HostFile", "path": "/no/such/folder/out"},
    }]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("/no/such/folder/out"), "{run}");
    assert_eq!(run.report.as_ref().unwrap()["container_id"], json!(null));
}
