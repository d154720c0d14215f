//! The questions of Flight SQL that are not SQL: what there is, and what this server can.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    Command, CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo,
};

use super::catalog::{Catalog, TableType};
use super::{keys, sql_info, xdbc_types};
use crate::error::{Error, Result};

/// A question about what there is.
#[derive(Debug)]
pub(super) enum Metadata {
    Catalogs(CommandGetCatalogs),
    DbSchemas(CommandGetDbSchemas),
    Tables(CommandGetTables),
    TableTypes(CommandGetTableTypes),
    PrimaryKeys,
    ForeignKeys,
    SqlInfo(CommandGetSqlInfo),
    XdbcTypes(CommandGetXdbcTypeInfo),
}

impl Metadata {
    /// The question that a command asks; the command itself where it asks something else.
    pub(super) fn of(command: Command) -> Result<Self, Command> {
        Ok(match command {
            Command::CommandGetCatalogs(command) => Self::Catalogs(command),
            Command::CommandGetDbSchemas(command) => Self::DbSchemas(command),
            Command::CommandGetTables(command) => Self::Tables(command),
            Command::CommandGetTableTypes(command) => Self::TableTypes(command),
            Command::CommandGetPrimaryKeys(_) => Self::PrimaryKeys,
            Command::CommandGetExportedKeys(_)
            | Command::CommandGetImportedKeys(_)
            | Command::CommandGetCrossReference(_) => Self::ForeignKeys,
            Command::CommandGetSqlInfo(command) => Self::SqlInfo(command),
            Command::CommandGetXdbcTypeInfo(command) => Self::XdbcTypes(command),
            other => return Err(other),
        })
    }

    /// The columns of its answer.
    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Self::Catalogs(command) => command.into_builder().schema(),
            Self::DbSchemas(command) => command.clone().into_builder().schema(),
            Self::Tables(command) => command.clone().into_builder().schema(),
            Self::TableTypes(command) => command.into_builder().schema(),
            Self::PrimaryKeys => keys::primary_schema(),
            Self::ForeignKeys => keys::foreign_schema(),
            Self::SqlInfo(_) => sql_info::schema(),
            Self::XdbcTypes(_) => xdbc_types::schema(),
        }
    }

    /// Its answer.
    ///
    /// # Errors
    /// What asking the catalogue met; `Invalid` for a pattern that can't be matched.
    pub(super) async fn rows(self, catalog: &Catalog<'_>) -> Result<RecordBatch> {
        match self {
            Self::Catalogs(command) => {
                let mut rows = command.into_builder();
                for name in catalog.catalogs().await? {
                    rows.append(name);
                }
                rows.build().map_err(refused)
            }
            Self::DbSchemas(command) => {
                let mut rows = command.into_builder();
                for (catalog, schema) in catalog.schemas().await? {
                    rows.append(catalog, schema);
                }
                rows.build().map_err(refused)
            }
            Self::Tables(command) => catalog.tables(command).await,
            Self::TableTypes(command) => {
                let mut rows = command.into_builder();
                for table_type in TableType::ALL {
                    rows.append(table_type.name());
                }
                rows.build().map_err(refused)
            }
            Self::PrimaryKeys | Self::ForeignKeys => Ok(RecordBatch::new_empty(self.schema())),
            Self::SqlInfo(command) => sql_info::rows(&command.info).map_err(refused),
            Self::XdbcTypes(command) => xdbc_types::rows(command.data_type).map_err(refused),
        }
    }
}

/// Why the answer to a question could not be made.
pub(super) fn refused(error: FlightError) -> Error {
    Error::invalid("this question about the catalogue can't be answered").with_source(error)
}
