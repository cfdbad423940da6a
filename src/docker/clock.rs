//! The engine's times.

use std::time::{Duration, SystemTime};

/// Reads a time as Go writes it (RFC 3339): `2026-02-28T12:34:56.789Z`, or `…+01:00` where the engine has a time zone.
/// The year 1 is no time.
pub(super) fn read(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once('T')?;
    let zone = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at_checked(zone)?;
    let (is_east, zone) = ahead_of_utc(zone)?;
    let numbers = |text: &str, by| text.split(by).map(|part| part.parse().ok()).collect();
    let date: Option<Vec<u64>> = numbers(date, '-');
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let time: Option<Vec<u64>> = numbers(whole, ':');
    let (&[year, month, day], &[hours, minutes, seconds]) = (&*date?, &*time?) else { return None };
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !is_date || !(1..=31).contains(&day) || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    // Years that begin in March have the day that some lack at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let seconds = (days - DAYS_TO_1970) * 86_400 + hours * 3600 + minutes * 60 + seconds;
    let nanoseconds = format!("{:0<9.9}", fraction).parse().ok()?;
    let there = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    if is_east { there.checked_sub(zone) } else { there.checked_add(zone) }
}

/// How far a zone's clocks are from UTC, and whether they are ahead of it.
fn ahead_of_utc(zone: &str) -> Option<(bool, Duration)> {
    if zone == "Z" {
        return Some((true, Duration::ZERO));
    }
    let (is_east, zone) = match zone.strip_prefix('+') {
        Some(zone) => (true, zone),
        None => (false, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = zone.split_once(':')?;
    let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60)
        .then(|| (is_east, Duration::from_secs(hours * 3600 + minutes * 60)))
}

/// From the first of March of the year 0.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_engines_write_them() {
        for (text, seconds, nanoseconds) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-02-29T12:00:01.5Z", 951_825_601, 500_000_000),
            ("2026-11-28T00:25:00.123456789Z", 1_795_825_500, 123_456_789),
            ("2026-11-28T05:55:00.5+05:30", 1_795_825_500, 500_000_000),
            ("2026-11-27T20:25:00-04:00", 1_795_825_500, 0),
        ] {
            let expected = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "0001-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-28",
            "x-y-zTa:b:cZ",
            "TZ",
            "2026-11-28T00:25:00",
            "2026-11-28T00:25:00+1",
            "2026-11-28T00:25:00+24:00",
            "2026-11-28T00:25:00Z+01:00",
            "2026-11-28T18446744073709551615:0:0Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
