//! What happened in a trace besides its spans: logs, exemplars, errors, and what it waited for.

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use futures::StreamExt as _;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::{Map, Value};

use super::lines::{ErrorLine, ExemplarLine, Stretch, rfc3339};
use crate::error::{Error, Result};
use crate::export::{Record, RecordReader};
use crate::model::ids::TraceId;
use crate::server::traces::{Caller, Columns, Traces};

/// The logs of a trace.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// In order of time.
    pub(super) logs: Vec<Log>,
    /// Why other rows are no logs.
    pub(super) problems: Vec<String>,
}

/// A log, and the span it was written in, where that is stored: by the rule of `span_logs`.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) record: Record<LogRecord>,
    pub(super) level: Option<String>,
    pub(super) span: Option<(String, u64)>,
}

/// An exemplar, and the id of the span it was measured in.
#[derive(Debug)]
pub(super) struct Exemplar {
    pub(super) span_id: Option<String>,
    pub(super) service_name: String,
    pub(super) nanos: u64,
    pub(super) line: ExemplarLine,
}

fn asked(id: &TraceId) -> Vec<ScalarValue> {
    vec![ScalarValue::from(id.as_str())]
}

/// The logs.
///
/// # Errors
/// What the query met; `BudgetExceeded` for more than an answer can hold.
pub(super) async fn logs(traces: &Traces, caller: &Caller, id: &TraceId) -> Result<Logs> {
    let mut query = traces.stream(caller, include_str!("logs.sql"), asked(id)).await?;
    let mut room = traces.room();
    let mut reader = RecordReader::default();
    let mut logs = Logs::default();
    while let Some(batch) = query.batches.next().await {
        let batch = batch?;
        tokio::task::block_in_place(|| add_logs(&mut logs, &mut reader, &batch))?;
        room.reach(reader.bytes())?;
    }
    Ok(logs)
}

fn add_logs(logs: &mut Logs, reader: &mut RecordReader, batch: &RecordBatch) -> Result<()> {
    let columns = Columns(batch);
    let (level, service, start) = (columns.text("level")?, columns.text("span_service_name")?, columns.nanos("span_")?);
    for (row, record) in reader.logs(batch)?.into_iter().enumerate() {
        let start = start.is_valid(row).then(|| u64::try_from(start.value(row)).ok()).flatten();
        match record {
            Err(problem) => logs.problems.push(problem),
            Ok(record) => {
                logs.logs.push(Log { record, level: text(&level, row), span: text(&service, row).zip(start) });
            }
        }
    }
    Ok(())
}

/// The exemplars, in order of time.
///
/// # Errors
/// What the query met; `BudgetExceeded` for more than an answer can hold.
pub(super) async fn exemplars(traces: &Traces, caller: &Caller, id: &TraceId) -> Result<Vec<Exemplar>> {
    let mut found = Vec::new();
    for batch in bounded(traces, caller, include_str!("exemplars.sql"), id).await? {
        let columns = Columns(&batch);
        let [metric, kind, unit, span, service] =
            ["metric_name", "metric_type", "unit", "span_id", "service_name"].map(|name| columns.text(name));
        let (metric, kind, unit, span, service) = (metric?, kind?, unit?, span?, service?);
        let (time, value) = (columns.nanos("")?, columns.double("value")?);
        let attributes = attributes(&batch)?;
        for (row, attributes) in attributes.into_iter().enumerate() {
            let nanos = u64::try_from(time.value(row)).unwrap_or_default();
            let service_name = text(&service, row).unwrap_or_default();
            found.push(Exemplar {
                span_id: text(&span, row),
                nanos,
                line: ExemplarLine {
                    time: rfc3339(nanos),
                    offset_ms: None,
                    service_name: service_name.clone(),
                    metric_name: text(&metric, row).unwrap_or_default(),
                    metric_type: text(&kind, row),
                    unit: text(&unit, row),
                    value: value.is_valid(row).then(|| value.value(row)),
                    attributes,
                },
                service_name,
            });
        }
    }
    Ok(found)
}

