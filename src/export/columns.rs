//! Columns by name and as the type the contract gives them: text as `Utf8`, `LargeUtf8` or `Utf8View`, nested columns
//! as decoded or as Parquet and DataFusion give them.
//!
//! A column that is not there reads as NULL in every row: `signal.rs` has said which must be.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, RecordBatch};
use arrow::array::{StringViewArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Fields as ArrowFields};
use arrow::datatypes::{Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::error::{Error, Result};
use crate::otlp::EnumNames;

/// A value, or why the row can't be exported.
pub(super) type Checked<T> = std::result::Result<T, String>;

/// A wrong text is an error, not a NULL.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow::util::display::FormatOptions::new() };

/// The columns of a batch, or the fields of a list's structs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    fields: &'a ArrowFields,
    columns: &'a [ArrayRef],
}

impl<'a> Fields<'a> {
    pub(super) fn of_batch(batch: &'a RecordBatch) -> Self {
        Self { fields: batch.schema_ref().fields(), columns: batch.columns() }
    }

    pub(super) fn of_struct(array: &'a StructArray) -> Self {
        Self { fields: array.fields(), columns: array.columns() }
    }

    fn find(self, name: &str) -> Option<&'a ArrayRef> {
        self.columns.get(self.fields.find(name)?.0)
    }

    fn cast_to(self, name: &str, to: &DataType) -> Result<Option<ArrayRef>> {
        self.find(name).map(|column| cast_to(name, column, to)).transpose()
    }

    pub(super) fn text(self, name: &str) -> Result<Text> {
        Ok(Text(self.cast_to(name, &DataType::Utf8View)?.map(|column| column.as_string_view().clone())))
    }

    pub(super) fn numbers<T: ArrowPrimitiveType>(self, name: &'static str) -> Result<Numbers<T>> {
        let column = self.cast_to(name, &T::DATA_TYPE)?;
        Ok(Numbers { name, column: column.map(|column| column.as_primitive::<T>().clone()) })
    }

    pub(super) fn booleans(self, name: &str) -> Result<Option<BooleanArray>> {
        Ok(self.cast_to(name, &DataType::Boolean)?.map(|column| column.as_boolean().clone()))
    }

    pub(super) fn time(self, name: &'static str, nanos: &'static str) -> Result<Time> {
        Ok(Time { name, micros: self.numbers(name)?, nanos: self.numbers(nanos)? })
    }

    pub(super) fn map(self, name: &'static str) -> Result<TextMap> {
        let Some(column) = self.find(name) else { return Ok(TextMap { name, entries: None }) };
        let map = column.as_map_opt().ok_or_else(|| wrong_type(name, column, "a map of text to text"))?;
        let text = |column: &ArrayRef| cast_to(name, column, &DataType::Utf8View);
        let entries = MapEntries {
            rows: Rows::new(map.offsets(), map.nulls()),
            keys: text(map.keys())?.as_string_view().clone(),
            values: text(map.values())?.as_string_view().clone(),
        };
        Ok(TextMap { name, entries: Some(entries) })
    }

    /// A list column: where each row's elements are, and the elements of all rows.
    pub(super) fn list(self, name: &str) -> Result<Option<(Rows, ArrayRef)>> {
        let Some(column) = self.find(name) else { return Ok(None) };
        let list = column.as_list_opt::<i32>().ok_or_else(|| wrong_type(name, column, "a list"))?;
        Ok(Some((Rows::new(list.offsets(), list.nulls()), ArrayRef::clone(list.values()))))
    }

    pub(super) fn number_list<T: ArrowPrimitiveType>(self, name: &'static str) -> Result<NumberList<T>> {
        let Some((rows, values)) = self.list(name)? else { return Ok(NumberList(None)) };
        let values = cast_to(name, &values, &T::DATA_TYPE)?.as_primitive::<T>().clone();
        Ok(NumberList(Some((rows, Numbers { name, column: Some(values) }))))
    }

    /// A list of structs; `columns` makes the columns of all its elements.
    pub(super) fn structs<C>(
        self,
        name: &'static str,
        columns: impl FnOnce(Fields<'_>) -> Result<C>,
    ) -> Result<Structs<C>> {
        let Some((rows, values)) = self.list(name)? else { return Ok(Structs(None)) };
        let elements = values.as_struct_opt().ok_or_else(|| wrong_type(name, &values, "structs"))?;
        Ok(Structs(Some((rows, columns(Fields::of_struct(elements))?))))
    }
}

