//! The values of `$1`, `$2`, ... out of a request.
//!
//! | in JSON | in SQL |
//! | --- | --- |
//! | `null`, `true`, `"text"` | NULL, boolean, text; text beside a time is read as one |
//! | `17`, `1.5` | bigint, above 2^63-1 bigint unsigned, else double |
//! | `["a", null]` | a list of one type, for `= ANY($1)` |
//! | `{"type": "timestamp", "value": "2026-11-22T12:00:00Z"}` | the value as that type, by the rules of a cast |
//!
//! `param=` in the query string is text, read as the type that the query gives its place (as PostgreSQL reads
//! parameters), or left text where it gives none.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::query::{type_name, type_of_name};

/// A value and its type in SQL's words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    r#type: String,
    value: Value,
}

/// The value of `$number`, in JSON.
///
/// # Errors
/// `Invalid`, naming the parameter.
pub(super) fn from_json(number: usize, value: Value) -> Result<ScalarValue> {
    match value {
        Value::Object(_) => {
            let typed: Typed = serde_json::from_value(value).map_err(|error| {
                let form = r#"{"type": "timestamp", "value": "..."}"#;
                Error::invalid(format!("${number} is an object, and not of the form {form}")).with_source(error)
            })?;
            let data_type = type_of_name(&typed.r#type).ok_or_else(|| {
                Error::invalid(format!(
                    "${number}: `{}` is no type of a parameter; write text, bigint, double, boolean, timestamp, date, \
                     interval, decimal(10, 2), bytea, or one of them with []",
                    typed.r#type
                ))
            })?;
            of_type(number, typed.value, &data_type)
        }
        Value::Array(items) => list(number, items),
        plain => scalar(number, plain),
    }
}

/// The value of `$number`, in text; `None` is a type that the query does not tell.
///
/// # Errors
/// `Invalid`, naming the parameter and the type.
pub(super) fn from_text(number: usize, text: String, data_type: Option<&DataType>) -> Result<ScalarValue> {
    match data_type {
        None | Some(DataType::Null | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) => {
            Ok(ScalarValue::Utf8(Some(text)))
        }
        Some(data_type) => cast_text(number, &text, data_type),
    }
}

fn scalar(number: usize, value: Value) -> Result<ScalarValue> {
    match value {
        Value::Null => Ok(ScalarValue::Null),
        Value::Bool(value) => Ok(ScalarValue::from(value)),
        Value::String(value) => Ok(ScalarValue::from(value)),
        Value::Number(value) => {
            let long = value.as_i64().map(ScalarValue::from).or_else(|| value.as_u64().map(ScalarValue::from));
            long.or_else(|| value.as_f64().map(ScalarValue::from))
                .ok_or_else(|| Error::invalid(format!("${number} is a number that SQL can't hold: {value}")))
        }
        Value::Array(_) | Value::Object(_) => Err(Error::invalid(format!(
            "${number} has {} in its list; give it a type: {{\"type\": \"text[]\", \"value\": [...]}}",
            if value.is_array() { "an array" } else { "an object" }
        ))),
    }
}

/// A list whose items tell their type.
fn list(number: usize, items: Vec<Value>) -> Result<ScalarValue> {
    let items = items.into_iter().map(|item| scalar(number, item)).collect::<Result<Vec<_>>>()?;
    let mut types = items.iter().map(ScalarValue::data_type).filter(|data_type| *data_type != DataType::Null);
    let Some(first) = types.next() else {
        let form = r#"{"type": "text[]", "value": []}"#;
        return Err(Error::invalid(format!("${number} is a list of nothing; say its type: {form}")));
    };
    let numeric = |data_type: &DataType| data_type.is_numeric();
    let data_type = types.try_fold(first, |one, other| match (&one, &other) {
        _ if one == other => Ok(one),
        _ if numeric(&one) && numeric(&other) => Ok(DataType::Float64),
        _ => Err(Error::invalid(format!("${number} is a list of {} and of {}", type_name(&one), type_name(&other)))),
    })?;
    let cast =
        |item: ScalarValue| item.cast_to(&data_type).map_err(|error| wrong(number, &data_type).with_source(error));
    let items = items.into_iter().map(cast).collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, &data_type)))
}

fn of_type(number: usize, value: Value, data_type: &DataType) -> Result<ScalarValue> {
    match (value, data_type) {
        (Value::Null, _) => {
            ScalarValue::try_from(data_type).map_err(|error| wrong(number, data_type).with_source(error))
        }
        (Value::Array(items), DataType::List(item)) => {
            let items = items.into_iter().map(|value| of_type(number, value, item.data_type()));
            let items = items.collect::<Result<Vec<_>>>()?;
            Ok(ScalarValue::List(ScalarValue::new_list_nullable(&items, item.data_type())))
        }
        (Value::String(text), DataType::Utf8) => Ok(ScalarValue::Utf8(Some(text))),
        (_, DataType::Utf8 | DataType::List(_)) | (Value::Array(_) | Value::Object(_), _) => {
            Err(wrong(number, data_type))
        }
        (Value::String(text), data_type) => cast_text(number, &text, data_type),
        (Value::Bool(_) | Value::Number(_), DataType::Binary) => Err(wrong(number, data_type)),
        (value @ (Value::Bool(_) | Value::Number(_)), data_type) => cast_text(number, &value.to_string(), data_type),
    }
}

