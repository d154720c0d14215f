//! Clients that we did not write: OpenTelemetry's SDKs of Python, Node and Rust against a real server process.
//!
//! What holds and what doesn't, by SDK, is the table in docs/compatibility.md: change it with these tests.

mod adversity;
mod everything;
mod partial_success;

/// The ways that every SDK here can send.
const PROTOCOLS: [&str; 3] = ["grpc", "http/protobuf", "http/json"];

/// The door for a protocol.
fn endpoint(server: &crate::support::server::Server, protocol: &str) -> String {
    if protocol == "grpc" { server.otlp_grpc() } else { server.otlp_http() }
}
