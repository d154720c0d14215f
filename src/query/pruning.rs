//! Which files a query has to read, decided from the Delta log alone.
//!
//! Pruning may keep too much, never too little: bounds are those of `file_statistics.rs`, and a file without any stays.
//! A condition on `date` alone is decided for each file, once for all of its rows.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch, UInt64Array};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::NaiveDate;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result, ScalarValue, exec_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use super::file_statistics::{ColumnBounds, bounds_of};
use crate::lake::LiveFile;
use crate::model::contract::PARTITION;

/// The files that may hold rows for which the predicate is true.
pub(super) fn prune(
    all: Vec<Arc<LiveFile>>,
    predicate: Option<&Arc<dyn PhysicalExpr>>,
    schema: &SchemaRef,
) -> Vec<Arc<LiveFile>> {
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

/// What a condition on `date` alone is a condition on.
pub(super) fn date_alone() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(PARTITION, DataType::Date32, true)]))
}

/// The files whose date meets a condition on it alone.
pub(super) fn of_dates(
    files: Vec<Arc<LiveFile>>,
    condition: Option<&Arc<dyn PhysicalExpr>>,
) -> Result<Vec<Arc<LiveFile>>> {
    let Some(condition) = condition.filter(|_| !files.is_empty()) else { return Ok(files) };
    let dates: Date32Array = files.iter().map(|file| date_of(file)).collect();
    let batch = RecordBatch::try_new(date_alone(), vec![Arc::new(dates)])?;
    let met = mask(condition, &batch)?;
    Ok(files.into_iter().zip(&met).filter(|(_, met)| *met == Some(true)).map(|(file, _)| file).collect())
}

/// Of which rows a condition is true.
pub(super) fn mask(condition: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let values = condition.evaluate(batch)?.into_array(batch.num_rows())?;
    let Some(values) = values.as_boolean_opt() else { return exec_err!("a condition that is no boolean") };
    Ok(if values.null_count() == 0 { values.clone() } else { prep_null_mask_filter(values) })
}

struct LogStatistics<'a> {
    files: &'a [Arc<LiveFile>],
    schema: &'a SchemaRef,
}

impl LogStatistics<'_> {
    fn bounds(&self, column: &Column, bound: fn(ColumnBounds) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let field = self.schema.field_with_name(column.name()).ok()?;
        if field.name() == PARTITION {
            return Some(Arc::new(self.files.iter().map(|file| date_of(file)).collect::<Date32Array>()));
        }
        let unknown = ScalarValue::try_from(field.data_type()).ok()?;
        let bounds = self.files.iter().map(|file| bound(bounds_of(file, field)).unwrap_or_else(|| unknown.clone()));
        ScalarValue::iter_to_array(bounds).ok()
    }
}

impl PruningStatistics for LogStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |bounds| bounds.min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |bounds| bounds.max)
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

/// A file's date, in days since 1970.
pub(super) fn date_of(file: &LiveFile) -> Option<i32> {
    let date = NaiveDate::from_str(file.date.as_deref()?).ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}
