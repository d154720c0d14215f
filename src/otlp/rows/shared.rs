//! The columns that every table has.

use std::sync::Arc;

use arrow::array::{Date32Builder, Float64Builder, Int64Builder, TimestampMicrosecondBuilder};
use arrow::error::ArrowError;

use super::group::{Group, texts, write_types};
use super::rules::dropped;
use crate::model::build::{BatchColumns, TextColumn, TextMapColumn, TimeColumn, Timestamp};
use crate::otlp::record::Attribute;
use crate::otlp::report::RequestMeta;
use crate::otlp::value::{RowTypes, ValueType};
use crate::otlp::wire::Scratch;

/// The shared columns of the rows accepted so far.
#[derive(Debug)]
pub(crate) struct SharedColumns {
    rows: usize,
    /// From which row on the group's columns are still to be filled.
    group_start: usize,
    date: Date32Builder,
    time: TimeColumn,
    service_name: TextColumn,
    attributes: TextMapColumn,
    resource_attributes: TextMapColumn,
    scope_attributes: TextMapColumn,
    scope_name: TextColumn,
    scope_version: TextColumn,
    resource_schema_url: TextColumn,
    scope_schema_url: TextColumn,
    dropped_attributes_count: Int64Builder,
    resource_dropped_attributes_count: Int64Builder,
    scope_dropped_attributes_count: Int64Builder,
    value_types: TextColumn,
    adjusted_count: Float64Builder,
    attribute_types: String,
    row_types: String,
}

/// What a record gives to the shared columns.
#[derive(Debug)]
pub(crate) struct SharedRow<'r, 'a> {
    pub(crate) time: Timestamp,
    /// In ascending order of distinct keys.
    pub(crate) attributes: &'r [Attribute<'a>],
    pub(crate) dropped_attributes_count: u32,
    pub(crate) body_type: Option<ValueType>,
    /// The metadata's part of `value_types`.
    pub(crate) metadata_types: &'r str,
    pub(crate) adjusted_count: Option<f64>,
}

impl SharedColumns {
    pub(crate) fn new() -> Self {
        Self {
            rows: 0,
            group_start: 0,
            date: Date32Builder::new(),
            time: TimeColumn::new(),
            service_name: TextColumn::new(),
            attributes: TextMapColumn::new(),
            resource_attributes: TextMapColumn::new(),
            scope_attributes: TextMapColumn::new(),
            scope_name: TextColumn::new(),
            scope_version: TextColumn::new(),
            resource_schema_url: TextColumn::new(),
            scope_schema_url: TextColumn::new(),
            dropped_attributes_count: Int64Builder::new(),
            resource_dropped_attributes_count: Int64Builder::new(),
            scope_dropped_attributes_count: Int64Builder::new(),
            value_types: TextColumn::new(),
            adjusted_count: Float64Builder::new(),
            attribute_types: String::new(),
            row_types: String::new(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a record. The group's columns wait for [`Self::fill_group`].
    pub(crate) fn push(&mut self, row: &SharedRow<'_, '_>, group: &Group, scratch: &Scratch) {
        self.rows += 1;
        self.date.append_value(row.time.date());
        self.time.push(Some(row.time));
        self.attributes.push(texts(row.attributes, scratch));
        self.dropped_attributes_count.append_option(dropped(row.dropped_attributes_count));
        self.adjusted_count.append_option(row.adjusted_count);

        self.attribute_types.clear();
        write_types(row.attributes, scratch, &mut self.attribute_types);
        let types = RowTypes {
            attributes: &self.attribute_types,
            body: row.body_type,
            metadata: row.metadata_types,
            resource: &group.resource.types,
            scope: &group.scope.types,
        };
        self.row_types.clear();
        types.write(&mut self.row_types);
        if self.row_types.is_empty() {
            self.value_types.push_null();
        } else {
            self.value_types.push_repeating(&self.row_types);
        }
    }

    /// Fills the columns that the rows since the last call have from this group.
    pub(crate) fn fill_group(&mut self, group: &Group) {
        let rows = self.rows - self.group_start;
        self.group_start = self.rows;
        self.service_name.fill(&group.service_name, rows);
        self.resource_attributes.fill(&group.resource.attributes, rows);
        self.scope_attributes.fill(&group.scope.attributes, rows);
        self.scope_name.fill(&group.scope_name, rows);
        self.scope_version.fill(&group.scope_version, rows);
        self.resource_schema_url.fill(&group.resource.schema_url, rows);
        self.scope_schema_url.fill(&group.scope.schema_url, rows);
        fill_dropped(&mut self.resource_dropped_attributes_count, group.resource.dropped_attributes_count, rows);
        fill_dropped(&mut self.scope_dropped_attributes_count, group.scope.dropped_attributes_count, rows);
    }

    /// Finishes the columns, with the request's provenance.
    pub(crate) fn put(mut self, meta: &RequestMeta<'_>, columns: &mut BatchColumns) -> Result<(), ArrowError> {
        let (time, time_nanos) = self.time.finish();
        columns.put("date", Arc::new(self.date.finish()));
        columns.put("time", time);
        columns.put("time_nanos", time_nanos);
        columns.put("service_name", self.service_name.finish());
        columns.put("attributes", self.attributes.finish()?);
        columns.put("resource_attributes", self.resource_attributes.finish()?);
        columns.put("scope_attributes", self.scope_attributes.finish()?);
        columns.put("scope_name", self.scope_name.finish());
        columns.put("scope_version", self.scope_version.finish());
        columns.put("resource_schema_url", self.resource_schema_url.finish());
        columns.put("scope_schema_url", self.scope_schema_url.finish());
        columns.put("dropped_attributes_count", Arc::new(self.dropped_attributes_count.finish()));
        columns.put("resource_dropped_attributes_count", Arc::new(self.resource_dropped_attributes_count.finish()));
        columns.put("scope_dropped_attributes_count", Arc::new(self.scope_dropped_attributes_count.finish()));
        columns.put("value_types", self.value_types.finish());
        columns.put("adjusted_count", Arc::new(self.adjusted_count.finish()));

        let mut ingest_time = TimestampMicrosecondBuilder::with_capacity(self.rows);
        ingest_time.append_value_n(meta.ingest_time, self.rows);
        columns.put("ingest_time", Arc::new(ingest_time.finish().with_timezone("UTC")));
        for (name, text) in [("source", meta.source), ("ingest_principal", meta.principal.unwrap_or_default())] {
            let mut column = TextColumn::new();
            column.fill(text, self.rows);
            columns.put(name, column.finish());
        }
        Ok(())
    }
}

fn fill_dropped(column: &mut Int64Builder, count: u32, rows: usize) {
    match dropped(count) {
        Some(count) => column.append_value_n(count, rows),
        None => column.append_nulls(rows),
    }
}
