//! The lake: open Delta tables on a local disk or an object store.
//!
//! Guarantee: what a commit names is whole and durable; a commit happens once; the Delta log is the only truth
//! about files (invariants 5, 7 and 8). Elsewhere: which rows (`buffer`), when (`ingest`), how they are read (`query`).
//!
//! ```text
//! location.rs     root as a URL and its object store
//! local_store.rs  a local folder with durable writes
//! cloud_store.rs  S3, GCS, Azure: clients, bounds, counted requests
//! throttle.rs     the bound on background work's bytes, and its stop
//! throttled_store.rs  a store whose bytes pass it
//! whole_reads.rs  a store whose reads are whole, or an error
//! whole_objects.rs  immutable objects read by one request and kept
//! schema.rs       contract -> Delta schema, and back
//! parquet.rs      writer settings
//! stats.rs        per-file statistics
//! sort.rs         the order of rows over many batches
//! write.rs        rows -> sorted files, one a date
//! upload.rs       bytes -> an object, in parts where it is large
//! table.rs        snapshots and commits
//! derived.rs      a table that is made from the others, and can be made again
//! delta_log.rs    what both do to a Delta log
//! rewrite.rs      files in the place of others, as a compare-and-swap
//! files.rs        the live files of a snapshot
//! file_rows.rs    a file's rows as the contract has them
//! history.rs      a table's commits, as its log has them
//! log_state.rs    what a log states, whether or not it holds the contract
//! log_keeping.rs  checkpoints of a log, and the end of its old commits
//! table_log.rs    any table as its log and its folder
//! leftovers.rs    what a killed process leaves in a local folder
//! clock.rs        the time by which what goes for good is judged
//! staged.rs       how long a file waits for its commit
//! named_snapshots.rs  names for one moment of the lake
//! store_file.rs   a stored Parquet file, read by ranges
//! instant.rs      instants in JSON
//! readme.rs       the note for people at the lake's root
//! writers.rs      who writes it now
//! ```

mod clock;
mod cloud_store;
mod delta_log;
mod derived;
mod file_rows;
mod files;
mod history;
pub(crate) mod instant;
mod leftovers;
mod local_store;
mod location;
mod log_keeping;
mod log_state;
mod named_snapshots;
mod parquet;
mod readme;
mod rewrite;
mod schema;
mod sort;
mod staged;
mod stats;
mod store_file;
mod table;
mod table_log;
mod throttle;
mod throttled_store;
mod upload;
mod whole_objects;
mod whole_reads;
mod write;
mod writers;

pub use clock::safe_now;
pub use cloud_store::CloudAccess;
pub use derived::{DerivedFile, DerivedSnapshot, DerivedTable, DerivedTableSpec};
pub(crate) use file_rows::{FileFooter, file_columns, file_rows};
pub(crate) use files::{FLOOR_MICROS, micros};
pub use files::{FileStatistics, LiveFile, LiveFiles};
pub(crate) use history::LEDGER_ENTRY;
pub use history::TableCommit;
pub use leftovers::{Leftover, leftovers, remove_leftover};
pub use local_store::DurableLocalStore;
pub use location::LakeRoot;
pub use log_keeping::{KeptLog, LogReport};
pub use log_state::{LogState, contract_properties};
pub use named_snapshots::{NamedSnapshot, NamedSnapshots};
pub(crate) use parquet::footer_keys;
pub(crate) use readme::write_readme;
pub use rewrite::{Rewrite, Rewritten};
pub use staged::StagedSince;
pub(crate) use store_file::{StoreFile, store_failed};
pub use table::{AppendTxn, LakeTable, TableSnapshot, longest_commit};
pub use table_log::{CommitRemoves, FileNames, TableLog, VersionFiles};
pub use throttle::{Stopped, Throttle};
pub use whole_objects::{KeptObjects, WholeObjects};
pub use write::{DataFile, write_sorted};
pub(crate) use write::{Place, remove as remove_staged, write_sorted_rows};
pub use writers::{Registration, SILENT_AFTER, Writer, WriterCard, WriterKind, live_writers, writers};
