//! A quantile of what a histogram counted, interpolated as Prometheus does: evenly within explicit buckets and the zero
//! bucket, and evenly on a logarithmic scale within exponential ones.

use super::model::{Buckets, Explicit, Exponential, Histogram, position};

impl Histogram {
    /// The value that a share `q`, from 0 to 1, of the observations does not exceed; `None` where nothing was counted,
    /// or where there are no buckets to tell by.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let estimate = match &self.buckets {
            Buckets::Explicit(explicit) => explicit.quantile(q, self.min, self.max),
            Buckets::Exponential(exponential) => exponential.quantile(q),
        }?;
        // Where the extremes are known, no estimate is beyond them.
        let estimate = self.min.map_or(estimate, |min| estimate.max(min));
        Some(self.max.map_or(estimate, |max| estimate.min(max)))
    }
}

impl Explicit {
    fn quantile(&self, q: f64, min: Option<f64>, max: Option<f64>) -> Option<f64> {
        let total: f64 = self.counts.iter().map(|count| *count as f64).sum();
        let rank = q * total;
        let mut below = 0.0;
        let mut filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0).peekable();
        while let Some((bucket, count)) = filled.next() {
            let count = *count as f64;
            if below + count < rank && filled.peek().is_some() {
                below += count;
                continue;
            }
            let upper = match self.bounds.get(bucket).copied().or(max) {
                Some(upper) => upper,
                // Nothing says how far the last bucket reaches.
                None => return self.bounds.last().copied(),
            };
            let lower = match bucket.checked_sub(1).and_then(|before| self.bounds.get(before)).copied().or(min) {
                Some(lower) => lower,
                None if upper > 0.0 => 0.0,
                None => return Some(upper),
            };
            return Some(lower + (upper - lower) * ((rank - below) / count).clamp(0.0, 1.0));
        }
        None
    }
}

/// A bucket as a quantile falls into it.
enum Bucket {
    Negative(i64),
    Zero,
    Positive(i64),
}

impl Exponential {
    fn quantile(&self, q: f64) -> Option<f64> {
        let negative = self.negative.filled().rev().map(|(index, count)| (Bucket::Negative(index), count));
        let zero = (self.zero_count > 0).then_some((Bucket::Zero, self.zero_count));
        let positive = self.positive.filled().map(|(index, count)| (Bucket::Positive(index), count));
        let buckets: Vec<(Bucket, i64)> = negative.chain(zero).chain(positive).collect();
        let total: f64 = buckets.iter().map(|(_, count)| *count as f64).sum();
        // From the nearer end: a quantile between two buckets is then of the one farther from the median.
        let (bucket, share) = if q < 0.5 {
            find(buckets.iter(), q * total)?
        } else {
            let (bucket, share) = find(buckets.iter().rev(), (1.0 - q) * total)?;
            (bucket, 1.0 - share)
        };
        Some(match bucket {
            Bucket::Positive(index) => finite(position(self.scale, *index as f64 + share)),
            Bucket::Negative(index) => -finite(position(self.scale, (*index as f64 + 1.0) - share)),
            Bucket::Zero => {
                let (below, above) = (self.negative.span().is_some(), self.positive.span().is_some());
                let lower = if above && !below { 0.0 } else { -self.zero_threshold };
                let upper = if below && !above { 0.0 } else { self.zero_threshold };
                lower + (upper - lower) * share
            }
        })
    }
}

/// The bucket that holds the rank, and how far into it the rank is.
fn find<'b>(buckets: impl Iterator<Item = &'b (Bucket, i64)>, rank: f64) -> Option<(&'b Bucket, f64)> {
    let mut below = 0.0;
    let mut last = None;
    for (bucket, count) in buckets {
        let count = *count as f64;
        if below + count >= rank {
            return Some((bucket, ((rank - below) / count).clamp(0.0, 1.0)));
        }
        below += count;
        last = Some((bucket, 1.0));
    }
    last
}

