//! How a column is described: the vocabulary in which the data contract is written.
//!
//! A [`Column`] says everything the program needs to know of a column, once: builders, Arrow and
//! Delta schema, Parquet encoding, statistics and documentation follow from it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};

/// The type of a column or of a nested field, in the types that every Delta reader knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01 in UTC.
    Timestamp,
    /// Signed 16 bits.
    Short,
    /// Signed 32 bits.
    Int,
    /// Signed 64 bits.
    Long,
    /// IEEE 754, 64 bits.
    Double,
    /// True or false.
    Bool,
    /// UTF-8.
    Text,
    /// `map<string,string>`, keys ascending and distinct, values never NULL.
    TextMap,
    /// A list whose elements are never NULL.
    List(&'static Kind),
    /// A struct of named fields.
    Struct(&'static [Column]),
}

/// How Parquet stores a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Dictionary, with plain as the fall-back once the dictionary outgrows a page.
    Dictionary,
    /// Dictionary with room for every distinct value of a row group: ids that repeat within a trace.
    LargeDictionary,
    /// The values as they are: text that hardly ever repeats.
    Plain,
    /// DELTA_BINARY_PACKED: times and durations.
    DeltaPacked,
}

/// One column of a table, or one field of a nested type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// The name in the files and in SQL.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The unit of its values, empty where there is none.
    pub unit: &'static str,
    /// What it means, as the Delta column comment says it.
    pub comment: &'static str,
    /// How Parquet stores it.
    pub layout: Layout,
    /// Whether the Delta log carries its minimum, maximum and NULL count for each file.
    pub stats: bool,
    /// Whether each row group has a bloom filter of it.
    pub bloom: bool,
    /// Whether it tells how the record came here, not what the sender said.
    pub provenance: bool,
}

impl Column {
    /// A dictionary-encoded column without unit or statistics.
    pub const fn new(name: &'static str, kind: Kind, comment: &'static str) -> Self {
        let layout = match kind {
            Kind::Timestamp | Kind::Short => Layout::DeltaPacked,
            _ => Layout::Dictionary,
        };
        Self { name, kind, unit: "", comment, layout, stats: false, bloom: false, provenance: false }
    }

    /// The same column with a unit.
    pub const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    /// The same column stored as `layout`.
    pub const fn layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// The same column with statistics in the Delta log.
    pub const fn with_stats(self) -> Self {
        Self { stats: true, ..self }
    }

    /// The same column with a bloom filter.
    pub const fn with_bloom(self) -> Self {
        Self { bloom: true, ..self }
    }

    /// The same column as provenance: left out when records are compared or exported.
    pub const fn provenance(self) -> Self {
        Self { provenance: true, ..self }
    }

    /// Meaning and unit in one line.
    pub fn documentation(&self) -> String {
        if self.unit.is_empty() { self.comment.to_owned() } else { format!("{} [{}]", self.comment, self.unit) }
    }

    /// The Arrow field of this column in memory; every column of a table may be NULL.
    pub fn field(&self) -> Field {
        let data_type = match self.kind {
            Kind::Text => DataType::Utf8View,
            kind => kind.nested_type(),
        };
        Field::new(self.name, data_type, true)
    }
}

impl Kind {
    /// The Arrow type of a nested field: as in a table's column, but for text, which is `Utf8` there.
    pub fn nested_type(self) -> DataType {
        match self {
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Short => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Text => DataType::Utf8,
            Self::TextMap => DataType::Map(map_entries_field(), false),
            Self::List(element) => DataType::List(list_element_field(*element)),
            Self::Struct(fields) => DataType::Struct(nested_fields(fields)),
        }
    }
}

/// The field of a map's entries, with Parquet's own names, so that files need no coercion.
pub fn map_entries_field() -> FieldRef {
    let fields =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, false)]);
    Arc::new(Field::new("key_value", DataType::Struct(fields), false))
}

/// The field of a list's elements.
pub fn list_element_field(element: Kind) -> FieldRef {
    Arc::new(Field::new("element", element.nested_type(), false))
}

/// The Arrow fields of a struct.
pub fn nested_fields(fields: &[Column]) -> Fields {
    fields.iter().map(|field| Field::new(field.name, field.kind.nested_type(), true)).collect()
}