fn cast_to(name: &str, column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    // A time's zone is how it is shown, not what it is.
    let same = column.data_type() == to
        || matches!((column.data_type(), to), (DataType::Timestamp(a, Some(_)), DataType::Timestamp(b, _)) if a == b);
    if same && !matches!(to, DataType::Timestamp(..)) {
        return Ok(ArrayRef::clone(column));
    }
    cast_with_options(column, to, &STRICT).map_err(|error| wrong_type(name, column, &to.to_string()).with_source(error))
}

fn wrong_type(name: &str, column: &ArrayRef, wanted: &str) -> Error {
    Error::invalid(format!(
        "column `{name}` is {} and should be {wanted}; select it as the table has it",
        column.data_type()
    ))
}

/// A text column.
#[derive(Debug)]
pub(super) struct Text(Option<StringViewArray>);

impl Text {
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let column = self.0.as_ref()?;
        column.is_valid(row).then(|| column.value(row))
    }

    /// The text, empty where it is NULL.
    pub(super) fn owned(&self, row: usize) -> String {
        self.get(row).unwrap_or_default().to_owned()
    }

    /// An id of `BYTES` bytes from its hex digits; no bytes where it is NULL.
    pub(super) fn id<const BYTES: usize>(&self, row: usize) -> Checked<Vec<u8>> {
        let Some(text) = self.get(row) else { return Ok(Vec::new()) };
        let digits = text.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let id = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>();
        id.filter(|_| digits.len() == 2 * BYTES && digits.iter().all(u8::is_ascii_hexdigit))
            .ok_or_else(|| format!("an id is `{text}`, not {} hex digits", 2 * BYTES))
    }

    /// The number of an enum's name, or of the digits of one not known here; 0 where it is NULL.
    pub(super) fn enumeration(&self, row: usize, names: &EnumNames) -> Checked<i32> {
        let Some(text) = self.get(row) else { return Ok(0) };
        let known = names.names.iter().position(|name| *name == text).and_then(|at| i32::try_from(at).ok());
        known.or_else(|| text.parse().ok()).ok_or_else(|| format!("`{text}` is none of {}", names.names.join(", ")))
    }
}

/// A column of numbers.
#[derive(Debug)]
pub(super) struct Numbers<T: ArrowPrimitiveType> {
    name: &'static str,
    column: Option<PrimitiveArray<T>>,
}

pub(super) type Longs = Numbers<Int64Type>;
pub(super) type Ints = Numbers<Int32Type>;
pub(super) type Doubles = Numbers<Float64Type>;

impl<T: ArrowPrimitiveType> Numbers<T> {
    pub(super) fn get(&self, row: usize) -> Option<T::Native> {
        let column = self.column.as_ref()?;
        column.is_valid(row).then(|| column.value(row))
    }
}

impl Longs {
    /// A count; 0 where it is NULL.
    pub(super) fn count<N: TryFrom<i64> + Default>(&self, row: usize) -> Checked<N> {
        let Some(value) = self.get(row) else { return Ok(N::default()) };
        N::try_from(value).map_err(|_| format!("`{}` is {value}, which OTLP can't hold there", self.name))
    }
}

/// A time with its nanoseconds.
#[derive(Debug)]
pub(super) struct Time {
    name: &'static str,
    micros: Numbers<TimestampMicrosecondType>,
    nanos: Numbers<Int16Type>,
}

impl Time {
    /// Nanoseconds since 1970; 0, which is unset, where it is NULL.
    pub(super) fn nanos(&self, row: usize) -> Checked<u64> {
        let Some(micros) = self.micros.get(row) else { return Ok(0) };
        let nanos = self.nanos.get(row).unwrap_or(0);
        let whole = u64::try_from(micros).ok().and_then(|micros| micros.checked_mul(1_000));
        let rest = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000);
        whole
            .zip(rest)
            .and_then(|(whole, rest)| whole.checked_add(rest))
            .ok_or_else(|| format!("`{}` is {micros} us and {nanos} ns since 1970, which OTLP can't hold", self.name))
    }

    /// As [`nanos`](Self::nanos), of a record's own time.
    pub(super) fn record_nanos(&self, row: usize) -> Checked<u64> {
        match self.nanos(row)? {
            0 => Err(format!("`{}` is NULL or 0, and OTLP takes no such record", self.name)),
            nanos => Ok(nanos),
        }
    }
}

/// Where each row's elements are.
#[derive(Debug)]
pub(super) struct Rows {
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
}

impl Rows {
    fn new(offsets: &OffsetBuffer<i32>, nulls: Option<&NullBuffer>) -> Self {
        Self { offsets: offsets.clone(), nulls: nulls.cloned() }
    }

    /// The elements of a row, `None` where it is NULL.
    fn range(&self, row: usize) -> Option<std::ops::Range<usize>> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        let (start, end) = (self.offsets.get(row)?, self.offsets.get(row + 1)?);
        Some(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)
    }
}

