//! Gathers records of all instances into requests of bounded size, grouped by resource and scope.

use super::export::{Export, Tick};
use super::fleet::{Fleet, InstanceIndex, Tool};
use super::metrics::data_point_count;
use super::pending::Record;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use std::collections::BTreeMap;

pub(crate) struct Batches {
    max_records: usize,
    spans: Batch<Span>,
    logs: Batch<LogRecord>,
    metrics: Batch<Metric>,
}

impl Batches {
    /// `max_records` bounds spans, logs, or data points a request; one metric's points stay together.
    pub(crate) fn new(max_records: usize) -> Self {
        Self { max_records, spans: Batch::default(), logs: Batch::default(), metrics: Batch::default() }
    }

    pub(crate) fn add(&mut self, record: Record, fleet: &Fleet, tick: &mut Tick) {
        match record {
            Record::Span(ended) => {
                self.spans.add(ended.instance, ended.tool, ended.span, 1);
                if self.spans.records >= self.max_records {
                    tick.push(self.spans.take_export(fleet));
                }
            }
            Record::Log(written) => {
                self.logs.add(written.instance, Tool::Logger, written.log, 1);
                if self.logs.records >= self.max_records {
                    tick.push(self.logs.take_export(fleet));
                }
            }
        }
    }

    pub(crate) fn add_metric(
        &mut self,
        instance: InstanceIndex,
        tool: Tool,
        metric: Metric,
        fleet: &Fleet,
        tick: &mut Tick,
    ) {
        let points = data_point_count(&metric);
        self.metrics.add(instance, tool, metric, points);
        if self.metrics.records >= self.max_records {
            tick.push(self.metrics.take_export(fleet));
        }
    }

    /// Sends what is left, as a batch processor does when its timeout is up.
    pub(crate) fn flush(&mut self, fleet: &Fleet, tick: &mut Tick) {
        if self.spans.records > 0 {
            tick.push(self.spans.take_export(fleet));
        }
        if self.logs.records > 0 {
            tick.push(self.logs.take_export(fleet));
        }
        if self.metrics.records > 0 {
            tick.push(self.metrics.take_export(fleet));
        }
    }
}

impl Tick {
    fn push(&mut self, export: Export) {
        self.counts += export.counts();
        self.exports.push(export);
    }
}

struct Batch<T> {
    by_origin: BTreeMap<InstanceIndex, BTreeMap<Tool, Vec<T>>>,
    records: usize,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { by_origin: BTreeMap::new(), records: 0 }
    }
}

impl<T: Exported> Batch<T> {
    fn add(&mut self, instance: InstanceIndex, tool: Tool, item: T, records: usize) {
        self.by_origin.entry(instance).or_default().entry(tool).or_default().push(item);
        self.records += records;
    }

    fn take_export(&mut self, fleet: &Fleet) -> Export {
        self.records = 0;
        let resources = std::mem::take(&mut self.by_origin).into_iter().map(|(index, by_tool)| {
            let instance = fleet.get(index);
            let schema_url = instance.service.language.toolkit().schema_url;
            let scopes = by_tool.into_iter().map(|(tool, items)| {
                T::in_scope(instance.service.scope(tool), items, scope_schema_url(tool, schema_url))
            });
            T::in_resource(instance.resource.clone(), scopes.collect(), schema_url.to_owned())
        });
        T::in_request(resources.collect())
    }
}

/// An application's own scope follows no convention; a library's does.
fn scope_schema_url(tool: Tool, schema_url: &str) -> String {
    match tool {
        Tool::Application | Tool::Logger => String::new(),
        _ => schema_url.to_owned(),
    }
}

/// The three layers that OTLP wraps around each signal's items.
trait Exported: Sized {
    type Scope;
    type Resource;

    fn in_scope(scope: InstrumentationScope, items: Vec<Self>, schema_url: String) -> Self::Scope;
    fn in_resource(resource: Resource, scopes: Vec<Self::Scope>, schema_url: String) -> Self::Resource;
    fn in_request(resources: Vec<Self::Resource>) -> Export;
}

macro_rules! exported {
    ($($item:ident: $export:ident($request:ident . $resources:ident), $resource:ident . $scopes:ident, $scope:ident . $items:ident;)*) => {
        $(impl Exported for $item {
            type Scope = $scope;
            type Resource = $resource;

            fn in_scope(scope: InstrumentationScope, items: Vec<Self>, schema_url: String) -> $scope {
                $scope { scope: Some(scope), $items: items, schema_url }
            }

            fn in_resource(resource: Resource, scopes: Vec<$scope>, schema_url: String) -> $resource {
                $resource { resource: Some(resource), $scopes: scopes, schema_url }
            }

            fn in_request(resources: Vec<$resource>) -> Export {
                Export::$export($request { $resources: resources })
            }
        })*
    };
}

exported! {
    Span: Traces(ExportTraceServiceRequest.resource_spans), ResourceSpans.scope_spans, ScopeSpans.spans;
    LogRecord: Logs(ExportLogsServiceRequest.resource_logs), ResourceLogs.scope_logs, ScopeLogs.log_records;
    Metric: Metrics(ExportMetricsServiceRequest.resource_metrics), ResourceMetrics.scope_metrics, ScopeMetrics.metrics;
}
