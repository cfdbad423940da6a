//! Two small stores, for what the depot does not do: one takes files and keeps none of them, one tells the sum of its
//! only file. They know as much of Girder's API as an upload and a download ask for, and keep connections.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::error::PeerError;
use super::server::{HEAD_BYTES, discard, serve};
use crate::http::Sha512;
use crate::sys::sendfile::send_file;

/// The id of the only file of a store that has one.
pub(super) const FILE_ID: &str = "source";

/// Takes files, until the process is ended. One that has not so many bytes is refused.
pub(super) fn uploads(bytes: u64, out: &mut dyn Write) -> Result<(), PeerError> {
    serve(out, move |socket| answer_all(socket, &|request| taken(bytes, request)))
}

/// Serves a file, and the sum of it in its record, until the process is ended.
pub(super) fn summed(path: &Path, out: &mut dyn Write) -> Result<(), PeerError> {
    let failed = |error| PeerError::Open(path.to_owned(), error);
    let mut file = File::open(path).map_err(failed)?;
    let (mut sum, mut block, mut size) = (Sha512::new(), vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut block).map_err(failed)?;
        if read == 0 {
            break;
        }
        sum.add(block.get(..read).unwrap_or_default());
        size += read as u64;
    }
    let record = json!({"_id": FILE_ID, "name": FILE_ID, "size": size, "sha512": sum.end()});
    let file = Arc::new(file);
    serve(out, move |socket| {
        answer_all(socket, &|request| match (&*request.method, &request.path()[..]) {
            ("GET", ["file", FILE_ID]) => Answer::Json(record.clone()),
            ("GET", ["file", FILE_ID, "download"]) => Answer::File(Arc::clone(&file), size),
            _ => Answer::None,
        })
    })
}

/// What is said of a file, or a part of it, that has come.
fn taken(bytes: u64, request: &Request) -> Answer {
    let parameter = |name: &str| {
        let mut pairs = request.url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let number = |name: &str| parameter(name).and_then(|text| text.parse::<u64>().ok());
    // A chunk is sent without it.
    let name = parameter("name").unwrap_or_default();
    let file = || json!({"_id": "file", "name": name, "size": bytes, "itemId": "item"});
    let open = |received| json!({"_id": "upload", "name": name, "received": received});
    Answer::Json(match (&*request.method, &request.path()[..]) {
        ("GET", ["folder", id]) => json!({"_id": id, "name": id, "_accessLevel": 2}),
        ("GET", ["folder" | "item"]) => json!([]),
        ("POST", ["file"]) if number("size") != Some(bytes) => return Answer::Refused,
        ("POST", ["file"]) if request.length == bytes => file(),
        ("POST", ["file"]) => open(0),
        ("POST", ["file", "chunk"]) => {
            let received = number("offset").unwrap_or_default() + request.length;
            if received < bytes { open(received) } else { file() }
        }
        _ => return Answer::None,
    })
}

/// The head of a request.
struct Request {
    method: String,
    url: Url,
    /// Of the body.
    length: u64,
    /// Whether the body comes when it was asked for.
    asks_first: bool,
}

impl Request {
    /// Reads the next. None: the client has gone.
    fn read(from: impl BufRead) -> io::Result<Option<Self>> {
        let mut lines = from.take(HEAD_BYTES).lines();
        let Some(first) = lines.next().transpose()? else { return Ok(None) };
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let mut words = first.split(' ');
        let (method, target) = (words.next().ok_or_else(wrong)?, words.next().ok_or_else(wrong)?);
        let url = Url::parse(&format!("http://store{target}")).map_err(io::Error::other)?;
        let mut request = Self { method: method.to_owned(), url, length: 0, asks_first: false };
        for line in lines {
            let line = line?;
            if line.is_empty() {
                return Ok(Some(request));
            }
            let (name, value) = line.split_once(':').ok_or_else(wrong)?;
            if name.eq_ignore_ascii_case("content-length") {
                request.length = value.trim().parse().map_err(io::Error::other)?;
            }
            request.asks_first |= name.eq_ignore_ascii_case("expect");
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Below the API.
    fn path(&self) -> Vec<&str> {
        // `/api/v1`
        self.url.path_segments().into_iter().flatten().skip(2).collect()
    }
}

/// What a request is answered with.
enum Answer {
    Json(Value),
    File(Arc<File>, u64),
    /// There is no such thing.
    None,
    /// It is not what was to come.
    Refused,
}

/// Answers one request after the other.
fn answer_all(socket: &TcpStream, answer: &dyn Fn(&Request) -> Answer) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut input = BufReader::new(socket);
    while let Some(request) = Request::read(&mut input)? {
        let mut output = socket;
        if request.asks_first {
            output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        // What came with the head, and the rest, which nobody looks at.
        let held = input.buffer().len().min(usize::try_from(request.length).unwrap_or(usize::MAX));
        input.consume(held);
        discard(socket, request.length.saturating_sub(held as u64))?;
        let mut say = |status: &str, length: u64, text: &str| {
            write!(output, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{text}")
        };
        let mut say_json = |status, value: Value| {
            let text = value.to_string();
            say(status, text.len() as u64, &text)
        };
        match answer(&request) {
            Answer::Json(value) => say_json("200 OK", value)?,
            Answer::None => say_json("404 Not Found", json!({"message": "not in this store"}))?,
            Answer::Refused => {
                say_json(
                    "400 Bad Request",
                    json!({"message": "a file of another size was to come"}),
                )?;
            }
            Answer::File(file, size) => {
                say("200 OK", size, "")?;
                send(&file, size, socket)?;
            }
        }
    }
    Ok(())
}

fn send(file: &File, size: u64, socket: &TcpStream) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        match send_file(file, at, socket, PIECE)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            sent => at += sent as u64,
        }
    }
    Ok(())
}

/// How much one sendfile(2) is for.
const PIECE: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// What is said to a request of a head and a body.
    fn said(answer: &(dyn Fn(&Request) -> Answer + Sync), requests: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(requests.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || answer_all(&accepted, answer));
        });
        let mut all = String::new();
        client.read_to_string(&mut all).unwrap();
        all
    }

    #[test]
    fn a_file_of_the_right_size_is_taken_whole_or_in_parts() {
        let head = |target: &str, length: usize| {
            format!("POST /api/v1/{target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n")
        };
        let requests = [
            head("file?name=a&size=3", 3) + "abc",
            head("file?name=a&size=3", 0),
            head("file/chunk?offset=0&uploadId=upload", 2) + "ab",
            head("file/chunk?offset=2&uploadId=upload", 1) + "c",
            head("file?name=a&size=4", 0),
        ];
        let said = said(&|request| taken(3, request), &requests.concat());
        let answers: Vec<_> = said.split("HTTP/1.1 ").skip(1).collect();
        assert_eq!(answers.len(), 5, "{said}");
        for (answer, word) in answers.iter().zip([
            "\"itemId\"",
            "\"received\":0",
            "\"received\":2",
            "\"itemId\"",
            "400 Bad Request",
        ]) {
            assert!(answer.contains(word), "{answer} has no {word}");
            assert!(!answer.contains("null"), "{answer}");
        }
    }

    #[test]
    fn what_is_asked_for_before_the_bytes_is_agreed_to() {
        let request = "POST /api/v1/file?size=1 HTTP/1.1\r\nExpect: 100-continue\r\n\
                       Content-Length: 1\r\n\r\na";
        let said = said(&|request| taken(1, request), request);
        assert!(said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{said}");
    }
}
