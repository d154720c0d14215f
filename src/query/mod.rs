//! SQL over fresh and old rows as one table.
//!
//! ```text
//! engine.rs           text -> stream, the service behind every door
//! statement.rs        parsing, attr('k')
//! file_reader.rs      how a scan reads files
//! filter.rs           a table with a condition that a person wrote
//! provider.rs         a table: pruned files + hot rows
//! pruning.rs          which files, by the Delta log's statistics
//! lookup.rs           attributes['k'] and attr('k') as functions
//! adapter.rs          file by file: promoted columns, lookups answered by them
//! lookup_pushdown.rs  lookups into the scans
//! span_match.rs       which span a log belongs to
//! views.rs            the views of sql/
//! asked_time.rs       a bound on a view's time bounds what the view reads
//! ```

mod adapter;
mod asked_time;
mod engine;
mod error;
mod file_reader;
mod filter;
mod lookup;
mod lookup_pushdown;
mod provider;
mod pruning;
mod span_match;
mod statement;
mod views;

pub use engine::{Pinned, QueryBudget, QueryEngine, QueryStream};
pub use filter::{error_in_condition, filtered_table};
pub use views::{VIEWS, View};
