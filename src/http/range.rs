//! Ranges (RFC 9110, 14): the rule for the answer to a request that starts in the middle. Pure.

use thiserror::Error;

use super::head::{Framing, Head, digits};

/// Where the body of an answer lies in the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// The first byte's place.
    pub(crate) start: u64,
    /// Bytes of this body, when something says so.
    pub(crate) length: Option<u64>,
    /// Bytes of the whole, when something says so.
    pub(crate) total: Option<u64>,
}

/// Places the body of a 200 or 206 that answers a request for the bytes from `from` on.
///
/// # Errors
/// It is not what was asked for.
pub(crate) fn place(head: &Head, from: u64) -> Result<Placed, RangeError> {
    let length = match head.framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked | Framing::UntilClose => None,
    };
    match (head.status, from) {
        (206, 0) => Err(RangeError::NotAskedFor),
        (206, _) => {
            let text = head.content_range.as_deref().ok_or(RangeError::Missing)?;
            let range = parse(text).ok_or(RangeError::Malformed)?;
            if range.first != from {
                return Err(RangeError::OtherStart(range.first));
            }
            if length.is_some_and(|length| length != range.length()) {
                return Err(RangeError::OtherLength);
            }
            if range.total.is_some_and(|total| total - 1 != range.last) {
                return Err(RangeError::Short);
            }
            Ok(Placed { start: from, length: Some(range.length()), total: range.total })
        }
        (_, 0) => Ok(Placed { start: 0, length, total: length }),
        _ => Err(RangeError::Ignored),
    }
}

/// `bytes first-last/total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// The first byte's place.
    pub(crate) first: u64,
    /// The last byte's place; `first <= last < u64::MAX`.
    pub(crate) last: u64,
    /// Bytes of the whole, unless `*`; more than `last`.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

/// Parses a `Content-Range` of a 206.
pub(crate) fn parse(text: &str) -> Option<ContentRange> {
    let (unit, rest) = text.split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let first = digits(first.as_bytes())?;
    let last = digits(last.as_bytes())?;
    let total = if total == "*" { None } else { Some(digits(total.as_bytes())?) };
    let sound = unit.eq_ignore_ascii_case("bytes")
        && first <= last
        && last < u64::MAX
        && total.is_none_or(|total| last < total);
    sound.then_some(ContentRange { first, last, total })
}

/// Why an answer is not the range that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RangeError {
    /// A 200.
    #[error("the server sent the whole instead: it knows no ranges, or the file has changed")]
    Ignored,
    /// A 206 to a request for the whole.
    #[error("the server sent a part, and the whole was asked for")]
    NotAskedFor,
    /// A 206 that does not say which part.
    #[error("the answer has no Content-Range")]
    Missing,
    /// One that cannot be read.
    #[error("the answer's Content-Range makes no sense")]
    Malformed,
    /// Another part.
    #[error("the answer starts at byte {0}")]
    OtherStart(u64),
    /// `Content-Length` and `Content-Range` differ.
    #[error("the answer's Content-Length is not the length of its Content-Range")]
    OtherLength,
    /// The end is missing.
    #[error("the answer ends before the file does")]
    Short,
    /// The entity tag is another one.
    #[error("the file has changed on the server")]
    Changed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, framing: Framing, content_range: Option<&str>) -> Head {
        let content_range = content_range.map(str::to_owned);
        Head { status, framing, location: None, validator: None, content_range }
    }

    #[test]
    fn the_whole_and_the_rest_are_placed() {
        let whole = head(200, Framing::Length(10), None);
        let expected = Placed { start: 0, length: Some(10), total: Some(10) };
        assert_eq!(place(&whole, 0), Ok(expected));
        let unknown = head(200, Framing::Chunked, None);
        assert_eq!(place(&unknown, 0), Ok(Placed { start: 0, length: None, total: None }));
        let rest = Placed { start: 4, length: Some(6), total: Some(10) };
        assert_eq!(place(&head(206, Framing::Length(6), Some("bytes 4-9/10")), 4), Ok(rest));
        assert_eq!(place(&head(206, Framing::UntilClose, Some("Bytes 4-9/10")), 4), Ok(rest));
        let open = Placed { total: None, ..rest };
        assert_eq!(place(&head(206, Framing::Chunked, Some("bytes 4-9/*")), 4), Ok(open));
    }

    #[test]
    fn an_answer_that_is_not_the_rest_is_an_error() {
        let part = |length, text| place(&head(206, Framing::Length(length), Some(text)), 4);
        assert_eq!(place(&head(200, Framing::Length(10), None), 4), Err(RangeError::Ignored));
        assert_eq!(
            place(&head(206, Framing::Length(6), Some("bytes 4-9/10")), 0),
            Err(RangeError::NotAskedFor)
        );
        assert_eq!(place(&head(206, Framing::Length(6), None), 4), Err(RangeError::Missing));
        assert_eq!(part(10, "bytes 0-9/10"), Err(RangeError::OtherStart(0)));
        assert_eq!(part(5, "bytes 5-9/10"), Err(RangeError::OtherStart(5)));
        assert_eq!(part(7, "bytes 4-9/10"), Err(RangeError::OtherLength));
        assert_eq!(part(5, "bytes 4-8/10"), Err(RangeError::Short));
    }

    #[test]
    fn a_content_range_that_makes_no_sense_is_an_error() {
        for text in [
            "",
            "bytes",
            "bytes */10",
            "bytes 4-/10",
            "bytes -9/10",
            "bytes 9-4/10",
            "bytes 4-10/10",
            "bytes 4-9/",
            "bytes 4-9/-10",
            "bytes +4-9/10",
            "bytes=4-9/10",
            "items 4-9/10",
            "bytes 4-18446744073709551615/*",
            "bytes 4-18446744073709551616/*",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
