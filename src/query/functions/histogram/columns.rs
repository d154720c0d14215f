//! Histograms in Arrow arrays: the columns of `metrics`, and one struct of the same names.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int32Array, Int32Builder, Int64Array, Int64Builder,
    ListArray, ListBuilder, StructArray, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Float64Type, Int32Type, Int64Type};
use datafusion::common::{Result, exec_err, internal_err};

use super::super::description::{is_integer, is_number};
use super::super::points::POINT_COLUMNS as POINT;
use super::model::{Buckets, Explicit, Exponential, Histogram, Side};

/// The columns of a histogram in `metrics`, and the fields of a histogram as one value.
pub(in super::super) const COLUMNS: [&str; 13] = [
    "count",
    "sum",
    "min",
    "max",
    "explicit_bounds",
    "bucket_counts",
    "scale",
    "zero_count",
    "zero_threshold",
    "positive_offset",
    "positive_bucket_counts",
    "negative_offset",
    "negative_bucket_counts",
];

/// The columns of a point of a histogram.
pub(in super::super) const POINT_COLUMNS: [&str; 17] = {
    let mut all = [""; 17];
    let mut place = 0;
    while place < all.len() {
        all[place] = if place < POINT.len() { POINT[place] } else { COLUMNS[place - POINT.len()] };
        place += 1;
    }
    all
};

static FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    let list = |element: DataType| DataType::List(Arc::new(Field::new_list_field(element, true)));
    let types = [
        DataType::Int64,
        DataType::Float64,
        DataType::Float64,
        DataType::Float64,
        list(DataType::Float64),
        list(DataType::Int64),
        DataType::Int32,
        DataType::Int64,
        DataType::Float64,
        DataType::Int32,
        list(DataType::Int64),
        DataType::Int32,
        list(DataType::Int64),
    ];
    COLUMNS.iter().zip(types).map(|(name, data_type)| Field::new(*name, data_type, true)).collect()
});

/// A histogram as one value.
pub(in super::super) fn histogram_type() -> DataType {
    DataType::Struct(FIELDS.clone())
}

/// The fields of a histogram as one value.
pub(in super::super) fn histogram_fields() -> Fields {
    FIELDS.clone()
}

/// Whether a value of this type is a histogram, or at least has buckets of one.
pub(super) fn is_histogram(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return data_type.is_null() };
    let has = |name: &str| fields.find(name).is_some();
    has("bucket_counts") || (has("scale") && has("positive_bucket_counts"))
}

/// Whether these are the types of the columns of those names.
pub(super) fn are_columns(names: &[&str], types: &[DataType]) -> bool {
    let fits =
        |name: &&str, data_type: &DataType| match (FIELDS.find(name).map(|(_, field)| field.data_type()), data_type) {
            (_, DataType::Null) => true,
            (Some(DataType::List(wanted)), DataType::List(given) | DataType::LargeList(given)) => {
                match wanted.data_type() {
                    DataType::Float64 => is_number(given.data_type()),
                    _ => is_integer(given.data_type()),
                }
            }
            (Some(DataType::Float64), given) => is_number(given),
            (Some(DataType::Int32 | DataType::Int64), given) => is_integer(given),
            _ => false,
        };
    names.len() == types.len() && names.iter().zip(types).all(|(name, data_type)| fits(name, data_type))
}

/// The columns of histograms, as their types are here.
pub(in super::super) fn columns(given: impl Fn(&str) -> Option<ArrayRef>, rows: usize) -> Result<Vec<ArrayRef>> {
    let column = |field: &Arc<Field>| match given(field.name()) {
        Some(column) => Ok(cast(&column, field.data_type())?),
        None => Ok(new_null_array(field.data_type(), rows)),
    };
    FIELDS.iter().map(column).collect()
}

/// Histograms to be read.
#[derive(Debug)]
pub(in super::super) struct HistogramColumns {
    /// Of the structs, whose fields need not be NULL where they are.
    nulls: Option<NullBuffer>,
    count: Int64Array,
    extremes: [Float64Array; 3],
    explicit_bounds: ListArray,
    bucket_counts: ListArray,
    scale: Int32Array,
    zero_count: Int64Array,
    zero_threshold: Float64Array,
    sides: [(Int32Array, ListArray); 2],
}

