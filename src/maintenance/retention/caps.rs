//! `max_bytes`: the oldest dates go, whole, until a table's files are no more than that; never today's.

use std::collections::BTreeMap;

use chrono::NaiveDate;

/// The dates that go, of the bytes that each has, and of those of them that must stay.
pub(super) fn dates_over(
    bytes: &BTreeMap<NaiveDate, u64>,
    kept: impl Fn(NaiveDate) -> u64,
    max_bytes: u64,
    today: NaiveDate,
) -> Vec<NaiveDate> {
    let mut total: u64 = bytes.values().sum();
    let mut going = Vec::new();
    for (date, bytes) in bytes.range(..today) {
        if total <= max_bytes {
            break;
        }
        total -= bytes.saturating_sub(kept(*date));
        going.push(*date);
    }
    going
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(bytes: [u64; 4], max_bytes: u64, kept: u64) -> usize {
        let date = |day: u64| format!("2024-01-0{}", day + 1).parse::<NaiveDate>().unwrap();
        let bytes = (0..).zip(bytes).map(|(day, bytes)| (date(day), bytes)).collect();
        let dates = dates_over(&bytes, |_| kept, max_bytes, date(3));
        assert!(dates.is_sorted());
        dates.len()
    }

    #[rstest::rstest]
    #[case::fits([10, 10, 10, 10], 40, 0, 0)]
    #[case::one_is_enough([10, 10, 10, 10], 39, 0, 1)]
    #[case::two([10, 10, 10, 10], 20, 0, 2)]
    #[case::never_today([10, 10, 10, 1000], 1, 0, 3)]
    #[case::what_is_held_stays([10, 10, 10, 10], 31, 5, 2)]
    fn the_oldest_dates_go(#[case] bytes: [u64; 4], #[case] max: u64, #[case] kept: u64, #[case] expected: usize) {
        assert_eq!(going(bytes, max, kept), expected);
    }
}
