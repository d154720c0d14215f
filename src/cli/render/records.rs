//! Rows one below the other, a line a column; long text is wrapped, nothing is cut.

use std::fmt::Write as _;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::table::heading;
use super::value::{Breaks, Values};
use super::width::{cut, display_width, push_left, wrap};

/// Columns of the terminal that values get at least.
const LEAST_VALUE: usize = 20;

/// Appends a batch's rows; `before` were shown already.
pub(super) fn push_records(
    out: &mut String,
    batch: &RecordBatch,
    before: usize,
    width: Option<usize>,
) -> Result<(), ArrowError> {
    let schema = batch.schema();
    let names: Vec<String> = schema.fields().iter().map(|field| heading(field.name())).collect();
    let values = batch.columns().iter().map(|column| Values::new(column)).collect::<Result<Vec<_>, _>>()?;
    let widest_name = names.iter().map(|name| display_width(name)).max().unwrap_or(0);
    let name_width = width.map_or(widest_name, |width| widest_name.min(width / 2));
    let value_width = width.map(|width| width.saturating_sub(name_width + 3).max(LEAST_VALUE));
    let rule_width = (name_width + 3 + LEAST_VALUE).min(width.unwrap_or(usize::MAX));
    for row in 0..batch.num_rows() {
        let start = out.len();
        // Writing to a String does not fail.
        _ = write!(out, "-[ {} ]", before + row + 1);
        let written = out.len() - start;
        out.extend(std::iter::repeat_n('-', rule_width.saturating_sub(written)));
        out.push('\n');
        for (name, values) in names.iter().zip(&values) {
            let text = values.text(row, Breaks::Kept)?;
            let lines = value_width.map_or_else(|| text.split('\n').collect(), |width| wrap(&text, width));
            for (nth, line) in lines.iter().enumerate() {
                push_left(out, &cut(if nth == 0 { name } else { "" }, name_width), name_width);
                out.push_str(" |");
                if !line.is_empty() {
                    out.push(' ');
                    out.push_str(line);
                }
                out.push('\n');
            }
        }
    }
    Ok(())
}
