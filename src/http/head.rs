//! The head of a response: where it ends, and what it says. Pure.
//!
//! [`Collector`] is fed with bytes as they come, in whatever pieces, and says how many of them
//! belong to the head. [`parse`] makes a [`Head`] of the whole. Neither has a clock or a socket.

use thiserror::Error;

/// Collects a head that arrives in pieces.
#[derive(Debug)]
pub(crate) struct Collector {
    bytes: Vec<u8>,
    limit: usize,
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
        Self { bytes: Vec::new(), limit }
    }

    /// How many bytes may still come: the most that is worth looking at.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.bytes.len()
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
        self.limit -= self.bytes.len();
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
    /// The target of a redirect, as it was sent.
    pub(crate) location: Option<String>,
    /// A strong entity tag, with its quotes.
    pub(crate) validator: Option<String>,
    /// `Content-Range`, as it was sent.
    pub(crate) content_range: Option<String>,
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
        location: single(fields, "location")?,
        validator: single(fields, "etag")?.filter(|tag| is_strong(tag)),
        content_range: single(fields, "content-range")?,
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

/// `"…"`, without the `W/` of a weak tag, which promises nothing about bytes (RFC 9110, 8.8.1).
fn is_strong(tag: &str) -> bool {
    tag.len() >= 2
        && tag.starts_with('"')
        && tag.ends_with('"')
        && tag.bytes().all(|byte| byte.is_ascii_graphic())
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
