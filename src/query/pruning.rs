//! Which files a query has to read, decided from the Delta log alone.
//!
//! Pruning may keep too much, never too little: times are widened to the milliseconds that Delta's statistics keep,
//! a file without statistics stays, and a file's date bounds its times.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int32Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use crate::lake::{FLOOR_MICROS, LiveFile, LiveFiles, micros};
use crate::model::contract::PARTITION;

/// The files that may hold rows for which the predicate is true.
pub(super) fn prune(
    files: &LiveFiles,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    schema: &SchemaRef,
) -> Vec<Arc<LiveFile>> {
    let all: Vec<Arc<LiveFile>> = files.iter().map(Arc::clone).collect();
    let Some(predicate) = predicate else { return all };
    let statistics = LogStatistics { files: &all, schema };
    let pruning = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).build(Arc::clone(predicate));
    let Some(pruning) = pruning else { return all };
    match pruning.prune(&statistics) {
        Ok(kept) => all.iter().zip(kept).filter(|(_, keep)| *keep).map(|(file, _)| Arc::clone(file)).collect(),
        Err(error) => {
            tracing::debug!(%error, "a predicate can't prune files; all are read");
            all
        }
    }
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
