//! The views that ship with the program: one file each in `sql/`.
//!
//! A view is planned when a query names it, against the tables that the query has pinned.

use std::collections::HashMap;

use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::Sort as SortExpr;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

/// A view: its name and the text of its file.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The name in SQL.
    pub name: &'static str,
    /// The file: a head comment, then one SELECT.
    pub sql: &'static str,
}

/// Every view.
pub const VIEWS: &[View] = &[
    View { name: "span_logs", sql: include_str!("../../sql/span_logs.sql") },
    View { name: "traces", sql: include_str!("../../sql/traces.sql") },
    View { name: "trace_timeline", sql: include_str!("../../sql/trace_timeline.sql") },
    View { name: "service_health", sql: include_str!("../../sql/service_health.sql") },
];

impl View {
    /// The view of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        VIEWS.iter().find(|view| view.name == name)
    }

    /// The head comment, without its comment marks.
    pub fn documentation(&self) -> String {
        self.sql
            .lines()
            .map_while(|line| line.strip_prefix("--"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The orders that views end with, by the view's name.
pub(super) type ViewOrders = HashMap<&'static str, Vec<SortExpr>>;

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
    let order: Vec<SortExpr> =
        order_below(&plan, orders).unwrap_or_default().iter().take_while(|sort| visible(sort)).cloned().collect();
    if order.is_empty() {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan).sort(order)?.build()
}

fn order_below<'a>(plan: &LogicalPlan, orders: &'a ViewOrders) -> Option<&'a [SortExpr]> {
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => order_below(plan.inputs().first()?, orders),
        LogicalPlan::SubqueryAlias(alias) => match orders.get(alias.alias.table()) {
            Some(order) => Some(order),
            None => order_below(&alias.input, orders),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_says_what_the_views_heads_say() {
        let text = include_str!("../../docs/sql.md");
        for view in VIEWS {
            let documentation = view.documentation();
            assert!(text.contains(documentation.trim_end()), "docs/sql.md lacks the head of sql/{}.sql", view.name);
        }
    }
}
