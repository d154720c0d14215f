//! Sends the shop's requests over OTLP/gRPC.

use super::export::Export;
use crate::otlp_client::{Client, Compression, Delivery, Protocol, SendError};

/// A connection to an OTLP gRPC endpoint.
#[derive(Clone, Debug)]
pub struct Sender(Client);

impl Sender {
    /// Connects to `endpoint`, such as `http://127.0.0.1:4317`.
    ///
    /// # Errors
    /// When it is not an `http://` address (TLS is not spoken here, and never silently left out), or nobody listens.
    pub async fn connect(endpoint: &str, compression: Compression) -> Result<Self, SendError> {
        Client::connect(endpoint, Some(Protocol::Grpc), compression).await.map(Self)
    }

    /// As [`Client::send`].
    ///
    /// # Errors
    /// When the server refuses for good, or stays unavailable for all tries.
    pub async fn send(&mut self, export: &Export) -> Result<Delivery, SendError> {
        self.0.send(export.signal().into(), export.counts().total(), export.encode().into()).await
    }
}
