//! The parameters of a catalogue query, and the types that their places tell: a cast, or a column of oids beside it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, Expr, Query, Value, Visit, Visitor};

use super::ast::folded;
use super::rewrite::plain_type;
use super::tables::is_oid;

/// The types of `$1`, `$2`, ...; `None` where nothing tells.
pub(super) fn parameters(query: &Query) -> Vec<Option<DataType>> {
    let mut found = Found::default();
    let _ = Visit::visit(query, &mut found);
    let count = found.0.keys().next_back().copied().unwrap_or(0);
    (1..=count).map(|number| found.0.get(&number).cloned().flatten()).collect()
}

#[derive(Default)]
struct Found(BTreeMap<usize, Option<DataType>>);

impl Visitor for Found {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let told = match expr {
            Expr::Cast { expr, data_type, .. } => number(expr).map(|number| (number, arrow_type(data_type))),
            Expr::BinaryOp { left, right, .. } => {
                let told = |column: &Expr, value: &Expr| Some((number(value)?, column_type(column)));
                told(left, right).or_else(|| told(right, left))
            }
            _ => number(expr).map(|number| (number, None)),
        };
        if let Some((number, told)) = told {
            let known = self.0.entry(number).or_default();
            if known.is_none() {
                *known = told;
            }
        }
        ControlFlow::Continue(())
    }
}

fn number(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')?.parse().ok().filter(|number| *number > 0)
}

fn column_type(expr: &Expr) -> Option<DataType> {
    let name = match expr {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(names) => names.last()?,
        _ => return None,
    };
    is_oid(&folded(name)).then_some(DataType::Int64)
}

fn arrow_type(data_type: &SqlType) -> Option<DataType> {
    if let SqlType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = data_type {
        return Some(DataType::List(Arc::new(Field::new_list_field(arrow_type(element)?, true))));
    }
    Some(match plain_type(data_type) {
        SqlType::Text | SqlType::Varchar(_) | SqlType::CharacterVarying(_) => DataType::Utf8,
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::SmallInt(_) | SqlType::Int2(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) | SqlType::Int4(_) => DataType::Int32,
        SqlType::BigInt(_) | SqlType::Int8(_) | SqlType::IntegerUnsigned(_) => DataType::Int64,
        SqlType::DoublePrecision | SqlType::Float8 => DataType::Float64,
        SqlType::Real | SqlType::Float4 => DataType::Float32,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::pg_catalog::rewrite::parsed;

    #[rstest::rstest]
    #[case("SELECT 1", vec![])]
    #[case("SELECT $2::int4, $1", vec![None, Some(DataType::Int32)])]
    #[case("SELECT 1 FROM pg_type t WHERE t.oid = $1 AND typname = $2", vec![Some(DataType::Int64), None])]
    #[case("SELECT $1::pg_catalog.text, CAST($1 AS int)", vec![Some(DataType::Utf8)])]
    fn a_place_tells_the_type(#[case] sql: &str, #[case] expected: Vec<Option<DataType>>) {
        assert_eq!(parameters(&parsed(sql).unwrap()), expected);
    }
}
