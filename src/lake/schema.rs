//! The Delta schema that follows from the contract, and what a table's Delta schema says of its promoted columns.
//!
//! A promoted column's definition travels with the table, in its field's metadata, so that any reader can answer
//! it for files that are older than the column.

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::StructType;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::model::column::{Column, Kind};
use crate::model::contract::columns;
use crate::model::promoted::{AttributeMap, Promoted, PromotedType, Source};
use crate::model::schema::table_schema;
use crate::model::signal::Signal;

/// Field metadata that defines a promoted column.
const PROMOTED_KEY: &str = "telestrata.promoted";

/// The Delta schema of a signal's table.
pub(crate) fn delta_schema(signal: Signal, promoted: &[Promoted]) -> Result<StructType> {
    let mut fields: Vec<Value> = columns(signal).map(field).collect();
    fields.extend(promoted.iter().map(promoted_field));
    parse(&json!({ "type": "struct", "fields": fields }))
}

/// The schema with more promoted columns behind it.
pub(crate) fn with_promoted(schema: &StructType, added: &[Promoted]) -> Result<StructType> {
    let mut value =
        serde_json::to_value(schema).map_err(|error| Error::internal("no JSON of a schema").with_source(error))?;
    if let Some(fields) = value.get_mut("fields").and_then(Value::as_array_mut) {
        fields.extend(added.iter().map(promoted_field));
    }
    parse(&value)
}

fn parse(value: &Value) -> Result<StructType> {
    serde_json::from_value(value.clone())
        .map_err(|error| Error::internal("the contract gives no Delta schema").with_source(error))
}

fn field(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": delta_type(column.kind),
        "nullable": true,
        "metadata": { "comment": column.documentation() },
    })
}

fn promoted_field(promoted: &Promoted) -> Value {
    json!({
        "name": promoted.name,
        "type": delta_type(promoted.kind.kind()),
        "nullable": true,
        "metadata": { "comment": promoted.comment(), PROMOTED_KEY: definition(promoted).to_string() },
    })
}

fn delta_type(kind: Kind) -> Value {
    match kind {
        Kind::Date => json!("date"),
        Kind::Timestamp => json!("timestamp"),
        Kind::Short => json!("short"),
        Kind::Int => json!("integer"),
        Kind::Long => json!("long"),
        Kind::Double => json!("double"),
        Kind::Bool => json!("boolean"),
        Kind::Text => json!("string"),
        Kind::TextMap => {
            json!({ "type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": false })
        }
        Kind::List(element) => {
            json!({ "type": "array", "elementType": delta_type(*element), "containsNull": false })
        }
        Kind::Struct(fields) => json!({ "type": "struct", "fields": fields.iter().map(field).collect::<Vec<_>>() }),
    }
}

fn definition(promoted: &Promoted) -> Value {
    let kind = match promoted.kind {
        PromotedType::Text => "text",
        PromotedType::Long => "long",
        PromotedType::Double => "double",
        PromotedType::Bool => "bool",
    };
    let sources: Vec<Value> = promoted.sources.iter().map(|source| json!([source.map.column(), source.key])).collect();
    json!({ "type": kind, "sources": sources })
}

