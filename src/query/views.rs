//! The views that ship with the program: one file each in `sql/`.
//!
//! A view is planned when a query names it, against the tables that the query has pinned.

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

/// A view's own order, kept for a query that only filters and picks columns of it.
///
/// SQL drops the order of a subquery, and DataFusion does; a timeline that comes shuffled is no timeline.
pub(super) fn keep_order(plan: LogicalPlan) -> Result<LogicalPlan> {
    let visible = |sort: &SortExpr| match &sort.expr {
        Expr::Column(column) => plan.schema().has_column_with_unqualified_name(&column.name),
        _ => false,
    };
    let order: Vec<SortExpr> = order_of(&plan).unwrap_or_default().into_iter().take_while(visible).collect();
    if order.is_empty() {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan).sort(order)?.build()
}

fn order_of(plan: &LogicalPlan) -> Option<Vec<SortExpr>> {
    let mut below = match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            *plan.inputs().first()?
        }
        _ => return None,
    };
    loop {
        below = match below {
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
                *below.inputs().first()?
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let unqualified = |sort: &SortExpr| match &sort.expr {
                    Expr::Column(column) => {
                        Some(SortExpr { expr: Expr::Column(Column::from_name(&column.name)), ..sort.clone() })
                    }
                    _ => None,
                };
                return sort.expr.iter().map(unqualified).collect();
            }
            _ => return None,
        };
    }
}
