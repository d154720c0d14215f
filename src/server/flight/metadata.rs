//! The questions of Flight SQL that are not SQL: what there is, and what this server can.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::sql::{
    Command, CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo,
};

use super::{catalog, keys, sql_info, xdbc_types};
use crate::auth::Principal;
use crate::error::{Error, Result};
use crate::server::service::QueryService;

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
    pub(super) fn of(command: Command) -> Result<Self, Box<Command>> {
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
            other => return Err(Box::new(other)),
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
    /// `Forbidden` without the role; what asking the catalogue met; `Invalid` for a pattern that can't be matched.
    pub(super) async fn rows(self, service: &QueryService, principal: &Principal) -> Result<RecordBatch> {
        let tables = || service.catalogue(principal);
        match self {
            Self::Catalogs(command) => catalog::catalogs(command, &tables().await?),
            Self::DbSchemas(command) => catalog::schemas(command, &tables().await?),
            Self::Tables(command) => catalog::tables(command, &tables().await?),
            Self::TableTypes(command) => catalog::table_types(command),
            Self::PrimaryKeys | Self::ForeignKeys => return Ok(RecordBatch::new_empty(self.schema())),
            Self::SqlInfo(command) => sql_info::rows(&command.info),
            Self::XdbcTypes(command) => xdbc_types::rows(command.data_type),
        }
        .map_err(|error| Error::invalid("this question about the catalogue can't be answered").with_source(error))
    }
}
