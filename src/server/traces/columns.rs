//! A batch's columns by name, as the type they are read as.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::error::{Error, Result};

/// The columns of a batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Columns<'a>(pub(in crate::server) &'a RecordBatch);

impl Columns<'_> {
    fn cast_to(self, name: &str, to: &DataType) -> Result<ArrayRef> {
        let column = self.0.column_by_name(name).ok_or_else(|| Error::internal(format!("no column `{name}`")))?;
        cast(column, to).map_err(|error| Error::internal(format!("column `{name}`")).with_source(error))
    }

    pub(in crate::server) fn text(self, name: &str) -> Result<StringViewArray> {
        Ok(self.cast_to(name, &DataType::Utf8View)?.as_string_view().clone())
    }

    pub(in crate::server) fn long(self, name: &str) -> Result<Int64Array> {
        Ok(self.cast_to(name, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    pub(in crate::server) fn double(self, name: &str) -> Result<Float64Array> {
        Ok(self.cast_to(name, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
    }

    pub(in crate::server) fn boolean(self, name: &str) -> Result<BooleanArray> {
        Ok(self.cast_to(name, &DataType::Boolean)?.as_boolean().clone())
    }

    /// Nanoseconds since 1970 of the columns `time` and `time_nanos` with this beginning.
    pub(in crate::server) fn nanos(self, prefix: &str) -> Result<Int64Array> {
        let micros = self.long(&format!("{prefix}time"))?;
        let nanos = self.long(&format!("{prefix}time_nanos"))?;
        let whole = |row| Some(micros.value(row).checked_mul(1_000)?.saturating_add(nanos.value(row)));
        Ok((0..micros.len()).map(|row| micros.is_valid(row).then(|| whole(row)).flatten()).collect())
    }
}
