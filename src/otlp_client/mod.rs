//! Sends OTLP requests that are already encoded to an endpoint, over gRPC or HTTP.
//!
//! ```text
//! address.rs   which protocol an address speaks; what can't be spoken is refused, plaintext never stands in for TLS
//! headers.rs   what goes along with each request, such as a token
//! grpc.rs      http.rs     one request, one answer
//! reply.rs     answers: what was rejected (partial success), or why and whether to come again
//! retry.rs     how often and after how long
//! client.rs    sends until the endpoint has it or refuses it for good
//! ```
//! What a retry may do twice is the receiver's to notice: the bytes of a try equal those of the one before.

mod address;
mod client;
mod grpc;
mod headers;
mod http;
mod reply;
mod retry;
#[cfg(test)]
mod tests;

pub use address::{AddressError, Protocol};
pub use client::{Client, Compression, Delivery, SendError};
pub use headers::{HeadersError, parse_headers};
pub use reply::Refusal;
