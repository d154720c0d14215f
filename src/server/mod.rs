//! The doors of a running server: OTLP over gRPC and HTTP, and the HTTP API.
//!
//! ```text
//! OTLP gRPC  4317 --+                          +--> otlp/   request bytes --> Store::ingest --> reply
//! OTLP HTTP  4318 --+--> door.rs: connections -+
//! HTTP API   8710 --+     of one door          +--> api/    SQL text --> QueryService::run --> stream of bytes
//! Flight SQL 8711 --+                          +--> flight/ SQL text --> QueryService::run --> stream of batches
//!
//! postgres/      the PostgreSQL wire protocol, on a port of its own (8712)
//! authenticate.rs  whose request it is
//! traces/        whole traces, for answers made of spans
//! jaeger/        Jaeger's query API, at the HTTP API's door
//! service/       the one query service: rights, ids, cancelling, counting
//! running.rs     start, the addresses, stop
//! life.rs        who is alive, who must stop
//! settings.rs    what an operator may turn
//! tls.rs         the certificate, and TLS of each door
//! body.rs        a request's body: bounded in bytes and in time
//! room.rs        the bytes of all requests being received: bounded
//! ```
//!
//! Handlers parse, call one function, and encode. What they call is the same behind every door.

mod api;
mod authenticate;
mod body;
mod door;
mod flight;
mod jaeger;
mod life;
mod otlp;
mod postgres;
mod room;
mod running;
mod service;
mod serving;
mod settings;
mod tls;
mod traces;

pub use running::{Addresses, Running, start};
pub use serving::Serving;
pub use settings::ServerSettings;
pub use tls::TlsFiles;
