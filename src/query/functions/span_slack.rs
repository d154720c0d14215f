//! `span_slack()`: how far outside of a span a log of it may lie, `[query] span_slack`, as an interval.

use std::time::Duration;

use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility, lit};

/// `span_slack()`, a constant in every plan.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::query) struct SpanSlack {
    signature: Signature,
    nanos: i64,
}

impl SpanSlack {
    /// The function with this slack.
    pub(super) fn new(slack: Duration) -> Self {
        let nanos = i64::try_from(slack.as_nanos()).unwrap_or(i64::MAX);
        Self { signature: Signature::nullary(Volatility::Immutable), nanos }
    }

    fn value(&self) -> ScalarValue {
        ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(0, 0, self.nanos)))
    }
}

impl ScalarUDFImpl for SpanSlack {
    fn name(&self) -> &'static str {
        "span_slack"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn simplify(&self, _: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(lit(self.value())))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value()))
    }
}
