//! An ASOF JOIN in the logical plan.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, JoinType, Result, internal_err, plan_err};
use datafusion::logical_expr::logical_plan::builder::build_join_schema;
use datafusion::logical_expr::logical_plan::{Extension, Filter};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Operator, UserDefinedLogicalNodeCore, binary_expr, cast,
};

use super::condition::{Keys, Match, Nearest};

/// Each left row with the nearest right row of equal keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::query) struct AsofJoin {
    pub(super) left: Arc<LogicalPlan>,
    pub(super) right: Arc<LogicalPlan>,
    /// Left and right of each equality, of one type.
    pub(super) keys: Vec<(Expr, Expr)>,
    /// The left and the right time, of one type.
    pub(super) times: (Expr, Expr),
    pub(super) nearest: Nearest,
    pub(super) limit: Option<Limit>,
    /// Filters that were put on the right since the left's bounds imply them.
    pub(super) implied: Vec<Expr>,
    schema: DFSchemaRef,
}

/// The right time that is farthest away and still matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Limit {
    /// `left time - distance` or `left time + distance`.
    pub(super) time: Expr,
    /// Whether exactly that far matches.
    pub(super) inclusive: bool,
}

impl AsofJoin {
    /// The join of two plans.
    ///
    /// # Errors
    /// `Plan` where keys or times can't be compared.
    pub(super) fn plan(left: LogicalPlan, right: LogicalPlan, keys: Keys, matching: Match) -> Result<LogicalPlan> {
        let right = match conjunction(keys.of_right) {
            Some(filter) => LogicalPlan::Filter(Filter::try_new(filter, Arc::new(right))?),
            None => right,
        };
        let of_one_type = |(l, r): (Expr, Expr), op| of_one_type(l, left.schema(), r, right.schema(), op);
        let keys = keys.equal.into_iter().map(|pair| of_one_type(pair, Operator::Eq)).collect::<Result<_>>()?;
        let times = of_one_type((matching.left_time, matching.right_time), Operator::LtEq)?;
        let nearest = matching.nearest;
        let sign = if nearest.is_backward() { Operator::Minus } else { Operator::Plus };
        let limit = matching.tolerance.map(|tolerance| Limit {
            time: binary_expr(times.0.clone(), sign, tolerance.distance),
            inclusive: tolerance.inclusive,
        });
        let schema = Arc::new(build_join_schema(left.schema(), right.schema(), &JoinType::Left)?);
        let (left, right) = (Arc::new(left), Arc::new(right));
        Ok(Self { left, right, keys, times, nearest, limit, implied: Vec::new(), schema }.into_plan())
    }

    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The join that a plan is.
    pub(in crate::query) fn of(plan: &LogicalPlan) -> Option<&Self> {
        let LogicalPlan::Extension(extension) = plan else { return None };
        extension.node.as_any().downcast_ref()
    }

    /// The same join of other inputs.
    pub(super) fn with_inputs(mut self, left: LogicalPlan, right: LogicalPlan) -> Result<Self> {
        self.schema = Arc::new(build_join_schema(left.schema(), right.schema(), &JoinType::Left)?);
        (self.left, self.right) = (Arc::new(left), Arc::new(right));
        Ok(self)
    }
}

/// Two values that are compared, cast to the type in which they are.
fn of_one_type(
    left: Expr,
    left_schema: &DFSchema,
    right: Expr,
    right_schema: &DFSchema,
    op: Operator,
) -> Result<(Expr, Expr)> {
    let (left_type, right_type) = (left.get_type(left_schema)?, right.get_type(right_schema)?);
    let (to_left, to_right) = BinaryTypeCoercer::new(&left_type, &op, &right_type).get_input_types()?;
    if to_left != to_right {
        return plan_err!("{left} of type {left_type} can't be compared with {right} of type {right_type}");
    }
    let left = if left_type == to_left { left } else { cast(left, to_left) };
    let right = if right_type == to_right { right } else { cast(right, to_right) };
    Ok((left, right))
}

impl PartialOrd for AsofJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for AsofJoin {
    fn name(&self) -> &'static str {
        "AsofJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        let keys = self.keys.iter().flat_map(|(left, right)| [left, right]);
        let limit = self.limit.iter().map(|limit| &limit.time);
        keys.chain([&self.times.0, &self.times.1]).chain(limit).cloned().collect()
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut join = self.clone();
        let mut exprs = exprs.into_iter();
        let keys = join.keys.iter_mut().flat_map(|(left, right)| [left, right]);
        let limit = join.limit.iter_mut().map(|limit| &mut limit.time);
        for expr in keys.chain([&mut join.times.0, &mut join.times.1]).chain(limit) {
            match exprs.next() {
                Some(new) => *expr = new,
                None => return internal_err!("an AsofJoin is given too few expressions"),
            }
        }
        match (exprs.next(), <[LogicalPlan; 2]>::try_from(inputs)) {
            (None, Ok([left, right])) => join.with_inputs(left, right),
            _ => internal_err!("an AsofJoin has two inputs and as many expressions as before"),
        }
    }

    /// The left's columns come first.
    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left = self.left.schema().fields().len();
        let (of_left, of_right): (Vec<usize>, Vec<usize>) = output_columns.iter().partition(|column| **column < left);
        Some(vec![of_left, of_right.into_iter().map(|column| column - left).collect()])
    }

    fn fmt_for_explain(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AsofJoin: {} {} {}", self.times.1, self.nearest.operator(), self.times.0)?;
        if let Some(limit) = &self.limit {
            write!(f, ", within {}", limit.time)?;
        }
        let keys: Vec<String> = self.keys.iter().map(|(left, right)| format!("{left} = {right}")).collect();
        write!(f, ", on [{}]", keys.join(", "))
    }
}
