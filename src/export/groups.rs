//! Records under their resource and scope, points under their metric, as a request has them.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::columns::{Checked, Fields, Longs, Text, TextMap};
use super::values::{MapTypes, Types};
use crate::error::Result;

/// Tag and length around a message, at most.
const FRAME_BYTES: usize = 6;

/// What a row is under its scope: a record, or a part of one.
pub(super) trait Item: Sized {
    type Record;

    /// Its bytes as protobuf.
    fn size(&self) -> usize;

    /// Appends what tells its record from others in the scope; `false` where it is a record of its own.
    fn joins(&self, _key: &mut Vec<u8>) -> bool {
        false
    }

    /// Becomes a part of its record.
    fn join(self, _record: &mut Self::Record) {}

    /// Becomes a record.
    fn into_record(self) -> Self::Record;
}

/// `ResourceLogs`, `ResourceSpans`, `ResourceMetrics`.
#[derive(Debug)]
pub(super) struct ResourceGroup<R> {
    pub(super) resource: Resource,
    pub(super) schema_url: String,
    pub(super) scopes: Vec<ScopeGroup<R>>,
}

/// `ScopeLogs`, `ScopeSpans`, `ScopeMetrics`.
#[derive(Debug)]
pub(super) struct ScopeGroup<R> {
    pub(super) scope: InstrumentationScope,
    pub(super) schema_url: String,
    pub(super) records: Vec<R>,
}

/// The columns that a row has from its resource and its scope.
#[derive(Debug)]
pub(super) struct GroupColumns {
    resource_attributes: TextMap,
    pub(super) resource_schema_url: Text,
    resource_dropped_attributes_count: Longs,
    scope_name: Text,
    scope_version: Text,
    scope_attributes: TextMap,
    pub(super) scope_schema_url: Text,
    scope_dropped_attributes_count: Longs,
}

/// A request being gathered.
#[derive(Debug)]
pub(super) struct Groups<R> {
    pub(super) resources: Vec<ResourceGroup<R>>,
    /// Places in `resources`.
    known_resources: HashMap<Vec<u8>, usize>,
    /// Places in the `scopes` of the resource that the key begins with.
    known_scopes: HashMap<Vec<u8>, usize>,
    /// Places in the `records` of the resource and scope that the key begins with.
    known_records: HashMap<Vec<u8>, usize>,
    /// Rows gathered.
    pub(super) items: usize,
    /// Their bytes as protobuf, a little more than less.
    pub(super) bytes: usize,
}

impl<R> Default for Groups<R> {
    fn default() -> Self {
        Self {
            resources: Vec::new(),
            known_resources: HashMap::new(),
            known_scopes: HashMap::new(),
            known_records: HashMap::new(),
            items: 0,
            bytes: 0,
        }
    }
}

impl<R> Groups<R> {
    /// Puts an item where it belongs. A problem leaves everything as it was.
    pub(super) fn add<I: Item<Record = R>>(
        &mut self,
        columns: &GroupColumns,
        row: usize,
        types: &Types,
        item: I,
    ) -> Checked<()> {
        let (resource, scope) = self.place(columns, row, types)?;
        self.items += 1;
        self.bytes += item.size() + FRAME_BYTES;
        let records = &mut self.resources[resource].scopes[scope].records;
        let mut key = Vec::new();
        push_place(&mut key, resource);
        push_place(&mut key, scope);
        if !item.joins(&mut key) {
            records.push(item.into_record());
        } else if let Some(at) = self.known_records.get(&key) {
            item.join(&mut records[*at]);
        } else {
            self.bytes += key.len();
            self.known_records.insert(key, records.len());
            records.push(item.into_record());
        }
        Ok(())
    }

