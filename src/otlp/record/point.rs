//! Data points of every kind of metric, with their exemplars.

use super::attributes::{Attribute, AttributeList, AttributeReader};
use super::metric::MetricKind;
use crate::otlp::error::DecodeError;
use crate::otlp::schema::{
    buckets, exemplar, exponential_histogram_data_point as exponential, histogram_data_point as histogram,
    number_data_point as number, quantile_value, summary_data_point as summary,
};
use crate::otlp::wire::{SpanId, TraceId, Wire};

/// A number as it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Double(f64),
    Int(i64),
}

/// A data point. Which fields mean something depends on its metric's kind.
#[derive(Debug, Default)]
pub(crate) struct Point<'a> {
    pub(crate) attributes: AttributeList<'a>,
    pub(crate) start_time: u64,
    pub(crate) time: u64,
    pub(crate) flags: u32,
    pub(crate) value: Option<Number>,
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) bucket_counts: Vec<u64>,
    pub(crate) explicit_bounds: Vec<f64>,
    pub(crate) scale: i32,
    pub(crate) zero_count: u64,
    pub(crate) zero_threshold: f64,
    pub(crate) positive: Buckets,
    pub(crate) negative: Buckets,
    pub(crate) quantiles: Vec<(f64, f64)>,
    pub(crate) exemplars: Vec<Exemplar>,
    /// The attributes of exemplars, each already sorted.
    pub(crate) nested: AttributeList<'a>,
    /// Attributes of exemplars left out for a later one of the same key.
    pub(crate) nested_duplicates: u64,
}

/// The buckets on one side of an exponential histogram.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    pub(crate) present: bool,
    pub(crate) offset: i32,
    pub(crate) counts: Vec<u64>,
}

/// An exemplar.
#[derive(Debug, Default)]
pub(crate) struct Exemplar {
    pub(crate) time: u64,
    pub(crate) value: Option<Number>,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    attributes: (usize, usize),
}

impl<'a> Point<'a> {
    pub(crate) fn exemplar_attributes(&self, exemplar: &Exemplar) -> &[Attribute<'a>] {
        self.nested.range(exemplar.attributes.0, exemplar.attributes.1)
    }