fn parse_definition(name: &str, text: &str) -> Option<Promoted> {
    let value: Value = serde_json::from_str(text).ok()?;
    let kind = match value.get("type")?.as_str()? {
        "text" => PromotedType::Text,
        "long" => PromotedType::Long,
        "double" => PromotedType::Double,
        "bool" => PromotedType::Bool,
        _ => return None,
    };
    let sources = value
        .get("sources")?
        .as_array()?
        .iter()
        .map(|source| {
            let map = AttributeMap::from_column(source.get(0)?.as_str()?)?;
            Some(Source { map, key: source.get(1)?.as_str()?.to_owned() })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Promoted { name: name.to_owned(), kind, sources })
}

/// What a table's Delta schema says.
#[derive(Debug, Clone)]
pub(crate) struct TableColumns {
    /// The promoted columns, in the table's order.
    pub(crate) promoted: Vec<Promoted>,
    /// The Arrow schema in memory: the contract's columns, then the promoted ones.
    pub(crate) schema: SchemaRef,
}

/// Reads a table's schema, and refuses one that does not hold the contract.
pub(crate) fn table_columns(signal: Signal, schema: &StructType) -> Result<TableColumns> {
    let damaged = |what: String| Error::new(crate::error::ErrorKind::Damaged, format!("table `{signal}`: {what}"));
    for column in columns(signal) {
        let field = schema.field(column.name).ok_or_else(|| {
            damaged(format!("column `{}` is missing; another program has changed the schema: restore it", column.name))
        })?;
        let found = serde_json::to_value(field.data_type()).unwrap_or_default();
        if !same_type(&found, &delta_type(column.kind)) {
            return Err(damaged(format!(
                "column `{}` is {found}, not {}; another program has changed the schema: restore it",
                column.name,
                delta_type(column.kind)
            )));
        }
    }
    let mut promoted = Vec::new();
    for field in schema.fields() {
        if let Some(value) = field.metadata().get(PROMOTED_KEY) {
            let text = value.to_string();
            let defined = parse_definition(field.name(), &text).ok_or_else(|| {
                damaged(format!("the definition of promoted column `{}` is not known: {text}", field.name()))
            })?;
            promoted.push(defined);
        }
    }
    let schema = table_schema(signal, &promoted);
    Ok(TableColumns { promoted, schema })
}

/// The promoted columns of a schema whose definitions are readable.
pub(super) fn promoted_columns(schema: &StructType) -> Vec<Promoted> {
    let defined = |field: &deltalake_core::kernel::StructField| {
        parse_definition(field.name(), &field.metadata().get(PROMOTED_KEY)?.to_string())
    };
    schema.fields().filter_map(defined).collect()
}

/// Where a table's schema differs from the contract, a sentence each.
pub(super) fn differences(signal: Signal, schema: &StructType) -> Vec<String> {
    let mut differences = Vec::new();
    for column in columns(signal) {
        let Some(field) = schema.field(column.name) else {
            differences.push(format!("column `{}` is missing", column.name));
            continue;
        };
        let found = serde_json::to_value(field.data_type()).unwrap_or_default();
        let expected = delta_type(column.kind);
        if !same_type(&found, &expected) {
            differences.push(format!("column `{}` is {found}, not {expected}", column.name));
        }
    }
    for field in schema.fields() {
        let own = columns(signal).any(|column| column.name == field.name());
        match field.metadata().get(PROMOTED_KEY).map(ToString::to_string) {
            Some(text) if parse_definition(field.name(), &text).is_none() => {
                differences.push(format!("the definition of promoted column `{}` is not known: {text}", field.name()));
            }
            None if !own => differences.push(format!("column `{}` is not the contract's", field.name())),
            _ => {}
        }
        if !field.is_nullable() {
            differences.push(format!("column `{}` must not be NULL, and the contract lets it be", field.name()));
        }
    }
    differences
}

/// Equal but for comments.
fn same_type(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .filter(|(key, _)| *key != "metadata")
            .all(|(key, value)| found.get(key).is_some_and(|found| same_type(found, value))),
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, value)| same_type(found, value))
        }
        _ => found == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::promoted::default_promoted;

    #[test]
    fn a_tables_schema_tells_its_promoted_columns() {
        for signal in Signal::ALL {
            let schema = delta_schema(signal, &default_promoted()).unwrap();
            let columns = table_columns(signal, &schema).unwrap();
            assert_eq!(columns.promoted, default_promoted());
            let extra = Promoted {
                name: "tenant".into(),
                kind: PromotedType::Long,
                sources: vec![Source { map: AttributeMap::Scope, key: "tenant.id".into() }],
            };
            let grown = with_promoted(&schema, std::slice::from_ref(&extra)).unwrap();
            assert_eq!(table_columns(signal, &grown).unwrap().promoted.last(), Some(&extra));
        }
    }

    #[test]
    fn a_schema_that_lost_a_column_is_refused_by_name() {
        let schema = delta_schema(Signal::Logs, &[]).unwrap();
        let error = table_columns(Signal::Spans, &schema).unwrap_err();
        assert!(error.to_string().contains("duration_nano"), "{error}");
    }
}
