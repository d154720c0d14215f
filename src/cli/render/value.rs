//! One value as a person would write it.
//!
//! - NULL is `NULL`; empty text is empty.
//! - Times are in UTC, `2023-01-29 08:50:12.250Z`, with no more digits than the column needs. SQL takes them so.
//! - A map is `{http.route: /cart, net.peer: 10.0.0.1}`, a struct the same, a list `[a, b]`. Inside of them text is bare
//!   where it can't be misread, and in single quotes as in SQL where it could: `{query: 'a, b', note: ''}`.
//! - Control characters are written as `\n`, `\t` or `\x1b`, so that no value moves the cursor. A text of its own keeps
//!   its line breaks where the caller shows lines ([`Breaks::Kept`]).

use arrow::array::{Array, AsArray, Int64Array, LargeStringArray, MapArray, StringArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// What becomes of line breaks in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaks {
    /// They stay.
    Kept,
    /// They are written as `\n`.
    Escaped,
}

/// How a column of a batch is written.
pub(super) struct Values<'a> {
    array: &'a dyn Array,
    shape: Shape<'a>,
}

enum Shape<'a> {
    Text(Text<'a>),
    Time(Times),
    List { items: Box<Values<'a>>, range: Box<dyn Fn(usize) -> std::ops::Range<usize> + 'a> },
    Map { map: &'a MapArray, keys: Box<Values<'a>>, values: Box<Values<'a>> },
    Struct(Vec<(&'a str, Values<'a>)>),
    Other(ArrayFormatter<'a>),
}

enum Text<'a> {
    Small(&'a StringArray),
    Large(&'a LargeStringArray),
    View(&'a StringViewArray),
}

struct Times {
    ticks: Int64Array,
    ticks_a_second: i64,
    /// Digits of a second's fraction.
    digits: usize,
    zone: bool,
}

/// Whether values of a type stand at the right of their column.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Whether a part of a value would pass for another value.
pub(super) fn can_be_cut(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => can_be_cut(values),
        other => {
            other.is_nested()
                || matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
                || matches!(other, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
        }
    }
}

impl<'a> Values<'a> {
    pub(super) fn new(array: &'a dyn Array) -> Result<Self, ArrowError> {
        let shape = match array.data_type() {
            DataType::Utf8 => Shape::Text(Text::Small(array.as_string())),
            DataType::LargeUtf8 => Shape::Text(Text::Large(array.as_string())),
            DataType::Utf8View => Shape::Text(Text::View(array.as_string_view())),
            DataType::Timestamp(unit, zone) => Shape::Time(Times::new(array, *unit, zone.is_some())?),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                // Arrow keeps offsets ascending and at zero or above.
                let range = move |row: usize| offsets[row] as usize..offsets[row + 1] as usize;
                Shape::List { items: Box::new(Self::new(list.values())?), range: Box::new(range) }
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                let range = move |row: usize| offsets[row] as usize..offsets[row + 1] as usize;
                Shape::List { items: Box::new(Self::new(list.values())?), range: Box::new(range) }
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let (keys, values) = (Box::new(Self::new(map.keys())?), Box::new(Self::new(map.values())?));
                Shape::Map { map, keys, values }
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns().iter();
                let named =
                    fields.iter().zip(columns).map(|(field, column)| Ok((field.name().as_str(), Self::new(column)?)));
                Shape::Struct(named.collect::<Result<_, ArrowError>>()?)
            }
            _ => Shape::Other(ArrayFormatter::try_new(array, &FormatOptions::default().with_null("NULL"))?),
        };
        Ok(Self { array, shape })
    }

    /// The value of a row.
    pub(super) fn text(&self, row: usize, breaks: Breaks) -> Result<String, ArrowError> {
        let mut out = String::new();
        match &self.shape {
            Shape::Text(text) if self.array.is_valid(row) => push_escaped(&mut out, text.value(row), breaks),
            _ => self.push(&mut out, row)?,
        }
        Ok(out)
    }

    /// Appends a value as it stands inside of another.
    fn push(&self, out: &mut String, row: usize) -> Result<(), ArrowError> {
        if self.array.is_null(row) {
            out.push_str("NULL");
            return Ok(());
        }
        match &self.shape {
            Shape::Text(text) => push_quoted(out, text.value(row)),
            Shape::Time(times) => times.push(out, row),
            Shape::List { items, range } => {
                out.push('[');
                for (nth, item) in range(row).enumerate() {
                    out.push_str(if nth == 0 { "" } else { ", " });
                    items.push(out, item)?;
                }
                out.push(']');
            }
            Shape::Map { map, keys, values } => {
                let offsets = map.value_offsets();
                out.push('{');
                for (nth, entry) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    out.push_str(if nth == 0 { "" } else { ", " });
                    keys.push(out, entry)?;
                    out.push_str(": ");
                    values.push(out, entry)?;
                }
                out.push('}');
            }
            Shape::Struct(fields) => {
                out.push('{');
                for (nth, (name, values)) in fields.iter().enumerate() {
                    out.push_str(if nth == 0 { "" } else { ", " });
                    push_quoted(out, name);
                    out.push_str(": ");
                    values.push(out, row)?;
                }
                out.push('}');
            }
            Shape::Other(formatter) => {
                let text = formatter.value(row).try_to_string()?;
                push_escaped(out, &text, Breaks::Escaped);
            }
        }
        Ok(())
    }
}

impl Text<'_> {
    fn value(&self, row: usize) -> &str {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
        }
    }
}

