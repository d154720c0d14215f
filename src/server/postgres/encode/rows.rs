//! Rows as DataRow messages.

use arrow::array::ArrayRef;

use super::super::types::{Format, Formats};
use super::cells::Cells;
use crate::error::{Error, Result};

/// Appends the rows from `from` on as messages, until there are `max_rows` of them or `max_bytes` of bytes, and answers
/// the first row that is not among them.
///
/// # Errors
/// `Invalid` for a value that the protocol can't say.
pub(in super::super) fn encode_rows(
    columns: &[ArrayRef],
    formats: &Formats,
    rows: std::ops::Range<usize>,
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<usize> {
    let mut cells = Cells::of_columns(columns)?;
    let count = u16::try_from(cells.len()).map_err(|_| Error::invalid("the result has more than 65535 columns"))?;
    let end = rows.end;
    for row in rows {
        if out.len() >= max_bytes {
            return Ok(row);
        }
        put_whole(out, b'D', |out| {
            out.extend_from_slice(&count.to_be_bytes());
            for (index, cell) in cells.iter_mut().enumerate() {
                put_value(cell, row, formats.of(index), out)?;
            }
            Ok(())
        })?;
    }
    Ok(end)
}

/// Appends a message of a kind, whose body `write` appends: all of it, or nothing where that fails, so that an error
/// may be told behind it.
pub(in super::super) fn put_whole(
    out: &mut Vec<u8>,
    kind: u8,
    write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let begin = out.len();
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    write(out).and_then(|()| put_length(out, begin + 1)).inspect_err(|_| out.truncate(begin))
}

/// Appends a value behind its length; NULL is a length of -1.
pub(in super::super) fn put_value(cell: &mut Cells<'_>, row: usize, format: Format, out: &mut Vec<u8>) -> Result<()> {
    if cell.is_null(row) {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return Ok(());
    }
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    match format {
        Format::Text => cell.write_text(row, out),
        Format::Binary => cell.write_binary(row, out)?,
    }
    let length = length_of(out.len() - begin - 4)?;
    fill_in(out, begin, length);
    Ok(())
}

/// Fills in a message's length, which counts itself, at the place that was left for it.
fn put_length(out: &mut [u8], place: usize) -> Result<()> {
    let length = length_of(out.len() - place)?;
    fill_in(out, place, length);
    Ok(())
}

fn length_of(bytes: usize) -> Result<i32> {
    i32::try_from(bytes).map_err(|_| Error::invalid("a row has more than 2 GiB; ask for fewer columns"))
}

fn fill_in(out: &mut [u8], place: usize, length: i32) {
    if let Some(four) = out.get_mut(place..place + 4) {
        four.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Date32Array;

    use super::*;

    #[test]
    fn of_a_row_with_a_value_that_cannot_be_said_nothing_is_appended() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![0, i32::MIN]));
        let formats = Formats::from_codes(&[1]).unwrap();
        let mut out = Vec::new();
        encode_rows(&[Arc::clone(&days)], &formats, 0..1, usize::MAX, &mut out).unwrap();
        let whole = out.clone();
        out.clear();
        assert!(encode_rows(&[days], &formats, 0..2, usize::MAX, &mut out).is_err());
        assert_eq!(out, whole);
    }
}
