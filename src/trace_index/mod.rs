//! Where a trace id is to be looked for: an open Delta table, `trace_index`, of when each id was seen.
//!
//! Guarantee: the index may be behind, absent or damaged, and costs time then, never rows. Each of its files says which
//! data files it covers; a data file that none covers is searched itself.
//!
//! ```text
//! data files that no run covers --> harvest.rs: ids and times --> run.rs: a sorted file, with what it covers in its footer
//!                                                                      |  commit                    indexer.rs
//!                                                                      v
//!                                                trace_index/month=YYYY-MM/<run>.parquet   <-- merged when many
//!                                                                      |
//! trace_id = '...' --> key --> every run of the months asked for --> when --> the data files of that time   lookup.rs
//! ```
//! `sighting.rs` has the index's row and the key of an id.

mod harvest;
mod indexer;
mod lookup;
mod run;
mod sighting;

pub use indexer::{Indexer, Live, Step, catch_up};
pub use lookup::TraceIndex;

/// The index is made in this part of the memory for hot rows.
pub const INDEXER_SHARE: usize = 8;

use serde_json::{Value, json};

use crate::lake::{DerivedTableSpec, LiveFile};

/// The index's table.
pub const TABLE: DerivedTableSpec =
    DerivedTableSpec { name: "trace_index", schema, partition: MONTH, statistics: run::KEY };

const MONTH: &str = "month";

fn schema() -> Value {
    let field = |name: &str, kind: &str, comment: &str| json!({ "name": name, "type": kind, "nullable": true, "metadata": { "comment": comment } });
    json!({ "type": "struct", "fields": [
        field(MONTH, "string", "UTC month of the rows, YYYY-MM"),
        field(run::KEY, "long", "the last 8 bytes of the trace id, big-endian; several ids may share it"),
        field(run::SIGNAL, "string", "the table whose rows have the id: logs, spans, or metrics for exemplars"),
        field(run::FIRST, "long", "the earliest of them, in whole seconds since 1970, rounded down"),
        field(run::SECONDS, "integer", "whole seconds from there to the latest; NULL where they are too many"),
    ] })
}

/// The month of a data file, `YYYY-MM`; `None` where its date is unknown.
fn month_of(file: &LiveFile) -> Option<&str> {
    file.date.as_deref()?.get(..7)
}
