//! A logical rule: an attribute lookup that is stuck above a join or a window goes below it, and on to the scan.
//!
//! DataFusion moves lookups towards the scans, but all of a projection or none: beside a window's own column, or an
//! expression over both sides of a join, they stay, and whole maps are read, joined and sorted for them:
//!
//! ```text
//! Projection: map_value(attributes, 'k'), row_number()        Projection: lookup_1, row_number()
//!   Window: row_number()                                 -->    Window: row_number()
//!                                                                 Projection: ..., map_value(attributes, 'k') AS lookup_1
//! ```
//! A lookup in a map that an outer join fills with NULL is NULL, above and below.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, ident};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::lookup::{Attr, MapValue};

/// Pushes lookups below joins and windows.
#[derive(Debug)]
pub(super) struct LookupBelow;

impl OptimizerRule for LookupBelow {
    fn name(&self) -> &'static str {
        "lookup_below"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(projection) = &plan else { return Ok(Transformed::no(plan)) };
        let node = projection.input.as_ref();
        if !matches!(node, LogicalPlan::Window(_) | LogicalPlan::Join(_)) {
            return Ok(Transformed::no(plan));
        }
        let inputs = node.inputs();
        // Each with its name below, and the input that it goes to.
        let mut lookups: Vec<(Expr, String, usize)> = Vec::new();
        let names = NamePreserver::new_for_projection();
        let mut above = Vec::with_capacity(projection.expr.len());
        for expr in &projection.expr {
            let name = names.save(expr);
            let replaced = expr.clone().transform_down(|expr| {
                let Some(input) = input_looked_up(&expr, &inputs) else { return Ok(Transformed::no(expr)) };
                let known = lookups.iter().find(|(lookup, ..)| *lookup == expr).map(|(_, alias, _)| alias.clone());
                let alias = known.unwrap_or_else(|| {
                    let alias = config.alias_generator().next("lookup");
                    lookups.push((expr, alias.clone(), input));
                    alias
                });
                Ok(Transformed::new(ident(alias), true, TreeNodeRecursion::Jump))
            })?;
            above.push(if replaced.transformed { name.restore(replaced.data) } else { replaced.data });
        }
        if lookups.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let below = inputs.iter().enumerate().map(|(place, input)| {
            let own: Vec<Expr> = lookups
                .iter()
                .filter(|(.., input)| *input == place)
                .map(|(lookup, alias, _)| lookup.clone().alias(alias))
                .collect();
            if own.is_empty() {
                return Ok((*input).clone());
            }
            let columns = input.schema().columns().into_iter().map(Expr::Column);
            Ok(LogicalPlan::Projection(Projection::try_new(columns.chain(own).collect(), Arc::new((*input).clone()))?))
        });
        let node = node.with_new_exprs(node.expressions(), below.collect::<Result<_>>()?)?;
        Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(above, Arc::new(node))?)))
    }
}

/// The input that has every column of an expression that is a lookup by a constant key.
fn input_looked_up(expr: &Expr, inputs: &[&LogicalPlan]) -> Option<usize> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    let function = func.inner();
    let Some((Expr::Literal(..), maps)) = args.split_last() else { return None };
    if function.downcast_ref::<MapValue>().is_none() && function.downcast_ref::<Attr>().is_none() {
        return None;
    }
    let has_all = |input: &&LogicalPlan| {
        maps.iter().all(|map| matches!(map, Expr::Column(column) if input.schema().has_column(column)))
    };
    inputs.iter().position(has_all)
}
