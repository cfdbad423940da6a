//! Points in time as Girder's records and HTTP's heads write them, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    days: i64,
    seconds: i64,
    microseconds: i64,
}

impl Date {
    /// So long after 1970, or before.
    pub(super) fn from_unix(seconds: i64, nanoseconds: i64) -> Self {
        let (days, seconds) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        Self { days, seconds, microseconds: nanoseconds / 1000 }
    }

    /// As the system's clock has it.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        Self::from_unix(seconds, i64::from(since.subsec_nanos()))
    }

    /// `2026-11-22T12:22:15.127000+00:00`, as Girder.
    pub(crate) fn iso(self) -> String {
        let (year, month, day) = self.civil();
        let (hour, minute, second) = self.clock();
        let micros = self.microseconds;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
    }

    /// `Sun, 22 Nov 2026 12:22:15 GMT`: RFC 9110, section 5.6.7.
    pub(super) fn http(self) -> String {
        let (year, month, day) = self.civil();
        let (hour, minute, second) = self.clock();
        let weekday = name(WEEKDAYS, self.days.rem_euclid(7));
        let month = name(MONTHS, month - 1);
        format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }

    fn clock(self) -> (i64, i64, i64) {
        (self.seconds / 3600, self.seconds / 60 % 60, self.seconds % 60)
    }

    /// Year, month and day, in the Gregorian calendar: the years begin in March, so that the day that
    /// leap years add is their last, and come in eras of 400. (Howard Hinnant, `civil_from_days`)
    fn civil(self) -> (i64, i64, i64) {
        let days = self.days + 719_468;
        let (era, day_of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, day)
    }
}

fn name(names: &'static str, at: i64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| names.get(at * 3..at * 3 + 3)).unwrap_or_default()
}

const DAY: i64 = 86_400;
const ERA: i64 = 146_097;
/// 1970 began on a Thursday.
const WEEKDAYS: &str = "ThuFriSatSunMonTueWed";
const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_calendar_has_them() {
        // Each by `date -u -d @SECONDS`.
        for (seconds, http) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
            (1_795_350_135, "Sun, 22 Nov 2026 12:22:15 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(Date::from_unix(seconds, 0).http(), http);
        }
        assert_eq!(
            Date::from_unix(1_795_350_135, 127_000_999).iso(),
            "2026-11-22T12:22:15.127000+00:00"
        );
    }
}
