//! The width of a time bucket: an INTERVAL, or a text as people, Prometheus and Grafana write it.

use arrow::datatypes::{IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType};
use datafusion::common::ScalarValue;

const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// Either months, of which no two need be equally long, or nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Months(i32),
    Nanos(i64),
}

impl Width {
    /// The width that a constant says; `None` for NULL.
    ///
    /// # Errors
    /// What is wrong with it, and how it is written.
    pub(super) fn of(value: &ScalarValue) -> Result<Option<Self>, String> {
        if value.is_null() {
            return Ok(None);
        }
        let (months, nanos) = match value {
            ScalarValue::IntervalYearMonth(Some(months)) => (i128::from(*months), 0),
            ScalarValue::IntervalDayTime(Some(interval)) => {
                let (days, millis) = IntervalDayTimeType::to_parts(*interval);
                (0, i128::from(days) * NANOS_PER_DAY + i128::from(millis) * 1_000_000)
            }
            ScalarValue::IntervalMonthDayNano(Some(interval)) => {
                let (months, days, nanos) = IntervalMonthDayNanoType::to_parts(*interval);
                (i128::from(months), i128::from(days) * NANOS_PER_DAY + i128::from(nanos))
            }
            other => match other.try_as_str() {
                Some(Some(text)) => parse(text)?,
                _ => return Err(format!("a width is an INTERVAL or a text, not {}", other.data_type())),
            },
        };
        let width = match (months, nanos) {
            (0, nanos) if nanos > 0 => i64::try_from(nanos).map(Self::Nanos).ok(),
            (months, 0) if months > 0 => i32::try_from(months).map(Self::Months).ok(),
            (0, _) | (_, 0) => return Err("a width must be longer than nothing".to_owned()),
            _ => return Err("a width is in months and years, or in what is shorter, not in both".to_owned()),
        };
        width.map(Some).ok_or_else(|| "the width is too long".to_owned())
    }

    /// As DataFusion's `date_bin` takes it.
    pub(super) fn interval(self) -> ScalarValue {
        let (months, nanos) = match self {
            Self::Months(months) => (months, 0),
            Self::Nanos(nanos) => (0, nanos),
        };
        ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, 0, nanos)))
    }
}

/// Months and nanoseconds of a text: numbers, each with its unit.
fn parse(text: &str) -> Result<(i128, i128), String> {
    let unreadable = || format!("'{text}' is no width; write '5 minutes', '1h30m', '60.000s', '1 month'");
    let (mut months, mut nanos) = (0_i128, 0_i128);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(unreadable());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(unreadable)?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        rest = after.trim_start();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: i64 = whole.parse().map_err(|_| unreadable())?;
        match unit_of(unit) {
            Some(Unit::Months(each)) if fraction.bytes().all(|digit| digit == b'0') => {
                months += i128::from(whole) * each;
            }
            Some(Unit::Months(_)) => return Err(format!("'{text}': months and years are whole")),
            Some(Unit::Nanos(each)) => {
                nanos += i128::from(whole) * each + part(fraction, each).ok_or_else(unreadable)?;
            }
            None if unit == "M" => return Err(format!("'{text}': M is unclear; write 'month', or m for minutes")),
            None => return Err(unreadable()),
        }
    }
    Ok((months, nanos))
}

enum Unit {
    Months(i128),
    Nanos(i128),
}

fn unit_of(name: &str) -> Option<Unit> {
    if name == "M" {
        return None;
    }
    let seconds = |seconds: i128| Unit::Nanos(seconds * 1_000_000_000);
    Some(match name.to_lowercase().as_str() {
        "ns" | "nanosecond" | "nanoseconds" => Unit::Nanos(1),
        "us" | "µs" | "microsecond" | "microseconds" => Unit::Nanos(1_000),
        "ms" | "millisecond" | "milliseconds" => Unit::Nanos(1_000_000),
        "s" | "sec" | "secs" | "second" | "seconds" => seconds(1),
        "m" | "min" | "mins" | "minute" | "minutes" => seconds(60),
        "h" | "hr" | "hrs" | "hour" | "hours" => seconds(3_600),
        "d" | "day" | "days" => seconds(86_400),
        "w" | "week" | "weeks" => seconds(7 * 86_400),
        "mon" | "mons" | "month" | "months" => Unit::Months(1),
        "quarter" | "quarters" => Unit::Months(3),
        "y" | "year" | "years" => Unit::Months(12),
        _ => return None,
    })
}

/// The digits behind a point, of a unit of so many nanoseconds; what is finer than one is cut.
fn part(digits: &str, unit: i128) -> Option<i128> {
    if digits.len() > 12 {
        return None;
    }
    let value: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some(value * unit / 10_i128.pow(u32::try_from(digits.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("5 minutes", Width::Nanos(300_000_000_000))]
    #[case("60.000s", Width::Nanos(60_000_000_000))]
    #[case("0.250s", Width::Nanos(250_000_000))]
    #[case("1h", Width::Nanos(3_600_000_000_000))]
    #[case(" 1h30m ", Width::Nanos(5_400_000_000_000))]
    #[case("1 hour 30 mins", Width::Nanos(5_400_000_000_000))]
    #[case("1.5 h", Width::Nanos(5_400_000_000_000))]
    #[case("2 WEEKS", Width::Nanos(14 * 86_400_000_000_000))]
    #[case("1 month", Width::Months(1))]
    #[case("1 quarter", Width::Months(3))]
    #[case("1.0 year 6 months", Width::Months(18))]
    fn a_text_is_a_width(#[case] text: &str, #[case] expected: Width) {
        assert_eq!(Width::of(&ScalarValue::from(text)), Ok(Some(expected)));
    }

    #[rstest::rstest]
    #[case("", "is no width")]
    #[case("5", "is no width")]
    #[case("minute", "is no width")]
    #[case("-1h", "is no width")]
    #[case("1 fortnight", "is no width")]
    #[case("1..5s", "is no width")]
    #[case("0s", "longer than nothing")]
    #[case("1M", "M is unclear")]
    #[case("1.5 months", "whole")]
    #[case("1 month 1 day", "not in both")]
    #[case("9223372036854775807 years", "too long")]
    fn what_is_no_width_is_told(#[case] text: &str, #[case] expected: &str) {
        let error = Width::of(&ScalarValue::from(text)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
