//! Which trace ids a scan's filters ask for, so that the trace index can say where they are.
//!
//! Guarantee: every row that passes the filters has one of the ids (of metrics, an exemplar with one of them).

use std::collections::BTreeSet;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::functions::HAS_EXEMPLAR;
use crate::model::signal::Signal;

/// The ids that the filters, joined by AND, leave; `None` where they leave all.
pub(super) fn asked_ids(signal: Signal, filters: &[Expr]) -> Option<BTreeSet<String>> {
    filters.iter().filter_map(|filter| ids_of(signal, filter)).min_by_key(BTreeSet::len)
}

fn ids_of(signal: Signal, filter: &Expr) -> Option<BTreeSet<String>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let id = if is_id(signal, left) { text(right) } else { text(left).filter(|_| is_id(signal, right)) };
            Some(BTreeSet::from([id?]))
        }
        Expr::InList(InList { expr, list, negated: false }) if is_id(signal, expr) => list.iter().map(text).collect(),
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == HAS_EXEMPLAR => match args.as_slice() {
            [Expr::Column(list), ids @ ..] if signal == Signal::Metrics && list.name == "exemplars" => {
                ids.iter().map(text).collect()
            }
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let sides = [left, right].into_iter().filter_map(|side| ids_of(signal, side));
            sides.min_by_key(BTreeSet::len)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut ids = ids_of(signal, left)?;
            ids.extend(ids_of(signal, right)?);
            Some(ids)
        }
        _ => None,
    }
}

fn is_id(signal: Signal, expr: &Expr) -> bool {
    let has_ids = matches!(signal, Signal::Logs | Signal::Spans);
    matches!(expr, Expr::Column(column) if has_ids && column.name == "trace_id")
}

fn text(expr: &Expr) -> Option<String> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => text.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::logical_expr::{col, lit};

    #[test]
    fn every_form_that_bounds_the_id_is_known_and_no_other() {
        let ids =
            |filter: Expr| asked_ids(Signal::Spans, &[filter]).map(|ids| ids.into_iter().collect::<Vec<_>>().concat());
        let id = || col("trace_id");
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(ids(id().eq(lit("a"))), some("a"));
        assert_eq!(ids(lit("a").eq(id())), some("a"));
        assert_eq!(ids(col("s.trace_id").eq(lit(ScalarValue::Utf8View(Some("a".into()))))), some("a"));
        assert_eq!(ids(id().in_list(vec![lit("a"), lit("b")], false)), some("ab"));
        assert_eq!(ids(id().eq(lit("a")).or(id().eq(lit("b")))), some("ab"));
        assert_eq!(ids(id().eq(lit("a")).and(col("name").eq(lit("x")))), some("a"));
        assert_eq!(ids(id().eq(lit("a")).or(col("name").eq(lit("x")))), None);
        assert_eq!(ids(id().in_list(vec![lit("a")], true)), None);
        assert_eq!(ids(id().in_list(vec![lit("a"), col("span_id")], false)), None);
        assert_eq!(ids(id().eq(col("span_id"))), None);
        assert_eq!(ids(col("span_id").eq(lit("a"))), None);
        assert_eq!(ids(id().not_eq(lit("a"))), None);
        assert_eq!(ids(id().eq(lit(ScalarValue::Utf8(None)))), None);
        assert_eq!(asked_ids(Signal::Metrics, &[id().eq(lit("a"))]), None, "metrics have no such column");
        assert_eq!(asked_ids(Signal::Logs, &[]), None);
    }
}
