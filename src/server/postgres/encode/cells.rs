//! The values of one column in text and binary form.
//!
//! The forms are those of PostgreSQL's output and send functions; JSON is as `output/json.rs` has it, for every door.

use std::io::Write;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    AnyDictionaryArray, Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, LargeBinaryArray,
    LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Field, FieldRef, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType, UInt64Type,
};
use arrow::json::EncoderOptions;
use arrow::json::writer::{NullableEncoder, make_encoder};

use super::calendar::{write_date, write_interval, write_time, write_timestamp};
use super::numbers::{write_decimal, write_double, write_float, write_numeric};
use crate::error::{Error, Result};
use crate::output::value_options;

/// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
const EPOCH_DAYS: i32 = 10_957;

/// The same in microseconds.
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

static JSON: LazyLock<EncoderOptions> = LazyLock::new(value_options);

/// Encoders want a field, of which only metadata matter.
static FIELD: LazyLock<FieldRef> = LazyLock::new(|| Arc::new(Field::new("value", DataType::Null, true)));

/// One column's values.
pub(in super::super) struct Cells<'a> {
    values: Values<'a>,
    nulls: Option<NullBuffer>,
}

enum Values<'a> {
    Null,
    Bool(&'a BooleanArray),
    Int2(&'a PrimitiveArray<Int16Type>),
    Int4(&'a PrimitiveArray<Int32Type>),
    Int8(&'a PrimitiveArray<Int64Type>),
    Unsigned(&'a PrimitiveArray<UInt64Type>),
    Float4(&'a PrimitiveArray<Float32Type>),
    Float8(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, i8),
    WideDecimal(&'a PrimitiveArray<Decimal256Type>, i8),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    Bytes(&'a BinaryArray),
    LargeBytes(&'a LargeBinaryArray),
    BytesView(&'a BinaryViewArray),
    Date(&'a PrimitiveArray<Date32Type>),
    Time(&'a PrimitiveArray<Time64MicrosecondType>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>, bool),
    Interval(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    Json(NullableEncoder<'a>),
    Dictionary(Vec<usize>, Box<Cells<'a>>),
}

impl<'a> Cells<'a> {
    /// The values of columns of [`plain`](super::plain_columns) types.
    ///
    /// # Errors
    /// `Internal` for a type that should have been made plain.
    pub(in super::super) fn of_columns(columns: &'a [ArrayRef]) -> Result<Vec<Self>> {
        columns.iter().map(|column| Self::of(column.as_ref())).collect()
    }

    fn of(column: &'a dyn Array) -> Result<Self> {
        let values = match column.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Bool(column.as_boolean()),
            DataType::Int16 => Values::Int2(column.as_primitive()),
            DataType::Int32 => Values::Int4(column.as_primitive()),
            DataType::Int64 => Values::Int8(column.as_primitive()),
            DataType::UInt64 => Values::Unsigned(column.as_primitive()),
            DataType::Float32 => Values::Float4(column.as_primitive()),
            DataType::Float64 => Values::Float8(column.as_primitive()),
            DataType::Decimal128(_, scale) => Values::Decimal(column.as_primitive(), *scale),
            DataType::Decimal256(_, scale) => Values::WideDecimal(column.as_primitive(), *scale),
            DataType::Utf8 => Values::Text(column.as_string()),
            DataType::LargeUtf8 => Values::LargeText(column.as_string()),
            DataType::Utf8View => Values::TextView(column.as_string_view()),
            DataType::Binary => Values::Bytes(column.as_binary()),
            DataType::LargeBinary => Values::LargeBytes(column.as_binary()),
            DataType::BinaryView => Values::BytesView(column.as_binary_view()),
            DataType::Date32 => Values::Date(column.as_primitive()),
            DataType::Time64(TimeUnit::Microsecond) => Values::Time(column.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Values::Timestamp(column.as_primitive(), zone.is_some())
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => Values::Interval(column.as_primitive()),
            DataType::Dictionary(..) => return Self::of_dictionary(column.as_any_dictionary()),
            nested if nested.is_nested() => Values::Json(
                make_encoder(&FIELD, column, &JSON)
                    .map_err(|error| Error::invalid("a column can't be written as JSON").with_source(error))?,
            ),
            other => return Err(Error::internal(format!("a column of {other} was to be sent"))),
        };
        Ok(Self { values, nulls: column.nulls().cloned() })
    }

    fn of_dictionary(dictionary: &'a dyn AnyDictionaryArray) -> Result<Self> {
        let values = Self::of(dictionary.values().as_ref())?;
        // A dictionary without values has NULLs alone, and no keys to look up.
        let keys = if dictionary.values().is_empty() { Vec::new() } else { dictionary.normalized_keys() };
        Ok(Self { values: Values::Dictionary(keys, Box::new(values)), nulls: dictionary.nulls().cloned() })
    }

    /// Whether there is no value.
    pub(in super::super) fn is_null(&self, row: usize) -> bool {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return true;
        }
        match &self.values {
            Values::Null => true,
            Values::Dictionary(keys, values) => keys.get(row).is_none_or(|key| values.is_null(*key)),
            _ => false,
        }
    }

    /// Appends a value's text form; the value is not NULL.
    pub(in super::super) fn write_text(&mut self, row: usize, out: &mut Vec<u8>) {
        match &mut self.values {
            Values::Null => {}
            Values::Bool(values) => out.push(if values.value(row) { b't' } else { b'f' }),
            Values::Int2(values) => display(values.value(row), out),
            Values::Int4(values) => display(values.value(row), out),
            Values::Int8(values) => display(values.value(row), out),
            Values::Unsigned(values) => display(values.value(row), out),
            Values::Float4(values) => write_float(values.value(row), out),
            Values::Float8(values) => write_double(values.value(row), out),
            Values::Decimal(values, scale) => write_decimal(values.value(row), *scale, out),
            Values::WideDecimal(values, scale) => write_decimal(values.value(row), *scale, out),
            Values::Text(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Values::LargeText(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Values::TextView(values) => out.extend_from_slice(values.value(row).as_bytes()),
            Values::Bytes(values) => write_hex(values.value(row), out),
            Values::LargeBytes(values) => write_hex(values.value(row), out),
            Values::BytesView(values) => write_hex(values.value(row), out),
            Values::Date(values) => write_date(values.value(row), out),
            Values::Time(values) => write_time(values.value(row), out),
            Values::Timestamp(values, zoned) => write_timestamp(values.value(row), *zoned, out),
            Values::Interval(values) => write_interval(values.value(row), out),
            Values::Json(encoder) => encoder.encode(row, out),
            Values::Dictionary(keys, values) => {
                if let Some(key) = keys.get(row) {
                    values.write_text(*key, out);
                }
            }
        }
    }

    /// Appends a value's binary form; the value is not NULL.
    ///
    /// # Errors
    /// `Invalid` for a time beyond PostgreSQL's.
    pub(in super::super) fn write_binary(&mut self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.values {
            Values::Bool(values) => out.push(u8::from(values.value(row))),
            Values::Int2(values) => out.extend_from_slice(&values.value(row).to_be_bytes()),
            Values::Int4(values) => out.extend_from_slice(&values.value(row).to_be_bytes()),
            Values::Int8(values) => out.extend_from_slice(&values.value(row).to_be_bytes()),
            Values::Unsigned(values) => write_numeric(values.value(row), 0, out),
            Values::Float4(values) => out.extend_from_slice(&values.value(row).to_be_bytes()),
            Values::Float8(values) => out.extend_from_slice(&values.value(row).to_be_bytes()),
            Values::Decimal(values, scale) => write_numeric(values.value(row), *scale, out),
            Values::WideDecimal(values, scale) => write_numeric(values.value(row), *scale, out),
            Values::Bytes(values) => out.extend_from_slice(values.value(row)),
            Values::LargeBytes(values) => out.extend_from_slice(values.value(row)),
            Values::BytesView(values) => out.extend_from_slice(values.value(row)),
            Values::Date(values) => {
                let days = values.value(row).checked_sub(EPOCH_DAYS).ok_or_else(too_early)?;
                out.extend_from_slice(&days.to_be_bytes());
            }
            Values::Time(values) => out.extend_from_slice(&values.value(row).to_be_bytes()),
            Values::Timestamp(values, _) => {
                let micros = values.value(row).checked_sub(EPOCH_MICROS).ok_or_else(too_early)?;
                out.extend_from_slice(&micros.to_be_bytes());
            }
            Values::Interval(values) => {
                let interval = values.value(row);
                out.extend_from_slice(&(interval.nanoseconds / 1000).to_be_bytes());
                out.extend_from_slice(&interval.days.to_be_bytes());
                out.extend_from_slice(&interval.months.to_be_bytes());
            }
            Values::Dictionary(keys, values) => {
                if let Some(key) = keys.get(row) {
                    values.write_binary(*key, out)?;
                }
            }
            // The binary form of text and of JSON is its text.
            Values::Null | Values::Text(_) | Values::LargeText(_) | Values::TextView(_) | Values::Json(_) => {
                self.write_text(row, out);
            }
        }
        Ok(())
    }
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = write!(out, "{value}");
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    out.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]));
}

fn too_early() -> Error {
    Error::invalid("a time is too early for PostgreSQL's binary form; cast the column to text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Int64Array, ListArray};

    fn texts(column: ArrayRef) -> Vec<Option<String>> {
        let columns = [column];
        let mut cells = Cells::of_columns(&columns).unwrap().pop().unwrap();
        (0..columns[0].len())
            .map(|row| {
                let mut out = Vec::new();
                (!cells.is_null(row)).then(|| {
                    cells.write_text(row, &mut out);
                    String::from_utf8(out).unwrap()
                })
            })
            .collect()
    }

    #[test]
    fn dictionaries_have_the_values_they_stand_for() {
        let values: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("b"), Some("a")].into_iter().collect();
        assert_eq!(texts(Arc::new(values)), [Some("a".into()), None, Some("b".into()), Some("a".into())]);
        let none: DictionaryArray<Int32Type> = vec![None::<&str>, None].into_iter().collect();
        assert_eq!(texts(Arc::new(none)), [None, None]);
    }

    #[test]
    fn nested_values_are_json_and_bytes_hex() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None]);
        assert_eq!(texts(Arc::new(list)), [Some("[1,null]".into()), None]);
        assert_eq!(texts(Arc::new(BinaryArray::from(vec![&[0_u8, 255][..]]))), [Some("\\x00ff".into())]);
        assert_eq!(texts(Arc::new(Int64Array::from(vec![i64::MIN]))), [Some(i64::MIN.to_string())]);
    }
}
