//! The examples, run as who reads them would.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::support::example::example;

const IMAGE: &str = "gantline-test:busybox";

fn shown(command: &mut Command) -> String {
    said(command.output().unwrap())
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_that_embeds_it_hears_the_phases_and_cancels() {
    let text = shown(example("embed").arg(IMAGE));
    let lines: Vec<_> = text.lines().collect();
    let (last, told) = lines.split_last().unwrap();
    assert_eq!(*last, "cancelled: true", "{text}");
    let run = told[0].split(':').next().unwrap();
    // The container's own output, too.
    assert!(told.iter().all(|line| line.starts_with(run) || *line == "working"), "{text}");
    assert!(told[0].ends_with(": prepare") && text.contains(": clean_up"), "{text}");
}

#[test]
fn a_job_without_girder_goes_from_file_to_file() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    fs::write(&from, "here it is\n").unwrap();
    let text = shown(example("without_girder").arg(IMAGE).args([&from, &to]));
    assert!(text.starts_with("exit code: Some(0)\n11 bytes from "), "{text}");
    assert_eq!(fs::read_to_string(to).unwrap(), "HERE IT IS\n");
}

#[test]
fn eight_runs_at_once_have_each_its_own_output() {
    let text = shown(example("eight_at_once").arg(IMAGE));
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let expected: Vec<_> = (1..=8).map(|n| format!("number {n} exited with Some(0)")).collect();
    assert_eq!(lines, expected);
}

#[test]
fn the_pump_alone_moves_a_url_and_a_pipe() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/data", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour").unwrap();
        // Until the client closes: unread bytes would reset the connection.
        std::io::Read::read_to_end(&mut socket, &mut Vec::new()).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let (to, copy) = (folder.path().join("to"), folder.path().join("copy"));
    let mut example = example("pump_alone");
    example.arg(url).args([&to, &copy]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = example.stderr(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(b"five5").unwrap();
    let text = said(running.wait_with_output().unwrap());
    assert_eq!(text, "url: 4 bytes, complete\ninput: 5 bytes, complete\n");
    assert_eq!((fs::read(to).unwrap(), fs::read(copy).unwrap()), (b"four".into(), b"five5".into()));
    server.join().unwrap();
}

#[test]
fn a_run_in_a_tokio_program_leaves_the_runtime_free() {
    let text = shown(example("in_tokio").arg(IMAGE));
    assert_eq!(text, "exit code: Some(3)\nthe runtime had other turns: true\n");
}
