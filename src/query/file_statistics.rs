//! What the Delta log says of files' columns, for pruning, for DataFusion's planning, and as the answer itself.
//!
//! ```text
//! of a file    bounds that every value is within; what a TopK's threshold leaves out is decided by them
//! of a table   the bounds of its files together; exact where min(), max() and count() may be answered by them
//! ```
//! Delta floors times to milliseconds and cuts texts, so another program's bounds are widened here, and exact are those
//! of this program's files alone: it keeps the microseconds (docs/decisions/0002). Texts are never exact.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use serde_json::Value;

use crate::lake::{FLOOR_MICROS, LiveFile, micros};
use crate::model::contract::columns;
use crate::model::signal::Signal;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The columns that the log may have statistics of, and `date`'s is known by the file's place.
pub(super) fn has_statistics(signal: Signal, column: &str) -> bool {
    columns(signal).any(|known| known.stats && known.name == column)
}

/// What is known of one column of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnBounds {
    /// No value is below.
    pub(super) min: Option<ScalarValue>,
    /// No value is above.
    pub(super) max: Option<ScalarValue>,
    /// The number of NULLs.
    pub(super) nulls: Option<u64>,
    /// Whether there is a row with the minimum, and one with the maximum.
    exact: bool,
}

/// The bounds of a column of a file; a file's date bounds its times.
pub(super) fn bounds_of(file: &LiveFile, field: &Field) -> ColumnBounds {
    let name = field.name().as_str();
    let (min, max) = (file.stats.min_values.get(name), file.stats.max_values.get(name));
    let nulls = file.stats.null_count.get(name).and_then(Value::as_u64);
    let ours = is_ours(file);
    let bounds = |min, max, exact: bool| ColumnBounds { min, max, nulls, exact: exact && ours };
    match field.data_type() {
        DataType::Timestamp(_, zone) => {
            let scalar = |micros: i64| ScalarValue::TimestampMicrosecond(Some(micros), zone.clone());
            let (low, high) = (min.and_then(micros), max.and_then(micros));
            let exact = low.is_some() && high.is_some();
            let floored = if ours { 0 } else { FLOOR_MICROS };
            // Only `time` is what `date` is the day of.
            let day = file.day().filter(|_| name == "time").map(i64::from);
            let low = low.or_else(|| Some(day? * MICROS_PER_DAY));
            let high = high.map(|high| high.saturating_add(floored));
            let high = high.or_else(|| Some((day? + 1) * MICROS_PER_DAY - 1));
            bounds(low.map(scalar), high.map(scalar), exact)
        }
        DataType::Int32 => {
            let scalar = |value: &Value| Some(ScalarValue::Int32(Some(i32::try_from(value.as_i64()?).ok()?)));
            bounds(min.and_then(scalar), max.and_then(scalar), true)
        }
        DataType::Int64 => {
            let scalar = |value: &Value| Some(ScalarValue::Int64(Some(value.as_i64()?)));
            bounds(min.and_then(scalar), max.and_then(scalar), true)
        }
        DataType::Utf8View => {
            let scalar = |value: &Value| Some(ScalarValue::Utf8View(Some(value.as_str()?.to_owned())));
            bounds(min.and_then(scalar), max.and_then(scalar), false)
        }
        _ => ColumnBounds::default(),
    }
}

/// Statistics of a file's first columns, which are `fields`. Inexact bounds are given as exact ones: DataFusion leaves
/// out files by no others, and takes a column for constant only where both are one.
pub(super) fn file_statistics(file: &LiveFile, fields: &[Arc<Field>]) -> Statistics {
    let column_statistics = fields
        .iter()
        .map(|field| {
            let bounds = bounds_of(file, field);
            ColumnStatistics {
                min_value: bounds.min.map_or(Precision::Absent, Precision::Exact),
                max_value: bounds.max.map_or(Precision::Absent, Precision::Exact),
                null_count: bounds.nulls.map_or(Precision::Absent, |nulls| Precision::Exact(as_usize(nulls))),
                ..ColumnStatistics::new_unknown()
            }
        })
        .collect();
    Statistics { num_rows: rows_of(file.rows), total_byte_size: Precision::Absent, column_statistics }
}

/// Statistics of all rows of these files; the first columns of `schema` are `fields`, its last is the partition.
pub(super) fn table_statistics(files: &[Arc<LiveFile>], fields: &[Arc<Field>], schema: &Schema) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = rows_of(files.iter().map(|file| file.rows).sum());
    statistics.total_byte_size = Precision::Inexact(as_usize(files.iter().map(|file| file.size).sum()));
    for (field, known) in fields.iter().zip(&mut statistics.column_statistics) {
        *known = merged(files.iter().map(|file| (bounds_of(file, field), file.rows)));
    }
    if let Some(known) = statistics.column_statistics.last_mut() {
        *known = merged(files.iter().map(|file| {
            let date = file.day().map(|date| ScalarValue::Date32(Some(date)));
            let nulls = date.is_some().then_some(0);
            (ColumnBounds { min: date.clone(), max: date, nulls, exact: true }, file.rows)
        }));
    }
    statistics
}

