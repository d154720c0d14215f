//! `COPY ... TO STDOUT`: text, CSV and binary, as PostgreSQL's own (its manual, "COPY", "File Formats").
//!
//! Each row is a message of its own, which clients rely on.

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::encode::{Cells, put_value, put_whole};
use super::errors::Refusal;
use super::split::Piece;
use super::types::Format;
use crate::error::{Error, Result};

/// What a binary copy begins with: its signature, flags, and the length of an extension, both zero.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// How rows are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CopyForm {
    Text { delimiter: u8, null: String, header: bool },
    Csv { delimiter: u8, null: String, header: bool, quote: u8, escape: u8, force: Force },
    Binary,
}

/// The columns whose values are quoted whether or not they must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Force {
    None,
    All,
    Columns(Vec<String>),
}

/// The options of a COPY, from a word on: `WITH (FORMAT csv, ...)`, `WITH CSV HEADER ...`.
///
/// # Errors
/// 42601 and 22023 for what is no option or no value of one.
pub(super) fn copy_form(piece: &Piece, first: usize) -> Result<CopyForm, Refusal> {
    let mut options = Options { piece, at: first };
    options.read()?.form()
}

#[derive(Debug, Default)]
struct Given {
    format: Option<String>,
    delimiter: Option<u8>,
    null: Option<String>,
    header: bool,
    quote: Option<u8>,
    escape: Option<u8>,
    force: Option<Force>,
}

impl Given {
    fn form(self) -> Result<CopyForm, Refusal> {
        let (header, null) = (self.header, self.null);
        let only_csv = || Refusal::new("0A000", "QUOTE, ESCAPE and FORCE_QUOTE are for FORMAT csv");
        match self.format.as_deref().unwrap_or("text") {
            "csv" => {
                let quote = self.quote.unwrap_or(b'"');
                let delimiter = self.delimiter.unwrap_or(b',');
                if delimiter == quote {
                    return Err(Refusal::new("22023", "the delimiter and the quote are the same"));
                }
                Ok(CopyForm::Csv {
                    delimiter,
                    null: null.unwrap_or_default(),
                    header,
                    quote,
                    escape: self.escape.unwrap_or(quote),
                    force: self.force.unwrap_or(Force::None),
                })
            }
            _ if self.quote.is_some() || self.escape.is_some() || self.force.is_some() => Err(only_csv()),
            "text" => {
                let null = null.unwrap_or_else(|| "\\N".to_owned());
                Ok(CopyForm::Text { delimiter: self.delimiter.unwrap_or(b'\t'), null, header })
            }
            "binary" if header || null.is_some() || self.delimiter.is_some() => {
                Err(Refusal::new("0A000", "FORMAT binary takes no DELIMITER, NULL or HEADER"))
            }
            "binary" => Ok(CopyForm::Binary),
            other => {
                Err(Refusal::new("22023", format!("there is no COPY format {other}; there are text, csv, binary")))
            }
        }
    }
}

/// Reads options, which are written with parentheses and commas or, as before PostgreSQL 9.0, without.
struct Options<'a> {
    piece: &'a Piece,
    at: usize,
}

impl Options<'_> {
    fn read(&mut self) -> Result<Given, Refusal> {
        let mut given = Given::default();
        self.take("with");
        self.take_sign(&Token::LParen);
        while self.at < self.piece.words.len() {
            if self.take_sign(&Token::Comma) || self.take_sign(&Token::RParen) {
                continue;
            }
            let option = self.word().ok_or_else(|| self.unexpected("an option"))?;
            match option.as_str() {
                "format" => given.format = Some(self.text()?.to_ascii_lowercase()),
                "csv" | "binary" => given.format = Some(option),
                "delimiter" | "delimiters" => given.delimiter = Some(self.character()?),
                "null" => given.null = Some(self.text()?),
                "quote" => given.quote = Some(self.character()?),
                "escape" => given.escape = Some(self.character()?),
                "header" => given.header = self.switch(),
                "encoding" => self.encoding()?,
                "force_quote" => given.force = Some(self.columns()?),
                "force" if self.take("quote") => given.force = Some(self.columns()?),
                other => return Err(Refusal::syntax(format!("COPY TO has no option {}", other.to_uppercase()))),
            }
        }
        Ok(given)
    }

    fn word(&mut self) -> Option<String> {
        let word = self.piece.keyword(self.at)?;
        self.at += 1;
        Some(word)
    }

    fn take(&mut self, keyword: &str) -> bool {
        let found = self.piece.keyword(self.at).as_deref() == Some(keyword);
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &Token) -> bool {
        let found = self.piece.words.get(self.at).is_some_and(|word| word.token == *sign);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, wanted: &str) -> Refusal {
        let found = self.piece.words.get(self.at).map_or_else(|| "its end".to_owned(), |word| word.token.to_string());
        Refusal::syntax(format!("COPY has {found} where it needs {wanted}"))
    }

    fn text(&mut self) -> Result<String, Refusal> {
        self.take("as");
        let text = match self.piece.words.get(self.at).map(|word| &word.token) {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) => text.clone(),
            Some(Token::Word(word)) => word.value.clone(),
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok(text)
    }

    fn character(&mut self) -> Result<u8, Refusal> {
        let text = self.text()?;
        match text.as_bytes() {
            [b'\\', b't'] => Ok(b'\t'),
            [one] if one.is_ascii() && !matches!(one, b'\n' | b'\r' | b'\0' | b'\\') => Ok(*one),
            _ => Err(Refusal::new("22023", format!("`{text}` is no single ASCII character"))),
        }
    }

    fn switch(&mut self) -> bool {
        if self.take("false") || self.take("off") {
            return false;
        }
        let _ = self.take("true") || self.take("on");
        true
    }

    fn encoding(&mut self) -> Result<(), Refusal> {
        let encoding = self.text()?;
        if matches!(encoding.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode") {
            return Ok(());
        }
        Err(Refusal::new("22023", format!("rows are copied as UTF8 only, not {encoding}")))
    }

    fn columns(&mut self) -> Result<Force, Refusal> {
        if self.take_sign(&Token::Mul) {
            return Ok(Force::All);
        }
        let parentheses = self.take_sign(&Token::LParen);
        if parentheses && self.take_sign(&Token::Mul) {
            self.take_sign(&Token::RParen);
            return Ok(Force::All);
        }
        let mut columns = vec![self.text()?];
        while self.take_sign(&Token::Comma) {
            columns.push(self.text()?);
        }
        if parentheses && !self.take_sign(&Token::RParen) {
            return Err(self.unexpected(")"));
        }
        Ok(Force::Columns(columns))
    }
}

