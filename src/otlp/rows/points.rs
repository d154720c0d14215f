//! Data points to rows of `metrics`: what each point has of its own.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int32Builder, Int64Builder};
use arrow::datatypes::{Float64Type, Int64Type};
use arrow::error::ArrowError;

use super::nested::NestedAttributes;
use super::rules::{count, counts, moment, other_time, record_time};
use crate::model::Kind;
use crate::model::build::{BatchColumns, ListOffsets, NestedText, NumberList, TextColumn, TimeColumn, Timestamp};
use crate::model::contract::{EXEMPLAR, QUANTILE};
use crate::otlp::error::Problem;
use crate::otlp::record::{Exemplar, MetricKind, Number, Point};
use crate::otlp::report::RejectReason;
use crate::otlp::wire::Scratch;

/// OTLP `DataPointFlags`: the point has no value, the series has gone stale.
const NO_RECORDED_VALUE: u32 = 1;

/// The columns that hold a point's own values.
#[derive(Debug)]
pub(super) struct PointColumns {
    start_time: TimeColumn,
    series_id: Int64Builder,
    value: Float64Builder,
    value_int: Int64Builder,
    count: Int64Builder,
    sum: Float64Builder,
    min: Float64Builder,
    max: Float64Builder,
    explicit_bounds: NumberList<Float64Type>,
    bucket_counts: NumberList<Int64Type>,
    scale: Int32Builder,
    zero_count: Int64Builder,
    zero_threshold: Float64Builder,
    positive_offset: Int32Builder,
    negative_offset: Int32Builder,
    positive_bucket_counts: NumberList<Int64Type>,
    negative_bucket_counts: NumberList<Int64Type>,
    quantiles: QuantileColumn,
    exemplars: ExemplarColumn,
    flags: Int64Builder,
    /// The counts of the point that was checked last, as the columns hold them.
    signed: SignedCounts,
}

#[derive(Debug, Default)]
struct SignedCounts {
    buckets: Vec<i64>,
    positive: Vec<i64>,
    negative: Vec<i64>,
}

/// What could have been wrong with a point and is not.
pub(super) struct Checked {
    pub(super) time: Timestamp,
    start_time: Option<Timestamp>,
    count: i64,
    zero_count: i64,
}

impl PointColumns {
    pub(super) fn new() -> Self {
        Self {
            start_time: TimeColumn::new(),
            series_id: Int64Builder::new(),
            value: Float64Builder::new(),
            value_int: Int64Builder::new(),
            count: Int64Builder::new(),
            sum: Float64Builder::new(),
            min: Float64Builder::new(),
            max: Float64Builder::new(),
            explicit_bounds: NumberList::new(),
            bucket_counts: NumberList::new(),
            scale: Int32Builder::new(),
            zero_count: Int64Builder::new(),
            zero_threshold: Float64Builder::new(),
            positive_offset: Int32Builder::new(),
            negative_offset: Int32Builder::new(),
            positive_bucket_counts: NumberList::new(),
            negative_bucket_counts: NumberList::new(),
            quantiles: QuantileColumn::new(),
            exemplars: ExemplarColumn::new(),
            flags: Int64Builder::new(),
            signed: SignedCounts::default(),
        }
    }

    /// Checks a point. What is checked here is then appended.
    pub(super) fn check(&mut self, kind: MetricKind, point: &Point<'_>, latest: i64) -> Result<Checked, Problem> {
        let time = record_time("time_unix_nano", point.time, latest)?;
        let start_time = other_time("start_time_unix_nano", point.start_time)?;
        for exemplar in &point.exemplars {
            other_time("time_unix_nano of an exemplar", exemplar.time)?;
        }
        let mut checked = Checked { time, start_time, count: 0, zero_count: 0 };
        if !has_value(point) {
            return Ok(checked);
        }
        match kind {
            MetricKind::Gauge | MetricKind::Sum => {}
            MetricKind::Histogram => {
                check_buckets(point.bucket_counts.len(), point.explicit_bounds.len())?;
                counts("bucket_counts", &point.bucket_counts, &mut self.signed.buckets)?;
                checked.count = count("count", point.count)?;
            }
            MetricKind::ExponentialHistogram => {
                counts("bucket_counts of positive", &point.positive.counts, &mut self.signed.positive)?;
                counts("bucket_counts of negative", &point.negative.counts, &mut self.signed.negative)?;
                checked.count = count("count", point.count)?;
                checked.zero_count = count("zero_count", point.zero_count)?;
            }
            MetricKind::Summary => checked.count = count("count", point.count)?,
        }
        Ok(checked)
    }

