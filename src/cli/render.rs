//! Rows for people: a table, or Markdown.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches_with_options;

use crate::error::{Error, Result};

/// How values are written: NULL is told from empty text, times are RFC 3339 in UTC.
fn options() -> FormatOptions<'static> {
    FormatOptions::default().with_null("NULL").with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.6fZ"))
}

/// A table with its number of rows below.
pub(super) fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let empty = [RecordBatch::new_empty(std::sync::Arc::clone(schema))];
    let batches = if batches.is_empty() { &empty } else { batches };
    let text = pretty_format_batches_with_options(batches, &options())
        .map_err(|error| Error::internal("the rows can't be shown").with_source(error))?;
    Ok(format!("{text}\n{rows} {}\n", if rows == 1 { "row" } else { "rows" }))
}

/// A Markdown table.
pub(super) fn markdown(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    let failed = |error| Error::internal("the rows can't be shown").with_source(error);
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut text = format!("| {} |\n|{}\n", names.join(" | "), " --- |".repeat(names.len()));
    let options = options();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| column.value(row).to_string().replace('|', "\\|").replace('\n', "<br>"))
                .collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    Ok(text)
}
