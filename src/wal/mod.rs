//! The write-ahead log: what makes an acknowledged request durable before any table has it.
//!
//! ```text
//!  append --+                       committer thread                       waiters
//!  append --+--> pending (bounded) --> write, fdatasync --> sink(group) --> Ok(seq)
//!  append --+                             |                 publishes
//!                                         v                 the batches
//!      00000000000000000001.wal  00000000000000004711.wal (active)
//!            | release(up_to): every table has passed it
//!            v
//!      00000000000000000001.seen  (its requests' ids, until the repeat window has passed)
//! ```
//!
//! Guarantees, and where they are kept:
//!
//! - **Acknowledged means durable and visible.** Order: fsync, publish, acknowledge (`committer.rs`). After a failed
//!   write or sync the log is poisoned, never retried ([`WalError::Poisoned`]).
//! - **One writer.** The folder is locked while open and carries a random id for life (`folder.rs`).
//! - **Sequences never restart.** The next one is above every segment's, name's and `.seen` file's, and above the
//!   `floor` that the caller hands to [`OpenedWal::start`].
//! - **A torn tail is cut, damage is refused**, and the two are told apart by proof, not by guess (`recover.rs`).
//! - **A request sent again within the window is stored once**, also across a restart (`repeats.rs`, `seen.rs`).
//! - **Everything is bounded**: bytes pending, bytes unreleased, size of a record, entries of the repeat window.
//!
//! Left to others: decoding payloads, publishing them, deciding what every table has passed, reading the clock.
//!
//! # Life of a log
//!
//! ```
//! use telestrata::model::{Encoding, Signal};
//! use telestrata::wal::{Group, OpenedWal, RecordHeader, RequestId, WalSeq, WalSettings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let opened = OpenedWal::open(&dir.path().join("wal"), WalSettings::default())?;
//! for replayed in opened.replay(WalSeq(0)) {
//!     let _decode_into_the_buffer = replayed?;
//! }
//! let wal = opened.start(WalSeq(0), |group: Group<&'static str>| {
//!     for (seq, batch) in group.records {
//!         println!("publish {batch} as {seq}");
//!     }
//! })?;
//!
//! let header = RecordHeader {
//!     signal: Signal::Logs,
//!     encoding: Encoding::Proto,
//!     source: "otlp/grpc".to_owned(),
//!     principal: None,
//!     ingest_time_micros: 1_790_000_000_000_000,
//!     latest_time_micros: 1_790_086_400_000_000,
//!     request_id: RequestId([7; 16]),
//!     rejected: 0,
//! };
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let appended = wal.append(&header, "raw request".into(), "decoded batch").await?;
//! wal.release(appended.seq).await?; // once the table's commit holds it
//! wal.close().await
//! # })?;
//! # Ok(())
//! # }
//! ```

mod committer;
mod disk;
mod error;
mod fields;
mod folder;
mod frame;
mod handle;
mod log;
mod look;
mod opened;
mod queue;
mod reader;
mod record;
mod recover;
mod repeats;
mod replay;
mod seen;
mod segment;
mod settings;
mod stats;
#[cfg(test)]
mod tests;

pub use committer::Group;
pub use error::{Damage, WalError};
pub use folder::WriterId;
pub use handle::{Appended, Wal};
pub use look::{WalLook, look};
pub use opened::OpenedWal;
pub use reader::Flaw;
pub use record::{RecordHeader, RequestId, WalSeq};
pub use replay::{Replay, Replayed};
pub use settings::WalSettings;
pub use stats::WalStats;
