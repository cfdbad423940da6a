//! Numbers as arguments: what Python's `str` makes of what Python's `json` reads.

/// The text of a JSON number, as Python would print it; `None` if it is no finite 64-bit float.
///
/// Whole numbers keep every digit. Others become the shortest decimal that reads back as the same
/// float, with an exponent below 1e-4 and from 1e+16 on.
pub(in crate::spec) fn python_str(number: &str) -> Option<String> {
    if !number.contains(['.', 'e', 'E']) {
        return Some(if number == "-0" { "0".to_owned() } else { number.to_owned() });
    }
    let value: f64 = number.parse().ok().filter(|value: &f64| value.is_finite())?;
    let shortest = shortest(value);
    let (digits, exponent) = shortest.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return Some(format!("{digits}e{sign}{:02}", exponent.unsigned_abs()));
    }
    // As many decimals as there are digits behind the point, and one at least.
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    let decimals = i32::try_from(behind).ok()?.saturating_sub(exponent).max(1);
    Some(format!("{value:.*}", usize::try_from(decimals).ok()?))
}

/// The fewest digits that read back as `value`, as `d.ddde-x`.
///
/// Where two such numbers are equally near, Rust takes the greater one and Python the even one:
/// rounding to as many digits gives Python's, unless that would read back as another float.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let digits = shortest.split('e').next().unwrap_or_default();
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len());
    let rounded = format!("{value:.behind$e}");
    if rounded.parse() == Ok(value) { rounded } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_what_python_prints() {
        // Right-hand sides: CPython 3.11, str(json.loads(left)).
        let printed = [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("7", "7"),
            ("-12", "-12"),
            ("9007199254740993", "9007199254740993"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1.0", "1.0"),
            ("1.50", "1.5"),
            ("0.1", "0.1"),
            ("1e3", "1000.0"),
            ("1E2", "100.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("9999999999999999.0", "1e+16"),
            ("12345678901234567890.0", "1.2345678901234567e+19"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("0.000012345", "1.2345e-05"),
            ("1e100", "1e+100"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("2.2250738585072014e-308", "2.2250738585072014e-308"),
            ("1e-400", "0.0"),
            ("0e999999999999", "0.0"),
            ("3.141592653589793238462643", "3.141592653589793"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("5e22", "5e+22"),
            ("9007199254740993.0", "9007199254740992.0"),
            // Two shortest ones that are equally near: the even one.
            ("-564059893868335.25", "-564059893868335.2"),
            ("562949953421312.75", "562949953421312.8"),
        ];
        for (number, expected) in printed {
            assert_eq!(python_str(number).as_deref(), Some(expected), "{number}");
        }
    }

    #[test]
    fn a_number_beyond_every_float_is_none() {
        assert_eq!(python_str("1e309"), None);
        assert_eq!(python_str("-1e99999"), None);
    }
}
