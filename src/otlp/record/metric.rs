//! Metrics: what their data points share, and where the points are.

use super::attributes::{AttributeList, AttributeReader};
use crate::otlp::error::DecodeError;
use crate::otlp::schema::{TEMPORALITY, metric, metric_data};
use crate::otlp::wire::{Text, Wire};

/// The type of a metric: which field of `Metric` its points are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl MetricKind {
    /// The type as the contract writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "GAUGE",
            Self::Sum => "SUM",
            Self::Histogram => "HISTOGRAM",
            Self::ExponentialHistogram => "EXPONENTIAL_HISTOGRAM",
            Self::Summary => "SUMMARY",
        }
    }

    pub(crate) const fn has_temporality(self) -> bool {
        matches!(self, Self::Sum | Self::Histogram | Self::ExponentialHistogram)
    }

    const fn of_field(field: u32) -> Option<Self> {
        match field {
            metric::GAUGE => Some(Self::Gauge),
            metric::SUM => Some(Self::Sum),
            metric::HISTOGRAM => Some(Self::Histogram),
            metric::EXPONENTIAL_HISTOGRAM => Some(Self::ExponentialHistogram),
            metric::SUMMARY => Some(Self::Summary),
            _ => None,
        }
    }
}

/// A metric without its points.
#[derive(Debug, Default)]
pub(crate) struct Metric<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) description: Text<'a>,
    pub(crate) unit: Text<'a>,
    pub(crate) metadata: AttributeList<'a>,
    /// `None` if the metric has no data of a known kind.
    pub(crate) kind: Option<MetricKind>,
    pub(crate) temporality: i32,
    pub(crate) is_monotonic: bool,
    /// How many data fields come before those whose points count. A later kind of data replaces an earlier one.
    superseded: usize,
}

impl<'a> Metric<'a> {
    fn clear(&mut self) {
        let mut metadata = std::mem::take(&mut self.metadata);
        metadata.clear();
        *self = Self { metadata, ..Self::default() };
    }

    /// Reads the message at the cursor but its points, in place of what was read before.
    pub(crate) fn read<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        self.clear();
        let mut data_fields = 0;
        wire.message(metric::FIELDS, |wire, field| {
            match field {
                metric::NAME => self.name = wire.text()?,
                metric::DESCRIPTION => self.description = wire.text()?,
                metric::UNIT => self.unit = wire.text()?,
                metric::METADATA => reader.read(wire, &mut self.metadata)?,
                _ => match MetricKind::of_field(field) {
                    Some(kind) => {
                        if self.kind != Some(kind) {
                            self.kind = Some(kind);
                            self.superseded = data_fields;
                            self.temporality = 0;
                            self.is_monotonic = false;
                        }
                        data_fields += 1;
                        self.read_data(wire)?;
                    }
                    None => wire.skip()?,
                },
            }
            Ok(())
        })
    }

    fn read_data<W: Wire<'a>>(&mut self, wire: &mut W) -> Result<(), DecodeError> {
        let has_temporality = self.kind.is_some_and(MetricKind::has_temporality);
        wire.message(metric_data::FIELDS, |wire, field| {
            match field {
                metric_data::AGGREGATION_TEMPORALITY if has_temporality => {
                    self.temporality = wire.enumeration(&TEMPORALITY)?;
                }
                metric_data::IS_MONOTONIC if self.kind == Some(MetricKind::Sum) => {
                    self.is_monotonic = wire.boolean()?;
                }
                _ => wire.skip()?,
            }
            Ok(())
        })
    }

    /// Walks the points of the metric at the cursor, which is the one just read.
    pub(crate) fn each_point<W: Wire<'a>>(
        &self,
        wire: &mut W,
        mut visit: impl FnMut(&mut W) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut data_fields = 0;
        wire.message(metric::FIELDS, |wire, field| {
            let Some(kind) = MetricKind::of_field(field) else { return wire.skip() };
            data_fields += 1;
            if Some(kind) != self.kind || data_fields <= self.superseded {
                return wire.skip();
            }
            wire.message(metric_data::FIELDS, |wire, field| match field {
                metric_data::DATA_POINTS => wire.each(&mut visit),
                _ => wire.skip(),
            })
        })
    }
}
