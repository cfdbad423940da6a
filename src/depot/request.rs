//! The head of a request: bytes into a [`Request`], strictly, and without I/O.

use url::Url;

/// A request whose head is in order. It has no body: what has one is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The parts of the path that are not empty, decoded.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) token: Option<String>,
    /// Whether the connection stays open after the answer.
    pub(crate) keep_alive: bool,
}

/// What a head is as far as it is known.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Head {
    /// More bytes are needed.
    Partial,
    /// It took so many bytes.
    Complete(Box<Request>, usize),
    /// It is none that is answered: a status and why. Nothing is known of what follows it.
    Refused(u16, &'static str),
}

/// The longest head: ten times what a browser sends.
pub(crate) const HEAD_BYTES: usize = 16 << 10;
/// The most header fields: what a browser sends, several times over.
const HEADERS: usize = 64;

impl Head {
    /// Reads as much of a head as there is.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES => match read(&head) {
                Ok(request) => Self::Complete(Box::new(request), length),
                Err((status, why)) => Self::Refused(status, why),
            },
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES => Self::Partial,
            Ok(_) => Self::Refused(431, "The head of the request is too long."),
            Err(httparse::Error::TooManyHeaders) => {
                Self::Refused(431, "The request has too many header fields.")
            }
            Err(httparse::Error::Version) => Self::Refused(505, "Only HTTP/1.1 is spoken here."),
            Err(_) => Self::Refused(400, "The head of the request is not HTTP."),
        }
    }
}

impl Request {
    /// The value of a query parameter; of several the last, as Girder.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

type Refusal = (u16, &'static str);

fn read(head: &httparse::Request<'_, '_>) -> Result<Request, Refusal> {
    let old = head.version == Some(0);
    let url = target(head.path.unwrap_or_default())?;
    if field(head, "host")?.is_none() && !old {
        return Err((400, "The request has no Host."));
    }
    // Bodies are for what a depot does not do yet. Where one ends is then nobody's question.
    let length = field(head, "content-length")?.unwrap_or_else(|| "0".into());
    if length != "0" || field(head, "transfer-encoding")?.is_some() {
        return Err((413, "Requests with a body are not answered."));
    }
    let connection = field(head, "connection")?.unwrap_or_default().to_ascii_lowercase();
    let asks = |what: &str| connection.split(',').any(|option| option.trim() == what);
    let segments = url.path_segments().into_iter().flatten().filter(|part| !part.is_empty());
    Ok(Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: segments.map(str::to_owned).collect(),
        query: url.query_pairs().into_owned().collect(),
        range: field(head, "range")?,
        if_range: field(head, "if-range")?,
        token: field(head, "girder-token")?,
        keep_alive: if old { asks("keep-alive") } else { !asks("close") },
    })
}

/// The value of a header field that may be there once.
fn field(head: &httparse::Request<'_, '_>, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err((400, "A header field that may be there once is there twice."));
    }
    let value = str::from_utf8(first.value).map_err(|_| (400, "A header field is not text."))?;
    Ok(Some(value.trim().to_owned()))
}

/// The origin and the absolute form of a request's target: RFC 9112, section 3.2.
fn target(target: &str) -> Result<Url, Refusal> {
    let bad = (400, "The target of the request is not a path.");
    let absolute =
        if target.starts_with('/') { format!("http://depot{target}") } else { target.to_owned() };
    Url::parse(&absolute).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        match Head::parse(head.replace('\n', "\r\n").as_bytes()) {
            Head::Complete(request, length) => {
                assert_eq!(length, head.replace('\n', "\r\n").len());
                *request
            }
            other => panic!("{other:?}"),
        }
    }

    fn refused(head: &str) -> u16 {
        match Head::parse(head.replace('\n', "\r\n").as_bytes()) {
            Head::Refused(status, _) => status,
            other => panic!("{head}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_into_its_parts() {
        let read = request(
            "GET /api/v1/file//abc/download?offset=1&offset=2&name=a%20b HTTP/1.1\nHost: x\n\
             RANGE:  bytes=0-1 \nGirder-Token: t\nIf-Range: \"e\"\n\n",
        );
        assert_eq!(read.method, "GET");
        assert_eq!(read.path, ["api", "v1", "file", "abc", "download"]);
        assert_eq!(read.parameter("offset"), Some("2"));
        assert_eq!(read.parameter("name"), Some("a b"));
        assert_eq!(read.parameter("nothing"), None);
        assert_eq!(read.range.as_deref(), Some("bytes=0-1"));
        assert_eq!((read.token.as_deref(), read.if_range.as_deref()), (Some("t"), Some("\"e\"")));
    }

    #[test]
    fn a_proxy_may_name_the_whole_address() {
        assert_eq!(request("GET http://x:80/api/v1 HTTP/1.1\nHost: x\n\n").path, ["api", "v1"]);
    }

    #[test]
    fn the_connection_stays_unless_the_client_or_its_version_says_otherwise() {
        assert!(request("GET / HTTP/1.1\nHost: x\n\n").keep_alive);
        assert!(!request("GET / HTTP/1.1\nHost: x\nConnection: foo, Close\n\n").keep_alive);
        assert!(!request("GET / HTTP/1.0\n\n").keep_alive);
        assert!(request("GET / HTTP/1.0\nConnection: Keep-Alive\n\n").keep_alive);
    }

    #[test]
    fn every_head_that_is_cut_off_is_partial() {
        let head = "GET /api HTTP/1.1\r\nHost: x\r\n\r\n";
        for length in 0..head.len() {
            assert_eq!(Head::parse(&head.as_bytes()[..length]), Head::Partial, "{length}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        assert_eq!(refused("GET / HTTP/1.1\n\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\nHost: x\nHost: y\n\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\nHost: x\nRange: a=1-2\nRange: b=1-2\n\n"), 400);
        assert_eq!(refused("GET / HTTP/1.1\nHost: x\nContent-Length: 3\n\n"), 413);
        assert_eq!(refused("GET / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"), 413);
        assert_eq!(
            refused("GET / HTTP/1.1\nHost: x\nContent-Length: 0\nContent-Length: 0\n\n"),
            400
        );
        assert_eq!(refused("GET file:///etc/passwd HTTP/1.1\nHost: x\n\n"), 400);
        assert_eq!(refused("GET * HTTP/1.1\nHost: x\n\n"), 400);
        assert_eq!(refused("GET / HTTP/2.0\nHost: x\n\n"), 505);
        assert_eq!(refused("nonsense\n\n"), 400);
    }

    #[test]
    fn a_head_is_bounded_in_bytes_and_in_fields() {
        let long = format!("GET /{} HTTP/1.1\nHost: x\n\n", "a".repeat(HEAD_BYTES));
        assert_eq!(refused(&long), 431);
        assert_eq!(refused(&long[..=HEAD_BYTES]), 431);
        let many = format!("GET / HTTP/1.1\nHost: x\n{}\n", "A: b\n".repeat(HEADERS));
        assert_eq!(refused(&many), 431);
    }
}