/// Text as a type, as a cast in SQL reads it; bytes are hex, as answers have them.
fn cast_text(number: usize, text: &str, data_type: &DataType) -> Result<ScalarValue> {
    let array: ArrayRef = match data_type {
        DataType::Binary => {
            let bytes = hex(text).ok_or_else(|| wrong(number, data_type))?;
            Arc::new(BinaryArray::from(vec![bytes.as_slice()]))
        }
        _ => Arc::new(StringArray::from(vec![text])),
    };
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let array =
        cast_with_options(&array, data_type, &strict).map_err(|error| wrong(number, data_type).with_source(error))?;
    ScalarValue::try_from_array(&array, 0).map_err(|error| wrong(number, data_type).with_source(error))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high * 16 + low).collect())
}

fn wrong(number: usize, data_type: &DataType) -> Error {
    Error::invalid(format!("${number} is no {}", type_name(data_type)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[rstest::rstest]
    #[case(json!(null), ScalarValue::Null)]
    #[case(json!(true), ScalarValue::Boolean(Some(true)))]
    #[case(json!(i64::MIN), ScalarValue::Int64(Some(i64::MIN)))]
    #[case(json!(u64::MAX), ScalarValue::UInt64(Some(u64::MAX)))]
    #[case(json!(1.5), ScalarValue::Float64(Some(1.5)))]
    #[case(json!("x"), ScalarValue::Utf8(Some("x".into())))]
    #[case(json!({"type": "int", "value": "-7"}), ScalarValue::Int32(Some(-7)))]
    #[case(json!({"type": "int", "value": -7}), ScalarValue::Int32(Some(-7)))]
    #[case(json!({"type": "text", "value": null}), ScalarValue::Utf8(None))]
    #[case(json!({"type": "double", "value": "NaN"}), ScalarValue::Float64(Some(f64::NAN)))]
    #[case(json!({"type": "bytea", "value": "00fF"}), ScalarValue::Binary(Some(vec![0, 255])))]
    #[case(json!({"type": "date", "value": "1969-12-31"}), ScalarValue::Date32(Some(-1)))]
    #[case(
        json!({"type": "timestamp", "value": "1970-01-01T05:45:00.000001+05:45"}),
        ScalarValue::TimestampMicrosecond(Some(1), Some("UTC".into()))
    )]
    #[case(json!({"type": "decimal(5, 2)", "value": 1.5}), ScalarValue::Decimal128(Some(150), 5, 2))]
    fn a_value_has_the_type_that_it_shows_or_names(#[case] value: Value, #[case] expected: ScalarValue) {
        assert_eq!(from_json(1, value).unwrap(), expected);
    }

    #[rstest::rstest]
    #[case(json!([1, null, 2]), "list of bigint")]
    #[case(json!([1, 2.5]), "list of double")]
    #[case(json!(["a"]), "list of text")]
    #[case(json!({"type": "timestamp[]", "value": ["2024-01-01T00:00:00Z", null]}), "list of timestamp")]
    #[case(json!({"type": "text[]", "value": []}), "list of text")]
    fn an_array_is_a_list_of_one_type(#[case] value: Value, #[case] expected: &str) {
        assert_eq!(type_name(&from_json(1, value).unwrap().data_type()), expected);
    }

    #[rstest::rstest]
    #[case(json!([]), "say its type")]
    #[case(json!([1, "a"]), "a list of bigint and of text")]
    #[case(json!([[1]]), "an array in its list")]
    #[case(json!({"type": "timestamp"}), "not of the form")]
    #[case(json!({"type": "number", "value": 1}), "`number` is no type")]
    #[case(json!({"type": "int", "value": 3_000_000_000_i64}), "$2 is no int")]
    #[case(json!({"type": "bigint", "value": "many"}), "$2 is no bigint")]
    #[case(json!({"type": "text", "value": 5}), "$2 is no text")]
    #[case(json!({"type": "bytea", "value": "0"}), "$2 is no bytea")]
    #[case(json!({"type": "timestamp", "value": "tomorrow"}), "$2 is no timestamp")]
    fn what_is_no_value_is_refused_with_its_number(#[case] value: Value, #[case] reason: &str) {
        let error = from_json(2, value).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn text_is_read_as_the_type_of_its_place() {
        let long = from_text(1, "17".to_owned(), Some(&DataType::Int64)).unwrap();
        assert_eq!(long, ScalarValue::Int64(Some(17)));
        assert_eq!(from_text(1, "17".to_owned(), None).unwrap(), ScalarValue::from("17"));
        assert!(from_text(1, "x".to_owned(), Some(&DataType::Int64)).is_err());
    }
}
