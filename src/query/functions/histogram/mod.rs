//! Histograms, explicit and exponential: their growth, their sum, and the quantiles of what they counted.
//!
//! ```text
//! model.rs     a histogram, how it differs from an earlier one of its series
//! merged.rs    many histograms as one
//! estimate.rs  a quantile
//! columns.rs   histograms in Arrow arrays
//! quantile.rs  histogram_quantile
//! merge.rs     histogram_merge
//! ```

pub(super) mod columns;
mod estimate;
pub(super) mod merge;
mod merged;
mod model;
pub(super) mod quantile;
#[cfg(test)]
mod tests;
