//! `time_bucket`: the start of the bucket that a time is in.
//!
//! The work is DataFusion's `date_bin`; here are the widths as people write them, the origin that makes weeks begin on
//! Mondays, and the way back from a bucket to its times, by which a bound on buckets leaves out files.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use chrono::Months;
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime::date_bin::DateBinFunc;
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};

use super::description::{Description, is_text, is_time};
use super::width::Width;

/// 2000-01-01, from which months and years are counted.
const FIRST_MONTH: i64 = 946_684_800_000_000_000;
/// 2000-01-03, a Monday, from which all else is.
const FIRST_MONDAY: i64 = FIRST_MONTH + 2 * 86_400_000_000_000;

pub(super) const DESCRIPTION: Description = Description {
    name: "time_bucket",
    forms: &["(interval, time)", "('60.000s', time)", "(interval, time, origin)"],
    meaning: "The start of the bucket that `time` is in, in the type of `time`. The width is a constant: an INTERVAL, or a \
        text as `'5 minutes'`, `'1h30m'`, `'1 month'`, or Grafana's `'60.000s'` (`m` is minutes). Buckets are in UTC. Months, quarters and \
        years are the calendar's, counted from 2000-01-01; all else is counted from Monday 2000-01-03, so weeks begin on \
        Mondays; or from `origin`. A comparison of it with a constant leaves out files as one of `time` does.",
    source: "TimescaleDB's time_bucket, PostgreSQL's date_bin",
    example: "SELECT time_bucket('5 minutes', time) AS t, count(*) FROM logs GROUP BY t ORDER BY t",
    short: None,
};

/// `time_bucket(width, time [, origin])`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct TimeBucket {
    signature: Signature,
    date_bin: DateBinFunc,
}

impl Default for TimeBucket {
    fn default() -> Self {
        Self { signature: super::any_arguments(Volatility::Immutable), date_bin: DateBinFunc::new() }
    }
}

/// The time's type, as buckets are counted in it: dates as timestamps, texts as those of the tables.
fn counted_as(time: &DataType) -> DataType {
    match time {
        DataType::Timestamp(..) => time.clone(),
        DataType::Date32 | DataType::Date64 => DataType::Timestamp(TimeUnit::Second, None),
        _ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

fn is_width(data_type: &DataType) -> bool {
    is_text(data_type) || matches!(data_type, DataType::Interval(_))
}

fn is_date_or_time(data_type: &DataType) -> bool {
    is_time(data_type) || is_text(data_type) || matches!(data_type, DataType::Date32 | DataType::Date64)
}

impl TimeBucket {
    fn width_of(value: &ColumnarValue) -> Result<Option<Width>> {
        match value {
            ColumnarValue::Scalar(width) => Width::of(width).map_err(|what| DESCRIPTION.wrong_value(what)),
            ColumnarValue::Array(_) => Err(DESCRIPTION.wrong_value("the width must be a constant")),
        }
    }

    fn origin_of(value: Option<&ColumnarValue>, width: Width) -> Result<Option<i64>> {
        match (value, width) {
            (None, Width::Months(_)) => Ok(Some(FIRST_MONTH)),
            (None, Width::Nanos(_)) => Ok(Some(FIRST_MONDAY)),
            (Some(ColumnarValue::Scalar(origin)), _) => {
                match origin.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())))? {
                    ScalarValue::TimestampNanosecond(nanos, _) => Ok(nanos),
                    other => Err(DESCRIPTION.wrong_value(format!("{other} is no origin"))),
                }
            }
            (Some(ColumnarValue::Array(_)), _) => Err(DESCRIPTION.wrong_value("the origin must be a constant")),
        }
    }

    fn bin(&self, args: &ScalarFunctionArgs, width: Width, origin: i64, time: ColumnarValue) -> Result<ColumnarValue> {
        let zone = match time.data_type() {
            DataType::Timestamp(_, zone) => zone,
            _ => None,
        };
        let origin = ScalarValue::TimestampNanosecond(Some(origin), zone);
        let values = vec![ColumnarValue::Scalar(width.interval()), time, ColumnarValue::Scalar(origin)];
        self.date_bin.invoke_with_args(ScalarFunctionArgs { args: values, ..args.clone() })
    }

    /// The times whose bucket is this, from the first to before the last. Where it is no bucket, there are none: both
    /// are where the next bucket begins, so that what is compared with it is on the right side.
    fn bounds(&self, width: Width, origin: i64, time: &ScalarValue) -> Option<(ScalarValue, ScalarValue)> {
        let (given, unit) = count_of(time)?;
        let bucket = |count: i64| {
            let args = ScalarFunctionArgs {
                args: Vec::new(),
                arg_fields: Vec::new(),
                number_rows: 1,
                return_field: Arc::new(Field::new(DESCRIPTION.name, time.data_type(), true)),
                config_options: Arc::default(),
            };
            match self.bin(&args, width, origin, ColumnarValue::Scalar(like(time, count)?)).ok()? {
                ColumnarValue::Scalar(bucket) => count_of(&bucket).map(|(count, _)| count),
                ColumnarValue::Array(_) => None,
            }
        };
        let start = bucket(given)?;
        let next = match width {
            Width::Nanos(nanos) => start.checked_add(nanos / nanos_per(unit))?,
            Width::Months(months) => {
                let date = chrono::DateTime::from_timestamp_nanos(start.checked_mul(nanos_per(unit))?);
                let next = date.checked_add_months(Months::new(months.unsigned_abs()))?;
                next.timestamp_nanos_opt()? / nanos_per(unit)
            }
        };
        // A width finer than the type's unit, or months from the 31st, have no such bounds.
        let fits = bucket(next)? == next && bucket(next.checked_sub(1)?)? == start;
        let first = if given == start { start } else { next };
        fits.then_some((like(time, first)?, like(time, next)?))
    }
}

