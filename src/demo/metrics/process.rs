//! Gauges and counters of the process and its runtime: each value wanders around what is typical for it.

use super::meter::CollectedMetric;
use super::points::{Interval, number_point};
use crate::demo::chance::Chance;
use crate::demo::fleet::Tool;
use crate::demo::shape::runtime::{RUNTIME_SERIES, Reporter, RuntimeForm, RuntimeSeries};
use crate::demo::shape::vocabulary::Service;
use crate::demo::values::text;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as NumberValue;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum};

pub(super) struct Process {
    series: Vec<(&'static RuntimeSeries, f64)>,
}

impl Process {
    pub(super) fn new(service: &Service) -> Self {
        let series = RUNTIME_SERIES.iter().filter(|series| match series.reporter {
            Reporter::Languages(languages) => languages.contains(&service.language),
            Reporter::Services(names) => names.contains(&service.name),
        });
        let first = |series: &RuntimeSeries| if series.form == RuntimeForm::Counter { 0.0 } else { series.typical };
        Self { series: series.map(|series| (series, first(series))).collect() }
    }

    /// `since_start` and `since_last` end now; a delta counter covers the latter.
    pub(super) fn collect(
        &mut self,
        temporality: AggregationTemporality,
        since_start: Interval,
        since_last: Interval,
        chance: &mut Chance,
    ) -> Vec<CollectedMetric> {
        let is_delta = temporality == AggregationTemporality::Delta;
        let mut collected: Vec<CollectedMetric> = Vec::new();
        for (series, value) in &mut self.series {
            let swing = 1.0 + series.swing * (2.0 * chance.share() - 1.0);
            // Halfway back to the typical value, so that nothing wanders off over months of simulated time.
            *value = match series.form {
                RuntimeForm::Counter if is_delta => series.typical * swing,
                RuntimeForm::Counter => *value + whole(series, series.typical * swing),
                RuntimeForm::Gauge | RuntimeForm::UpDown => (*value + series.typical) / 2.0 * swing,
            };
            let interval = if series.form == RuntimeForm::Counter && is_delta { since_last } else { since_start };
            let interval = match series.form {
                RuntimeForm::Gauge => Interval { start_unix_nano: 0, ..interval },
                RuntimeForm::UpDown | RuntimeForm::Counter => interval,
            };
            let number = if series.whole_numbers {
                NumberValue::AsInt(value.round() as i64)
            } else {
                NumberValue::AsDouble(*value)
            };
            let attributes = series.attributes.iter().map(|(key, value)| text(key, *value)).collect();
            let point = number_point(attributes, interval, number);
            match collected.last_mut().filter(|collected| collected.metric.name == series.name) {
                Some(same) => push(&mut same.metric, point),
                None => {
                    let mut metric = empty_metric(series, temporality);
                    push(&mut metric, point);
                    collected.push(CollectedMetric { tool: Tool::RuntimeMetrics, metric });
                }
            }
        }
        collected
    }
}

/// Steps of a whole-number counter are whole, or its rounded values could stand still and then jump.
fn whole(series: &RuntimeSeries, step: f64) -> f64 {
    if series.whole_numbers { step.round() } else { step }
}

fn empty_metric(series: &RuntimeSeries, temporality: AggregationTemporality) -> Metric {
    let sum = |temporality: AggregationTemporality, is_monotonic| {
        Data::Sum(Sum { data_points: Vec::new(), aggregation_temporality: temporality.into(), is_monotonic })
    };
    let data = match series.form {
        RuntimeForm::Gauge => Data::Gauge(Gauge::default()),
        RuntimeForm::UpDown => sum(AggregationTemporality::Cumulative, false),
        RuntimeForm::Counter => sum(temporality, true),
    };
    Metric {
        name: series.name.to_owned(),
        description: series.description.to_owned(),
        unit: series.unit.to_owned(),
        metadata: Vec::new(),
        data: Some(data),
    }
}

fn push(metric: &mut Metric, point: NumberDataPoint) {
    match &mut metric.data {
        Some(Data::Gauge(gauge)) => gauge.data_points.push(point),
        Some(Data::Sum(sum)) => sum.data_points.push(point),
        _ => unreachable!("a runtime metric is a gauge or a sum"),
    }
}
