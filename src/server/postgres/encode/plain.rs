//! Every column as one of the few types that [`Cells`](super::Cells) writes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, IntervalUnit, Schema, TimeUnit};

use super::super::types::pg_type;
use crate::error::{Error, Result};

/// A value that does not fit is an error and no NULL.
const EXACT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// The columns of a batch, of the types that the client was told in `described`.
///
/// # Errors
/// `Invalid` for a value beyond its PostgreSQL type, such as a time in nanoseconds past the year 294276.
pub(in super::super) fn plain_columns(described: &Schema, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let columns = described.fields().iter().zip(batch.columns());
    columns
        .map(|(field, column)| {
            let (told, real) = (pg_type(field.data_type()), pg_type(column.data_type()));
            // Text says any value; other types that changed with the parameters' values are as described.
            let column = if told == real || told == pgwire::api::Type::TEXT {
                Arc::clone(column)
            } else {
                cast(column, field.data_type(), field.name())?
            };
            match plain(column.data_type()) {
                Some(plain) => cast(&column, &plain, field.name()),
                None => Ok(column),
            }
        })
        .collect()
}

fn cast(column: &ArrayRef, to: &DataType, name: &str) -> Result<ArrayRef> {
    cast_with_options(column, to, &EXACT).map_err(|error| {
        Error::invalid(format!("the column {name} can't be sent as {to}; cast it in the query")).with_source(error)
    })
}

/// The type to write instead, for a type that is not written as it is.
fn plain(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Nanosecond, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime) | DataType::Duration(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::RunEndEncoded(_, value) => plain(value.data_type()).unwrap_or_else(|| value.data_type().clone()),
        // Its values are written as they are where that can be.
        DataType::Dictionary(_, value) => return plain(value),
        _ => return None,
    })
}
