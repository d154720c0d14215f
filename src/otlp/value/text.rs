//! Numbers and strings as the text of values and as JSON.

use std::fmt::Write as _;

/// Appends an integer in decimal.
pub(crate) fn push_int(out: &mut String, value: i64) {
    /// Digits of the greatest magnitude, 2^63.
    const MAX_DIGITS: usize = 19;
    let mut digits = [b'0'; MAX_DIGITS];
    let mut rest = value.unsigned_abs();
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        let value = (rest % 10) as u8;
        *digit = b'0' + value;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push('-');
    }
    let digits = digits.get(MAX_DIGITS - used..).unwrap_or_default();
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// Appends a double: the shortest decimal that reads back the same, with `.` or exponent.
pub(crate) fn push_double(out: &mut String, value: f64) {
    match special_double(value) {
        Some(name) => out.push_str(name),
        None => write_to_string(out, format_args!("{value:?}")),
    }
}

/// The name of a double that has no decimal.
pub(crate) fn special_double(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

/// The double of a name, `None` for any other text.
pub(crate) fn parse_special_double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Appends a JSON string with the escapes that JSON requires and no others.
pub(crate) fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = escaped.chars();
        match characters.next() {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(mark @ ('"' | '\\')) => out.extend(['\\', mark]),
            Some(control) => write_to_string(out, format_args!("\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

fn write_to_string(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` can't fail.
    if out.write_fmt(text).is_err() {
        debug_assert!(false, "formatting a number failed");
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.0, "0.0")]
    #[case(-0.0, "-0.0")]
    #[case(1.0, "1.0")]
    #[case(0.1, "0.1")]
    #[case(-2.5, "-2.5")]
    #[case(1e15, "1000000000000000.0")]
    #[case(1e16, "1e16")]
    #[case(1.5e300, "1.5e300")]
    #[case(1e-4, "0.0001")]
    #[case(1e-5, "1e-5")]
    #[case(5e-324, "5e-324")]
    #[case(f64::MAX, "1.7976931348623157e308")]
    #[case(f64::NAN, "NaN")]
    #[case(f64::INFINITY, "Infinity")]
    #[case(f64::NEG_INFINITY, "-Infinity")]
    fn doubles_are_pinned(#[case] value: f64, #[case] expected: &str) {
        let mut out = String::new();
        push_double(&mut out, value);
        assert_eq!(out, expected);
    }

    #[rstest]
    fn integers(#[values(0, 9, 10, -1, 4_711, i64::MAX, i64::MIN, i64::MIN + 1)] value: i64) {
        let mut out = String::from("x");
        push_int(&mut out, value);
        assert_eq!(out, format!("x{value}"));
    }

    #[rstest]
    #[case("", r#""""#)]
    #[case("plain é", r#""plain é""#)]
    #[case("a\"b\\c/\n\r\t\u{8}\u{1f}\u{7f}", "\"a\\\"b\\\\c/\\n\\r\\t\\u0008\\u001f\u{7f}\"")]
    fn json_strings(#[case] text: &str, #[case] expected: &str) {
        let mut out = String::new();
        push_json_string(&mut out, text);
        assert_eq!(out, expected);
        assert_eq!(serde_json::from_str::<String>(&out).expect("the string is JSON"), text);
    }
}
