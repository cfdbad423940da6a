//! The head of a response: where it ends, and what it says. Pure.
//!
//! [`Collector`] is fed with bytes as they come, in whatever pieces, and says how many of them
//! belong to the head. [`parse`] makes a [`Head`] of the whole. Neither has a clock or a socket.

use std::time::Duration;

use thiserror::Error;

use super::Validator;

/// Collects a head that arrives in pieces.
#[derive(Debug)]
pub(crate) struct Collector {
    bytes: Vec<u8>,
    limit: usize,
    /// What the heads before this one had.
    before: usize,
}

/// What [`Collector::take`] did with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Taken {
    /// All of the piece belongs to the head, and there is more to come.
    All,
    /// The head is whole; this many bytes of the piece were its last.
    Whole(usize),
}

impl Collector {
    /// Collects at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, before: 0 }
    }

    /// How many bytes may still come: the most that is worth looking at.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.before - self.bytes.len()
    }

    /// Takes the bytes of `piece` that belong to the head.
    ///
    /// # Errors
    /// The limit is reached and the head is not at its end.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Taken, HeadError> {
        let piece = piece.get(..self.room()).unwrap_or(piece);
        let before = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        // An end that began in the piece before starts at most three bytes back.
        if let Some(end) = find_end(&self.bytes, before.saturating_sub(3)) {
            self.bytes.truncate(end);
            return Ok(Taken::Whole(end - before));
        }
        if self.room() == 0 {
            return Err(HeadError::TooLarge(self.limit));
        }
        Ok(Taken::All)
    }

    /// The bytes so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Starts on the next head of the same connection, after a 1xx. The limit is for all together.
    pub(crate) fn next(&mut self) {
        self.before += self.bytes.len();
        self.bytes.clear();
    }
}

/// Where the head ends: behind the first empty line that ends at or after `from`.
fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == b'\n')? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// What a head says, as far as a download needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// 100 to 999.
    pub(crate) status: u16,
    /// How the body ends, for a status that has one.
    pub(crate) framing: Framing,
    /// Whether the connection stays open behind the body (RFC 9112, 9.3): HTTP/1.1 without
    /// `Connection: close`. HTTP/1.0 that says `keep-alive` is not believed.
    pub(crate) keeps: bool,
    /// The target of a redirect, as it was sent.
    pub(crate) location: Option<String>,
    /// Which version the body belongs to.
    pub(crate) validator: Option<Validator>,
    /// A coding of the body that is not the bytes themselves.
    pub(crate) coding: Option<String>,
    /// `Content-Range`, as it was sent.
    pub(crate) content_range: Option<String>,
    /// How long the server wants to be left alone, if it says so in seconds.
    pub(crate) retry_after: Option<Duration>,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the chunk of size zero.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Parses a whole head.
///
/// Strict where two readers of one head could differ (RFC 9112, 6.3): both `Transfer-Encoding` and
/// `Content-Length`, lengths that differ or are not plain digits, a coding other than `chunked`.
///
/// # Errors
/// It is not a head, or one of the above.
pub(crate) fn parse(bytes: &[u8]) -> Result<Head, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(HeadError::Malformed),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyFields),
        Err(_) => return Err(HeadError::Malformed),
    }
    let (Some(status @ 100..), Some(version)) = (response.code, response.version) else {
        return Err(HeadError::Malformed);
    };
    let fields: &[httparse::Header<'_>] = response.headers;
    Ok(Head {
        status,
        framing: framing(fields, version)?,
        keeps: version == 1 && !has_option(fields, b"close"),
        location: single(fields, "location")?,
        validator: Validator::of(single(fields, "etag")?, single(fields, "last-modified")?),
        coding: single(fields, "content-encoding")?
            .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")),
        content_range: single(fields, "content-range")?,
        retry_after: single(fields, "retry-after")?
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(Duration::from_secs),
    })
}

/// Decides how the body ends.
fn framing(fields: &[httparse::Header<'_>], version: u8) -> Result<Framing, HeadError> {
    let length = content_length(fields)?;
    let mut codings = values(fields, "transfer-encoding");
    let Some(coding) = codings.next() else {
        return Ok(length.map_or(Framing::UntilClose, Framing::Length));
    };
    if length.is_some() || version == 0 {
        return Err(HeadError::AmbiguousFraming);
    }
    if codings.next().is_some() || !coding.trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err(HeadError::TransferEncoding);
    }
    Ok(Framing::Chunked)
}

