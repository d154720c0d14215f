//! CSV and TSV, with a header row.
//!
//! NULL and the empty string are both empty cells. Maps, structs and lists are JSON text in their cell. Timestamps
//! are RFC 3339 in UTC, bytes hex, non-finite doubles `NaN`, `inf`, `-inf`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::csv::WriterBuilder;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::json::writer::make_encoder;

use super::json::{UTC, value_options};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Writes rows of cells.
pub(super) struct Delimited {
    delimiter: u8,
    schema: SchemaRef,
    /// The header, until the first rows take it along.
    header: Vec<u8>,
}

impl Delimited {
    pub(super) fn new(delimiter: u8, schema: &SchemaRef) -> Result<Self, Failure> {
        let fields: Vec<Field> = schema.fields().iter().map(|field| flat_field(field)).collect();
        let schema = Arc::new(Schema::new(fields));
        // Made here, so that it comes also where no row does.
        let mut writer = WriterBuilder::new().with_delimiter(delimiter).build(Vec::new());
        writer.write(&RecordBatch::new_empty(Arc::clone(&schema)))?;
        Ok(Self { delimiter, schema, header: writer.into_inner() })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
        let columns =
            batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| flat(field, column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let mut writer = WriterBuilder::new()
            .with_header(false)
            .with_delimiter(self.delimiter)
            .with_timestamp_format(UTC.to_owned())
            .build(std::mem::take(&mut self.header));
        writer.write(&batch)?;
        Ok(writer.into_inner())
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.header
    }
}

fn flat_field(field: &Field) -> Field {
    let data_type = if field.data_type().is_nested() { DataType::Utf8 } else { field.data_type().clone() };
    Field::new(field.name(), data_type, true)
}

/// The column as cells: JSON text for nested values.
fn flat(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef, Failure> {
    if !column.data_type().is_nested() {
        return Ok(Arc::clone(column));
    }
    let options = value_options();
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut cells: Vec<Option<String>> = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        if encoder.is_null(row) {
            cells.push(None);
            continue;
        }
        let mut cell = Vec::new();
        encoder.encode(row, &mut cell);
        cells.push(Some(String::from_utf8(cell)?));
    }
    Ok(Arc::new(StringArray::from(cells)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray};
    use arrow::datatypes::Int64Type;

    #[test]
    fn cells_are_quoted_where_they_must_be_and_nested_ones_are_json() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None]);
        let text = StringArray::from(vec!["a \"b\",\nc", "plain"]);
        let number = Int64Array::from(vec![None, Some(2)]);
        let columns: Vec<(&str, ArrayRef, bool)> =
            vec![("text", Arc::new(text), true), ("list", Arc::new(list), true), ("n", Arc::new(number), true)];
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let mut csv = Delimited::new(b',', batch.schema_ref()).unwrap();
        let mut bytes = csv.write(&batch).unwrap();
        bytes.extend(csv.write(&batch.slice(1, 1)).unwrap());
        bytes.extend(csv.finish());
        let expected = "text,list,n\n\"a \"\"b\"\",\nc\",\"[1,null]\",\nplain,,2\nplain,,2\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn no_rows_leave_the_header() {
        let schema =
            Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]));
        assert_eq!(Delimited::new(b'\t', &schema).unwrap().finish(), b"a\tb\n");
    }
}
