//! The columns of a result as other programs can take them.
//!
//! - A join may give two columns one name. A JSON reader would keep one of them in silence, so the second is named
//!   `name_2`.
//! - Views (`Utf8View`, `BinaryView`) are DataFusion's form in memory, which many Arrow readers do not know: Arrow and
//!   Parquet get plain strings and bytes, nested ones too.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

/// The schema with a name of its own for every column.
///
/// Nullable everywhere: plans are not always right about it, and a batch that disagrees would be refused.
pub(super) fn with_unique_names(schema: &Schema) -> SchemaRef {
    let mut taken: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut seen = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        let name = if seen.insert(field.name()) { field.name().clone() } else { free_name(field.name(), &mut taken) };
        Field::clone(field).with_name(name).with_nullable(true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn free_name(name: &str, taken: &mut HashSet<String>) -> String {
    let mut number = 2_u64;
    loop {
        let candidate = format!("{name}_{number}");
        if taken.insert(candidate.clone()) {
            return candidate;
        }
        number += 1;
    }
}

/// The schema that other programs get of a result in Arrow's own form.
pub(crate) fn sent_schema(schema: &Schema) -> SchemaRef {
    with_types(&with_unique_names(schema), &plain)
}

/// The same in types that Parquet has too: it has no whole seconds, and would have numbers in their place.
///
/// # Errors
/// Where it has none: intervals.
pub(super) fn sent_parquet_schema(schema: &Schema) -> Result<SchemaRef, ArrowError> {
    let schema = with_types(&with_unique_names(schema), &|leaf| match leaf {
        DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Duration(TimeUnit::Second) => DataType::Duration(TimeUnit::Millisecond),
        leaf => plain(leaf),
    });
    match schema.fields().iter().find(|field| matches!(field.data_type(), DataType::Interval(_))) {
        Some(field) => Err(ArrowError::NotYetImplemented(format!("`{}` is an interval", field.name()))),
        None => Ok(schema),
    }
}

fn with_types(schema: &Schema, leaf: &dyn Fn(&DataType) -> DataType) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.map(|field| Field::clone(field).with_data_type(with_leaves(field.data_type(), leaf)));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The batch with the schema to write.
pub(crate) fn written_batch(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

fn with_leaves(data_type: &DataType, leaf: &dyn Fn(&DataType) -> DataType) -> DataType {
    let inner = |field: &FieldRef| Arc::new(Field::clone(field).with_data_type(with_leaves(field.data_type(), leaf)));
    match data_type {
        DataType::List(field) => DataType::List(inner(field)),
        DataType::LargeList(field) => DataType::LargeList(inner(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(inner(field), *length),
        DataType::Map(field, sorted) => DataType::Map(inner(field), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect::<Fields>()),
        other => leaf(other),
    }
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) if matches!(**value, DataType::Utf8View | DataType::BinaryView) => plain(value),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_gets_a_name_of_its_own() {
        let field = |name: &str| Field::new(name, DataType::Utf8View, false);
        let schema = Schema::new(vec![field("a"), field("a"), field("a_2"), field("a")]);
        let written = sent_schema(&schema);
        let names: Vec<_> = written.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a", "a_3", "a_2", "a_4"]);
        assert!(written.fields().iter().all(|field| field.data_type() == &DataType::Utf8));
    }
}
