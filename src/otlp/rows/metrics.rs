//! Metrics to rows of `metrics`, one a data point: what the points of a metric share.

use arrow::array::BooleanBuilder;
use arrow::error::ArrowError;

use super::group::{replace, series_attributes, texts, write_types};
use super::points::PointColumns;
use super::shared::SharedRow;
use crate::model::Signal;
use crate::model::build::{BatchColumns, EncodedMap, TextColumn, TextMapColumn};
use crate::model::series::SeriesHasher;
use crate::otlp::error::DecodeError;
use crate::otlp::record::{Metric, MetricKind, Point};
use crate::otlp::schema::{Frame, METRICS, TEMPORALITY};
use crate::otlp::walk::{Context, SignalRows};
use crate::otlp::wire::{Scratch, Wire};

/// The columns that only `metrics` has, and the metric and point being read.
#[derive(Debug)]
pub(crate) struct MetricRows<'a> {
    metric: Metric<'a>,
    shared: MetricGroup,
    point: Point<'a>,
    hasher: SeriesHasher,
    metric_name: TextColumn,
    metric_type: TextColumn,
    unit: TextColumn,
    description: TextColumn,
    metadata: TextMapColumn,
    temporality: TextColumn,
    is_monotonic: BooleanBuilder,
    points: PointColumns,
}

/// What a metric gives to its rows. Its texts are copied, for those made while reading are forgotten at each point.
#[derive(Debug)]
struct MetricGroup {
    name: String,
    description: String,
    unit: String,
    temporality: String,
    metadata: EncodedMap,
    /// The part of `value_types`.
    metadata_types: String,
    /// Its part of `series_id`.
    series_hash: u64,
}

impl MetricRows<'_> {
    pub(crate) fn new() -> Self {
        Self {
            metric: Metric::default(),
            shared: MetricGroup {
                name: String::new(),
                description: String::new(),
                unit: String::new(),
                temporality: String::new(),
                metadata: EncodedMap::new(std::iter::empty()),
                metadata_types: String::new(),
                series_hash: 0,
            },
            point: Point::default(),
            hasher: SeriesHasher::default(),
            metric_name: TextColumn::new(),
            metric_type: TextColumn::new(),
            unit: TextColumn::new(),
            description: TextColumn::new(),
            metadata: TextMapColumn::new(),
            temporality: TextColumn::new(),
            is_monotonic: BooleanBuilder::new(),
            points: PointColumns::new(),
        }
    }

    /// Takes over what the metric just read gives to its rows. Returns its duplicate metadata keys.
    fn set_group(&mut self, kind: MetricKind, scratch: &Scratch) -> u64 {
        let Self { metric, shared, hasher, .. } = self;
        let duplicates = metric.metadata.close(0, scratch);
        let metadata = metric.metadata.entries();
        replace(&mut shared.name, metric.name.get(scratch));
        replace(&mut shared.description, metric.description.get(scratch));
        replace(&mut shared.unit, metric.unit.get(scratch));
        shared.metadata = EncodedMap::new(texts(metadata, scratch));
        shared.metadata_types.clear();
        write_types(metadata, scratch, &mut shared.metadata_types);
        shared.series_hash = hasher.metric(&shared.name, kind.name(), &shared.unit);
        shared.temporality.clear();
        if kind.has_temporality() {
            match TEMPORALITY.name(metric.temporality) {
                Some(name) => shared.temporality.push_str(name),
                None => shared.temporality.push_str(&metric.temporality.to_string()),
            }
        }
        duplicates
    }

    fn fill_group(&mut self, kind: MetricKind, rows: usize) {
        self.metric_name.fill(&self.shared.name, rows);
        self.metric_type.fill(kind.name(), rows);
        self.unit.fill(&self.shared.unit, rows);
        self.description.fill(&self.shared.description, rows);
        self.metadata.fill(&self.shared.metadata, rows);
        self.temporality.fill(&self.shared.temporality, rows);
        if kind == MetricKind::Sum {
            self.is_monotonic.append_n(rows, self.metric.is_monotonic);
        } else {
            self.is_monotonic.append_nulls(rows);
        }
    }
}

impl<'a> MetricRows<'a> {
    fn read_point<W: Wire<'a>>(
        &mut self,
        kind: MetricKind,
        wire: &mut W,
        context: &mut Context<'a, '_>,
    ) -> Result<(), DecodeError> {
        let start = wire.value_start()?;
        self.point.read(kind, wire, context.attribute_reader())?;
        let duplicates = self.point.attributes.close(0, &wire.state().scratch);
        let latest = context.meta().latest_time;
        match context.problem(wire).map_or_else(|| self.points.check(kind, &self.point, latest), Err) {
            Ok(checked) => {
                context.charge_row(start, wire)?;
                context.charge(self.shared.metadata.bytes())?;
                let scratch = &wire.state().scratch;
                let attributes = self.point.attributes.entries();
                context.report.duplicate_keys += duplicates + self.point.nested_duplicates;
                context.push(
                    &SharedRow {
                        time: checked.time,
                        attributes,
                        dropped_attributes_count: 0,
                        body_type: None,
                        metadata_types: &self.shared.metadata_types,
                        adjusted_count: None,
                    },
                    scratch,
                );
                let series_id = self.hasher.series_id(
                    self.shared.series_hash,
                    context.group.resource.series_hash,
                    context.group.scope.series_hash,
                    series_attributes(attributes, scratch),
                );
                context.report.nulled_ids += self.points.append(kind, &self.point, &checked, series_id, scratch);
            }
            Err(problem) => context.reject(problem, start..wire.position())?,
        }
        context.end_record(wire);
        Ok(())
    }
}

impl<'a> SignalRows<'a> for MetricRows<'a> {
    const SIGNAL: Signal = Signal::Metrics;
    const FRAME: Frame = METRICS;

    /// The points may come before the metric's name: it is walked twice, as resources and scopes are.
    fn read_item<W: Wire<'a>>(&mut self, wire: &mut W, context: &mut Context<'a, '_>) -> Result<(), DecodeError> {
        let mark = wire.mark();
        self.metric.read(wire, context.attribute_reader())?;
        context.metric_problem = wire.state_mut().take_problem();
        let Some(kind) = self.metric.kind else {
            context.report.empty_metrics += 1;
            wire.state_mut().scratch.clear();
            return Ok(());
        };
        context.report.duplicate_keys += self.set_group(kind, &wire.state().scratch);
        wire.state_mut().scratch.clear();

        wire.reset(mark);
        let before = context.rows();
        let metric = std::mem::take(&mut self.metric);
        metric.each_point(wire, |wire| self.read_point(kind, wire, context))?;
        self.metric = metric;
        self.fill_group(kind, context.rows() - before);
        Ok(())
    }

    fn put(mut self, columns: &mut BatchColumns) -> Result<(), ArrowError> {
        columns.put("metric_name", self.metric_name.finish());
        columns.put("metric_type", self.metric_type.finish());
        columns.put("unit", self.unit.finish());
        columns.put("description", self.description.finish());
        columns.put("metric_metadata", self.metadata.finish()?);
        columns.put("temporality", self.temporality.finish());
        columns.put("is_monotonic", std::sync::Arc::new(self.is_monotonic.finish()));
        self.points.put(columns)
    }
}
