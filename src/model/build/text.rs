//! Text columns: views for a table's columns, offsets for text nested in maps and structs.
//!
//! Guarantee: every byte in a column came from a `&str` and every view and offset cuts it at the ends of one, so the
//! finished arrays are valid UTF-8 without being checked again.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullBufferBuilder, StringArray, StringViewArray, make_view};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};

/// Each byte as two lower-case hex digits.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xF]];
        byte += 1;
    }
    table
};

/// A table's text column, `Utf8View` in memory. A value that many rows share is stored once.
#[derive(Debug)]
pub(crate) struct TextColumn {
    views: Vec<u128>,
    /// Every value too long to be inlined in its view, one after the other.
    text: Vec<u8>,
    nulls: NullBufferBuilder,
    /// The last value given to `push_repeating`, with its view.
    last: Option<(String, u128)>,
}

impl TextColumn {
    pub(crate) fn new() -> Self {
        Self { views: Vec::new(), text: Vec::new(), nulls: NullBufferBuilder::new(0), last: None }
    }

    /// Appends a row. Empty text is NULL: OTLP can't tell it from absent.
    pub(crate) fn push(&mut self, text: &str) {
        if text.is_empty() { self.push_null() } else { self.push_text(text) }
    }

    /// Appends a row with exactly this text, which may be empty.
    pub(crate) fn push_text(&mut self, text: &str) {
        let view = self.store(text.as_bytes());
        self.views.push(view);
        self.nulls.append_non_null();
    }

    /// Appends a NULL.
    pub(crate) fn push_null(&mut self) {
        self.views.push(0);
        self.nulls.append_null();
    }

    /// Appends a row that is likely to equal the one before: it is then not stored again.
    pub(crate) fn push_repeating(&mut self, text: &str) {
        let view = match &self.last {
            Some((last, view)) if last == text => *view,
            _ => {
                let view = self.store(text.as_bytes());
                let (last, last_view) = self.last.get_or_insert_default();
                last.clear();
                last.push_str(text);
                *last_view = view;
                view
            }
        };
        self.views.push(view);
        self.nulls.append_non_null();
    }

    /// Appends an id as lower-case hex, NULL where there is none.
    pub(crate) fn push_hex(&mut self, id: Option<&[u8]>) {
        let Some(id) = id else { return self.push_null() };
        let start = self.text.len();
        push_hex(&mut self.text, id);
        let digits = &self.text[start..];
        let view = make_view(digits, 0, offset(start));
        self.views.push(view);
        self.nulls.append_non_null();
    }

    /// Appends the same text to many rows. Empty text is NULL.
    pub(crate) fn fill(&mut self, text: &str, rows: usize) {
        if rows == 0 {
            return;
        }
        let view = if text.is_empty() {
            self.nulls.append_n_nulls(rows);
            0
        } else {
            self.nulls.append_n_non_nulls(rows);
            self.store(text.as_bytes())
        };
        self.views.resize(self.views.len() + rows, view);
    }

    pub(crate) fn finish(mut self) -> ArrayRef {
        let views = ScalarBuffer::from(self.views);
        let blocks: Arc<[Buffer]> = if self.text.is_empty() { [].into() } else { [Buffer::from_vec(self.text)].into() };
        // SAFETY: each view was made by `make_view` from text at its place in the one block, which only grows;
        // a NULL's view is the empty one. There is a NULL bit for each view.
        Arc::new(unsafe { StringViewArray::new_unchecked(views, blocks, self.nulls.finish()) })
    }

    fn store(&mut self, text: &[u8]) -> u128 {
        let start = self.text.len();
        if text.len() > INLINE_BYTES {
            self.text.extend_from_slice(text);
        }
        make_view(text, 0, offset(start))
    }
}

/// A view holds text up to this length itself.
const INLINE_BYTES: usize = 12;

/// Text in a map or struct, `Utf8`.
#[derive(Debug)]
pub(crate) struct NestedText {
    offsets: Vec<i32>,
    text: Vec<u8>,
    nulls: NullBufferBuilder,
}

