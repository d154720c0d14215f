//! The schema `system`: the store about itself, as tables.
//!
//! Read-only, made anew for each query, and nothing is read for a table that a query does not name.
//!
//! ```text
//! columns.rs    what each table is and has: names, types, meaning
//! batch.rs      a table that is one batch, made when it is scanned
//! files.rs      system.files: the live files of the pinned snapshots
//! history.rs    system.history: the tables' commits, read while they are asked for
//! objects.rs    system.views, system.functions: what queries may name
//! jobs.rs       system.jobs: the server's background work
//! ```

mod batch;
mod columns;
mod files;
mod history;
mod jobs;
mod objects;

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::common::Result;
use datafusion::execution::SessionState;

use self::batch::BatchTable;
pub use self::columns::{SystemColumn, SystemTable};
use self::files::files;
use self::history::History;
use self::jobs::JobSource;
pub use self::jobs::{JobRow, JobRows};
use self::objects::{functions, views};
use super::question::Pinned;
use super::sql_objects::SqlObjects;
use crate::lake::LakeRoot;

/// The schema's name in SQL.
pub const SYSTEM_SCHEMA: &str = "system";

/// What is the same for every query.
#[derive(Debug)]
pub(super) struct SystemTables {
    root: LakeRoot,
    views: RecordBatch,
    functions: RecordBatch,
    jobs: JobSource,
}

impl SystemTables {
    /// The tables about a lake, and about what a session and these objects let queries name.
    ///
    /// # Errors
    /// If the rows do not fit their columns, which a test rules out.
    pub(super) fn new(root: LakeRoot, session: &SessionState, objects: &SqlObjects) -> Result<Self> {
        Ok(Self { root, views: views(objects)?, functions: functions(session)?, jobs: JobSource::default() })
    }

    /// Where `system.jobs` asks.
    pub(super) const fn jobs(&self) -> &JobSource {
        &self.jobs
    }

    /// The schema over the tables that a query has pinned.
    ///
    /// # Errors
    /// If a name were taken twice.
    pub(super) fn over(&self, pinned: &Pinned) -> Result<Arc<dyn SchemaProvider>> {
        let schema = MemorySchemaProvider::new();
        for table in SystemTable::ALL {
            let provider = match table {
                SystemTable::Files => {
                    let (root, pinned) = (self.root.clone(), pinned.clone());
                    BatchTable::provider(table, move || files(&root, &pinned))
                }
                SystemTable::History => Arc::new(History::new(self.root.clone(), pinned)),
                SystemTable::Views => {
                    let rows = self.views.clone();
                    BatchTable::provider(table, move || Ok(rows.clone()))
                }
                SystemTable::Functions => {
                    let rows = self.functions.clone();
                    BatchTable::provider(table, move || Ok(rows.clone()))
                }
                SystemTable::Jobs => {
                    let jobs = self.jobs.clone();
                    BatchTable::provider(table, move || jobs.batch())
                }
            };
            schema.register_table(table.name().to_owned(), provider)?;
        }
        Ok(Arc::new(schema))
    }
}
