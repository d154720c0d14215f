//! The one query service behind every door: text in, a stream of record batches out.
//!
//! Guarantees: a query sees each table at one moment; it can read the lake's tables and views and nothing else; its
//! memory, time, rows and reads are bounded (budget.rs); dropping its stream stops its work.
//!
//! ```text
//! question.rs --> planner.rs: plan, checked to be read-only
//!             --> run on the query runtime --> bounded channel --> the caller's stream
//! ```

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::budget::{Limits, QueryBudget, ScanMeter};
use super::described::{Described, Listed, listing};
use super::error::from_datafusion;
use super::planner::Planner;
use super::question::{CatalogueTable, Pinned, Prepared, QueryStream, Question, Supervision};
use super::sql_objects::{SqlObject, SqlObjects};
use super::suggest::{Names, known_promoted};
use super::system::JobRows;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::LakeRoot;
use crate::model::signal::Signal;

/// Batches that wait for a slow reader, at most.
const BATCHES_IN_FLIGHT: usize = 2;

/// Later than any query ends.
const FAR_AWAY: Duration = Duration::from_secs(30 * 365 * 86_400);

/// Runs queries over one lake.
#[derive(Debug)]
pub struct QueryEngine {
    planner: Arc<Planner>,
    budget: QueryBudget,
    runtime: tokio::runtime::Handle,
}

impl QueryEngine {
    /// An engine whose queries run on `runtime`.
    ///
    /// # Errors
    /// `Config` where the budget can't be set up.
    pub fn new(
        root: LakeRoot,
        budget: &QueryBudget,
        objects: Arc<SqlObjects>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self> {
        let planner = Planner::new(root, budget, objects)?;
        Ok(Self { planner: Arc::new(planner), budget: budget.clone(), runtime })
    }

    /// Fills `system.jobs` from now on. A second call is without effect.
    pub fn show_jobs(&self, rows: JobRows) {
        self.planner.show_jobs(rows);
    }

    /// The signals whose tables a query reads, by itself or through views; every one where its text does not tell.
    ///
    /// # Errors
    /// `Invalid` for a text that is no query.
    pub fn signals_read(&self, sql: &str) -> Result<Vec<Signal>> {
        let names = self.planner.tables_named(sql, &mut HashSet::new())?;
        Ok(match names {
            Some(names) => Signal::ALL.into_iter().filter(|signal| names.contains(signal.table())).collect(),
            None => Signal::ALL.to_vec(),
        })
    }

    /// Plans and starts a query over the pinned tables.
    ///
    /// # Errors
    /// `Invalid` with the position in the query, or for limits above the budget; `Cancelled`, or what running it met.
    pub async fn run(&self, pinned: Pinned, question: Question, supervision: Supervision) -> Result<QueryStream> {
        let limits = question.limits;
        let deadline = self.deadline(&limits);
        let meter = Arc::new(ScanMeter::new(self.budget.max_scan_bytes));
        let (planner, counted) = (Arc::clone(&self.planner), Arc::clone(&meter));
        let planning = self.planned(&limits, deadline, async move { planner.start(pinned, question, &counted).await });
        let allowed = self.budget.check(&limits);
        let planned = tokio::select! {
            planned = async {
                allowed?;
                planning.await
            } => planned,
            () = supervision.cancel.cancelled() => Err(cancelled(&supervision.id)),
        };
        let stream = match planned {
            Ok(stream) => stream,
            Err(error) => {
                supervision.end(Err(&error));
                return Err(error);
            }
        };
        let schema = stream.schema();
        let (sender, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
        let allowance = Allowance { budget: self.budget.clone(), limits, deadline, meter };
        self.runtime.spawn(drive(stream, sender, allowance, supervision));
        let batches = futures::stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Step::Rows(batch)) => Some((Ok(batch), Some(receiver))),
                Some(Step::End) => None,
                Some(Step::Failed(error)) => Some((Err(error), None)),
                // Without its last word the query died: what came must not pass for the whole.
                None => Some((Err(Error::internal("a query died while it ran")), None)),
            }
        });
        Ok(QueryStream { schema, batches: batches.boxed() })
    }

    /// Plans a query without running it; its parameters need no values. Where all have one, columns have their types.
    ///
    /// # Errors
    /// `Invalid` with the position in the query.
    pub async fn prepare(&self, pinned: Pinned, question: Question) -> Result<Prepared> {
        let (planner, limits) = (Arc::clone(&self.planner), question.limits);
        let deadline = self.deadline(&limits);
        self.planned(&limits, deadline, async move { planner.prepare(pinned, question).await }).await
    }

    /// Every table, view, macro and system table.
    pub fn listing(&self, pinned: &Pinned) -> Vec<Listed> {
        listing(pinned, &self.planner.objects)
    }

    /// What a table, view, macro or system table is, and its columns.
    ///
    /// # Errors
    /// `NotFound`, with the name that was most likely meant; what planning a view met.
    pub async fn describe(&self, pinned: Pinned, name: &str) -> Result<Described> {
        let promoted = known_promoted(pinned.0.iter().map(|(_, table)| table.snapshot.promoted()));
        let Some(listed) = self.listing(&pinned).into_iter().find(|listed| listed.name == name) else {
            let planner = &self.planner;
            let names = Names { sql: "", state: &planner.state, objects: &planner.objects, promoted: &promoted };
            return Err(Error::new(ErrorKind::NotFound, names.unknown_table(name)));
        };
        let (planner, limits, name) = (Arc::clone(&self.planner), Limits::default(), name.to_owned());
        let object = planner.objects.named(&name);
        let documentation = object.map(SqlObject::documentation);
        if object.is_some_and(|object| object.parameters.is_some()) {
            return Ok(Described::new(listed, documentation, None, &promoted));
        }
        let planning = async move { planner.columns_of(pinned, &name).await };
        let schema = self.planned(&limits, self.deadline(&limits), planning).await?;
        Ok(Described::new(listed, documentation, Some(&schema), &promoted))
    }

    /// Every table and view with its columns. All views are planned for it, once.
    ///
    /// # Errors
    /// What planning met; a user's view that can't be planned is left out.
    pub async fn catalogue(&self, pinned: Pinned) -> Result<Vec<CatalogueTable>> {
        let planner = Arc::clone(&self.planner);
        self.planned(
            &Limits::default(),
            self.deadline(&Limits::default()),
            async move { planner.catalogue(pinned).await },
        )
        .await
    }

    fn deadline(&self, limits: &Limits) -> Instant {
        let now = Instant::now();
        now.checked_add(self.budget.time(limits)).unwrap_or(now + FAR_AWAY)
    }

    /// The outcome of planning, which is done on the query runtime and ends when nobody waits for it.
    async fn planned<T: Send + 'static>(
        &self,
        limits: &Limits,
        deadline: Instant,
        planning: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        tokio::time::timeout_at(deadline, AbortOnDropHandle::new(self.runtime.spawn(planning)))
            .await
            .map_err(|_| self.budget.out_of_time(limits))?
            .map_err(|error| Error::internal("a query died while it was planned").with_source(error))?
    }
}

