//! `x IN (SELECT ...)` in a column of an answer, or in what it is ordered by, which is one by now.
//!
//! DataFusion plans one in WHERE alone. Elsewhere the values are gathered in an array, which is asked whether it has x.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, TableFactor, UnaryOperator, VisitMut, VisitorMut,
};

use super::super::ast::{boolean, call};
use super::nothing::{is_aggregate, parsed};

/// Rewrites a query in place.
pub(super) fn gather(query: &mut Query) {
    let _ = VisitMut::visit(query, &mut Columns);
}

struct Columns;

impl VisitorMut for Columns {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let _ = VisitMut::visit(expr, &mut Gatherer { depth: 0 });
            }
        }
        ControlFlow::Continue(())
    }
}

struct Gatherer {
    /// Of subqueries, whose columns are theirs.
    depth: usize,
}

impl VisitorMut for Gatherer {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::InSubquery { expr: wanted, subquery, negated } = expr
            && let Some(values) = gathered(subquery)
        {
            *expr = is_among(wanted, values, *negated);
        }
        ControlFlow::Continue(())
    }
}

/// Whether a value is in an array, where no values are no array; NULL for NULL.
fn is_among(wanted: &Expr, values: Box<Query>, negated: bool) -> Expr {
    let has = call("pg_array_has", vec![Expr::Subquery(values), wanted.clone()]);
    let has = call("coalesce", vec![has, boolean(false)]);
    let result = if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(has) } } else { has };
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition: Expr::IsNotNull(Box::new(wanted.clone())), result }],
        else_result: None,
    }
}

/// The query of one row, whose value is all of the query's one column.
fn gathered(query: &Query) -> Option<Box<Query>> {
    let mut query = Box::new(query.clone());
    if let SetExpr::Select(select) = query.body.as_mut()
        && is_plain(select)
        && query.limit_clause.is_none()
        && let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
            select.projection.as_mut_slice()
    {
        *expr = call("array_agg", vec![expr.clone()]);
        query.order_by = None;
        return Some(query);
    }
    let mut around = parsed("SELECT array_agg(value) FROM (SELECT NULL) AS one(value)")?;
    let SetExpr::Select(select) = around.body.as_mut() else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else { return None };
    *subquery = query;
    Some(around)
}

/// Whether its rows are those of its tables, so that they can be gathered where they are.
fn is_plain(select: &Select) -> bool {
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    let aggregates = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_aggregate(expr),
        _ => true,
    });
    select.distinct.is_none() && !grouped && !aggregates && select.having.is_none()
}
