//! Which rows of a table a request means.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

use super::request::EraseWhat;
use crate::erasure::{Finder, rows_with};
use crate::error::{Error, Result};
use crate::model::contract::columns;
use crate::model::promoted::Promoted;
use crate::model::schema::contract_schema;
use crate::model::signal::Signal;
use crate::query::{RowFilter, RowFilters};

/// The column of the logs' and spans' trace ids.
const TRACE_ID: &str = "trace_id";

/// Text that no person has written and no value can hide in: ids, names out of fixed sets, and what follows from the maps'
/// keys.
const NOT_FREE: [&str; 9] = [
    TRACE_ID,
    "span_id",
    "parent_span_id",
    "value_types",
    "kind",
    "status_code",
    "metric_type",
    "temporality",
    "resolution",
];

/// Trace ids as numbers.
pub(super) type Traces = HashSet<u128>;

/// Which rows of one table are meant.
#[derive(Debug, Clone)]
pub(super) struct Target {
    signal: Signal,
    matcher: Matcher,
    /// Every row of these traces too.
    traces: Option<Arc<Traces>>,
}

#[derive(Debug, Clone)]
enum Matcher {
    Attribute(Arc<Wanted>),
    Where(RowFilter),
    /// No row by itself: the table has rows of traces that others match.
    Nothing,
}

/// An attribute's value, and how it may be written in text.
struct Wanted {
    key: String,
    value: String,
    /// Empty where text is not looked at.
    spellings: Vec<String>,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Target {
    /// The rows of a table that match; `None` where the request is not about this table.
    ///
    /// # Errors
    /// `Invalid` where the condition does not fit the table.
    pub(super) fn new(
        what: &EraseWhat,
        signal: Signal,
        promoted: &[Promoted],
        filters: &RowFilters,
    ) -> Result<Option<Self>> {
        let matcher = match what {
            EraseWhat::Attribute { key, value, also_body } => {
                let value = value.expose().to_owned();
                let spellings = if *also_body { spellings(&value)? } else { Vec::new() };
                Matcher::Attribute(Arc::new(Wanted { key: key.clone(), value, spellings }))
            }
            EraseWhat::Where { table: Some(table), .. } if *table != signal => return Ok(None),
            EraseWhat::Where { condition, .. } => {
                Matcher::Where(filters.filter(signal, promoted, condition.expose())?)
            }
        };
        Ok(Some(Self { signal, matcher, traces: None }))
    }

    /// No row of a table, but for what belongs to traces.
    pub(super) const fn nothing(signal: Signal) -> Self {
        Self { signal, matcher: Matcher::Nothing, traces: None }
    }

    /// The same, and every row of these traces, where the table has rows of traces.
    pub(super) fn with_traces(&self, traces: &Arc<Traces>) -> Self {
        let traces = has_traces(self.signal).then(|| Arc::clone(traces));
        Self { traces, ..self.clone() }
    }

    /// Whether a column must be read to know.
    pub(super) fn reads(&self, column: &str) -> bool {
        if column == TRACE_ID && has_traces(self.signal) {
            return true;
        }
        match &self.matcher {
            // What it looks at, planning has forgotten.
            Matcher::Where(_) => true,
            Matcher::Nothing => false,
            Matcher::Attribute(wanted) => {
                let schema = contract_schema(self.signal);
                let data_type = schema.field_with_name(column).map(|field| field.data_type().clone());
                match data_type {
                    Ok(DataType::Map(..) | DataType::List(_)) => true,
                    Ok(DataType::Utf8View) => wanted.reads_text_of(column),
                    _ => false,
                }
            }
        }
    }

    /// The rows that are meant; `None` where none is. The batch has the columns that this [reads](Self::reads).
    pub(super) fn hits(&self, batch: &RecordBatch) -> Result<Option<Vec<bool>>> {
        let mut hits = match &self.matcher {
            Matcher::Attribute(wanted) => rows_with(batch, &mut &**wanted),
            Matcher::Nothing => None,
            Matcher::Where(filter) => {
                let matches = filter.matches(batch)?;
                (matches.true_count() > 0).then(|| matches.values().iter().collect())
            }
        };
        if let Some(traces) = &self.traces {
            for (row, trace) in trace_ids(batch)?.enumerate() {
                if trace.is_some_and(|trace| traces.contains(&trace)) {
                    let hits = hits.get_or_insert_with(|| vec![false; batch.num_rows()]);
                    hits[row] = true;
                }
            }
        }
        Ok(hits)
    }

    /// The traces of rows that match.
    pub(super) fn traces_of(&self, batch: &RecordBatch) -> Result<Traces> {
        let Some(hits) = self.hits(batch)?.filter(|_| has_traces(self.signal)) else { return Ok(Traces::new()) };
        let traces = trace_ids(batch)?.zip(hits).filter(|(_, is_hit)| *is_hit).filter_map(|(trace, _)| trace);
        Ok(traces.collect())
    }

    /// The value whose statistics may be in the log; `None` where a condition was asked.
    pub(super) fn value(&self) -> Option<&str> {
        match &self.matcher {
            Matcher::Attribute(wanted) => Some(&wanted.value),
            Matcher::Where(_) | Matcher::Nothing => None,
        }
    }
}

impl Finder for &Wanted {
    fn entry(&mut self, key: &str, value: &str) -> bool {
        key == self.key && value == self.value || self.is_in(value) || self.is_in(key)
    }

    fn reads_text_of(&self, name: &str) -> bool {
        !self.spellings.is_empty() && !NOT_FREE.contains(&name) && !is_provenance(name)
    }

