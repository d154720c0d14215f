//! `extract(epoch FROM time)` compared with a number is a bound on the time, so that files are left out by it.
//!
//! DataFusion's `date_part` says so of years alone. Grafana's `$__unixEpochFrom()`, `$__unixEpochTo()` and
//! `$__unixEpochFilter(column)` ask by seconds.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, FieldRef, Float64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime::date_part;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Microseconds beyond which a float of seconds is not of one microsecond: the year 2255.
const EXACT_MICROS: f64 = 9_007_199_254_740_992.0;

/// DataFusion's `date_part`, with the bounds of an epoch.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DatePart {
    inner: Arc<ScalarUDF>,
}

impl Default for DatePart {
    fn default() -> Self {
        Self { inner: date_part() }
    }
}

/// The first microsecond whose seconds are `seconds` or more, and the first whose seconds are more.
fn micros_of(seconds: f64) -> Option<(i64, i64)> {
    let near = (seconds * 1e6).floor();
    if !near.is_finite() || near.abs() >= EXACT_MICROS {
        return None;
    }
    // The rounding of the product moves it by less than two.
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within EXACT_MICROS")]
    let around = near as i64 - 2..=near as i64 + 3;
    let start = around.clone().find(|micros| seconds_of(*micros) >= seconds)?;
    let next = around.clone().find(|micros| seconds_of(*micros) > seconds)?;
    Some((start, next))
}

/// As `date_part` computes it.
fn seconds_of(micros: i64) -> f64 {
    micros as f64 / 1_000_000_f64
}

fn is_epoch(part: &ScalarValue) -> bool {
    let part = part.try_as_str().flatten();
    part.is_some_and(|part| part.trim_matches(['\'', '"']).eq_ignore_ascii_case("epoch"))
}

/// The seconds of a duration, with their fraction.
fn seconds_of_duration(elapsed: &ColumnarValue, unit: TimeUnit) -> Result<ColumnarValue> {
    let a_second = match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    };
    let counted = elapsed.cast_to(&DataType::Int64, None)?.cast_to(&DataType::Float64, None)?;
    Ok(match counted {
        ColumnarValue::Scalar(ScalarValue::Float64(seconds)) => {
            ColumnarValue::Scalar(ScalarValue::Float64(seconds.map(|seconds| seconds / a_second)))
        }
        ColumnarValue::Scalar(other) => ColumnarValue::Scalar(other),
        ColumnarValue::Array(seconds) => {
            let seconds = seconds.as_primitive::<Float64Type>().unary::<_, Float64Type>(|seconds| seconds / a_second);
            ColumnarValue::Array(Arc::new(seconds))
        }
    })
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        self.inner.return_type(args)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [ColumnarValue::Scalar(part), elapsed] = args.args.as_slice()
            && is_epoch(part)
            && let DataType::Duration(unit) = elapsed.data_type()
        {
            // DataFusion drops the fraction of a second.
            return seconds_of_duration(elapsed, unit);
        }
        self.inner.invoke_with_args(args)
    }

    fn preimage(&self, args: &[Expr], value: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        let [part, time] = args else { return Ok(PreimageResult::None) };
        if !part.as_literal().is_some_and(is_epoch) {
            return self.inner.inner().preimage(args, value, info);
        }
        let DataType::Timestamp(TimeUnit::Microsecond, zone) = info.get_data_type(time)? else {
            return Ok(PreimageResult::None);
        };
        let Some(ScalarValue::Float64(Some(seconds))) = value.as_literal() else { return Ok(PreimageResult::None) };
        let Some((start, next)) = micros_of(*seconds) else { return Ok(PreimageResult::None) };
        let at = |micros| ScalarValue::TimestampMicrosecond(Some(micros), zone.clone());
        let interval = Box::new(Interval::try_new(at(start), at(next))?);
        Ok(PreimageResult::Range { expr: time.clone(), interval })
    }
}

/// Plans `EXTRACT` as a call of [`DatePart`].
#[derive(Debug, Default)]
pub(in crate::query) struct ExtractPlanner;

impl ExprPlanner for ExtractPlanner {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let function = Arc::new(ScalarUDF::from(DatePart::default()));
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, args))))
    }
}

#[cfg(test)]
mod tests {
    use super::{micros_of, seconds_of};

    #[test]
    fn bounds_are_where_the_seconds_pass() {
        let whole = [0.0, 1_700_000_040.0, -1.0, -1_700_000_040.0, 8_999_999_999.0];
        for seconds in
            whole.into_iter().chain([0.1, 1_700_000_040.123_456_7, 1e-7, -0.000_000_4, 1_795_377_600.000_001])
        {
            let (start, next) = micros_of(seconds).unwrap();
            assert!(seconds_of(start - 1) < seconds && seconds_of(start) >= seconds, "{seconds}");
            assert!(seconds_of(next - 1) <= seconds && seconds_of(next) > seconds, "{seconds}");
        }
        for seconds in whole {
            let micros = (seconds * 1e6) as i64;
            assert_eq!(micros_of(seconds), Some((micros, micros + 1)));
        }
        // Between two microseconds.
        assert_eq!(micros_of(1e-7), Some((1, 1)));
        for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e10, -1e300] {
            assert_eq!(micros_of(seconds), None);
        }
    }
}
