//! A stretch of the demo's shop, and what is true of it, worked out from the requests alone.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::Exemplar;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use telestrata::demo::{EncodedRequest, Export, Shop};

/// 2026-01-05 08:00:00 UTC, the start of a minute.
pub const START: u64 = 1_767_600_000_000_000_000;

pub struct World {
    pub requests: Vec<EncodedRequest>,
    pub spans: Vec<TrueSpan>,
    pub logs: Vec<TrueLog>,
    pub exemplars: Vec<TrueExemplar>,
    pub points: usize,
}

#[derive(Clone, Debug)]
pub struct TrueSpan {
    pub service: String,
    pub name: String,
    pub trace_id: String,
    pub span_id: String,
    pub parent: Option<String>,
    pub kind: SpanKind,
    pub start: u64,
    pub end: u64,
    pub is_error: bool,
    /// How many spans it stands for.
    pub weight: f64,
    pub events: usize,
    /// Trace and span ids.
    pub links: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct TrueLog {
    pub service: String,
    pub trace_id: String,
    pub span_id: String,
    pub time: u64,
    pub severity: i32,
}

#[derive(Clone, Debug)]
pub struct TrueExemplar {
    pub metric: String,
    pub trace_id: String,
    pub span_id: String,
    pub time: u64,
}

impl TrueSpan {
    pub fn is_request(&self) -> bool {
        matches!(self.kind, SpanKind::Server | SpanKind::Consumer)
    }

    pub fn minute(&self) -> u64 {
        minute(self.start)
    }

    pub fn ms(&self) -> f64 {
        (self.end - self.start) as f64 / 1e6
    }
}

/// The start of a time's minute, in seconds since 1970.
pub fn minute(nanos: u64) -> u64 {
    nanos / 60_000_000_000 * 60
}

impl World {
    /// So much of a shop, from opening to closing.
    pub fn new(seed: u64, records_per_second: f64, lasts: Duration) -> Self {
        let mut shop = Shop::new(seed, START).with_records_per_second(records_per_second).with_batch_records(200);
        let ticks = [shop.advance(lasts), shop.close()];
        let mut world =
            Self { requests: Vec::new(), spans: Vec::new(), logs: Vec::new(), exemplars: Vec::new(), points: 0 };
        for export in ticks.iter().flat_map(|tick| &tick.exports) {
            world.requests.push(EncodedRequest::from(export));
            world.take(export);
        }
        world
    }

    pub fn spans_by_id(&self) -> HashMap<(&str, &str), &TrueSpan> {
        self.spans.iter().map(|span| ((span.trace_id.as_str(), span.span_id.as_str()), span)).collect()
    }

    fn take(&mut self, export: &Export) {
        match export {
            Export::Traces(request) => {
                for resource in &request.resource_spans {
                    let service = service(resource.resource.as_ref());
                    for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                        self.spans.push(TrueSpan {
                            service: service.clone(),
                            name: span.name.clone(),
                            trace_id: hex(&span.trace_id),
                            span_id: hex(&span.span_id),
                            parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
                            kind: span.kind(),
                            start: span.start_time_unix_nano,
                            end: span.end_time_unix_nano,
                            is_error: span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error),
                            weight: weight(&span.trace_state),
                            events: span.events.len(),
                            links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
                        });
                    }
                }
            }
            Export::Logs(request) => {
                for resource in &request.resource_logs {
                    let service = service(resource.resource.as_ref());
                    for log in resource.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                        self.logs.push(TrueLog {
                            service: service.clone(),
                            trace_id: hex(&log.trace_id),
                            span_id: hex(&log.span_id),
                            time: if log.time_unix_nano > 0 { log.time_unix_nano } else { log.observed_time_unix_nano },
                            severity: log.severity_number,
                        });
                    }
                }
            }
            Export::Metrics(request) => {
                let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
                for metric in scopes.flat_map(|scope| &scope.metrics) {
                    let points: Vec<&[Exemplar]> = match metric.data.as_ref().unwrap() {
                        Data::Gauge(data) => data.data_points.iter().map(|point| &*point.exemplars).collect(),
                        Data::Sum(data) => data.data_points.iter().map(|point| &*point.exemplars).collect(),
                        Data::Histogram(data) => data.data_points.iter().map(|point| &*point.exemplars).collect(),
                        Data::ExponentialHistogram(data) => {
                            data.data_points.iter().map(|point| &*point.exemplars).collect()
                        }
                        Data::Summary(data) => data.data_points.iter().map(|_| &[][..]).collect(),
                    };
                    self.points += points.len();
                    self.exemplars.extend(points.into_iter().flatten().map(|exemplar| TrueExemplar {
                        metric: metric.name.clone(),
                        trace_id: hex(&exemplar.trace_id),
                        span_id: hex(&exemplar.span_id),
                        time: exemplar.time_unix_nano,
                    }));
                }
            }
        }
    }
}

fn service(resource: Option<&Resource>) -> String {
    text(&resource.unwrap().attributes, "service.name").unwrap().to_owned()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// By OTEP 235: `th:c` means that 0xc0... of 0x100... were left out.
fn weight(trace_state: &str) -> f64 {
    let Some(threshold) = trace_state.strip_prefix("ot=th:") else { return 1.0 };
    let left_out = u64::from_str_radix(&format!("{threshold:0<14}"), 16).unwrap() as f64 / 2f64.powi(56);
    1.0 / (1.0 - left_out)
}
