//! telestrata keeps logs, spans and metrics for years as open Delta Lake tables and answers SQL across all three.
//!
//! ```text
//!  OTLP gRPC/HTTP, files
//!         |  decode straight into column builders        otlp, model
//!         v
//!    WAL append, group fsync  ---> acknowledge           wal
//!         |
//!         v
//!    hot buffer: Arrow batches per table, queryable      buffer
//!         |  by size or age: sort, encode
//!         v
//!    Parquet + one Delta commit per table                lake
//!         |
//!         v
//!    DataFusion: hot + cold as one table, views of sql/  query
//!         |
//!    CLI, HTTP, PostgreSQL, Flight SQL                   cli, server
//! ```
//!
//! Dependencies point one way: `cli`, `server` -> `ingest`, `query` -> `buffer`, `wal`, `lake` -> `model`.

pub mod auth;
pub mod buffer;
pub mod cli;
pub mod config;
pub mod demo;
pub mod erasure;
pub mod error;
pub mod export;
pub mod import;
pub mod ingest;
pub mod lake;
pub mod ledger;
pub mod maintenance;
pub mod metrics;
pub mod model;
pub mod otlp;
pub mod otlp_client;
mod otlp_reply;
pub mod output;
pub mod query;
pub mod server;
pub mod trace_index;
pub mod wal;
