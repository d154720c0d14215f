//! A physical rule: `ORDER BY time DESC LIMIT n` reads the newest files first, and stops.
//!
//! DataFusion leaves out a file while a query runs, when the threshold of a TopK, or the extreme that an aggregate has
//! seen, shows that it can hold nothing better. That helps where the best files come first. Its own rule for that stops
//! at filters and unions, which is where every query with a WHERE, and every table with hot rows, has one.
//!
//! ```text
//! SortExec(fetch=n, time DESC)        AggregateExec(max(time))
//!    projections, filters, unions, repartitions: passed on, the column followed by its name
//! DataSourceExec                      files and their row groups by `time`, best first, in one queue for all partitions
//! ```
//! A filter under it gives up its rows n at a time: gathered to the usual thousands, the few matches of many files would
//! be read before the first of them raised the threshold.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, SortOrderPushdownResult};

/// Rows that a filter below an aggregate gives at a time: each batch as it is.
const ROWS_TO_AN_EXTREME: usize = 1;

/// Orders the files of scans.
#[derive(Debug)]
pub(super) struct ScanOrder;

impl PhysicalOptimizerRule for ScanOrder {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            let Some(wish) = wish_of(&plan) else { return Ok(Transformed::no(plan)) };
            let Some(input) = plan.children().first().map(|input| Arc::clone(input)) else {
                return Ok(Transformed::no(plan));
            };
            match ordered(&input, &wish)? {
                Some(input) => Ok(Transformed::yes(replace_children_if_necessary(plan, vec![input])?)),
                None => Ok(Transformed::no(plan)),
            }
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "scan_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Which rows are wanted first.
#[derive(Debug, Clone, Copy)]
struct Wish {
    /// The column, by its place in the plan that is asked.
    column: usize,
    options: SortOptions,
    /// How many rows at a time are of use.
    rows: usize,
}

fn wish_of(plan: &Arc<dyn ExecutionPlan>) -> Option<Wish> {
    if let Some(sort) = plan.downcast_ref::<SortExec>() {
        let key = sort.expr().first();
        let column = key.expr.downcast_ref::<Column>()?.index();
        return Some(Wish { column, options: key.options, rows: sort.fetch()? });
    }
    let aggregate = plan.downcast_ref::<AggregateExec>()?;
    let [function] = aggregate.aggr_expr() else { return None };
    let descending = match function.fun().name() {
        "max" => true,
        "min" => false,
        _ => return None,
    };
    let [value] = &function.expressions()[..] else { return None };
    let column = value.downcast_ref::<Column>()?.index();
    let options = SortOptions { descending, nulls_first: false };
    aggregate.group_expr().is_empty().then_some(Wish { column, options, rows: ROWS_TO_AN_EXTREME })
}

/// The plan with the files below it in the wished order; `None` where there is nothing to order.
fn ordered(plan: &Arc<dyn ExecutionPlan>, wish: &Wish) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
        return ordered_scan(scan, wish);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let column = filter.projection().as_ref().map_or(Some(wish.column), |kept| kept.get(wish.column).copied());
        let Some(column) = column else { return Ok(None) };
        let Some(input) = ordered(filter.input(), &Wish { column, ..*wish })? else { return Ok(None) };
        let rows = wish.rows.clamp(1, filter.batch_size());
        let filter = FilterExecBuilder::from(filter).with_input(input).with_batch_size(rows).build()?;
        return Ok(Some(Arc::new(filter)));
    }
    let column = if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let from = projection.expr().get(wish.column).and_then(|from| from.expr.downcast_ref::<Column>());
        from.map(Column::index)
    } else {
        let passes_on = plan.is::<UnionExec>()
            || plan.is::<RepartitionExec>()
            || plan.is::<CoalescePartitionsExec>()
            || plan.is::<CooperativeExec>();
        passes_on.then_some(wish.column)
    };
    let Some(column) = column else { return Ok(None) };
    let wish = Wish { column, ..*wish };
    let (mut children, mut changed) = (Vec::new(), false);
    for child in plan.children() {
        let better = ordered(child, &wish)?;
        changed |= better.is_some();
        children.push(better.unwrap_or_else(|| Arc::clone(child)));
    }
    if changed { replace_children_if_necessary(Arc::clone(plan), children).map(Some) } else { Ok(None) }
}

fn ordered_scan(scan: &DataSourceExec, wish: &Wish) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(files) = scan.data_source().downcast_ref::<FileScanConfig>() else { return Ok(None) };
    let source = files.file_source().projection().and_then(|columns| columns.iter().nth(wish.column));
    let Some(column) = source.and_then(|source| source.expr.downcast_ref::<Column>()) else { return Ok(None) };
    // DataFusion looks the column up in the statistics of files, which have the first columns alone.
    let mut all = files.file_groups.iter().flat_map(|group| group.iter());
    let known = all.find_map(|file| file.statistics.as_ref()).map_or(0, |known| known.column_statistics.len());
    if files.file_schema().index_of(column.name()).is_ok_and(|place| place >= known) {
        return Ok(None);
    }
    let order = PhysicalSortExpr { expr: Arc::new(Column::new(column.name(), wish.column)), options: wish.options };
    match files.try_pushdown_sort(&[order])? {
        SortOrderPushdownResult::Exact { inner } | SortOrderPushdownResult::Inexact { inner } => {
            Ok(Some(Arc::new(scan.clone().with_data_source(inner))))
        }
        SortOrderPushdownResult::Unsupported => Ok(None),
    }
}
