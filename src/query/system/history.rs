//! `system.history`: the commits of the pinned tables, read from their logs while a query asks for more, and from the
//! ledger what the logs have no more.
//!
//! ```text
//! filters on table_name and version --> which commits --> read newest first, a few ahead --> merged by time --> rows
//!                                                             |  from the first that is gone
//!                                                             +--> the ledger
//! ```

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{and_kleene, cast};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::datasource::TableType;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::stream::{BoxStream, Peekable};
use futures::{Stream, StreamExt as _, TryStreamExt as _};

use super::columns::SystemTable;
use crate::error::Result as OwnResult;
use crate::lake::{LakeRoot, LakeTable, TableCommit};
use crate::ledger::{self, ledger_commits};
use crate::model::signal::Signal;
use crate::query::asked::has_subquery;
use crate::query::provider::{external, unqualified};
use crate::query::question::Pinned;

/// Commits of a table that are read at once.
const AHEAD: usize = 8;

/// Commits in a batch, at most.
const BATCH: usize = 1024;

/// The commits of tables up to a version of each.
#[derive(Debug)]
pub(super) struct History {
    root: LakeRoot,
    tables: Vec<(Signal, u64)>,
}

impl History {
    /// The history of the pinned tables.
    pub(super) fn new(root: LakeRoot, pinned: &Pinned) -> Self {
        let tables = pinned.0.iter().map(|(signal, state)| (*signal, state.snapshot.version())).collect();
        Self { root, tables }
    }

    /// The versions of a table that may pass the filters, newest first.
    fn versions(&self, signal: Signal, newest: u64, session: &dyn Session, filters: &[Expr]) -> Result<Vec<u64>> {
        let all: Vec<u64> = (0..=newest).rev().collect();
        let schema = Schema::new(vec![
            Field::new("table_name", DataType::Utf8, true),
            Field::new("version", DataType::Int64, true),
        ]);
        let rows = RecordBatch::try_new(
            Arc::new(schema.clone()),
            vec![
                Arc::new(StringArray::from(vec![signal.table(); all.len()])),
                Arc::new(all.iter().map(|version| i64::try_from(*version).ok()).collect::<Int64Array>()),
            ],
        )?;
        let schema = DFSchema::try_from(schema)?;
        let mut kept = BooleanArray::from(vec![true; all.len()]);
        for filter in filters.iter().filter(|filter| tells_commits_apart(filter)) {
            let filter = session.create_physical_expr(unqualified(filter.clone())?, &schema)?;
            let passed = cast(&filter.evaluate(&rows)?.into_array(all.len())?, &DataType::Boolean)?;
            kept = and_kleene(&kept, passed.as_boolean())?;
        }
        Ok(all.into_iter().zip(&kept).filter(|(_, kept)| *kept == Some(true)).map(|(version, _)| version).collect())
    }
}

/// Whether a filter is on nothing but which commit it is.
fn tells_commits_apart(filter: &Expr) -> bool {
    let columns = filter.column_refs();
    !filter.is_volatile()
        && !has_subquery(filter)
        && !columns.is_empty()
        && columns.iter().all(|column| matches!(column.name.as_str(), "table_name" | "version"))
}

