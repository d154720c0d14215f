//! Rows of `spans` and `logs` as single records, each with its resource and its scope, for answers that show them one
//! by one; and such spans as one OTLP message.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::columns::{Checked, Fields};
use super::groups::{GroupColumns, Item, ResourceGroup, ScopeGroup};
use super::logs::LogColumns;
use super::requests::{Request, SignalColumns};
use super::spans::SpanColumns;
use super::values::{TypeReader, Types};
use crate::error::Result;

/// A record as it was sent, and what it was sent with. Equal resources and scopes of one reader are one.
#[derive(Debug, Clone)]
pub(crate) struct Record<R> {
    pub(crate) service_name: String,
    pub(crate) resource: Arc<OfSchema<Resource>>,
    pub(crate) scope: Arc<OfSchema<InstrumentationScope>>,
    pub(crate) record: R,
}

/// A resource or scope, and the semantic conventions it follows.
#[derive(Debug)]
pub(crate) struct OfSchema<T> {
    pub(crate) value: T,
    pub(crate) schema_url: String,
}

/// A row as a record, or why OTLP can't hold it.
pub(crate) type Read<R> = std::result::Result<Record<R>, String>;

/// Reads rows; what it has read counts in [`bytes`](Self::bytes).
#[derive(Debug, Default)]
pub(crate) struct RecordReader {
    types: TypeReader,
    resources: HashMap<Vec<u8>, Arc<OfSchema<Resource>>>,
    scopes: HashMap<Vec<u8>, Arc<OfSchema<InstrumentationScope>>>,
    bytes: usize,
}

impl RecordReader {
    /// Rows of `spans`. CPU work.
    ///
    /// # Errors
    /// `Invalid` for a column of another type than the table has.
    pub(crate) fn spans(&mut self, batch: &RecordBatch) -> Result<Vec<Read<Span>>> {
        self.read::<SpanColumns>(batch)
    }

    /// Rows of `logs`. CPU work.
    ///
    /// # Errors
    /// As [`spans`](Self::spans).
    pub(crate) fn logs(&mut self, batch: &RecordBatch) -> Result<Vec<Read<LogRecord>>> {
        self.read::<LogColumns>(batch)
    }

    /// Bytes of all records read, as protobuf.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn read<C: SignalColumns>(&mut self, batch: &RecordBatch) -> Result<Vec<Read<<C::Item as Item>::Record>>> {
        let fields = Fields::of_batch(batch);
        let (columns, groups) = (C::of(fields)?, GroupColumns::of(fields)?);
        let (value_types, service_name) = (fields.text("value_types")?, fields.text("service_name")?);
        let mut record = |row: usize| {
            let types = self.types.read(&value_types, row)?;
            let item = columns.item(row, &types)?;
            self.bytes += item.size();
            Ok(Record {
                service_name: service_name.owned(row),
                resource: self.resource(&groups, row, &types)?,
                scope: self.scope(&groups, row, &types)?,
                record: item.into_record(),
            })
        };
        Ok((0..batch.num_rows()).map(&mut record).collect())
    }

    fn resource(&mut self, groups: &GroupColumns, row: usize, types: &Types) -> Checked<Arc<OfSchema<Resource>>> {
        let mut key = Vec::new();
        groups.push_resource_key(&mut key, row, types);
        if let Some(known) = self.resources.get(&key) {
            return Ok(Arc::clone(known));
        }
        let value = groups.resource(row, types)?;
        self.bytes += key.len() + value.encoded_len();
        let new = Arc::new(OfSchema { value, schema_url: groups.resource_schema_url.owned(row) });
        self.resources.insert(key, Arc::clone(&new));
        Ok(new)
    }

    fn scope(
        &mut self,
        groups: &GroupColumns,
        row: usize,
        types: &Types,
    ) -> Checked<Arc<OfSchema<InstrumentationScope>>> {
        let mut key = Vec::new();
        groups.push_scope_key(&mut key, row, types);
        if let Some(known) = self.scopes.get(&key) {
            return Ok(Arc::clone(known));
        }
        let value = groups.scope(row, types)?;
        self.bytes += key.len() + value.encoded_len();
        let new = Arc::new(OfSchema { value, schema_url: groups.scope_schema_url.owned(row) });
        self.scopes.insert(key, Arc::clone(&new));
        Ok(new)
    }
}

impl Request {
    /// Spans of one reader under their resources and scopes, in the order they come.
    pub(crate) fn of_spans(spans: impl IntoIterator<Item = Record<Span>>) -> Self {
        let mut groups: Vec<ResourceGroup<Span>> = Vec::new();
        let mut resources: HashMap<usize, usize> = HashMap::new();
        let mut scopes: HashMap<(usize, usize), usize> = HashMap::new();
        let mut records = 0;
        for span in spans {
            records += 1;
            // Each is one in its reader, so its address tells it from others.
            let (resource, scope) = (Arc::as_ptr(&span.resource).addr(), Arc::as_ptr(&span.scope).addr());
            let at = *resources.entry(resource).or_insert_with(|| {
                let OfSchema { value, schema_url } = &*span.resource;
                groups.push(ResourceGroup { resource: value.clone(), schema_url: schema_url.clone(), scopes: vec![] });
                groups.len() - 1
            });
            let group = &mut groups[at];
            let scope_at = *scopes.entry((resource, scope)).or_insert_with(|| {
                let OfSchema { value, schema_url } = &*span.scope;
                group.scopes.push(ScopeGroup { scope: value.clone(), schema_url: schema_url.clone(), records: vec![] });
                group.scopes.len() - 1
            });
            group.scopes[scope_at].records.push(span.record);
        }
        Self::spans(records, groups)
    }
}
