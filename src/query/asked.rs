//! A bound on a view's `time` or `trace_id` bounds what the view reads.
//!
//! A view that groups, or looks at a row's neighbours, can't have a filter on its rows pushed into its tables: the
//! neighbours may lie outside of it. Such a view says with a marker (`markers.rs`) how far around the asked time it
//! has to look, and here, while a query is planned, the bounds of its WHERE take the marker's place:
//!
//! ```text
//! SELECT ... FROM view WHERE time >= X AND time < Y
//!                  |
//!                  v                                       the marker becomes
//! SELECT ... FROM spans WHERE in_asked_time(time, b, a)    time >= X - b AND time < Y + a
//! ```
//!
//! Guarantee: where a view widens enough, the answer is the same with and without. Bounds are comparisons with what is
//! constant in the query, joined by AND, on a column that reaches the view through aliases, picked columns, filters,
//! sorts, unions, unnests, joins that keep its rows or match it with a bounded column, and groups and windows by it. Of
//! any other query a marker is true of every row. A view's markers bound the views that it reads in turn.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, Result, TableReference};
use datafusion::logical_expr::expr::{Between, InList};
use datafusion::logical_expr::utils::{split_binary, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator, SubqueryAlias,
};

use super::asof_join::AsofJoin;
use super::markers::written_out;
use super::sql_objects::SqlObjects;

/// The columns of a view that its bounds are on.
const TIME: &str = "time";
const TRACE: &str = "trace_id";

/// What the name of a view's own plan begins with.
const VIEW: &str = "view ";

/// What a query asks of a view.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    /// Comparisons of the view's `time` with constants, all of which hold.
    pub(super) time: Vec<(Operator, Expr)>,
    /// Lists of constants, in each of which the view's `trace_id` is.
    pub(super) traces: Vec<Vec<Expr>>,
}

/// What is asked of a column.
#[derive(Debug, Clone)]
struct Bound {
    column: Column,
    test: Test,
}

/// By values that are constant in a query.
#[derive(Debug, Clone)]
enum Test {
    Compare(Operator, Expr),
    OneOf(Vec<Expr>),
}

impl Asked {
    fn of(bounds: &[Bound]) -> Self {
        let mut asked = Self::default();
        for Bound { column, test } in bounds {
            match (column.name.as_str(), test) {
                (TIME, Test::Compare(op, value)) => asked.time.push((*op, value.clone())),
                (TRACE, Test::Compare(Operator::Eq, value)) => asked.traces.push(vec![value.clone()]),
                (TRACE, Test::OneOf(values)) => asked.traces.push(values.clone()),
                _ => {}
            }
        }
        asked
    }
}

/// A view's plan as it stands in queries: under a name that no CTE or alias has by chance, not of a query nor of a view.
pub(super) fn as_view(plan: LogicalPlan, name: &str) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(plan).alias(TableReference::bare(format!("{VIEW}{name}")))?.build()
}

/// Whether a plan is a view's or a macro's.
fn is_view(alias: &SubqueryAlias, objects: &SqlObjects) -> bool {
    let name = alias.alias.table();
    name.starts_with(VIEW) || objects.named(name).is_some_and(|object| object.parameters.is_some())
}

/// Puts the bounds of a query's views in the place of the views' markers.
pub(super) fn bound_views(plan: LogicalPlan, objects: &SqlObjects) -> Result<LogicalPlan> {
    bound(plan, &[], &Asked::default(), objects)
}

/// `bounds` are on columns of this plan, `view` is what is asked of the view that the plan is a part of.
fn bound(plan: LogicalPlan, bounds: &[Bound], view: &Asked, objects: &SqlObjects) -> Result<LogicalPlan> {
    // First, since what takes a marker's place bounds the views below.
    let plan = match plan {
        LogicalPlan::Filter(ref filter) => {
            let schema = std::sync::Arc::clone(filter.input.schema());
            plan.map_expressions(|expr| written_out(expr, view, &schema)).data()?
        }
        other => other,
    };
    let below = bounds_below(&plan, bounds);
    let inside = match &plan {
        LogicalPlan::SubqueryAlias(alias) if is_view(alias, objects) => {
            Asked::of(below.first().map_or(&[], Vec::as_slice))
        }
        _ => view.clone(),
    };
    let plan = plan.map_subqueries(|subquery| bound(subquery, &[], &inside, objects).map(Transformed::yes)).data()?;
    let mut below = below.into_iter();
    plan.map_children(|child| {
        let mut bounds = below.next().unwrap_or_default();
        bounds.retain(|bound| child.schema().has_column(&bound.column));
        bound(child, &bounds, &inside, objects).map(Transformed::yes)
    })
    .data()
}

