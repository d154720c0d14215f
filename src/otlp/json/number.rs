//! Numbers from their JSON text.

/// Whether the text is a number of JSON's grammar: no leading zeros, no `+`, digits on both sides of the point.
pub(super) fn is_json_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (integer, rest) = split_digits(unsigned);
    if integer.is_empty() || (integer.len() > 1 && integer.starts_with('0')) {
        return false;
    }
    let rest = match rest.strip_prefix('.').map(split_digits) {
        Some(("", _)) => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    match rest.strip_prefix(['e', 'E']) {
        None => rest.is_empty(),
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !digits.is_empty() && split_digits(digits).1.is_empty()
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The integer that a JSON number stands for: `5`, `5.0`, `5e0`; `None` if it stands for none or a huge one.
pub(super) fn integer(text: &str) -> Option<i128> {
    if let Ok(integer) = text.parse::<i64>() {
        return Some(i128::from(integer));
    }
    if !is_json_number(text) {
        return None;
    }
    if let Ok(integer) = text.parse::<i128>() {
        return Some(integer);
    }
    let double = text.parse::<f64>().ok()?;
    let fits = double.fract() == 0.0 && double.abs() < 1e30;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 10^30")]
    let integer = double as i128;
    fits.then_some(integer)
}

/// The double that a JSON number stands for, `None` if it is beyond the greatest one.
pub(super) fn double(text: &str) -> Option<f64> {
    let double = is_json_number(text).then(|| text.parse::<f64>().ok()).flatten();
    double.filter(|double| double.is_finite())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn the_grammar_is_json(
        #[values(
            "0", "-0", "1", "10", "-1.5", "1e5", "1E+5", "1.25e-3", "", "-", "+1", "01", "1.", ".5", "1e", "1e+",
            "0x1", "1 ", "--1", "1.2.3", "NaN", "inf"
        )]
        text: &str,
    ) {
        let by_serde = serde_json::from_str::<serde_json::Number>(text).is_ok() && text.trim() == text;
        assert_eq!(is_json_number(text), by_serde);
    }

    #[rstest]
    #[case("5", Some(5))]
    #[case("-5", Some(-5))]
    #[case("5.0", Some(5))]
    #[case("1e3", Some(1000))]
    #[case("18446744073709551615", Some(18_446_744_073_709_551_615))]
    #[case("1.5", None)]
    #[case("1e400", None)]
    #[case("five", None)]
    #[case("", None)]
    fn integers(#[case] text: &str, #[case] expected: Option<i128>) {
        assert_eq!(integer(text), expected);
    }
}
