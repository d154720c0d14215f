//! A table as DataFusion sees it: one pinned moment, hot and cold rows as one.
//!
//! Guarantee: every row that was acknowledged when the moment was pinned is seen once (invariant 2), whichever files
//! and batches it is in.
//!
//! ```text
//! filters --> prune live files by the log's statistics, trace ids by the trace index
//!                               |
//!                               +--> ParquetSource (row groups, pages, bloom filters) --+
//!                                                                                       +--> union
//! hot batches --> memory scan, promoted columns computed -------------------------------+
//! ```

use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::adapter::{ContractAdapterFactory, promoted_value};
use super::asked::has_subquery;
use super::budget::ScanMeter;
use super::file_reader::FileStores;
use super::file_statistics::{file_statistics, has_statistics, table_statistics};
use super::hot_rows::HotRows;
use super::pruning::{date_alone, of_dates, prune, with_bound_on_start};
use super::scan_report::{ScanReport, ScanReports};
use super::trace_ids::asked_ids;
use crate::buffer::TableState;
use crate::lake::{LakeRoot, LiveFile};
use crate::model::contract::PARTITION;
use crate::model::signal::Signal;
use crate::trace_index::TraceIndex;

/// Bytes fetched from a file's end at first: footer and page index of a usual file.
const FOOTER_HINT: usize = 64 << 10;

/// How one query gets at the files of a lake.
#[derive(Debug)]
pub(super) struct FileAccess {
    pub(super) root: LakeRoot,
    pub(super) stores: FileStores,
    pub(super) index: Arc<TraceIndex>,
    pub(super) meter: Arc<ScanMeter>,
    pub(super) reports: Arc<ScanReports>,
}

/// One table at one moment.
#[derive(Debug)]
pub(super) struct SignalTable {
    files: FileAccess,
    signal: Signal,
    state: Arc<TableState>,
    /// The scan's own order: the file's columns, those with statistics first, then the partition.
    scan_schema: TableSchema,
    /// How many columns may have statistics.
    known: usize,
}

impl SignalTable {
    /// The table of a signal, pinned at `state`.
    ///
    /// # Errors
    /// If the table's schema has no partition column.
    pub(super) fn try_new(files: FileAccess, signal: Signal, state: Arc<TableState>) -> Result<Self> {
        let schema = state.snapshot.schema();
        let partition = schema.index_of(PARTITION)?;
        let in_files = (0..schema.fields().len()).filter(|column| *column != partition);
        let (known, others): (Vec<usize>, Vec<usize>) =
            in_files.partition(|column| has_statistics(signal, schema.field(*column).name()));
        let (in_files, known) = ([known.as_slice(), &others].concat(), known.len());
        let file_schema = Arc::new(schema.project(&in_files)?);
        let scan_schema = TableSchema::builder(file_schema)
            .with_table_partition_cols(vec![Arc::new(schema.field(partition).clone())])
            .build();
        Ok(Self { files, signal, state, scan_schema, known })
    }

    /// The files that a query has to read, and why not the others.
    async fn files(&self, session: &dyn Session, question: &Question) -> Result<(Vec<Arc<LiveFile>>, ScanReport)> {
        let schema = self.scan_schema.table_schema();
        let live: Vec<Arc<LiveFile>> = self.state.snapshot.files().iter().map(Arc::clone).collect();
        let mut report = ScanReport::new(self.signal.table(), live.len());
        let dates = condition(session, &question.dates, &date_alone())?;
        let kept = of_dates(live, dates.as_ref())?;
        let on_time: Vec<Expr> = question.others.iter().filter(|filter| is_on_time(filter)).cloned().collect();
        let kept = prune(kept, condition(session, &on_time, schema)?.as_ref(), schema);
        report.kept_by_time(&kept);
        let kept = prune(kept, condition(session, &question.others, schema)?.as_ref(), schema);
        report.kept_by_statistics(&kept);
        let Some(ids) = asked_ids(self.signal, &question.others) else { return Ok((kept, report)) };
        let kept = self.files.index.files_with(self.signal, &ids, kept).await;
        report.kept_by_trace_index(&kept);
        Ok((kept, report))
    }

