//! Which files a query has to read, decided from the Delta log alone.
//!
//! Pruning may keep too much, never too little: times are widened to the milliseconds that Delta's statistics keep,
//! a file without statistics stays, and a file's date bounds its times. `span_end(time, duration_nano)` is a column to
//! it: none of a file's spans ends later than its longest does that starts last.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Int32Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column as PhysicalColumn, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use super::functions::{SpanEnd, end_micros};
use crate::lake::{FLOOR_MICROS, LiveFile, LiveFiles, micros};
use crate::model::contract::PARTITION;

const TIME: &str = "time";
const DURATION: &str = "duration_nano";

/// `span_end(time, duration_nano)` as if it were a column.
const SPAN_END: &str = "span_end(time, duration_nano)";

/// The files that may hold rows for which the predicate is true.
pub(super) fn prune(
    files: &LiveFiles,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    schema: &SchemaRef,
) -> Vec<Arc<LiveFile>> {
    let all: Vec<Arc<LiveFile>> = files.iter().map(Arc::clone).collect();
    match predicate {
        Some(predicate) => kept(all, predicate, schema),
        None => all,
    }
}

fn kept(all: Vec<Arc<LiveFile>>, predicate: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Vec<Arc<LiveFile>> {
    let statistics = LogStatistics { files: &all, schema };
    let Ok((predicate, schema)) = with_span_end_as_column(Arc::clone(predicate), schema) else { return all };
    let pruning = PruningPredicateBuilder::new().with_file_schema(schema).build(predicate);
    let Some(pruning) = pruning else { return all };
    match pruning.prune(&statistics) {
        Ok(kept) => all.iter().zip(kept).filter(|(_, keep)| *keep).map(|(file, _)| Arc::clone(file)).collect(),
        Err(error) => {
            tracing::debug!(%error, "a predicate can't prune files; all are read");
            all
        }
    }
}

/// The predicate, and what follows for `time` where it has a lower bound on `span_end`: row groups and pages have no
/// statistics of that.
pub(super) fn with_bound_on_start(
    predicate: Arc<dyn PhysicalExpr>,
    files: &[Arc<LiveFile>],
    schema: &SchemaRef,
) -> Arc<dyn PhysicalExpr> {
    let Some(longest) =
        files.iter().map(|file| longest_micros(file)).try_fold(0, |longest, own| Some(longest.max(own?)))
    else {
        return predicate;
    };
    let start = |part: &Arc<dyn PhysicalExpr>| {
        let comparison = part.downcast_ref::<BinaryExpr>()?;
        let is_lower = matches!(comparison.op(), Operator::Gt | Operator::GtEq) && is_span_end(comparison.left());
        let ScalarValue::TimestampMicrosecond(Some(end), zone) =
            comparison.right().downcast_ref::<Literal>().filter(|_| is_lower)?.value()
        else {
            return None;
        };
        let start = ScalarValue::TimestampMicrosecond(Some(end.saturating_sub(longest)), zone.clone());
        let time = Arc::new(PhysicalColumn::new_with_schema(TIME, schema).ok()?);
        Some(Arc::new(BinaryExpr::new(time, Operator::GtEq, Arc::new(Literal::new(start)))) as Arc<dyn PhysicalExpr>)
    };
    let starts: Vec<_> = split_conjunction(&predicate).into_iter().filter_map(start).collect();
    conjunction(std::iter::once(predicate).chain(starts))
}

/// Microseconds from the start of a file's spans to their ends, at most.
fn longest_micros(file: &LiveFile) -> Option<i64> {
    let stats = &file.stats;
    let longest = match stats.max_values.get(DURATION) {
        Some(longest) => longest.as_i64()?,
        None if stats.null_count.get(DURATION)?.as_u64()? == file.rows? => 0,
        None => return None,
    };
    Some(end_micros(0, Some(longest)))
}

fn is_span_end(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let is_column = |expr: &Arc<dyn PhysicalExpr>, name: &str| {
        expr.downcast_ref::<PhysicalColumn>().is_some_and(|column| column.name() == name)
    };
    expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| {
        call.fun().inner().downcast_ref::<SpanEnd>().is_some()
            && matches!(call.args(), [time, duration] if is_column(time, TIME) && is_column(duration, DURATION))
    })
}

/// A predicate over a schema that has [`SPAN_END`] as its last column.
fn with_span_end_as_column(
    predicate: Arc<dyn PhysicalExpr>,
    schema: &SchemaRef,
) -> Result<(Arc<dyn PhysicalExpr>, SchemaRef)> {
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    let time_type = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    fields.push(Arc::new(Field::new(SPAN_END, time_type, true)));
    let column: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(SPAN_END, fields.len() - 1));
    let replaced = predicate.transform(|expr| match is_span_end(&expr) {
        true => Ok(Transformed::yes(Arc::clone(&column))),
        false => Ok(Transformed::no(expr)),
    });
    Ok((replaced.data()?, Arc::new(Schema::new(fields))))
}

struct LogStatistics<'a> {
    files: &'a [Arc<LiveFile>],
    schema: &'a SchemaRef,
}

#[derive(Clone, Copy)]
enum Bound {
    Min,
    Max,
}

