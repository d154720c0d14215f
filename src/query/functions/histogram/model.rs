//! A histogram of OpenTelemetry's data model, and how it differs from an earlier one of its series.
//!
//! ```text
//! explicit     counts[i] is of (bounds[i-1], bounds[i]], the first from -inf, the last to +inf
//! exponential  a side's counts[i] is of (base^(offset+i), base^(offset+i+1)], base = 2^(2^-scale), and zero_count is
//!              of what is within zero_threshold of zero
//! ```

use super::super::series::Quantity;

/// Buckets of one side of an exponential histogram, at most; more are brought together by a lower scale.
///
/// With 4,096 buckets over 20 powers of two a bucket is under 0.4 % wide, finer than any SDK's 160.
pub(super) const MAX_BUCKETS: i64 = 4_096;

/// Scales beyond these are no OpenTelemetry histogram's.
const SCALES: std::ops::RangeInclusive<i32> = -32..=32;

#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Histogram {
    pub(super) sum: Option<f64>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) buckets: Buckets,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Buckets {
    Explicit(Explicit),
    Exponential(Exponential),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Explicit {
    pub(super) bounds: Vec<f64>,
    /// One more than bounds.
    pub(super) counts: Vec<i64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Exponential {
    pub(super) scale: i32,
    pub(super) zero_count: i64,
    pub(super) zero_threshold: f64,
    pub(super) positive: Side,
    pub(super) negative: Side,
}

/// Neighbouring buckets from the one with index `offset` on.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Side {
    pub(super) offset: i64,
    pub(super) counts: Vec<i64>,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = Buckets::Explicit(Explicit { bounds: Vec::new(), counts: vec![0] });
        Self { sum: None, min: None, max: None, buckets }
    }
}

impl Histogram {
    /// How many were counted; `None` where that is more than a bigint holds.
    pub(super) fn count(&self) -> Option<i64> {
        match &self.buckets {
            Buckets::Explicit(explicit) => total(&explicit.counts),
            Buckets::Exponential(exponential) => total(&exponential.positive.counts)?
                .checked_add(total(&exponential.negative.counts)?)?
                .checked_add(exponential.zero_count),
        }
    }

    /// Bytes in memory.
    pub(super) fn size(&self) -> usize {
        let numbers = match &self.buckets {
            Buckets::Explicit(explicit) => explicit.bounds.len() + explicit.counts.len(),
            Buckets::Exponential(exponential) => exponential.positive.counts.len() + exponential.negative.counts.len(),
        };
        size_of::<Self>() + numbers * size_of::<i64>()
    }

    /// Whether it is one: as many counts as its bounds need, none negative, bounds ascending.
    pub(super) fn is_sound(&self) -> bool {
        let counts_are = |counts: &[i64]| counts.iter().all(|count| *count >= 0);
        let sound = match &self.buckets {
            Buckets::Explicit(Explicit { bounds, counts }) => {
                counts.len() == bounds.len() + 1
                    && counts_are(counts)
                    && bounds.iter().zip(bounds.iter().skip(1)).all(|(lower, upper)| lower < upper)
                    && bounds.iter().all(|bound| bound.is_finite())
            }
            Buckets::Exponential(exponential) => {
                SCALES.contains(&exponential.scale)
                    && exponential.zero_count >= 0
                    && exponential.zero_threshold >= 0.0
                    && exponential.zero_threshold.is_finite()
                    && counts_are(&exponential.positive.counts)
                    && counts_are(&exponential.negative.counts)
            }
        };
        sound && self.count().is_some()
    }
}

fn total(counts: &[i64]) -> Option<i64> {
    counts.iter().try_fold(0_i64, |sum, count| sum.checked_add(*count))
}

/// The upper bound of a bucket of the positive side; the lower is that of the one before.
pub(super) fn upper_bound(scale: i32, index: i64) -> f64 {
    position(scale, (index.saturating_add(1)) as f64)
}

/// `base^index`, also between whole indices.
pub(super) fn position(scale: i32, index: f64) -> f64 {
    (index * (-f64::from(scale)).exp2()).exp2()
}

impl Side {
    /// The first and the last index that counts anything.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let first = self.counts.iter().position(|count| *count != 0)?;
        let last = self.counts.iter().rposition(|count| *count != 0)?;
        Some((self.offset.saturating_add(first as i64), self.offset.saturating_add(last as i64)))
    }

    /// The indices that count anything, ascending, with their counts.
    pub(super) fn filled(&self) -> impl DoubleEndedIterator<Item = (i64, i64)> {
        let indices = self.counts.iter().enumerate().filter(|(_, count)| **count != 0);
        indices.map(|(place, count)| (self.offset.saturating_add(place as i64), *count))
    }

    /// The same counts with every two to the power of `by` buckets as one; `None` past a bigint.
    pub(super) fn coarser(&self, by: u32) -> Option<Self> {
        let Some((first, last)) = self.span() else { return Some(Self::default()) };
        let shift = by.min(63);
        let (offset, end) = (first >> shift, last >> shift);
        let mut counts = vec![0_i64; usize::try_from(end - offset).ok()? + 1];
        for (index, count) in self.filled() {
            let slot = counts.get_mut(usize::try_from((index >> shift) - offset).ok()?)?;
            *slot = slot.checked_add(count)?;
        }
        Some(Self { offset, counts })
    }

    /// Counts of both, bucket by bucket, each with this done to it; `None` where it can't be.
    pub(super) fn with(&self, other: &Self, each: impl Fn(i64, i64) -> Option<i64>) -> Option<Self> {
        let spans = [self.span(), other.span()];
        let Some(first) = spans.iter().flatten().map(|(first, _)| *first).min() else { return Some(Self::default()) };
        let last = spans.iter().flatten().map(|(_, last)| *last).max()?;
        let at = |side: &Self, index: i64| {
            let place = index.checked_sub(side.offset).and_then(|place| usize::try_from(place).ok());
            place.and_then(|place| side.counts.get(place).copied()).unwrap_or(0)
        };
        let counts = (first..=last).map(|index| each(at(self, index), at(other, index)));
        Some(Self { offset: first, counts: counts.collect::<Option<_>>()? })
    }
}

