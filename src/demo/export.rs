//! What the shop hands out: OTLP requests, and how much is in them.

use super::metrics::data_point_count;
use crate::model::signal::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// The signal of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DemoSignal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Metric data points.
    Metrics,
}

impl From<DemoSignal> for Signal {
    fn from(signal: DemoSignal) -> Self {
        match signal {
            DemoSignal::Logs => Self::Logs,
            DemoSignal::Traces => Self::Spans,
            DemoSignal::Metrics => Self::Metrics,
        }
    }
}

/// One OTLP request, as a Collector's batch processor would send it: over many resources and scopes.
#[derive(Clone, Debug, PartialEq)]
pub enum Export {
    /// Log records.
    Logs(ExportLogsServiceRequest),
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Metric data points.
    Metrics(ExportMetricsServiceRequest),
}

impl Export {
    /// Which signal it carries.
    pub const fn signal(&self) -> DemoSignal {
        match self {
            Self::Logs(_) => DemoSignal::Logs,
            Self::Traces(_) => DemoSignal::Traces,
            Self::Metrics(_) => DemoSignal::Metrics,
        }
    }

    /// How many log records, spans or data points are in it.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        match self {
            Self::Logs(request) => {
                let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
                counts.logs = scopes.map(|scope| scope.log_records.len() as u64).sum();
            }
            Self::Traces(request) => {
                let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
                counts.spans = scopes.map(|scope| scope.spans.len() as u64).sum();
            }
            Self::Metrics(request) => {
                let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
                let metrics = scopes.flat_map(|scope| &scope.metrics);
                counts.data_points = metrics.map(|metric| data_point_count(metric) as u64).sum();
            }
        }
        counts
    }

    /// The request as protobuf.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Logs(request) => request.encode_to_vec(),
            Self::Traces(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
        }
    }
}

/// Numbers of records: each is a row in the lake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Log records.
    pub logs: u64,
    /// Spans.
    pub spans: u64,
    /// Metric data points.
    pub data_points: u64,
}

impl Counts {
    /// Records of all signals.
    pub const fn total(&self) -> u64 {
        self.logs + self.spans + self.data_points
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.logs += other.logs;
        self.spans += other.spans;
        self.data_points += other.data_points;
    }
}

/// What happened in the shop while its time advanced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// The requests, in the order in which a Collector would send them.
    pub exports: Vec<Export>,
    /// What is in them.
    pub counts: Counts,
    /// Simulated time after the tick. No record that ended or was logged later is in it.
    pub until_unix_nanos: u64,
}

/// A request that is ready for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRequest {
    /// Decides the OTLP service or path it goes to.
    pub signal: DemoSignal,
    /// How many records are in it.
    pub records: u64,
    /// The protobuf message.
    pub body: Vec<u8>,
}

impl From<&Export> for EncodedRequest {
    fn from(export: &Export) -> Self {
        Self { signal: export.signal(), records: export.counts().total(), body: export.encode() }
    }
}