    /// Where the row's resource and scope are, made where they are new.
    fn place(&mut self, columns: &GroupColumns, row: usize, types: &Types) -> Checked<(usize, usize)> {
        let mut resource_key = Vec::new();
        columns.push_resource_key(&mut resource_key, row, types);
        let known_resource = self.known_resources.get(&resource_key).copied();
        let resource_at = known_resource.unwrap_or(self.resources.len());
        let mut scope_key = Vec::new();
        push_place(&mut scope_key, resource_at);
        columns.push_scope_key(&mut scope_key, row, types);
        if let Some(scope_at) = self.known_scopes.get(&scope_key) {
            return Ok((resource_at, *scope_at));
        }

        let scope = columns.scope(row, types)?;
        if known_resource.is_none() {
            let resource = columns.resource(row, types)?;
            let schema_url = columns.resource_schema_url.owned(row);
            self.bytes += resource.encoded_len() + schema_url.len() + 3 * FRAME_BYTES;
            self.resources.push(ResourceGroup { resource, schema_url, scopes: Vec::new() });
            self.known_resources.insert(resource_key, resource_at);
        }
        let schema_url = columns.scope_schema_url.owned(row);
        self.bytes += scope.encoded_len() + schema_url.len() + 3 * FRAME_BYTES;
        let scopes = &mut self.resources[resource_at].scopes;
        let scope_at = scopes.len();
        scopes.push(ScopeGroup { scope, schema_url, records: Vec::new() });
        self.known_scopes.insert(scope_key, scope_at);
        Ok((resource_at, scope_at))
    }
}

impl GroupColumns {
    pub(super) fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            resource_attributes: fields.map("resource_attributes")?,
            resource_schema_url: fields.text("resource_schema_url")?,
            resource_dropped_attributes_count: fields.numbers("resource_dropped_attributes_count")?,
            scope_name: fields.text("scope_name")?,
            scope_version: fields.text("scope_version")?,
            scope_attributes: fields.map("scope_attributes")?,
            scope_schema_url: fields.text("scope_schema_url")?,
            scope_dropped_attributes_count: fields.numbers("scope_dropped_attributes_count")?,
        })
    }

    pub(super) fn push_resource_key(&self, key: &mut Vec<u8>, row: usize, types: &Types) {
        push_attributes(key, &self.resource_attributes, row, &types.resource);
        push_text(key, self.resource_schema_url.get(row).unwrap_or_default());
        key.extend(self.resource_dropped_attributes_count.get(row).unwrap_or_default().to_le_bytes());
    }

    pub(super) fn push_scope_key(&self, key: &mut Vec<u8>, row: usize, types: &Types) {
        push_attributes(key, &self.scope_attributes, row, &types.scope);
        for text in [&self.scope_name, &self.scope_version, &self.scope_schema_url] {
            push_text(key, text.get(row).unwrap_or_default());
        }
        key.extend(self.scope_dropped_attributes_count.get(row).unwrap_or_default().to_le_bytes());
    }

    pub(super) fn resource(&self, row: usize, types: &Types) -> Checked<Resource> {
        Ok(Resource {
            attributes: self.resource_attributes.attributes(row, &types.resource)?,
            dropped_attributes_count: self.resource_dropped_attributes_count.count(row)?,
            entity_refs: Vec::new(),
        })
    }

    pub(super) fn scope(&self, row: usize, types: &Types) -> Checked<InstrumentationScope> {
        Ok(InstrumentationScope {
            name: self.scope_name.owned(row),
            version: self.scope_version.owned(row),
            attributes: self.scope_attributes.attributes(row, &types.scope)?,
            dropped_attributes_count: self.scope_dropped_attributes_count.count(row)?,
        })
    }
}

/// Appends text behind its length, so that no two sequences of texts give the same bytes.
pub(super) fn push_text(key: &mut Vec<u8>, text: &str) {
    push_place(key, text.len());
    key.extend(text.as_bytes());
}

fn push_place(key: &mut Vec<u8>, place: usize) {
    key.extend(place.to_le_bytes());
}

fn push_attributes(key: &mut Vec<u8>, map: &TextMap, row: usize, types: &MapTypes) {
    let entries = map.typed(row, types);
    push_place(key, entries.len());
    for (name, text, value_type) in entries {
        push_text(key, name);
        key.push(if text.is_some() { value_type.letter() as u8 } else { 0 });
        push_text(key, text.unwrap_or_default());
    }
}
