//! JSON and NDJSON.
//!
//! | SQL | JSON |
//! | --- | --- |
//! | NULL | `null`, never left out |
//! | integers, decimals | numbers with every digit; readers that take all numbers for doubles lose those above 2^53 |
//! | doubles | numbers; `"NaN"`, `"Infinity"`, `"-Infinity"`, which JSON has no numbers for |
//! | timestamps | RFC 3339: `"2026-11-22T12:00:00.000001Z"`; those without a zone are UTC |
//! | dates | `"2026-11-22"` |
//! | maps, structs | objects, keys in the order they have |
//! | lists | arrays |
//! | bytes | hex |

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, DataType, FieldRef, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderFactory, JsonArray, JsonFormat, LineDelimited, NullableEncoder};
use arrow::json::{Encoder, EncoderOptions, Writer, WriterBuilder};

/// RFC 3339 for timestamps without a zone, which are UTC by the data contract.
pub(super) const UTC: &str = "%Y-%m-%dT%H:%M:%S%.fZ";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Writes row objects.
pub(super) enum Json {
    Array(Writer<Vec<u8>, JsonArray>),
    Lines(Writer<Vec<u8>, LineDelimited>),
}

impl Json {
    /// As one array.
    pub(super) fn array() -> Self {
        Self::Array(writer())
    }

    /// As one object a line.
    pub(super) fn lines() -> Self {
        Self::Lines(writer())
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Array(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Self::Lines(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.get_mut()))
            }
        }
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Array(mut writer) => {
                writer.finish()?;
                let mut bytes = writer.into_inner();
                bytes.push(b'\n');
                Ok(bytes)
            }
            Self::Lines(mut writer) => {
                writer.finish()?;
                Ok(writer.into_inner())
            }
        }
    }
}

fn writer<F: JsonFormat>() -> Writer<Vec<u8>, F> {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format(UTC.to_owned())
        .with_encoder_factory(Arc::new(Doubles))
        .build(Vec::new())
}

/// The options for single values, as CSV and the PostgreSQL door have them in their cells.
pub(crate) fn value_options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_timestamp_format(UTC.to_owned())
        .with_encoder_factory(Arc::new(Doubles))
}

/// arrow-json writes non-finite doubles as `null`, as if there were no value.
#[derive(Debug)]
struct Doubles;

impl EncoderFactory for Doubles {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float64 => Box::new(DoubleEncoder(array.as_primitive::<Float64Type>())),
            DataType::Float32 => Box::new(DoubleEncoder(array.as_primitive::<Float32Type>())),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct DoubleEncoder<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T> Encoder for DoubleEncoder<'_, T>
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.0.value(row);
        let wide: f64 = value.into();
        // Writing to a Vec does not fail. `{:?}` is the shortest text that reads back equal, and is JSON.
        let _ = if wide.is_finite() {
            write!(out, "{value:?}")
        } else if wide.is_nan() {
            write!(out, "\"NaN\"")
        } else {
            write!(out, "\"{}Infinity\"", if wide < 0.0 { "-" } else { "" })
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, MapBuilder, StringBuilder,
        TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
    };

    fn one_row(columns: Vec<(&str, ArrayRef)>) -> String {
        let mut json = Json::lines();
        let mut bytes = json
            .write(
                &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
                    .unwrap(),
            )
            .unwrap();
        bytes.extend(json.finish().unwrap());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_kind_of_value_is_written_as_documented() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (key, value) in [("b", Some("1")), ("a", None)] {
            map.keys().append_value(key);
            map.values().append_option(value);
        }
        map.append(true).unwrap();
        let text = one_row(vec![
            ("none", Arc::new(Int64Array::from(vec![None]))),
            ("long", Arc::new(Int64Array::from(vec![i64::MIN]))),
            ("ulong", Arc::new(UInt64Array::from(vec![u64::MAX]))),
            ("double", Arc::new(Float64Array::from(vec![0.1]))),
            ("huge", Arc::new(Float64Array::from(vec![1e300]))),
            ("nan", Arc::new(Float64Array::from(vec![f64::NAN]))),
            ("down", Arc::new(Float64Array::from(vec![f64::NEG_INFINITY]))),
            ("bool", Arc::new(BooleanArray::from(vec![true]))),
            ("zoned", Arc::new(TimestampMicrosecondArray::from(vec![1_700_000_000_000_001]).with_timezone("UTC"))),
            ("naive", Arc::new(TimestampNanosecondArray::from(vec![1_700_000_000_000_000_000]))),
            ("date", Arc::new(Date32Array::from(vec![-1]))),
            ("bytes", Arc::new(BinaryArray::from(vec![&[0_u8, 255][..]]))),
            ("map", Arc::new(map.finish())),
        ]);
        assert_eq!(
            text,
            concat!(
                r#"{"none":null,"long":-9223372036854775808,"ulong":18446744073709551615,"double":0.1,"huge":1e300,"#,
                r#""nan":"NaN","down":"-Infinity","bool":true,"zoned":"2023-11-14T22:13:20.000001Z","#,
                r#""naive":"2023-11-14T22:13:20Z","date":"1969-12-31","bytes":"00ff","map":{"b":"1","a":null}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn no_rows_are_an_empty_array_and_no_lines() {
        assert_eq!(Json::array().finish().unwrap(), b"[]\n");
        assert_eq!(Json::lines().finish().unwrap(), b"");
    }
}
