//! Which type a value had before it became text, and the `value_types` of a row.

use super::text::push_json_string;

/// The type of a value that is kept as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A string: the text is the value.
    String,
    /// A 64-bit integer.
    Int,
    /// A double.
    Double,
    /// A boolean.
    Bool,
    /// Bytes, as base64.
    Bytes,
    /// An array, as plain JSON.
    Array,
    /// A map, as plain JSON.
    Map,
    /// A value that is not set.
    Empty,
    /// An array or map, as an OTLP/JSON AnyValue.
    AnyValue,
}

impl ValueType {
    /// Every type.
    pub const ALL: [Self; 9] = [
        Self::String,
        Self::Int,
        Self::Double,
        Self::Bool,
        Self::Bytes,
        Self::Array,
        Self::Map,
        Self::Empty,
        Self::AnyValue,
    ];

    /// The letter in `value_types`; a string, which is not named there, is `s` in `series_id`.
    pub const fn letter(self) -> char {
        self.ascii() as char
    }

    /// The type of a letter.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|value_type| value_type.letter() == letter)
    }

    /// The letter as a JSON string.
    const fn quoted(self) -> &'static str {
        match self {
            Self::String => "\"s\"",
            Self::Int => "\"i\"",
            Self::Double => "\"d\"",
            Self::Bool => "\"b\"",
            Self::Bytes => "\"x\"",
            Self::Array => "\"a\"",
            Self::Map => "\"m\"",
            Self::Empty => "\"e\"",
            Self::AnyValue => "\"v\"",
        }
    }

    pub(crate) const fn ascii(self) -> u8 {
        match self {
            Self::String => b's',
            Self::Int => b'i',
            Self::Double => b'd',
            Self::Bool => b'b',
            Self::Bytes => b'x',
            Self::Array => b'a',
            Self::Map => b'm',
            Self::Empty => b'e',
            Self::AnyValue => b'v',
        }
    }
}

/// The parts of a row's `value_types`. A map's part is as [`write_map_types`] wrote it, empty where all were strings.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct RowTypes<'t> {
    pub(crate) attributes: &'t str,
    pub(crate) body: Option<ValueType>,
    pub(crate) metadata: &'t str,
    pub(crate) resource: &'t str,
    pub(crate) scope: &'t str,
}

impl RowTypes<'_> {
    /// Writes the row's `value_types`; writes nothing where every value was a string.
    pub(crate) fn write(&self, out: &mut String) {
        let body = self.body.filter(|value_type| *value_type != ValueType::String).map(ValueType::quoted);
        let parts = [
            ("\"a\":", self.attributes),
            ("\"b\":", body.unwrap_or_default()),
            ("\"m\":", self.metadata),
            ("\"r\":", self.resource),
            ("\"s\":", self.scope),
        ];
        let mut separator = '{';
        for (name, types) in parts {
            if !types.is_empty() {
                out.push(separator);
                out.push_str(name);
                out.push_str(types);
                separator = ',';
            }
        }
        if separator == ',' {
            out.push('}');
        }
    }
}

/// Writes the types of a map's values, `{"key":"i"}`; writes nothing where all were strings.
pub(crate) fn write_map_types<'t>(entries: impl Iterator<Item = (&'t str, ValueType)>, out: &mut String) {
    let mut separator = '{';
    for (key, value_type) in entries.filter(|(_, value_type)| *value_type != ValueType::String) {
        out.push(separator);
        push_json_string(out, key);
        out.push(':');
        out.push_str(value_type.quoted());
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn letters_are_distinct_and_lead_back(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] at: usize) {
        let value_type = ValueType::ALL[at];
        assert_eq!(ValueType::from_letter(value_type.letter()), Some(value_type));
        assert_eq!(value_type.quoted(), format!("\"{}\"", value_type.letter()));
    }

    #[rstest]
    #[case::all_strings(RowTypes::default(), "")]
    #[case::string_body(RowTypes { body: Some(ValueType::String), ..RowTypes::default() }, "")]
    #[case::body(RowTypes { body: Some(ValueType::Map), ..RowTypes::default() }, r#"{"b":"m"}"#)]
    #[case::every_part(
        RowTypes {
            attributes: "{1}",
            body: Some(ValueType::Int),
            metadata: "{2}",
            resource: "{3}",
            scope: "{4}",
        },
        r#"{"a":{1},"b":"i","m":{2},"r":{3},"s":{4}}"#
    )]
    fn rows(#[case] types: RowTypes<'_>, #[case] expected: &str) {
        let mut out = String::new();
        types.write(&mut out);
        assert_eq!(out, expected);
    }

    #[rstest]
    #[case::strings(&[("a", ValueType::String)], "")]
    #[case::mixed(
        &[("a", ValueType::Int), ("b", ValueType::String), ("c\"", ValueType::AnyValue)],
        r#"{"a":"i","c\"":"v"}"#
    )]
    fn maps(#[case] entries: &[(&str, ValueType)], #[case] expected: &str) {
        let mut out = String::new();
        write_map_types(entries.iter().copied(), &mut out);
        assert_eq!(out, expected);
    }
}
