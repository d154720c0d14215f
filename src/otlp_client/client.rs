//! Sends until the endpoint has a request, or refuses it for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use tonic::codec::CompressionEncoding;

use super::address::{Address, AddressError, Protocol};
use super::grpc::GrpcDoor;
use super::http::{HttpDoor, HttpFailure, causes};
use super::reply::{Refusal, Taken};
use super::retry::RetryPolicy;
use crate::model::signal::Signal;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An acknowledgement waits for a disk; an endpoint that needs longer than this has lost the request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Why a request could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The endpoint is no address that can be sent to.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Nobody answers there.
    #[error("can't connect to {endpoint}: {cause}; is a receiver running there?")]
    Connect {
        /// As it was given.
        endpoint: String,
        /// What the transport said.
        cause: String,
    },
    /// The endpoint refused for good, or was unavailable for too long.
    #[error("a request of {records} {of} failed after {tries} tries: {refusal}", of = signal.records())]
    Refused {
        /// Which signal.
        signal: Signal,
        /// How many records were in the request.
        records: u64,
        /// How often it was sent.
        tries: u32,
        /// The last answer.
        refusal: Refusal,
    },
}

/// What became of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Records in the request, rejected ones included.
    pub records: u64,
    /// Records that the endpoint rejected (OTLP partial success).
    pub rejected: u64,
    /// How often it had to be sent again.
    pub retries: u32,
    /// What the endpoint said about the rejected ones, or as a warning.
    pub message: String,
}

/// A way to an OTLP endpoint. Clones share its connection.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: String,
    door: Door,
    retry: RetryPolicy,
    /// Whether the endpoint has ever answered: before that, that nobody listens is final.
    answered: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
enum Door {
    Grpc(GrpcDoor),
    Http(HttpDoor),
}

impl Client {
    /// A client of `endpoint`, such as `http://127.0.0.1:4317`. Over gRPC it connects now, over HTTP when it sends.
    ///
    /// # Errors
    /// When the address can't be sent to (TLS is never silently left out), or nobody listens.
    pub async fn connect(
        endpoint: &str,
        protocol: Option<Protocol>,
        compression: Compression,
    ) -> Result<Self, SendError> {
        let address = Address::parse(endpoint, protocol)?;
        let failed = |cause: String| SendError::Connect { endpoint: endpoint.to_owned(), cause };
        let door = match address.protocol {
            Protocol::Grpc => Door::Grpc(
                GrpcDoor::connect(&address.origin(), compression).await.map_err(|error| failed(causes(&error)))?,
            ),
            Protocol::HttpProtobuf => {
                Door::Http(HttpDoor::new(address, compression).map_err(|error| failed(causes(&error)))?)
            }
        };
        Ok(Self { endpoint: endpoint.to_owned(), door, retry: RetryPolicy::DEFAULT, answered: Arc::default() })
    }

    /// The same, with these headers in every request.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        match &mut self.door {
            Door::Grpc(grpc) => grpc.headers = headers,
            Door::Http(http) => http.headers = headers,
        }
        self
    }

    /// Sends an encoded request of `records` records until the endpoint has it: again and again while it is
    /// unavailable, as long as it asks for.
    ///
    /// Dropping the future leaves open whether the endpoint has it.
    ///
    /// # Errors
    /// When the endpoint refuses for good, or stays unavailable for all tries.
    pub async fn send(&mut self, signal: Signal, records: u64, request: Bytes) -> Result<Delivery, SendError> {
        let request = match &self.door {
            Door::Grpc(_) => request,
            Door::Http(http) => http.body(request).map_err(|error| self.unreachable(error.to_string()))?,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let refusal = match self.send_once(signal, request.clone()).await? {
                Ok(taken) => {
                    let Taken { rejected, message } = taken;
                    return Ok(Delivery { records, rejected, retries: tries - 1, message });
                }
                Err(refusal) => refusal,
            };
            let Some(wait) = self.retry.wait(&refusal, tries) else {
                return Err(SendError::Refused { signal, records, tries, refusal });
            };
            tracing::debug!(%refusal, tries, ?wait, "a request will be sent again");
            tokio::time::sleep(wait).await;
        }
    }

    async fn send_once(&mut self, signal: Signal, request: Bytes) -> Result<Result<Taken, Refusal>, SendError> {
        let answer = match &mut self.door {
            Door::Grpc(grpc) => grpc.export(signal, request).await,
            Door::Http(http) => match http.export(signal, request).await {
                Ok(taken) => Ok(taken),
                Err(HttpFailure::Refused(refusal)) => Err(refusal),
                Err(HttpFailure::NotConnected(cause)) if self.answered.load(Ordering::Relaxed) => {
                    Err(Refusal::no_answer(cause))
                }
                Err(HttpFailure::NotConnected(cause)) => return Err(self.unreachable(cause)),
            },
        };
        self.answered.store(true, Ordering::Relaxed);
        Ok(answer)
    }

    fn unreachable(&self, cause: String) -> SendError {
        SendError::Connect { endpoint: self.endpoint.clone(), cause }
    }
}

impl Compression {
    pub(super) const fn grpc_encoding(self) -> Option<CompressionEncoding> {
        match self {
            Self::None => None,
            Self::Gzip => Some(CompressionEncoding::Gzip),
            Self::Zstd => Some(CompressionEncoding::Zstd),
        }
    }

    /// As `Content-Encoding` names it.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}
