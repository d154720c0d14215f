//! The exporters of one protocol and compression, each with a connection of its own.

use std::time::Duration;

use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
};
use opentelemetry_sdk::metrics::Temporality;

/// Long enough for every retry that a test makes necessary.
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Exporters {
    protocol: Protocol,
    compression: Option<Compression>,
    endpoint: String,
    /// tonic needs one around it where exporters are made.
    runtime: tokio::runtime::Runtime,
}

/// The SDK's own policy gives up after 700 ms, sooner than a server is restarted.
fn patient() -> RetryPolicy {
    RetryPolicy::recommended().with_max_retries(6).with_initial_delay(Duration::from_millis(500))
}

macro_rules! exporter {
    ($exporters:expr, $signal:literal, $builder:expr) => {{
        let exporters: &Exporters = $exporters;
        let _inside = exporters.runtime.enter();
        if exporters.protocol == Protocol::Grpc {
            let mut builder = $builder.with_tonic().with_retry_policy(patient());
            if let Some(compression) = exporters.compression {
                builder = builder.with_compression(compression);
            }
            builder.with_endpoint(&exporters.endpoint).with_timeout(TIMEOUT).build().unwrap()
        } else {
            let mut builder = $builder.with_http().with_retry_policy(patient()).with_protocol(exporters.protocol);
            if let Some(compression) = exporters.compression {
                builder = builder.with_compression(compression);
            }
            let endpoint = format!("{}/v1/{}", exporters.endpoint, $signal);
            builder.with_endpoint(endpoint).with_timeout(TIMEOUT).build().unwrap()
        }
    }};
}

impl Exporters {
    pub fn new(protocol: &str, compression: &str, endpoint: &str) -> Self {
        let protocol = match protocol {
            "grpc" => Protocol::Grpc,
            "http/protobuf" => Protocol::HttpBinary,
            "http/json" => Protocol::HttpJson,
            _ => panic!("no protocol {protocol}"),
        };
        let compression = match compression {
            "none" => None,
            "gzip" => Some(Compression::Gzip),
            "zstd" => Some(Compression::Zstd),
            _ => panic!("no compression {compression}"),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { protocol, compression, endpoint: endpoint.to_owned(), runtime }
    }

    pub fn spans(&self) -> SpanExporter {
        exporter!(self, "traces", SpanExporter::builder())
    }

    pub fn logs(&self) -> LogExporter {
        exporter!(self, "logs", LogExporter::builder())
    }

    pub fn metrics(&self, temporality: Temporality) -> MetricExporter {
        exporter!(self, "metrics", MetricExporter::builder().with_temporality(temporality))
    }
}
