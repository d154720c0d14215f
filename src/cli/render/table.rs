//! A result as a table, or as records where no table fits.
//!
//! Rows are shown a chunk at a time, so that memory is bounded however many there are: a later chunk may be wider than
//! an earlier one, never out of line with itself.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::fit::{Wish, fit};
use super::records::push_records;
use super::value::{Breaks, Values, can_be_cut, is_number};
use super::width::{cut, display_width, push_left, push_right};
use super::{Expanded, Layout};
use crate::error::{Error, Result};

/// Rows of a chunk where a program reads.
const CHUNK_ROWS: usize = 5_000;

/// Rows of a chunk on a terminal: the first lines come soon, and Ctrl-C between two chunks is soon heard.
const TERMINAL_CHUNK_ROWS: usize = 500;

/// Bytes of a chunk's batches.
const CHUNK_BYTES: usize = 16 << 20;

/// Columns of the terminal below which text tells nothing.
const LEAST_TEXT: usize = 10;

/// Columns of the terminal below which a heading tells nothing.
const LEAST_HEADING: usize = 8;

/// Writes a result, a chunk at a time.
#[derive(Debug)]
pub(in crate::cli) struct Table {
    schema: SchemaRef,
    layout: Layout,
    form: Option<Form>,
    /// Of the chunks shown: what later ones keep.
    wishes: Vec<Wish>,
    widths: Vec<usize>,
    chunk: Vec<RecordBatch>,
    chunk_rows: usize,
    chunk_bytes: usize,
    records: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    Records,
}

impl Table {
    pub(in crate::cli) fn new(schema: &SchemaRef, layout: Layout) -> Self {
        let wishes = schema.fields().iter().map(|field| {
            let whole = display_width(&heading(field.name()));
            Wish { whole, least: whole.min(LEAST_HEADING) }
        });
        Self {
            wishes: wishes.collect(),
            schema: Arc::clone(schema),
            layout,
            form: None,
            widths: Vec::new(),
            chunk: Vec::new(),
            chunk_rows: 0,
            chunk_bytes: 0,
            records: 0,
        }
    }

    /// Takes rows; answers the text that is ready, which may be none.
    pub(in crate::cli) fn write(&mut self, batch: RecordBatch) -> Result<String> {
        let mut out = String::new();
        let mut rest = batch;
        while rest.num_rows() > 0 {
            let rows = rest.num_rows().min(self.chunk_limit() - self.chunk_rows);
            let part = rest.slice(0, rows);
            rest = rest.slice(rows, rest.num_rows() - rows);
            self.chunk_rows += rows;
            // Of slices it is the whole that is counted: chunks are then smaller than they might be.
            self.chunk_bytes += part.get_array_memory_size();
            self.chunk.push(part);
            if self.chunk_rows == self.chunk_limit() || self.chunk_bytes >= CHUNK_BYTES {
                self.show_chunk(&mut out)?;
            }
        }
        Ok(out)
    }

    /// The last text.
    pub(in crate::cli) fn finish(mut self) -> Result<String> {
        let mut out = String::new();
        if !self.chunk.is_empty() || self.form.is_none() {
            self.show_chunk(&mut out)?;
        }
        if self.form == Some(Form::Table) {
            self.push_border(&mut out);
        }
        Ok(out)
    }

    const fn chunk_limit(&self) -> usize {
        if self.layout.width.is_some() { TERMINAL_CHUNK_ROWS } else { CHUNK_ROWS }
    }

