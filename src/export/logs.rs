//! Rows of `logs` to log records.

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;

use super::columns::{Checked, Doubles, Fields, Ints, Longs, Text, TextMap, Time};
use super::groups::Item;
use super::requests::{Lost, SignalColumns};
use super::values::{Types, any_value};
use crate::error::Result;

/// The columns of a record's own.
#[derive(Debug)]
pub(super) struct LogColumns {
    time: Time,
    observed_time: Time,
    severity_number: Ints,
    severity_text: Text,
    body: Text,
    event_name: Text,
    trace_id: Text,
    span_id: Text,
    flags: Longs,
    attributes: TextMap,
    dropped_attributes_count: Longs,
    adjusted_count: Doubles,
}

impl SignalColumns for LogColumns {
    type Item = LogRecord;

    fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            time: fields.time("time", "time_nanos")?,
            observed_time: fields.time("observed_time", "observed_time_nanos")?,
            severity_number: fields.numbers("severity_number")?,
            severity_text: fields.text("severity_text")?,
            body: fields.text("body")?,
            event_name: fields.text("event_name")?,
            trace_id: fields.text("trace_id")?,
            span_id: fields.text("span_id")?,
            flags: fields.numbers("flags")?,
            attributes: fields.map("attributes")?,
            dropped_attributes_count: fields.numbers("dropped_attributes_count")?,
            adjusted_count: fields.numbers("adjusted_count")?,
        })
    }

    fn item(&self, row: usize, types: &Types) -> Checked<LogRecord> {
        let body = self.body.get(row).map(|text| any_value(Some(text), types.body.0)).transpose();
        Ok(LogRecord {
            time_unix_nano: self.time.record_nanos(row)?,
            observed_time_unix_nano: self.observed_time.nanos(row)?,
            severity_number: self.severity_number.get(row).unwrap_or_default(),
            severity_text: self.severity_text.owned(row),
            body: body.map_err(|problem| format!("`body`: {problem}"))?,
            attributes: self.attributes.attributes(row, &types.attributes)?,
            dropped_attributes_count: self.dropped_attributes_count.count(row)?,
            flags: self.flags.count(row)?,
            trace_id: self.trace_id.id::<16>(row)?,
            span_id: self.span_id.id::<8>(row)?,
            event_name: self.event_name.owned(row),
        })
    }

    fn lost(&self, row: usize) -> Lost {
        Lost { adjusted_count: self.adjusted_count.get(row).is_some(), resolution: false }
    }
}

impl Item for LogRecord {
    type Record = Self;

    fn size(&self) -> usize {
        self.encoded_len()
    }

    fn into_record(self) -> Self {
        self
    }
}
