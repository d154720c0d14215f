//! Doubles and decimals as PostgreSQL writes them.

use std::fmt::{Display, LowerExp};
use std::io::Write;

/// `numeric`'s signs (PostgreSQL, `numeric.c`).
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;

/// Digits of the largest numbers, `Decimal256`'s, with their sign.
const MAX_DIGITS: usize = 80;

/// As `float8` with every digit: the shortest text that reads back equal.
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) {
    // As PostgreSQL's shortest form: without an exponent from 1e-4 up to 15 digits.
    write_shortest(value, value.is_nan(), value.is_infinite(), value.is_sign_negative(), 15, out);
}

/// As `float4` with every digit.
pub(super) fn write_float(value: f32, out: &mut Vec<u8>) {
    write_shortest(value, value.is_nan(), value.is_infinite(), value.is_sign_negative(), 6, out);
}

fn write_shortest(
    value: impl LowerExp,
    nan: bool,
    infinite: bool,
    negative: bool,
    plain_below: i32,
    out: &mut Vec<u8>,
) {
    if nan {
        return out.extend_from_slice(b"NaN");
    }
    if infinite {
        return out.extend_from_slice(if negative { b"-Infinity" } else { b"Infinity" });
    }
    let mut buffer = Short::<40>::default();
    // `d.ddde-7`, which is at most 26 bytes.
    let _ = write!(buffer, "{value:e}");
    let text = buffer.text();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let digits = || mantissa.bytes().filter(|byte| *byte != b'.');
    let count = digits().count() as i32;
    if negative {
        out.push(b'-');
    }
    if !(-4..plain_below).contains(&exponent) {
        out.extend_from_slice(mantissa.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.abs());
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1).unsigned_abs() as usize));
        out.extend(digits());
    } else {
        let whole = exponent + 1;
        for (index, digit) in digits().enumerate() {
            if index as i32 == whole {
                out.push(b'.');
            }
            out.push(digit);
        }
        out.extend(std::iter::repeat_n(b'0', (whole - count).max(0) as usize));
    }
}

/// `unscaled / 10^scale` with every digit of its scale.
pub(super) fn write_decimal(unscaled: impl Display, scale: i8, out: &mut Vec<u8>) {
    let mut buffer = Short::<MAX_DIGITS>::default();
    let _ = write!(buffer, "{unscaled}");
    let text = buffer.text();
    let digits = match text.strip_prefix('-') {
        Some(digits) => {
            out.push(b'-');
            digits
        }
        None => text,
    };
    let scale = i32::from(scale);
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        if digits != "0" {
            out.extend(std::iter::repeat_n(b'0', scale.unsigned_abs() as usize));
        }
        return;
    }
    let scale = scale.unsigned_abs() as usize;
    let whole = digits.len().saturating_sub(scale);
    if whole == 0 {
        out.push(b'0');
    }
    out.extend_from_slice(&digits.as_bytes()[..whole]);
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
    out.extend_from_slice(&digits.as_bytes()[whole..]);
}

/// As `numeric`'s binary form: groups of four decimal digits, of which the first counts 10000^weight.
pub(super) fn write_numeric(unscaled: impl Display, scale: i8, out: &mut Vec<u8>) {
    let mut text = Vec::with_capacity(MAX_DIGITS);
    write_decimal(unscaled, scale, &mut text);
    let negative = text.first() == Some(&b'-');
    let digits = text.get(usize::from(negative)..).unwrap_or_default();
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    let digit = |byte: &u8| u16::from(byte - b'0');
    let number = |group: &[u8], width: usize| {
        let value = group.iter().fold(0, |value, byte| value * 10 + digit(byte));
        value * 10_u16.pow((width - group.len()) as u32)
    };
    // Whole digits are grouped from the point to the left, fractions to the right.
    let first = whole.len() % 4;
    let mut groups: Vec<u16> = Vec::with_capacity(MAX_DIGITS / 4);
    if first > 0 {
        groups.push(number(&whole[..first], first));
    }
    groups.extend(whole[first..].chunks(4).map(|group| number(group, 4)));
    let mut weight = groups.len() as i32 - 1;
    groups.extend(fraction.chunks(4).map(|group| number(group, 4)));
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    weight -= zeros as i32;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign = if negative && !groups.is_empty() { NEGATIVE } else { POSITIVE };
    out.extend_from_slice(&(groups.len() as u16).to_be_bytes());
    out.extend_from_slice(&(weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(fraction.len() as u16).to_be_bytes());
    out.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
}

/// A decimal's digits as an integer, and its scale, from text such as `-12.50` or `1e3`; `None` for what is no number
/// of at most 38 digits.
pub(in super::super) fn parse_decimal(text: &str) -> Option<(i128, i8)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut unscaled: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        unscaled = unscaled.checked_mul(10)?.checked_add(digit)?;
    }
    let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    // A scale below 0 is zeros.
    while scale < 0 && unscaled != 0 {
        unscaled = unscaled.checked_mul(10)?;
        scale += 1;
    }
    let scale = i8::try_from(scale.max(0)).ok().filter(|scale| *scale <= 38)?;
    if unscaled >= 10_i128.pow(38) {
        return None;
    }
    Some((if negative { -unscaled } else { unscaled }, scale))
}

