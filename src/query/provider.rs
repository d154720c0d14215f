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

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
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
use super::file_reader::FileStores;
use super::pruning::{prune, with_bound_on_start};
use super::trace_ids::asked_ids;
use crate::buffer::TableState;
use crate::lake::{LakeRoot, LiveFile};
use crate::model::contract::PARTITION;
use crate::model::signal::Signal;
use crate::trace_index::TraceIndex;

/// Bytes fetched from a file's end at first: footer and page index of a usual file.
const FOOTER_HINT: usize = 64 << 10;

/// One table at one moment.
#[derive(Debug)]
pub(super) struct SignalTable {
    root: LakeRoot,
    stores: FileStores,
    index: Arc<TraceIndex>,
    signal: Signal,
    state: Arc<TableState>,
    /// The scan's own order: the file's columns, then the partition.
    scan_schema: TableSchema,
}

impl SignalTable {
    /// The table of a signal, pinned at `state`.
    ///
    /// # Errors
    /// If the table's schema has no partition column.
    pub(super) fn try_new(
        root: LakeRoot,
        stores: FileStores,
        index: Arc<TraceIndex>,
        signal: Signal,
        state: Arc<TableState>,
    ) -> Result<Self> {
        let schema = state.snapshot.schema();
        let partition = schema.index_of(PARTITION)?;
        let in_files: Vec<usize> = (0..schema.fields().len()).filter(|column| *column != partition).collect();
        let file_schema = Arc::new(schema.project(&in_files)?);
        let scan_schema = TableSchema::builder(file_schema)
            .with_table_partition_cols(vec![Arc::new(schema.field(partition).clone())])
            .build();
        Ok(Self { root, stores, index, signal, state, scan_schema })
    }

    async fn cold(
        &self,
        session: &dyn Session,
        columns: &[usize],
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let schema = self.scan_schema.table_schema();
        let predicate = self.predicate(session, filters)?;
        let mut files = prune(self.state.snapshot.files(), predicate.as_ref(), schema);
        if let Some(ids) = asked_ids(self.signal, filters) {
            files = self.index.files_with(self.signal, &ids, files).await;
        }
        if files.is_empty() {
            return Ok(None);
        }
        let table = self.root.table_path(self.signal.table()).map_err(external)?;
        let footers = session.runtime_env().cache_manager.get_file_metadata_cache();
        let mut source = ParquetSource::new(self.scan_schema.clone())
            .with_table_parquet_options(session.table_options().parquet.clone())
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true)
            .with_metadata_size_hint(FOOTER_HINT)
            .with_pushdown_filters(filters.iter().any(is_lookup_by_id) && !self.has_promoted(columns))
            .with_parquet_file_reader_factory(self.stores.factory(footers));
        if let Some(predicate) = predicate {
            source = source.with_predicate(with_bound_on_start(predicate, &files, schema));
        }
        let rows = files.iter().map(|file| file.rows).sum::<Option<u64>>();
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        let mut statistics = Statistics::new_unknown(schema);
        statistics.num_rows = rows.map_or(Precision::Absent, |rows| Precision::Exact(as_usize(rows)));
        statistics.total_byte_size = Precision::Inexact(as_usize(bytes));
        let order = scan_order(schema, self.state.snapshot.schema(), columns)?;
        let config = FileScanConfigBuilder::new(store_url(&self.root)?, Arc::new(source))
            .with_file_groups(file_groups(&files, &table, &self.scan_schema, session.config().target_partitions()))
            .with_projection_indices(Some(order))?
            .with_statistics(statistics)
            .with_limit(limit)
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

    fn predicate(&self, session: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let schema = DFSchema::try_from(Arc::clone(self.scan_schema.table_schema()))?;
        conjunction(filters.iter().cloned().map(unqualified).collect::<Result<Vec<_>>>()?)
            .map(|filter| session.create_physical_expr(filter, &schema))
            .transpose()
    }

    fn hot(&self, session: &dyn Session, columns: &[usize]) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(first) = self.state.hot.first() else { return Ok(None) };
        let schema = first.batch.schema();
        let batches: Vec<RecordBatch> = self.state.hot.iter().map(|hot| hot.batch.clone()).collect();
        let share = batches.len().div_ceil(session.config().target_partitions().max(1)).max(1);
        let partitions: Vec<Vec<RecordBatch>> = batches.chunks(share).map(<[RecordBatch]>::to_vec).collect();
        let scan = MemorySourceConfig::try_new_exec(&partitions, Arc::clone(&schema), None)?;
        let table_schema = self.state.snapshot.schema();
        let promoted = self.state.snapshot.promoted();
        let exprs = columns
            .iter()
            .map(|column| {
                let name = table_schema.field(*column).name();
                let expr = match promoted.iter().find(|promoted| promoted.name == *name) {
                    Some(promoted) => promoted_value(promoted, &schema)?,
                    None => Arc::new(Column::new_with_schema(name, &schema)?),
                };
                Ok((expr, name.clone()))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(Arc::new(ProjectionExec::try_new(exprs, scan)?)))
    }
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
        // Used to leave out files, row groups and pages; rows are still filtered above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
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
        let cold = self.cold(session, &columns, filters, limit).await?;
        let hot = self.hot(session, &columns)?;
        match (cold, hot) {
            (Some(cold), Some(hot)) => UnionExec::try_new(vec![cold, hot]),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (None, None) => Ok(Arc::new(EmptyExec::new(Arc::new(schema.project(&columns)?)))),
        }
    }
}

/// Files in as many groups as there are partitions, each of about the same bytes.
fn file_groups(files: &[Arc<LiveFile>], table: &Path, schema: &TableSchema, partitions: usize) -> Vec<FileGroup> {
    let mut files: Vec<&Arc<LiveFile>> = files.iter().collect();
    files.sort_by(|left, right| right.size.cmp(&left.size).then_with(|| left.path.cmp(&right.path)));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = vec![(0, Vec::new()); partitions.clamp(1, files.len().max(1))];
    for file in files {
        if let Some((bytes, group)) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += file.size;
            group.push(partitioned_file(file, table, schema));
        }
    }
    groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}

fn partitioned_file(file: &LiveFile, table: &Path, schema: &TableSchema) -> PartitionedFile {
    let location = file.path.split('/').fold(table.clone(), |path, part| path.join(part));
    let last_modified = chrono::DateTime::from_timestamp_millis(file.modified_ms).unwrap_or_default();
    let meta = ObjectMeta { location, last_modified, size: file.size, e_tag: None, version: None };
    let mut statistics = Statistics::new_unknown(schema.file_schema());
    statistics.num_rows = file.rows.map_or(Precision::Absent, |rows| Precision::Exact(as_usize(rows)));
    let mut partitioned = PartitionedFile::from(meta);
    partitioned.partition_values = vec![ScalarValue::Date32(file.day())];
    partitioned.with_statistics(Arc::new(statistics))
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

fn as_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