    fn text(&mut self, text: &str) -> bool {
        self.is_in(text)
    }
}

impl Wanted {
    fn is_in(&self, text: &str) -> bool {
        self.spellings.iter().any(|spelling| text.contains(spelling.as_str()))
    }

    fn reads_text_of(&self, name: &str) -> bool {
        Finder::reads_text_of(&self, name)
    }
}

/// As it is, and as JSON writes it inside of a value that is no plain text.
fn spellings(value: &str) -> Result<Vec<String>> {
    let json = serde_json::to_string(value).map_err(|error| Error::internal("no JSON of a text").with_source(error))?;
    let escaped = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
    let mut spellings = vec![value.to_owned()];
    if !escaped.is_empty() && escaped != value {
        spellings.push(escaped);
    }
    Ok(spellings)
}

fn is_provenance(name: &str) -> bool {
    columns(Signal::Logs).any(|column| column.provenance && column.name == name)
}

/// Whether a table's rows are of traces.
pub(super) const fn has_traces(signal: Signal) -> bool {
    matches!(signal, Signal::Logs | Signal::Spans)
}

/// Each row's trace id, as a number.
fn trace_ids(batch: &RecordBatch) -> Result<impl Iterator<Item = Option<u128>> + '_> {
    let ids = batch.column_by_name(TRACE_ID).and_then(|column| column.as_string_view_opt());
    let ids = ids.ok_or_else(|| Error::internal("rows without their trace ids"))?;
    debug_assert_eq!(ids.len(), batch.num_rows());
    Ok(ids.iter().map(|id| u128::from_str_radix(id?, 16).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::erasure::SecretValue;
    use crate::model::signal::Encoding;
    use crate::otlp::{RequestMeta, decode};
    use crate::query::SqlObjects;
    use serde_json::{Value, json};

    fn logs(records: &[Value]) -> RecordBatch {
        let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }).to_string();
        let meta = RequestMeta { ingest_time: 1 << 60, latest_time: 1 << 60, source: "u42", principal: Some("u42") };
        decode(Signal::Logs, Encoding::Json, body.as_bytes(), &meta).unwrap().batch
    }

    fn target(what: &EraseWhat) -> Result<Option<Target>> {
        let config = crate::config::Config::from_layers(&crate::config::Layers::load(None, |_| None).unwrap()).unwrap();
        let filters = RowFilters::new(&config.query, Arc::new(SqlObjects::built_in().unwrap())).unwrap();
        Target::new(what, Signal::Logs, &config.ingest.promoted, &filters)
    }

    fn attribute(value: &str, also_body: bool) -> EraseWhat {
        EraseWhat::Attribute { key: "user.id".to_owned(), value: SecretValue::new(value.to_owned()), also_body }
    }

    fn record(trace: u64, body: &Value, attributes: &[(&str, Value)]) -> Value {
        let attributes: Vec<Value> =
            attributes.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        json!({ "traceId": format!("{trace:032x}"), "spanId": "00f067aa0ba902b7", "body": body, "attributes": attributes })
    }

    fn text(text: &str) -> Value {
        json!({ "stringValue": text })
    }

    #[test]
    fn text_is_searched_only_where_that_was_asked_for_and_also_as_json_writes_it() {
        let odd = "o'\"u\\42";
        let records = [
            record(1, &text("plain"), &[("user.id", text(odd))]),
            record(2, &text(&format!("hello {odd}!")), &[]),
            record(3, &json!({ "kvlistValue": { "values": [{ "key": "who", "value": text(odd) }] } }), &[]),
            record(4, &text("plain"), &[("list", json!({ "arrayValue": { "values": [text(odd)] } }))]),
            record(5, &text("plain"), &[("user.id", text("another"))]),
        ];
        let batch = logs(&records);
        let exact = target(&attribute(odd, false)).unwrap().unwrap();
        assert_eq!(exact.hits(&batch).unwrap().unwrap(), [true, false, false, false, false]);
        assert!(exact.reads("attributes") && exact.reads("trace_id") && !exact.reads("body"));
        let anywhere = target(&attribute(odd, true)).unwrap().unwrap();
        assert_eq!(anywhere.hits(&batch).unwrap().unwrap(), [true, true, true, true, false]);
        assert!(anywhere.reads("body") && !anywhere.reads("span_id") && !anywhere.reads("source"));
        let provenance = target(&attribute("u42", true)).unwrap().unwrap();
        assert_eq!(provenance.hits(&logs(&records[4..])).unwrap(), None, "who sent it is not what it says");
    }

    #[test]
    fn a_trace_goes_with_the_rows_that_match() {
        let records = [
            record(7, &text("plain"), &[("user.id", text("u42"))]),
            record(7, &text("plain"), &[]),
            record(8, &text("plain"), &[]),
        ];
        let batch = logs(&records);
        let own = target(&attribute("u42", false)).unwrap().unwrap();
        let traces = Arc::new(own.traces_of(&batch).unwrap());
        assert_eq!(*traces, Traces::from([7]));
        assert_eq!(own.with_traces(&traces).hits(&batch).unwrap().unwrap(), [true, true, false]);
    }

    #[test]
    fn a_condition_is_asked_or_refused_by_the_table() {
        let condition = |text: &str, table| EraseWhat::Where { condition: SecretValue::new(text.to_owned()), table };
        let batch = logs(&[record(7, &text("one"), &[]), record(8, &text("two"), &[])]);
        let fits = target(&condition("body = 'two'", None)).unwrap().unwrap();
        assert_eq!(fits.hits(&batch).unwrap().unwrap(), [false, true]);
        assert!(target(&condition("duration_nano > 5", None)).is_err());
        assert!(target(&condition("body = 'two'", Some(Signal::Spans))).unwrap().is_none());
    }
}
