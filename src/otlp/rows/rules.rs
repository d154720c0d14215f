//! What a time, a count and a sampling threshold may be, and what becomes of them.

use crate::model::build::{TextColumn, Timestamp};
use crate::otlp::error::Problem;
use crate::otlp::report::RejectReason;
use crate::otlp::schema::EnumNames;

/// The greatest nanoseconds that other readers of the tables can hold: 2262-04-11.
const MAX_NANOS: u64 = i64::MAX.cast_unsigned();

/// The time that a record is stored under. It is not 0, and not after `latest` (microseconds).
pub(super) fn record_time(field: &str, nanos: u64, latest: i64) -> Result<Timestamp, Problem> {
    if nanos == 0 {
        return Err(Problem::new(RejectReason::MissingTime, format!("{field} is missing")));
    }
    let time = Timestamp::from_nanos(nanos);
    if nanos > MAX_NANOS || time.micros > latest {
        let detail = format!("{field} is {nanos} ns since 1970, later than {latest} us, the latest time taken");
        return Err(Problem::new(RejectReason::TimeOutOfRange, detail));
    }
    Ok(time)
}

/// Any other time, `None` where it is 0, which means unset.
pub(super) fn other_time(field: &str, nanos: u64) -> Result<Option<Timestamp>, Problem> {
    if nanos > MAX_NANOS {
        let detail = format!("{field} is {nanos} ns since 1970, more than {MAX_NANOS}, the most that can be stored");
        return Err(Problem::new(RejectReason::TimeOutOfRange, detail));
    }
    Ok(moment(nanos))
}

/// A time that has been checked, `None` where it is 0.
pub(super) fn moment(nanos: u64) -> Option<Timestamp> {
    (nanos != 0).then(|| Timestamp::from_nanos(nanos))
}

/// A count in a signed column.
pub(super) fn count(field: &str, count: u64) -> Result<i64, Problem> {
    let detail = || format!("{field} is {count}, more than {}, the most that can be stored", i64::MAX);
    i64::try_from(count).map_err(|_| Problem::new(RejectReason::NumberOutOfRange, detail()))
}

/// Counts in a signed column, in place of those of the point before.
pub(super) fn counts(field: &str, counts: &[u64], out: &mut Vec<i64>) -> Result<(), Problem> {
    out.clear();
    for value in counts {
        out.push(count(field, *value)?);
    }
    Ok(())
}

/// A count of what the sender dropped, `None` for zero.
pub(super) fn dropped(count: u32) -> Option<i64> {
    (count != 0).then(|| i64::from(count))
}

/// Appends an enum's value: its name, or the digits of a number not known here.
pub(super) fn push_enum(column: &mut TextColumn, names: &EnumNames, number: i32) {
    match names.name(number) {
        Some(name) => column.push_text(name),
        None => column.push_text(&number.to_string()),
    }
}

/// How many spans one stands for, from the sampling threshold in its trace state: `ot=th:8` is every second one.
/// `None` for 1, and where there is no valid threshold.
///
/// OpenTelemetry "Probability sampling", "Sampling threshold encoding": the threshold is up to 14 hex digits with
/// trailing zeros left out, the share of spans kept is (2^56 - threshold) / 2^56.
pub(crate) fn adjusted_count(trace_state: &str) -> Option<f64> {
    const MAX_DIGITS: usize = 14;
    const ALL: u64 = 1 << 56;
    let vendor = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let digits = vendor.split(';').find_map(|pair| pair.strip_prefix("th:"))?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let significant = u64::from_str_radix(digits, 16).ok()?;
    let threshold = significant << (4 * (MAX_DIGITS - digits.len()));
    #[expect(clippy::cast_precision_loss, reason = "a ratio; 2^56 is exact and the rest is off by 2^-53 at most")]
    let adjusted = ALL as f64 / (ALL - threshold) as f64;
    (threshold != 0).then_some(adjusted)
}