    fn cold(
        &self,
        session: &dyn Session,
        question: &Question,
        files: &[Arc<LiveFile>],
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if files.is_empty() {
            return Ok(None);
        }
        let schema = self.scan_schema.table_schema();
        let known = &self.scan_schema.file_schema().fields()[..self.known];
        let table = self.files.root.table_path(self.signal.table()).map_err(external)?;
        let footers = session.runtime_env().cache_manager.get_file_metadata_cache();
        let mut source = ParquetSource::new(self.scan_schema.clone())
            .with_table_parquet_options(session.table_options().parquet.clone())
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true)
            .with_metadata_size_hint(FOOTER_HINT)
            .with_pushdown_filters(question.others.iter().any(is_lookup_by_id) && !self.has_promoted(&question.columns))
            .with_parquet_file_reader_factory(self.files.stores.factory(footers, Arc::clone(&self.files.meter)));
        if let Some(predicate) = condition(session, &question.others, schema)? {
            source = source.with_predicate(with_bound_on_start(predicate, files, schema));
        }
        let order = scan_order(schema, self.state.snapshot.schema(), &question.columns)?;
        let config = FileScanConfigBuilder::new(store_url(&self.files.root)?, Arc::new(source))
            .with_file_groups(file_groups(files, &table, known, session.config().target_partitions()))
            .with_projection_indices(Some(order))?
            .with_statistics(table_statistics(files, known, schema))
            .with_limit(question.limit)
            .with_expr_adapter(Some(Arc::new(ContractAdapterFactory::new(self.state.snapshot.promoted()))))
            .build();
        Ok(Some(DataSourceExec::from_data_source(config)))
    }

    /// Whether a promoted column is among these. In a file that lacks it, its expression reads maps, which a filter
    /// inside the Parquet reader can't: DataFusion would take the filter for done and leave it out.
    fn has_promoted(&self, columns: &[usize]) -> bool {
        let schema = self.state.snapshot.schema();
        let promoted = self.state.snapshot.promoted();
        columns.iter().any(|column| promoted.iter().any(|promoted| promoted.name == *schema.field(*column).name()))
    }

    fn hot(&self, question: &Question, hot: &HotRows, partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = hot.schema();
        let scan = hot.scan(partitions)?;
        let table_schema = self.state.snapshot.schema();
        let promoted = self.state.snapshot.promoted();
        let exprs = question
            .columns
            .iter()
            .map(|column| {
                let name = table_schema.field(*column).name();
                let expr = match promoted.iter().find(|promoted| promoted.name == *name) {
                    Some(promoted) => promoted_value(promoted, schema)?,
                    None => Arc::new(Column::new_with_schema(name, schema)?),
                };
                Ok((expr, name.clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        // Where rows are still to be filtered, they answer nothing.
        hot.with_statistics(Arc::new(ProjectionExec::try_new(exprs, scan)?), question.others.is_empty())
    }
}

/// What is asked of a table.
struct Question {
    columns: Vec<usize>,
    /// Conditions on `date` alone: met by a whole file or by none of it, and by hot rows before they are scanned.
    dates: Vec<Expr>,
    /// The others, by which files are left out, and rows later.
    others: Vec<Expr>,
    limit: Option<usize>,
}

#[async_trait]
impl TableProvider for SignalTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.state.snapshot.schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = |filter: &&Expr| match is_on_date(filter) {
            true => TableProviderFilterPushDown::Exact,
            // Used to leave out files, row groups and pages; rows are still filtered above.
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(supported).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.state.snapshot.schema();
        let columns = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let (dates, others) = filters.iter().cloned().partition(is_on_date);
        let question = Question { columns, dates, others, limit };
        let (files, mut report) = self.files(session, &question).await?;
        let cold = self.cold(session, &question, &files)?;
        let batches = self.state.hot.iter().map(|hot| hot.batch.clone());
        let hot = HotRows::try_new(batches, |schema| condition(session, &question.dates, schema))?;
        report.hot_rows = hot.as_ref().map_or(0, HotRows::rows);
        self.files.reports.add(report);
        let partitions = session.config().target_partitions();
        let hot = hot.map(|hot| self.hot(&question, &hot, partitions)).transpose()?;
        match (cold, hot) {
            (Some(cold), Some(hot)) => UnionExec::try_new(vec![cold, hot]),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Ok(Arc::new(EmptyExec::new(Arc::new(schema.project(&question.columns)?)))),
        }
    }
}

/// Files in as many groups as there are partitions, each of about the same bytes.
fn file_groups(files: &[Arc<LiveFile>], table: &Path, known: &[FieldRef], partitions: usize) -> Vec<FileGroup> {
    let mut files: Vec<&Arc<LiveFile>> = files.iter().collect();
    files.sort_by(|left, right| right.size.cmp(&left.size).then_with(|| left.path.cmp(&right.path)));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = vec![(0, Vec::new()); partitions.clamp(1, files.len().max(1))];
    for file in files {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += file.size;
            group.push(partitioned_file(file, table, known));
        }
    }
    groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}

fn partitioned_file(file: &LiveFile, table: &Path, known: &[FieldRef]) -> PartitionedFile {
    let location = file.path.split('/').fold(table.clone(), |path, part| path.join(part));
    let last_modified = chrono::DateTime::from_timestamp_millis(file.modified_ms).unwrap_or_default();
    let meta = ObjectMeta { location, last_modified, size: file.size, e_tag: None, version: None };
    let mut partitioned = PartitionedFile::from(meta);
    partitioned.partition_values = vec![ScalarValue::Date32(file.day())];
    // Of the first columns alone: of all of them they would be 16 KB a file.
    partitioned.statistics = Some(Arc::new(file_statistics(file, known)));
    partitioned
}

/// The scan's indices of the table's columns.
fn scan_order(scan: &SchemaRef, table: &Schema, columns: &[usize]) -> Result<Vec<usize>> {
    columns.iter().map(|column| Ok(scan.index_of(table.field(*column).name())?)).collect()
}

/// `trace_id = '...'` and its like keep so few rows that filtering while decoding pays.
fn is_lookup_by_id(filter: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return false };
    [left, right].iter().any(
        |side| matches!(side.as_ref(), Expr::Column(column) if matches!(column.name.as_str(), "trace_id" | "span_id")),
    )
}

