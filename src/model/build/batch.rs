//! Named columns to a batch of the contract's schema, or to a struct of its nested fields.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, RecordBatch, StructArray};
use arrow::error::ArrowError;

use crate::model::Signal;
use crate::model::column::{Column, nested_fields};
use crate::model::schema::contract_schema;

/// Finished columns by name, in any order.
#[derive(Debug, Default)]
pub(crate) struct BatchColumns {
    columns: Vec<(&'static str, ArrayRef)>,
}

impl BatchColumns {
    /// Takes a finished column, and gives back the memory it has to spare: a batch waits for its flush.
    pub(crate) fn put(&mut self, name: &'static str, mut array: ArrayRef) {
        array.shrink_to_fit();
        self.columns.push((name, array));
    }

    /// The batch of a signal's contract.
    ///
    /// An error is a bug: a column of the contract was given no value, or columns differ in type or length.
    pub(crate) fn finish(mut self, signal: Signal) -> Result<RecordBatch, ArrowError> {
        let schema = contract_schema(signal);
        let arrays =
            schema.fields().iter().map(|field| self.take(field.name())).collect::<Result<Vec<_>, ArrowError>>()?;
        self.refuse_left_over()?;
        RecordBatch::try_new(schema, arrays)
    }

    /// The struct array of nested fields.
    pub(crate) fn finish_struct(mut self, fields: &[Column]) -> Result<ArrayRef, ArrowError> {
        let arrays = fields.iter().map(|field| self.take(field.name)).collect::<Result<Vec<_>, ArrowError>>()?;
        self.refuse_left_over()?;
        Ok(Arc::new(StructArray::try_new(nested_fields(fields), arrays, None)?))
    }

    fn take(&mut self, name: &str) -> Result<ArrayRef, ArrowError> {
        let at = self.columns.iter().position(|(given, _)| *given == name);
        let at = at.ok_or_else(|| ArrowError::SchemaError(format!("column {name} of the contract has no builder")))?;
        Ok(self.columns.swap_remove(at).1)
    }

    fn refuse_left_over(&self) -> Result<(), ArrowError> {
        match self.columns.first() {
            None => Ok(()),
            Some((name, _)) => Err(ArrowError::SchemaError(format!("column {name} is not in the contract"))),
        }
    }
}
