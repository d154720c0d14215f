//! The one source of randomness: everything the shop does is drawn from here, in order, so a seed replays exactly.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) type TraceId = [u8; 16];
pub(crate) type SpanId = [u8; 8];

pub(crate) struct Chance(StdRng);

impl Chance {
    /// The start goes into the seed, so that two runs with one seed do not send the same ids at different times.
    pub(crate) fn new(seed: u64, start_unix_nanos: u64) -> Self {
        let mut state = [0; 32];
        state[..8].copy_from_slice(&seed.to_le_bytes());
        state[8..16].copy_from_slice(&start_unix_nanos.to_le_bytes());
        Self(StdRng::from_seed(state))
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        probability >= 1.0 || self.0.random::<f64>() < probability
    }

    /// Uniform from 0 (included) to 1 (excluded).
    pub(crate) fn share(&mut self) -> f64 {
        self.0.random()
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// `options` must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.0.random_range(0..options.len())]
    }

    /// A latency: most near the median, a tail above it.
    pub(crate) fn lognormal(&mut self, median: f64, spread: f64) -> f64 {
        // Box and Muller's transform. `1 - share` is never 0, so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.share()).cos();
        median * (spread * normal).exp()
    }

    /// Time to the next of events that happen independently.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.share()).ln()
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.random()
    }

    pub(crate) fn trace_id(&mut self) -> TraceId {
        self.0.random_range(1..=u128::MAX).to_be_bytes()
    }

    pub(crate) fn span_id(&mut self) -> SpanId {
        self.0.random_range(1..=u64::MAX).to_be_bytes()
    }
}
