//! Data points of every type: what `otlp/rows/points.rs` takes apart, put together again.

use arrow::datatypes::{Float64Type, Int64Type};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    NumberDataPoint, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};

use super::columns::{Checked, Doubles, Fields, Ints, Longs, NumberList, Structs, Text, TextMap, Time};
use super::values::{Types, nested_types};
use crate::error::Result;

/// The columns of a point's own values.
#[derive(Debug)]
pub(super) struct PointColumns {
    time: Time,
    start_time: Time,
    attributes: TextMap,
    flags: Longs,
    value: Doubles,
    value_int: Longs,
    count: Longs,
    sum: Doubles,
    min: Doubles,
    max: Doubles,
    explicit_bounds: NumberList<Float64Type>,
    bucket_counts: NumberList<Int64Type>,
    scale: Ints,
    zero_count: Longs,
    zero_threshold: Doubles,
    positive: BucketColumns,
    negative: BucketColumns,
    quantiles: Structs<QuantileColumns>,
    exemplars: Structs<ExemplarColumns>,
}

#[derive(Debug)]
struct BucketColumns {
    offset: Ints,
    counts: NumberList<Int64Type>,
}

#[derive(Debug)]
struct QuantileColumns {
    quantile: Doubles,
    value: Doubles,
}

#[derive(Debug)]
struct ExemplarColumns {
    time: Time,
    value: Doubles,
    value_int: Longs,
    trace_id: Text,
    span_id: Text,
    attributes: TextMap,
    value_types: Text,
}

impl PointColumns {
    pub(super) fn of(fields: Fields<'_>) -> Result<Self> {
        let buckets = |offset, counts| -> Result<BucketColumns> {
            Ok(BucketColumns { offset: fields.numbers(offset)?, counts: fields.number_list(counts)? })
        };
        Ok(Self {
            time: fields.time("time", "time_nanos")?,
            start_time: fields.time("start_time", "start_time_nanos")?,
            attributes: fields.map("attributes")?,
            flags: fields.numbers("flags")?,
            value: fields.numbers("value")?,
            value_int: fields.numbers("value_int")?,
            count: fields.numbers("count")?,
            sum: fields.numbers("sum")?,
            min: fields.numbers("min")?,
            max: fields.numbers("max")?,
            explicit_bounds: fields.number_list("explicit_bounds")?,
            bucket_counts: fields.number_list("bucket_counts")?,
            scale: fields.numbers("scale")?,
            zero_count: fields.numbers("zero_count")?,
            zero_threshold: fields.numbers("zero_threshold")?,
            positive: buckets("positive_offset", "positive_bucket_counts")?,
            negative: buckets("negative_offset", "negative_bucket_counts")?,
            quantiles: fields.structs("quantiles", QuantileColumns::of)?,
            exemplars: fields.structs("exemplars", ExemplarColumns::of)?,
        })
    }

