//! Parameters as drivers use them: lists in the place of `x = ANY($1)` and `x <> ALL($1)`, and types that only a cast, LIMIT
//! or OFFSET tells.
//!
//! DataFusion plans neither: `ANY` of a parameter is a function of a list whose type nobody knows yet. Before planning
//! such a comparison becomes `x IN (...)` of the list's values, which also prunes as any other IN; while there are no
//! values, `x IN ($1)`, from which the type of the values follows.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{Expr as Planned, LogicalPlan};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, BinaryOperator, Expr, UnaryOperator, Value, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::tokenizer::Span;

/// Writes comparisons with lists out, and answers the numbers of the parameters that stand for lists.
pub(super) fn write_out_lists(statement: &mut Statement, params: &[ScalarValue]) -> BTreeSet<usize> {
    let mut lists = Lists { params, found: BTreeSet::new() };
    if let Some(statement) = inner(statement) {
        let _ = VisitMut::visit(statement, &mut lists);
    }
    lists.found
}

/// The types of a plan's parameters in order; `None` where nothing tells.
///
/// # Errors
/// Where two places of one parameter want two types.
pub(super) fn parameter_types(plan: &LogicalPlan, lists: &BTreeSet<usize>) -> Result<Vec<Option<DataType>>> {
    let mut types: HashMap<usize, Option<DataType>> = HashMap::new();
    for (name, data_type) in plan.get_parameter_types()? {
        let number = number_of(&name)
            .ok_or_else(|| DataFusionError::Plan(format!("`{name}` is no parameter here; write $1, $2, ...")))?;
        types.insert(number, data_type);
    }
    for (number, data_type) in told_elsewhere(plan)? {
        let known = types.entry(number).or_default();
        if known.is_none() {
            *known = Some(data_type);
        }
    }
    // One that was written out is in no plan.
    for number in lists {
        types.entry(*number).or_default();
    }
    let listed = |(number, data_type): (usize, Option<DataType>)| {
        let item = |data_type| DataType::List(Arc::new(Field::new_list_field(data_type, true)));
        (number, if lists.contains(&number) { data_type.map(item) } else { data_type })
    };
    let mut types: HashMap<_, _> = types.into_iter().map(listed).collect();
    let count = types.keys().max().copied().unwrap_or(0);
    Ok((1..=count).map(|number| types.remove(&number).flatten()).collect())
}

/// The types that casts tell, and LIMIT and OFFSET.
fn told_elsewhere(plan: &LogicalPlan) -> Result<Vec<(usize, DataType)>> {
    let mut told = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            let counts = [&limit.skip, &limit.fetch].into_iter().flatten();
            told.extend(counts.filter_map(|count| Some((untyped(count)?, DataType::Int64))));
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Planned::Cast(cast) = expr {
                    told.extend(untyped(&cast.expr).map(|number| (number, cast.field.data_type().clone())));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(told)
}

/// The number of a parameter whose type DataFusion does not know.
fn untyped(expr: &Planned) -> Option<usize> {
    match expr {
        Planned::Placeholder(placeholder) if placeholder.field.is_none() => number_of(&placeholder.id),
        _ => None,
    }
}

fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok().filter(|number| *number > 0)
}

fn inner(statement: &mut Statement) -> Option<&mut ast::Statement> {
    match statement {
        Statement::Statement(statement) => Some(statement),
        Statement::Explain(explain) => inner(&mut explain.statement),
        _ => None,
    }
}

struct Lists<'a> {
    params: &'a [ScalarValue],
    found: BTreeSet<usize>,
}

impl VisitorMut for Lists<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (left, right, negated) = match &*expr {
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => (left, right, false),
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => (left, right, true),
            _ => return ControlFlow::Continue(()),
        };
        let Some((number, placeholder)) = parameter(right) else { return ControlFlow::Continue(()) };
        self.found.insert(number);
        let list = match self.params.get(number - 1) {
            None => vec![placeholder.clone()],
            Some(value) => match values_of(value) {
                Some(values) => values,
                None => return ControlFlow::Continue(()),
            },
        };
        *expr = if list.is_empty() {
            literal(Value::Boolean(negated))
        } else {
            Expr::InList { expr: left.clone(), list, negated }
        };
        ControlFlow::Continue(())
    }
}