fn cancelled(id: &str) -> Error {
    Error::new(ErrorKind::Cancelled, format!("the query `{id}` was cancelled"))
}

/// What a running query tells its reader; the last is `End` or `Failed`.
enum Step {
    Rows(RecordBatch),
    End,
    Failed(Error),
}

/// What is left to a running query.
struct Allowance {
    budget: QueryBudget,
    limits: Limits,
    deadline: Instant,
    meter: Arc<ScanMeter>,
}

/// Runs a query to its end, the end of a budget, its cancellation, or the reader's departure.
async fn drive(
    stream: SendableRecordBatchStream,
    sender: mpsc::Sender<Step>,
    allowance: Allowance,
    supervision: Supervision,
) {
    let outcome = tokio::select! {
        outcome = tokio::time::timeout_at(allowance.deadline, give_rows(stream, &sender, &allowance)) => {
            outcome.unwrap_or_else(|_| Err(allowance.budget.out_of_time(&allowance.limits)))
        }
        () = supervision.cancel.cancelled() => Err(cancelled(&supervision.id)),
        () = sender.closed() => return,
    };
    // A reader that went away before the end has not been answered.
    if sender.is_closed() {
        return;
    }
    supervision.end(outcome.as_ref().map(|&()| ()));
    let _ = sender.send(outcome.map_or_else(Step::Failed, |()| Step::End)).await;
}

async fn give_rows(
    mut stream: SendableRecordBatchStream,
    sender: &mpsc::Sender<Step>,
    allowance: &Allowance,
) -> Result<()> {
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        // What a file's reader said may have been reworded on its way here.
        let batch = batch.map_err(|error| allowance.meter.overdrawn().unwrap_or_else(|| from_datafusion(error)))?;
        rows += batch.num_rows() as u64;
        if let Some(error) = allowance.budget.too_many_rows(&allowance.limits, rows) {
            return Err(error);
        }
        if sender.send(Step::Rows(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
