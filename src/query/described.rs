//! What there is to ask, for programs: tables, views, macros and system tables, and the columns of one.

use arrow::datatypes::{DataType, Field, Schema};
use serde::Serialize;

use super::question::Pinned;
use super::sql_objects::SqlObjects;
use super::sql_type::type_name;
use super::system::{SYSTEM_SCHEMA, SystemTable};
use crate::model::contract::columns;
use crate::model::promoted::Promoted;
use crate::model::signal::Signal;

/// A table, view, macro or system table.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its name in SQL, with `system.` where it is of that schema.
    pub name: String,
    /// `table`, `view`, `macro` or `system`.
    pub kind: &'static str,
    /// How it is written in SQL: `span_logs`, `trace_tree(trace_id)`.
    pub usage: String,
    /// What one row is.
    pub description: String,
    /// Of a table, what is stored.
    #[serde(flatten)]
    pub stored: Option<Stored>,
}

/// What is stored of a table.
#[derive(Debug, Clone, Serialize)]
pub struct Stored {
    /// Rows in files.
    pub rows: u64,
    /// Rows in the server's memory that are in no file yet.
    pub hot_rows: usize,
    /// Live files.
    pub files: usize,
    /// Bytes of these files.
    pub bytes: u64,
    /// UTC day of the earliest row in files.
    pub first_date: Option<String>,
    /// UTC day of the latest row in files.
    pub last_date: Option<String>,
    /// The Delta version.
    pub version: u64,
    /// Columns.
    pub columns: usize,
}

/// One of them with its columns.
#[derive(Debug, Clone, Serialize)]
pub struct Described {
    #[serde(flatten)]
    listed: Listed,
    /// Of a view or macro its head comment: columns, units, what bounds the cost.
    pub documentation: Option<String>,
    /// The columns, in order; `None` of a macro, whose arguments decide them.
    #[serde(rename = "schema")]
    pub columns: Option<Vec<DescribedColumn>>,
}

/// A column.
#[derive(Debug, Clone, Serialize)]
pub struct DescribedColumn {
    /// Its name.
    pub name: String,
    /// Its type in SQL's words.
    pub r#type: String,
    /// Its type in Arrow's.
    pub arrow_type: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// The unit of its values.
    pub unit: Option<String>,
    /// What it means.
    pub comment: Option<String>,
    /// Of a promoted column the attributes that it has, first to last.
    pub promoted: Option<String>,
}

/// What one row of a signal's table is.
pub const fn table_summary(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "One row a log record.",
        Signal::Spans => "One row a span.",
        Signal::Metrics => "One row a data point of a metric.",
    }
}

/// Every one: the tables that are there, the views and macros, the system tables.
pub fn listing(pinned: &Pinned, objects: &SqlObjects) -> Vec<Listed> {
    let tables = pinned.0.iter().map(|(signal, state)| {
        let files = state.snapshot.files();
        let dates = || files.iter().filter_map(|file| file.date.clone());
        let stored = Stored {
            rows: files.iter().filter_map(|file| file.rows).sum(),
            hot_rows: state.hot_rows(),
            files: files.len(),
            bytes: files.bytes(),
            first_date: dates().min(),
            last_date: dates().max(),
            version: state.snapshot.version(),
            columns: state.snapshot.schema().fields().len(),
        };
        let (name, description) = (signal.table().to_owned(), table_summary(*signal).to_owned());
        Listed { usage: name.clone(), name, kind: "table", description, stored: Some(stored) }
    });
    let objects = objects.iter().map(|object| Listed {
        name: object.name.to_string(),
        kind: if object.parameters.is_some() { "macro" } else { "view" },
        usage: object.usage().to_owned(),
        description: object.summary().to_owned(),
        stored: None,
    });
    let system = SystemTable::ALL.into_iter().map(|table| {
        let name = format!("{SYSTEM_SCHEMA}.{}", table.name());
        Listed { usage: name.clone(), name, kind: "system", description: table.summary().to_owned(), stored: None }
    });
    tables.chain(objects).chain(system).collect()
}

impl Described {
    pub(super) fn new(
        listed: Listed,
        documentation: Option<String>,
        schema: Option<&Schema>,
        promoted: &[Promoted],
    ) -> Self {
        let fields = schema.map(|schema| schema.fields().iter());
        let columns = fields.map(|fields| fields.map(|field| column(&listed.name, field, promoted)).collect());
        Self { listed, documentation, columns }
    }
}

fn column(table: &str, field: &Field, promoted: &[Promoted]) -> DescribedColumn {
    let name = field.name();
    let signal = Signal::from_table(table);
    let own = signal.and_then(|signal| columns(signal).find(|column| column.name == name));
    let promoted = signal.filter(|_| own.is_none()).and_then(|_| promoted.iter().find(|column| column.name == *name));
    let system = SystemTable::named(table);
    let meaning = system.and_then(|table| table.columns().iter().find(|column| column.name == name));
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    DescribedColumn {
        name: name.clone(),
        r#type: type_name(field.data_type()),
        // Views are a form in memory, which no door gives.
        arrow_type: match field.data_type() {
            DataType::Utf8View => DataType::Utf8.to_string(),
            other => other.to_string(),
        },
        nullable: field.is_nullable(),
        unit: own.and_then(|column| text(column.unit)),
        comment: own.map(|column| column.comment).or(meaning.map(|column| column.meaning)).and_then(text),
        promoted: promoted.map(Promoted::comment),
    }
}
