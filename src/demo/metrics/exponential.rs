//! The base-2 exponential histogram: buckets that grow by `2^(2^-scale)`, halved in number whenever they get too many.
//!
//! <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use std::collections::BTreeMap;

const MAX_BUCKETS: i32 = 160;
/// Finer than any latency needs; the specification would start at 20 and spend ten halvings to get here.
const FIRST_SCALE: i32 = 10;

pub(super) struct ExponentialBuckets {
    scale: i32,
    counts: BTreeMap<i32, u64>,
}

impl ExponentialBuckets {
    pub(super) const fn new() -> Self {
        Self { scale: FIRST_SCALE, counts: BTreeMap::new() }
    }

    pub(super) const fn scale(&self) -> i32 {
        self.scale
    }

    /// `value` must be above zero.
    pub(super) fn record(&mut self, value: f64, times: u64) {
        let index = bucket_index(value, self.scale);
        *self.counts.entry(index).or_default() += times;
        while self.width() > MAX_BUCKETS {
            self.halve();
        }
    }

    pub(super) fn to_otlp(&self) -> Buckets {
        let Some((&offset, _)) = self.counts.first_key_value() else { return Buckets::default() };
        let bucket_counts = (offset..offset + self.width()).map(|index| self.counts.get(&index).copied().unwrap_or(0));
        Buckets { offset, bucket_counts: bucket_counts.collect() }
    }

    fn width(&self) -> i32 {
        let ends = self.counts.first_key_value().zip(self.counts.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| last - first + 1)
    }

    /// One scale coarser: two neighbouring buckets become one.
    fn halve(&mut self) {
        self.scale -= 1;
        for (index, count) in std::mem::take(&mut self.counts) {
            *self.counts.entry(index >> 1).or_default() += count;
        }
    }
}

/// Bucket `i` holds the values above `base^i` up to and including `base^(i+1)`.
fn bucket_index(value: f64, scale: i32) -> i32 {
    ((value.log2() * f64::from(scale).exp2()).ceil() as i32).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{ExponentialBuckets, MAX_BUCKETS, bucket_index};

    #[test]
    fn upper_bounds_are_inclusive() {
        for (value, index) in [(1.0, -1), (1.1, 0), (2.0, 0), (2.1, 1), (4.0, 1), (0.5, -2)] {
            assert_eq!(bucket_index(value, 0), index, "{value}");
        }
    }

    #[test]
    fn wide_ranges_cost_precision_and_no_values() {
        let mut buckets = ExponentialBuckets::new();
        for power in -20..20 {
            buckets.record(f64::from(power).exp2(), 2);
        }
        let otlp = buckets.to_otlp();
        assert!(otlp.bucket_counts.len() <= MAX_BUCKETS as usize);
        assert_eq!(otlp.bucket_counts.iter().sum::<u64>(), 80);
        let base = (-f64::from(buckets.scale())).exp2().exp2();
        assert!(base.powi(otlp.offset) < f64::from(-20).exp2() && f64::from(-20).exp2() <= base.powi(otlp.offset + 1));
    }
}
