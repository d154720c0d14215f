//! The proof that a rewrite kept every row as it was.
//!
//! Guarantee: two sets of rows that differ in a row, or in how often they have it, have different proofs but for a chance
//! of about 2^-64: a row's hash is the 128 bits of XXH3 over its columns in Arrow's row format, whose bytes are equal
//! where the values are, NaN and -0 by their bits; the proof is the count of rows and the sum of their hashes, which no
//! order changes.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};
use crate::model::schema::contract_schema;
use crate::model::signal::Signal;

/// What is known of a set of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// How many.
    pub(super) rows: u64,
    /// The sum of their hashes, modulo 2^128.
    pub(super) sum: u128,
}

impl Proof {
    /// That of both sets together.
    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum.wrapping_add(other.sum) }
    }
}

/// Takes rows in and proves them.
#[derive(Debug)]
pub(super) struct Prover {
    converter: RowConverter,
    rows: Rows,
    proof: Proof,
}

impl Prover {
    /// A prover of a signal's rows: every column of the contract.
    ///
    /// # Errors
    /// `Internal` where a column's type has no row format, which a test rules out.
    pub(super) fn new(signal: Signal) -> Result<Self> {
        let schema = contract_schema(signal);
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect()).map_err(failed)?;
        let rows = converter.empty_rows(0, 0);
        Ok(Self { converter, rows, proof: Proof::default() })
    }

    /// Takes in rows that have the contract's schema.
    ///
    /// # Errors
    /// `Internal` where they have another.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(Arc::clone).collect();
        self.rows.clear();
        self.converter.append(&mut self.rows, &columns).map_err(failed)?;
        for row in &self.rows {
            self.proof.sum = self.proof.sum.wrapping_add(xxh3_128(row.data()));
        }
        self.proof.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// What was taken in.
    pub(super) const fn proof(&self) -> Proof {
        self.proof
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal("rows can't be proved").with_source(error)
}
