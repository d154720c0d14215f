//! The order that a view's or macro's file ends with, kept by a query that only filters it and picks its columns.

use std::collections::HashMap;

use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

/// The orders that views end with, by the view's name.
pub(super) type ViewOrders = HashMap<String, Vec<SortExpr>>;

/// The order that a view's plan ends with.
pub(super) fn own_order(plan: &LogicalPlan) -> Option<Vec<SortExpr>> {
    let LogicalPlan::Sort(sort) = plan else { return None };
    let unqualified = |sort: &SortExpr| match &sort.expr {
        Expr::Column(column) => Some(SortExpr { expr: Expr::Column(Column::from_name(&column.name)), ..sort.clone() }),
        _ => None,
    };
    sort.expr.iter().map(unqualified).collect()
}

/// Gives a view's own order to a query that only filters and picks columns of it.
///
/// SQL lets the order of a subquery go, and DataFusion does so while it plans; a time line that comes shuffled is none.
pub(super) fn keep_order(plan: LogicalPlan, orders: &ViewOrders) -> Result<LogicalPlan> {
    let visible = |sort: &SortExpr| match &sort.expr {
        Expr::Column(column) => plan.schema().has_column_with_unqualified_name(&column.name),
        _ => false,
    };
    let order: Vec<SortExpr> = order_below(&plan, orders).unwrap_or_default().into_iter().take_while(visible).collect();
    if order.is_empty() {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan).sort(order)?.build()
}

fn order_below(plan: &LogicalPlan, orders: &ViewOrders) -> Option<Vec<SortExpr>> {
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => order_below(plan.inputs().first()?, orders),
        LogicalPlan::SubqueryAlias(alias) => match orders.get(alias.alias.table()) {
            Some(order) => Some(order.clone()),
            // A macro is written out where it is called.
            None => own_order(&alias.input).or_else(|| order_below(&alias.input, orders)),
        },
        _ => None,
    }
}