impl HistogramColumns {
    /// Of [`columns`].
    pub(in super::super) fn of(columns: &[ArrayRef]) -> Result<Self> {
        let [count, sum, min, max, bounds, counts, scale, zero_count, zero_threshold, po, positive, no, negative] =
            columns
        else {
            return internal_err!("a histogram lacks columns");
        };
        let double = |column: &ArrayRef| column.as_primitive::<Float64Type>().clone();
        let long = |column: &ArrayRef| column.as_primitive::<Int64Type>().clone();
        let int = |column: &ArrayRef| column.as_primitive::<Int32Type>().clone();
        Ok(Self {
            nulls: None,
            count: long(count),
            extremes: [double(sum), double(min), double(max)],
            explicit_bounds: bounds.as_list().clone(),
            bucket_counts: counts.as_list().clone(),
            scale: int(scale),
            zero_count: long(zero_count),
            zero_threshold: double(zero_threshold),
            sides: [(int(po), positive.as_list().clone()), (int(no), negative.as_list().clone())],
        })
    }

    /// Of a struct with fields of those names.
    pub(super) fn of_struct(array: &ArrayRef) -> Result<Self> {
        if array.data_type().is_null() {
            return Self::of(&columns(|_| None, array.len())?);
        }
        let Some(structs) = array.as_struct_opt() else { return exec_err!("no histogram: {}", array.data_type()) };
        let given = |name: &str| structs.column_by_name(name).cloned();
        Ok(Self { nulls: structs.nulls().cloned(), ..Self::of(&columns(given, array.len())?)? })
    }

    /// The histogram of a row; `None` where it has none, or one that contradicts itself.
    pub(in super::super) fn at(&self, row: usize) -> Option<Histogram> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let buckets = if self.scale.is_valid(row) {
            let side = |(offset, counts): &(Int32Array, ListArray)| {
                let offset = i64::from(if offset.is_valid(row) { offset.value(row) } else { 0 });
                Some(Side { offset, counts: longs(counts, row).unwrap_or_default() })
            };
            let [positive, negative] = &self.sides;
            Buckets::Exponential(Exponential {
                scale: self.scale.value(row),
                zero_count: if self.zero_count.is_valid(row) { self.zero_count.value(row) } else { 0 },
                zero_threshold: if self.zero_threshold.is_valid(row) { self.zero_threshold.value(row) } else { 0.0 },
                positive: side(positive)?,
                negative: side(negative)?,
            })
        } else {
            let counts = longs(&self.bucket_counts, row)?;
            let bounds = doubles(&self.explicit_bounds, row).unwrap_or_default();
            // A histogram may come without buckets.
            let counts =
                if counts.is_empty() && self.count.is_valid(row) { vec![self.count.value(row)] } else { counts };
            Buckets::Explicit(Explicit { bounds, counts })
        };
        let finite =
            |column: &Float64Array| column.is_valid(row).then(|| column.value(row)).filter(|value| value.is_finite());
        let [sum, min, max] = self.extremes.each_ref().map(finite);
        let histogram = Histogram { sum, min, max, buckets };
        histogram.is_sound().then_some(histogram)
    }
}

/// The counts of a list; `None` where the list is NULL. A NULL among them is as wrong as a negative one.
fn longs(lists: &ListArray, row: usize) -> Option<Vec<i64>> {
    let counts =
        |values: ArrayRef| values.as_primitive::<Int64Type>().iter().map(|count| count.unwrap_or(-1)).collect();
    lists.is_valid(row).then(|| counts(lists.value(row)))
}

fn doubles(lists: &ListArray, row: usize) -> Option<Vec<f64>> {
    lists.is_valid(row).then(|| lists.value(row).as_primitive::<Float64Type>().iter().flatten().collect())
}