impl Times {
    fn new(array: &dyn Array, unit: TimeUnit, zone: bool) -> Result<Self, ArrowError> {
        let ticks = cast(array, &DataType::Int64)?.as_primitive().clone();
        let ticks_a_second = match unit {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        };
        let mut times = Self { ticks, ticks_a_second, digits: 0, zone };
        let nanos = times.ticks.iter().flatten().map(|ticks| times.parts(ticks).1);
        times.digits = nanos.map(digits_of).max().unwrap_or(0);
        Ok(times)
    }

    /// Seconds since 1970, and nanoseconds past them.
    fn parts(&self, ticks: i64) -> (i64, u32) {
        let nanos_a_tick = 1_000_000_000 / self.ticks_a_second;
        // Below a second's nanoseconds.
        (ticks.div_euclid(self.ticks_a_second), (ticks.rem_euclid(self.ticks_a_second) * nanos_a_tick) as u32)
    }

    fn push(&self, out: &mut String, row: usize) {
        use std::fmt::Write as _;
        let ticks = self.ticks.value(row);
        let (seconds, nanos) = self.parts(ticks);
        // Writing to a String does not fail.
        _ = match chrono::DateTime::from_timestamp(seconds, nanos) {
            None => write!(out, "{ticks} ticks of 1/{} s since 1970", self.ticks_a_second),
            Some(time) => match self.digits {
                0 => write!(out, "{}", time.format("%Y-%m-%d %H:%M:%S")),
                3 => write!(out, "{}", time.format("%Y-%m-%d %H:%M:%S%.3f")),
                6 => write!(out, "{}", time.format("%Y-%m-%d %H:%M:%S%.6f")),
                _ => write!(out, "{}", time.format("%Y-%m-%d %H:%M:%S%.9f")),
            },
        };
        if self.zone {
            out.push('Z');
        }
    }
}

fn digits_of(nanos: u32) -> usize {
    match nanos {
        0 => 0,
        nanos if nanos.is_multiple_of(1_000_000) => 3,
        nanos if nanos.is_multiple_of(1_000) => 6,
        _ => 9,
    }
}

/// Appends text inside of a map, struct or list.
fn push_quoted(out: &mut String, text: &str) {
    let bare = !text.is_empty()
        && text != "NULL"
        && text.trim() == text
        && !text.starts_with('\'')
        && !text.ends_with(':')
        && !text.contains([',', '{', '}', '[', ']'])
        && !text.contains(": ");
    if bare {
        push_escaped(out, text, Breaks::Escaped);
    } else {
        out.push('\'');
        push_escaped(out, &text.replace('\'', "''"), Breaks::Escaped);
        out.push('\'');
    }
}

