//! `map<string,string>` columns: keys ascending and distinct, values never NULL.
//!
//! A record's own map is pushed entry by entry. A resource's or scope's is encoded once and then copied whole for
//! each of its rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, MapArray, StructArray};
use arrow::datatypes::{DataType, Fields};
use arrow::error::ArrowError;

use super::list::ListOffsets;
use super::text::NestedText;
use crate::model::column::map_entries_field;

/// A column of maps.
#[derive(Debug)]
pub(crate) struct TextMapColumn {
    rows: ListOffsets,
    keys: NestedText,
    values: NestedText,
}

impl TextMapColumn {
    pub(crate) fn new() -> Self {
        Self { rows: ListOffsets::new(), keys: NestedText::new(), values: NestedText::new() }
    }

    /// Appends a row. The entries come in ascending order of distinct keys.
    pub(crate) fn push<'t>(&mut self, entries: impl Iterator<Item = (&'t str, &'t str)>) {
        let start = self.keys.len();
        for (key, value) in entries {
            self.keys.push_text(key);
            self.values.push_text(value);
        }
        self.rows.push(self.keys.len() - start);
    }

    /// Appends the same map to many rows.
    pub(crate) fn fill(&mut self, map: &EncodedMap, rows: usize) {
        self.keys.reserve(&map.keys, rows);
        self.values.reserve(&map.values, rows);
        for _ in 0..rows {
            self.keys.extend(&map.keys);
            self.values.extend(&map.values);
            self.rows.push(map.keys.len());
        }
    }

    pub(crate) fn finish(self) -> Result<ArrayRef, ArrowError> {
        let field = map_entries_field();
        let fields = match field.data_type() {
            DataType::Struct(fields) => fields.clone(),
            _ => Fields::empty(),
        };
        let columns: Vec<ArrayRef> = vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())];
        let entries = StructArray::try_new(fields, columns, None)?;
        Ok(Arc::new(MapArray::try_new(field, self.rows.finish(), entries, None, false)?))
    }
}

/// One map, encoded to be repeated.
#[derive(Debug)]
pub(crate) struct EncodedMap {
    keys: NestedText,
    values: NestedText,
}

impl EncodedMap {
    /// Encodes entries in ascending order of distinct keys.
    pub(crate) fn new<'t>(entries: impl Iterator<Item = (&'t str, &'t str)>) -> Self {
        let mut map = Self { keys: NestedText::new(), values: NestedText::new() };
        for (key, value) in entries {
            map.keys.push_text(key);
            map.values.push_text(value);
        }
        map
    }

    /// What one row with this map takes in memory, offsets included.
    pub(crate) fn bytes(&self) -> usize {
        self.keys.text_bytes() + self.values.text_bytes() + 2 * size_of::<i32>() * self.keys.len()
    }
}
