//! A server for the body of one POST.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use sha2::{Digest, Sha256};

/// A server for one POST: reads the whole body, answers so; gives the head and the body's SHA-256
/// and length.
pub(crate) fn server(answer: &'static str) -> (String, thread::JoinHandle<(String, String, u64)>) {
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

/// An answer that takes it.
pub(crate) const ACCEPTED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
