//! Which bytes of a file a download is for: `Range`, and Girder's `offset` and `endByte`.

/// The bytes that are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them: 200.
    Whole,
    /// From the first up to, and without, the second: 206.
    Part(u64, u64),
    /// None of those that there are: 416.
    Unsatisfiable,
}

/// What a `Range` header asks for. One that is not understood, of another unit or for several ranges
/// at once is as if it were not there, which RFC 9110 allows. Nothing is left out of an empty file.
pub(crate) fn of_header(value: &str, size: u64) -> Wanted {
    let Some((first, last)) = one_range(value) else { return Wanted::Whole };
    let part = match (first, last) {
        _ if size == 0 => return Wanted::Whole,
        (Some(first), Some(last)) if last < first => return Wanted::Whole,
        (Some(first), Some(last)) => (first, last.saturating_add(1)),
        (Some(first), None) => (first, size),
        (None, Some(length)) => (size.saturating_sub(length), size),
        (None, None) => return Wanted::Whole,
    };
    satisfied(part, size)
}

/// What Girder's query parameters ask for; `end` is behind the last byte.
pub(super) fn of_query(offset: u64, end: Option<u64>, size: u64) -> Wanted {
    let end = end.unwrap_or(size);
    if offset == 0 && end >= size { Wanted::Whole } else { satisfied((offset, end), size) }
}

fn satisfied((start, end): (u64, u64), size: u64) -> Wanted {
    let end = end.min(size);
    if start < end { Wanted::Part(start, end) } else { Wanted::Unsatisfiable }
}

/// The two numbers of a `bytes=…` with one range.
fn one_range(value: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = value.split_once('=')?;
    let (first, last) = range.split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| match text.trim() {
        "" => Some(None),
        // A number that is too large is behind the end of every file.
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    };
    Some((number(first)?, number(last)?))
}

#[cfg(test)]
mod tests {
    use super::Wanted::{Part, Unsatisfiable, Whole};
    use super::*;

    #[test]
    fn one_range_of_bytes_is_cut_to_the_file() {
        for (header, wanted) in [
            ("bytes=0-9", Part(0, 10)),
            ("bytes=90-", Part(90, 100)),
            ("bytes=-5", Part(95, 100)),
            ("bytes=-500", Part(0, 100)),
            ("bytes=95-200", Part(95, 100)),
            ("bytes=99-99999999999999999999999", Part(99, 100)),
            ("Bytes= 1-2 ", Part(1, 3)),
            ("bytes=0-", Part(0, 100)),
        ] {
            assert_eq!(of_header(header, 100), wanted, "{header}");
        }
    }

    #[test]
    fn a_range_behind_the_end_cannot_be_satisfied() {
        for header in ["bytes=100-", "bytes=200-300", "bytes=99999999999999999999999-", "bytes=-0"]
        {
            assert_eq!(of_header(header, 100), Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=abc",
            "bytes=+1-2",
            "items=0-1",
            "bytes=0-1,4-5",
            "bytes=--1",
        ] {
            assert_eq!(of_header(header, 100), Whole, "{header}");
        }
    }

    #[test]
    fn the_only_range_of_an_empty_file_is_the_whole() {
        assert_eq!(of_header("bytes=0-", 0), Whole);
        assert_eq!(of_header("bytes=7-9", 0), Whole);
        assert_eq!(of_query(0, None, 0), Whole);
    }

    #[test]
    fn offset_and_end_byte_are_a_part_only_when_they_leave_something_out() {
        assert_eq!(of_query(0, None, 100), Whole);
        assert_eq!(of_query(0, Some(100), 100), Whole);
        assert_eq!(of_query(10, None, 100), Part(10, 100));
        assert_eq!(of_query(10, Some(20), 100), Part(10, 20));
        assert_eq!(of_query(10, Some(1000), 100), Part(10, 100));
        assert_eq!(of_query(100, None, 100), Unsatisfiable);
        assert_eq!(of_query(20, Some(10), 100), Unsatisfiable);
    }
}
