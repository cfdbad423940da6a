//! Containers whose output is the body of a POST.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::run_jobs::job;
use crate::support::command::Invocation;
use crate::support::posted::{ACCEPTED, server};

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
