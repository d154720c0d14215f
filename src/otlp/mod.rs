//! OTLP requests to Arrow batches: from the bytes of one encoding straight into the columns of the data contract.
//!
//! Guarantees:
//! - A record that can't be stored is rejected alone, with its reason and its place in the request; its neighbours go
//!   in and every column keeps the same length.
//! - Both encodings of a request give the same batch.
//! - The same request with the same [`RequestMeta`] gives the same batch and report at any time: the WAL's replay
//!   relies on it.
//! - Nothing in a request makes the decoder panic, take more memory than [`MAX_DECODED_BYTES`] for its rows, or take
//!   more stack than values nested 64 deep.
//!
//! ```text
//!         schema.rs    the OTLP messages as data
//!            |
//!   proto/   json/     cursors over the bytes (wire.rs: what both can do)
//!        \   /
//!       record/        one reader a message, for both encodings; structs that are filled again and again
//!          |  value/   AnyValue to text and back
//!          |
//!        rows/         the contract's rules: check a record whole, then append it
//!          |
//!   model/build/       column builders --> RecordBatch
//!
//!   walk.rs            the way from resource to scope to record; report.rs, error.rs: what did not go in
//! ```

#![deny(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::unwrap_used, clippy::expect_used)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

mod base64;
mod budget;
mod decode;
mod error;
mod json;
mod proto;
mod record;
mod report;
mod rows;
mod schema;
pub mod value;
mod walk;
mod wire;

pub(crate) use base64::push_base64;
pub use budget::MAX_DECODED_BYTES;
pub use decode::decode;
pub use error::DecodeError;
pub use report::{DecodeReport, Decoded, RejectReason, Rejection, RequestMeta};
pub(crate) use rows::{adjusted_count, weighted_count};
pub(crate) use schema::{EnumNames, SPAN_KIND, STATUS_CODE, TEMPORALITY};