/// Bounds on a plan's columns, and those that the plan itself sets, as bounds on its inputs' columns, input by input.
fn bounds_below(plan: &LogicalPlan, bounds: &[Bound]) -> Vec<Vec<Bound>> {
    let one = match plan {
        LogicalPlan::Filter(filter) => bounds.iter().cloned().chain(bounds_of(&filter.predicate)).collect(),
        LogicalPlan::Projection(projection) => picked(bounds, &projection.schema, &projection.expr),
        LogicalPlan::SubqueryAlias(alias) => picked(bounds, &alias.schema, &columns_of(&alias.input)),
        LogicalPlan::Aggregate(aggregate) => picked(bounds, &aggregate.schema, &aggregate.group_expr),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => bounds.to_vec(),
        LogicalPlan::Distinct(Distinct::All(_)) => bounds.to_vec(),
        LogicalPlan::Distinct(Distinct::On(on)) => picked(bounds, &on.schema, &on.select_expr)
            .into_iter()
            .filter(|bound| on.on_expr.contains(&Expr::Column(bound.column.clone())))
            .collect(),
        LogicalPlan::Window(window) => bounds
            .iter()
            .filter(|bound| window.window_expr.iter().all(|expr| is_partitioned_by(expr, &bound.column)))
            .cloned()
            .collect(),
        LogicalPlan::Unnest(unnest) => {
            let made =
                |bound: &Bound| unnest.list_type_columns.iter().any(|(_, list)| list.output_column == bound.column);
            bounds.iter().filter(|bound| !made(bound)).cloned().collect()
        }
        LogicalPlan::Union(union) => {
            return union.inputs.iter().map(|input| picked(bounds, &union.schema, &columns_of(input))).collect();
        }
        LogicalPlan::Join(join) => return sides_of(join, bounds).into(),
        other if let Some(join) = AsofJoin::of(other) => return vec![bounds.to_vec(), implied_by(join, bounds)],
        _ => Vec::new(),
    };
    vec![one]
}

/// What bounds on the left of a temporal join say of its right.
fn implied_by(join: &AsofJoin, bounds: &[Bound]) -> Vec<Bound> {
    let implied = |bound: &Bound| match &bound.test {
        Test::Compare(op, value) => join.implied_bounds(&bound.column, *op, value),
        Test::OneOf(_) => Vec::new(),
    };
    let bound = |(column, op, value)| Bound { column, test: Test::Compare(op, value) };
    bounds.iter().flat_map(implied).map(bound).collect()
}

fn columns_of(plan: &LogicalPlan) -> Vec<Expr> {
    plan.schema().columns().into_iter().map(Expr::Column).collect()
}

/// The bounds on columns that a plan only passes on, by the names that they have in its input.
fn picked(bounds: &[Bound], schema: &DFSchema, from: &[Expr]) -> Vec<Bound> {
    let below = |bound: &Bound| {
        let place = schema.maybe_index_of_column(&bound.column)?;
        match from.get(place)?.clone().unalias() {
            Expr::Column(column) => Some(Bound { column, ..bound.clone() }),
            _ => None,
        }
    };
    bounds.iter().filter_map(below).collect()
}

fn is_partitioned_by(window: &Expr, column: &Column) -> bool {
    match window.clone().unalias() {
        Expr::WindowFunction(window) => window.params.partition_by.contains(&Expr::Column(column.clone())),
        _ => false,
    }
}

/// What the bounds above a join, its condition, and its equal columns say of its left and its right side.
fn sides_of(join: &Join, above: &[Bound]) -> [Vec<Bound>; 2] {
    let schemas = [join.left.schema(), join.right.schema()];
    let condition: Vec<Bound> = join.filter.iter().flat_map(bounds_of).collect();
    let on_side = |bounds: &[Bound], side: usize| -> Vec<Bound> {
        bounds.iter().filter(|bound| schemas[side].has_column(&bound.column)).cloned().collect()
    };
    let join_type = without_nulls(join.join_type, [0, 1].map(|side| !on_side(above, side).is_empty()));
    let (keeps, only_matches) = (keeps_rows(join_type), only_matches(join_type));
    // A filter on a side whose rows the join may drop or fill with NULLs is a filter on the join, not on the side.
    let filtered = [0, 1].map(|side| if keeps[side] { on_side(above, side) } else { Vec::new() });
    [0, 1].map(|side| {
        let mut own = filtered[side].clone();
        if only_matches[side] && !join.null_aware {
            let other = 1 - side;
            own.extend(on_side(&condition, side));
            let of_other: Vec<Bound> = filtered[other].iter().cloned().chain(on_side(&condition, other)).collect();
            for (here, there) in equal_columns(join, side) {
                let same = of_other.iter().filter(|bound| bound.column == there);
                own.extend(same.map(|bound| Bound { column: here.clone(), test: bound.test.clone() }));
            }
        }
        own
    })
}

