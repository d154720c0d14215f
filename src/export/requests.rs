//! Rows to requests of bounded size.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use super::columns::{Checked, Fields};
use super::groups::{GroupColumns, Groups, Item, ResourceGroup};
use super::json::write_request;
use super::json_records::{write_log, write_metric, write_span};
use super::logs::LogColumns;
use super::metrics::MetricColumns;
use super::signal::signal_of;
use super::spans::SpanColumns;
use super::values::{TypeReader, Types};
use crate::error::Result;
use crate::model::signal::Signal;

/// Records of a request, at most.
const MAX_RECORDS: usize = 4096;

/// Bytes of a request as protobuf, at most, where it has more than one record: gRPC receivers take 4 MiB unless they
/// are told otherwise.
const MAX_BYTES: usize = 3 << 20;

/// Reasons that are kept word for word.
const REASONS: usize = 10;

/// The columns of one signal.
pub(super) trait SignalColumns: Sized {
    type Item: Item;

    fn of(fields: Fields<'_>) -> Result<Self>;

    /// The row as OTLP, or why it can't be.
    fn item(&self, row: usize, types: &Types) -> Checked<Self::Item>;

    /// What the row says that OTLP has no field for.
    fn lost(&self, row: usize) -> Lost;
}

/// What a row says that OTLP has no field for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) adjusted_count: bool,
    pub(super) resolution: bool,
}

/// What has become of the rows.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Rows that are in a request.
    pub rows: u64,
    /// Rows that OTLP can't hold, which are in none.
    pub left_out: u64,
    /// Why, for the first few.
    pub reasons: Vec<String>,
    /// Rows whose `adjusted_count` OTLP has no field for.
    pub lost_adjusted_counts: u64,
    /// Rows whose `resolution` OTLP has no field for.
    pub lost_resolutions: u64,
}

/// One `Export*ServiceRequest`.
#[derive(Debug)]
pub struct Request {
    /// How many records are in it.
    pub records: u64,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Logs(Vec<ResourceGroup<LogRecord>>),
    Spans(Vec<ResourceGroup<Span>>),
    Metrics(Vec<ResourceGroup<Metric>>),
}

/// Turns the rows of one query into requests.
#[derive(Debug)]
pub struct ToOtlp {
    gathering: Gathering,
    types: TypeReader,
    report: Report,
}

#[derive(Debug)]
enum Gathering {
    Logs(Groups<LogRecord>),
    Spans(Groups<Span>),
    Metrics(Groups<Metric>),
}

impl ToOtlp {
    /// For rows of this schema.
    ///
    /// # Errors
    /// `Invalid` where the columns are not those of one signal, or too few of them.
    pub fn new(schema: &Schema) -> Result<Self> {
        let gathering = match signal_of(schema)? {
            Signal::Logs => Gathering::Logs(Groups::default()),
            Signal::Spans => Gathering::Spans(Groups::default()),
            Signal::Metrics => Gathering::Metrics(Groups::default()),
        };
        Ok(Self { gathering, types: TypeReader::default(), report: Report::default() })
    }

    /// Which signal the rows are of.
    pub const fn signal(&self) -> Signal {
        match self.gathering {
            Gathering::Logs(_) => Signal::Logs,
            Gathering::Spans(_) => Signal::Spans,
            Gathering::Metrics(_) => Signal::Metrics,
        }
    }

    /// Takes rows; answers the requests that have become full. CPU work: call it where blocking is welcome.
    ///
    /// # Errors
    /// `Invalid` for a column of another type than the table has.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<Request>> {
        let Self { gathering, types, report } = self;
        let mut full = Vec::new();
        match gathering {
            Gathering::Logs(groups) => gather::<LogColumns>(groups, batch, types, report, |records, groups| {
                full.push(Request { records, body: Body::Logs(groups) });
            }),
            Gathering::Spans(groups) => gather::<SpanColumns>(groups, batch, types, report, |records, groups| {
                full.push(Request { records, body: Body::Spans(groups) });
            }),
            Gathering::Metrics(groups) => gather::<MetricColumns>(groups, batch, types, report, |records, groups| {
                full.push(Request { records, body: Body::Metrics(groups) });
            }),
        }?;
        Ok(full)
    }

    /// The last request, if rows are left, and what has become of all of them.
    pub fn finish(self) -> (Option<Request>, Report) {
        let (records, body) = match self.gathering {
            Gathering::Logs(groups) => (groups.items, Body::Logs(groups.resources)),
            Gathering::Spans(groups) => (groups.items, Body::Spans(groups.resources)),
            Gathering::Metrics(groups) => (groups.items, Body::Metrics(groups.resources)),
        };
        ((records > 0).then_some(Request { records: records as u64, body }), self.report)
    }
}