impl CopyForm {
    /// How the client is told that values are written.
    pub(super) const fn format(&self) -> Format {
        match self {
            Self::Binary => Format::Binary,
            Self::Text { .. } | Self::Csv { .. } => Format::Text,
        }
    }
}

/// Writes rows as CopyData messages.
pub(super) struct CopyWriter {
    form: CopyForm,
    /// Whether values of each column are always quoted.
    forced: Vec<bool>,
    names: Vec<String>,
    /// Whether the first message is still to come.
    fresh: bool,
    cell: Vec<u8>,
}

impl CopyWriter {
    /// # Errors
    /// `Invalid` for a forced column that is not there.
    pub(super) fn new(form: CopyForm, schema: &Schema) -> Result<Self> {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let forced = match &form {
            CopyForm::Csv { force: Force::All, .. } => vec![true; names.len()],
            CopyForm::Csv { force: Force::Columns(columns), .. } => {
                if let Some(missing) = columns.iter().find(|column| !names.contains(column)) {
                    return Err(Error::invalid(format!("there is no column {missing} to quote")));
                }
                names.iter().map(|name| columns.contains(name)).collect()
            }
            _ => vec![false; names.len()],
        };
        Ok(Self { form, forced, names, fresh: true, cell: Vec::new() })
    }

    /// The header row, where there is one.
    pub(super) fn header(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let header = matches!(&self.form, CopyForm::Text { header: true, .. } | CopyForm::Csv { header: true, .. });
        if !header {
            return Ok(());
        }
        let names = std::mem::take(&mut self.names);
        put_whole(out, b'd', |out| {
            for (index, name) in names.iter().enumerate() {
                self.cell.clear();
                self.cell.extend_from_slice(name.as_bytes());
                self.put_cell(index, false, out);
            }
            out.push(b'\n');
            Ok(())
        })
    }

