//! Files of telemetry into a lake, without a server.
//!
//! ```text
//! FILE, GLOB, -  --> open, decompress        input.rs
//!                --> one request after another   requests.rs
//!                --> decode on every core --> gather to a bound --> sorted files, one a date --> commit   importer.rs
//! ```
//! Guarantee: bad input is reported by file, line and record, and its neighbours are stored. A chunk's commit happens
//! once.

mod importer;
mod input;
mod requests;

pub use importer::{ImportOutcome, ImportSettings, Importer, RejectedRecord, SignalOutcome};
pub use input::{Input, OpenInput, resolve};
pub use requests::{FileFormat, FileRequest, Requests};
