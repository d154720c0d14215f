//! A Markdown table.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::value::{Breaks, Values, is_number};
use crate::error::{Error, Result};

/// Writes a result as it comes. Values are written as in a table, and nothing is cut.
#[derive(Debug)]
pub(in crate::cli) struct Markdown {
    heading: Option<String>,
}

impl Markdown {
    pub(in crate::cli) fn new(schema: &SchemaRef) -> Self {
        let mut heading = "|".to_owned();
        for field in schema.fields() {
            heading.push_str(&format!(" {} |", cell(field.name())));
        }
        heading.push_str("\n|");
        for field in schema.fields() {
            heading.push_str(if is_number(field.data_type()) { " ---: |" } else { " --- |" });
        }
        heading.push('\n');
        Self { heading: Some(heading) }
    }

    /// Takes rows; answers their lines.
    pub(in crate::cli) fn write(&mut self, batch: &RecordBatch) -> Result<String> {
        let mut text = self.heading.take().unwrap_or_default();
        push_lines(&mut text, batch).map_err(|error| Error::internal("the rows can't be shown").with_source(error))?;
        Ok(text)
    }

    /// The heading of a result without rows.
    pub(in crate::cli) fn finish(self) -> String {
        self.heading.unwrap_or_default()
    }
}

fn push_lines(text: &mut String, batch: &RecordBatch) -> Result<(), ArrowError> {
    let columns = batch.columns().iter().map(|column| Values::new(column)).collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        text.push('|');
        for column in &columns {
            text.push_str(&format!(" {} |", cell(&column.text(row, Breaks::Kept)?)));
        }
        text.push('\n');
    }
    Ok(())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', "<br>")
}
