//! Containers whose output is the body of a POST.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::run_jobs::job;
use crate::support::command::Invocation;

/// A server for one POST: reads the whole body, answers so; gives the head and the body's SHA-256
/// and length.
fn server(answer: &'static str) -> (String, thread::JoinHandle<(String, String, u64)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in?signature=s3cret", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let mut stream = BufReader::with_capacity(1 << 20, listener.accept().unwrap().0);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).unwrap();
        }
        let (mut digest, mut total) = (Sha256::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = vec![0; length + 2];
            stream.read_exact(&mut chunk).unwrap();
            if length == 0 {
                break;
            }
            digest.update(&chunk[..length]);
            total += length as u64;
        }
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
        let digest: String = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
        (head, digest, total)
    });
    (url, serving)
}

const ACCEPTED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn sink(url: &str) -> Value {
    json!({
        "type": "ChunkedTransferEncodingStream",
        "url": url,
        "headers": {"X-Token": "very-secret-token"},
    })
}

#[test]
fn what_a_container_writes_into_a_fifo_is_posted() {
    let (url, serving) = server(ACCEPTED);
    let script = "head -c 50000000 /dev/urandom > /tmp/x; sha256sum < /tmp/x; cat /tmp/x > \"$1\"";
    let mut job = job(&["sh", "-ec", script, "sh"]);
    job["container_args"].as_array_mut().unwrap().push(json!({
        "type": "Connect",
        "input": {"type": "NamedOutputPipe", "name": "out"},
        "output": sink(&url),
    }));
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    let (head, digest, total) = serving.join().unwrap();
    assert!(head.starts_with("POST /in?signature=s3cret HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("X-Token: very-secret-token\r\n"), "{head}");
    assert_eq!(total, 50_000_000);
    assert!(String::from_utf8_lossy(&run.stdout).starts_with(&digest), "{run}");
    let transfer = &run.report.as_ref().unwrap()["transfers"][0];
    assert_eq!(transfer["sink"], "post:127.0.0.1/in");
    assert_eq!((&transfer["carrier"], &transfer["finish"]), (&json!("splice"), &json!("complete")));
}

#[test]
fn a_containers_standard_output_is_posted() {
    let (url, serving) = server(ACCEPTED);
    let mut job = job(&["sh", "-c", "seq 1 100000"]);
    let stdout = json!({"type": "ContainerStdOut"});
    job["stream_connectors"] = json!([{"type": "Connect", "input": stdout, "output": sink(&url)}]);
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 0, "{run}");
    assert!(run.stdout.is_empty());
    let text: String = (1..=100_000).map(|line| format!("{line}\n")).collect();
    let digest: String = Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(serving.join().unwrap().1, digest);
}

#[test]
fn a_server_that_says_no_fails_the_run_with_its_words_and_no_secret() {
    let (url, _serving) = server("HTTP/1.1 507 Full\r\nContent-Length: 8\r\n\r\nno space");
    let mut job = job(&["sh", "-c", "echo x > \"$1\"", "sh"]);
    job["container_args"].as_array_mut().unwrap().push(json!({
        "type": "Connect",
        "input": {"type": "NamedOutputPipe", "name": "out"},
        "output": sink(&url),
    }));
    let run = Invocation::job(&job).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("status 507: no space"), "{run}");
    assert!(run.stderr.contains("cannot be sent a second time"), "{run}");
    let all = format!("{}{}", run.stderr, run.report.as_ref().unwrap());
    assert!(!all.contains("s3cret") && !all.contains("very-secret-token"), "{all}");
}
