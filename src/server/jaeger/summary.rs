//! What the newest UI lists of each trace that it finds (`TraceSummary` of Jaeger's API v3).

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::{Array, RecordBatch};
use futures::StreamExt as _;
use serde::Serialize;

use crate::error::Result;
use crate::model::ids::TraceId;
use crate::server::traces::{AnswerRoom, Caller, Columns, Traces, with_ids};

/// A trace in a list. Times are nanoseconds, as strings.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    trace_id: String,
    root_service_name: String,
    root_operation_name: String,
    min_start_time_unix_nano: String,
    max_end_time_unix_nano: String,
    span_count: usize,
    error_span_count: usize,
    orphan_span_count: usize,
    services: Vec<ServiceSummary>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSummary {
    name: String,
    span_count: usize,
    error_span_count: usize,
}

/// What is known of a trace so far.
#[derive(Debug, Default)]
struct Tally {
    ids: HashSet<String>,
    parents: Vec<String>,
    /// Start, service and name of the earliest span without a parent.
    root: Option<(i64, String, String)>,
    start: Option<i64>,
    end: Option<i64>,
    services: BTreeMap<String, (usize, usize)>,
}

/// The summaries of these traces, in the order of the ids.
///
/// # Errors
/// What the query met.
pub(super) async fn summaries(
    traces: &Traces,
    caller: &Caller,
    ids: &[TraceId],
    room: &mut AnswerRoom,
) -> Result<Vec<Summary>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let (sql, params) = with_ids(include_str!("summary.sql"), ids);
    let mut query = traces.stream(caller, &sql, params).await?;
    let mut tallies: HashMap<String, Tally> = HashMap::new();
    let mut bytes = 0;
    while let Some(batch) = query.batches.next().await {
        let batch = batch?;
        // The ids of a span, and what keeps them.
        bytes += 100 * batch.num_rows();
        room.reach(bytes)?;
        tokio::task::block_in_place(|| add(&mut tallies, &batch))?;
    }
    Ok(ids.iter().filter_map(|id| Some(tallies.remove(id.as_str())?.summary(id))).collect())
}

fn add(tallies: &mut HashMap<String, Tally>, batch: &RecordBatch) -> Result<()> {
    let columns = Columns(batch);
    let [trace, id, parent, service, name, status] =
        ["trace_id", "span_id", "parent_span_id", "service_name", "name", "status_code"].map(|name| columns.text(name));
    let (trace, id, parent) = (trace?, id?, parent?);
    let (service, name, status) = (service?, name?, status?);
    let (starts, durations) = (columns.nanos("")?, columns.long("duration_nano")?);
    for row in 0..batch.num_rows() {
        let text = |column: &arrow::array::StringViewArray| column.is_valid(row).then(|| column.value(row).to_owned());
        let start = if starts.is_valid(row) { starts.value(row) } else { 0 };
        let duration = if durations.is_valid(row) { durations.value(row).max(0) } else { 0 };
        let tally = tallies.entry(trace.value(row).to_owned()).or_default();
        let service = text(&service).unwrap_or_default();
        match text(&parent) {
            Some(parent) => tally.parents.push(parent),
            None if tally.root.as_ref().is_none_or(|(earliest, ..)| start < *earliest) => {
                tally.root = Some((start, service.clone(), text(&name).unwrap_or_default()));
            }
            None => {}
        }
        tally.ids.extend(text(&id));
        tally.start = Some(tally.start.map_or(start, |earliest| earliest.min(start)));
        let end = start.saturating_add(duration);
        tally.end = Some(tally.end.map_or(end, |latest| latest.max(end)));
        let (spans, errors) = tally.services.entry(service).or_default();
        *spans += 1;
        *errors += usize::from(status.is_valid(row) && status.value(row) == "ERROR");
    }
    Ok(())
}

impl Tally {
    fn summary(self, id: &TraceId) -> Summary {
        let (_, root_service_name, root_operation_name) = self.root.unwrap_or_default();
        let service = |(name, (span_count, error_span_count))| ServiceSummary { name, span_count, error_span_count };
        Summary {
            trace_id: id.to_string(),
            root_service_name,
            root_operation_name,
            min_start_time_unix_nano: self.start.unwrap_or_default().to_string(),
            max_end_time_unix_nano: self.end.unwrap_or_default().to_string(),
            span_count: self.services.values().map(|(spans, _)| spans).sum(),
            error_span_count: self.services.values().map(|(_, errors)| errors).sum(),
            orphan_span_count: self.parents.iter().filter(|parent| !self.ids.contains(*parent)).count(),
            services: self.services.into_iter().map(service).collect(),
        }
    }
}