/// The statistics of parts' rows together.
fn merged(parts: impl Iterator<Item = (ColumnBounds, Option<u64>)>) -> ColumnStatistics {
    let (mut min, mut max) = (None, None);
    let (mut known, mut exact, mut nulls) = (true, true, Some(0));
    for (bounds, rows) in parts {
        nulls = nulls.zip(bounds.nulls).map(|(sum, more)| sum + more);
        // Where every value is NULL there is nothing to bound.
        if rows.is_some() && bounds.nulls == rows {
            continue;
        }
        exact &= bounds.exact;
        known &= bounds.min.is_some() && bounds.max.is_some();
        widen(&mut min, bounds.min, Ordering::Less);
        widen(&mut max, bounds.max, Ordering::Greater);
    }
    let precise = |bound: Option<ScalarValue>| match bound {
        Some(bound) if known && exact => Precision::Exact(bound),
        Some(bound) if known => Precision::Inexact(bound),
        _ => Precision::Absent,
    };
    ColumnStatistics {
        min_value: precise(min),
        max_value: precise(max),
        null_count: nulls.map_or(Precision::Absent, |nulls| Precision::Exact(as_usize(nulls))),
        ..ColumnStatistics::new_unknown()
    }
}

fn widen(bound: &mut Option<ScalarValue>, other: Option<ScalarValue>, when: Ordering) {
    let Some(other) = other else { return };
    if bound.as_ref().is_none_or(|bound| other.partial_cmp(bound) == Some(when)) {
        *bound = Some(other);
    }
}

/// Whether this program wrote the file: it alone names files by a UUID and nothing else.
fn is_ours(file: &LiveFile) -> bool {
    let name = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".parquet"));
    name.and_then(|name| uuid::Uuid::try_parse(name).ok()).is_some_and(|id| id.get_version_num() == 7)
}

fn rows_of(rows: Option<u64>) -> Precision<usize> {
    rows.map_or(Precision::Absent, |rows| Precision::Exact(as_usize(rows)))
}

fn as_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use serde_json::json;

    use super::*;

    const OURS: &str = "date=2024-03-01/0190163d-8694-739b-aea5-966c26f8ad90.parquet";
    const FOREIGN: &str = "date=2024-03-01/part-00000-0190163d-8694-739b-aea5-966c26f8ad90-c000.snappy.parquet";
    const NOON: i64 = 1_709_294_400_000_000;

    fn file(path: &str, rows: Option<u64>, stats: Value) -> Arc<LiveFile> {
        let stats = serde_json::from_value(stats).unwrap();
        let date = Some("2024-03-01".to_owned());
        Arc::new(LiveFile { path: path.to_owned(), size: 10, rows, date, modified_ms: 0, stats })
    }

    fn noon(path: &str) -> Arc<LiveFile> {
        let at = |fraction: &str| json!({ "time": format!("2024-03-01T12:00:00.{fraction}Z"), "n": 7 });
        let stats = json!({ "minValues": at("000001"), "maxValues": at("789"), "nullCount": { "time": 0, "n": 1 } });
        file(path, Some(3), stats)
    }

    fn fields() -> Vec<Arc<Field>> {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        vec![Arc::new(Field::new("time", time, true)), Arc::new(Field::new("n", DataType::Int64, true))]
    }

    fn time(micros: i64) -> ScalarValue {
        ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
    }

    fn of_table(files: &[Arc<LiveFile>]) -> Statistics {
        let mut all = fields();
        all.push(Arc::new(Field::new("date", DataType::Date32, true)));
        table_statistics(files, &fields(), &Schema::new(all))
    }

    #[test]
    fn our_own_bounds_are_exact_and_others_are_widened() {
        let ours = of_table(&[noon(OURS)]);
        assert_eq!(ours.num_rows, Precision::Exact(3));
        let [times, numbers, dates] = ours.column_statistics.as_slice() else { panic!("{ours:?}") };
        assert_eq!(times.min_value, Precision::Exact(time(NOON + 1)));
        assert_eq!(times.max_value, Precision::Exact(time(NOON + 789_000)));
        assert_eq!(
            (numbers.null_count, numbers.max_value.clone()),
            (Precision::Exact(1), Precision::Exact(7i64.into()))
        );
        assert_eq!(dates.min_value, Precision::Exact(ScalarValue::Date32(Some(19_783))));
        let both = of_table(&[noon(OURS), noon(FOREIGN)]);
        assert_eq!(both.column_statistics[0].max_value, Precision::Inexact(time(NOON + 789_999)));
        let bounds = file_statistics(&noon(FOREIGN), &fields());
        assert_eq!(bounds.column_statistics[0].max_value, Precision::Exact(time(NOON + 789_999)), "to prune by");
    }

    #[test]
    fn a_file_without_statistics_is_bounded_by_its_date_alone() {
        let bare = file(OURS, None, json!({}));
        let statistics = of_table(&[noon(OURS), bare]);
        assert_eq!(statistics.num_rows, Precision::Absent);
        let day = NOON - NOON % MICROS_PER_DAY;
        assert_eq!(statistics.column_statistics[0].min_value, Precision::Inexact(time(day)));
        assert_eq!(statistics.column_statistics[0].max_value, Precision::Inexact(time(day + MICROS_PER_DAY - 1)));
        assert_eq!(statistics.column_statistics[0].null_count, Precision::Absent);
        assert_eq!(statistics.column_statistics[1].max_value, Precision::Absent);
    }

    #[test]
    fn a_column_of_nulls_bounds_nothing() {
        let nulls = file(OURS, Some(2), json!({ "nullCount": { "n": 2 } }));
        let statistics = of_table(&[noon(OURS), nulls]);
        assert_eq!(statistics.column_statistics[1].max_value, Precision::Exact(7i64.into()));
        assert_eq!(statistics.column_statistics[1].null_count, Precision::Exact(3));
    }
}
