//! SQL over fresh and old rows as one table.
//!
//! ```text
//! engine.rs           text -> stream, the service behind every door
//! question.rs         what is asked, and what is answered with
//! planner.rs          text -> plan over pinned tables
//! budget.rs           what a query may use
//! statement.rs        parsing, attr('k')
//! described.rs        what there is to ask, and its columns
//! dialect.rs          how tightly operators bind
//! output_names.rs     columns of one name in a result
//! functions/          the functions that SQL has beside DataFusion's
//! file_reader.rs      how a scan reads files
//! placeholders.rs     parameters that stand for lists, and their types
//! filter.rs           a table with a condition that a person wrote
//! sampling.rs         a condition with sample() in it, as steps of chance
//! row_filter.rs       a condition over rows in memory
//! provider.rs         a table: pruned files + hot rows
//! pruning.rs          which files, by the Delta log's statistics
//! file_statistics.rs  what the log says of files' columns
//! scan_report.rs      what a query would read, and why no more
//! hot_rows.rs         the rows that are in no file yet
//! scan_order.rs       the best files first, for ORDER BY ... LIMIT
//! trace_ids.rs        which trace ids a filter asks for, for the trace index
//! lookup.rs           attributes['k'] and attr('k') as functions
//! adapter.rs          file by file: promoted columns, lookups answered by them
//! lookup_pushdown.rs  lookups into the scans
//! lookup_below.rs     lookups below joins and windows
//! trace/              one trace: its tree, self times, critical path
//! span_match.rs       which span a log belongs to
//! sql_objects.rs      the views and macros of sql/ and of a user's folder
//! sql_type.rs         types in SQL's words
//! macros.rs           calls of macros, written out
//! suggest.rs          what a person most likely meant
//! system/             the schema system: files, history, views, functions
//! view_order.rs       the order that a view ends with
//! asked.rs            a bound on a view's time or trace_id bounds what the view reads
//! markers.rs          where a view reads it
//! pg_catalog/         what PostgreSQL's clients ask about tables, columns, types
//! asof_join/          each row of one table with the nearest of another
//! ```

mod adapter;
mod asked;
mod asof_join;
mod budget;
mod described;
mod dialect;
mod engine;
mod error;
mod file_reader;
mod file_statistics;
mod filter;
mod functions;
mod hot_rows;
mod lookup;
mod lookup_below;
mod lookup_pushdown;
mod macros;
mod markers;
mod output_names;
mod pg_catalog;
mod placeholders;
mod planner;
mod provider;
mod pruning;
mod question;
mod row_filter;
mod sampling;
mod scan_order;
mod scan_report;
mod span_match;
mod sql_objects;
mod sql_type;
mod statement;
mod suggest;
mod system;
mod trace;
mod trace_ids;
mod view_order;

pub use budget::{Limits, QueryBudget};
pub use described::{Described, DescribedColumn, Listed, Stored, listing, table_summary};
pub use engine::QueryEngine;
pub use filter::{error_in_condition, filtered_table};
pub use functions::is_sampled;
pub use pg_catalog::{SERVER_VERSION, SERVER_VERSION_NUMBER};
pub use question::{CatalogueTable, Dialect, OnEnd, Pinned, Prepared, QueryStream, Question, Supervision};
pub use row_filter::{RowFilter, RowFilters, traces_schema};
pub use sampling::{SampleStep, has_sample, sample_steps};
pub use sql_objects::{Parameter, SqlObject, SqlObjects};
pub use sql_type::{type_name, type_of_name};
pub use system::{JobRow, JobRows, SYSTEM_SCHEMA, SystemColumn, SystemTable};