/// The same of `numeric`'s binary form.
pub(in super::super) fn decimal_from_groups(bytes: &[u8]) -> Option<(i128, i8)> {
    let mut words = bytes.chunks(2).map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
    let (count, weight, sign, scale) = (words.next()??, words.next()?? as i16, words.next()??, words.next()??);
    let groups: Vec<u16> = words.collect::<Option<_>>()?;
    if groups.len() != usize::from(count) || groups.iter().any(|group| *group > 9999) || scale > 38 {
        return None;
    }
    let mut unscaled: i128 = 0;
    // Each group counts 10^(4 * place); `scale` more digits are wanted behind the point.
    for (index, group) in groups.iter().enumerate() {
        let place = 4 * (i32::from(weight) - index as i32) + i32::from(scale);
        let group = i128::from(*group);
        let value = if place >= 0 {
            10_i128.checked_pow(place.unsigned_abs())?.checked_mul(group)?
        } else {
            group / 10_i128.checked_pow(place.unsigned_abs()).unwrap_or(i128::MAX)
        };
        unscaled = unscaled.checked_add(value)?;
    }
    if unscaled >= 10_i128.pow(38) {
        return None;
    }
    match sign {
        POSITIVE => Some((unscaled, scale as i8)),
        NEGATIVE => Some((-unscaled, scale as i8)),
        // NaN and the infinities.
        _ => None,
    }
}

/// A short text without an allocation.
struct Short<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> Short<N> {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl<const N: usize> Write for Short<N> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let free = &mut self.bytes[self.length..];
        let taken = bytes.len().min(free.len());
        free[..taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[rstest::rstest]
    #[case(0.0, "0")]
    #[case(-0.0, "-0")]
    #[case(1.0, "1")]
    #[case(-2.5, "-2.5")]
    #[case(0.1, "0.1")]
    #[case(0.0001, "0.0001")]
    #[case(0.00001, "1e-05")]
    #[case(1.5e-7, "1.5e-07")]
    #[case(123456789012345.0, "123456789012345")]
    #[case(1e15, "1e+15")]
    #[case(1e300, "1e+300")]
    #[case(1200.0, "1200")]
    #[case(f64::MAX, "1.7976931348623157e+308")]
    #[case(f64::NAN, "NaN")]
    #[case(f64::NEG_INFINITY, "-Infinity")]
    fn doubles_are_the_shortest_text(#[case] value: f64, #[case] expected: &str) {
        assert_eq!(text(|out| write_double(value, out)), expected);
    }

    #[rstest::rstest]
    #[case(12345, 2, "123.45")]
    #[case(-5, 3, "-0.005")]
    #[case(0, 2, "0.00")]
    #[case(7, 0, "7")]
    #[case(7, -2, "700")]
    fn decimals_have_the_digits_of_their_scale(#[case] unscaled: i128, #[case] scale: i8, #[case] expected: &str) {
        assert_eq!(text(|out| write_decimal(unscaled, scale, out)), expected);
    }

    proptest::proptest! {
        #[test]
        fn a_decimal_is_read_back_from_either_form(
            unscaled in -99_999_999_999_999_999_999_999_999_i128..99_999_999_999_999_999_999_999_999,
            scale in 0_i8..30,
        ) {
            let written = text(|out| write_decimal(unscaled, scale, out));
            proptest::prop_assert_eq!(parse_decimal(&written), Some((unscaled, scale)));
            let mut binary = Vec::new();
            write_numeric(unscaled, scale, &mut binary);
            proptest::prop_assert_eq!(decimal_from_groups(&binary), Some((unscaled, scale)));
        }

        #[test]
        fn a_double_is_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let written = text(|out| write_double(value, out));
            let read: f64 = written.parse().unwrap();
            proptest::prop_assert!(read == value || value.is_nan());
        }
    }

    #[rstest::rstest]
    #[case("1e3", Some((1000, 0)))]
    #[case("1.5E-2", Some((15, 3)))]
    #[case("+.5", Some((5, 1)))]
    #[case("", None)]
    #[case("-", None)]
    #[case("1.2.3", None)]
    #[case("NaN", None)]
    #[case("1e99999999", None)]
    fn decimals_are_parsed(#[case] text: &str, #[case] expected: Option<(i128, i8)>) {
        assert_eq!(parse_decimal(text), expected);
    }
}
