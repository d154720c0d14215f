//! Sends exports to an OTLP gRPC endpoint, and counts what was taken and what was rejected.

use super::export::{DemoSignal, Export};
use super::retry::RetryPolicy;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use std::time::Duration;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An acknowledgement waits for a disk; a server that needs longer than this has lost the request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How requests are compressed on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// What every OTLP receiver understands.
    #[default]
    Gzip,
    /// Faster and smaller, where the receiver knows it.
    Zstd,
}

/// Why an export could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The endpoint is no address this sender can use.
    #[error("endpoint {endpoint} is not a plain http:// address such as http://127.0.0.1:4317")]
    Endpoint {
        /// As it was given.
        endpoint: String,
    },
    /// Nobody answers there.
    #[error("can't connect to {endpoint}: is `telestrata serve` running there?")]
    Connect {
        /// As it was given.
        endpoint: String,
        /// What the transport said.
        source: tonic::transport::Error,
    },
    /// The server refused for good, or was unavailable for too long.
    #[error("{signal:?} export of {records} records failed after {tries} tries: {code:?}: {message}", code = status.code(), message = status.message())]
    Refused {
        /// Which signal was lost.
        signal: DemoSignal,
        /// How many records were in the request.
        records: u64,
        /// How often it was sent.
        tries: u32,
        /// The last answer.
        status: Box<Status>,
    },
}

/// What became of one export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Records in the request, rejected ones included.
    pub records: u64,
    /// Records that the server rejected (OTLP partial success).
    pub rejected: u64,
    /// How often it had to be sent again.
    pub retries: u32,
    /// What the server said about the rejected ones, or as a warning.
    pub message: String,
}

/// A connection to an OTLP gRPC endpoint.
#[derive(Clone, Debug)]
pub struct Sender {
    logs: LogsServiceClient<Channel>,
    traces: TraceServiceClient<Channel>,
    metrics: MetricsServiceClient<Channel>,
    retry: RetryPolicy,
}

impl Sender {
    /// Connects to `endpoint`, such as `http://127.0.0.1:4317`.
    ///
    /// # Errors
    /// When it is not an `http://` address (TLS is not spoken here, and never silently left out), or nobody listens.
    pub async fn connect(endpoint: &str, compression: Compression) -> Result<Self, SendError> {
        let refused = || SendError::Endpoint { endpoint: endpoint.to_owned() };
        let parsed = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| refused())?;
        if parsed.uri().scheme_str() != Some("http") {
            return Err(refused());
        }
        let parsed = parsed.connect_timeout(CONNECT_TIMEOUT).timeout(REQUEST_TIMEOUT);
        let connected = parsed.connect().await;
        let channel = connected.map_err(|source| SendError::Connect { endpoint: endpoint.to_owned(), source })?;

        let mut logs = LogsServiceClient::new(channel.clone());
        let mut traces = TraceServiceClient::new(channel.clone());
        let mut metrics = MetricsServiceClient::new(channel);
        if let Some(encoding) = compression.encoding() {
            logs = logs.send_compressed(encoding);
            traces = traces.send_compressed(encoding);
            metrics = metrics.send_compressed(encoding);
        }
        Ok(Self { logs, traces, metrics, retry: RetryPolicy::DEFAULT })
    }

    /// Sends until the server has it: again and again while it is unavailable, as long as it asks for.
    ///
    /// Dropping the future leaves open whether the server has it.
    ///
    /// # Errors
    /// When the server refuses for good, or stays unavailable for all tries.
    pub async fn send(&mut self, export: &Export) -> Result<Delivery, SendError> {
        let records = export.counts().total();
        let mut tries = 0;
        loop {
            tries += 1;
            let status = match self.send_once(export).await {
                Ok((rejected, message)) => {
                    return Ok(Delivery {
                        records,
                        rejected: u64::try_from(rejected).unwrap_or(0),
                        retries: tries - 1,
                        message,
                    });
                }
                Err(status) => status,
            };
            match self.retry.wait(&status, tries) {
                Some(wait) => {
                    tracing::debug!(code = ?status.code(), tries, ?wait, "export will be sent again");
                    tokio::time::sleep(wait).await;
                }
                None => {
                    let signal = export.signal();
                    return Err(SendError::Refused { signal, records, tries, status: Box::new(status) });
                }
            }
        }
    }

    /// The number of rejected records, and the server's message.
    async fn send_once(&mut self, export: &Export) -> Result<(i64, String), Status> {
        Ok(match export {
            Export::Logs(request) => {
                let response = self.logs.export(request.clone()).await?.into_inner();
                response.partial_success.map(|partial| (partial.rejected_log_records, partial.error_message))
            }
            Export::Traces(request) => {
                let response = self.traces.export(request.clone()).await?.into_inner();
                response.partial_success.map(|partial| (partial.rejected_spans, partial.error_message))
            }
            Export::Metrics(request) => {
                let response = self.metrics.export(request.clone()).await?.into_inner();
                response.partial_success.map(|partial| (partial.rejected_data_points, partial.error_message))
            }
        }
        .unwrap_or_default())
    }
}

impl Compression {
    const fn encoding(self) -> Option<CompressionEncoding> {
        match self {
            Self::None => None,
            Self::Gzip => Some(CompressionEncoding::Gzip),
            Self::Zstd => Some(CompressionEncoding::Zstd),
        }
    }
}
