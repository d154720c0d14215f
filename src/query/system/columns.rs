//! What each system table is, and its columns: names, types, meaning.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::ledger::transaction_item;

/// A table of the schema `system`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemTable {
    /// The live files.
    Files,
    /// The commits.
    History,
    /// The views and macros.
    Views,
    /// The functions.
    Functions,
    /// The background work.
    Jobs,
}

/// A column of a system table.
#[derive(Debug, Clone, Copy)]
pub struct SystemColumn {
    /// Its name.
    pub name: &'static str,
    kind: Kind,
    /// What it means.
    pub meaning: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Texts,
    Long,
    Boolean,
    Date,
    Time,
    Transactions,
}

const fn column(name: &'static str, kind: Kind, meaning: &'static str) -> SystemColumn {
    SystemColumn { name, kind, meaning }
}

const FILES: &[SystemColumn] = &[
    column("table_name", Kind::Text, "`logs`, `spans` or `metrics`"),
    column("path", Kind::Text, "below the table's folder, as the Delta log has it"),
    column("location", Kind::Text, "the whole path, or the URL on an object store: what a Parquet reader opens"),
    column("date", Kind::Date, "the partition: UTC day of `time`"),
    column("size_bytes", Kind::Long, "bytes"),
    column("row_count", Kind::Long, "rows; NULL where the log does not say"),
    column("modified", Kind::Time, "when it was written"),
    column("min_time", Kind::Time, "no row is earlier"),
    column("max_time", Kind::Time, "no row is later by a millisecond or more: some writers state whole ones"),
    column("min_service_name", Kind::Text, "no row's service_name is before it in order of bytes; may be cut short"),
    column("max_service_name", Kind::Text, "no row's service_name is after it; may be rounded up"),
];

const HISTORY: &[SystemColumn] = &[
    column("table_name", Kind::Text, "`logs`, `spans` or `metrics`"),
    column("version", Kind::Long, "the Delta version that the commit made"),
    column("time", Kind::Time, "when the writer says that it was, else when the commit's file was written"),
    column(
        "operation",
        Kind::Text,
        "what was done: `WRITE`, `ADD COLUMN`, `OPTIMIZE`; NULL where the writer does not say",
    ),
    column("operation_parameters", Kind::Text, "JSON, as the writer gives it"),
    column("operation_metrics", Kind::Text, "JSON, as the writer gives it"),
    column("engine_info", Kind::Text, "the program that wrote it"),
    column("files_added", Kind::Long, "files put in"),
    column("files_removed", Kind::Long, "files taken out"),
    column("rows_added", Kind::Long, "rows of the files put in; NULL where one of them does not say"),
    column("bytes_added", Kind::Long, "bytes of the files put in"),
    column("bytes_removed", Kind::Long, "bytes of the files taken out; NULL where one of them does not say"),
    column("data_change", Kind::Boolean, "whether rows came or went, not only files written anew"),
    column(
        "transactions",
        Kind::Transactions,
        "whose work is in since: `writer/<uuid>/<table>` or `import/<hash>`, up to which sequence",
    ),
    column("job", Kind::Text, "`compaction`, `retention` or `erasure`; NULL for any other commit"),
    column("run", Kind::Text, "one call of the job: all its commits have it"),
    column("by", Kind::Text, "who did it: a user of the machine, a principal, or `telestrata` for a server's own jobs"),
    column("rule", Kind::Text, "the rule or request by which rows went"),
    column("reason", Kind::Text, "why, in a person's words"),
];

const VIEWS: &[SystemColumn] = &[
    column("name", Kind::Text, "the name in SQL"),
    column("kind", Kind::Text, "`view` or `macro`"),
    column("usage", Kind::Text, "how it is written: `traces`, `trace_tree(trace_id)`"),
    column("parameters", Kind::Texts, "of a macro, in order, each with its default after a `=`"),
    column("summary", Kind::Text, "what one row is"),
    column("documentation", Kind::Text, "the file's head comment: columns, units, what bounds the cost"),
    column("file", Kind::Text, "the file of a view of one's own; NULL for the program's"),
    column("sql", Kind::Text, "the file's text"),
];

const FUNCTIONS: &[SystemColumn] = &[
    column("name", Kind::Text, "the name in SQL; another name of the same function has a row of its own"),
    column("kind", Kind::Text, "`scalar`, `aggregate`, `window` or `table`"),
    column("usage", Kind::Text, "how it is written; NULL where it does not say"),
    column("documentation", Kind::Text, "what it does; NULL where it does not say"),
];

