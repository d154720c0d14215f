//! From a request's bytes to rows that are durable, visible and, in time, in the lake.
//!
//! ```text
//! request --> decode --> WAL: fsync --> publish --> reply       store.rs, request.rs
//!                                          |
//!                        hot rows by size, age, on request, at shutdown
//!                                          v
//!                              sorted files --> one commit --> swap --> WAL released     flusher.rs
//! ```
//! Order (invariant 1): fsync, publish, acknowledge. On start the WAL's records that no table has are decoded again
//! by the rules they were accepted by, and flushed as they go (`replay.rs`). The trace index follows in the background
//! (`indexing.rs`).

mod flusher;
mod indexing;
mod replay;
mod request;
mod store;

pub use request::{IngestReply, IngestRequest};
pub use store::{IngestSettings, Store};
