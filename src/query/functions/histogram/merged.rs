//! Many histograms as one.
//!
//! Guarantee: in whatever order and parts they come, the counts are the same. Explicit histograms are kept apart by
//! their bounds, and exponential ones with their zero buckets as they came, until all are there.

use super::model::{Buckets, Explicit, Exponential, Histogram};

/// What histograms add up to; one part for each list of bounds, and one for exponential histograms.
#[derive(Debug, Default)]
pub(super) struct Merged {
    parts: Vec<Histogram>,
}

/// Why histograms don't add up.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum NotMerged {
    #[error("explicit and exponential histograms don't merge; ask for one metric_type at a time")]
    Kinds,
    #[error(
        "histograms with the bounds {0:?} and {1:?} don't merge, since neither's are all among the other's; group by what \
         tells them apart, as service_name or scope_version"
    )]
    Bounds(Vec<f64>, Vec<f64>),
    #[error("a bucket counts more than 2^63 - 1")]
    Overflow,
}

impl Merged {
    /// Adds one; an empty one changes nothing.
    pub(super) fn add(&mut self, histogram: &Histogram) -> Result<(), NotMerged> {
        if histogram.count() == Some(0) {
            return Ok(());
        }
        for part in &mut self.parts {
            let buckets = match (&part.buckets, &histogram.buckets) {
                (Buckets::Explicit(ours), Buckets::Explicit(theirs)) if ours.bounds == theirs.bounds => {
                    let counts = ours.counts.iter().zip(&theirs.counts).map(|(ours, theirs)| ours.checked_add(*theirs));
                    let counts = counts.collect::<Option<_>>().ok_or(NotMerged::Overflow)?;
                    Buckets::Explicit(Explicit { bounds: ours.bounds.clone(), counts })
                }
                (Buckets::Exponential(ours), Buckets::Exponential(theirs)) => {
                    Buckets::Exponential(sum(ours, theirs).ok_or(NotMerged::Overflow)?)
                }
                _ => continue,
            };
            *part = Histogram { buckets, ..outline(part, histogram) };
            return Ok(());
        }
        let mut histogram = histogram.clone();
        if let Buckets::Exponential(exponential) = &mut histogram.buckets {
            let scale = exponential.common_scale(exponential);
            *exponential = exponential.at_scale(scale).ok_or(NotMerged::Overflow)?;
        }
        self.parts.push(histogram);
        Ok(())
    }

    /// The parts, to be added up elsewhere.
    pub(super) fn parts(&self) -> &[Histogram] {
        &self.parts
    }

    /// The sum; `None` where nothing was counted.
    pub(super) fn finish(&self) -> Result<Option<Histogram>, NotMerged> {
        let Some((first, others)) = self.parts.split_first() else { return Ok(None) };
        let whole = others.iter().fold(first.clone(), |whole, part| outline(&whole, part));
        let mut explicit: Vec<&Explicit> = Vec::new();
        let mut exponential = None;
        for part in &self.parts {
            match &part.buckets {
                Buckets::Explicit(part) => explicit.push(part),
                Buckets::Exponential(part) => exponential = Some(part),
            }
        }
        let buckets = match (exponential, explicit.is_empty()) {
            (Some(exponential), true) => Buckets::Exponential(exponential.clone().folded().ok_or(NotMerged::Overflow)?),
            (None, _) => Buckets::Explicit(coarsest(&explicit)?),
            (Some(_), false) => return Err(NotMerged::Kinds),
        };
        Ok(Some(Histogram { buckets, ..whole }))
    }
}

/// Sum, minimum and maximum of both; what one lacks is not known of both.
fn outline(ours: &Histogram, theirs: &Histogram) -> Histogram {
    Histogram {
        sum: ours.sum.zip(theirs.sum).map(|(ours, theirs)| ours + theirs),
        min: ours.min.zip(theirs.min).map(|(ours, theirs)| ours.min(theirs)),
        max: ours.max.zip(theirs.max).map(|(ours, theirs)| ours.max(theirs)),
        buckets: ours.buckets.clone(),
    }
}

fn sum(ours: &Exponential, theirs: &Exponential) -> Option<Exponential> {
    let scale = ours.common_scale(theirs);
    let (ours, theirs) = (ours.at_scale(scale)?, theirs.at_scale(scale)?);
    Some(Exponential {
        scale,
        zero_count: ours.zero_count.checked_add(theirs.zero_count)?,
        zero_threshold: ours.zero_threshold.max(theirs.zero_threshold),
        positive: ours.positive.with(&theirs.positive, i64::checked_add)?,
        negative: ours.negative.with(&theirs.negative, i64::checked_add)?,
    })
}

/// All of them in the buckets of the one with the fewest, whose bounds all the others must have.
fn coarsest(parts: &[&Explicit]) -> Result<Explicit, NotMerged> {
    let Some(fewest) = parts.iter().min_by_key(|part| part.bounds.len()) else {
        return Ok(Explicit { bounds: Vec::new(), counts: vec![0] });
    };
    let mut counts = vec![0_i64; fewest.counts.len()];
    for part in parts {
        let mut place = 0;
        for (index, count) in part.counts.iter().enumerate() {
            let slot = counts.get_mut(place).ok_or(NotMerged::Overflow)?;
            *slot = slot.checked_add(*count).ok_or(NotMerged::Overflow)?;
            if part.bounds.get(index).is_some_and(|bound| fewest.bounds.get(place) == Some(bound)) {
                place += 1;
            }
        }
        if place != fewest.bounds.len() {
            return Err(NotMerged::Bounds(fewest.bounds.clone(), part.bounds.clone()));
        }
    }
    Ok(Explicit { bounds: fewest.bounds.clone(), counts })
}
