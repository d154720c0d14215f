//! List columns: where each row's elements end, and lists of numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, NullBufferBuilder, PrimitiveArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::ArrowPrimitiveType;
use arrow::error::ArrowError;

use crate::model::column::{Kind, list_element_field};

/// The ends of rows of a list or map column, whose elements are built beside it.
#[derive(Debug)]
pub(crate) struct ListOffsets {
    offsets: Vec<i32>,
    end: usize,
}

impl ListOffsets {
    pub(crate) fn new() -> Self {
        Self { offsets: vec![0], end: 0 }
    }

    /// Appends a row with so many elements.
    pub(crate) fn push(&mut self, elements: usize) {
        self.end += elements;
        let end = i32::try_from(self.end);
        self.offsets.push(end.expect("a batch's elements stay below 2^31, which whoever fills it has checked"));
    }

    pub(crate) fn finish(self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(self.offsets))
    }

    /// The list array over `elements`, of a column whose elements are of this kind.
    pub(crate) fn finish_list(
        self,
        kind: Kind,
        elements: ArrayRef,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(ListArray::try_new(list_element_field(kind), self.finish(), elements, nulls)?))
    }
}

/// A column of lists of numbers.
#[derive(Debug)]
pub(crate) struct NumberList<T: ArrowPrimitiveType> {
    rows: ListOffsets,
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> NumberList<T> {
    pub(crate) fn new() -> Self {
        Self { rows: ListOffsets::new(), values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }

    pub(crate) fn push(&mut self, list: Option<&[T::Native]>) {
        let values = list.unwrap_or_default();
        self.values.extend_from_slice(values);
        self.rows.push(values.len());
        self.nulls.append(list.is_some());
    }

    pub(crate) fn finish(mut self, kind: Kind) -> Result<ArrayRef, ArrowError> {
        let values = PrimitiveArray::<T>::new(ScalarBuffer::from(self.values), None);
        debug_assert_eq!(values.data_type(), &kind.nested_type());
        self.rows.finish_list(kind, Arc::new(values), self.nulls.finish())
    }
}
