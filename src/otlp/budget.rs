//! A bound on what a request may decode to, so that a small body can't fill the memory.
//!
//! A resource's attributes are copied for each of its records, and an empty record of two bytes becomes a row of
//! some sixty columns: without a bound, 64 MiB could ask for terabytes. The bound also keeps every column's text below
//! the 2 GiB that Arrow's offsets can count.

use super::error::DecodeError;

/// The most that the rows of one request may take, as the budget estimates it.
pub const MAX_DECODED_BYTES: usize = 1 << 30;

/// What a row takes beside its text.
pub(crate) const ROW_BYTES: usize = 512;

/// What a rejection takes in the report.
pub(crate) const REJECTION_BYTES: usize = 256;

/// What is left of [`MAX_DECODED_BYTES`].
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
}

impl Budget {
    pub(crate) const fn new() -> Self {
        Self { left: MAX_DECODED_BYTES }
    }

    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.left = self.left.checked_sub(bytes).ok_or(DecodeError::TooLarge)?;
        Ok(())
    }
}
