//! A physical rule: attribute lookups above the union of hot and cold rows go below it, into the scans.
//!
//! DataFusion pushes a projection through a union only where that leaves fewer columns. A lookup reads less even
//! where it does not: a file may answer it from one column in the place of a map.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;

use super::adapter::lookup_of;

/// Pushes lookups below unions.
#[derive(Debug)]
pub(super) struct LookupPushdown;

impl PhysicalOptimizerRule for LookupPushdown {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(push_below_union).data()
    }

    fn name(&self) -> &'static str {
        "lookup_pushdown"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn push_below_union(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else { return Ok(Transformed::no(plan)) };
    let Some(union) = projection.input().downcast_ref::<UnionExec>() else { return Ok(Transformed::no(plan)) };
    let has_lookup = projection
        .expr()
        .iter()
        .any(|projected| projected.expr.exists(|expr| Ok(lookup_of(expr).is_some())).unwrap_or(false));
    if !has_lookup {
        return Ok(Transformed::no(plan));
    }
    let inputs = union
        .inputs()
        .iter()
        .map(|input| {
            let pushed = ProjectionExec::try_new(projection.expr().to_vec(), Arc::clone(input))?;
            match input.try_swapping_with_projection(&pushed)? {
                Some(swapped) => Ok(swapped),
                None => Ok(Arc::new(pushed) as Arc<dyn ExecutionPlan>),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(UnionExec::try_new(inputs)?))
}
