//! Filters below a temporal join, and onto its right side what the left's filters imply.
//!
//! ```text
//! Filter: l.time >= X, l.time < Y, l.k = 'a', r.v > 1          Filter: r.v > 1
//!   AsofJoin: r.time <= l.time, within l.time - 5 min    -->     AsofJoin
//!     l                                                            Filter: l.time >= X, l.time < Y, l.k = 'a'
//!     r                                                            Filter: r.time >= X - 5 min, r.time < Y, r.k = 'a'
//! ```
//! A filter on a right column stays above: the nearest row, if it passes, is not the nearest that passes. The left's
//! bounds are those that come from above and those that its own plan begins with. Without a tolerance only one side of
//! the right times is bounded.
//!
//! This stands in the place of DataFusion's rule and calls it for all other plans: in one pass from the top, a filter
//! then reaches the scans through any number of temporal joins.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, JoinType, Result, ScalarValue};
use datafusion::logical_expr::logical_plan::Filter;
use datafusion::logical_expr::utils::{conjunction, split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, binary_expr, cast, lit};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::AsofJoin;

/// The rules of an optimizer, with this one for DataFusion's.
pub(super) fn through_asof_joins(
    rules: &[Arc<dyn OptimizerRule + Send + Sync>],
) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let own = PushDownThroughAsofJoins { others: PushDownFilter::new() };
    let name = own.name().to_owned();
    let own: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(own);
    rules.iter().map(|rule| if rule.name() == name { Arc::clone(&own) } else { Arc::clone(rule) }).collect()
}

#[derive(Debug)]
struct PushDownThroughAsofJoins {
    others: PushDownFilter,
}

impl OptimizerRule for PushDownThroughAsofJoins {
    fn name(&self) -> &'static str {
        "push_down_filter"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Filter(filter) => match AsofJoin::of(&filter.input) {
                Some(join) => push_below(filter, join),
                None => self.others.rewrite(plan, config),
            },
            LogicalPlan::Extension(_) => match AsofJoin::of(&plan).map(bounded).transpose()?.flatten() {
                Some(bounded) => Ok(Transformed::yes(bounded.into_plan())),
                None => Ok(Transformed::no(plan)),
            },
            _ => self.others.rewrite(plan, config),
        }
    }
}

/// Moves what a filter asks of the left columns below the join.
fn push_below(filter: &Filter, join: &AsofJoin) -> Result<Transformed<LogicalPlan>> {
    let (of_left, others): (Vec<Expr>, Vec<Expr>) =
        split_conjunction_owned(filter.predicate.clone()).into_iter().partition(|part| {
            is_plain(part) && part.column_refs().iter().all(|column| join.left.schema().has_column(column))
        });
    let Some(of_left) = conjunction(of_left) else {
        return Ok(Transformed::no(LogicalPlan::Filter(filter.clone())));
    };
    let left = LogicalPlan::Filter(Filter::try_new(of_left, Arc::clone(&join.left))?);
    let join = join.clone().with_inputs(left, join.right.as_ref().clone())?;
    let join = bounded(&join)?.unwrap_or(join);
    Ok(Transformed::yes(match conjunction(others) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(join.into_plan()))?),
        None => join.into_plan(),
    }))
}

/// The join with a filter on its right that its left implies, if that is news.
fn bounded(join: &AsofJoin) -> Result<Option<AsofJoin>> {
    let mut implied = implied_by_times(join)?;
    implied.extend(implied_by_keys(join)?);
    implied.retain(|filter| !join.implied.contains(filter));
    let Some(predicate) = conjunction(implied.clone()) else { return Ok(None) };
    let right = LogicalPlan::Filter(Filter::try_new(predicate, Arc::clone(&join.right))?);
    let mut bounded = join.clone().with_inputs(join.left.as_ref().clone(), right)?;
    bounded.implied.extend(implied);
    Ok(Some(bounded))
}

