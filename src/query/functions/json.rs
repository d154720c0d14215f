//! JSON in text: the functions of `datafusion-functions-json`, and `->`, `->>`, `?` as PostgreSQL has them.
//!
//! `->` gives JSON text here, not that crate's union of types, which neither JSON, CSV nor Parquet answers can carry; so
//! its functions that give unions are left out. On a map, `->` and `->>` are the lookup `map['key']`.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Alias, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion_functions_json::udfs;

use super::description::Description;
use crate::query::lookup::{MapValue, is_text_map};

pub(super) const DESCRIPTION: Description = Description {
    name: "json_get_str",
    forms: &["(json, key, ...)"],
    meaning: "Of JSON in a text, as `body` of a structured log, what is under a path of keys and of places in arrays (from 0). \
        `json_get_str`, `json_get_int`, `json_get_float` and `json_get_bool` give it in that type, and NULL where it has another; `json_get_json` \
        gives its JSON text, `json_as_text` a string bare and all else as JSON, `json_get_array` the JSON texts of an array's elements, \
        `json_length` how many elements or keys, `json_object_keys` the keys, `json_contains` whether there is anything. \
        `body -> 'k'` is `json_get_json`, `body ->> 'k'` is `json_as_text`, and both are `map['k']` on a map. What is absent, or no JSON, is NULL.",
    source: "PostgreSQL's JSON operators; the crate datafusion-functions-json",
    example: "SELECT body ->> 'user' AS who, count(*) FROM logs WHERE json_get_int(body, 'http', 'status') >= 500 GROUP BY who",
    short: None,
};

/// Those functions that give plain types.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        udfs::json_get_str_udf(),
        udfs::json_get_int_udf(),
        udfs::json_get_float_udf(),
        udfs::json_get_bool_udf(),
        udfs::json_get_json_udf(),
        udfs::json_get_array_udf(),
        udfs::json_as_text_udf(),
        udfs::json_contains_udf(),
        udfs::json_length_udf(),
        udfs::json_object_keys_udf(),
    ]
}

/// Plans `->`, `->>` and `?`.
#[derive(Debug)]
pub(in crate::query) struct JsonOperatorPlanner;

impl ExprPlanner for JsonOperatorPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Arrow | BinaryOperator::LongArrow if is_text_map(&expr.left.get_type(schema)?) => {
                Arc::new(ScalarUDF::from(MapValue::default()))
            }
            BinaryOperator::Arrow => udfs::json_get_json_udf(),
            BinaryOperator::LongArrow => udfs::json_as_text_udf(),
            BinaryOperator::Question => udfs::json_contains_udf(),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let name = format!("{} {} {}", expr.left.human_display(), expr.op, expr.right.human_display());
        let call = Expr::ScalarFunction(ScalarFunction { func: function, args: vec![expr.left, expr.right] });
        Ok(PlannerResult::Planned(Expr::Alias(Alias::new(call, None::<&str>, name))))
    }
}
