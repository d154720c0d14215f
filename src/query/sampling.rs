//! A condition with `sample(trace_id, p)` in it, as a step function of chance.
//!
//! All `sample()` of a condition look at one number, which the trace's id holds: who is chosen with a small share is chosen
//! with a larger one. So under AND and OR a condition that is true stays true while that number falls, and there is
//! one share up to which it is true: the probability with which chance keeps the trace, whatever else is known of it.
//!
//! ```text
//! errors > 0 or sample(trace_id, 0.1) or (slow and sample(trace_id, 0.5))
//!
//! share 1     errors > 0 or false or (slow and false)     true: the trace is kept without chance
//! share 0.5   errors > 0 or false or (slow and true)      true: it is one of two
//! share 0.1   errors > 0 or true  or (slow and true)      true: it is one of ten
//! ```

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value, Visit, Visitor,
};

use super::functions::SAMPLE;
use super::statement::parse_expression;
use crate::error::{Error, Result};

/// The column whose ids a sample is taken of.
const TRACE_ID: &str = "trace_id";

/// The condition at one share.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleStep {
    /// The share; 1 where no `sample()` is needed.
    pub probability: f64,
    /// The condition as it is for a trace that is chosen with this share and with no smaller one.
    pub condition: String,
}

/// A condition's steps, the largest share first: the first that is true says with which probability it keeps a trace; where
/// none is, it keeps none.
///
/// # Errors
/// `Invalid` where the text is no expression, or has `sample()` under anything but AND and OR, or with a share that is no
/// number above 0 and at most 1.
pub fn sample_steps(condition: &str) -> Result<Vec<SampleStep>> {
    let expression = parse_expression(condition)?;
    let mut shares = Vec::new();
    collect(&expression, &mut shares)?;
    shares.sort_by(|one, other| other.total_cmp(one));
    shares.dedup();
    let unsampled = SampleStep { probability: 1.0, condition: at(&expression, f64::INFINITY).to_string() };
    let steps = shares
        .into_iter()
        .map(|share| SampleStep { probability: share, condition: at(&expression, share).to_string() });
    Ok(std::iter::once(unsampled).chain(steps).collect())
}

/// Whether a condition names `sample()` anywhere.
///
/// # Errors
/// `Invalid` where the text is no expression.
pub fn has_sample(condition: &str) -> Result<bool> {
    Ok(names_sample(&parse_expression(condition)?))
}

/// The shares of a condition's samples.
fn collect(expression: &Expr, shares: &mut Vec<f64>) -> Result<()> {
    match expression {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            collect(left, shares)?;
            collect(right, shares)
        }
        Expr::Nested(inner) => collect(inner, shares),
        call if is_sample(call) => {
            shares.push(share(call).ok_or_else(wrong_share)?);
            Ok(())
        }
        other if names_sample(other) => Err(Error::invalid(
            "sample() stands by itself or under AND and OR, never under NOT, CASE, a comparison or a function: how many traces \
             each kept one stands for could not be said otherwise",
        )),
        _ => Ok(()),
    }
}

/// The expression for a trace that is chosen with this share.
fn at(expression: &Expr, chosen: f64) -> Expr {
    match expression {
        Expr::BinaryOp { left, op: op @ (BinaryOperator::And | BinaryOperator::Or), right } => {
            Expr::BinaryOp { left: Box::new(at(left, chosen)), op: op.clone(), right: Box::new(at(right, chosen)) }
        }
        Expr::Nested(inner) => Expr::Nested(Box::new(at(inner, chosen))),
        call if is_sample(call) => {
            let is_chosen = share(call).is_some_and(|share| share >= chosen);
            Expr::Value(Value::Boolean(is_chosen).into())
        }
        other => other.clone(),
    }
}

fn is_sample(expression: &Expr) -> bool {
    let Expr::Function(call) = expression else { return false };
    let name = call.name.0.last().and_then(|part| part.as_ident());
    name.is_some_and(|name| name.value.eq_ignore_ascii_case(SAMPLE))
}

/// The share of `sample(trace_id, share)`; `None` where it has another form.
fn share(call: &Expr) -> Option<f64> {
    let Expr::Function(call) = call else { return None };
    let FunctionArguments::List(list) = &call.args else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(id)), FunctionArg::Unnamed(FunctionArgExpr::Expr(share))] =
        list.args.as_slice()
    else {
        return None;
    };
    let is_id = match id {
        Expr::Identifier(name) => name.value.eq_ignore_ascii_case(TRACE_ID),
        Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value.eq_ignore_ascii_case(TRACE_ID)),
        _ => false,
    };
    let Expr::Value(value) = share else { return None };
    let Value::Number(digits, _) = &value.value else { return None };
    let share: f64 = digits.to_string().parse().ok()?;
    (is_id && share > 0.0 && share <= 1.0).then_some(share)
}

fn wrong_share() -> Error {
    Error::invalid("write sample(trace_id, 0.01): of the trace's id, with a number above 0 and at most 1")
}

fn names_sample(expression: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
            if is_sample(expression) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    expression.visit(&mut Finder).is_break()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(condition: &str) -> Vec<(f64, String)> {
        sample_steps(condition).unwrap().into_iter().map(|step| (step.probability, step.condition)).collect()
    }

    #[test]
    fn a_condition_is_a_step_for_each_share() {
        assert_eq!(steps("error_count > 0"), [(1.0, "error_count > 0".to_owned())]);
        assert_eq!(
            steps("error_count > 0 or sample(trace_id, 0.1) or (duration_ms > 2000 and SAMPLE(traces.trace_id, 0.5))"),
            [
                (1.0, "error_count > 0 OR false OR (duration_ms > 2000 AND false)".to_owned()),
                (0.5, "error_count > 0 OR false OR (duration_ms > 2000 AND true)".to_owned()),
                (0.1, "error_count > 0 OR true OR (duration_ms > 2000 AND true)".to_owned()),
            ]
        );
        assert_eq!(steps("sample(trace_id, 1e-3) or sample(trace_id, 0.001)").len(), 2);
    }

    #[rstest::rstest]
    #[case("not sample(trace_id, 0.1)")]
    #[case("sample(trace_id, 0.1) = false")]
    #[case("case when error_count > 0 then true else sample(trace_id, 0.1) end")]
    #[case("coalesce(sample(trace_id, 0.1), false)")]
    #[case("sample(root_name, 0.1)")]
    #[case("sample(trace_id, span_count / 10)")]
    #[case("sample(trace_id, 0)")]
    #[case("sample(trace_id, 1.5)")]
    #[case("sample(trace_id, -0.5)")]
    #[case("sample(trace_id)")]
    fn a_sample_whose_weight_is_not_known_is_refused(#[case] condition: &str) {
        let error = sample_steps(condition).unwrap_err().to_string();
        assert!(error.contains("sample("), "{error}");
        assert!(has_sample(condition).unwrap());
        assert!(!has_sample("error_count > 0").unwrap());
    }
}