impl Exponential {
    /// At a lower scale; `None` past a bigint.
    pub(super) fn at_scale(&self, scale: i32) -> Option<Self> {
        let by = u32::try_from(self.scale.checked_sub(scale)?).ok()?;
        Some(Self { scale, positive: self.positive.coarser(by)?, negative: self.negative.coarser(by)?, ..*self })
    }

    /// The highest scale, not above `scale`, at which both of these have no more than [`MAX_BUCKETS`] buckets a side.
    pub(super) fn common_scale(&self, other: &Self) -> i32 {
        let scale = self.scale.min(other.scale);
        let fits = |scale: i32| {
            [(&self.positive, &other.positive), (&self.negative, &other.negative)].iter().all(|(ours, theirs)| {
                let spans = [ours.span().map(|span| (span, self.scale)), theirs.span().map(|span| (span, other.scale))];
                let shifted = |index: i64, from: i32| index >> from.abs_diff(scale).min(63);
                let first = spans.iter().flatten().map(|((first, _), from)| shifted(*first, *from)).min();
                let last = spans.iter().flatten().map(|((_, last), from)| shifted(*last, *from)).max();
                first.zip(last).is_none_or(|(first, last)| last.saturating_sub(first) < MAX_BUCKETS)
            })
        };
        // Two neighbours at most are left of any span after 64 halvings.
        (0..=64).map(|by| scale.saturating_sub(by)).find(|scale| fits(*scale)).unwrap_or(scale)
    }

    /// With what lies within the zero bucket in it: a bucket that the threshold cuts widens it, as the data model says.
    pub(super) fn folded(mut self) -> Option<Self> {
        loop {
            let threshold = self.zero_threshold;
            for side in [&mut self.positive, &mut self.negative] {
                for (index, count) in side.clone().filled() {
                    if upper_bound(self.scale, index.saturating_sub(1)) >= self.zero_threshold {
                        break;
                    }
                    self.zero_count = self.zero_count.checked_add(count)?;
                    self.zero_threshold = self.zero_threshold.max(upper_bound(self.scale, index));
                    let place = usize::try_from(index.checked_sub(side.offset)?).ok()?;
                    *side.counts.get_mut(place)? = 0;
                }
                *side = side.coarser(0)?;
            }
            if self.zero_threshold <= threshold {
                return Some(self);
            }
        }
    }

    fn since(&self, earlier: &Self) -> Option<Self> {
        let scale = self.common_scale(earlier);
        let threshold = self.zero_threshold.max(earlier.zero_threshold);
        let aligned = |histogram: &Self| Self { zero_threshold: threshold, ..histogram.at_scale(scale)? }.folded();
        let (now, then) = (aligned(self)?, aligned(earlier)?);
        let (now, then) = match now.zero_threshold.max(then.zero_threshold) {
            // Folding one may have widened its zero bucket past the other's.
            wider if now.zero_threshold < wider || then.zero_threshold < wider => {
                (Self { zero_threshold: wider, ..now }.folded()?, Self { zero_threshold: wider, ..then }.folded()?)
            }
            _ => (now, then),
        };
        Some(Self {
            scale,
            zero_count: grown(now.zero_count, then.zero_count)?,
            zero_threshold: now.zero_threshold,
            positive: now.positive.with(&then.positive, grown)?,
            negative: now.negative.with(&then.negative, grown)?,
        })
    }
}

fn grown(now: i64, then: i64) -> Option<i64> {
    now.checked_sub(then).filter(|grown| *grown >= 0)
}

impl Quantity for Histogram {
    fn since(&self, earlier: &Self) -> Option<Self> {
        let buckets = match (&self.buckets, &earlier.buckets) {
            (Buckets::Explicit(now), Buckets::Explicit(then)) if now.bounds == then.bounds => {
                let counts = now.counts.iter().zip(&then.counts).map(|(now, then)| grown(*now, *then));
                Buckets::Explicit(Explicit { bounds: now.bounds.clone(), counts: counts.collect::<Option<_>>()? })
            }
            (Buckets::Exponential(now), Buckets::Exponential(then)) => Buckets::Exponential(now.since(then)?),
            // Other buckets come from another process.
            _ => return None,
        };
        Some(Self { sum: self.sum.zip(earlier.sum).map(|(now, then)| now - then), min: None, max: None, buckets })
    }

    fn beats(&self, other: &Self) -> bool {
        let key =
            |histogram: &Self| (histogram.count(), histogram.sum.map(f64::to_bits), format!("{:?}", histogram.buckets));
        // Most repeats are equal, and need no words.
        self != other && key(self) > key(other)
    }
}
