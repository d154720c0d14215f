//! The tables and views that queries may name, as `information_schema` tells them.

use std::collections::BTreeSet;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use arrow_flight::sql::CommandGetTables;
use datafusion::common::TableReference;

use super::metadata::refused;
use crate::auth::Principal;
use crate::error::{Error, Result};
use crate::output::sent_schema;
use crate::query::{Dialect, SYSTEM_SCHEMA};
use crate::server::service::{Ask, QueryService};

const TABLES: &str = "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables";

/// What there is, as one principal may see it.
pub(super) struct Catalog<'a> {
    pub(super) service: &'a QueryService,
    pub(super) principal: &'a Principal,
}

/// What a table is, in JDBC's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableType {
    System,
    Table,
    View,
}

/// A table or view.
struct Table {
    catalog: String,
    schema: String,
    name: String,
    table_type: TableType,
}

impl TableType {
    /// Every type.
    pub(super) const ALL: [Self; 3] = [Self::System, Self::Table, Self::View];

    /// Its name on the wire.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::System => "SYSTEM TABLE",
            Self::Table => "TABLE",
            Self::View => "VIEW",
        }
    }

    fn of(schema: &str, table_type: &str) -> Self {
        match (schema, table_type) {
            ("information_schema" | SYSTEM_SCHEMA, _) => Self::System,
            (_, "VIEW") => Self::View,
            _ => Self::Table,
        }
    }
}

impl Catalog<'_> {
    /// The names of the catalogs.
    pub(super) async fn catalogs(&self) -> Result<BTreeSet<String>> {
        Ok(self.all().await?.into_iter().map(|table| table.catalog).collect())
    }

    /// The schemas, each with its catalog.
    pub(super) async fn schemas(&self) -> Result<BTreeSet<(String, String)>> {
        Ok(self.all().await?.into_iter().map(|table| (table.catalog, table.schema)).collect())
    }

    /// The tables that are asked for. Only their schemas are planned.
    pub(super) async fn tables(&self, command: CommandGetTables) -> Result<RecordBatch> {
        let include_schema = command.include_schema;
        let names = CommandGetTables { include_schema: false, ..command };
        let mut found = names.into_builder();
        for table in self.all().await? {
            let Table { catalog, schema, name, table_type } = &table;
            found.append(catalog, schema, name, table_type.name(), &Schema::empty()).map_err(refused)?;
        }
        let found = found.build().map_err(refused)?;
        if !include_schema {
            return Ok(found);
        }
        let mut rows = CommandGetTables { include_schema, ..CommandGetTables::default() }.into_builder();
        for [catalog, schema, name, table_type] in texts(&found)? {
            let columns = self.columns(&catalog, &schema, &name).await?;
            rows.append(catalog, schema, name, table_type, &columns).map_err(refused)?;
        }
        rows.build().map_err(refused)
    }

    async fn all(&self) -> Result<Vec<Table>> {
        let ask = Ask {
            sql: TABLES.to_owned(),
            params: Vec::new(),
            dialect: Dialect::Own,
            query_id: None,
            principal: self.principal.clone(),
            door: "flight",
        };
        let batches = self.service.run(ask).await?.query.collect().await?;
        let mut tables = Vec::new();
        for batch in batches {
            tables.extend(texts(&batch)?.into_iter().map(|[catalog, schema, name, table_type]| {
                let table_type = TableType::of(&schema, &table_type);
                Table { catalog, schema, name, table_type }
            }));
        }
        Ok(tables)
    }

    /// The columns that `SELECT *` gives.
    async fn columns(&self, catalog: &str, schema: &str, name: &str) -> Result<Schema> {
        let table = TableReference::full(catalog, schema, name).to_quoted_string();
        let prepared = self.service.prepare(&format!("SELECT * FROM {table}"), Dialect::Own, self.principal).await?;
        Ok(sent_schema(&prepared.schema).as_ref().clone())
    }
}

/// The rows of four columns of text.
fn texts(batch: &RecordBatch) -> Result<Vec<[String; 4]>> {
    let wrong = || Error::internal("the catalogue is not four columns of text");
    let columns = batch.columns().iter().map(|column| cast(column, &DataType::Utf8)).collect::<Result<Vec<_>, _>>();
    let columns = columns.map_err(|error| wrong().with_source(error))?;
    let [catalog, schema, name, table_type] = columns.as_slice() else { return Err(wrong()) };
    let columns = [catalog, schema, name, table_type].map(|column| column.as_string::<i32>());
    Ok((0..batch.num_rows()).map(|row| columns.map(|column| column.value(row).to_owned())).collect())
}
