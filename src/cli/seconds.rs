//! Times on the command line: whole seconds.

/// Seconds, at least so many.
pub(super) fn at_least<const LEAST: u32>(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(few) if few < LEAST => Err(format!("expected at least {LEAST} s")),
        Ok(enough) => Ok(enough),
        Err(_) => Err(expected(text)),
    }
}

/// What is wrong with it, and what is probably meant.
fn expected(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("expected at most {} s", u32::MAX);
    }
    match with_unit(text) {
        Some(meant) => format!("expected whole seconds, without a unit: {text} is {meant}"),
        None => "expected whole seconds, such as 300".to_owned(),
    }
}

/// What a time with one unit is in seconds, as other tools take it: `90s`, `5m`, `2h`, `1d`.
fn with_unit(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_are_taken_and_anything_else_says_what_it_would_be() {
        assert_eq!(at_least::<0>("0"), Ok(0));
        assert_eq!(at_least::<1>("86400"), Ok(86400));
        for (text, words) in [
            ("5m", "5m is 300"),
            ("2h", "2h is 7200"),
            ("1d", "1d is 86400"),
            ("30s", "30s is 30"),
            ("1.5", "such as 300"),
            ("-3", "such as 300"),
            ("", "such as 300"),
            ("m", "such as 300"),
            ("é", "such as 300"),
            ("4000000000h", "such as 300"),
            ("5000000000", "at most 4294967295"),
        ] {
            let error = at_least::<0>(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(at_least::<3>("2").unwrap_err().contains("at least 3 s"));
    }
}
