//! An ASOF JOIN of a query's text as a node of its plan.

use datafusion::common::{Column, Result, plan_err};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{JoinConstraint, JoinOperator, ObjectName, TableFactor};

use super::condition::{Keys, Match};
use super::node::AsofJoin;

/// Plans `(l ASOF JOIN r ..)`, which is what [`nest_asof_joins`](super::nest_asof_joins) leaves.
#[derive(Debug)]
pub(super) struct AsofPlanner;

impl RelationPlanner for AsofPlanner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (from, alias) = match relation {
            TableFactor::NestedJoin { table_with_joins, alias } if matches!(table_with_joins.joins.as_slice(), [join] if matches!(join.join_operator, JoinOperator::AsOf { .. })) => {
                (*table_with_joins, alias)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        let mut plan = context.plan(from.relation)?;
        for join in from.joins {
            let JoinOperator::AsOf { match_condition, constraint } = join.join_operator else {
                return plan_err!("an ASOF JOIN among other joins has no parentheses");
            };
            let right = context.plan(join.relation)?;
            let schema = plan.schema().join(right.schema())?;
            let condition = context.sql_to_expr(match_condition, &schema)?;
            let matching = Match::of(&condition, plan.schema(), right.schema())?;
            plan = match constraint {
                JoinConstraint::On(on) => {
                    let keys = Keys::of(&context.sql_to_expr(on, &schema)?, plan.schema(), right.schema())?;
                    AsofJoin::plan(plan, right, keys, matching)?
                }
                JoinConstraint::None => AsofJoin::plan(plan, right, Keys::default(), matching)?,
                JoinConstraint::Using(names) => {
                    let names = names.into_iter().map(|name| column_name(name, context)).collect::<Result<Vec<_>>>()?;
                    using(plan, right, &names, matching)?
                }
                JoinConstraint::Natural => {
                    return plan_err!("an ASOF JOIN is not NATURAL; name its keys with ON or USING");
                }
            };
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

/// The join by columns of the same name, which then are there once: the left's.
fn using(left: LogicalPlan, right: LogicalPlan, names: &[String], matching: Match) -> Result<LogicalPlan> {
    let column =
        |plan: &LogicalPlan, name: &str| plan.schema().qualified_field_with_unqualified_name(name).map(Column::from);
    let mut keys = Keys::default();
    for name in names {
        keys.equal.push((Expr::Column(column(&left, name)?), Expr::Column(column(&right, name)?)));
    }
    let hidden = keys.equal.iter().map(|(_, right)| right.clone()).collect::<Vec<_>>();
    let plan = AsofJoin::plan(left, right, keys, matching)?;
    let columns = plan.schema().columns().into_iter().map(Expr::Column).filter(|column| !hidden.contains(column));
    let columns = columns.collect::<Vec<_>>();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

fn column_name(name: ObjectName, context: &dyn RelationPlannerContext) -> Result<String> {
    match name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(ident) => Ok(context.normalize_ident(ident.clone())),
            None => plan_err!("USING takes names of columns, not {name}"),
        },
        _ => plan_err!("USING takes names of columns without their table's, not {name}"),
    }
}
