//! An instance's meter: sees every span that ends there, and is collected now and then.

use super::aggregate::{Aggregate, Measurement};
use super::points::{Interval, empty_metric, push_point};
use super::process::Process;
use crate::demo::chance::Chance;
use crate::demo::fleet::Tool;
use crate::demo::pending::EndedSpan;
use crate::demo::shape::instruments::{Amount, Form, INSTRUMENTS, Instrument, Measured};
use crate::demo::shape::vocabulary::{MetricsBy, Protocol, Service};
use crate::demo::values::{number_of, push_text, text};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::collections::BTreeMap;

pub(crate) struct CollectedMetric {
    pub(crate) tool: Tool,
    pub(crate) metric: Metric,
}

struct Series {
    attributes: Vec<KeyValue>,
    aggregate: Aggregate,
}

pub(crate) struct Meter {
    metrics_by: MetricsBy,
    started: u64,
    last_collected: u64,
    /// One map an instrument, in the order of `INSTRUMENTS`; the key is the series' attribute values.
    series: Vec<BTreeMap<String, Series>>,
    process: Process,
    /// Kept for its capacity: a key is built for each measurement.
    key: String,
}

impl Meter {
    pub(crate) fn new(service: &Service, started_unix_nanos: u64) -> Self {
        Self {
            metrics_by: service.metrics_by,
            started: started_unix_nanos,
            last_collected: started_unix_nanos,
            series: INSTRUMENTS.iter().map(|_| BTreeMap::new()).collect(),
            process: Process::new(service),
            key: String::new(),
        }
    }

    /// Measures a span that ended.
    pub(crate) fn observe(&mut self, ended: &EndedSpan) {
        let span = &ended.span;
        for (instrument, series) in INSTRUMENTS.iter().zip(&mut self.series) {
            if !instrument.measures(ended) || !instrument.is_exported_by(self.metrics_by) {
                continue;
            }
            let amount = match instrument.amount {
                Amount::One => 1.0,
                Amount::Seconds => (span.end_time_unix_nano - span.start_time_unix_nano) as f64 / 1e9,
                Amount::Attribute(key) => number_of(&span.attributes, key).unwrap_or(0.0),
            };
            let measurement = Measurement {
                amount,
                weight: ended.weight,
                time_unix_nano: span.end_time_unix_nano,
                trace_id: &span.trace_id,
                span_id: &span.span_id,
            };
            self.key.clear();
            for kept in kept_attributes(instrument, &span.attributes) {
                self.key.push_str(&kept.key);
                self.key.push('=');
                push_text(&mut self.key, kept);
                self.key.push('\n');
            }
            match series.get_mut(self.key.as_str()) {
                Some(known) => known.aggregate.record(&measurement),
                None => {
                    let fixed = instrument.fixed.iter().map(|(key, value)| text(key, *value));
                    let attributes = kept_attributes(instrument, &span.attributes).cloned().chain(fixed).collect();
                    let mut aggregate = Aggregate::new(instrument.form);
                    aggregate.record(&measurement);
                    series.insert(self.key.clone(), Series { attributes, aggregate });
                }
            }
        }
    }

    /// Everything measured up to `now`; delta series start over, and say nothing when nothing happened.
    pub(crate) fn collect(&mut self, now: u64, chance: &mut Chance) -> Vec<CollectedMetric> {
        let temporality = match self.metrics_by {
            MetricsBy::SdkDelta => AggregationTemporality::Delta,
            MetricsBy::SdkCumulative | MetricsBy::PrometheusScrape => AggregationTemporality::Cumulative,
        };
        let since_start = Interval { start_unix_nano: self.started, end_unix_nano: now };
        let since_last = Interval { start_unix_nano: self.last_collected, end_unix_nano: now };
        let is_delta = temporality == AggregationTemporality::Delta;
        let interval = if is_delta { since_last } else { since_start };

        let mut collected = self.process.collect(temporality, since_start, since_last, chance);
        for (instrument, series) in INSTRUMENTS.iter().zip(&mut self.series) {
            if series.is_empty() {
                continue;
            }
            let mut metric = empty_metric(instrument, temporality);
            for one in series.values_mut() {
                push_point(&mut metric, &one.attributes, &mut one.aggregate, interval);
            }
            if is_delta {
                series.clear();
            }
            let tool = if self.metrics_by == MetricsBy::PrometheusScrape {
                Tool::RuntimeMetrics
            } else {
                instrument.of.tool()
            };
            collected.push(CollectedMetric { tool, metric });
        }
        self.last_collected = now;
        collected
    }
}

impl Instrument {
    fn measures(&self, ended: &EndedSpan) -> bool {
        let kind = ended.span.kind();
        match self.of {
            Measured::HttpServer => kind == SpanKind::Server && is_http(ended),
            Measured::HttpClient => kind == SpanKind::Client && is_http(ended),
            Measured::GrpcServer => kind == SpanKind::Server && is_grpc(ended),
            Measured::GrpcClient => kind == SpanKind::Client && is_grpc(ended),
            Measured::Database => matches!(ended.operation.protocol, Protocol::Database { .. }),
            Measured::Consumer => kind == SpanKind::Consumer,
            Measured::Chat => matches!(ended.operation.protocol, Protocol::Chat { .. }),
            Measured::Succeeded(name) => kind == SpanKind::Server && !ended.failed && ended.operation.name == name,
        }
    }

    fn is_exported_by(&self, metrics_by: MetricsBy) -> bool {
        matches!(self.form, Form::Summary(_)) == (metrics_by == MetricsBy::PrometheusScrape)
    }
}

impl Measured {
    const fn tool(self) -> Tool {
        match self {
            Self::HttpServer | Self::HttpClient => Tool::Http,
            Self::GrpcServer | Self::GrpcClient => Tool::Grpc,
            Self::Database => Tool::Database,
            Self::Consumer => Tool::Messaging,
            Self::Chat => Tool::GenAi,
            Self::Succeeded(_) => Tool::Application,
        }
    }
}

const fn is_http(ended: &EndedSpan) -> bool {
    matches!(ended.operation.protocol, Protocol::Http { .. })
}

const fn is_grpc(ended: &EndedSpan) -> bool {
    matches!(ended.operation.protocol, Protocol::Grpc { .. })
}

fn kept_attributes<'a>(instrument: &Instrument, attributes: &'a [KeyValue]) -> impl Iterator<Item = &'a KeyValue> {
    instrument.keeps.iter().filter_map(|key| attributes.iter().find(|attribute| attribute.key == *key))
}
