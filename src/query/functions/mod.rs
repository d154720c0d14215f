//! The SQL functions of this program, beside DataFusion's own.
//!
//! A function is a file here, or beside what it is the SQL side of, and a line in [`register`]. Those that users call
//! have a [`Description`], from which `docs/sql.md` and the error of a wrong call are made.
//!
//! ```text
//! description.rs  what a function is, for people
//! bounded.rs      DataFusion's functions that make much of little
//! time_bucket.rs  time_bucket, its widths in width.rs
//! series.rs       the rule by which a series grows
//! points.rs       aggregates over the points of series
//! increase.rs     increase, rate
//! growth.rs       delta_value, histogram_delta
//! histogram/      histogram_merge, histogram_quantile
//! level.rs        level_name, level_num
//! sample.rs       sample
//! epoch.rs        extract(epoch FROM time), DataFusion's, as a bound
//! json.rs         json_get_str and its like, -> and ->>
//! ```
//! The others are what views are made of.

mod bounded;
mod bucket_of;
mod critical_path;
mod description;
mod epoch;
mod error_fingerprint;
mod growth;
mod has_event;
mod has_exemplar;
mod histogram;
mod increase;
mod json;
mod level;
mod points;
mod sample;
mod series;
mod span_end;
mod span_list;
mod span_slack;
#[cfg(test)]
mod tests;
mod time_bucket;
mod trace_tree;
mod width;

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{
    AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF, Signature, TypeSignature, Volatility, WindowUDF,
};

pub(super) use has_exemplar::{HasExemplar, NAME as HAS_EXEMPLAR};
pub(super) use span_end::{SpanEnd, end_micros};

use self::critical_path::CriticalPathOf;
use self::error_fingerprint::{Fingerprint, MessagePattern};
use self::trace_tree::TraceTreeOf;

use super::budget::QueryBudget;
use super::lookup::{Attr, MapLookupPlanner, MapValue};
use super::markers::Marker;
use super::span_match::SpanOfLog;
use description::Description;
use epoch::ExtractPlanner;
use json::JsonOperatorPlanner;
pub use sample::is_sampled;

/// The name of `sample`.
pub(super) const SAMPLE: &str = sample::DESCRIPTION.name;

/// The functions that users call, in the order in which they are documented.
const DESCRIPTIONS: &[&Description] = &[
    &time_bucket::DESCRIPTION,
    &increase::INCREASE,
    &increase::RATE,
    &growth::DELTA_VALUE,
    &histogram::quantile::DESCRIPTION,
    &histogram::merge::DESCRIPTION,
    &growth::HISTOGRAM_DELTA,
    &level::NAME,
    &level::NUM,
    &sample::DESCRIPTION,
    &json::DESCRIPTION,
];

/// The session with every function, and with our meaning of `map['key']`, `->` and `extract`.
///
/// # Errors
/// If the session takes no functions.
pub(super) fn with_our_sql(mut state: SessionState, budget: &QueryBudget) -> Result<SessionState> {
    register(&mut state, budget)?;
    // Before DataFusion's own planners: the first that plans an expression has it.
    let mut planners: Vec<Arc<dyn ExprPlanner>> =
        vec![Arc::new(MapLookupPlanner::default()), Arc::new(JsonOperatorPlanner), Arc::new(ExtractPlanner)];
    planners.extend(state.expr_planners().iter().cloned());
    Ok(SessionStateBuilder::new_from_existing(state).with_expr_planners(planners).build())
}

/// Makes every function known to a session.
///
/// # Errors
/// If the registry takes no functions.
fn register(registry: &mut dyn FunctionRegistry, budget: &QueryBudget) -> Result<()> {
    // DataFusion's own that tell where a row lies: where the lake is on its machine is no part of what it holds.
    for name in ["input_file_name", "file_row_index"] {
        registry.deregister_udf(name)?;
    }
    for name in bounded::NAMES {
        let bounded = registry.udf(name).ok().and_then(|function| bounded::bounded(&function));
        if let Some(function) = bounded {
            registry.register_udf(Arc::new(function))?;
        }
    }
    let scalar = [
        ScalarUDF::from(MapValue::default()),
        ScalarUDF::from(Attr::default()),
        ScalarUDF::from(SpanOfLog::new(budget.span_slack)),
        ScalarUDF::from(TraceTreeOf::default()),
        ScalarUDF::from(CriticalPathOf::default()),
        ScalarUDF::from(SpanEnd::default()),
        ScalarUDF::from(span_slack::SpanSlack::new(budget.span_slack)),
        ScalarUDF::from(HasExemplar::default()),
        ScalarUDF::from(has_event::HasEvent::default()),
        ScalarUDF::from(bucket_of::BucketOf::default()),
        ScalarUDF::from(MessagePattern::default()),
        ScalarUDF::from(Fingerprint::default()),
        ScalarUDF::from(time_bucket::TimeBucket::default()),
        ScalarUDF::from(histogram::quantile::HistogramQuantile::default()),
        ScalarUDF::from(level::LevelName::default()),
        ScalarUDF::from(level::LevelNum::default()),
        ScalarUDF::from(sample::Sample::default()),
        ScalarUDF::from(epoch::DatePart::default()),
    ];
    for function in scalar.into_iter().chain(Marker::all().map(ScalarUDF::from)).map(Arc::new).chain(json::functions())
    {
        registry.register_udf(function)?;
    }
    let aggregate = [
        AggregateUDF::from(increase::Increase::in_all()),
        AggregateUDF::from(increase::Increase::a_second()),
        AggregateUDF::from(histogram::merge::HistogramMerge::default()),
    ];
    for function in aggregate {
        registry.register_udaf(Arc::new(function))?;
    }
    let window =
        [WindowUDF::from(growth::GrowthOfPoint::of_values()), WindowUDF::from(growth::GrowthOfPoint::of_histograms())];
    for function in window {
        registry.register_udwf(Arc::new(function))?;
    }
    Ok(())
}

/// The columns that are written behind the arguments of a function that is called with so many.
pub(super) fn columns_behind(name: &str, given: usize) -> Option<&'static [&'static str]> {
    let description = DESCRIPTIONS.iter().find(|description| description.name.eq_ignore_ascii_case(name))?;
    description.short.filter(|short| short.given == given).map(|short| short.columns)
}

/// Arguments of any number and type: each function tells its forms itself.
fn any_arguments(volatility: Volatility) -> Signature {
    Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], volatility)
}

/// Calls a function of arrays; the answer is one value where every argument is.
fn columnar(args: &ScalarFunctionArgs, call: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>) -> Result<ColumnarValue> {
    let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let answer = call(&ColumnarValue::values_to_arrays(&args.args)?)?;
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?));
    }
    Ok(ColumnarValue::Array(answer))
}
