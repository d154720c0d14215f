//! The way back: a value's text and type to the value that was sent.

use super::tape::{MAX_DEPTH, Tape, read_any_value};
use super::text::parse_special_double;
use super::types::ValueType;
use crate::otlp::base64::decode_base64;
use crate::otlp::json::JsonReader;
use crate::otlp::wire::Wire as _;

/// A value as OTLP has it.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyValue {
    /// No value is set.
    Empty,
    /// A string.
    String(String),
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A boolean.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An array of values of any types.
    Array(Vec<AnyValue>),
    /// A map in the sender's order; keys may repeat.
    Map(Vec<(String, AnyValue)>),
}

/// A text that is not one of its type's: the row was not written by this program, or its `value_types` was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text of a value is not {}", expected(*.0))]
pub struct ValueTextError(
    /// The type that the text should be of.
    pub ValueType,
);

impl AnyValue {
    /// The value of a text and its type: exactly the one that was sent, but that a NaN's bits are not kept.
    ///
    /// # Errors
    /// The text is not one that a value of this type is stored as.
    pub fn from_text(text: &str, value_type: ValueType) -> Result<Self, ValueTextError> {
        let value = match value_type {
            ValueType::String => Some(Self::String(text.to_owned())),
            ValueType::Int => text.parse().ok().map(Self::Int),
            ValueType::Double => parse_special_double(text).or_else(|| finite(text)).map(Self::Double),
            ValueType::Bool => text.parse().ok().map(Self::Bool),
            ValueType::Bytes => decode_base64(text).map(Self::Bytes),
            ValueType::Empty => text.is_empty().then_some(Self::Empty),
            ValueType::Array | ValueType::Map => {
                let matches_type = |value: &Self| matches!(value, Self::Array(_)) == (value_type == ValueType::Array);
                plain_json(text).filter(|value| matches!(value, Self::Array(_) | Self::Map(_)) && matches_type(value))
            }
            ValueType::AnyValue => otlp_json(text),
        };
        value.ok_or(ValueTextError(value_type))
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn plain_json(text: &str) -> Option<AnyValue> {
    let mut reader = JsonReader::new(text.as_bytes()).ok()?;
    let value = reader.plain_value(MAX_DEPTH).ok()?;
    reader.finish().ok()?;
    reader.state_mut().take_problem().is_none().then_some(value)
}

fn otlp_json(text: &str) -> Option<AnyValue> {
    let mut reader = JsonReader::new(text.as_bytes()).ok()?;
    let mut tape = Tape::default();
    read_any_value(&mut reader, &mut tape, 0, 0).ok()?;
    reader.finish().ok()?;
    let value = tape.to_value(&reader.state().scratch);
    reader.state_mut().take_problem().is_none().then_some(value)
}

fn expected(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "a string",
        ValueType::Int => "a 64-bit integer",
        ValueType::Double => "a double",
        ValueType::Bool => "true or false",
        ValueType::Bytes => "base64",
        ValueType::Array => "a JSON array",
        ValueType::Map => "a JSON object",
        ValueType::Empty => "empty",
        ValueType::AnyValue => "an OTLP/JSON AnyValue",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(ValueType::Int, "1.0")]
    #[case(ValueType::Int, "9223372036854775808")]
    #[case(ValueType::Double, "inf")]
    #[case(ValueType::Double, "")]
    #[case(ValueType::Bool, "yes")]
    #[case(ValueType::Bytes, "A")]
    #[case(ValueType::Empty, "x")]
    #[case(ValueType::Array, "{}")]
    #[case(ValueType::Array, "1")]
    #[case(ValueType::Array, "[1,]")]
    #[case(ValueType::Array, "[NaN]")]
    #[case(ValueType::Array, "[9223372036854775808]")]
    #[case(ValueType::Array, "[] []")]
    #[case(ValueType::Map, "[]")]
    #[case(ValueType::Map, "{1:2}")]
    #[case(ValueType::AnyValue, "[]")]
    #[case(ValueType::AnyValue, r#"{"intValue":"many"}"#)]
    fn text_of_another_type_is_an_error(#[case] value_type: ValueType, #[case] text: &str) {
        assert_eq!(AnyValue::from_text(text, value_type), Err(ValueTextError(value_type)));
    }

    #[rstest]
    #[case(ValueType::String, "", AnyValue::String(String::new()))]
    #[case(ValueType::Empty, "", AnyValue::Empty)]
    #[case(ValueType::Double, "-Infinity", AnyValue::Double(f64::NEG_INFINITY))]
    #[case(ValueType::Array, "[1,1.0,null]", AnyValue::Array(vec![
        AnyValue::Int(1),
        AnyValue::Double(1.0),
        AnyValue::Empty,
    ]))]
    #[case(ValueType::Map, r#"{"b":"","a":{}}"#, AnyValue::Map(vec![
        ("b".to_owned(), AnyValue::String(String::new())),
        ("a".to_owned(), AnyValue::Map(Vec::new())),
    ]))]
    #[case(ValueType::AnyValue, r#"{"arrayValue":{"values":[{"bytesValue":"AQI="}]}}"#, AnyValue::Array(vec![
        AnyValue::Bytes(vec![1, 2]),
    ]))]
    fn text_and_type_give_the_value(#[case] value_type: ValueType, #[case] text: &str, #[case] value: AnyValue) {
        assert_eq!(AnyValue::from_text(text, value_type), Ok(value));
    }

    #[test]
    fn the_sign_of_zero_is_kept() {
        let zero = AnyValue::from_text("-0.0", ValueType::Double).expect("a double");
        assert!(matches!(zero, AnyValue::Double(value) if value.is_sign_negative()));
    }
}