/// `l.k = r.k` and a condition on `l.k` give the same on `r.k`.
fn implied_by_keys(join: &AsofJoin) -> Result<Vec<Expr>> {
    let mut implied = Vec::new();
    for (left, right) in &join.keys {
        let Expr::Column(column) = left else { continue };
        if left.get_type(join.left.schema())? == right.get_type(join.right.schema())? {
            asked_of(&join.left, column, right, &mut implied)?;
        }
    }
    Ok(implied)
}

fn implied_by_times(join: &AsofJoin) -> Result<Vec<Expr>> {
    let (left, right) = &join.times;
    let Expr::Column(column) = left else { return Ok(Vec::new()) };
    let mut asked = Vec::new();
    asked_of(&join.left, column, left, &mut asked)?;
    let mut implied = Vec::new();
    for bound in &asked {
        let Some((op, value)) = bound_of(bound, left) else { continue };
        let bounds = of_right_times(join, op, value, |time| farthest_from(join, time));
        implied.extend(bounds.into_iter().map(|(op, value)| binary_expr(right.clone(), op, lit(value))));
    }
    Ok(implied)
}

impl AsofJoin {
    /// What `column op value` on the left says of the right: columns, operators and values. For views, whose bounds are
    /// known before there are literals.
    pub(in crate::query) fn implied_bounds(
        &self,
        column: &Column,
        op: Operator,
        value: &Expr,
    ) -> Vec<(Column, Operator, Expr)> {
        let (Expr::Column(left), Expr::Column(right)) = &self.times else { return Vec::new() };
        let (Ok(time), true) = (self.times.0.get_type(self.left.schema()), left == column) else { return Vec::new() };
        let farthest = |value: &Expr| {
            let (sign, distance) = distance_of(self)?;
            is_steady(distance, &time)
                .then(|| binary_expr(cast(value.clone(), time.clone()), sign, lit(distance.clone())))
        };
        let bounds = of_right_times(self, op, value, farthest);
        bounds.into_iter().map(|(op, value)| (right.clone(), op, value)).collect()
    }
}

/// The bounds on right times that a bound on left times implies: one as it is, on the side where the left time lies, and
/// one that is as far away as a match may be.
fn of_right_times<T: Clone>(
    join: &AsofJoin,
    op: Operator,
    value: &T,
    farthest: impl Fn(&T) -> Option<T>,
) -> Vec<(Operator, T)> {
    let is_backward = join.nearest.is_backward();
    let (until, from) = if is_backward { (Operator::LtEq, Operator::GtEq) } else { (Operator::GtEq, Operator::LtEq) };
    let is_upper = matches!(op, Operator::Lt | Operator::LtEq);
    let mut bounds = Vec::new();
    if op == Operator::Eq {
        bounds.push((until, value.clone()));
    } else if is_upper == is_backward {
        bounds.push((op, value.clone()));
    }
    if op == Operator::Eq || is_upper != is_backward {
        bounds.extend(farthest(value).map(|value| (from, value)));
    }
    bounds
}

/// How far away, and which way, a match may be.
fn distance_of(join: &AsofJoin) -> Option<(Operator, &ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &join.limit.as_ref()?.time else { return None };
    match right.as_ref() {
        Expr::Literal(distance, _) if **left == join.times.0 => Some((*op, distance)),
        _ => None,
    }
}

/// The right time that is farthest away and still matches a left time, if later left times never reach farther back.
fn farthest_from(join: &AsofJoin, time: &ScalarValue) -> Option<ScalarValue> {
    let (sign, distance) = distance_of(join)?;
    if !is_steady(distance, &time.data_type()) {
        return None;
    }
    let farthest = match sign {
        Operator::Minus => time.sub_checked(distance),
        Operator::Plus => time.add_checked(distance),
        _ => return None,
    };
    // Past the range of the type nothing is left out.
    farthest.ok().filter(|farthest| farthest.data_type() == time.data_type())
}

/// Whether a distance is the same everywhere: months are not, and neither are days where clocks are put forward.
fn is_steady(distance: &ScalarValue, time: &DataType) -> bool {
    let in_utc = match time {
        DataType::Timestamp(_, Some(zone)) => matches!(zone.as_ref(), "UTC" | "Z" | "+00:00"),
        _ => true,
    };
    match distance {
        ScalarValue::IntervalMonthDayNano(Some(value)) => value.months == 0 && (value.days == 0 || in_utc),
        ScalarValue::IntervalDayTime(Some(value)) => value.days == 0 || in_utc,
        ScalarValue::IntervalYearMonth(_) => false,
        _ => true,
    }
}

