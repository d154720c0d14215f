//! Rows of `metrics` to data points with the metric that each belongs to.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;

use super::columns::{Checked, Doubles, Fields, Text, TextMap};
use super::groups::{Item, push_text};
use super::points::PointColumns;
use super::requests::{Lost, SignalColumns};
use super::values::Types;
use crate::error::Result;
use crate::otlp::TEMPORALITY;

/// The columns of a point and its metric.
#[derive(Debug)]
pub(super) struct MetricColumns {
    metric_name: Text,
    metric_type: Text,
    unit: Text,
    description: Text,
    metadata: TextMap,
    temporality: Text,
    is_monotonic: Option<arrow::array::BooleanArray>,
    points: PointColumns,
    adjusted_count: Doubles,
    resolution: Text,
}

/// A data point in a metric of its own, which others of the same metric join.
#[derive(Debug)]
pub(super) struct MetricPoint {
    name: String,
    description: String,
    unit: String,
    metadata: Vec<KeyValue>,
    data: Data,
}

impl SignalColumns for MetricColumns {
    type Item = MetricPoint;

    fn of(fields: Fields<'_>) -> Result<Self> {
        Ok(Self {
            metric_name: fields.text("metric_name")?,
            metric_type: fields.text("metric_type")?,
            unit: fields.text("unit")?,
            description: fields.text("description")?,
            metadata: fields.map("metric_metadata")?,
            temporality: fields.text("temporality")?,
            is_monotonic: fields.booleans("is_monotonic")?,
            points: PointColumns::of(fields)?,
            adjusted_count: fields.numbers("adjusted_count")?,
            resolution: fields.text("resolution")?,
        })
    }

    fn item(&self, row: usize, types: &Types) -> Checked<MetricPoint> {
        use arrow::array::Array as _;
        let is_monotonic = self.is_monotonic.as_ref().is_some_and(|column| column.is_valid(row) && column.value(row));
        let temporality = self.temporality.enumeration(row, &TEMPORALITY)?;
        let metric_type = self.metric_type.get(row).unwrap_or_default();
        Ok(MetricPoint {
            name: self.metric_name.owned(row),
            description: self.description.owned(row),
            unit: self.unit.owned(row),
            metadata: self.metadata.attributes(row, &types.metadata)?,
            data: self.points.data(row, metric_type, temporality, is_monotonic, types)?,
        })
    }

    fn lost(&self, row: usize) -> Lost {
        Lost { adjusted_count: self.adjusted_count.get(row).is_some(), resolution: self.resolution.get(row).is_some() }
    }
}

impl Item for MetricPoint {
    type Record = Metric;

    fn size(&self) -> usize {
        self.data.encoded_len()
    }

    /// Name, type, unit, description, metadata, temporality and whether it is monotonic.
    fn joins(&self, key: &mut Vec<u8>) -> bool {
        for text in [&self.name, &self.unit, &self.description] {
            push_text(key, text);
        }
        let (kind, temporality, is_monotonic) = match &self.data {
            Data::Gauge(_) => (0, 0, false),
            Data::Sum(sum) => (1, sum.aggregation_temporality, sum.is_monotonic),
            Data::Histogram(histogram) => (2, histogram.aggregation_temporality, false),
            Data::ExponentialHistogram(histogram) => (3, histogram.aggregation_temporality, false),
            Data::Summary(_) => (4, 0, false),
        };
        key.extend([kind, u8::from(is_monotonic)]);
        key.extend(temporality.to_le_bytes());
        for entry in &self.metadata {
            key.extend(entry.encode_length_delimited_to_vec());
        }
        true
    }

    fn join(self, metric: &mut Metric) {
        match (&mut metric.data, self.data) {
            (Some(Data::Gauge(all)), Data::Gauge(one)) => all.data_points.extend(one.data_points),
            (Some(Data::Sum(all)), Data::Sum(one)) => all.data_points.extend(one.data_points),
            (Some(Data::Histogram(all)), Data::Histogram(one)) => all.data_points.extend(one.data_points),
            (Some(Data::ExponentialHistogram(all)), Data::ExponentialHistogram(one)) => {
                all.data_points.extend(one.data_points);
            }
            (Some(Data::Summary(all)), Data::Summary(one)) => all.data_points.extend(one.data_points),
            // The type is in the key.
            _ => debug_assert!(false, "a point joins a metric of another type"),
        }
    }

    fn into_record(self) -> Metric {
        let Self { name, description, unit, metadata, data } = self;
        Metric { name, description, unit, metadata, data: Some(data) }
    }
}
