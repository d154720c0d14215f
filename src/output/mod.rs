//! Query results as bytes: JSON, NDJSON, CSV, TSV, Arrow, Parquet. No HTTP and no files here; the HTTP API and the
//! CLI write what an [`Encoder`] gives them.
//!
//! Guarantees: bounded memory (one batch, or one Parquet row group); every row once, in order; NULLs and every digit
//! of integers kept. What a format can't say is either written as documented in its file, or an error.
//!
//! ```text
//! schema, batches --> columns.rs: unique names, plain types --> json.rs | delimited.rs | arrow_ipc.rs | parquet.rs --> bytes
//! ```

mod arrow_ipc;
mod columns;
mod delimited;
mod encoder;
mod format;
mod json;
mod parquet;

pub(crate) use columns::{sent_schema, written_batch as sent_batch};
pub use encoder::Encoder;
pub use format::Format;
pub(crate) use json::value_options;