/// Whether the `Connection` fields have an option.
fn has_option(fields: &[httparse::Header<'_>], option: &[u8]) -> bool {
    values(fields, "connection")
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(option))
}

/// The one length that all `Content-Length` fields agree on.
fn content_length(fields: &[httparse::Header<'_>]) -> Result<Option<u64>, HeadError> {
    let mut agreed = None;
    for item in values(fields, "content-length").flat_map(|value| value.split(|&b| b == b',')) {
        let length = digits(item.trim_ascii()).ok_or(HeadError::ContentLength)?;
        if agreed.is_some_and(|agreed| agreed != length) {
            return Err(HeadError::ContentLength);
        }
        agreed = Some(length);
    }
    Ok(agreed)
}

/// A number of decimal digits and nothing else; `str::parse` would take a sign.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The value of a field that may be there once.
fn single(
    fields: &[httparse::Header<'_>],
    name: &'static str,
) -> Result<Option<String>, HeadError> {
    let mut values = values(fields, name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.any(|other| other != value) {
        return Err(HeadError::Repeated(name));
    }
    let text = std::str::from_utf8(value.trim_ascii()).map_err(|_| HeadError::NotText(name))?;
    Ok(Some(text.to_owned()))
}

/// The values of all fields of that name.
fn values<'a>(
    fields: &'a [httparse::Header<'a>],
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|f| f.value)
}

