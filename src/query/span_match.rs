//! Which of the spans with a log's ids the log was written in.
//!
//! The rule of `docs/sql.md`: the span's time, widened by the slack on both sides, holds the log's time; of several,
//! one of the log's own service goes first, then the earliest.

use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringViewArray, StructArray, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Int16Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::functions::end_micros;

/// `span_of_log(spans, service_name, time)`: of a list of spans, each a struct with `service_name`, `time`,
/// `time_nanos` and `duration_nano`, the one that a log belongs to; NULL where there is none.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SpanOfLog {
    signature: Signature,
    slack_micros: i64,
}

impl SpanOfLog {
    /// The function with this slack.
    pub(super) fn new(slack: Duration) -> Self {
        Self {
            signature: Signature::any(3, Volatility::Immutable),
            slack_micros: i64::try_from(slack.as_micros()).unwrap_or(i64::MAX),
        }
    }

    fn holds(&self, spans: &Spans, span: usize, time: i64) -> bool {
        let start = spans.time.value(span);
        let end = end_micros(start, spans.duration.is_valid(span).then(|| spans.duration.value(span)));
        time >= start.saturating_sub(self.slack_micros) && time <= end.saturating_add(self.slack_micros)
    }
}

struct Spans {
    service: StringViewArray,
    time: arrow::array::TimestampMicrosecondArray,
    nanos: arrow::array::Int16Array,
    duration: arrow::array::Int64Array,
}

impl Spans {
    fn of(spans: &StructArray) -> Result<Self> {
        let column = |name: &str, to: &DataType| -> Result<ArrayRef> {
            match spans.column_by_name(name) {
                Some(column) => Ok(cast(column, to)?),
                None => exec_err!("span_of_log: the spans have no `{name}`"),
            }
        };
        let time = column("time", &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        Ok(Self {
            service: column("service_name", &DataType::Utf8View)?.as_string_view().clone(),
            time: time.as_primitive::<TimestampMicrosecondType>().clone(),
            nanos: column("time_nanos", &DataType::Int16)?.as_primitive::<Int16Type>().clone(),
            duration: column("duration_nano", &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
        })
    }
}

impl ScalarUDFImpl for SpanOfLog {
    fn name(&self) -> &'static str {
        "span_of_log"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [DataType::List(element), _, _] => Ok(element.data_type().clone()),
            _ => plan_err!("span_of_log takes a list of spans, a service name and a time"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [lists, services, times] = arrays.as_slice() else { return exec_err!("span_of_log takes three values") };
        let lists: &ListArray = lists.as_list();
        let Some(structs) = lists.values().as_struct_opt() else {
            return exec_err!("span_of_log takes a list of structs");
        };
        let services = cast(services, &DataType::Utf8View)?;
        let services = services.as_string_view();
        let times = cast(times, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let spans = Spans::of(structs)?;
        let chosen: Vec<Option<u64>> = (0..lists.len())
            .map(|row| {
                if lists.is_null(row) || times.is_null(row) {
                    return None;
                }
                let offsets = lists.value_offsets();
                (offsets[row] as usize..offsets[row + 1] as usize)
                    .filter(|span| self.holds(&spans, *span, times.value(row)))
                    .min_by_key(|span| {
                        let foreign = services.is_null(row) || spans.service.value(*span) != services.value(row);
                        (foreign, spans.time.value(*span), spans.nanos.value(*span))
                    })
                    .map(|span| span as u64)
            })
            .collect();
        if structs.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_null_array(structs.data_type(), lists.len())));
        }
        // NULL indices make the fields NULL too: DataFusion reads a field without looking whether its struct is NULL.
        Ok(ColumnarValue::Array(take(structs, &UInt64Array::from(chosen), None)?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow::array::{Int16Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Field, Fields};
    use datafusion::config::ConfigOptions;

    const HOUR: i64 = 3_600_000_000;

    /// Of these spans, each (service, start, duration in us), the start of the one chosen.
    fn choose(spans: &[(&str, i64, i64)], service: &str, time: i64) -> Option<i64> {
        let fields = Fields::from(vec![
            Field::new("service_name", DataType::Utf8, true),
            Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("time_nanos", DataType::Int16, true),
            Field::new("duration_nano", DataType::Int64, true),
        ]);
        let structs = StructArray::new(
            fields.clone(),
            vec![
                Arc::new(StringArray::from_iter_values(spans.iter().map(|span| span.0))),
                Arc::new(TimestampMicrosecondArray::from_iter_values(spans.iter().map(|span| span.1))),
                Arc::new(Int16Array::from_iter_values(spans.iter().map(|_| 0))),
                Arc::new(Int64Array::from_iter_values(spans.iter().map(|span| span.2 * 1000))),
            ],
            None,
        );
        let element = Arc::new(Field::new("item", DataType::Struct(fields), true));
        let lists = ListArray::new(element, OffsetBuffer::from_lengths([spans.len()]), Arc::new(structs), None);
        let function = SpanOfLog::new(Duration::from_hours(1));
        let return_field = Arc::new(Field::new("span", lists.value_type(), true));
        let args = ScalarFunctionArgs {
            args: vec![
                ColumnarValue::Array(Arc::new(lists)),
                ColumnarValue::Array(Arc::new(StringArray::from_iter_values([service]))),
                ColumnarValue::Array(Arc::new(TimestampMicrosecondArray::from_iter_values([time]))),
            ],
            arg_fields: Vec::new(),
            number_rows: 1,
            return_field,
            config_options: Arc::new(ConfigOptions::default()),
        };
        let chosen = function.invoke_with_args(args).unwrap().to_array(1).unwrap();
        let chosen = chosen.as_struct();
        chosen.is_valid(0).then(|| chosen.column(1).as_primitive::<TimestampMicrosecondType>().value(0))
    }

    #[rstest::rstest]
    #[case::inside(&[("a", 100, 50)], 120, Some(100))]
    #[case::within_slack_before(&[("a", 10 * HOUR, 50)], 9 * HOUR, Some(10 * HOUR))]
    #[case::beyond_slack(&[("a", 10 * HOUR, 50)], 9 * HOUR - 1, None)]
    #[case::after_the_end_and_slack(&[("a", 10 * HOUR, 50)], 11 * HOUR + 52, None)]
    #[case::a_span_that_ends_before_it_starts(&[("a", 100, -90)], 100, Some(100))]
    #[case::own_service_first(&[("b", 1, 50), ("a", 2, 50)], 10, Some(2))]
    #[case::then_the_earliest(&[("b", 7, 50), ("c", 3, 50)], 10, Some(3))]
    #[case::an_earlier_one_out_of_reach(&[("a", 0, 1), ("a", 5 * HOUR, 1)], 5 * HOUR, Some(5 * HOUR))]
    #[case::none(&[], 10, None)]
    fn the_span_of_a_log(#[case] spans: &[(&str, i64, i64)], #[case] time: i64, #[case] expected: Option<i64>) {
        assert_eq!(choose(spans, "a", time), expected);
    }
}
