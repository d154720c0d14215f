//! The SQL functions of this program, beside DataFusion's own.
//!
//! A function is a file here, or beside what it is the SQL side of, and a line in [`register`].

mod bucket_of;
mod critical_path;
mod error_fingerprint;
mod has_exemplar;
mod span_end;
mod span_list;
mod span_slack;
mod trace_tree;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;

pub(super) use has_exemplar::HasExemplar;
pub(super) use span_end::{SpanEnd, end_micros};

use self::critical_path::CriticalPathOf;
use self::error_fingerprint::{Fingerprint, MessagePattern};
use self::trace_tree::TraceTreeOf;
use super::budget::QueryBudget;
use super::lookup::{Attr, MapValue};
use super::markers::Marker;
use super::span_match::SpanOfLog;

/// Makes every function known to a session.
///
/// # Errors
/// If the registry takes no functions.
pub(super) fn register(registry: &mut dyn FunctionRegistry, budget: &QueryBudget) -> Result<()> {
    let scalar = [
        ScalarUDF::from(MapValue::default()),
        ScalarUDF::from(Attr::default()),
        ScalarUDF::from(SpanOfLog::new(budget.span_slack)),
        ScalarUDF::from(TraceTreeOf::default()),
        ScalarUDF::from(CriticalPathOf::default()),
        ScalarUDF::from(SpanEnd::default()),
        ScalarUDF::from(span_slack::SpanSlack::new(budget.span_slack)),
        ScalarUDF::from(HasExemplar::default()),
        ScalarUDF::from(bucket_of::BucketOf::default()),
        ScalarUDF::from(MessagePattern::default()),
        ScalarUDF::from(Fingerprint::default()),
    ];
    for function in scalar.into_iter().chain(Marker::all().map(ScalarUDF::from)) {
        registry.register_udf(Arc::new(function))?;
    }
    Ok(())
}
