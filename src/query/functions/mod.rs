//! The SQL functions of this program, beside DataFusion's own.
//!
//! A function is a file here, or beside what it is the SQL side of, and a line in [`register`].

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;

use super::asked_time::InAskedTime;
use super::budget::QueryBudget;
use super::lookup::{Attr, MapValue};
use super::span_match::SpanOfLog;

/// Makes every function known to a session.
///
/// # Errors
/// If the registry takes no functions.
pub(super) fn register(registry: &mut dyn FunctionRegistry, budget: &QueryBudget) -> Result<()> {
    let scalar = [
        ScalarUDF::from(MapValue::default()),
        ScalarUDF::from(Attr::default()),
        ScalarUDF::from(InAskedTime::default()),
        ScalarUDF::from(SpanOfLog::new(budget.span_slack)),
    ];
    for function in scalar {
        registry.register_udf(Arc::new(function))?;
    }
    Ok(())
}
