//! Maps of text, with the `value_types` that say what the texts were, to the attributes that were sent.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde::Deserialize;

use super::columns::{Checked, Text, TextMap};
use crate::otlp::value::{AnyValue as Stored, ValueType};

/// Distinct `value_types` that are remembered, for they repeat.
const REMEMBERED: usize = 10_000;

/// Which values of a map are not strings.
pub(super) type MapTypes = HashMap<String, Letter>;

/// A row's `value_types`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Types {
    #[serde(rename = "a")]
    pub(super) attributes: MapTypes,
    #[serde(rename = "b")]
    pub(super) body: Letter,
    #[serde(rename = "m")]
    pub(super) metadata: MapTypes,
    #[serde(rename = "r")]
    pub(super) resource: MapTypes,
    #[serde(rename = "s")]
    pub(super) scope: MapTypes,
}

/// A type by its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "char")]
pub(super) struct Letter(pub(super) ValueType);

impl Default for Letter {
    fn default() -> Self {
        Self(ValueType::String)
    }
}

impl TryFrom<char> for Letter {
    type Error = String;

    fn try_from(letter: char) -> Result<Self, String> {
        ValueType::from_letter(letter).map(Self).ok_or_else(|| format!("`{letter}` is no value's type"))
    }
}

/// Reads `value_types`, each text once.
#[derive(Debug, Default)]
pub(super) struct TypeReader {
    strings: Arc<Types>,
    known: HashMap<String, Arc<Types>>,
}

impl TypeReader {
    pub(super) fn read(&mut self, column: &Text, row: usize) -> Checked<Arc<Types>> {
        let Some(text) = column.get(row) else { return Ok(Arc::clone(&self.strings)) };
        if let Some(types) = self.known.get(text) {
            return Ok(Arc::clone(types));
        }
        let types = Arc::new(parse(text)?);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), Arc::clone(&types));
        Ok(types)
    }
}

/// The types of an event's, link's or exemplar's attributes.
pub(super) fn nested_types(column: &Text, row: usize) -> Checked<MapTypes> {
    column.get(row).map_or_else(|| Ok(MapTypes::new()), |text| parse(text).map(|types| types.attributes))
}

fn parse(text: &str) -> Checked<Types> {
    serde_json::from_str(text).map_err(|error| format!("`value_types` can't be read: {error}"))
}

impl TextMap {
    /// The row's entries with the type of each.
    pub(super) fn typed<'s>(
        &'s self,
        row: usize,
        types: &'s MapTypes,
    ) -> impl ExactSizeIterator<Item = (&'s str, Option<&'s str>, ValueType)> {
        self.entries(row).map(|(key, text)| (key, text, types.get(key).copied().unwrap_or_default().0))
    }

    /// The row's attributes.
    pub(super) fn attributes(&self, row: usize, types: &MapTypes) -> Checked<Vec<KeyValue>> {
        let attribute = |(key, text, value_type): (&str, Option<&str>, ValueType)| {
            let value =
                any_value(text, value_type).map_err(|problem| format!("`{}['{key}']`: {problem}", self.name))?;
            Ok(KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 })
        };
        self.typed(row, types).map(attribute).collect()
    }
}

/// The value of a text; NULL is an empty one.
pub(super) fn any_value(text: Option<&str>, value_type: ValueType) -> Checked<AnyValue> {
    let Some(text) = text else { return Ok(AnyValue::default()) };
    let value = Stored::from_text(text, value_type).map_err(|error| error.to_string())?;
    Ok(sent(value))
}

fn sent(value: Stored) -> AnyValue {
    let value = match value {
        Stored::Empty => None,
        Stored::String(value) => Some(Value::StringValue(value)),
        Stored::Int(value) => Some(Value::IntValue(value)),
        Stored::Double(value) => Some(Value::DoubleValue(value)),
        Stored::Bool(value) => Some(Value::BoolValue(value)),
        Stored::Bytes(value) => Some(Value::BytesValue(value)),
        Stored::Array(values) => Some(Value::ArrayValue(ArrayValue { values: values.into_iter().map(sent).collect() })),
        Stored::Map(entries) => {
            let entry = |(key, value)| KeyValue { key, value: Some(sent(value)), key_strindex: 0 };
            Some(Value::KvlistValue(KeyValueList { values: entries.into_iter().map(entry).collect() }))
        }
    };
    AnyValue { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_value_types_is_read() {
        let text = r#"{"a":{"k\"":"i"},"b":"m","m":{"x":"e"},"r":{"process.pid":"i"},"s":{"y":"v"}}"#;
        let types = parse(text).unwrap();
        assert_eq!(types.attributes["k\""], Letter(ValueType::Int));
        assert_eq!(types.body, Letter(ValueType::Map));
        assert_eq!(types.metadata["x"], Letter(ValueType::Empty));
        assert_eq!(types.resource["process.pid"], Letter(ValueType::Int));
        assert_eq!(types.scope["y"], Letter(ValueType::AnyValue));
        assert_eq!(parse("{}").unwrap(), Types::default());
    }

    #[rstest::rstest]
    #[case("nonsense")]
    #[case(r#"{"a":{"k":"q"}}"#)]
    #[case(r#"{"a":{"k":"int"}}"#)]
    #[case(r#"{"z":{}}"#)]
    fn what_is_no_value_types_is_told(#[case] text: &str) {
        assert!(parse(text).unwrap_err().contains("value_types"));
    }
}