    /// Appends the point that was checked last. Returns how many of its ids are stored as NULL.
    pub(super) fn append(
        &mut self,
        kind: MetricKind,
        point: &Point<'_>,
        checked: &Checked,
        series_id: i64,
        scratch: &Scratch,
    ) -> u64 {
        let valued = has_value(point);
        let is = |wanted: MetricKind| valued && kind == wanted;
        let histogram = is(MetricKind::Histogram);
        let exponential = is(MetricKind::ExponentialHistogram);
        let summary = is(MetricKind::Summary);
        let observed = histogram || exponential || summary;

        self.start_time.push(checked.start_time);
        self.series_id.append_value(series_id);
        let (value, value_int) = split_number(point.value.filter(|_| valued));
        self.value.append_option(value);
        self.value_int.append_option(value_int);
        self.count.append_option(observed.then_some(checked.count));
        self.sum.append_option(point.sum.filter(|_| valued));
        self.min.append_option(point.min.filter(|_| valued));
        self.max.append_option(point.max.filter(|_| valued));
        self.explicit_bounds.push(histogram.then_some(point.explicit_bounds.as_slice()));
        self.bucket_counts.push(histogram.then_some(self.signed.buckets.as_slice()));
        self.scale.append_option(exponential.then_some(point.scale));
        self.zero_count.append_option(exponential.then_some(checked.zero_count));
        self.zero_threshold.append_option(exponential.then_some(point.zero_threshold));
        let positive = exponential && point.positive.present;
        let negative = exponential && point.negative.present;
        self.positive_offset.append_option(positive.then_some(point.positive.offset));
        self.negative_offset.append_option(negative.then_some(point.negative.offset));
        self.positive_bucket_counts.push(positive.then_some(self.signed.positive.as_slice()));
        self.negative_bucket_counts.push(negative.then_some(self.signed.negative.as_slice()));
        self.quantiles.push(summary.then_some(point.quantiles.as_slice()));
        self.flags.append_value(i64::from(point.flags));

        let mut nulled_ids = 0;
        for exemplar in &point.exemplars {
            nulled_ids += exemplar.trace_id.nulled() + exemplar.span_id.nulled();
            self.exemplars.push(exemplar, point, scratch);
        }
        self.exemplars.rows.push(point.exemplars.len());
        nulled_ids
    }

    pub(super) fn put(mut self, columns: &mut BatchColumns) -> Result<(), ArrowError> {
        let rows = self.flags.values_slice().len();
        let (start_time, start_time_nanos) = self.start_time.finish();
        columns.put("start_time", start_time);
        columns.put("start_time_nanos", start_time_nanos);
        columns.put("series_id", Arc::new(self.series_id.finish()));
        columns.put("value", Arc::new(self.value.finish()));
        columns.put("value_int", Arc::new(self.value_int.finish()));
        columns.put("count", Arc::new(self.count.finish()));
        columns.put("sum", Arc::new(self.sum.finish()));
        columns.put("min", Arc::new(self.min.finish()));
        columns.put("max", Arc::new(self.max.finish()));
        columns.put("explicit_bounds", self.explicit_bounds.finish(Kind::Double)?);
        columns.put("bucket_counts", self.bucket_counts.finish(Kind::Long)?);
        columns.put("scale", Arc::new(self.scale.finish()));
        columns.put("zero_count", Arc::new(self.zero_count.finish()));
        columns.put("zero_threshold", Arc::new(self.zero_threshold.finish()));
        columns.put("positive_offset", Arc::new(self.positive_offset.finish()));
        columns.put("negative_offset", Arc::new(self.negative_offset.finish()));
        columns.put("positive_bucket_counts", self.positive_bucket_counts.finish(Kind::Long)?);
        columns.put("negative_bucket_counts", self.negative_bucket_counts.finish(Kind::Long)?);
        columns.put("quantiles", self.quantiles.finish()?);
        columns.put("exemplars", self.exemplars.finish()?);
        columns.put("flags", Arc::new(self.flags.finish()));
        let mut resolution = TextColumn::new();
        resolution.fill("", rows);
        columns.put("resolution", resolution.finish());
        Ok(())
    }
}