    /// Reads the message at the cursor, a point of this kind of metric, in place of what was read before.
    pub(crate) fn read<W: Wire<'a>>(
        &mut self,
        kind: MetricKind,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        self.clear();
        match kind {
            MetricKind::Gauge | MetricKind::Sum => self.read_number(wire, reader),
            MetricKind::Histogram => self.read_histogram(wire, reader),
            MetricKind::ExponentialHistogram => self.read_exponential_histogram(wire, reader),
            MetricKind::Summary => self.read_summary(wire, reader),
        }
    }

    fn clear(&mut self) {
        self.attributes.clear();
        self.start_time = 0;
        self.time = 0;
        self.flags = 0;
        self.value = None;
        self.count = 0;
        (self.sum, self.min, self.max) = (None, None, None);
        self.bucket_counts.clear();
        self.explicit_bounds.clear();
        self.scale = 0;
        self.zero_count = 0;
        self.zero_threshold = 0.0;
        self.positive.clear();
        self.negative.clear();
        self.quantiles.clear();
        self.exemplars.clear();
        self.nested.clear();
        self.nested_duplicates = 0;
    }

    fn read_number<W: Wire<'a>>(&mut self, wire: &mut W, reader: &mut AttributeReader<'a>) -> Result<(), DecodeError> {
        wire.message(number::FIELDS, |wire, field| {
            match field {
                number::START_TIME_UNIX_NANO => self.start_time = wire.time()?,
                number::TIME_UNIX_NANO => self.time = wire.time()?,
                number::AS_DOUBLE => self.value = Some(Number::Double(wire.double()?)),
                number::EXEMPLARS => wire.each(|wire| self.read_exemplar(wire, reader))?,
                number::AS_INT => self.value = Some(Number::Int(wire.sfixed64()?)),
                number::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                number::FLAGS => self.flags = wire.uint32()?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }

    fn read_histogram<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        wire.message(histogram::FIELDS, |wire, field| {
            match field {
                histogram::START_TIME_UNIX_NANO => self.start_time = wire.time()?,
                histogram::TIME_UNIX_NANO => self.time = wire.time()?,
                histogram::COUNT => self.count = wire.fixed64()?,
                histogram::SUM => self.sum = Some(wire.double()?),
                histogram::BUCKET_COUNTS => wire.fixed64s(&mut self.bucket_counts)?,
                histogram::EXPLICIT_BOUNDS => wire.doubles(&mut self.explicit_bounds)?,
                histogram::EXEMPLARS => wire.each(|wire| self.read_exemplar(wire, reader))?,
                histogram::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                histogram::FLAGS => self.flags = wire.uint32()?,
                histogram::MIN => self.min = Some(wire.double()?),
                histogram::MAX => self.max = Some(wire.double()?),
                _ => wire.skip()?,
            }
            Ok(())
        })
    }

    fn read_exponential_histogram<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        wire.message(exponential::FIELDS, |wire, field| {
            match field {
                exponential::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                exponential::START_TIME_UNIX_NANO => self.start_time = wire.time()?,
                exponential::TIME_UNIX_NANO => self.time = wire.time()?,
                exponential::COUNT => self.count = wire.fixed64()?,
                exponential::SUM => self.sum = Some(wire.double()?),
                exponential::SCALE => self.scale = wire.sint32()?,
                exponential::ZERO_COUNT => self.zero_count = wire.fixed64()?,
                exponential::POSITIVE => self.positive.read(wire)?,
                exponential::NEGATIVE => self.negative.read(wire)?,
                exponential::FLAGS => self.flags = wire.uint32()?,
                exponential::EXEMPLARS => wire.each(|wire| self.read_exemplar(wire, reader))?,
                exponential::MIN => self.min = Some(wire.double()?),
                exponential::MAX => self.max = Some(wire.double()?),
                exponential::ZERO_THRESHOLD => self.zero_threshold = wire.double()?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }

    fn read_summary<W: Wire<'a>>(&mut self, wire: &mut W, reader: &mut AttributeReader<'a>) -> Result<(), DecodeError> {
        self.sum = Some(0.0);
        wire.message(summary::FIELDS, |wire, field| {
            match field {
                summary::START_TIME_UNIX_NANO => self.start_time = wire.time()?,
                summary::TIME_UNIX_NANO => self.time = wire.time()?,
                summary::COUNT => self.count = wire.fixed64()?,
                summary::SUM => self.sum = Some(wire.double()?),
                summary::QUANTILE_VALUES => wire.each(|wire| self.read_quantile(wire))?,
                summary::ATTRIBUTES => reader.read(wire, &mut self.attributes)?,
                summary::FLAGS => self.flags = wire.uint32()?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }

    fn read_quantile<W: Wire<'a>>(&mut self, wire: &mut W) -> Result<(), DecodeError> {
        let (mut quantile, mut value) = (0.0, 0.0);
        wire.message(quantile_value::FIELDS, |wire, field| {
            match field {
                quantile_value::QUANTILE => quantile = wire.double()?,
                quantile_value::VALUE => value = wire.double()?,
                _ => wire.skip()?,
            }
            Ok(())
        })?;
        self.quantiles.push((quantile, value));
        Ok(())
    }

    fn read_exemplar<W: Wire<'a>>(
        &mut self,
        wire: &mut W,
        reader: &mut AttributeReader<'a>,
    ) -> Result<(), DecodeError> {
        let mut read = Exemplar::default();
        let start = self.nested.len();
        wire.message(exemplar::FIELDS, |wire, field| {
            match field {
                exemplar::TIME_UNIX_NANO => read.time = wire.time()?,
                exemplar::AS_DOUBLE => read.value = Some(Number::Double(wire.double()?)),
                exemplar::SPAN_ID => read.span_id = wire.id()?,
                exemplar::TRACE_ID => read.trace_id = wire.id()?,
                exemplar::AS_INT => read.value = Some(Number::Int(wire.sfixed64()?)),
                exemplar::FILTERED_ATTRIBUTES => reader.read(wire, &mut self.nested)?,
                _ => wire.skip()?,
            }
            Ok(())
        })?;
        self.nested_duplicates += self.nested.close(start, &wire.state().scratch);
        read.attributes = (start, self.nested.len());
        self.exemplars.push(read);
        Ok(())
    }
}

impl Buckets {
    fn clear(&mut self) {
        self.present = false;
        self.offset = 0;
        self.counts.clear();
    }

    fn read<'a, W: Wire<'a>>(&mut self, wire: &mut W) -> Result<(), DecodeError> {
        self.present = true;
        wire.message(buckets::FIELDS, |wire, field| {
            match field {
                buckets::OFFSET => self.offset = wire.sint32()?,
                buckets::BUCKET_COUNTS => wire.uint64s(&mut self.counts)?,
                _ => wire.skip()?,
            }
            Ok(())
        })
    }
}