/// The errors, in order of time.
///
/// # Errors
/// As [`exemplars`].
pub(super) async fn errors(traces: &Traces, caller: &Caller, id: &TraceId) -> Result<Vec<ErrorLine>> {
    let mut found = Vec::new();
    for batch in bounded(traces, caller, include_str!("errors.sql"), id).await? {
        let columns = Columns(&batch);
        let time = columns.nanos("")?;
        let [signal, kind, message, fingerprint, service, span, name] =
            ["signal", "type", "message", "fingerprint", "service_name", "span_id", "name"]
                .map(|name| columns.text(name));
        let (signal, kind, message, fingerprint) = (signal?, kind?, message?, fingerprint?);
        let (service, span, name) = (service?, span?, name?);
        found.extend((0..batch.num_rows()).map(|row| ErrorLine {
            time: rfc3339(u64::try_from(time.value(row)).unwrap_or_default()),
            signal: text(&signal, row).unwrap_or_default(),
            service_name: text(&service, row).unwrap_or_default(),
            span_id: text(&span, row),
            name: text(&name, row),
            error_type: text(&kind, row),
            message: text(&message, row),
            fingerprint: text(&fingerprint, row),
        }));
    }
    Ok(found)
}

/// The critical path, in order of time.
///
/// # Errors
/// As [`exemplars`].
pub(super) async fn path(traces: &Traces, caller: &Caller, id: &TraceId) -> Result<Vec<Stretch>> {
    let mut found = Vec::new();
    for batch in bounded(traces, caller, include_str!("path.sql"), id).await? {
        let columns = Columns(&batch);
        let (span, service, name) = (columns.text("span_id")?, columns.text("service_name")?, columns.text("name")?);
        let [offset, duration, share] = ["offset_ms", "duration_ms", "share"].map(|name| columns.double(name));
        let (offset, duration, share) = (offset?, duration?, share?);
        found.extend((0..batch.num_rows()).map(|row| Stretch {
            offset_ms: offset.value(row),
            duration_ms: duration.value(row),
            share: share.is_valid(row).then(|| share.value(row)),
            span_id: text(&span, row),
            service_name: text(&service, row).unwrap_or_default(),
            name: text(&name, row).unwrap_or_default(),
        }));
    }
    Ok(found)
}

/// The rows of a query, as many as an answer can hold.
async fn bounded(traces: &Traces, caller: &Caller, sql: &str, id: &TraceId) -> Result<Vec<RecordBatch>> {
    let mut query = traces.stream(caller, sql, asked(id)).await?;
    let mut room = traces.room();
    let mut batches = Vec::new();
    let mut bytes = 0;
    while let Some(batch) = query.batches.next().await {
        let batch = batch?;
        bytes += batch.get_array_memory_size();
        room.reach(bytes)?;
        batches.push(batch);
    }
    Ok(batches)
}

fn text(column: &StringViewArray, row: usize) -> Option<String> {
    column.is_valid(row).then(|| column.value(row).to_owned())
}

/// The column `attributes`, whose values are texts.
fn attributes(batch: &RecordBatch) -> Result<Vec<Map<String, Value>>> {
    let column = batch.column_by_name("attributes").and_then(|column| column.as_map_opt());
    let map = column.ok_or_else(|| Error::internal("`attributes` is no map"))?;
    let texts = |array| {
        let array = cast(array, &DataType::Utf8View);
        array.map_err(|error| Error::internal("`attributes` are no texts").with_source(error))
    };
    let (keys, values) = (texts(map.keys())?, texts(map.values())?);
    let (keys, values) = (keys.as_string_view(), values.as_string_view());
    let entries = |row: usize| {
        let offsets = map.value_offsets();
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        range.map(|at| (keys.value(at).to_owned(), text(values, at).map_or(Value::Null, Value::from))).collect()
    };
    Ok((0..map.len()).map(|row| if map.is_valid(row) { entries(row) } else { Map::new() }).collect())
}
