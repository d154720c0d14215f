//! What a view writes where it reads a table, for the bounds of a query on the view to take the place of.
//!
//! ```text
//! view's WHERE                                      with time >= X AND time < Y, trace_id = 'x' asked of the view
//! in_asked_time(time, before, after)                time >= X - before AND time < Y + after
//! in_asked_span(time, duration_nano, before, after) span_end(time, duration_nano) >= X - before AND time < Y + after
//! in_asked_trace(trace_id)                          trace_id = 'x'
//! in_asked_trace(exemplars)                         has_exemplar(exemplars, 'x')
//! if_time_asked(condition)                          condition
//! ```
//! Of what is not asked, each is true. Which bounds reach a view: `asked.rs`.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable as _, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, binary_expr, cast, in_list, lit,
};

use super::asked::Asked;
use super::functions::{HasExemplar, SpanEnd};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Time,
    Span,
    Trace,
    IfTime,
}

/// A marker as a function: true of every row, unless a bound takes its place.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Marker {
    kind: Kind,
    signature: Signature,
}

impl Marker {
    /// Every marker.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [(Kind::Time, 3), (Kind::Span, 4), (Kind::Trace, 1), (Kind::IfTime, 1)]
            .into_iter()
            .map(|(kind, arguments)| Self { kind, signature: Signature::any(arguments, Volatility::Immutable) })
    }
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Time => "in_asked_time",
            Kind::Span => "in_asked_span",
            Kind::Trace => "in_asked_trace",
            Kind::IfTime => "if_time_asked",
        }
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

/// A filter of a view, over rows of this schema, with what is asked of the view in its markers' place.
pub(super) fn written_out(expr: Expr, asked: &Asked, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform(|expr| {
        let Expr::ScalarFunction(ScalarFunction { func, args }) = &expr else { return Ok(Transformed::no(expr)) };
        let Some(marker) = func.inner().downcast_ref::<Marker>() else { return Ok(Transformed::no(expr)) };
        let written = match (marker.kind, args.as_slice()) {
            (Kind::Time, [time, before, after]) => within(asked, before, after, time, time, Operator::Gt),
            (Kind::Span, [time, duration, before, after]) => {
                let end = ScalarUDF::from(SpanEnd::default()).call(vec![time.clone(), duration.clone()]);
                // An end is rounded up to a microsecond: `>` would be too much.
                within(asked, before, after, time, &end, Operator::GtEq)
            }
            (Kind::Trace, [traces]) => one_of(asked, traces, matches!(traces.get_type(schema)?, DataType::List(_))),
            (Kind::IfTime, [condition]) if !asked.time.is_empty() => condition.clone(),
            _ => lit(true),
        };
        Ok(Transformed::yes(written))
    })
}

/// The asked time, widened: what ends at `end` must not end before it, what starts at `start` not start after it.
/// `later` is the operator that stands for `>`.
fn within(asked: &Asked, before: &Expr, after: &Expr, start: &Expr, end: &Expr, later: Operator) -> Expr {
    let bounds = asked.time.iter().flat_map(|(op, value)| {
        // As the tables' times are, whatever the query compares with: a text, a date, now().
        let value = cast(value.clone(), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
        let earliest = |op| binary_expr(end.clone(), op, binary_expr(value.clone(), Operator::Minus, before.clone()));
        let latest = |op| binary_expr(start.clone(), op, binary_expr(value.clone(), Operator::Plus, after.clone()));
        match op {
            Operator::Gt => vec![earliest(later)],
            Operator::GtEq => vec![earliest(Operator::GtEq)],
            Operator::Lt | Operator::LtEq => vec![latest(*op)],
            _ => vec![earliest(Operator::GtEq), latest(Operator::LtEq)],
        }
    });
    conjunction(bounds).unwrap_or_else(|| lit(true))
}

/// Whether a trace id is, or exemplars have, one that is asked.
fn one_of(asked: &Asked, traces: &Expr, are_exemplars: bool) -> Expr {
    let tests = asked.traces.iter().map(|ids| match ids.as_slice() {
        ids if are_exemplars => {
            let args = std::iter::once(traces).chain(ids).cloned().collect();
            ScalarUDF::from(HasExemplar::default()).call(args)
        }
        [id] => binary_expr(traces.clone(), Operator::Eq, id.clone()),
        ids => in_list(traces.clone(), ids.to_vec(), false),
    });
    conjunction(tests).unwrap_or_else(|| lit(true))
}
