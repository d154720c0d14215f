//! Durations as Go's `time.ParseDuration` takes them: `1.5s`, `100ms`, `1h30m`.

use chrono::TimeDelta;

/// Units with their nanoseconds; those that begin like another come first.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];

/// A duration, `None` for what is none, is negative, or is longer than 292 years.
pub(super) fn parse(text: &str) -> Option<TimeDelta> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(TimeDelta::zero());
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let (unit, scale) = UNITS.into_iter().find(|(unit, _)| after.starts_with(unit))?;
        nanos += number.parse::<f64>().ok()? * scale;
        rest = after.strip_prefix(unit)?;
    }
    let whole = !text.trim().is_empty() && nanos < i64::MAX as f64;
    // Rounded: 1.1 s are not quite that many nanoseconds as a double.
    whole.then(|| TimeDelta::nanoseconds(nanos.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("100ms", Some(100_000_000))]
    #[case("1.1s", Some(1_100_000_000))]
    #[case("300us", Some(300_000))]
    #[case("2µs", Some(2_000))]
    #[case("1h30m", Some(5_400_000_000_000))]
    #[case("0", Some(0))]
    #[case("7ns", Some(7))]
    #[case("", None)]
    #[case("5", None)]
    #[case("ms", None)]
    #[case("1.2.3s", None)]
    #[case("-1s", None)]
    #[case("1 s", None)]
    #[case("9999999h", None)]
    fn durations(#[case] text: &str, #[case] nanos: Option<i64>) {
        assert_eq!(parse(text).and_then(|duration| duration.num_nanoseconds()), nanos);
    }
}