/// Pairs of columns that a join's condition has equal, that of this side first.
fn equal_columns(join: &Join, side: usize) -> Vec<(Column, Column)> {
    let of_filter = join.filter.iter().flat_map(split_conjunction).filter_map(|part| match part {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => Some((left.as_ref(), right.as_ref())),
        _ => None,
    });
    let pairs = join.on.iter().map(|(left, right)| (left, right)).chain(of_filter);
    let here = if side == 0 { join.left.schema() } else { join.right.schema() };
    pairs
        .filter_map(|pair| match pair {
            (Expr::Column(one), Expr::Column(two)) => match (here.has_column(one), here.has_column(two)) {
                (true, false) => Some((one.clone(), two.clone())),
                (false, true) => Some((two.clone(), one.clone())),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// What a join does where its left and its right side are bounded above it: a bound lets no NULLs through, so rows of
/// the other side without a match are gone.
fn without_nulls(join: JoinType, bounded: [bool; 2]) -> JoinType {
    match (join, bounded) {
        (JoinType::Left, [_, true]) | (JoinType::Right, [true, _]) | (JoinType::Full, [true, true]) => JoinType::Inner,
        (JoinType::Full, [true, false]) => JoinType::Left,
        (JoinType::Full, [false, true]) => JoinType::Right,
        _ => join,
    }
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

/// Of the left and the right side of a join, whether rows that match none of the other's do nothing.
fn only_matches(join: JoinType) -> [bool; 2] {
    match join {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => [true, true],
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => [false, true],
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => [true, false],
        JoinType::Full => [false, false],
    }
}

fn bounds_of(predicate: &Expr) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for part in split_conjunction(predicate) {
        match part {
            Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => bounds.extend(one_of(part)),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => bounds.extend(compared(left, *op, right)),
            Expr::Between(Between { expr, negated: false, low, high }) => {
                bounds.extend(compared(expr, Operator::GtEq, low));
                bounds.extend(compared(expr, Operator::LtEq, high));
            }
            Expr::InList(InList { expr, list, negated: false }) if list.iter().all(is_constant) => {
                if let Expr::Column(column) = expr.as_ref() {
                    bounds.push(Bound { column: column.clone(), test: Test::OneOf(list.clone()) });
                }
            }
            _ => {}
        }
    }
    bounds
}

/// `column = a OR column = b`.
fn one_of(part: &Expr) -> Option<Bound> {
    let mut asked: Option<Column> = None;
    let mut values = Vec::new();
    for either in split_binary(part, Operator::Or) {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = either else { return None };
        match compared(left, Operator::Eq, right)? {
            Bound { column, test: Test::Compare(_, value) } if asked.as_ref().is_none_or(|asked| *asked == column) => {
                asked = Some(column);
                values.push(value);
            }
            _ => return None,
        }
    }
    Some(Bound { column: asked?, test: Test::OneOf(values) })
}

fn compared(left: &Expr, op: Operator, right: &Expr) -> Option<Bound> {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq};
    let (column, op, value) = match (left, right) {
        (Expr::Column(column), value) => (column, op, value),
        (value, Expr::Column(column)) => (column, op.swap()?, value),
        _ => return None,
    };
    (is_constant(value) && matches!(op, Eq | Gt | GtEq | Lt | LtEq))
        .then(|| Bound { column: column.clone(), test: Test::Compare(op, value.clone()) })
}

fn is_constant(value: &Expr) -> bool {
    value.column_refs().is_empty() && !value.is_volatile() && !has_subquery(value)
}

/// Whether a query within a query is in an expression, or a column of one around it.
pub(super) fn has_subquery(value: &Expr) -> bool {
    let subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..)
        ))
    };
    value.exists(subquery).unwrap_or(true)
}