/// Fields of one head. nginx and Girder send about ten, a store behind two proxies about thirty.
const MAX_FIELDS: usize = 128;

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// No empty line within the limit.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// More fields than a head may have.
    #[error("it has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// Not HTTP/1.
    #[error("it is not an HTTP/1 response")]
    Malformed,
    /// Two ways of saying where the body ends.
    #[error("it has both Transfer-Encoding and another framing")]
    AmbiguousFraming,
    /// A coding that was not asked for.
    #[error("its Transfer-Encoding is not chunked")]
    TransferEncoding,
    /// Not a number, or several.
    #[error("its Content-Length is not one number")]
    ContentLength,
    /// A field that may be there once, with different values.
    #[error("it has several {0} fields")]
    Repeated(&'static str),
    /// A field with bytes that are not text.
    #[error("its {0} field is not text")]
    NotText(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n";

    fn parsed(fields: &str) -> Result<Head, HeadError> {
        parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes())
    }

    #[test]
    fn a_head_is_found_at_every_split() {
        let bytes = [HEAD.as_bytes(), b"hello\r\n\r\n"].concat();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut collector = Collector::new(1000);
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let mut taken = 0;
                for piece in pieces {
                    match collector.take(piece).unwrap() {
                        Taken::All => taken += piece.len(),
                        Taken::Whole(count) => {
                            taken += count;
                            break;
                        }
                    }
                }
                assert_eq!(taken, HEAD.len(), "split at {first}, {second}");
                assert_eq!(collector.bytes(), HEAD.as_bytes());
            }
        }
    }

    #[test]
    fn a_head_that_fills_the_limit_is_an_error_and_one_that_just_fits_is_not() {
        for (limit, fits) in [(HEAD.len(), true), (HEAD.len() - 1, false)] {
            for step in [1, 7, 1000] {
                let mut collector = Collector::new(limit);
                let outcome = HEAD
                    .as_bytes()
                    .chunks(step)
                    .map(|piece| collector.take(piece))
                    .find(|taken| *taken != Ok(Taken::All));
                match fits {
                    true => assert!(matches!(outcome, Some(Ok(Taken::Whole(_)))), "{outcome:?}"),
                    false => assert_eq!(outcome, Some(Err(HeadError::TooLarge(limit)))),
                }
            }
        }
    }

    #[test]
    fn the_limit_is_for_all_heads_of_a_connection_together() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut collector = Collector::new(interim.len() * 2);
        for _ in 0..2 {
            assert_eq!(collector.take(interim), Ok(Taken::Whole(interim.len())));
            collector.next();
        }
        assert_eq!(collector.take(interim), Err(HeadError::TooLarge(interim.len() * 2)));
    }

    #[test]
    fn lines_may_end_with_a_bare_lf() {
        let mut collector = Collector::new(1000);
        let bytes = b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello";
        assert_eq!(collector.take(bytes), Ok(Taken::Whole(35)));
        assert_eq!(parse(collector.bytes()).unwrap().framing, Framing::Length(5));
    }

    #[test]
    fn framing_is_what_the_head_says() {
        let framing = |fields| parsed(fields).map(|head| head.framing);
        assert_eq!(framing(""), Ok(Framing::UntilClose));
        assert_eq!(framing("content-length: 0\r\n"), Ok(Framing::Length(0)));
        assert_eq!(framing("Content-Length: 7\r\nContent-Length: 7\r\n"), Ok(Framing::Length(7)));
        assert_eq!(framing("Content-Length: 7, 7\r\n"), Ok(Framing::Length(7)));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        let largest = "Content-Length: 18446744073709551615\r\n";
        assert_eq!(framing(largest), Ok(Framing::Length(u64::MAX)));
    }

    #[test]
    fn framing_that_two_readers_could_see_differently_is_an_error() {
        let cases = [
            ("Content-Length: 5\r\nContent-Length: 6\r\n", HeadError::ContentLength),
            ("Content-Length: 5, 6\r\n", HeadError::ContentLength),
            ("Content-Length: 5,\r\n", HeadError::ContentLength),
            ("Content-Length: +5\r\n", HeadError::ContentLength),
            ("Content-Length: -5\r\n", HeadError::ContentLength),
            ("Content-Length: 0x5\r\n", HeadError::ContentLength),
            ("Content-Length: 5 5\r\n", HeadError::ContentLength),
            ("Content-Length:\r\n", HeadError::ContentLength),
            ("Content-Length: 18446744073709551616\r\n", HeadError::ContentLength),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HeadError::AmbiguousFraming),
            ("Transfer-Encoding: gzip, chunked\r\n", HeadError::TransferEncoding),
            ("Transfer-Encoding: identity\r\n", HeadError::TransferEncoding),
            ("Transfer-Encoding: xchunked\r\n", HeadError::TransferEncoding),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                HeadError::TransferEncoding,
            ),
            ("Content-Length : 5\r\n", HeadError::Malformed),
            (" Content-Length: 5\r\n", HeadError::Malformed),
            ("X: y\r\n Content-Length: 5\r\n", HeadError::Malformed),
            ("Location: /a\r\nLocation: /b\r\n", HeadError::Repeated("location")),
        ];
        for (fields, expected) in cases {
            assert_eq!(parsed(fields).unwrap_err(), expected, "{fields:?}");
        }
        let old = parse(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old.unwrap_err(), HeadError::AmbiguousFraming);
    }

    #[test]
    fn a_field_that_is_not_text_is_an_error_only_where_it_is_needed() {
        let head =
            |name: &str| [b"HTTP/1.1 200 OK\r\n", name.as_bytes(), b": \xff\r\n\r\n"].concat();
        assert_eq!(parse(&head("Location")), Err(HeadError::NotText("location")));
        assert!(parse(&head("X-Anything")).is_ok());
    }

    #[test]
    fn a_connection_is_kept_unless_the_head_says_otherwise() {
        let keeps = |fields| parsed(fields).unwrap().keeps;
        assert!(keeps(""));
        assert!(keeps("Connection: keep-alive\r\n"));
        assert!(!keeps("Connection: Close\r\n"));
        assert!(!keeps("Connection: te\r\nConnection: te , close\r\n"));
        assert!(!parse(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").unwrap().keeps);
    }

    #[test]
    fn a_coding_is_told_unless_it_is_none() {
        let coding = |text: &str| parsed(&format!("Content-Encoding: {text}\r\n")).unwrap().coding;
        assert_eq!(coding("gzip"), Some("gzip".to_owned()));
        assert_eq!(coding("Identity"), None);
        assert_eq!(coding(""), None);
    }

    #[test]
    fn what_is_no_head_is_an_error() {
        for bytes in [
            &b""[..],
            b"\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nmore",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        ] {
            assert_eq!(parse(bytes), Err(HeadError::Malformed), "{bytes:?}");
        }
        let many = "X: y\r\n".repeat(MAX_FIELDS + 1);
        assert_eq!(parsed(&many), Err(HeadError::TooManyFields));
        assert!(parsed(&"X: y\r\n".repeat(MAX_FIELDS)).is_ok());
    }

    #[test]
    fn noise_neither_panics_nor_is_taken_beyond_its_length() {
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bytes = HEAD.as_bytes().to_vec();
            for _ in 0..random.usize(0..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            let _ = parse(&bytes);
            let mut collector = Collector::new(random.usize(1..100));
            for piece in bytes.chunks(random.usize(1..20)) {
                match collector.take(piece) {
                    Ok(Taken::Whole(count)) => {
                        assert!(count <= piece.len(), "seed {seed}");
                        break;
                    }
                    Ok(Taken::All) => {}
                    Err(_) => break,
                }
            }
        }
    }
}