impl LogStatistics<'_> {
    fn bounds(&self, column: &Column, bound: Bound) -> Option<ArrayRef> {
        let name = column.name();
        if name == SPAN_END {
            return self.span_ends(bound);
        }
        let value = |file: &LiveFile| match bound {
            Bound::Min => file.stats.min_values.get(name).cloned(),
            Bound::Max => file.stats.max_values.get(name).cloned(),
        };
        let files = self.files.iter();
        match self.schema.field_with_name(name).ok()?.data_type() {
            DataType::Date32 if name == PARTITION => {
                Some(Arc::new(files.map(|file| file.day()).collect::<Date32Array>()))
            }
            DataType::Timestamp(_, zone) => {
                let times = files.map(|file| match (name, bound) {
                    // Only `time` is what `date` is the day of.
                    ("time", Bound::Min) => file.times().map(|(first, _)| first),
                    ("time", Bound::Max) => file.times().map(|(_, last)| last),
                    (_, Bound::Min) => micros(&value(file)?),
                    (_, Bound::Max) => Some(micros(&value(file)?)?.saturating_add(FLOOR_MICROS)),
                });
                Some(Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone())))
            }
            DataType::Int32 => {
                let values = files.map(|file| value(file).and_then(|value| i32::try_from(value.as_i64()?).ok()));
                Some(Arc::new(values.collect::<Int32Array>()))
            }
            DataType::Int64 => {
                Some(Arc::new(files.map(|file| value(file).and_then(|value| value.as_i64())).collect::<Int64Array>()))
            }
            DataType::Utf8View => {
                let values = files.map(|file| value(file).and_then(|value| value.as_str().map(str::to_owned)));
                Some(Arc::new(values.collect::<StringViewArray>()))
            }
            _ => None,
        }
    }
}

impl LogStatistics<'_> {
    fn span_ends(&self, bound: Bound) -> Option<ArrayRef> {
        let starts = self.bounds(&Column::from_name(TIME), bound)?;
        let starts = starts.as_primitive_opt::<TimestampMicrosecondType>()?;
        let longest = |file: &LiveFile| match bound {
            Bound::Min => Some(0),
            Bound::Max => longest_micros(file),
        };
        let ends = starts.iter().zip(self.files).map(|(start, file)| Some(start?.saturating_add(longest(file)?)));
        Some(Arc::new(ends.collect::<TimestampMicrosecondArray>().with_timezone("UTC")))
    }
}

impl PruningStatistics for LogStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::Min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, Bound::Max)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let name = column.name();
        let counts = self.files.iter().map(|file| match file.stats.null_count.get(name) {
            Some(count) => count.as_u64(),
            None if name == PARTITION && file.date.is_some() => Some(0),
            None => None,
        });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| file.rows).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::table_schema;
    use crate::model::signal::Signal;
    use datafusion::common::DFSchema;
    use datafusion::logical_expr::{ScalarUDF, col, lit};
    use datafusion::prelude::SessionContext;
    use serde_json::{Value, json};

    /// 2023-11-15T11:00:00Z.
    const ELEVEN: i64 = 1_700_046_000_000_000;

    fn schema() -> SchemaRef {
        table_schema(Signal::Spans, &[])
    }

    /// `span_end(time, duration_nano) >= 11:00`.
    fn ends_after_eleven() -> Arc<dyn PhysicalExpr> {
        let end = ScalarUDF::from(SpanEnd::default()).call(vec![col(TIME), col(DURATION)]);
        let eleven = ScalarValue::TimestampMicrosecond(Some(ELEVEN), Some("UTC".into()));
        let schema = DFSchema::try_from(schema()).unwrap();
        SessionContext::new().create_physical_expr(end.gt_eq(lit(eleven)), &schema).unwrap()
    }

    /// A file of two spans, the last of which started at 10:00.
    fn file(max_duration: Value, null_durations: Value, max_time: Value) -> Arc<LiveFile> {
        let stats = json!({
            "minValues": { "time": "2023-11-15T00:00:00.000Z" },
            "maxValues": { "time": max_time, DURATION: max_duration },
            "nullCount": { DURATION: null_durations },
        });
        let mut stats: crate::lake::FileStatistics = serde_json::from_value(stats).unwrap();
        stats.max_values.retain(|_, value| !value.is_null());
        let date = Some("2023-11-15".to_owned());
        Arc::new(LiveFile { path: String::new(), size: 1, rows: Some(2), date, modified_ms: 0, stats })
    }

    const HOUR: i64 = 3_600_000_000_000;

    #[rstest::rstest]
    #[case::too_short(json!(HOUR - 60_000_000_000), json!(0), true, false)]
    #[case::long_enough(json!(HOUR), json!(0), true, true)]
    #[case::times_are_floored_to_milliseconds(json!(HOUR - 500_000), json!(0), true, true)]
    #[case::no_statistics_of_durations(Value::Null, json!(1), true, true)]
    #[case::no_durations(Value::Null, json!(2), true, false)]
    #[case::all_end_before_they_start(json!(-5), json!(0), true, false)]
    #[case::a_date_without_times(json!(1), json!(0), false, true)]
    fn files_whose_spans_may_end_after_eleven(
        #[case] max_duration: Value,
        #[case] null_durations: Value,
        #[case] has_time: bool,
        #[case] expected: bool,
    ) {
        let max_time = if has_time { json!("2023-11-15T10:00:00.000Z") } else { Value::Null };
        let files = vec![file(max_duration, null_durations, max_time)];
        assert_eq!(kept(files, &ends_after_eleven(), &schema()).len() == 1, expected);
    }

    #[test]
    fn an_end_bounds_the_start_by_the_longest_span() {
        let files = |longest: Value| [file(json!(1), json!(0), json!(null)), file(longest, json!(0), json!(null))];
        let bounded = with_bound_on_start(ends_after_eleven(), &files(json!(HOUR)), &schema()).to_string();
        let start = ELEVEN - 3_600_000_000 - 1;
        assert!(bounded.contains(&format!("time@1 >= {start}")), "{bounded}");
        let unknown = with_bound_on_start(ends_after_eleven(), &files(Value::Null), &schema()).to_string();
        assert!(!unknown.contains("time@1 >="), "{unknown}");
    }
}
