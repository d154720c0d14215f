//! Rows of `logs`, `spans` and `metrics` back to OTLP: the inverse of `otlp/rows`.
//!
//! Guarantees: a row that came from OTLP goes back to a record that is stored as the same row, but for provenance
//! (`tests/it/export.rs`); what can't (`docs/operations.md` lists it) is counted in [`Report`]. Equal rows stay as
//! many as they are. Memory is bounded by a batch of rows and one request.
//!
//! ```text
//! signal.rs    which signal the columns of a query are of, and whether they suffice
//! columns.rs   typed columns, however Arrow lays them out
//! values.rs    maps and their `value_types` to attributes
//! logs.rs  spans.rs  metrics.rs  points.rs      a row to its record
//! groups.rs    records under their resource, scope and metric
//! requests.rs  rows to requests of bounded size --> protobuf
//!                                               --> json.rs, json_records.rs: OTLP/JSON
//! records.rs   rows to single records, for answers that show them one by one
//! distinct.rs  requests of equal rows that must not pass for one another
//! file.rs      an output file that has its name only when it is whole
//! ```

mod columns;
mod distinct;
mod file;
mod groups;
mod json;
mod json_records;
mod logs;
mod metrics;
mod points;
mod records;
mod requests;
mod signal;
mod spans;
mod values;

pub use distinct::Distinct;
pub use file::{FileCompression, Output};
pub(crate) use records::{OfSchema, Record, RecordReader};
pub use requests::{Report, Request, ToOtlp};
