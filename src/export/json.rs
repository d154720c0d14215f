//! OTLP/JSON: the frame of a request, and values.
//!
//! OTLP specification, "JSON Protobuf Encoding": lowerCamelCase keys, ids in hex, enums as integers, 64-bit integers as
//! strings, bytes as base64, NaN and the infinities by name. Fields that have their default are left out, but for
//! those whose presence says something.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::groups::ResourceGroup;
use crate::otlp::push_base64;
use crate::otlp::value::{push_double, push_int, push_json_string, special_double};

/// Writes a request whose groups, scopes and records have these names, each record by `write`.
pub(super) fn write_request<R>(
    out: &mut String,
    [group_name, scope_name, record_name]: [&str; 3],
    groups: &[ResourceGroup<R>],
    write: impl Fn(&R, &mut Object<'_>),
) {
    object(out, |request| {
        request.objects(group_name, groups, |group, object| {
            object.object("resource", |resource| {
                resource.attributes("attributes", &group.resource.attributes);
                resource.number("droppedAttributesCount", group.resource.dropped_attributes_count);
            });
            object.objects(scope_name, &group.scopes, |scope, object| {
                object.object("scope", |object| {
                    object.text("name", &scope.scope.name);
                    object.text("version", &scope.scope.version);
                    object.attributes("attributes", &scope.scope.attributes);
                    object.number("droppedAttributesCount", scope.scope.dropped_attributes_count);
                });
                object.objects(record_name, &scope.records, &write);
                object.text("schemaUrl", &scope.schema_url);
            });
            object.text("schemaUrl", &group.schema_url);
        });
    });
}

/// An object being written.
pub(super) struct Object<'o> {
    out: &'o mut String,
    empty: bool,
}

fn object(out: &mut String, write: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    write(&mut Object { out, empty: true });
    out.push('}');
}

impl Object<'_> {
    /// Begins a field, whatever its value.
    fn key(&mut self, name: &str) -> &mut String {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
        self.out
    }

    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        object(self.key(name), write);
    }

    pub(super) fn objects<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T, &mut Object<'_>)) {
        self.array(name, items, |item, out| object(out, |object| write(item, object)));
    }

    fn array<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T, &mut String)) {
        if items.is_empty() {
            return;
        }
        let out = self.key(name);
        let mut separator = '[';
        for item in items {
            out.push(separator);
            write(item, out);
            separator = ',';
        }
        out.push(']');
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            push_json_string(self.key(name), text);
        }
    }

    /// Trace and span ids.
    pub(super) fn hex(&mut self, name: &str, id: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        if id.is_empty() {
            return;
        }
        let out = self.key(name);
        out.push('"');
        for byte in id {
            out.extend([byte >> 4, byte & 0xF].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
        out.push('"');
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        if value {
            self.key(name).push_str("true");
        }
    }

    /// Integers of up to 32 bits, and enums.
    pub(super) fn number(&mut self, name: &str, value: impl Into<i64>) {
        let value = value.into();
        if value != 0 {
            push_int(self.key(name), value);
        }
    }

    /// Unsigned integers of 64 bits.
    pub(super) fn long(&mut self, name: &str, value: u64) {
        if value != 0 {
            push_unsigned(value, self.key(name));
        }
    }

    pub(super) fn longs(&mut self, name: &str, values: &[u64]) {
        self.array(name, values, |value, out| push_unsigned(*value, out));
    }

    /// A signed integer of 64 bits that is there, also where it is 0.
    pub(super) fn present_int(&mut self, name: &str, value: i64) {
        push_quoted_int(value, self.key(name));
    }

    /// A double that is there, also where it is 0.
    pub(super) fn present_double(&mut self, name: &str, value: f64) {
        push_json_double(&value, self.key(name));
    }

    pub(super) fn optional_double(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.present_double(name, value);
        }
    }

    pub(super) fn double(&mut self, name: &str, value: f64) {
        // By its bits: -0.0 is not the default.
        if value.to_bits() != 0 {
            self.present_double(name, value);
        }
    }

    pub(super) fn doubles(&mut self, name: &str, values: &[f64]) {
        self.array(name, values, push_json_double);
    }

    pub(super) fn attributes(&mut self, name: &str, attributes: &[KeyValue]) {
        self.objects(name, attributes, |attribute, object| {
            push_json_string(object.key("key"), &attribute.key);
            object.value("value", attribute.value.as_ref());
        });
    }

    /// A value that is there; an empty one is `{}`.
    pub(super) fn value(&mut self, name: &str, value: Option<&AnyValue>) {
        self.object(name, |object| write_value(value, object));
    }
}

