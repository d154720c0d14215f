//! Erasure: rows that a person wants gone, out of every table, out of memory and out of what still comes.
//!
//! ```text
//! install a standing erasure     what comes from now on is kept out        erasure::log
//!        |
//! flush                          rows in memory, and the WAL with them     around.rs
//!        |
//! which traces, if whole ones    scan.rs
//!        |
//! scan --> rewrite --> scan ...  until every live file was counted at 0    eraser.rs
//!        |
//! report: proof, what remains    report.rs, remains.rs
//! ```
//! Guarantees: a row goes where the request means it and no hold keeps it, and no other row does; each rewrite is
//! proved and a compare-and-swap. Stopped at any point, the lake is whole, and the same request made again goes on.
//! The value is in no commit, log line, error or report. The proof counts every live file once after it was last
//! written, and the rows in memory.

mod around;
mod body;
mod eraser;
mod remains;
mod report;
mod request;
mod scan;
mod target;

pub use around::{Around, Offline};
pub use eraser::{EraseService, EraseSettings, Eraser};
pub use report::{DateErasure, EraseProof, EraseReport, Remainder, TableErasure};
pub use request::{EraseRequest, EraseScope, EraseWhat};