    /// As [`encode_rows`](super::encode::encode_rows).
    pub(super) fn encode_rows(
        &mut self,
        columns: &[ArrayRef],
        rows: std::ops::Range<usize>,
        max_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize> {
        let mut cells = Cells::of_columns(columns)?;
        let end = rows.end;
        for row in rows {
            if out.len() >= max_bytes {
                return Ok(row);
            }
            put_whole(out, b'd', |out| self.put_row(&mut cells, row, out))?;
        }
        Ok(end)
    }

    fn put_row(&mut self, cells: &mut [Cells<'_>], row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.form == CopyForm::Binary {
            self.begin_binary(out);
            let count = i16::try_from(cells.len()).map_err(|_| Error::invalid("too many columns for COPY"))?;
            out.extend_from_slice(&count.to_be_bytes());
            for cell in cells {
                put_value(cell, row, Format::Binary, out)?;
            }
        } else {
            for (index, cell) in cells.iter_mut().enumerate() {
                self.cell.clear();
                let null = cell.is_null(row);
                if !null {
                    cell.write_text(row, &mut self.cell);
                }
                self.put_cell(index, null, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }

    /// What follows the last row.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.form != CopyForm::Binary {
            return Ok(());
        }
        put_whole(out, b'd', |out| {
            self.begin_binary(out);
            out.extend_from_slice(&(-1_i16).to_be_bytes());
            Ok(())
        })
    }

    /// The first message begins with the signature.
    fn begin_binary(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.fresh) {
            out.extend_from_slice(SIGNATURE);
        }
    }

    fn put_cell(&self, index: usize, null: bool, out: &mut Vec<u8>) {
        match &self.form {
            CopyForm::Text { delimiter, null: shown, .. } => {
                if index > 0 {
                    out.push(*delimiter);
                }
                if null {
                    out.extend_from_slice(shown.as_bytes());
                } else {
                    escape_text(&self.cell, *delimiter, out);
                }
            }
            CopyForm::Csv { delimiter, null: shown, quote, escape, .. } => {
                if index > 0 {
                    out.push(*delimiter);
                }
                let forced = self.forced.get(index).copied().unwrap_or(false);
                let special = |byte: &u8| *byte == *delimiter || *byte == *quote || matches!(byte, b'\n' | b'\r');
                // A lone `\.` would end the data for some readers.
                let ends = self.forced.len() == 1 && self.cell == b"\\.";
                if null {
                    out.extend_from_slice(shown.as_bytes());
                } else if forced || ends || self.cell == shown.as_bytes() || self.cell.iter().any(special) {
                    out.push(*quote);
                    for byte in &self.cell {
                        if *byte == *quote || *byte == *escape {
                            out.push(*escape);
                        }
                        out.push(*byte);
                    }
                    out.push(*quote);
                } else {
                    out.extend_from_slice(&self.cell);
                }
            }
            CopyForm::Binary => {}
        }
    }
}

fn escape_text(cell: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    for byte in cell {
        let escaped = match byte {
            b'\\' => b'\\',
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            other if *other == delimiter => delimiter,
            other => {
                out.push(*other);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escaped]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, Int32Array, RecordBatch, StringArray};

    use super::super::split::pieces;
    use super::*;

    fn form(options: &str) -> Result<CopyForm, Refusal> {
        let piece = pieces(&format!("x {options}")).pop().unwrap();
        copy_form(&piece, 1)
    }

    fn copied(options: &str) -> Vec<String> {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a,\"b\"\n\t\\"), None, Some(""), Some("plain")]));
        let number: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(4)]));
        let batch = RecordBatch::try_from_iter([("text", Arc::clone(&text)), ("n", Arc::clone(&number))]).unwrap();
        let mut writer = CopyWriter::new(form(options).unwrap(), batch.schema_ref()).unwrap();
        let mut out = Vec::new();
        writer.header(&mut out).unwrap();
        writer.encode_rows(&[text, number], 0..4, usize::MAX, &mut out).unwrap();
        writer.finish(&mut out).unwrap();
        let mut rows = Vec::new();
        let mut rest = &out[..];
        while let [b'd', a, b, c, d, behind @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
            rows.push(String::from_utf8_lossy(&behind[..length]).into_owned());
            rest = &behind[length..];
        }
        assert!(rest.is_empty());
        rows
    }

    #[test]
    fn rows_are_as_postgresql_copies_them() {
        assert_eq!(copied(""), ["a,\"b\"\\n\\t\\\\\t1\n", "\\N\t2\n", "\t\\N\n", "plain\t4\n"]);
        assert_eq!(
            copied("(FORMAT csv, HEADER)"),
            ["text,n\n", "\"a,\"\"b\"\"\n\t\\\",1\n", ",2\n", "\"\",\n", "plain,4\n"]
        );
        assert_eq!(
            copied("WITH CSV HEADER DELIMITER ';' NULL AS '-' FORCE QUOTE text")[1..],
            ["\"a,\"\"b\"\"\n\t\\\";1\n", "-;2\n", "\"\";-\n", "\"plain\";4\n"]
        );
        let binary = copied("(FORMAT \"binary\")");
        assert!(binary[0].starts_with("PGCOPY\n") && binary.len() == 5, "{binary:?}");
    }

    #[test]
    fn of_a_row_with_a_value_that_cannot_be_said_nothing_is_copied() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![0, i32::MIN]));
        let batch = RecordBatch::try_from_iter([("day", Arc::clone(&days))]).unwrap();
        let copied = |rows| {
            let mut writer = CopyWriter::new(CopyForm::Binary, batch.schema_ref()).unwrap();
            let mut out = Vec::new();
            let done = writer.encode_rows(&[Arc::clone(&days)], rows, usize::MAX, &mut out);
            (done.is_ok(), out)
        };
        let (whole, broken) = (copied(0..1), copied(0..2));
        assert!(whole.0 && !broken.0);
        assert_eq!(whole.1, broken.1);
    }

    #[rstest::rstest]
    #[case("(FORMAT parquet)")]
    #[case("(DELIMITER 'ab')")]
    #[case("(FORMAT text, QUOTE '\"')")]
    #[case("(FORMAT binary, HEADER)")]
    #[case("(FREEZE)")]
    #[case("(ENCODING 'LATIN1')")]
    fn other_options_are_refused(#[case] options: &str) {
        assert!(form(options).is_err());
    }
}
