//! What is asked of the engine, and what it answers with.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use super::budget::Limits;
use super::planner::CATALOG;
use crate::buffer::TableState;
use crate::error::{Error, Result};
use crate::model::signal::Signal;

/// A query and how its text is meant.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The text, one statement.
    pub sql: String,
    /// The values of `$1`, `$2`, ...
    pub params: Vec<ScalarValue>,
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// Who asks, for `current_user`; `None` where it is nobody in particular.
    pub user: Option<String>,
    /// What it may use, within the budget.
    pub limits: Limits,
}

/// Whose SQL a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// This program's.
    #[default]
    Own,
    /// That of a PostgreSQL client: this program's, and questions to PostgreSQL's catalogue.
    Postgres,
}

impl Question {
    /// A query in this program's SQL, without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), ..Self::default() }
    }

    /// Who asks, by a name that a client can be shown.
    pub(super) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(CATALOG)
    }
}

/// What is known of a query before it runs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The columns that its rows will have.
    pub schema: SchemaRef,
    /// The types of `$1`, `$2`, ... in order; `None` where the query does not tell.
    pub parameters: Vec<Option<DataType>>,
}

/// Told how a query ended.
pub type OnEnd = Box<dyn FnOnce(Result<(), &Error>) + Send>;

/// A table or view that queries may name.
#[derive(Debug, Clone)]
pub struct CatalogueTable {
    /// Its catalog.
    pub catalog: &'static str,
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// Its columns.
    pub columns: SchemaRef,
}

/// Who watches over a running query.
#[derive(Default)]
pub struct Supervision {
    /// What it is called when it was cancelled.
    pub id: String,
    /// Cancelled to stop it.
    pub cancel: CancellationToken,
    /// Called once it runs no more, before its reader hears of it; dropped uncalled where its reader went away.
    pub ended: Option<OnEnd>,
}

impl Supervision {
    pub(super) fn end(self, outcome: Result<(), &Error>) {
        if let Some(ended) = self.ended {
            ended(outcome);
        }
    }
}

impl std::fmt::Debug for Supervision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervision").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The tables that a query sees, each at one moment.
#[derive(Debug, Clone)]
pub struct Pinned(pub Vec<(Signal, Arc<TableState>)>);

/// A running query.
pub struct QueryStream {
    /// The columns of every batch.
    pub schema: SchemaRef,
    /// The rows; dropping it stops the query.
    pub batches: std::pin::Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>,
}

impl std::fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl QueryStream {
    /// Every row; for results known to be small.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.batches.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}