    /// The row's point, alone in the data of a metric.
    pub(super) fn data(
        &self,
        row: usize,
        metric_type: &str,
        aggregation_temporality: i32,
        is_monotonic: bool,
        types: &Types,
    ) -> Checked<Data> {
        Ok(match metric_type {
            "GAUGE" => Data::Gauge(Gauge { data_points: vec![self.number(row, types)?] }),
            "SUM" => {
                Data::Sum(Sum { data_points: vec![self.number(row, types)?], aggregation_temporality, is_monotonic })
            }
            "HISTOGRAM" => {
                Data::Histogram(Histogram { data_points: vec![self.histogram(row, types)?], aggregation_temporality })
            }
            "EXPONENTIAL_HISTOGRAM" => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![self.exponential_histogram(row, types)?],
                aggregation_temporality,
            }),
            "SUMMARY" => Data::Summary(Summary { data_points: vec![self.summary(row, types)?] }),
            other => return Err(format!("`metric_type` is `{other}`, which is no type of metric")),
        })
    }

    fn number(&self, row: usize, types: &Types) -> Checked<NumberDataPoint> {
        use number_data_point::Value::{AsDouble, AsInt};
        Ok(NumberDataPoint {
            attributes: self.attributes.attributes(row, &types.attributes)?,
            start_time_unix_nano: self.start_time.nanos(row)?,
            time_unix_nano: self.time.record_nanos(row)?,
            exemplars: self.exemplars.each(row, ExemplarColumns::exemplar)?,
            flags: self.flags.count(row)?,
            value: self.value_int.get(row).map(AsInt).or_else(|| self.value.get(row).map(AsDouble)),
        })
    }

    fn histogram(&self, row: usize, types: &Types) -> Checked<HistogramDataPoint> {
        Ok(HistogramDataPoint {
            attributes: self.attributes.attributes(row, &types.attributes)?,
            start_time_unix_nano: self.start_time.nanos(row)?,
            time_unix_nano: self.time.record_nanos(row)?,
            count: self.count.count(row)?,
            sum: self.sum.get(row),
            bucket_counts: self.bucket_counts.counts(row)?.unwrap_or_default(),
            explicit_bounds: self.explicit_bounds.doubles(row)?,
            exemplars: self.exemplars.each(row, ExemplarColumns::exemplar)?,
            flags: self.flags.count(row)?,
            min: self.min.get(row),
            max: self.max.get(row),
        })
    }

    fn exponential_histogram(&self, row: usize, types: &Types) -> Checked<ExponentialHistogramDataPoint> {
        Ok(ExponentialHistogramDataPoint {
            attributes: self.attributes.attributes(row, &types.attributes)?,
            start_time_unix_nano: self.start_time.nanos(row)?,
            time_unix_nano: self.time.record_nanos(row)?,
            count: self.count.count(row)?,
            sum: self.sum.get(row),
            scale: self.scale.get(row).unwrap_or_default(),
            zero_count: self.zero_count.count(row)?,
            positive: self.positive.buckets(row)?,
            negative: self.negative.buckets(row)?,
            flags: self.flags.count(row)?,
            exemplars: self.exemplars.each(row, ExemplarColumns::exemplar)?,
            min: self.min.get(row),
            max: self.max.get(row),
            zero_threshold: self.zero_threshold.get(row).unwrap_or_default(),
        })
    }

    fn summary(&self, row: usize, types: &Types) -> Checked<SummaryDataPoint> {
        Ok(SummaryDataPoint {
            attributes: self.attributes.attributes(row, &types.attributes)?,
            start_time_unix_nano: self.start_time.nanos(row)?,
            time_unix_nano: self.time.record_nanos(row)?,
            count: self.count.count(row)?,
            sum: self.sum.get(row).unwrap_or_default(),
            quantile_values: self.quantiles.each(row, QuantileColumns::quantile)?,
            flags: self.flags.count(row)?,
        })
    }
}

impl BucketColumns {
    /// `None` where the sender had none on this side.
    fn buckets(&self, row: usize) -> Checked<Option<Buckets>> {
        let bucket_counts = self.counts.counts(row)?;
        Ok(match (self.offset.get(row), bucket_counts) {
            (None, None) => None,
            (offset, counts) => {
                Some(Buckets { offset: offset.unwrap_or_default(), bucket_counts: counts.unwrap_or_default() })
            }
        })
    }
}

impl QuantileColumns {
    fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self { quantile: fields.numbers("quantile")?, value: fields.numbers("value")? })
    }

    fn quantile(&self, at: usize) -> Checked<ValueAtQuantile> {
        let (quantile, value) = (self.quantile.get(at), self.value.get(at));
        Ok(ValueAtQuantile { quantile: quantile.unwrap_or_default(), value: value.unwrap_or_default() })
    }
}

impl ExemplarColumns {
    fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            time: fields.time("time", "time_nanos")?,
            value: fields.numbers("value")?,
            value_int: fields.numbers("value_int")?,
            trace_id: fields.text("trace_id")?,
            span_id: fields.text("span_id")?,
            attributes: fields.map("attributes")?,
            value_types: fields.text("value_types")?,
        })
    }

    fn exemplar(&self, at: usize) -> Checked<Exemplar> {
        use exemplar::Value::{AsDouble, AsInt};
        Ok(Exemplar {
            filtered_attributes: self.attributes.attributes(at, &nested_types(&self.value_types, at)?)?,
            time_unix_nano: self.time.nanos(at)?,
            span_id: self.span_id.id::<8>(at)?,
            trace_id: self.trace_id.id::<16>(at)?,
            value: self.value_int.get(at).map(AsInt).or_else(|| self.value.get(at).map(AsDouble)),
        })
    }
}