/// A map of text to text.
#[derive(Debug)]
pub(super) struct TextMap {
    pub(super) name: &'static str,
    entries: Option<MapEntries>,
}

#[derive(Debug)]
struct MapEntries {
    rows: Rows,
    keys: StringViewArray,
    values: StringViewArray,
}

impl TextMap {
    /// Keys and values; a value may be NULL where another program wrote it.
    pub(super) fn entries(&self, row: usize) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> {
        let range = self.entries.as_ref().and_then(|entries| entries.rows.range(row)).unwrap_or(0..0);
        range.map(|at| {
            self.entries.as_ref().map_or(("", None), |entries| {
                (entries.keys.value(at), entries.values.is_valid(at).then(|| entries.values.value(at)))
            })
        })
    }
}

/// A list of numbers.
#[derive(Debug)]
pub(super) struct NumberList<T: ArrowPrimitiveType>(Option<(Rows, Numbers<T>)>);

impl<T: ArrowPrimitiveType> NumberList<T> {
    /// The row's numbers, `None` where the list is NULL.
    fn elements<N>(&self, row: usize, element: impl Fn(&Numbers<T>, usize) -> Checked<N>) -> Checked<Option<Vec<N>>> {
        let Some((rows, numbers)) = &self.0 else { return Ok(None) };
        let Some(range) = rows.range(row) else { return Ok(None) };
        range.map(|at| element(numbers, at)).collect::<Checked<_>>().map(Some)
    }
}

impl NumberList<Float64Type> {
    pub(super) fn doubles(&self, row: usize) -> Checked<Vec<f64>> {
        let present =
            |numbers: &Doubles, at| numbers.get(at).ok_or_else(|| format!("`{}` has a NULL inside", numbers.name));
        Ok(self.elements(row, present)?.unwrap_or_default())
    }
}

impl NumberList<Int64Type> {
    pub(super) fn counts(&self, row: usize) -> Checked<Option<Vec<u64>>> {
        self.elements(row, Longs::count)
    }
}

/// A list of structs with the columns of all its elements.
#[derive(Debug)]
pub(super) struct Structs<C>(Option<(Rows, C)>);

impl<C> Structs<C> {
    /// The row's elements; none where the list is NULL.
    pub(super) fn each<E>(&self, row: usize, element: impl Fn(&C, usize) -> Checked<E>) -> Checked<Vec<E>> {
        let Some((rows, columns)) = &self.0 else { return Ok(Vec::new()) };
        rows.range(row).unwrap_or(0..0).map(|at| element(columns, at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int16Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
    }

    #[test]
    fn times_that_otlp_can_not_hold_are_told() {
        let micros = TimestampMicrosecondArray::from(vec![Some(1), Some(-1), Some(1), None, Some(i64::MAX), Some(0)]);
        let nanos = Int16Array::from(vec![Some(5), Some(0), Some(1_000), None, Some(0), None]);
        let batch = batch(vec![("time", Arc::new(micros.with_timezone("+00:00"))), ("time_nanos", Arc::new(nanos))]);
        let time = Fields::of_batch(&batch).time("time", "time_nanos").unwrap();
        let nanos: Vec<_> = (0..6).map(|row| time.nanos(row).ok()).collect();
        assert_eq!(nanos, [Some(1_005), None, None, Some(0), None, Some(0)]);
        let of_records: Vec<_> = (0..6).map(|row| time.record_nanos(row).ok()).collect();
        assert_eq!(of_records, [Some(1_005), None, None, None, None, None]);
    }

    #[test]
    fn ids_are_hex_of_their_length_or_nothing() {
        let texts = StringArray::from(vec![Some("00ff00ff00ff00ff"), None, Some("00"), Some("+0ff00ff00ff00ff")]);
        let batch = batch(vec![("span_id", Arc::new(texts))]);
        let ids = Fields::of_batch(&batch).text("span_id").unwrap();
        let found: Vec<_> = (0..4).map(|row| ids.id::<8>(row).ok()).collect();
        assert_eq!(found, [Some([0, 255].repeat(4)), Some(Vec::new()), None, None]);
    }

    #[test]
    fn a_column_of_another_type_is_an_error_and_a_missing_one_is_null() {
        let batch = batch(vec![("time", Arc::new(StringArray::from(vec!["not a time"])))]);
        let fields = Fields::of_batch(&batch);
        let error = fields.time("time", "time_nanos").unwrap_err().to_string();
        assert!(error.contains("`time`"), "{error}");
        assert!(fields.map("time").is_err() && fields.number_list::<Int64Type>("time").is_err());
        assert_eq!(fields.text("name").unwrap().get(0), None);
        assert_eq!(fields.map("attributes").unwrap().entries(0).len(), 0);
    }
}
