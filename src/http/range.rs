//! Ranges (RFC 9110, 14): the rule for the answer to a request for a part. Pure.

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

/// Places the body of a 200 or 206 that answers a request for the bytes from `from` on, up to the
/// one before `to` or to the end.
///
/// # Errors
/// It is not what was asked for.
pub(crate) fn place(head: &Head, from: u64, to: Option<u64>) -> Result<Placed, RangeError> {
    let length = match head.framing {
        Framing::Length(length) => Some(length),
        Framing::Chunked | Framing::UntilClose => None,
    };
    let is_for_a_range = from > 0 || to.is_some();
    match (head.status, is_for_a_range) {
        (206, false) => Err(RangeError::NotAskedFor),
        (206, true) => {
            let text = head.content_range.as_deref().ok_or(RangeError::Missing)?;
            let range = parse(text).ok_or(RangeError::Malformed)?;
            if range.first != from {
                return Err(RangeError::OtherStart(range.first));
            }
            if length.is_some_and(|length| length != range.length()) {
                return Err(RangeError::OtherLength);
            }
            let end = range.last + 1;
            let expected = match (to, range.total) {
                (Some(to), Some(total)) => Some(to.min(total)),
                (to, total) => to.or(total),
            };
            match expected {
                Some(expected) if end < expected => return Err(RangeError::Short),
                Some(expected) if end > expected => return Err(RangeError::OtherEnd(range.last)),
                _ => {}
            }
            Ok(Placed { start: from, length: Some(range.length()), total: range.total })
        }
        (_, false) => Ok(Placed { start: 0, length, total: length }),
        (_, true) => Err(RangeError::Ignored),
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
    /// More than was asked for.
    #[error("the answer goes on to byte {0}")]
    OtherEnd(u64),
    /// `Content-Length` and `Content-Range` differ.
    #[error("the answer's Content-Length is not the length of its Content-Range")]
    OtherLength,
    /// The end is missing.
    #[error("the answer ends before the file, or the part of it that was asked for")]
    Short,
    /// The entity tag, or the time of the last change, is another one.
    #[error("the file has changed on the server")]
    Changed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, framing: Framing, content_range: Option<&str>) -> Head {
        let content_range = content_range.map(str::to_owned);
        Head {
            status,
            framing,
            keeps: true,
            location: None,
            validator: None,
            coding: None,
            content_range,
            retry_after: None,
        }
    }

    #[test]
    fn the_whole_and_the_rest_are_placed() {
        let whole = head(200, Framing::Length(10), None);
        let expected = Placed { start: 0, length: Some(10), total: Some(10) };
        assert_eq!(place(&whole, 0, None), Ok(expected));
        let unknown = head(200, Framing::Chunked, None);
        assert_eq!(place(&unknown, 0, None), Ok(Placed { start: 0, length: None, total: None }));
        let rest = Placed { start: 4, length: Some(6), total: Some(10) };
        assert_eq!(place(&head(206, Framing::Length(6), Some("bytes 4-9/10")), 4, None), Ok(rest));
        assert_eq!(place(&head(206, Framing::UntilClose, Some("Bytes 4-9/10")), 4, None), Ok(rest));
        let open = Placed { total: None, ..rest };
        assert_eq!(place(&head(206, Framing::Chunked, Some("bytes 4-9/*")), 4, None), Ok(open));
    }

    #[test]
    fn an_answer_that_is_not_the_rest_is_an_error() {
        let part = |length, text| place(&head(206, Framing::Length(length), Some(text)), 4, None);
        assert_eq!(place(&head(200, Framing::Length(10), None), 4, None), Err(RangeError::Ignored));
        assert_eq!(
            place(&head(206, Framing::Length(6), Some("bytes 4-9/10")), 0, None),
            Err(RangeError::NotAskedFor)
        );
        assert_eq!(place(&head(206, Framing::Length(6), None), 4, None), Err(RangeError::Missing));
        assert_eq!(part(10, "bytes 0-9/10"), Err(RangeError::OtherStart(0)));
        assert_eq!(part(5, "bytes 5-9/10"), Err(RangeError::OtherStart(5)));
        assert_eq!(part(7, "bytes 4-9/10"), Err(RangeError::OtherLength));
        assert_eq!(part(5, "bytes 4-8/10"), Err(RangeError::Short));
    }

    #[test]
    fn a_part_in_the_middle_is_placed_and_must_be_that_part() {
        let part =
            |length, text, to| place(&head(206, Framing::Length(length), Some(text)), 4, Some(to));
        let placed = Placed { start: 4, length: Some(2), total: Some(10) };
        assert_eq!(part(2, "bytes 4-5/10", 6), Ok(placed));
        assert_eq!(part(6, "bytes 4-9/10", 99), Ok(Placed { length: Some(6), ..placed }));
        assert_eq!(part(1, "bytes 4-4/10", 6), Err(RangeError::Short));
        assert_eq!(part(1, "bytes 4-4/*", 6), Err(RangeError::Short));
        assert_eq!(part(3, "bytes 4-6/10", 6), Err(RangeError::OtherEnd(6)));
        let first = head(206, Framing::Length(4), Some("bytes 0-3/10"));
        assert_eq!(place(&first, 0, Some(4)).map(|placed| placed.total), Ok(Some(10)));
        let whole = head(200, Framing::Length(10), None);
        assert_eq!(place(&whole, 0, Some(4)), Err(RangeError::Ignored));
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
