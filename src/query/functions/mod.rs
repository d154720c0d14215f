//! The SQL functions of this program, beside DataFusion's own.
//!
//! A function is a file here, or beside what it is the SQL side of, and a line in [`register`].

mod has_exemplar;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;

use has_exemplar::HasExemplar;
pub(super) use has_exemplar::NAME as HAS_EXEMPLAR;

use super::asked_time::InAskedTime;
use super::engine::QueryBudget;
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
        ScalarUDF::from(HasExemplar::default()),
        ScalarUDF::from(SpanOfLog::new(budget.span_slack)),
    ];
    for function in scalar {
        registry.register_udf(Arc::new(function))?;
    }
    Ok(())
}
