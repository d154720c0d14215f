//! Values as plain JSON, for people: what JSON has no form for becomes text.
//!
//! | value | JSON |
//! | --- | --- |
//! | string, boolean, array, map | the same; of equal keys the last |
//! | integer, double | number; `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | bytes | base64 |
//! | empty | `null` |

use opentelemetry_proto::tonic::common::v1::any_value::Value as Sent;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Map, Value};

use crate::otlp::push_base64;
use crate::otlp::value::special_double;

/// A value.
pub(in crate::server) fn plain(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        // References into a profile's table of strings are none of these signals'.
        None | Some(Sent::StringValueStrindex(_)) => Value::Null,
        Some(Sent::StringValue(text)) => Value::from(text.as_str()),
        Some(Sent::BoolValue(value)) => Value::from(*value),
        Some(Sent::IntValue(value)) => Value::from(*value),
        Some(Sent::DoubleValue(value)) => special_double(*value).map_or_else(|| Value::from(*value), Value::from),
        Some(Sent::BytesValue(bytes)) => {
            let mut text = String::new();
            push_base64(&mut text, bytes);
            Value::from(text)
        }
        Some(Sent::ArrayValue(array)) => array.values.iter().map(|value| plain(Some(value))).collect(),
        Some(Sent::KvlistValue(map)) => Value::Object(plain_attributes(&map.values)),
    }
}

/// Attributes.
pub(in crate::server) fn plain_attributes(attributes: &[KeyValue]) -> Map<String, Value> {
    attributes.iter().map(|attribute| (attribute.key.clone(), plain(attribute.value.as_ref()))).collect()
}
