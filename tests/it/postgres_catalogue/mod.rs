//! The catalogue through the PostgreSQL door, asked by the clients that people have.

mod jdbc;
mod ordinary;
mod psql;
mod python;
mod security;

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, Server};

/// The second of the first log.
const FIRST: u64 = 1_700_000_000;

/// A server with ten logs.
async fn server() -> (Home, Server) {
    let home = Home::new("");
    let server = tokio::task::block_in_place(|| home.serve());
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("catalogue", 0..10, FIRST)).await.unwrap();
    (home, server)
}

/// Columns of `logs` and what PostgreSQL's clients are to take them for.
const COLUMNS: [(&str, &str); 8] = [
    ("date", "date"),
    ("time", "timestamp with time zone"),
    ("time_nanos", "smallint"),
    ("severity_number", "integer"),
    ("body", "text"),
    ("attributes", "json"),
    ("adjusted_count", "double precision"),
    ("http_response_status_code", "bigint"),
];
