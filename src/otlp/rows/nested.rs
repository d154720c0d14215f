//! The attributes of events, links and exemplars: a map and the types of its values.

use std::sync::Arc;

use arrow::error::ArrowError;

use super::group::{texts, write_types};
use crate::model::build::{BatchColumns, NestedText, TextMapColumn};
use crate::otlp::record::Attribute;
use crate::otlp::value::RowTypes;
use crate::otlp::wire::Scratch;

/// The fields `attributes` and `value_types` of a struct.
#[derive(Debug)]
pub(super) struct NestedAttributes {
    attributes: TextMapColumn,
    value_types: NestedText,
    attribute_types: String,
    row_types: String,
}

impl NestedAttributes {
    pub(super) fn new() -> Self {
        Self {
            attributes: TextMapColumn::new(),
            value_types: NestedText::new(),
            attribute_types: String::new(),
            row_types: String::new(),
        }
    }

    /// Appends attributes in ascending order of distinct keys.
    pub(super) fn push(&mut self, attributes: &[Attribute<'_>], scratch: &Scratch) {
        self.attributes.push(texts(attributes, scratch));
        self.attribute_types.clear();
        write_types(attributes, scratch, &mut self.attribute_types);
        self.row_types.clear();
        RowTypes { attributes: &self.attribute_types, ..RowTypes::default() }.write(&mut self.row_types);
        self.value_types.push(&self.row_types);
    }

    pub(super) fn put(self, columns: &mut BatchColumns) -> Result<(), ArrowError> {
        columns.put("attributes", self.attributes.finish()?);
        columns.put("value_types", Arc::new(self.value_types.finish()));
        Ok(())
    }
}