#[async_trait]
impl TableProvider for History {
    fn schema(&self) -> SchemaRef {
        SystemTable::History.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let how = |filter: &&Expr| match tells_commits_apart(filter) {
            true => TableProviderFilterPushDown::Exact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(how).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut tables = Vec::new();
        for (signal, newest) in &self.tables {
            let table = LakeTable::new(&self.root, *signal).map_err(external)?;
            tables.push((table, self.versions(*signal, *newest, session, filters)?));
        }
        let commits = Commits { root: self.root.clone(), tables, schema: self.schema() };
        let plan = StreamingTableExec::try_new(self.schema(), vec![Arc::new(commits)], projection, None, false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// The commits that a query asks for.
#[derive(Debug)]
struct Commits {
    root: LakeRoot,
    tables: Vec<(LakeTable, Vec<u64>)>,
    schema: SchemaRef,
}

impl PartitionStream for Commits {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let tables = self.tables.iter().cloned();
        let tables = tables.map(|(table, versions)| of_table(self.root.clone(), table, versions).peekable());
        let rows = newest_first(tables.collect()).ready_chunks(BATCH).flat_map(|commits| {
            // What was read before an error is answered: a query may not want more.
            let (mut read, mut failed) = (Vec::new(), None);
            for commit in commits {
                match commit {
                    Ok(commit) if failed.is_none() => read.push(commit),
                    Ok(_) => {}
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            let rows = (!read.is_empty()).then(|| batch(&read));
            futures::stream::iter(rows.into_iter().chain(failed.map(|error| Err(external(error)))))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

type TableCommits = BoxStream<'static, OwnResult<(Signal, TableCommit)>>;

/// A table's commits of these versions: its log's, and from the first that the log has no more, the ledger's.
fn of_table(root: LakeRoot, table: LakeTable, versions: Vec<u64>) -> TableCommits {
    let signal = table.signal();
    let read = move |version| {
        let table = table.clone();
        async move { Ok((version, table.commit_of(version).await?)) }
    };
    let log = futures::stream::iter(versions.clone()).map(read).buffered(AHEAD).boxed();
    let commits = futures::stream::unfold((log, None), move |(mut log, mut older)| {
        let (root, versions) = (root.clone(), versions.clone());
        async move {
            if older.is_none() {
                match log.next().await? {
                    Ok((_, Some(commit))) => return Some((Ok(commit), (log, None))),
                    Ok((gone, None)) => match older_commits(&root, signal, &versions, gone).await {
                        Ok(commits) => older = Some(commits),
                        Err(error) => return Some((Err(error), (log, Some(VecDeque::new())))),
                    },
                    Err(error) => return Some((Err(error), (log, Some(VecDeque::new())))),
                }
            }
            let next = older.as_mut()?.pop_front()?;
            Some((Ok(next), (log, older)))
        }
    });
    commits.map_ok(move |commit| (signal, commit)).boxed()
}

/// What the ledger has of these versions, from one on downwards.
async fn older_commits(
    root: &LakeRoot,
    signal: Signal,
    versions: &[u64],
    newest: u64,
) -> OwnResult<VecDeque<TableCommit>> {
    let wanted: HashSet<u64> = versions.iter().copied().filter(|version| *version <= newest).collect();
    let commits = ledger_commits(root, signal.table()).await?;
    Ok(commits.into_iter().filter(|commit| wanted.contains(&commit.version)).collect())
}

/// The commits of several tables as one stream, the latest time first.
fn newest_first(
    tables: Vec<Peekable<TableCommits>>,
) -> impl Stream<Item = OwnResult<(Signal, TableCommit)>> + Send + 'static {
    futures::stream::unfold(tables, async |mut tables| {
        let mut newest: Option<(usize, i64)> = None;
        for (index, commits) in tables.iter_mut().enumerate() {
            let time = match Pin::new(commits).peek().await {
                Some(Ok((_, commit))) => commit.time_ms,
                // At once, since it ends the query.
                Some(Err(_)) => i64::MAX,
                None => continue,
            };
            if newest.is_none_or(|(_, latest)| time > latest) {
                newest = Some((index, time));
            }
        }
        let next = tables.get_mut(newest?.0)?.next().await?;
        Some((next, tables))
    })
}

fn batch(commits: &[(Signal, TableCommit)]) -> Result<RecordBatch> {
    let names: ArrayRef = Arc::new(commits.iter().map(|(signal, _)| Some(signal.table())).collect::<StringArray>());
    let commits: Vec<&TableCommit> = commits.iter().map(|(_, commit)| commit).collect();
    let columns = std::iter::once(names).chain(ledger::columns(&commits)).collect();
    Ok(RecordBatch::try_new(SystemTable::History.schema(), columns)?)
}
