//! From an aggregate to an OTLP data point, and from data points to a `Metric`.

use super::aggregate::{Aggregate, Shape, quantile_of};
use crate::demo::shape::instruments::{Form, Instrument};
use crate::demo::values::text;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, Sum, Summary, SummaryDataPoint,
};

/// The interval that a point covers.
#[derive(Clone, Copy)]
pub(super) struct Interval {
    pub(super) start_unix_nano: u64,
    pub(super) end_unix_nano: u64,
}

/// A metric of the instrument's form, still without points.
pub(super) fn empty_metric(instrument: &Instrument, temporality: AggregationTemporality) -> Metric {
    let aggregation_temporality = temporality.into();
    let data = match instrument.form {
        Form::Explicit(_) => Data::Histogram(Histogram { data_points: Vec::new(), aggregation_temporality }),
        Form::Exponential => {
            Data::ExponentialHistogram(ExponentialHistogram { data_points: Vec::new(), aggregation_temporality })
        }
        Form::Summary(_) => Data::Summary(Summary { data_points: Vec::new() }),
        Form::IntegerSum | Form::DoubleSum => {
            Data::Sum(Sum { data_points: Vec::new(), aggregation_temporality, is_monotonic: true })
        }
    };
    // What the Collector's Prometheus receiver notes about a scraped metric.
    let metadata = match instrument.form {
        Form::Summary(_) => vec![text("prometheus.type", "summary")],
        _ => Vec::new(),
    };
    Metric {
        name: instrument.name.to_owned(),
        description: instrument.description.to_owned(),
        unit: instrument.unit.to_owned(),
        metadata,
        data: Some(data),
    }
}

/// Adds the aggregate's point to a metric that `empty_metric` made for the same instrument.
pub(super) fn push_point(metric: &mut Metric, series: &[KeyValue], aggregate: &mut Aggregate, interval: Interval) {
    let attributes = series.to_vec();
    let Interval { start_unix_nano: start_time_unix_nano, end_unix_nano: time_unix_nano } = interval;
    let exemplars = aggregate.take_exemplars();
    let Aggregate { count, sum, min, max, .. } = *aggregate;
    match (metric.data.as_mut(), &aggregate.shape) {
        (Some(Data::Histogram(histogram)), Shape::Explicit { bounds, bucket_counts, .. }) => {
            histogram.data_points.push(HistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum: Some(sum),
                bucket_counts: bucket_counts.clone(),
                explicit_bounds: bounds.to_vec(),
                exemplars,
                flags: 0,
                min: Some(min),
                max: Some(max),
            });
        }
        (Some(Data::ExponentialHistogram(histogram)), Shape::Exponential(buckets)) => {
            histogram.data_points.push(ExponentialHistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum: Some(sum),
                scale: buckets.scale(),
                positive: Some(buckets.to_otlp()),
                exemplars,
                min: Some(min),
                max: Some(max),
                ..ExponentialHistogramDataPoint::default()
            });
        }
        (Some(Data::Summary(summary)), Shape::Summary { quantiles, recent, .. }) => {
            let mut sorted = recent.clone();
            sorted.sort_by(f64::total_cmp);
            let quantile_values = quantiles
                .iter()
                .map(|&quantile| ValueAtQuantile { quantile, value: quantile_of(&sorted, quantile) })
                .collect();
            summary.data_points.push(SummaryDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                quantile_values,
                flags: 0,
            });
        }
        (Some(Data::Sum(total)), Shape::IntegerSum) => total.data_points.push(number_point(
            attributes,
            interval,
            NumberValue::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
        )),
        (Some(Data::Sum(total)), Shape::DoubleSum) => {
            total.data_points.push(number_point(attributes, interval, NumberValue::AsDouble(sum)));
        }
        _ => unreachable!("a series has the form of its instrument, as the metric has"),
    }
}

pub(super) fn number_point(attributes: Vec<KeyValue>, interval: Interval, value: NumberValue) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        start_time_unix_nano: interval.start_unix_nano,
        time_unix_nano: interval.end_unix_nano,
        exemplars: Vec::new(),
        flags: 0,
        value: Some(value),
    }
}

/// How many data points a metric carries.
pub(crate) fn data_point_count(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
        None => 0,
    }
}
