//! A bound on a view's `time` bounds what the view reads.
//!
//! A view that groups, or looks at a row's neighbours, can't have a filter on its rows pushed into its tables: the
//! neighbours may lie outside of it. Such a view says with `in_asked_time(time, before, after)` how far around the asked
//! time it has to look, and here, while a query is planned, the bounds of its WHERE take the function's place:
//!
//! ```text
//! SELECT ... FROM view WHERE time >= X AND time < Y
//!                  |
//!                  v                                       the function becomes
//! SELECT ... FROM spans WHERE in_asked_time(time, b, a)    time >= X - b AND time < Y + a
//! ```
//!
//! Guarantee: where a view widens enough, the answer is the same with and without. Bounds are comparisons of the view's
//! `time` with what is constant in the query, joined by AND, between which and the view are only aliases, columns picked,
//! sorts and joins that keep the view's rows. Of any other query the function is true of every row.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, ScalarFunction};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    binary_expr, cast, lit,
};

use super::sql_objects::SqlObjects;

const NAME: &str = "in_asked_time";

/// The column of a view that its bounds are on.
const TIME: &str = "time";

/// `in_asked_time(time, before, after)`: whether a view has to read a row of that time, see above; true unless replaced.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct InAskedTime {
    signature: Signature,
}

impl Default for InAskedTime {
    fn default() -> Self {
        Self { signature: Signature::any(3, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for InAskedTime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn simplify(&self, _: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(lit(true)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))))
    }
}

/// `column op value`, where the value names no column.
#[derive(Debug, Clone)]
struct Bound {
    column: Column,
    op: Operator,
    value: Expr,
}

/// Puts the bounds of a query's views in the place of `in_asked_time`.
pub(super) fn bound_views(plan: LogicalPlan, objects: &SqlObjects) -> Result<LogicalPlan> {
    bound(plan, &[], &[], objects)
}

/// `asked` bounds columns of this plan, `view` the time of the view that the plan is a part of.
fn bound(plan: LogicalPlan, asked: &[Bound], view: &[Bound], objects: &SqlObjects) -> Result<LogicalPlan> {
    let own: Vec<Bound> = match &plan {
        LogicalPlan::Filter(filter) => asked.iter().cloned().chain(bounds_of(&filter.predicate)).collect(),
        LogicalPlan::Projection(projection) => picked(asked, &projection.schema, &projection.expr),
        LogicalPlan::SubqueryAlias(alias) => {
            let columns: Vec<Expr> = alias.input.schema().columns().into_iter().map(Expr::Column).collect();
            picked(asked, &alias.schema, &columns)
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => asked.to_vec(),
        LogicalPlan::Join(_) => asked.to_vec(),
        _ => Vec::new(),
    };
    let view: Vec<Bound> = match &plan {
        LogicalPlan::SubqueryAlias(alias) if objects.named(alias.alias.table()).is_some() => {
            own.iter().filter(|bound| bound.column.name == TIME).cloned().collect()
        }
        _ => view.to_vec(),
    };
    let plan = match plan {
        LogicalPlan::Filter(_) => plan.map_expressions(|expr| written_out(expr, &view)).data()?,
        other => other,
    };
    let plan = plan.map_subqueries(|subquery| bound(subquery, &[], &view, objects).map(Transformed::yes)).data()?;
    let keeps = match &plan {
        LogicalPlan::Join(join) => keeps_rows(join.join_type),
        _ => [true, true],
    };
    let mut keeps = keeps.into_iter();
    plan.map_children(|child| {
        // A filter on a side whose rows the join may drop or fill with NULLs is a filter on the join, not on the side.
        let keeps = keeps.next().unwrap_or(false);
        let own: Vec<Bound> =
            own.iter().filter(|bound| keeps && child.schema().has_column(&bound.column)).cloned().collect();
        bound(child, &own, &view, objects).map(Transformed::yes)
    })
    .data()
}

/// Of the left and the right side of a join, whether a filter above it may as well be below.
fn keeps_rows(join: JoinType) -> [bool; 2] {
    match join {
        JoinType::Inner => [true, true],
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => [true, false],
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => [false, true],
        JoinType::Full => [false, false],
    }
}

/// The bounds on columns that a plan only passes on, by the names that they have in its input.
fn picked(asked: &[Bound], schema: &DFSchema, from: &[Expr]) -> Vec<Bound> {
    let below = |bound: &Bound| {
        let place = schema.maybe_index_of_column(&bound.column)?;
        match from.get(place)?.clone().unalias() {
            Expr::Column(column) => Some(Bound { column, ..bound.clone() }),
            _ => None,
        }
    };
    asked.iter().filter_map(below).collect()
}

fn bounds_of(predicate: &Expr) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for part in split_conjunction(predicate) {
        match part {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), value) => bounds.extend(bound_by(column, *op, value)),
                (value, Expr::Column(column)) => bounds.extend(op.swap().and_then(|op| bound_by(column, op, value))),
                _ => {}
            },
            Expr::Between(Between { expr, negated: false, low, high }) => {
                if let Expr::Column(column) = expr.as_ref() {
                    bounds.extend(bound_by(column, Operator::GtEq, low));
                    bounds.extend(bound_by(column, Operator::LtEq, high));
                }
            }
            _ => {}
        }
    }
    bounds
}

fn bound_by(column: &Column, op: Operator, value: &Expr) -> Option<Bound> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq};
    let constant = value.column_refs().is_empty() && !value.is_volatile() && !has_subquery(value);
    (constant && matches!(op, Eq | Gt | GtEq | Lt | LtEq)).then(|| Bound {
        column: column.clone(),
        op,
        value: value.clone(),
    })
}

pub(super) fn has_subquery(value: &Expr) -> bool {
    let subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..)
        ))
    };
    value.exists(subquery).unwrap_or(true)
}

fn written_out(expr: Expr, view: &[Bound]) -> Result<Transformed<Expr>> {
    expr.transform(|expr| match &expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == NAME => match args.as_slice() {
            [time, before, after] => Ok(Transformed::yes(within(time, before, after, view))),
            _ => Ok(Transformed::no(expr)),
        },
        _ => Ok(Transformed::no(expr)),
    })
}

fn within(time: &Expr, before: &Expr, after: &Expr, view: &[Bound]) -> Expr {
    let bounds = view.iter().flat_map(|bound| {
        // As the tables' times are, whatever the query compares with: a text, a date, now().
        let value = cast(bound.value.clone(), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        let earliest = |op| binary_expr(time.clone(), op, binary_expr(value.clone(), Operator::Minus, before.clone()));
        let latest = |op| binary_expr(time.clone(), op, binary_expr(value.clone(), Operator::Plus, after.clone()));
        match bound.op {
            Operator::Gt | Operator::GtEq => vec![earliest(bound.op)],
            Operator::Lt | Operator::LtEq => vec![latest(bound.op)],
            _ => vec![earliest(Operator::GtEq), latest(Operator::LtEq)],
        }
    });
    conjunction(bounds).unwrap_or_else(|| lit(true))
}
