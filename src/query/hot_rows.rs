//! The rows of a table that are not in files yet, with statistics as exact as a file's.
//!
//! DataFusion counts rows in memory and knows no more of them; with their extremes here, `max(time)` of a table is
//! answered without a look at any row.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics, exec_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

use super::pruning::mask;

/// A scan of rows in memory that knows their statistics.
#[derive(Debug)]
pub(super) struct HotRowsExec {
    input: Arc<dyn ExecutionPlan>,
    statistics: Arc<Statistics>,
    rows: usize,
}

/// The rows of these batches for which `condition` is true, in so many partitions.
#[derive(Debug)]
pub(super) struct HotRows {
    batches: Vec<(RecordBatch, Option<BooleanArray>)>,
    schema: SchemaRef,
    condition: Option<Arc<dyn PhysicalExpr>>,
}

impl HotRows {
    /// Leaves out what a condition on `date` leaves out; `None` where nothing remains.
    pub(super) fn try_new(
        batches: impl Iterator<Item = RecordBatch>,
        condition: impl Fn(&Schema) -> Result<Option<Arc<dyn PhysicalExpr>>>,
    ) -> Result<Option<Self>> {
        let mut batches = batches.peekable();
        let Some(schema) = batches.peek().map(RecordBatch::schema) else { return Ok(None) };
        let condition = condition(&schema)?;
        let mut kept = Vec::new();
        for batch in batches {
            match condition.as_ref().map(|condition| mask(condition, &batch)).transpose()? {
                Some(mask) if mask.true_count() == 0 => {}
                Some(mask) if mask.true_count() < batch.num_rows() => kept.push((batch, Some(mask))),
                _ => kept.push((batch, None)),
            }
        }
        Ok((!kept.is_empty()).then_some(Self { batches: kept, schema, condition }))
    }

    /// The columns of the rows.
    pub(super) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many.
    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(|(batch, mask)| mask.as_ref().map_or(batch.num_rows(), BooleanArray::true_count)).sum()
    }

    /// The scan of the rows, in so many partitions.
    pub(super) fn scan(&self, partitions: usize) -> Result<Arc<dyn ExecutionPlan>> {
        let batches: Vec<RecordBatch> = self.batches.iter().map(|(batch, _)| batch.clone()).collect();
        let share = batches.len().div_ceil(partitions.max(1)).max(1);
        let partitions: Vec<Vec<RecordBatch>> = batches.chunks(share).map(<[RecordBatch]>::to_vec).collect();
        let scan = MemorySourceConfig::try_new_exec(&partitions, Arc::clone(&self.schema), None)?;
        match &self.condition {
            Some(condition) if self.batches.iter().any(|(_, mask)| mask.is_some()) => {
                Ok(Arc::new(FilterExec::try_new(Arc::clone(condition), scan)?))
            }
            _ => Ok(scan),
        }
    }

    /// A plan that gives these rows and their statistics; its columns are `columns` of them, or computed.
    pub(super) fn with_statistics(&self, plan: Arc<dyn ExecutionPlan>, wanted: bool) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = plan.schema();
        let mut statistics = Statistics::new_unknown(&schema);
        statistics.num_rows = Precision::Exact(self.rows());
        if wanted {
            for (field, known) in schema.fields().iter().zip(&mut statistics.column_statistics) {
                let is_plain = field.data_type().is_primitive();
                if let Some((column, _)) = self.schema.column_with_name(field.name()).filter(|_| is_plain) {
                    *known = self.column_statistics(column)?;
                }
            }
        }
        Ok(Arc::new(HotRowsExec { input: plan, statistics: Arc::new(statistics), rows: self.rows() }))
    }

    fn column_statistics(&self, column: usize) -> Result<ColumnStatistics> {
        let data_type = self.schema.field(column).data_type();
        let (mut min, mut max) = (MinAccumulator::try_new(data_type)?, MaxAccumulator::try_new(data_type)?);
        let mut nulls = 0;
        for (batch, mask) in &self.batches {
            let values = match mask {
                Some(mask) => filter(batch.column(column), mask)?,
                None => Arc::clone(batch.column(column)),
            };
            nulls += values.null_count();
            min.update_batch(std::slice::from_ref(&values))?;
            max.update_batch(&[values])?;
        }
        let known = |bound: ScalarValue| if bound.is_null() { Precision::Absent } else { Precision::Exact(bound) };
        Ok(ColumnStatistics {
            null_count: Precision::Exact(nulls),
            min_value: known(min.evaluate()?),
            max_value: known(max.evaluate()?),
            ..ColumnStatistics::new_unknown()
        })
    }
}

impl DisplayAs for HotRowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HotRowsExec: rows={}", self.rows)
    }
}

impl ExecutionPlan for HotRowsExec {
    fn name(&self) -> &'static str {
        "HotRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop() else { return exec_err!("hot rows without a scan") };
        Ok(Arc::new(Self { input, statistics: Arc::clone(&self.statistics), rows: self.rows }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        // Of one partition alone nothing is known.
        Ok(match args.partition() {
            None => Arc::clone(&self.statistics),
            Some(_) => Arc::new(Statistics::new_unknown(&self.schema())),
        })
    }
}
