//! Work on a lake beside taking and asking.
//!
//! ```text
//! check/      held against its log, its files and its configuration; repairs nothing
//! compact/    small files into large ones
//! merge.rs    sorted files to sorted files
//! proof.rs    the proof that a rewrite kept every row
//! vacuum/     files that nobody needs any more are removed
//! ```

mod check;
mod compact;
mod merge;
mod proof;
mod vacuum;

pub use check::{
    Application, Check, CheckReport, Code, Finding, Severity, TableReport, WalReport, check, compare_configuration,
};
pub use compact::{CompactionSettings, Compactor, DateReport};
pub use vacuum::{Amount, Intent, Unneeded, VacuumReport, vacuum};
