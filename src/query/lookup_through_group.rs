//! A logical rule: an attribute lookup in a map that a group carries along goes into the group, and on to the scan.
//!
//! A view that counts a duplicate span once has `first_value` of its maps, by itself or by DISTINCT ON. Above it,
//! a lookup would need whole maps; below, a file may answer it from a promoted column:
//!
//! ```text
//! Projection: map_value(first_value(attributes), 'k')      Projection: first_value(map_value(attributes, 'k'))
//!   Aggregate: first_value(attributes)                 -->   Aggregate: ..., first_value(map_value(attributes, 'k'))
//! ```
//! `first_value`s over one order are of one row, so the answer is the same.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::lookup::{Attr, MapValue};

/// Pushes lookups into groups.
#[derive(Debug)]
pub(super) struct LookupThroughGroup;

impl OptimizerRule for LookupThroughGroup {
    fn name(&self) -> &'static str {
        "lookup_through_group"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(projection) = &plan else { return Ok(Transformed::no(plan)) };
        let LogicalPlan::Aggregate(aggregate) = projection.input.as_ref() else { return Ok(Transformed::no(plan)) };
        let mut firsts = aggregate.aggr_expr.clone();
        let names = NamePreserver::new_for_projection();
        let mut exprs = Vec::with_capacity(projection.expr.len());
        for expr in &projection.expr {
            let name = names.save(expr);
            let pushed = expr.clone().transform_down(|expr| match first_lookup(&expr, aggregate) {
                Some(first) => {
                    let column = Expr::Column(Column::new_unqualified(first.schema_name().to_string()));
                    if !firsts.contains(&first) {
                        firsts.push(first);
                    }
                    Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
                }
                None => Ok(Transformed::no(expr)),
            })?;
            exprs.push(if pushed.transformed { name.restore(pushed.data) } else { pushed.data });
        }
        if firsts.len() == aggregate.aggr_expr.len() {
            return Ok(Transformed::no(plan));
        }
        let group = Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr.clone(), firsts)?;
        let projection = Projection::try_new(exprs, Arc::new(LogicalPlan::Aggregate(group)))?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    }
}

/// The first value of a lookup, where the expression is the lookup of first values.
fn first_lookup(expr: &Expr, aggregate: &Aggregate) -> Option<Expr> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    let function = func.inner();
    if function.downcast_ref::<MapValue>().is_none() && function.downcast_ref::<Attr>().is_none() {
        return None;
    }
    let (key, maps) = args.split_last()?;
    let firsts: Vec<AggregateFunction> = maps.iter().map(|map| first_value(map, aggregate)).collect::<Option<_>>()?;
    let first = firsts.first()?;
    if !matches!(key, Expr::Literal(..)) || firsts.iter().any(|other| other.params.order_by != first.params.order_by) {
        return None;
    }
    let args = firsts.iter().flat_map(|first| first.params.args.clone()).chain([key.clone()]).collect();
    let lookup = Expr::ScalarFunction(ScalarFunction { func: Arc::clone(func), args });
    let mut of_lookup = first.clone();
    of_lookup.params.args = vec![lookup];
    Some(Expr::AggregateFunction(of_lookup))
}

/// The plain `first_value` that a column of a group is.
fn first_value(column: &Expr, aggregate: &Aggregate) -> Option<AggregateFunction> {
    let Expr::Column(column) = column else { return None };
    let place = aggregate.schema.maybe_index_of_column(column)?.checked_sub(aggregate.group_expr_len().ok()?)?;
    let Expr::AggregateFunction(first) = aggregate.aggr_expr.get(place)?.clone().unalias() else { return None };
    let params = &first.params;
    (first.func.name() == "first_value"
        && params.args.len() == 1
        && !params.distinct
        && params.filter.is_none()
        && !matches!(params.null_treatment, Some(NullTreatment::IgnoreNulls)))
    .then_some(first)
}