fn write_value(value: Option<&AnyValue>, object: &mut Object<'_>) {
    match value.and_then(|value| value.value.as_ref()) {
        // References into a profile's table of strings are none of these signals'.
        None | Some(Value::StringValueStrindex(_)) => {}
        Some(Value::StringValue(text)) => push_json_string(object.key("stringValue"), text),
        Some(Value::BoolValue(value)) => object.key("boolValue").push_str(if *value { "true" } else { "false" }),
        Some(Value::IntValue(value)) => object.present_int("intValue", *value),
        Some(Value::DoubleValue(value)) => object.present_double("doubleValue", *value),
        Some(Value::BytesValue(bytes)) => {
            let out = object.key("bytesValue");
            out.push('"');
            push_base64(out, bytes);
            out.push('"');
        }
        Some(Value::ArrayValue(array)) => object.object("arrayValue", |list| {
            list.objects("values", &array.values, |value, object| write_value(Some(value), object));
        }),
        Some(Value::KvlistValue(map)) => object.object("kvlistValue", |list| list.attributes("values", &map.values)),
    }
}

fn push_quoted_int(value: i64, out: &mut String) {
    out.push('"');
    push_int(out, value);
    out.push('"');
}

fn push_unsigned(value: u64, out: &mut String) {
    match i64::try_from(value) {
        Ok(value) => push_quoted_int(value, out),
        Err(_) => out.push_str(&format!("\"{value}\"")),
    }
}

fn push_json_double(value: &f64, out: &mut String) {
    match special_double(*value) {
        Some(name) => push_json_string(out, name),
        None => push_double(out, *value),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, InstrumentationScope, KeyValueList};
    use opentelemetry_proto::tonic::resource::v1::Resource;

    use super::super::groups::ScopeGroup;
    use super::*;

    fn value(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    #[rstest::rstest]
    #[case(None, "{}")]
    #[case(Some(Value::StringValue(String::new())), r#"{"stringValue":""}"#)]
    #[case(Some(Value::StringValue("a\"\n".into())), r#"{"stringValue":"a\"\n"}"#)]
    #[case(Some(Value::BoolValue(false)), r#"{"boolValue":false}"#)]
    #[case(Some(Value::IntValue(i64::MIN)), r#"{"intValue":"-9223372036854775808"}"#)]
    #[case(Some(Value::IntValue(0)), r#"{"intValue":"0"}"#)]
    #[case(Some(Value::DoubleValue(-0.0)), r#"{"doubleValue":-0.0}"#)]
    #[case(Some(Value::DoubleValue(f64::NAN)), r#"{"doubleValue":"NaN"}"#)]
    #[case(Some(Value::DoubleValue(f64::NEG_INFINITY)), r#"{"doubleValue":"-Infinity"}"#)]
    #[case(Some(Value::BytesValue(vec![0, 255])), r#"{"bytesValue":"AP8="}"#)]
    #[case(Some(Value::ArrayValue(ArrayValue { values: vec![] })), r#"{"arrayValue":{}}"#)]
    #[case(
        Some(Value::ArrayValue(ArrayValue { values: vec![AnyValue::default(), value(Value::IntValue(1))] })),
        r#"{"arrayValue":{"values":[{},{"intValue":"1"}]}}"#
    )]
    #[case(
        Some(Value::KvlistValue(KeyValueList { values: vec![KeyValue { key: String::new(), value: None, key_strindex: 0 }] })),
        r#"{"kvlistValue":{"values":[{"key":"","value":{}}]}}"#
    )]
    fn values(#[case] value: Option<Value>, #[case] expected: &str) {
        let mut out = String::new();
        object(&mut out, |object| write_value(Some(&AnyValue { value }), object));
        assert_eq!(out, expected);
    }

    #[test]
    fn a_request_has_its_frame_and_leaves_out_defaults() {
        let scope = ScopeGroup {
            scope: InstrumentationScope { name: "s".into(), ..InstrumentationScope::default() },
            schema_url: String::new(),
            records: vec![1_u64, 0],
        };
        let resource = Resource { dropped_attributes_count: 7, ..Resource::default() };
        let group = ResourceGroup { resource, schema_url: "u".into(), scopes: vec![scope] };
        let mut out = String::new();
        write_request(&mut out, ["a", "b", "c"], &[group], |record, object| {
            object.long("n", *record);
            object.hex("id", &[0x0f, 0xa0]);
        });
        assert_eq!(
            out,
            r#"{"a":[{"resource":{"droppedAttributesCount":7},"b":[{"scope":{"name":"s"},"c":[{"n":"1","id":"0fa0"},{"id":"0fa0"}]}],"schemaUrl":"u"}]}"#
        );
    }
}
