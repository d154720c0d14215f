//! The ledger: an open Delta table, `ledger`, of what was done to the lake's tables, which outlives their logs.
//!
//! Guarantees: every commit of `logs`, `spans` and `metrics` that is not a plain append becomes one row, once; a log
//! lets go of no commit that is not in yet (`lake/log_keeping.rs`). What a foreign commit gives as its parameters is left
//! out: a predicate may quote what a person wants forgotten, and rows here are kept for ever.
//!
//! ```text
//! commits of a table since the last harvest --> those that are no appends --> a file of the table's partition
//!                                                                          |  commit, with txn `ledger/<table>` = up to which version
//! system.history: the log's commits, then the ledger's below them  <-------+
//! ```

mod harvest;
mod read;
mod rows;

pub use harvest::{Harvested, harvest};
pub use read::ledger_commits;
pub(crate) use rows::{columns, transaction_item};

use serde_json::{Value, json};

use crate::lake::DerivedTableSpec;

/// The table.
pub const TABLE: DerivedTableSpec =
    DerivedTableSpec { name: "ledger", schema, partition: PARTITION, statistics: "version" };

/// The partition column: which table a commit is of.
const PARTITION: &str = "table_name";

fn schema() -> Value {
    let field = |name: &str, kind: Value, comment: &str| json!({ "name": name, "type": kind, "nullable": true, "metadata": { "comment": comment } });
    let mut fields = vec![field(PARTITION, json!("string"), "the table that the commit is of")];
    fields.extend(rows::COLUMNS.iter().map(|column| field(column.name, column.delta_type(), column.comment)));
    json!({ "type": "struct", "fields": fields })
}