/// `column op literal` of one type, with the column first.
fn bound_of<'a>(condition: &'a Expr, column: &Expr) -> Option<(Operator, &'a ScalarValue)> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq};
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    let (op, value) = match (left.as_ref(), right.as_ref()) {
        (left, Expr::Literal(value, _)) if left == column => (*op, value),
        (Expr::Literal(value, _), right) if right == column => (op.swap()?, value),
        _ => return None,
    };
    (matches!(op, Eq | Gt | GtEq | Lt | LtEq) && !value.is_null()).then_some((op, value))
}

/// The conditions on a column that all rows of a plan meet, said of `top`.
fn asked_of(plan: &LogicalPlan, column: &Column, top: &Expr, found: &mut Vec<Expr>) -> Result<()> {
    match plan {
        LogicalPlan::Filter(filter) => {
            asked_by(split_conjunction(&filter.predicate), column, top, found)?;
            asked_of(&filter.input, column, top, found)
        }
        LogicalPlan::TableScan(scan) => asked_by(scan.filters.iter().collect(), column, top, found),
        LogicalPlan::Projection(projection) => {
            let below = passed_on(&projection.schema, &projection.expr, column);
            below.map_or(Ok(()), |below| asked_of(&projection.input, &below, top, found))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let below = passed_on(&aggregate.schema, &aggregate.group_expr, column);
            below.map_or(Ok(()), |below| asked_of(&aggregate.input, &below, top, found))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let columns: Vec<Expr> = alias.input.schema().columns().into_iter().map(Expr::Column).collect();
            let below = passed_on(&alias.schema, &columns, column);
            below.map_or(Ok(()), |below| asked_of(&alias.input, &below, top, found))
        }
        LogicalPlan::Sort(sort) => asked_of(&sort.input, column, top, found),
        LogicalPlan::Limit(limit) => asked_of(&limit.input, column, top, found),
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner | JoinType::Left if join.left.schema().has_column(column) => {
                asked_of(&join.left, column, top, found)
            }
            JoinType::Inner | JoinType::Right if join.right.schema().has_column(column) => {
                asked_of(&join.right, column, top, found)
            }
            _ => Ok(()),
        },
        other => match AsofJoin::of(other) {
            Some(join) if join.left.schema().has_column(column) => asked_of(&join.left, column, top, found),
            _ => Ok(()),
        },
    }
}

fn asked_by(conditions: Vec<&Expr>, column: &Column, top: &Expr, found: &mut Vec<Expr>) -> Result<()> {
    use datafusion::common::tree_node::{TransformedResult, TreeNode};
    for condition in conditions {
        let columns = condition.column_refs();
        if !is_plain(condition) || columns.len() != 1 || !columns.iter().all(|asked| same(asked, column)) {
            continue;
        }
        let of_top = condition.clone().transform(|expr| match expr {
            Expr::Column(_) => Ok(Transformed::yes(top.clone())),
            other => Ok(Transformed::no(other)),
        });
        let of_top = of_top.data()?;
        if !found.contains(&of_top) {
            found.push(of_top);
        }
    }
    Ok(())
}

/// A scan's filters may lack the table's name.
fn same(asked: &Column, column: &Column) -> bool {
    asked.name == column.name && (asked.relation.is_none() || asked.relation == column.relation)
}

/// The input's column that a plan's column is.
fn passed_on(schema: &DFSchema, from: &[Expr], column: &Column) -> Option<Column> {
    match from.get(schema.maybe_index_of_column(column)?)?.clone().unalias() {
        Expr::Column(below) => Some(below),
        _ => None,
    }
}

/// Whether an expression is the same wherever it stands.
fn is_plain(expr: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..)
        ))
    };
    !expr.is_volatile() && !expr.exists(subquery).unwrap_or(true)
}
