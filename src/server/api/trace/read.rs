//! What is stored of a trace.

use arrow::array::{Array, RecordBatch};
use datafusion::common::ScalarValue;
use futures::StreamExt as _;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::error::Result;
use crate::export::{Record, RecordReader};
use crate::model::ids::{TraceId, hex};
use crate::server::traces::{AnswerRoom, Caller, Columns, Traces};

/// The spans of a trace.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// In the order of their tree.
    pub(super) nodes: Vec<Node>,
    /// Why other rows are no spans.
    pub(super) problems: Vec<String>,
}

/// A span, and where it is in its tree: `trace_tree` says what each means.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) record: Record<Span>,
    pub(super) kind: String,
    pub(super) status_code: String,
    pub(super) adjusted_count: Option<f64>,
    pub(super) depth: i64,
    pub(super) orphan: bool,
    pub(super) offset_ms: Option<f64>,
    pub(super) duration_ms: Option<f64>,
    pub(super) self_ms: Option<f64>,
    pub(super) share: Option<f64>,
    pub(super) subtree_errors: i64,
    pub(super) child_count: i64,
}

impl Node {
    /// Its digits, none where the span has no id.
    pub(super) fn span_id(&self) -> String {
        hex(&self.record.record.span_id)
    }
}

/// The spans.
///
/// # Errors
/// What the query met; `BudgetExceeded` for more than an answer can hold.
pub(super) async fn spans(traces: &Traces, caller: &Caller, id: &TraceId, room: &mut AnswerRoom) -> Result<Spans> {
    let mut query = traces.stream(caller, include_str!("tree.sql"), vec![ScalarValue::from(id.as_str())]).await?;
    let mut reader = RecordReader::default();
    let mut spans = Spans::default();
    while let Some(batch) = query.batches.next().await {
        let batch = batch?;
        tokio::task::block_in_place(|| add(&mut spans, &mut reader, &batch))?;
        room.reach(reader.bytes())?;
    }
    Ok(spans)
}

fn add(spans: &mut Spans, reader: &mut RecordReader, batch: &RecordBatch) -> Result<()> {
    let columns = Columns(batch);
    let (kind, status) = (columns.text("kind")?, columns.text("status_code")?);
    let (adjusted, share) = (columns.double("adjusted_count")?, columns.double("tree_share")?);
    let (depth, orphan) = (columns.long("tree_depth")?, columns.boolean("tree_orphan")?);
    let (offset, duration) = (columns.double("tree_offset_ms")?, columns.double("tree_duration_ms")?);
    let own = columns.double("tree_self_ms")?;
    let (errors, children) = (columns.long("tree_subtree_errors")?, columns.long("tree_child_count")?);
    let double = |column: &arrow::array::Float64Array, row| column.is_valid(row).then(|| column.value(row));
    let long = |column: &arrow::array::Int64Array, row| if column.is_valid(row) { column.value(row) } else { 0 };
    let text = |column: &arrow::array::StringViewArray, row| {
        if column.is_valid(row) { column.value(row).to_owned() } else { String::new() }
    };
    for (row, record) in reader.spans(batch)?.into_iter().enumerate() {
        match record {
            Err(problem) => spans.problems.push(problem),
            Ok(record) => spans.nodes.push(Node {
                record,
                kind: text(&kind, row),
                status_code: text(&status, row),
                adjusted_count: double(&adjusted, row),
                depth: long(&depth, row),
                orphan: orphan.is_valid(row) && orphan.value(row),
                offset_ms: double(&offset, row),
                duration_ms: double(&duration, row),
                self_ms: double(&own, row),
                share: double(&share, row),
                subtree_errors: long(&errors, row),
                child_count: long(&children, row),
            }),
        }
    }
    Ok(())
}