/// Appends text without its control characters.
fn push_escaped(out: &mut String, text: &str, breaks: Breaks) {
    use std::fmt::Write as _;
    for character in text.chars() {
        match (character, breaks) {
            ('\n', Breaks::Kept) => out.push('\n'),
            ('\r', Breaks::Kept) => {}
            ('\t', Breaks::Kept) => out.push_str("    "),
            ('\n', Breaks::Escaped) => out.push_str("\\n"),
            ('\r', Breaks::Escaped) => out.push_str("\\r"),
            ('\t', Breaks::Escaped) => out.push_str("\\t"),
            // Those that turn the reading direction can make a line say what it does not.
            ('\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}', _) => {
                _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            (character, _) if character.is_control() => _ = write!(out, "\\x{:02x}", u32::from(character)),
            (character, _) => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Date32Array, Float64Array, Int64Array, ListBuilder, MapBuilder, StringBuilder,
        StringDictionaryBuilder, StructArray, TimestampMicrosecondArray, TimestampSecondArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn texts(array: &dyn Array) -> Vec<String> {
        let values = Values::new(array).unwrap();
        (0..array.len()).map(|row| values.text(row, Breaks::Escaped).unwrap()).collect()
    }

    fn map(entries: &[(&str, &str)]) -> ArrayRef {
        let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        for (key, value) in entries {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(true).unwrap();
        Arc::new(builder.finish())
    }

    #[test]
    fn null_is_told_from_empty_text() {
        assert_eq!(texts(&StringArray::from(vec![Some(""), None, Some("x")])), ["", "NULL", "x"]);
        assert_eq!(texts(&StringViewArray::from(vec![Some(""), None])), ["", "NULL"]);
        assert_eq!(texts(&Int64Array::from(vec![Some(-5), None])), ["-5", "NULL"]);
        let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
        dictionary.append_value("a\tb");
        dictionary.append_null();
        assert_eq!(texts(&dictionary.finish()), ["a\\tb", "NULL"]);
    }

    #[rstest::rstest]
    #[case(&[("http.route", "/cart"), ("net.peer", "10.0.0.1")], "{http.route: /cart, net.peer: 10.0.0.1}")]
    #[case(&[("url", "http://shop:80/a?b=c"), ("sql", "SELECT 'x'")], "{url: http://shop:80/a?b=c, sql: SELECT 'x'}")]
    #[case(&[("a", ""), ("b", "NULL"), ("c", " x")], "{a: '', b: 'NULL', c: ' x'}")]
    #[case(&[("args", "[\"--it's\"]"), ("k: 1", "a, b")], "{args: '[\"--it''s\"]', 'k: 1': 'a, b'}")]
    #[case(&[("stack", "one\n\ttwo")], "{stack: one\\n\\ttwo}")]
    #[case(&[], "{}")]
    fn a_map_reads_as_a_person_would_write_it(#[case] entries: &[(&str, &str)], #[case] expected: &str) {
        assert_eq!(texts(&map(entries)), [expected]);
    }

    #[test]
    fn lists_of_structs_read_alike() {
        let events = StructArray::from(vec![
            (
                Arc::new(Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)),
                Arc::new(TimestampMicrosecondArray::from(vec![1_675_000_000_000_000]).with_timezone("UTC")) as ArrayRef,
            ),
            (Arc::new(Field::new("name", DataType::Utf8, true)), Arc::new(StringArray::from(vec![None::<&str>])) as _),
            (Arc::new(Field::new("attributes", map(&[]).data_type().clone(), true)), map(&[("k", "v")])),
        ]);
        assert_eq!(texts(&events), ["{time: 2023-01-29 13:46:40Z, name: NULL, attributes: {k: v}}"]);
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_value([Some("a"), None, Some("b, c")]);
        list.append_value([None::<&str>; 0]);
        list.append_null();
        assert_eq!(texts(&list.finish()), ["[a, NULL, 'b, c']", "[]", "NULL"]);
    }

    #[test]
    fn times_are_in_utc_with_the_digits_that_their_column_needs() {
        let times =
            TimestampMicrosecondArray::from(vec![Some(1_675_000_000_250_000), None, Some(1_675_000_000_000_000)]);
        assert_eq!(
            texts(&times.with_timezone("+02:00")),
            ["2023-01-29 13:46:40.250Z", "NULL", "2023-01-29 13:46:40.000Z"]
        );
        assert_eq!(texts(&TimestampSecondArray::from(vec![-1])), ["1969-12-31 23:59:59"]);
        assert_eq!(
            texts(&TimestampMicrosecondArray::from(vec![1])),
            ["1970-01-01 00:00:00.000001"],
            "without a zone, without its mark"
        );
        assert!(texts(&TimestampSecondArray::from(vec![i64::MAX]))[0].contains("ticks"), "no time of any calendar");
        assert_eq!(texts(&Date32Array::from(vec![19_386])), ["2023-01-29"]);
        assert_eq!(texts(&Float64Array::from(vec![1.5, f64::NAN])), ["1.5", "NaN"]);
    }

    #[test]
    fn no_value_moves_the_cursor() {
        let evil = StringArray::from(vec!["a\u{1b}[2Jb\u{202e}c\u{9b}d\r\ne"]);
        assert_eq!(texts(&evil), ["a\\x1b[2Jb\\u202ec\\x9bd\\r\\ne"]);
        let kept = Values::new(&evil).unwrap().text(0, Breaks::Kept).unwrap();
        assert_eq!(kept, "a\\x1b[2Jb\\u202ec\\x9bd\ne");
    }
}
