//! Points in time as Python writes them.

use std::time::SystemTime;

use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

/// Reads what `datetime.isoformat()` writes, and what people write: Celery passes on what is a string already. A time
/// without an offset is UTC, and a day is its beginning.
pub(in crate::worker) fn parse(text: &str) -> Option<SystemTime> {
    // `str(datetime)` has a space there.
    let text = text.replacen(' ', "T", 1).to_ascii_uppercase();
    let naive = || {
        PrimitiveDateTime::parse(&text, &Iso8601::PARSING)
            .or_else(|_| Date::parse(&text, &Iso8601::PARSING).map(Date::midnight))
            .map(PrimitiveDateTime::assume_utc)
    };
    let time = OffsetDateTime::parse(&text, &Iso8601::PARSING).or_else(|_| naive());
    Some(SystemTime::from(time.ok()?))
}

/// `2026-11-27T02:28:28.766838+00:00`: what `datetime.isoformat()` writes.
pub(in crate::worker) fn iso(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (hour, minute, second, micros) = time.to_hms_micro();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn times_are_read_with_and_without_an_offset() {
        // Each by Python's `datetime.fromisoformat(…).timestamp()`, in UTC.
        for (text, micros) in [
            ("2026-11-27T02:40:39.608137+00:00", 1_795_747_239_608_137),
            ("2026-11-27T02:40:39.608137", 1_795_747_239_608_137),
            ("2026-11-27T02:40:39", 1_795_747_239_000_000),
            ("2026-11-27T02:40:39Z", 1_795_747_239_000_000),
            ("2026-11-27T04:40:39+02:00", 1_795_747_239_000_000),
            ("2026-11-26T19:10:39-07:30", 1_795_747_239_000_000),
            ("2026-11-27 02:40:39.608137+00:00", 1_795_747_239_608_137),
            ("2026-11-27t02:40:39z", 1_795_747_239_000_000),
            ("20261127T024039Z", 1_795_747_239_000_000),
            ("2026-11-27T02:40", 1_795_747_200_000_000),
            ("2026-11-27T02:40:39,608137-0000", 1_795_747_239_608_137),
            ("2026-11-27T02:40:39.608137000", 1_795_747_239_608_137),
            ("2026-W48-5T02:40:39", 1_795_747_239_000_000),
            ("2026-11-27", 1_795_737_600_000_000),
        ] {
            assert_eq!(parse(text), Some(UNIX_EPOCH + Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in
            ["", "tomorrow", "2026-13-01T00:00:00", "2026-11-27T25:00:00", "12", "1795747239"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
