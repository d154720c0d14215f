//! What makes two errors the same: their texts without what varies, and a hash of that.
//!
//! ```text
//! connect to 10.0.0.7:5432 failed after 30 s  --> connect to <num>:<num> failed after <num> s
//! no user 'ann' in 7b1f...-...                --> no user <str> in <uuid>
//! ```
//! Guarantee: both functions are fixed, since fingerprints are kept in dashboards and tickets; the tests here hold their
//! values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use xxhash_rust::xxh3::xxh3_64;

/// Hexadecimal digits that a word of nothing else needs to pass for an id, at least one of them a digit.
const SHORTEST_ID: usize = 8;

/// Where a UUID has its hyphens.
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_LENGTH: usize = 36;

/// `message_pattern(text)`: a message with `<str>`, `<uuid>`, `<hex>` and `<num>` for what varies; NULL for NULL.
///
/// A quotation is `"..."` or `'...'` on one line, an apostrophe within a word begins none. An id is `0x..`, or a word of
/// 8 and more hexadecimal digits, one of them at least a decimal one. A number is digits with dots and commas between,
/// also within a word.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct MessagePattern {
    signature: Signature,
}

impl Default for MessagePattern {
    fn default() -> Self {
        Self { signature: Signature::string(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for MessagePattern {
    fn name(&self) -> &'static str {
        "message_pattern"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = texts(&args)?;
        let Some(column) = columns.first() else { return plan_err!("message_pattern takes a text") };
        let mut builder = StringViewBuilder::with_capacity(args.number_rows);
        let mut pattern = String::new();
        for text in column.as_string_view() {
            match text {
                Some(text) => {
                    pattern.clear();
                    push_pattern(text, &mut pattern);
                    builder.append_value(&pattern);
                }
                None => builder.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(builder.finish())))
    }
}

/// `fingerprint(text, ...)`: 16 hexadecimal digits that are the same for the same texts, NULL being a text of its own.
///
/// XXH3 of each text's length in bytes as eight bytes, little end first, and its UTF-8; for NULL of eight bytes 0xff.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint {
    signature: Signature,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Fingerprint {
    fn name(&self) -> &'static str {
        "fingerprint"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args
            .iter()
            .find(|arg| !matches!(arg, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null))
        {
            None => Ok(DataType::Utf8View),
            Some(other) => plan_err!("fingerprint takes texts, not {other}; write CAST(... AS VARCHAR)"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = texts(&args)?;
        let mut builder = StringViewBuilder::with_capacity(args.number_rows);
        let mut bytes = Vec::new();
        for row in 0..args.number_rows {
            bytes.clear();
            for column in &columns {
                if column.is_null(row) {
                    bytes.extend([0xff; 8]);
                } else {
                    let text = column.as_string_view().value(row);
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
            builder.append_value(format!("{:016x}", xxh3_64(&bytes)));
        }
        Ok(ColumnarValue::Array(Arc::new(builder.finish())))
    }
}

fn texts(args: &ScalarFunctionArgs) -> Result<Vec<ArrayRef>> {
    let arrays = args.args.iter().map(|arg| arg.to_array(args.number_rows));
    arrays.map(|array| Ok(cast(&array?, &DataType::Utf8View)?)).collect()
}

/// Appends a message's pattern.
fn push_pattern(text: &str, pattern: &mut String) {
    let mut rest = text;
    let mut within_word = false;
    while let Some(first) = rest.chars().next() {
        let (taken, mark) = match first {
            '"' | '\'' if !within_word => (quotation(rest), "<str>"),
            _ if first.is_ascii_alphanumeric() => {
                let (taken, mark) = word(rest);
                if mark.is_empty() {
                    push_word(&rest[..taken], pattern);
                    rest = &rest[taken..];
                    within_word = true;
                    continue;
                }
                (taken, mark)
            }
            _ => (0, ""),
        };
        if taken == 0 {
            pattern.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            pattern.push_str(mark);
            rest = &rest[taken..];
        }
        within_word = first.is_alphanumeric();
    }
}

/// Bytes of the quotation that a text begins with, 0 where it has no end on its line.
fn quotation(text: &str) -> usize {
    let quote = text.as_bytes().first().copied();
    let end = text.bytes().skip(1).position(|byte| Some(byte) == quote || byte == b'\n');
    match end {
        Some(end) if text.as_bytes().get(end + 1).copied() == quote => end + 2,
        _ => 0,
    }
}

/// Bytes of the word that a text begins with, and the mark that takes its place if it varies as a whole.
fn word(text: &str) -> (usize, &'static str) {
    if starts_with_uuid(text.as_bytes()) {
        return (UUID_LENGTH, "<uuid>");
    }
    let length = length_while(text.as_bytes(), |byte| byte.is_ascii_alphanumeric());
    let word = &text[..length];
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return (number(text.as_bytes()), "<num>");
    }
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    let prefixed =
        digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let id = length >= SHORTEST_ID
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_digit());
    (length, if prefixed || id { "<hex>" } else { "" })
}

/// Appends a word, its digits as numbers.
fn push_word(word: &str, pattern: &mut String) {
    let mut digits = false;
    for letter in word.chars() {
        if !letter.is_ascii_digit() {
            pattern.push(letter);
        } else if !digits {
            pattern.push_str("<num>");
        }
        digits = letter.is_ascii_digit();
    }
}

/// Bytes of the number that a text begins with: digits, and dots and commas between digits.
fn number(text: &[u8]) -> usize {
    let mut length = length_while(text, |byte| byte.is_ascii_digit());
    while let [b'.' | b',', after @ ..] = text.get(length..).unwrap_or_default() {
        // `7.x` ends at its dot, `1.5s` does not.
        match length_while(after, |byte| byte.is_ascii_digit()) {
            0 => break,
            more => length += 1 + more,
        }
    }
    length
}

fn starts_with_uuid(text: &[u8]) -> bool {
    let Some(uuid) = text.get(..UUID_LENGTH) else { return false };
    let fits =
        |(at, byte): (usize, &u8)| if UUID_HYPHENS.contains(&at) { *byte == b'-' } else { byte.is_ascii_hexdigit() };
    uuid.iter().enumerate().all(fits) && !text.get(UUID_LENGTH).is_some_and(u8::is_ascii_alphanumeric)
}

fn length_while(text: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !fits(*byte)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use datafusion::common::ScalarValue;
    use datafusion::config::ConfigOptions;

    use super::*;

    #[rstest::rstest]
    #[case("connect to 10.0.0.7:5432 failed after 1,024.5s", "connect to <num>:<num> failed after <num>s")]
    #[case("no user 'ann' in \"a b\"", "no user <str> in <str>")]
    #[case("don't say it's 'so'", "don't say it's <str>")]
    #[case("an open 'quotation\nand 'a closed'", "an open 'quotation\nand <str>")]
    #[case("order 7b1f0c3e-9d2a-4c1b-8e5f-0123456789aB gone", "order <uuid> gone")]
    #[case("7b1f0c3e-9d2a-4c1b-8e5f-0123456789abc", "<hex>-<num>d<num>a-<num>c<num>b-<num>e<num>f-<hex>")]
    #[case("at 0xFF and deadbeef01, not deadbeef or cafe1", "at <hex> and <hex>, not deadbeef or cafe<num>")]
    #[case("worker-12 of node3x4: 7.x", "worker-<num> of node<num>x<num>: <num>.x")]
    #[case("größe 5µs, ы'1'", "größe <num>µs, ы'<num>'")]
    #[case("", "")]
    fn a_pattern_has_marks_for_what_varies(#[case] text: &str, #[case] expected: &str) {
        let mut pattern = String::new();
        push_pattern(text, &mut pattern);
        assert_eq!(pattern, expected);
    }

    /// Checked against Python's xxhash.
    #[rstest::rstest]
    #[case(&[Some("shop"), Some("Timeout"), Some("no answer from <num> after <num> s")], "9d74ad094368c480")]
    #[case(&[Some("größe"), None], "34386291d840c1c1")]
    #[case(&[Some("ab"), Some("")], "99fdb59a17a45d60")]
    #[case(&[Some("a"), Some("b")], "f60759a5e1ff0d49")]
    fn a_fingerprint_is_fixed(#[case] texts: &[Option<&str>], #[case] expected: &str) {
        let args = texts.iter().map(|text| ColumnarValue::Scalar(ScalarValue::Utf8(text.map(str::to_owned)))).collect();
        let args = ScalarFunctionArgs {
            args,
            arg_fields: Vec::new(),
            number_rows: 1,
            return_field: Arc::new(Field::new("fingerprint", DataType::Utf8View, true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        let made = Fingerprint::default().invoke_with_args(args).unwrap().to_array(1).unwrap();
        assert_eq!(made.as_string_view().value(0), expected);
    }
}