const JOBS: &[SystemColumn] = &[
    column("job", Kind::Text, "what it does: `compaction`, `retention`, `erasure`, `vacuum` or `log_cleanup`"),
    column("table_name", Kind::Text, "the table that it works on; NULL where it works on all"),
    column(
        "state",
        Kind::Text,
        "`waiting` until `next_run`, `queued` for its turn, `running`, or `stopped` with the server",
    ),
    column("phase", Kind::Text, "what it is doing; NULL while it does not run"),
    column("next_run", Kind::Time, "when it is due; later each time while it fails; NULL while it does not wait"),
    column("started", Kind::Time, "when its last run began, or the one under way"),
    column("ended", Kind::Time, "when its last run ended"),
    column("last_success", Kind::Time, "when a run last did all that was to be done; NULL for never since the start"),
    column("last_error", Kind::Text, "what is wrong, until a run does all that is to be done"),
    column("runs", Kind::Long, "runs that ended, since the start"),
    column("failures", Kind::Long, "runs, and parts of runs such as a date, that failed, since the start"),
    column("rows_done", Kind::Long, "rows read by the last run, or the one under way"),
    column("files_done", Kind::Long, "files it has replaced or taken out"),
    column("bytes_done", Kind::Long, "their bytes"),
];

impl SystemTable {
    /// Every one, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Files, Self::History, Self::Views, Self::Functions, Self::Jobs];

    /// The name, within the schema `system`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::History => "history",
            Self::Views => "views",
            Self::Functions => "functions",
            Self::Jobs => "jobs",
        }
    }

    /// The table of a name, with or without `system.` before it.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix(super::SYSTEM_SCHEMA)?.strip_prefix('.')?;
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// What one row is.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Files => "One row a live file of the lake's tables; rows not yet flushed are in none.",
            Self::History => {
                "One row a commit of the lake's tables, newest first: every one as far back as the log goes \
                 (`maintenance.log_retention`), and before that, from the table `ledger`, every one that was more than an append."
            }
            Self::Views => "One row a view or macro, the program's own and those of `query.views`.",
            Self::Functions => "One row a function.",
            Self::Jobs => {
                "One row a background job of the server that answers and its table; none without a server, or where \
                 `maintenance.enabled` is false."
            }
        }
    }

    /// What bounds what reading it costs.
    pub const fn cost(self) -> &'static str {
        match self {
            Self::Files => "nothing is read: the log is in memory.",
            Self::History => {
                "an object a commit, eight at once. LIMIT alone, and conditions on table_name and version, bound what \
                 is read; ORDER BY and other conditions read the whole log."
            }
            Self::Views | Self::Functions | Self::Jobs => "nothing is read.",
        }
    }

    /// The columns, in order.
    pub const fn columns(self) -> &'static [SystemColumn] {
        match self {
            Self::Files => FILES,
            Self::History => HISTORY,
            Self::Views => VIEWS,
            Self::Functions => FUNCTIONS,
            Self::Jobs => JOBS,
        }
    }

    /// The same as an Arrow schema.
    pub(in crate::query) fn schema(self) -> SchemaRef {
        let fields = self.columns().iter().map(|column| Field::new(column.name, column.kind.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Fields>()))
    }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
            Self::Long => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Transactions => DataType::List(transaction_item()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The part of docs/sql.md between its marks is what is said here; TELESTRATA_UPDATE_DOCS=1 writes it anew.
    #[test]
    fn the_documentation_of_system_tables_is_what_is_said_here() {
        const BEGIN: &str =
            "<!-- system tables: made by TELESTRATA_UPDATE_DOCS=1 cargo test --lib of_system_tables -->\n";
        const END: &str = "<!-- end of system tables -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sql.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (before, rest) = text.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let mut made = String::new();
        for table in SystemTable::ALL {
            made += &format!("\n### `system.{}`\n\n{} Cost: {}\n\n", table.name(), table.summary(), table.cost());
            made += "| column | meaning |\n| --- | --- |\n";
            for column in table.columns() {
                made += &format!("| `{}` | {} |\n", column.name, column.meaning);
            }
        }
        let made = format!("{before}{BEGIN}{made}\n{END}{after}");
        if std::env::var_os("TELESTRATA_UPDATE_DOCS").is_some() {
            std::fs::write(path, made).unwrap();
        } else {
            assert_eq!(text, made, "docs/sql.md is not what src/query/system/columns.rs says");
        }
    }
}
