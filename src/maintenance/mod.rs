//! Work on a lake beside taking and asking.
//!
//! ```text
//! check/       held against its log, its files and its configuration; repairs nothing
//! compact/     small files into large ones
//! erase/       rows that a person wants gone
//! jobs/        what a server does by itself: when, with how much, and how it went
//! hold.rs      rows that nothing lets go
//! retention/   rows that go with age
//! run.rs       which files are a run, read off their names
//! merge.rs     files to sorted files, through a sieve
//! external_sort.rs  rows that nobody has sorted
//! sieve.rs     what a rewrite does with rows
//! proof.rs     the proof that a rewrite kept every row that it should
//! rewriter.rs  merge, prove, commit
//! ledger.rs    what a commit says of itself
//! progress.rs  how far a job is
//! housekeeping.rs  a lake's tables in turn: the ledger, the logs, the files
//! snapshot.rs  names one moment of all tables
//! vacuum/      files that nobody needs any more are removed
//! ```

mod check;
mod compact;
mod erase;
mod external_sort;
mod hold;
mod housekeeping;
mod jobs;
mod ledger;
mod merge;
mod progress;
mod proof;
mod retention;
mod rewriter;
mod run;
mod sieve;
mod snapshot;
mod vacuum;

pub use check::{
    Application, Check, CheckReport, Code, Finding, Severity, TableReport, WalReport, check, compare_configuration,
};
pub use compact::{CompactionSettings, Compactor, DateReport, Dedup, Pending};
pub use erase::{
    Around, DateErasure, EraseProof, EraseReport, EraseRequest, EraseScope, EraseService, EraseSettings, EraseWhat,
    Eraser, Offline, Remainder, TableErasure,
};
pub use hold::{Hold, Holds};
pub use housekeeping::{HousekeepingSettings, TABLES, keep_log};
pub use jobs::{
    Background, CompactionJob, Desk, Job, JobContext, JobStates, LogJob, MaintenanceSettings, Outcome, RetentionJob,
    Snapshots, VacuumJob,
};
pub use ledger::{JobKind, LedgerEntry};
pub use progress::Progress;
pub use retention::{
    Age, Condition, DECISIONS, Retention, RetentionCommit, RetentionFailure, RetentionLine, RetentionReport,
    RetentionRules, TRACES, TableRule, TraceCondition, TraceRule,
};
pub use rewriter::{Commit, Counts, Rewriter, Rewrote};
pub use run::{FileName, Mark, Run, runs};
pub use sieve::{KeepAll, Sieve};
pub use snapshot::create_snapshot;
pub use vacuum::{Amount, Intent, Unneeded, VacuumReport, vacuum};