    fn show_chunk(&mut self, out: &mut String) -> Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        (self.chunk_rows, self.chunk_bytes) = (0, 0);
        let failed = |error| Error::internal("the rows can't be shown").with_source(error);
        if self.layout.expanded == Expanded::On || self.form == Some(Form::Records) {
            return self.show_records(&chunk, out).map_err(failed);
        }
        let columns = self.cells(&chunk).map_err(failed)?;
        self.widen(&columns);
        let frame = 3 * self.wishes.len() + 1;
        let whole = || self.wishes.iter().map(|wish| wish.whole).collect();
        let fitting = match self.layout.width {
            None => Some(whole()),
            Some(width) => width.checked_sub(frame).and_then(|room| fit(&self.wishes, room)),
        };
        let first = self.form.is_none();
        self.widths = match fitting {
            Some(widths) => widths,
            None if first && self.layout.expanded == Expanded::Auto => {
                return self.show_records(&chunk, out).map_err(failed);
            }
            // Asked for whatever its width: a pager scrolls sideways.
            None => whole(),
        };
        self.form = Some(Form::Table);
        if first {
            self.push_border(out);
            let names: Vec<String> = self.schema.fields().iter().map(|field| heading(field.name())).collect();
            self.push_line(out, names.iter().map(String::as_str));
            self.push_border(out);
        }
        for row in 0..columns.first().map_or(0, Vec::len) {
            self.push_line(out, columns.iter().map(|column| column.get(row).map_or("", String::as_str)));
        }
        Ok(())
    }

    fn show_records(&mut self, chunk: &[RecordBatch], out: &mut String) -> Result<(), ArrowError> {
        self.form = Some(Form::Records);
        for batch in chunk {
            push_records(out, batch, self.records, self.layout.width)?;
            self.records += batch.num_rows();
        }
        Ok(())
    }

    /// The text of every cell, column by column.
    fn cells(&self, chunk: &[RecordBatch]) -> Result<Vec<Vec<String>>, ArrowError> {
        (0..self.schema.fields().len())
            .map(|column| {
                let mut cells = Vec::new();
                for batch in chunk {
                    let values = Values::new(batch.column(column))?;
                    for row in 0..batch.num_rows() {
                        cells.push(values.text(row, Breaks::Escaped)?);
                    }
                }
                Ok(cells)
            })
            .collect()
    }

    fn widen(&mut self, columns: &[Vec<String>]) {
        for ((wish, cells), field) in self.wishes.iter_mut().zip(columns).zip(self.schema.fields()) {
            let widest = cells.iter().map(|cell| display_width(cell)).max().unwrap_or(0);
            let least = if can_be_cut(field.data_type()) { widest.min(LEAST_TEXT) } else { widest };
            *wish = Wish { whole: wish.whole.max(widest), least: wish.least.max(least) };
        }
    }

    fn push_border(&self, out: &mut String) {
        for width in &self.widths {
            out.push('+');
            out.extend(std::iter::repeat_n('-', width + 2));
        }
        out.push_str("+\n");
    }

    fn push_line<'a>(&self, out: &mut String, cells: impl Iterator<Item = &'a str>) {
        for ((cell, width), field) in cells.zip(&self.widths).zip(self.schema.fields()) {
            out.push_str("| ");
            let cell = cut(cell, *width);
            if is_number(field.data_type()) {
                push_right(out, &cell, *width);
            } else {
                push_left(out, &cell, *width);
            }
            out.push(' ');
        }
        out.push_str("|\n");
    }
}

/// A column's name without what would break the line.
pub(super) fn heading(name: &str) -> String {
    name.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A whole result, with its number of rows below.
pub(in crate::cli) fn table(schema: &SchemaRef, batches: &[RecordBatch], layout: Layout) -> Result<String> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut table = Table::new(schema, layout);
    let mut text = String::new();
    for batch in batches {
        text.push_str(&table.write(batch.clone())?);
    }
    text.push_str(&table.finish()?);
    text.push_str(&rows_line(rows));
    text.push('\n');
    Ok(text)
}

/// `1 row`, `2 rows`.
pub(in crate::cli) fn rows_line(rows: usize) -> String {
    format!("{rows} {}", if rows == 1 { "row" } else { "rows" })
}

#[cfg(test)]
mod tests;
