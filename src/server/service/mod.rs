//! The one query service behind every door.
//!
//! Guarantees, whichever door asks: the role `query` is needed; the same budgets, counters and errors; each running
//! query has an id by which it can be cancelled and seen; a cancellation stops the work at once, whether or not
//! the client is reading.
//!
//! ```text
//! door --Ask--> rights --> queries.rs: its id --> QueryEngine::run --> Answer --> door
//!                          tally.rs: counted    (told to stop, tells its end)
//! ```

mod queries;
mod tally;

use std::sync::Arc;

use datafusion::common::ScalarValue;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::queries::Queries;
use self::tally::Tally;
use crate::auth::{Principal, Role};
use crate::error::Result;
use crate::ingest::Store;
use crate::query::{
    CatalogueTable, Described, Dialect, Limits, Listed, Pinned, Prepared, QueryEngine, QueryStream, Question,
    Supervision,
};

/// Runs queries for every door.
#[derive(Debug)]
pub(super) struct QueryService {
    store: Arc<Store>,
    engine: Arc<QueryEngine>,
    queries: Arc<Queries>,
}

/// A query, and who asks it.
#[derive(Debug)]
pub(super) struct Ask {
    /// The text, one statement.
    pub(super) sql: String,
    /// The values of `$1`, `$2`, ...
    pub(super) params: Vec<ScalarValue>,
    /// Whose SQL it is.
    pub(super) dialect: Dialect,
    /// The id that the client gives it; one is made where it gives none.
    pub(super) query_id: Option<String>,
    /// Who asks.
    pub(super) principal: Principal,
    /// By which way, for the list of running queries.
    pub(super) door: &'static str,
}

/// A running query.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its id.
    pub(super) id: String,
    /// Its columns and rows; dropping it stops the work.
    pub(super) query: QueryStream,
    /// Cancelled when somebody cancels it. Its rows then end with an error; a door that waits for its client looks here.
    pub(super) cancelled: CancellationToken,
}

impl QueryService {
    pub(super) fn new(store: Arc<Store>, engine: Arc<QueryEngine>) -> Self {
        Self { store, engine, queries: Arc::default() }
    }

    /// Starts a query.
    ///
    /// # Errors
    /// `Forbidden` without the role; `Invalid` with the position in the query; `Conflict` where the id is another's;
    /// `Cancelled`; what running it met.
    pub(super) async fn run(&self, ask: Ask) -> Result<Answer> {
        self.run_within(ask, Limits::default()).await
    }

    /// Starts a query that may use less than the server allows.
    ///
    /// # Errors
    /// As [`run`](Self::run); `Invalid` for limits above the server's.
    pub(super) async fn run_within(&self, ask: Ask, limits: Limits) -> Result<Answer> {
        ask.principal.require(Role::Query)?;
        let running = self.queries.begin(ask.query_id, &ask.sql, &ask.principal, ask.door)?;
        let (id, cancelled) = (running.id().to_owned(), running.cancel().clone());
        let tally = Tally::start(self.store.metrics());
        let supervision = Supervision {
            id: id.clone(),
            cancel: cancelled.clone(),
            ended: Some(Box::new(move |outcome| {
                drop(running);
                tally.end(outcome);
            })),
        };
        let user = ask.principal.name().map(str::to_owned);
        let question = Question { sql: ask.sql, params: ask.params, dialect: ask.dialect, user, limits };
        let query = self.engine.run(Pinned(self.store.pin()), question, supervision).await?;
        Ok(Answer { id, query, cancelled })
    }

    /// Plans a query without running it; its parameters need no values.
    ///
    /// # Errors
    /// `Forbidden` without the role; `Invalid` with the position in the query.
    pub(super) async fn prepare(&self, sql: &str, dialect: Dialect, principal: &Principal) -> Result<Prepared> {
        principal.require(Role::Query)?;
        let user = principal.name().map(str::to_owned);
        let question = Question { sql: sql.to_owned(), params: Vec::new(), dialect, user, ..Question::default() };
        self.engine.prepare(Pinned(self.store.pin()), question).await
    }

    /// Every table, view, macro and system table.
    ///
    /// # Errors
    /// `Forbidden` without the role.
    pub(super) fn tables(&self, principal: &Principal) -> Result<Vec<Listed>> {
        principal.require(Role::Query)?;
        Ok(self.engine.listing(&Pinned(self.store.pin())))
    }

    /// What a table, view, macro or system table is, and its columns.
    ///
    /// # Errors
    /// `Forbidden` without the role; `NotFound`, with the name that was most likely meant.
    pub(super) async fn describe(&self, name: &str, principal: &Principal) -> Result<Described> {
        principal.require(Role::Query)?;
        self.engine.describe(Pinned(self.store.pin()), name).await
    }

    /// Plans a query of this program's SQL with values for its parameters: the columns are those that running it gives.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(super) async fn prepare_with(
        &self,
        sql: &str,
        params: Vec<ScalarValue>,
        principal: &Principal,
    ) -> Result<Prepared> {
        principal.require(Role::Query)?;
        let question = Question { params, ..Question::new(sql) };
        self.engine.prepare(Pinned(self.store.pin()), question).await
    }

    /// Every table and view with its columns.
    ///
    /// # Errors
    /// `Forbidden` without the role; what planning the views met.
    pub(super) async fn catalogue(&self, principal: &Principal) -> Result<Vec<CatalogueTable>> {
        principal.require(Role::Query)?;
        self.engine.catalogue(Pinned(self.store.pin())).await
    }

    /// Cancels a query of the principal's, or anybody's for an admin; `false` where there is none of that id.
    ///
    /// # Errors
    /// `Forbidden` without the role.
    pub(super) fn cancel(&self, id: &str, principal: &Principal) -> Result<bool> {
        principal.require(Role::Query)?;
        Ok(self.queries.cancel(id, principal))
    }

    /// The running queries of the principal's, or all for an admin, for people.
    ///
    /// # Errors
    /// `Forbidden` without the role.
    pub(super) fn list(&self, principal: &Principal) -> Result<Value> {
        principal.require(Role::Query)?;
        Ok(self.queries.list(principal))
    }
}
