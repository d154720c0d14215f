//! `system.history`: the commits of the pinned tables, read from their logs while a query asks for more.
//!
//! ```text
//! filters on table_name and version --> which commits --> read newest first, a few ahead --> merged by time --> rows
//! ```

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray as _, BooleanArray, Int64Array, Int64Builder, ListBuilder, RecordBatch, StringArray,
    StringBuilder, StructBuilder, TimestampMicrosecondArray,
};
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

use super::columns::{SystemTable, transaction_fields};
use crate::error::Result as OwnResult;
use crate::lake::{LakeRoot, LakeTable, TableCommit};
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
        let commits = Commits { tables, schema: self.schema() };
        let plan = StreamingTableExec::try_new(self.schema(), vec![Arc::new(commits)], projection, None, false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// The commits that a query asks for.
#[derive(Debug)]
struct Commits {
    tables: Vec<(LakeTable, Vec<u64>)>,
    schema: SchemaRef,
}

impl PartitionStream for Commits {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let tables = self.tables.iter().cloned().map(|(table, versions)| of_table(table, versions).peekable());
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

/// A table's commits of these versions, up to the first that is no longer there.
fn of_table(table: LakeTable, versions: Vec<u64>) -> TableCommits {
    let signal = table.signal();
    let read = move |version| {
        let table = table.clone();
        async move { table.commit_of(version).await }
    };
    let commits = futures::stream::iter(versions).map(read).buffered(AHEAD);
    let there = commits.try_take_while(|commit| futures::future::ready(Ok(commit.is_some())));
    there.try_filter_map(move |commit| futures::future::ready(Ok(commit.map(|commit| (signal, commit))))).boxed()
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
    let long = |value: u64| i64::try_from(value).ok();
    let of = || commits.iter().map(|(_, commit)| commit);
    let text =
        |value: fn(&TableCommit) -> Option<&str>| -> ArrayRef { Arc::new(of().map(value).collect::<StringArray>()) };
    let number = |value: fn(&TableCommit) -> Option<u64>| -> ArrayRef {
        Arc::new(of().map(|commit| value(commit).and_then(long)).collect::<Int64Array>())
    };
    let times = of().map(|commit| commit.time_ms.checked_mul(1000)).collect::<TimestampMicrosecondArray>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(commits.iter().map(|(signal, _)| Some(signal.table())).collect::<StringArray>()),
        number(|commit| Some(commit.version)),
        Arc::new(times.with_timezone("UTC")),
        text(|commit| commit.operation.as_deref()),
        text(|commit| commit.operation_parameters.as_deref()),
        text(|commit| commit.operation_metrics.as_deref()),
        text(|commit| commit.engine_info.as_deref()),
        number(|commit| Some(commit.files_added)),
        number(|commit| Some(commit.files_removed)),
        number(|commit| commit.rows_added),
        number(|commit| Some(commit.bytes_added)),
        number(|commit| commit.bytes_removed),
        Arc::new(of().map(|commit| Some(commit.data_change)).collect::<BooleanArray>()),
        transactions(commits),
    ];
    Ok(RecordBatch::try_new(SystemTable::History.schema(), columns)?)
}

fn transactions(commits: &[(Signal, TableCommit)]) -> ArrayRef {
    let fields = transaction_fields();
    let item = Field::new_list_field(DataType::Struct(fields.clone()), true);
    let builders: Vec<Box<dyn arrow::array::ArrayBuilder>> =
        vec![Box::new(StringBuilder::new()), Box::new(Int64Builder::new())];
    let mut lists = ListBuilder::new(StructBuilder::new(fields, builders)).with_field(Arc::new(item));
    for (_, commit) in commits {
        let items = lists.values();
        for (app_id, version) in &commit.transactions {
            if let Some(ids) = items.field_builder::<StringBuilder>(0) {
                ids.append_value(app_id);
            }
            if let Some(versions) = items.field_builder::<Int64Builder>(1) {
                versions.append_value(*version);
            }
            items.append(true);
        }
        lists.append(true);
    }
    Arc::new(lists.finish())
}
