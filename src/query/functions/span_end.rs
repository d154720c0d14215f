//! `span_end(time, duration_nano)`: when a span ended, in whole microseconds, rounded up.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::TimestampMicrosecondArray;
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// `span_end(time, duration_nano)`: at or after the span's end, by less than 2 microseconds. A span without an end, or
/// that ends before it starts, ends when it starts. `pruning.rs` has bounds of it from those of its arguments.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::query) struct SpanEnd {
    signature: Signature,
}

impl Default for SpanEnd {
    fn default() -> Self {
        Self { signature: Signature::exact(vec![time_type(), DataType::Int64], Volatility::Immutable) }
    }
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl ScalarUDFImpl for SpanEnd {
    fn name(&self) -> &'static str {
        "span_end"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(time_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [times, durations] = arrays.as_slice() else { return exec_err!("span_end takes a time and a duration") };
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let durations = durations.as_primitive::<Int64Type>();
        let ends = times.iter().zip(durations).map(|(time, duration)| Some(end_micros(time?, duration)));
        Ok(ColumnarValue::Array(Arc::new(ends.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))))
    }
}

/// The end of a span that starts at `micros` or less than one later.
pub(in crate::query) fn end_micros(micros: i64, duration_nano: Option<i64>) -> i64 {
    micros.saturating_add(duration_nano.unwrap_or(0).max(0) / 1000).saturating_add(1)
}
