//! Every span of some traces.

use std::collections::HashMap;

use datafusion::common::ScalarValue;
use futures::StreamExt as _;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::{AnswerRoom, Caller, Columns, Traces};
use crate::error::Result;
use crate::export::{Record, RecordReader};
use crate::model::ids::TraceId;

/// A trace.
#[derive(Debug)]
pub(in crate::server) struct Trace {
    pub(in crate::server) id: TraceId,
    /// Its spans by their start; of duplicates one, the longest.
    pub(in crate::server) spans: Vec<Record<Span>>,
    /// Why other rows of it are no spans.
    pub(in crate::server) problems: Vec<String>,
}

impl Traces {
    /// The traces with these ids that have a span, in the order of the ids.
    ///
    /// # Errors
    /// What the query met; `BudgetExceeded` for more than an answer can hold.
    pub(in crate::server) async fn whole(
        &self,
        caller: &Caller,
        ids: &[TraceId],
        room: &mut AnswerRoom,
    ) -> Result<Vec<Trace>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (sql, params) = with_ids(include_str!("whole.sql"), ids);
        let mut query = self.stream(caller, &sql, params).await?;
        let mut reader = RecordReader::default();
        let asked: HashMap<&str, &TraceId> = ids.iter().map(|id| (id.as_str(), id)).collect();
        let mut traces: HashMap<&TraceId, Trace> = HashMap::new();
        while let Some(batch) = query.batches.next().await {
            let batch = batch?;
            let of_rows = Columns(&batch).text("trace_id")?;
            let spans = tokio::task::block_in_place(|| reader.spans(&batch))?;
            room.reach(reader.bytes())?;
            for (id, span) in of_rows.iter().flatten().zip(spans) {
                let Some(id) = asked.get(id).copied() else { continue };
                let new = || Trace { id: id.clone(), spans: Vec::new(), problems: Vec::new() };
                let trace = traces.entry(id).or_insert_with(new);
                match span {
                    Ok(span) => trace.spans.push(span),
                    Err(problem) => trace.problems.push(problem),
                }
            }
        }
        Ok(ids.iter().filter_map(|id| traces.remove(id)).collect())
    }
}

/// A query that says `{ids}` with a parameter for each id.
pub(in crate::server) fn with_ids(sql: &str, ids: &[TraceId]) -> (String, Vec<ScalarValue>) {
    let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
    let params = ids.iter().map(|id| ScalarValue::from(id.as_str())).collect();
    (sql.replace("{ids}", &places.join(", ")), params)
}
