//! What there is: catalogs, schemas, tables and views, as the builders of arrow-flight filter and sort them.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables};

use crate::output::sent_schema;
use crate::query::{CatalogueTable, SYSTEM_SCHEMA};

type Result<T> = std::result::Result<T, FlightError>;

/// What a table is, in JDBC's words.
const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";
const SYSTEM_TABLE: &str = "SYSTEM TABLE";

/// The names of the catalogs.
pub(super) fn catalogs(command: CommandGetCatalogs, tables: &[CatalogueTable]) -> Result<RecordBatch> {
    let mut rows = command.into_builder();
    for catalog in tables.iter().map(|table| table.catalog).collect::<BTreeSet<_>>() {
        rows.append(catalog);
    }
    rows.build()
}

/// The schemas that are asked for.
pub(super) fn schemas(command: CommandGetDbSchemas, tables: &[CatalogueTable]) -> Result<RecordBatch> {
    let mut rows = command.into_builder();
    for (catalog, schema) in tables.iter().map(|table| (table.catalog, table.schema)).collect::<BTreeSet<_>>() {
        rows.append(catalog, schema);
    }
    rows.build()
}

/// The tables that are asked for, with the columns that `SELECT *` gives where those are asked for.
pub(super) fn tables(command: CommandGetTables, tables: &[CatalogueTable]) -> Result<RecordBatch> {
    let mut rows = command.into_builder();
    for table in tables {
        rows.append(table.catalog, table.schema, &table.name, table_type(table), &sent_schema(&table.columns))?;
    }
    rows.build()
}

/// The types that tables have.
pub(super) fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut rows = command.into_builder();
    for table_type in [SYSTEM_TABLE, TABLE, VIEW] {
        rows.append(table_type);
    }
    rows.build()
}

fn table_type(table: &CatalogueTable) -> &'static str {
    match table.schema {
        SYSTEM_SCHEMA | "information_schema" => SYSTEM_TABLE,
        _ if table.is_view => VIEW,
        _ => TABLE,
    }
}