type Record<C> = <<C as SignalColumns>::Item as Item>::Record;

/// Appends a batch's rows; `full` takes each request that has no room for the next row.
fn gather<C: SignalColumns>(
    groups: &mut Groups<Record<C>>,
    batch: &RecordBatch,
    types: &mut TypeReader,
    report: &mut Report,
    mut full: impl FnMut(u64, Vec<ResourceGroup<Record<C>>>),
) -> Result<()> {
    let fields = Fields::of_batch(batch);
    let (columns, group_columns, value_types) =
        (C::of(fields)?, GroupColumns::of(fields)?, fields.text("value_types")?);
    for row in 0..batch.num_rows() {
        let mut add = || -> Checked<()> {
            let types = types.read(&value_types, row)?;
            let item = columns.item(row, &types)?;
            let room = groups.items < MAX_RECORDS && groups.bytes + item.size() <= MAX_BYTES;
            if !room && groups.items > 0 {
                let ready = std::mem::take(groups);
                full(ready.items as u64, ready.resources);
            }
            groups.add(&group_columns, row, &types, item)
        };
        match add() {
            Ok(()) => {
                let lost = columns.lost(row);
                report.rows += 1;
                report.lost_adjusted_counts += u64::from(lost.adjusted_count);
                report.lost_resolutions += u64::from(lost.resolution);
            }
            Err(problem) => {
                report.left_out += 1;
                if report.reasons.len() < REASONS {
                    report.reasons.push(problem);
                }
            }
        }
    }
    Ok(())
}

impl Request {
    /// Spans that are grouped already.
    pub(super) const fn spans(records: u64, groups: Vec<ResourceGroup<Span>>) -> Self {
        Self { records, body: Body::Spans(groups) }
    }

    /// As protobuf.
    pub fn into_proto(self) -> Vec<u8> {
        match self.body {
            Body::Logs(groups) => logs_request(groups).encode_to_vec(),
            Body::Spans(groups) => spans_request(groups).encode_to_vec(),
            Body::Metrics(groups) => metrics_request(groups).encode_to_vec(),
        }
    }

    /// As OTLP/JSON, on one line without its end.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        match &self.body {
            Body::Logs(groups) => {
                write_request(&mut json, ["resourceLogs", "scopeLogs", "logRecords"], groups, write_log);
            }
            Body::Spans(groups) => {
                write_request(&mut json, ["resourceSpans", "scopeSpans", "spans"], groups, write_span);
            }
            Body::Metrics(groups) => {
                write_request(&mut json, ["resourceMetrics", "scopeMetrics", "metrics"], groups, write_metric);
            }
        }
        json
    }
}

fn logs_request(groups: Vec<ResourceGroup<LogRecord>>) -> ExportLogsServiceRequest {
    let group = |group: ResourceGroup<LogRecord>| ResourceLogs {
        resource: Some(group.resource),
        scope_logs: group
            .scopes
            .into_iter()
            .map(|scope| ScopeLogs {
                scope: Some(scope.scope),
                log_records: scope.records,
                schema_url: scope.schema_url,
            })
            .collect(),
        schema_url: group.schema_url,
    };
    ExportLogsServiceRequest { resource_logs: groups.into_iter().map(group).collect() }
}

fn spans_request(groups: Vec<ResourceGroup<Span>>) -> ExportTraceServiceRequest {
    let group = |group: ResourceGroup<Span>| ResourceSpans {
        resource: Some(group.resource),
        scope_spans: group
            .scopes
            .into_iter()
            .map(|scope| ScopeSpans { scope: Some(scope.scope), spans: scope.records, schema_url: scope.schema_url })
            .collect(),
        schema_url: group.schema_url,
    };
    ExportTraceServiceRequest { resource_spans: groups.into_iter().map(group).collect() }
}

fn metrics_request(groups: Vec<ResourceGroup<Metric>>) -> ExportMetricsServiceRequest {
    let group = |group: ResourceGroup<Metric>| ResourceMetrics {
        resource: Some(group.resource),
        scope_metrics: group
            .scopes
            .into_iter()
            .map(|scope| ScopeMetrics {
                scope: Some(scope.scope),
                metrics: scope.records,
                schema_url: scope.schema_url,
            })
            .collect(),
        schema_url: group.schema_url,
    };
    ExportMetricsServiceRequest { resource_metrics: groups.into_iter().map(group).collect() }
}
