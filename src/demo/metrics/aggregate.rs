//! What a series remembers between two collections, for each form of metric.

use super::exponential::ExponentialBuckets;
use crate::demo::shape::instruments::Form;
use opentelemetry_proto::tonic::metrics::v1::Exemplar;
use opentelemetry_proto::tonic::metrics::v1::exemplar::Value as ExemplarValue;

/// Exemplars of an exponential histogram: the specification's default reservoir is small there too.
const EXPONENTIAL_EXEMPLARS: usize = 4;
/// Observations that a summary's quantiles look back on.
const SUMMARY_WINDOW: usize = 512;

/// One measured amount.
pub(super) struct Measurement<'a> {
    pub(super) amount: f64,
    /// How many events it stands for.
    pub(super) weight: u64,
    pub(super) time_unix_nano: u64,
    pub(super) trace_id: &'a [u8],
    pub(super) span_id: &'a [u8],
}

pub(super) struct Aggregate {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Of what happened since the last collection, also where the rest is cumulative.
    pub(super) exemplars: Vec<Exemplar>,
    pub(super) shape: Shape,
}

/// What the forms remember beside count and sum.
pub(super) enum Shape {
    Explicit { bounds: &'static [f64], bucket_counts: Vec<u64>, exemplar_buckets: Vec<usize> },
    Exponential(ExponentialBuckets),
    Summary { quantiles: &'static [f64], recent: Vec<f64>, next: usize },
    IntegerSum,
    DoubleSum,
}

impl Aggregate {
    pub(super) fn new(form: Form) -> Self {
        let shape = match form {
            Form::Explicit(bounds) => {
                Shape::Explicit { bounds, bucket_counts: vec![0; bounds.len() + 1], exemplar_buckets: Vec::new() }
            }
            Form::Exponential => Shape::Exponential(ExponentialBuckets::new()),
            Form::Summary(quantiles) => Shape::Summary { quantiles, recent: Vec::new(), next: 0 },
            Form::IntegerSum => Shape::IntegerSum,
            Form::DoubleSum => Shape::DoubleSum,
        };
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, exemplars: Vec::new(), shape }
    }

    pub(super) fn record(&mut self, measurement: &Measurement<'_>) {
        let Measurement { amount, weight, .. } = *measurement;
        self.count += weight;
        self.sum += amount * weight as f64;
        self.min = self.min.min(amount);
        self.max = self.max.max(amount);
        match &mut self.shape {
            Shape::Explicit { bounds, bucket_counts, exemplar_buckets } => {
                // A bound belongs to the bucket below it.
                let bucket = bounds.partition_point(|bound| *bound < amount);
                bucket_counts[bucket] += weight;
                // The latest of each bucket, as the SDKs' aligned reservoir keeps it: the slow buckets lead to slow traces.
                match exemplar_buckets.iter().position(|kept| *kept == bucket) {
                    Some(slot) => self.exemplars[slot] = exemplar(measurement),
                    None => {
                        exemplar_buckets.push(bucket);
                        self.exemplars.push(exemplar(measurement));
                    }
                }
            }
            Shape::Exponential(buckets) => {
                buckets.record(amount.max(f64::MIN_POSITIVE), weight);
                let slot = (self.count as usize) % EXPONENTIAL_EXEMPLARS;
                match self.exemplars.get_mut(slot) {
                    Some(kept) => *kept = exemplar(measurement),
                    None => self.exemplars.push(exemplar(measurement)),
                }
            }
            Shape::Summary { recent, next, .. } => {
                if recent.len() < SUMMARY_WINDOW {
                    recent.push(amount);
                } else {
                    recent[*next] = amount;
                    *next = (*next + 1) % SUMMARY_WINDOW;
                }
            }
            Shape::IntegerSum | Shape::DoubleSum => {}
        }
    }

    /// Takes the exemplars; the next interval begins without.
    pub(super) fn take_exemplars(&mut self) -> Vec<Exemplar> {
        if let Shape::Explicit { exemplar_buckets, .. } = &mut self.shape {
            exemplar_buckets.clear();
        }
        std::mem::take(&mut self.exemplars)
    }
}

fn exemplar(measurement: &Measurement<'_>) -> Exemplar {
    Exemplar {
        filtered_attributes: Vec::new(),
        time_unix_nano: measurement.time_unix_nano,
        span_id: measurement.span_id.to_vec(),
        trace_id: measurement.trace_id.to_vec(),
        value: Some(ExemplarValue::AsDouble(measurement.amount)),
    }
}

/// The value that a share `quantile` of the sorted values does not exceed. 0 for none.
pub(super) fn quantile_of(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::quantile_of;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile_of(&values, 0.5), 2.0);
        assert_eq!(quantile_of(&values, 0.99), 4.0);
        assert_eq!(quantile_of(&values, 0.0), 1.0);
        assert_eq!(quantile_of(&[], 0.5), 0.0);
    }
}
