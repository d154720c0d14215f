//! From the tables' `Value` to OTLP's `AnyValue`.

use super::chance::Chance;
use super::shape::vocabulary::{Attributes, Failure, Value};
use super::shopper::Shopper;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyKind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use std::fmt::Write;

/// What a value may refer to.
pub(crate) struct Moment<'a> {
    pub(crate) shopper: &'a Shopper,
    pub(crate) failure: Option<&'static Failure>,
    pub(crate) duration_ms: f64,
}

pub(crate) fn attribute(key: &str, value: AnyKind) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

pub(crate) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, AnyKind::StringValue(value.into()))
}

pub(crate) fn integer(key: &str, value: impl Into<i64>) -> KeyValue {
    attribute(key, AnyKind::IntValue(value.into()))
}

/// Appends the table's attributes.
pub(crate) fn fill(into: &mut Vec<KeyValue>, table: Attributes, moment: &Moment<'_>, chance: &mut Chance) {
    into.extend(table.iter().map(|&(key, value)| attribute(key, any_value(value, moment, chance))));
}

fn any_value(value: Value, moment: &Moment<'_>, chance: &mut Chance) -> AnyKind {
    match value {
        Value::Text(text) => AnyKind::StringValue(text.to_owned()),
        Value::Int(number) => AnyKind::IntValue(number),
        Value::Float(number) => AnyKind::DoubleValue(number),
        Value::Flag(flag) => AnyKind::BoolValue(flag),
        Value::List(items) => {
            let values = items.iter().map(|&item| AnyValue { value: Some(AnyKind::StringValue(item.to_owned())) });
            AnyKind::ArrayValue(ArrayValue { values: values.collect() })
        }
        Value::Of(fact) => moment.shopper.fact(fact),
        Value::Between(low, high) => AnyKind::IntValue(chance.between(low, high)),
        Value::OneOf(options) => AnyKind::StringValue(chance.pick(options).to_owned()),
        Value::DurationMs => AnyKind::DoubleValue((moment.duration_ms * 1_000.0).round() / 1_000.0),
        Value::ErrorType => AnyKind::StringValue(moment.failure.map_or("", |failure| failure.error_type).to_owned()),
        Value::ErrorMessage => AnyKind::StringValue(moment.failure.map_or("", |failure| failure.message).to_owned()),
    }
}

/// Puts the attribute of that key in the place of each `{key}`. A key that is not there stays as written.
pub(crate) fn render(template: &str, attributes: &[KeyValue]) -> String {
    let mut rendered = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((key, after)) = after.split_once('}')
    {
        rendered.push_str(before);
        match attributes.iter().find(|attribute| attribute.key == key) {
            Some(attribute) => push_text(&mut rendered, attribute),
            None => rendered.extend(["{", key, "}"]),
        }
        rest = after;
    }
    rendered.push_str(rest);
    rendered
}

/// Appends a scalar as text; nothing for a list, a map or an absent value.
pub(crate) fn push_text(into: &mut String, attribute: &KeyValue) {
    let written = match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(AnyKind::StringValue(text)) => into.write_str(text),
        Some(AnyKind::IntValue(number)) => write!(into, "{number}"),
        Some(AnyKind::DoubleValue(number)) => write!(into, "{number}"),
        Some(AnyKind::BoolValue(flag)) => write!(into, "{flag}"),
        _ => Ok(()),
    };
    written.expect("writing to a String never fails");
}

/// The attribute of that key as a number.
pub(crate) fn number_of(attributes: &[KeyValue], key: &str) -> Option<f64> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        AnyKind::IntValue(number) => Some(*number as f64),
        AnyKind::DoubleValue(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{integer, render, text};

    #[test]
    fn templates_take_values_from_attributes_and_keep_what_they_do_not_know() {
        let attributes = [text("shop.order.id", "o-1"), integer("count", 3)];
        assert_eq!(render("order {shop.order.id} of {count}", &attributes), "order o-1 of 3");
        assert_eq!(render("{unknown} and {open", &attributes), "{unknown} and {open");
        assert_eq!(render("", &attributes), "");
    }
}
