//! The hot buffer: rows that are acknowledged and not yet flushed, beside the snapshot of those that are.
//!
//! Guarantee (invariant 2): a table's Delta snapshot, its committed sequence and its hot batches are one immutable
//! [`TableState`]. A reader pins one; it holds each row once. Hot rows leave in the swap that brings the snapshot
//! they are in, and in no other.
//!
//! ```text
//! publish(seq, batch) --> [hot batches]                 state.rs
//! flush: cut at N --> files --> commit --> installed(snapshot, N): hot rows up to N leave
//! ```

mod hot;
mod table;

pub use hot::HotBatch;
pub use table::{BufferedTable, FlushCut, TableState};
