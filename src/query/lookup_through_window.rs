//! A logical rule: an attribute lookup above a window goes below it, and on to the scan.
//!
//! Views that count a duplicate span once do so by a window over its identity. DataFusion pushes a lookup up to there
//! and no farther, since the window's own column is of the window; whole maps would be sorted for it:
//!
//! ```text
//! Projection: map_value(attributes, 'k'), row_number()        Projection: lookup_1, row_number()
//!   Window: row_number()                                 -->    Window: row_number()
//!                                                                 Projection: ..., map_value(attributes, 'k') AS lookup_1
//! ```

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Window, ident};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::lookup::{Attr, MapValue};

/// Pushes lookups below windows.
#[derive(Debug)]
pub(super) struct LookupThroughWindow;

impl OptimizerRule for LookupThroughWindow {
    fn name(&self) -> &'static str {
        "lookup_through_window"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(projection) = &plan else { return Ok(Transformed::no(plan)) };
        let LogicalPlan::Window(window) = projection.input.as_ref() else { return Ok(Transformed::no(plan)) };
        let mut lookups: Vec<(Expr, String)> = Vec::new();
        let names = NamePreserver::new_for_projection();
        let mut above = Vec::with_capacity(projection.expr.len());
        for expr in &projection.expr {
            let name = names.save(expr);
            let replaced = expr.clone().transform_down(|expr| {
                if !is_lookup_below(&expr, window) {
                    return Ok(Transformed::no(expr));
                }
                let known = lookups.iter().find(|(lookup, _)| *lookup == expr).map(|(_, alias)| alias.clone());
                let alias = known.unwrap_or_else(|| {
                    let alias = config.alias_generator().next("lookup");
                    lookups.push((expr, alias.clone()));
                    alias
                });
                Ok(Transformed::new(ident(alias), true, TreeNodeRecursion::Jump))
            })?;
            above.push(if replaced.transformed { name.restore(replaced.data) } else { replaced.data });
        }
        if lookups.is_empty() {
            return Ok(Transformed::no(plan));
        }
        let columns = window.input.schema().columns().into_iter().map(Expr::Column);
        let below = columns.chain(lookups.into_iter().map(|(lookup, alias)| lookup.alias(alias))).collect();
        let below = LogicalPlan::Projection(Projection::try_new(below, Arc::clone(&window.input))?);
        let window = LogicalPlan::Window(Window::try_new(window.window_expr.clone(), Arc::new(below))?);
        Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(above, Arc::new(window))?)))
    }
}

/// A lookup by a constant key in columns that the window only passes on.
fn is_lookup_below(expr: &Expr, window: &Window) -> bool {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return false };
    let function = func.inner();
    let Some((Expr::Literal(..), maps)) = args.split_last() else { return false };
    (function.downcast_ref::<MapValue>().is_some() || function.downcast_ref::<Attr>().is_some())
        && maps.iter().all(|map| matches!(map, Expr::Column(column) if window.input.schema().has_column(column)))
}