/// The bounds of the outermost buckets are beyond what a double holds.
fn finite(value: f64) -> f64 {
    value.min(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::model::Side;
    use super::*;

    fn explicit(bounds: &[f64], counts: &[i64]) -> Histogram {
        let buckets = Buckets::Explicit(Explicit { bounds: bounds.to_vec(), counts: counts.to_vec() });
        Histogram { buckets, ..Histogram::default() }
    }

    fn close(got: Option<f64>, expected: Option<f64>) -> bool {
        match (got, expected) {
            (Some(got), Some(expected)) => (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            (got, expected) => got == expected,
        }
    }

    /// The histograms and answers of Prometheus' promql/promqltest/testdata/histograms.test.
    #[rstest::rstest]
    #[case(&[0.1, 0.2, 1.0], &[50, 20, 40, 10], &[(0.0, 0.0), (0.2, 0.048), (0.5, 0.15), (0.8, 0.72), (1.0, 1.0)])]
    #[case(&[-0.2, -0.1, 0.3], &[10, 10, 0, 10], &[(0.0, -0.2), (0.2, -0.2), (0.5, -0.15), (0.8, 0.3), (1.0, 0.3)])]
    #[case(&[0.0, 2.0, 4.0, 6.0], &[0, 1, 1, 1, 0], &[(1.0 / 6.0, 1.0), (0.5, 3.0), (5.0 / 6.0, 5.0)])]
    fn explicit_buckets_as_in_prometheus(
        #[case] bounds: &[f64],
        #[case] counts: &[i64],
        #[case] expected: &[(f64, f64)],
    ) {
        for (q, expected) in expected {
            let got = explicit(bounds, counts).quantile(*q);
            assert!(close(got, Some(*expected)), "{q}: {got:?}, not {expected}");
        }
    }

    #[rstest::rstest]
    #[case::empty(&[1.0, 2.0], &[0, 0, 0], None, None, None)]
    #[case::no_buckets(&[], &[10], None, None, None)]
    #[case::no_buckets_but_extremes(&[], &[10], Some(10.0), Some(20.0), Some(15.0))]
    #[case::the_last_reaches_to_the_maximum(&[1.0], &[0, 4], Some(2.0), Some(3.0), Some(2.0))]
    #[case::the_first_begins_at_the_minimum(&[10.0], &[4, 0], Some(6.0), Some(9.0), Some(8.0))]
    #[case::no_estimate_is_beyond_the_maximum(&[1.0, 100.0], &[0, 4, 0], Some(2.0), Some(3.0), Some(3.0))]
    fn extremes_are_edges(
        #[case] bounds: &[f64],
        #[case] counts: &[i64],
        #[case] min: Option<f64>,
        #[case] max: Option<f64>,
        #[case] median: Option<f64>,
    ) {
        let histogram = Histogram { min, max, ..explicit(bounds, counts) };
        let got = histogram.quantile(0.5);
        assert!(close(got, median), "{got:?}, not {median:?}");
    }

    /// Prometheus counts a bucket by its upper bound, so its offset 0 is our -1.
    fn exponential(scale: i32, zero_count: i64, zero_threshold: f64, positive: &[i64], negative: &[i64]) -> Histogram {
        let side = |counts: &[i64]| Side { offset: -1, counts: counts.to_vec() };
        let (positive, negative) = (side(positive), side(negative));
        let buckets = Buckets::Exponential(Exponential { scale, zero_count, zero_threshold, positive, negative });
        Histogram { buckets, ..Histogram::default() }
    }

    /// The histograms and answers of Prometheus' promql/promqltest/testdata/native_histograms.test.
    #[rstest::rstest]
    #[case(exponential(0, 0, 0.0, &[1, 2, 1], &[]), &[(0.5, std::f64::consts::SQRT_2)])]
    #[case(exponential(0, 0, 0.0, &[], &[1, 2, 1]), &[(0.5, -std::f64::consts::SQRT_2)])]
    #[case(exponential(0, 0, 0.0, &[1, 2, 1], &[1, 2, 1]), &[(0.5, 0.5)])]
    #[case(exponential(0, 1, 0.5, &[], &[]), &[(0.5, 0.0)])]
    #[case(exponential(0, 2, 0.001, &[2, 3, 0, 1, 4], &[]), &[
        (1.0, 16.0), (0.99, 15.670_724_761_390_83), (0.9, 12.996_038_341_699_77), (0.6, 4.594_793_419_988_138),
        (0.5, 1.587_401_051_968_199_4), (0.1, 0.0006), (0.0, 0.0),
    ])]
    #[case(exponential(0, 2, 0.001, &[], &[2, 3, 0, 1, 4]), &[
        (1.0, 0.0), (0.99, -0.00006), (0.9, -0.0006), (0.5, -1.587_401_051_968_199_6), (0.1, -12.996_038_341_699_768),
        (0.0, -16.0),
    ])]
    #[case(exponential(0, 4, 0.001, &[2, 3, 0, 1, 4], &[2, 3, 0, 1, 4]), &[
        (1.0, 16.0), (0.99, 15.348_225_909_204_23), (0.9, 10.556_063_286_183_155), (0.7, 1.203_025_036_082_116_4),
        (0.55, 0.0006), (0.5, 0.0), (0.45, -0.0006), (0.3, -1.203_025_036_082_116_9), (0.1, -10.556_063_286_183_155),
        (0.01, -15.348_225_909_204_23), (0.0, -16.0),
    ])]
    fn exponential_buckets_as_in_prometheus(#[case] histogram: Histogram, #[case] expected: &[(f64, f64)]) {
        for (q, expected) in expected {
            let got = histogram.quantile(*q);
            assert!(close(got, Some(*expected)), "{q}: {got:?}, not {expected}");
        }
    }

    #[test]
    fn the_outermost_buckets_answer_a_number() {
        let edge = |offset| {
            let positive = Side { offset, counts: vec![1] };
            let buckets = Buckets::Exponential(Exponential { scale: -10, positive, ..Exponential::default() });
            Histogram { buckets, ..Histogram::default() }.quantile(0.9).unwrap()
        };
        assert!(edge(0).is_finite() && edge(i64::from(i32::MAX)).is_finite() && edge(i64::from(i32::MIN)) == 0.0);
    }
}