/// How many spans one stands for once a store has kept its trace with probability 1 / `weight`, by the trace id's own
/// random bits; `count` is what it stood for before.
///
/// Where the sender sampled by the same bits (a threshold in the trace state, and no `rv` with other randomness), one
/// threshold implies the other, so the larger count is right and their product would be too much: OpenTelemetry
/// "Consistent probability sampling". Otherwise the choices are independent, and the counts multiply.
pub(crate) fn weighted_count(count: Option<f64>, trace_state: &str, weight: f64) -> f64 {
    let vendor = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="));
    let has_own_bits = vendor.is_some_and(|vendor| vendor.split(';').any(|pair| pair.starts_with("rv:")));
    match count {
        None => weight,
        Some(count) if adjusted_count(trace_state).is_some() && !has_own_bits => count.max(weight),
        Some(count) => count * weight,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::none("", None)]
    #[case::other_vendor("vendor=th:8", None)]
    #[case::every_one("ot=th:0", None)]
    #[case::every_second("ot=th:8", Some(2.0))]
    #[case::every_fourth("ot=th:c", Some(4.0))]
    #[case::upper_case("ot=th:C", Some(4.0))]
    #[case::among_others("a=b, ot=rv:abcdef01234567;th:8,c=d", Some(2.0))]
    #[case::one_in_ten("ot=th:e6666666666668", Some(10.000_000_000_000_002))]
    #[case::rarest("ot=th:ffffffffffffff", Some(72_057_594_037_927_936.0))]
    #[case::too_long("ot=th:800000000000000", None)]
    #[case::no_digits("ot=th:", None)]
    #[case::not_hex("ot=th:8g", None)]
    #[case::sign("ot=th:+8", None)]
    fn sampling(#[case] trace_state: &str, #[case] expected: Option<f64>) {
        assert_eq!(adjusted_count(trace_state), expected);
    }

    #[rstest]
    #[case::not_sampled(None, "", 100.0, 100.0)]
    #[case::kept_without_chance(Some(4.0), "ot=th:c", 1.0, 4.0)]
    #[case::rarer_than_the_sender(Some(4.0), "ot=th:c", 100.0, 100.0)]
    #[case::commoner_than_the_sender(Some(4.0), "ot=th:c", 2.0, 4.0)]
    #[case::by_other_randomness(Some(4.0), "ot=rv:abcdef01234567;th:c", 100.0, 400.0)]
    #[case::by_another_rule(Some(4.0), "vendor=x", 100.0, 400.0)]
    fn sampling_twice(#[case] count: Option<f64>, #[case] state: &str, #[case] weight: f64, #[case] expected: f64) {
        assert_eq!(weighted_count(count, state, weight), expected);
    }

    const LATEST: i64 = 1_700_000_000_000_000;

    #[rstest]
    #[case::unset(0, Err(RejectReason::MissingTime))]
    #[case::first(1, Ok((0, 1)))]
    #[case::split(1_234_567, Ok((1_234, 567)))]
    #[case::latest(1_700_000_000_000_000_999, Ok((LATEST, 999)))]
    #[case::too_late(1_700_000_000_000_001_000, Err(RejectReason::TimeOutOfRange))]
    #[case::negative_as_unsigned(11_651_379_494_838_206_464, Err(RejectReason::TimeOutOfRange))]
    fn times(#[case] nanos: u64, #[case] expected: Result<(i64, i16), RejectReason>) {
        let time = record_time("time_unix_nano", nanos, LATEST);
        assert_eq!(time.map(|time| (time.micros, time.nanos)).map_err(|problem| problem.reason), expected);
    }

    #[test]
    fn a_time_beyond_signed_nanoseconds_is_rejected_however_late_is_allowed() {
        let time = record_time("time_unix_nano", MAX_NANOS + 1, i64::MAX);
        assert_eq!(time.map_err(|problem| problem.reason), Err(RejectReason::TimeOutOfRange));
        assert!(record_time("time_unix_nano", MAX_NANOS, i64::MAX).is_ok());
    }
}