fn nanos_per(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn count_of(time: &ScalarValue) -> Option<(i64, TimeUnit)> {
    match time {
        ScalarValue::TimestampSecond(count, _) => count.map(|count| (count, TimeUnit::Second)),
        ScalarValue::TimestampMillisecond(count, _) => count.map(|count| (count, TimeUnit::Millisecond)),
        ScalarValue::TimestampMicrosecond(count, _) => count.map(|count| (count, TimeUnit::Microsecond)),
        ScalarValue::TimestampNanosecond(count, _) => count.map(|count| (count, TimeUnit::Nanosecond)),
        _ => None,
    }
}

/// A timestamp of the same type.
fn like(time: &ScalarValue, count: i64) -> Option<ScalarValue> {
    ScalarValue::Int64(Some(count)).cast_to(&time.data_type()).ok()
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &'static str {
        DESCRIPTION.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn documentation(&self) -> Option<&Documentation> {
        DESCRIPTION.documentation()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [width, time, origin @ ..]
                if is_width(width)
                    && is_date_or_time(time)
                    && origin.len() <= 1
                    && origin.iter().all(is_date_or_time) =>
            {
                Ok(if matches!(time, DataType::Date32 | DataType::Date64) { time.clone() } else { counted_as(time) })
            }
            _ => Err(DESCRIPTION.wrong_call(args)),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let data_type = self.return_type(&types)?;
        // A wrong width is told when the query is planned, not by its first row.
        if let Some(Some(width)) = args.scalar_arguments.first() {
            Width::of(width).map_err(|what| DESCRIPTION.wrong_value(what))?;
        }
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [width, time, origin @ ..] = args.args.as_slice() else {
            return Err(DESCRIPTION.wrong_call(args.arg_fields.iter().map(|field| field.data_type())));
        };
        let to = args.return_field.data_type();
        let null = || Ok(ColumnarValue::Scalar(ScalarValue::try_from(to)?));
        let Some(width) = Self::width_of(width)? else { return null() };
        let Some(origin) = Self::origin_of(origin.first(), width)? else { return null() };
        let counted = time.cast_to(&counted_as(&time.data_type()), None)?;
        self.bin(&args, width, origin, counted)?.cast_to(to, None)
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        let constant =
            |place: usize| input.get(place).is_none_or(|arg| arg.sort_properties == SortProperties::Singleton);
        match input.get(1) {
            Some(time) if constant(0) && constant(2) => Ok(time.sort_properties),
            _ => Ok(SortProperties::Unordered),
        }
    }

    fn preimage(&self, args: &[Expr], value: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        let ([width, time, origin @ ..], Some(value)) = (args, value.as_literal()) else {
            return Ok(PreimageResult::None);
        };
        let constant = |expr: &Expr| expr.as_literal().cloned().map(ColumnarValue::Scalar);
        let Some(Ok(Some(width))) = constant(width).map(|width| Self::width_of(&width)) else {
            return Ok(PreimageResult::None);
        };
        let origin = match origin.first() {
            None => Self::origin_of(None, width)?,
            Some(origin) => match constant(origin) {
                Some(origin) => Self::origin_of(Some(&origin), width)?,
                None => None,
            },
        };
        let same_type = time.get_type(info.schema().as_ref()).is_ok_and(|time| time == value.data_type());
        let (Some(origin), true) = (origin, same_type) else { return Ok(PreimageResult::None) };
        let Some((start, next)) = self.bounds(width, origin, value) else { return Ok(PreimageResult::None) };
        Ok(PreimageResult::Range { expr: time.clone(), interval: Box::new(Interval::try_new(start, next)?) })
    }
}