/// A point flagged as having no recorded value has NULL in every column of values, whatever was sent.
fn has_value(point: &Point<'_>) -> bool {
    point.flags & NO_RECORDED_VALUE == 0
}

/// OTLP: one bucket more than bounds, or none of either.
fn check_buckets(counts: usize, bounds: usize) -> Result<(), Problem> {
    if counts == bounds + 1 || (counts == 0 && bounds == 0) {
        return Ok(());
    }
    let detail = format!("{counts} bucket_counts with {bounds} explicit_bounds, expected one more or none of either");
    Err(Problem::new(RejectReason::BucketMismatch, detail))
}

/// A number as `value` and `value_int`.
fn split_number(number: Option<Number>) -> (Option<f64>, Option<i64>) {
    match number {
        None => (None, None),
        Some(Number::Double(value)) => (Some(value), None),
        #[expect(clippy::cast_precision_loss, reason = "`value_int` has it exactly")]
        Some(Number::Int(value)) => (Some(value as f64), Some(value)),
    }
}

/// The column `quantiles`.
#[derive(Debug)]
struct QuantileColumn {
    rows: ListOffsets,
    present: arrow::array::NullBufferBuilder,
    quantile: Float64Builder,
    value: Float64Builder,
}

impl QuantileColumn {
    fn new() -> Self {
        Self {
            rows: ListOffsets::new(),
            present: arrow::array::NullBufferBuilder::new(0),
            quantile: Float64Builder::new(),
            value: Float64Builder::new(),
        }
    }

    fn push(&mut self, quantiles: Option<&[(f64, f64)]>) {
        self.present.append(quantiles.is_some());
        let quantiles = quantiles.unwrap_or_default();
        for (quantile, value) in quantiles {
            self.quantile.append_value(*quantile);
            self.value.append_value(*value);
        }
        self.rows.push(quantiles.len());
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let mut fields = BatchColumns::default();
        fields.put("quantile", Arc::new(self.quantile.finish()));
        fields.put("value", Arc::new(self.value.finish()));
        self.rows.finish_list(Kind::Struct(QUANTILE), fields.finish_struct(QUANTILE)?, self.present.finish())
    }
}

/// The column `exemplars`.
#[derive(Debug)]
struct ExemplarColumn {
    rows: ListOffsets,
    time: TimeColumn,
    value: Float64Builder,
    value_int: Int64Builder,
    trace_id: NestedText,
    span_id: NestedText,
    attributes: NestedAttributes,
}

impl ExemplarColumn {
    fn new() -> Self {
        Self {
            rows: ListOffsets::new(),
            time: TimeColumn::new(),
            value: Float64Builder::new(),
            value_int: Int64Builder::new(),
            trace_id: NestedText::new(),
            span_id: NestedText::new(),
            attributes: NestedAttributes::new(),
        }
    }

    fn push(&mut self, exemplar: &Exemplar, point: &Point<'_>, scratch: &Scratch) {
        let (value, value_int) = split_number(exemplar.value);
        self.time.push(moment(exemplar.time));
        self.value.append_option(value);
        self.value_int.append_option(value_int);
        self.trace_id.push_hex(exemplar.trace_id.bytes());
        self.span_id.push_hex(exemplar.span_id.bytes());
        self.attributes.push(point.exemplar_attributes(exemplar), scratch);
    }

    fn finish(mut self) -> Result<ArrayRef, ArrowError> {
        let mut fields = BatchColumns::default();
        let (time, time_nanos) = self.time.finish();
        fields.put("time", time);
        fields.put("time_nanos", time_nanos);
        fields.put("value", Arc::new(self.value.finish()));
        fields.put("value_int", Arc::new(self.value_int.finish()));
        fields.put("trace_id", Arc::new(self.trace_id.finish()));
        fields.put("span_id", Arc::new(self.span_id.finish()));
        self.attributes.put(&mut fields)?;
        self.rows.finish_list(Kind::Struct(EXEMPLAR), fields.finish_struct(EXEMPLAR)?, None)
    }
}
