//! Dates, times and intervals as PostgreSQL writes them with `DateStyle` ISO, `TimeZone` UTC and `IntervalStyle`
//! postgres: `2024-01-31 12:00:00.5+00`, `0044-03-15 BC`, `1 mon 2 days 03:04:05`.

use std::io::Write;

use arrow::datatypes::IntervalMonthDayNano;

const DAY_MICROS: i64 = 86_400_000_000;

pub(super) fn write_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil(i64::from(days));
    write_day(year, month, day, out);
    write_era(year, out);
}

pub(super) fn write_time(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros / 1_000_000;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    write_fraction(micros % 1_000_000, out);
}

pub(super) fn write_timestamp(micros: i64, zoned: bool, out: &mut Vec<u8>) {
    let (year, month, day) = civil(micros.div_euclid(DAY_MICROS));
    write_day(year, month, day, out);
    out.push(b' ');
    write_time(micros.rem_euclid(DAY_MICROS), out);
    if zoned {
        out.extend_from_slice(b"+00");
    }
    write_era(year, out);
}

pub(super) fn write_interval(interval: IntervalMonthDayNano, out: &mut Vec<u8>) {
    let begin = out.len();
    let mut before_is_negative = false;
    let parts = [
        (interval.months / 12, "year", "years"),
        (interval.months % 12, "mon", "mons"),
        (interval.days, "day", "days"),
    ];
    for (count, one, many) in parts.into_iter().filter(|(count, ..)| *count != 0) {
        let space = if out.len() > begin { " " } else { "" };
        let sign = if before_is_negative && count > 0 { "+" } else { "" };
        let _ = write!(out, "{space}{sign}{count} {}", if count == 1 { one } else { many });
        before_is_negative = count < 0;
    }
    let micros = interval.nanoseconds / 1000;
    if micros != 0 || out.len() == begin {
        let space = if out.len() > begin { " " } else { "" };
        let sign = match micros {
            ..0 => "-",
            _ if before_is_negative => "+",
            _ => "",
        };
        let _ = write!(out, "{space}{sign}");
        let size = micros.unsigned_abs();
        let seconds = size / 1_000_000;
        let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        write_fraction((size % 1_000_000) as i64, out);
    }
}

fn write_day(year: i64, month: u32, day: u32, out: &mut Vec<u8>) {
    // There is no year 0 before the era's first.
    let shown = if year > 0 { year } else { 1 - year };
    let _ = write!(out, "{shown:04}-{month:02}-{day:02}");
}

fn write_era(year: i64, out: &mut Vec<u8>) {
    if year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

fn write_fraction(micros: i64, out: &mut Vec<u8>) {
    if micros == 0 {
        return;
    }
    let _ = write!(out, ".{micros:06}");
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// The proleptic Gregorian date of a day since 1970-01-01 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day as u32)
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
    #[case(0, "1970-01-01 00:00:00+00")]
    #[case(1_706_702_400_123_456, "2024-01-31 12:00:00.123456+00")]
    #[case(1_706_702_400_500_000, "2024-01-31 12:00:00.5+00")]
    #[case(-1, "1969-12-31 23:59:59.999999+00")]
    #[case(-62_135_596_800_000_000, "0001-01-01 00:00:00+00")]
    #[case(-62_135_596_800_000_001, "0001-12-31 23:59:59.999999+00 BC")]
    #[case(253_402_300_800_000_000, "10000-01-01 00:00:00+00")]
    fn timestamps_are_as_postgresql_writes_them(#[case] micros: i64, #[case] expected: &str) {
        assert_eq!(text(|out| write_timestamp(micros, true, out)), expected);
    }

    #[test]
    fn dates_agree_with_the_calendar() {
        let first = chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for days in (-700_000..700_000).step_by(173) {
            let expected = first + chrono::TimeDelta::days(i64::from(days));
            assert_eq!(text(|out| write_date(days, out)), expected.format("%Y-%m-%d").to_string());
        }
    }

    #[rstest::rstest]
    #[case(0, 0, 0, "00:00:00")]
    #[case(14, 1, 11_045_006_000_000, "1 year 2 mons 1 day 03:04:05.006")]
    #[case(-1, 2, -1_000_000_000, "-1 mons +2 days -00:00:01")]
    #[case(0, -3, 1_000_000_000, "-3 days +00:00:01")]
    #[case(0, 2, 0, "2 days")]
    fn intervals_are_as_postgresql_writes_them(
        #[case] months: i32,
        #[case] days: i32,
        #[case] nanos: i64,
        #[case] expected: &str,
    ) {
        assert_eq!(text(|out| write_interval(IntervalMonthDayNano::new(months, days, nanos), out)), expected);
    }
}