/// Whether it is a condition on `date` alone, which is the same for all rows of a file.
fn is_on_date(filter: &Expr) -> bool {
    is_on(filter, &[PARTITION]) && !filter.is_volatile() && !has_subquery(filter)
}

/// Whether it is a condition on when something happened, and nothing else.
fn is_on_time(filter: &Expr) -> bool {
    is_on(filter, &[PARTITION, "time"])
}

fn is_on(filter: &Expr, columns: &[&str]) -> bool {
    let named = filter.column_refs();
    !named.is_empty() && named.iter().all(|column| columns.contains(&column.name.as_str()))
}

/// The conjunction of filters, over columns of `schema`.
fn condition(session: &dyn Session, filters: &[Expr], schema: &Schema) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let schema = DFSchema::try_from(schema.clone())?;
    conjunction(filters.iter().cloned().map(unqualified).collect::<Result<Vec<_>>>()?)
        .map(|filter| session.create_physical_expr(filter, &schema))
        .transpose()
}

/// The filter without the table's name on its columns.
pub(super) fn unqualified(filter: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    filter
        .transform(|expr| match expr {
            Expr::Column(column) if column.relation.is_some() => {
                Ok(Transformed::yes(Expr::Column(datafusion::common::Column::from_name(column.name))))
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
}

/// The URL under which the lake's store is registered: scheme and host, without a path.
pub(super) fn store_url(root: &LakeRoot) -> Result<ObjectStoreUrl> {
    let url = root.url();
    ObjectStoreUrl::parse(&url[..url::Position::BeforePath])
}

pub(super) fn external(error: crate::error::Error) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}
