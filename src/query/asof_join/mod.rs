//! `l ASOF JOIN r MATCH_CONDITION (l.time >= r.time) ON l.k = r.k`: each left row with the nearest right row.
//!
//! ```text
//! text --> every ASOF JOIN on its own, between parentheses      syntax.rs
//!      --> its conditions understood, or an error that says how  planner.rs, condition.rs
//!      --> a node of the logical plan                            node.rs
//!      --> filters pushed below it; what the left's bounds       push_down.rs
//!          imply, put on the right
//!      --> hash by keys, sort by keys and time, merge            exec.rs, merge.rs
//! ```
//! Guarantees: every left row comes out once, in the order of its side, with NULLs where nothing matches. A NULL key
//! or time matches nothing. Of right rows with equal keys and times, the greatest by the columns that the query uses
//! of them is taken (NULL is least), in the order of the table; lists, structs and maps don't count. So the answer
//! does not depend on files, partitions or batches, unless rows differ in nothing else.

mod condition;
mod exec;
mod merge;
mod node;
mod planner;
mod push_down;
mod syntax;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::execution::{SessionState, SessionStateBuilder};

pub(super) use node::AsofJoin;
pub(super) use syntax::nest_asof_joins;

/// A session that plans and runs temporal joins, too.
pub(super) fn with_asof_joins(state: SessionState) -> SessionState {
    let rules = push_down::through_asof_joins(state.optimizers());
    SessionStateBuilder::new_from_existing(state)
        .with_relation_planners(vec![Arc::new(planner::AsofPlanner)])
        .with_optimizer_rules(rules)
        .with_query_planner(Arc::new(exec::AsofQueryPlanner))
        .build()
}
