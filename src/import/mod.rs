//! Files of telemetry into a lake, with a server and without.
//!
//! ```text
//! FILE, GLOB, -  --> open, decompress, digest    input.rs
//!                --> one request after another   requests.rs
//!                --> decode on every core        importer.rs    (rejects.rs: what is not stored)
//!                --> by date, to a bound, then on disk           gather.rs
//!                --> sorted files, one a date --> commits that say how far the content is in   importer.rs
//! ```
//! Guarantees: bad input is reported by file, line and record, and its neighbours are stored. The same content is
//! stored once, however often it is imported and wherever an import was stopped. Memory is bounded.

mod gather;
mod importer;
mod input;
mod obedience;
mod outcome;
mod rejects;
mod requests;

pub use importer::{ImportSettings, Importer};
pub use input::{Input, OpenInput, resolve};
pub use outcome::{ImportOutcome, SignalOutcome};
pub use rejects::RejectedRecord;
pub use requests::{FileFormat, FileRequest, Requests};
