//! Rows as PostgreSQL's clients are shown them: its names for columns, texts for arrays, and no column without a type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;

use super::rewrite::{is_hidden, shown};

/// The columns of an answer.
pub(in super::super) fn shown_schema(schema: &Schema) -> SchemaRef {
    let seen = schema.fields().iter().filter(|field| !is_hidden(field.name()));
    let fields = seen.map(|field| {
        let data_type = match field.data_type() {
            DataType::Null | DataType::Utf8View | DataType::LargeUtf8 | DataType::List(_) => DataType::Utf8,
            other => other.clone(),
        };
        field.as_ref().clone().with_name(shown(field.name())).with_data_type(data_type).with_nullable(true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows of an answer with those columns.
pub(in super::super) fn shown_rows(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let all = rows.schema();
    let seen = all.fields().iter().zip(rows.columns()).filter(|(field, _)| !is_hidden(field.name()));
    let columns = seen.zip(schema.fields()).map(|((_, column), field)| match column.data_type() {
        DataType::List(_) => array_texts(column),
        _ => Ok(cast(column, field.data_type())?),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_>>()?, &options)?)
}

/// Arrays as PostgreSQL writes them: `{a,"b c",NULL}`.
fn array_texts(column: &ArrayRef) -> Result<ArrayRef> {
    let options = FormatOptions::new();
    let lists = column.as_list::<i32>();
    let texts: Result<StringArray> = (0..lists.len())
        .map(|row| {
            if lists.is_null(row) {
                return Ok(None);
            }
            let values = lists.value(row);
            let format = ArrayFormatter::try_new(values.as_ref(), &options)?;
            let elements = (0..values.len()).map(|place| {
                if values.is_null(place) { "NULL".to_owned() } else { element(&format.value(place).to_string()) }
            });
            Ok(Some(format!("{{{}}}", elements.collect::<Vec<_>>().join(","))))
        })
        .collect();
    Ok(Arc::new(texts?))
}

fn element(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|char: char| char.is_whitespace() || matches!(char, '{' | '}' | ',' | '"' | '\\'));
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ListBuilder, StringBuilder};

    #[test]
    fn an_array_is_written_as_postgres_does() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a"), Some("b c"), None, Some("say \"so\""), Some("")]);
        lists.append_null();
        let texts = array_texts(&(Arc::new(lists.finish()) as ArrayRef)).unwrap();
        assert_eq!(texts.as_string::<i32>().value(0), r#"{a,"b c",NULL,"say \"so\"",""}"#);
        assert!(texts.is_null(1));
    }
}
