//! `$1`, `$2`, ...: their values, as literals.

use std::ops::ControlFlow;

use datafusion::common::{Result, ScalarValue, plan_datafusion_err};
use datafusion::sql::sqlparser::ast::{Expr, Query, Value, VisitMut, VisitorMut};

use super::super::ast::{array, boolean, null, number, string};
use super::Params;

/// Puts the parameters' values into a query.
///
/// # Errors
/// For a parameter without a value, or one that is no `$number`.
pub(super) fn fill_in(query: &mut Query, params: Params<'_>) -> Result<()> {
    match VisitMut::visit(query, &mut Filler(params)) {
        ControlFlow::Break(name) => Err(plan_datafusion_err!("there is no value for the parameter {name}")),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Filler<'a>(Params<'a>);

impl VisitorMut for Filler<'_> {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let Expr::Value(value) = &*expr else { return ControlFlow::Continue(()) };
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let place = name.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        let given = match (self.0, place.and_then(|place| place.checked_sub(1))) {
            (Params::Unknown, Some(_)) => Some(null()),
            (Params::Given(values), Some(place)) => values.get(place).map(literal),
            (_, None) => None,
        };
        match given {
            Some(given) => {
                *expr = given;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(name.clone()),
        }
    }
}

fn literal(value: &ScalarValue) -> Expr {
    if value.is_null() {
        return null();
    }
    if let Some(Some(text)) = value.try_as_str() {
        return string(text);
    }
    match value {
        ScalarValue::Boolean(Some(value)) => boolean(*value),
        ScalarValue::List(list) => match ScalarValue::convert_array_to_scalar_vec(list.as_ref()) {
            Ok(rows) => array(rows.iter().flatten().flatten().map(literal).collect()),
            Err(_) => null(),
        },
        value if value.data_type().is_numeric() => number(value),
        value => string(value.to_string()),
    }
}