/// The parameter that an expression is, but for parentheses and a cast to a list.
fn parameter(expr: &Expr) -> Option<(usize, &Expr)> {
    match expr {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => parameter(inner),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => Some((number_of(name)?, expr)),
            _ => None,
        },
        _ => None,
    }
}

/// A list's values; NULL for no list, and none for a value that is none.
fn values_of(value: &ScalarValue) -> Option<Vec<Expr>> {
    if value.is_null() {
        return Some(vec![literal(Value::Null)]);
    }
    let ScalarValue::List(list) = value else { return None };
    let rows = ScalarValue::convert_array_to_scalar_vec(list.as_ref()).ok()?;
    Some(rows.into_iter().flatten().flatten().map(|value| written(&value)).collect())
}

fn written(value: &ScalarValue) -> Expr {
    if value.is_null() {
        return literal(Value::Null);
    }
    if let Some(Some(text)) = value.try_as_str() {
        return literal(Value::SingleQuotedString(text.to_owned()));
    }
    let text = value.to_string();
    match value {
        ScalarValue::Boolean(Some(value)) => literal(Value::Boolean(*value)),
        value if value.data_type().is_numeric() && text.parse::<f64>().is_ok_and(f64::is_finite) => {
            match text.strip_prefix('-') {
                Some(size) => {
                    let size = Box::new(literal(Value::Number(size.to_owned(), false)));
                    Expr::UnaryOp { op: UnaryOperator::Minus, expr: size }
                }
                None => literal(Value::Number(text, false)),
            }
        }
        // Times and the like have a text that is cast to the type of what it is compared with.
        _ => literal(Value::SingleQuotedString(text)),
    }
}

fn literal(value: Value) -> Expr {
    Expr::Value(value.with_span(Span::empty()))
}

#[cfg(test)]
mod tests {
    use super::super::statement::parse;
    use super::*;

    fn rewritten(sql: &str, params: &[ScalarValue]) -> (String, Vec<usize>) {
        let mut statement = parse(sql).unwrap();
        let lists = write_out_lists(&mut statement, params);
        (statement.to_string(), lists.into_iter().collect())
    }

    fn list(values: &[ScalarValue], data_type: &DataType) -> ScalarValue {
        ScalarValue::List(ScalarValue::new_list_nullable(values, data_type))
    }

    #[test]
    fn a_list_is_written_out() {
        let texts = list(&["a".into(), "it's".into(), ScalarValue::Utf8(None)], &DataType::Utf8);
        let numbers = list(&[1_i64.into(), (-2_i64).into()], &DataType::Int64);
        let sql = "SELECT 1 FROM logs WHERE body = ANY($1) AND x <> ALL(($2)::int[]) AND y = $3";
        let (text, lists) = rewritten(sql, &[texts, numbers, 7_i64.into()]);
        assert_eq!(text, "SELECT 1 FROM logs WHERE body IN ('a', 'it''s', NULL) AND x NOT IN (1, -2) AND y = $3");
        assert_eq!(lists, [1, 2]);
        let (text, _) = rewritten("SELECT x = ANY($1), x <> ALL($1)", &[list(&[], &DataType::Utf8)]);
        assert_eq!(text, "SELECT false, true");
        let (text, _) = rewritten("SELECT x = ANY($1)", &[ScalarValue::Null]);
        assert_eq!(text, "SELECT x IN (NULL)");
    }

    #[test]
    fn without_values_a_list_has_the_type_of_what_it_is_compared_with() {
        assert_eq!(rewritten("SELECT x = ANY($1::text[])", &[]), ("SELECT x IN ($1)".to_owned(), vec![1]));
        assert_eq!(rewritten("SELECT x > ANY($1)", &[]).1, [0; 0]);
    }
}