/// Histograms to be written.
#[derive(Debug)]
pub(in super::super) struct HistogramBuilder {
    present: Vec<bool>,
    count: Int64Builder,
    extremes: [Float64Builder; 3],
    explicit_bounds: ListBuilder<Float64Builder>,
    bucket_counts: ListBuilder<Int64Builder>,
    scale: Int32Builder,
    zero_count: Int64Builder,
    zero_threshold: Float64Builder,
    sides: [(Int32Builder, ListBuilder<Int64Builder>); 2],
}

impl HistogramBuilder {
    /// With room for so many.
    pub(in super::super) fn with_capacity(rows: usize) -> Self {
        let double = || Float64Builder::with_capacity(rows);
        let counts = || ListBuilder::with_capacity(Int64Builder::with_capacity(rows), rows);
        Self {
            present: Vec::with_capacity(rows),
            count: Int64Builder::with_capacity(rows),
            extremes: [double(), double(), double()],
            explicit_bounds: ListBuilder::with_capacity(double(), rows),
            bucket_counts: counts(),
            scale: Int32Builder::with_capacity(rows),
            zero_count: Int64Builder::with_capacity(rows),
            zero_threshold: double(),
            sides: [(Int32Builder::with_capacity(rows), counts()), (Int32Builder::with_capacity(rows), counts())],
        }
    }

    /// Appends one, or a NULL, and returns its row.
    pub(in super::super) fn append(&mut self, histogram: Option<&Histogram>) -> u32 {
        let row = u32::try_from(self.present.len()).unwrap_or(u32::MAX);
        self.present.push(histogram.is_some());
        self.count.append_option(histogram.and_then(Histogram::count));
        let extremes = histogram.map_or([None; 3], |histogram| [histogram.sum, histogram.min, histogram.max]);
        for (builder, value) in self.extremes.iter_mut().zip(extremes) {
            builder.append_option(value);
        }
        let (explicit, exponential) = match histogram.map(|histogram| &histogram.buckets) {
            Some(Buckets::Explicit(explicit)) => (Some(explicit), None),
            Some(Buckets::Exponential(exponential)) => (None, Some(exponential)),
            None => (None, None),
        };
        self.explicit_bounds.append_option(explicit.map(|explicit| explicit.bounds.iter().copied().map(Some)));
        self.bucket_counts.append_option(explicit.map(|explicit| explicit.counts.iter().copied().map(Some)));
        self.scale.append_option(exponential.map(|exponential| exponential.scale));
        self.zero_count.append_option(exponential.map(|exponential| exponential.zero_count));
        self.zero_threshold.append_option(exponential.map(|exponential| exponential.zero_threshold));
        let sides = [
            exponential.map(|exponential| &exponential.positive),
            exponential.map(|exponential| &exponential.negative),
        ];
        for ((offset, counts), side) in self.sides.iter_mut().zip(sides) {
            // Offsets came as 32 bits, and nothing here moves a bucket away from zero.
            offset.append_option(side.map(|side| i32::try_from(side.offset).unwrap_or(i32::MAX)));
            counts.append_option(side.map(|side| side.counts.iter().copied().map(Some)));
        }
        row
    }

    /// All of them.
    pub(in super::super) fn finish(mut self) -> Result<StructArray> {
        let [mut sum, mut min, mut max] = self.extremes;
        let [(mut positive_offset, mut positive), (mut negative_offset, mut negative)] = self.sides;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.count.finish()),
            Arc::new(sum.finish()),
            Arc::new(min.finish()),
            Arc::new(max.finish()),
            Arc::new(self.explicit_bounds.finish()),
            Arc::new(self.bucket_counts.finish()),
            Arc::new(self.scale.finish()),
            Arc::new(self.zero_count.finish()),
            Arc::new(self.zero_threshold.finish()),
            Arc::new(positive_offset.finish()),
            Arc::new(positive.finish()),
            Arc::new(negative_offset.finish()),
            Arc::new(negative.finish()),
        ];
        Ok(StructArray::try_new(histogram_fields(), columns, Some(NullBuffer::from(self.present)))?)
    }
}
