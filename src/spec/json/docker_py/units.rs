//! Numbers of bytes, as docker-py's `parse_bytes` reads them.

/// The bytes that a text says, which its rule has accepted; `None` beyond 2^63.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let is_letter = |c: char| c.is_ascii_alphabetic();
    // `mb` says the same as `m`.
    let doubled = lower.strip_suffix('b').filter(|rest| rest.ends_with(is_letter));
    let text = doubled.unwrap_or(&lower);
    let (digits, unit) = match text.char_indices().next_back()? {
        (at, 'b') => (text.get(..at)?, 0),
        (at, 'k') => (text.get(..at)?, 1),
        (at, 'm') => (text.get(..at)?, 2),
        (at, 'g') => (text.get(..at)?, 3),
        _ => (text, 0),
    };
    let number: f64 = digits.trim_end().parse().ok()?;
    let bytes = (number * 1024_f64.powi(unit)).trunc();
    // Through text: no cast says when it has cut something off.
    let bytes = if bytes == 0.0 { 0.0 } else { bytes };
    format!("{bytes:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        // Right-hand sides: docker-py 7.2.0, parse_bytes(left).
        for (text, expected) in [
            ("512m", 536_870_912),
            ("512M", 536_870_912),
            ("512mb", 536_870_912),
            ("512MB", 536_870_912),
            ("512 m", 536_870_912),
            ("1.5g", 1_610_612_736),
            (".5k", 512),
            ("2.k", 2048),
            ("1024g", 1_099_511_627_776),
            ("100", 100),
            ("100b", 100),
            ("100bb", 100),
            ("1.9", 1),
            ("0.0001k", 0),
            ("-1", -1),
            ("-0", 0),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn more_than_the_engine_can_count_is_none() {
        assert_eq!(bytes("9223372036854775807g"), None);
        assert_eq!(bytes("8589934592g"), None);
        assert_eq!(bytes("8589934591g"), Some(9_223_372_035_781_033_984));
    }
}
