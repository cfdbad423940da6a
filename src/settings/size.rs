//! Numbers of bytes, as people type them.

/// Parses `4GiB`, `64 MiB`, `512KiB`, `1000000`.
///
/// # Errors
/// It is none; the error says what was expected.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err("expected a number and a unit: B, KiB, MiB, GiB or TiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a whole number".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is too much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("3B", 3),
            ("2KiB", 2048),
            ("64 MiB", 64 << 20),
            ("4GiB", 4 << 30),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "GiB",
            "-1",
            "+1",
            "1.5GiB",
            "4GB",
            "4gib",
            "1 2",
            "99999999999999999999",
            "20000000TiB",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