impl NestedText {
    pub(crate) fn new() -> Self {
        Self { offsets: vec![0], text: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }

    /// Appends text. Empty text is NULL: OTLP can't tell it from absent.
    pub(crate) fn push(&mut self, text: &str) {
        if text.is_empty() { self.push_null() } else { self.push_text(text) }
    }

    /// Appends exactly this text, which may be empty.
    pub(crate) fn push_text(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
        self.close(true);
    }

    pub(crate) fn push_null(&mut self) {
        self.close(false);
    }

    /// Appends an id as lower-case hex, NULL where there is none.
    pub(crate) fn push_hex(&mut self, id: Option<&[u8]>) {
        if let Some(id) = id {
            push_hex(&mut self.text, id);
        }
        self.close(id.is_some());
    }

    /// Makes room for `times` as much as `other` has.
    pub(crate) fn reserve(&mut self, other: &Self, times: usize) {
        self.text.reserve(other.text.len() * times);
        self.offsets.reserve(other.len() * times);
    }

    /// Appends every value of `other`, none of which is NULL.
    pub(crate) fn extend(&mut self, other: &Self) {
        let base = signed_offset(self.text.len());
        self.text.extend_from_slice(&other.text);
        signed_offset(self.text.len());
        self.offsets.extend(other.offsets.iter().skip(1).map(|end| base + end));
        self.nulls.append_n_non_nulls(other.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The bytes of all values together.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn finish(mut self) -> StringArray {
        // SAFETY: the first offset is 0, each later one is the length of `text` after one more value, which
        // `signed_offset` has checked to be in range, so they never fall.
        let offsets = unsafe { OffsetBuffer::new_unchecked(ScalarBuffer::from(self.offsets)) };
        // SAFETY: the offsets cut `text` at the ends of the `&str`s and hex digits it was made of.
        unsafe { StringArray::new_unchecked(offsets, Buffer::from_vec(self.text), self.nulls.finish()) }
    }

    fn close(&mut self, present: bool) {
        self.offsets.push(signed_offset(self.text.len()));
        self.nulls.append(present);
    }
}

fn push_hex(out: &mut Vec<u8>, id: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * id.len(), 0);
    for (digits, byte) in out[start..].as_chunks_mut().0.iter_mut().zip(id) {
        *digits = HEX[usize::from(*byte)];
    }
}

/// A place in a block of text.
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a batch's text stays below 2 GiB, which whoever fills it has checked")
}

fn signed_offset(at: usize) -> i32 {
    i32::try_from(at).expect("a batch's text stays below 2 GiB, which whoever fills it has checked")
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, AsArray as _};

    use super::*;

    #[test]
    fn a_column_mixes_inline_long_null_and_repeated_text() {
        let long = "longer than a view can hold";
        let mut column = TextColumn::new();
        column.push("short");
        column.push(long);
        column.push("");
        column.push_text("");
        column.push_hex(Some(&[0x0f, 0xa0, 1, 2, 3, 4, 5, 6]));
        column.push_hex(None);
        column.fill(long, 2);
        column.fill("", 1);
        column.push_repeating(long);
        column.push_repeating(long);
        let array = column.finish();
        array.to_data().validate_full().expect("the array is valid");
        let values: Vec<_> = array.as_string_view().iter().collect();
        let expected = [
            Some("short"),
            Some(long),
            None,
            Some(""),
            Some("0fa0010203040506"),
            None,
            Some(long),
            Some(long),
            None,
            Some(long),
            Some(long),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn nested_text_takes_over_another_whole() {
        let mut other = NestedText::new();
        other.push_text("b");
        other.push_text("");
        let mut text = NestedText::new();
        text.push_text("a");
        text.extend(&other);
        text.push("");
        let array = text.finish();
        array.to_data().validate_full().expect("the array is valid");
        assert_eq!(array.iter().collect::<Vec<_>>(), [Some("a"), Some("b"), Some(""), None]);
    }
}
