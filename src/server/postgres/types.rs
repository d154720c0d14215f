//! Arrow's types and PostgreSQL's, either way.
//!
//! | Arrow | PostgreSQL |
//! | --- | --- |
//! | booleans | `bool` |
//! | 8 and 16-bit integers | `int2`; unsigned 16 bit `int4` |
//! | 32-bit integers | `int4`; unsigned 32 bit `int8` |
//! | 64-bit integers | `int8`; unsigned 64 bit `numeric` |
//! | 16 and 32-bit floats, 64-bit floats | `float4`, `float8` |
//! | decimals | `numeric(p, s)` |
//! | text, and a column that is NULL throughout | `text` |
//! | bytes | `bytea` |
//! | dates, times of day | `date`, `time` |
//! | timestamps without and with a zone | `timestamp`, `timestamptz` |
//! | intervals, durations | `interval` |
//! | maps, lists, structs | `json` |
//!
//! Dictionaries and run-ends are what they hold.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use pgwire::api::Type;
use pgwire::messages::data::FieldDescription;

use super::errors::Refusal;

/// PostgreSQL's sign for "no modifier" of a type.
const NO_MODIFIER: i32 = -1;

/// The type that clients are told for a column.
pub(super) fn pg_type(data_type: &DataType) -> Type {
    match data_type {
        DataType::Boolean => Type::BOOL,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Type::INT2,
        DataType::UInt16 | DataType::Int32 => Type::INT4,
        DataType::UInt32 | DataType::Int64 => Type::INT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::Float16 | DataType::Float32 => Type::FLOAT4,
        DataType::Float64 => Type::FLOAT8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::BYTEA,
        DataType::Date32 | DataType::Date64 => Type::DATE,
        DataType::Time32(_) | DataType::Time64(_) => Type::TIME,
        DataType::Timestamp(_, None) => Type::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => Type::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => Type::INTERVAL,
        DataType::Dictionary(_, value) => pg_type(value),
        DataType::RunEndEncoded(_, value) => pg_type(value.data_type()),
        nested if nested.is_nested() => Type::JSON,
        _ => Type::TEXT,
    }
}

/// The type of a parameter whose place in the query tells `data_type`: an array where it is a list.
pub(super) fn parameter_type(data_type: &DataType) -> Type {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            array_of(&pg_type(item.data_type()))
        }
        other => match pg_type(other) {
            Type::JSON => Type::TEXT,
            plain => plain,
        },
    }
}

/// Types whose arrays are taken, and the arrays.
const ARRAYS: [(Type, Type); 14] = [
    (Type::TEXT, Type::TEXT_ARRAY),
    (Type::VARCHAR, Type::VARCHAR_ARRAY),
    (Type::BOOL, Type::BOOL_ARRAY),
    (Type::INT2, Type::INT2_ARRAY),
    (Type::INT4, Type::INT4_ARRAY),
    (Type::INT8, Type::INT8_ARRAY),
    (Type::FLOAT4, Type::FLOAT4_ARRAY),
    (Type::FLOAT8, Type::FLOAT8_ARRAY),
    (Type::NUMERIC, Type::NUMERIC_ARRAY),
    (Type::DATE, Type::DATE_ARRAY),
    (Type::TIMESTAMP, Type::TIMESTAMP_ARRAY),
    (Type::TIMESTAMPTZ, Type::TIMESTAMPTZ_ARRAY),
    (Type::UUID, Type::UUID_ARRAY),
    (Type::BYTEA, Type::BYTEA_ARRAY),
];

fn array_of(item: &Type) -> Type {
    ARRAYS.iter().find(|(one, _)| one == item).map_or(Type::TEXT_ARRAY, |(_, array)| array.clone())
}

/// The type of an array's items; `None` for what is no array.
pub(super) fn item_of(array: &Type) -> Option<Type> {
    ARRAYS.iter().find(|(_, other)| other == array).map(|(item, _)| item.clone())
}

/// Whether a type's text form is its value in a query.
pub(super) fn is_text(pg: &Type) -> bool {
    matches!(
        *pg,
        Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::UNKNOWN
            | Type::CHAR
            | Type::JSON
            | Type::JSONB
            | Type::UUID
    )
}

/// The type that a value of a client's type has in a query; `None` for one that is not taken.
pub(super) fn arrow_type(pg: &Type) -> Option<DataType> {
    Some(match *pg {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        // Its scale is the value's own.
        Type::NUMERIC => DataType::Decimal128(38, 10),
        _ if is_text(pg) => DataType::Utf8,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => return None,
    })
}

/// The bytes of a type's values; -1 where they differ.
fn size_of(pg: &Type) -> i16 {
    match *pg {
        Type::BOOL => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

/// `numeric(p, s)` as PostgreSQL packs it, over a header of four bytes.
fn modifier(data_type: &DataType) -> i32 {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *scale >= 0 =>
        {
            (i32::from(*precision) << 16 | i32::from(*scale)) + 4
        }
        DataType::Dictionary(_, value) => modifier(value),
        _ => NO_MODIFIER,
    }
}

/// The columns of a result as a client is told them.
pub(super) fn described(schema: &Schema, formats: &Formats) -> Vec<FieldDescription> {
    let described = |(index, field): (usize, &Arc<Field>)| {
        let pg = pg_type(field.data_type());
        // The protocol ends names with a zero byte.
        let name = field.name().replace('\0', "");
        let format = i16::from(formats.of(index) == Format::Binary);
        FieldDescription::new(name, 0, 0, pg.oid(), size_of(&pg), modifier(field.data_type()), format)
    };
    schema.fields().iter().enumerate().map(described).collect()
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

/// How each of several values is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Formats {
    All(Format),
    Each(Vec<Format>),
}

impl Formats {
    pub(super) const TEXT: Self = Self::All(Format::Text);

    /// From the codes of a message: none for text, one for all values, or one for each.
    ///
    /// # Errors
    /// 22023 for a code that is neither text nor binary.
    pub(super) fn from_codes(codes: &[i16]) -> Result<Self, Refusal> {
        let format = |code: &i16| match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Refusal::new("22023", format!("there is no format code {other}"))),
        };
        match codes {
            [] => Ok(Self::TEXT),
            [one] => format(one).map(Self::All),
            each => each.iter().map(format).collect::<Result<_, _>>().map(Self::Each),
        }
    }

    /// That of the value at a place.
    pub(super) fn of(&self, index: usize) -> Format {
        match self {
            Self::All(format) => *format,
            Self::Each(formats) => formats.get(index).copied().unwrap_or(Format::Text),
        }
    }

    /// The same for `count` values, but text for some.
    pub(super) fn but_text(&self, text: &[usize], count: usize) -> Self {
        if text.is_empty() {
            return self.clone();
        }
        let format = |index| if text.contains(&index) { Format::Text } else { self.of(index) };
        Self::Each((0..count).map(format).collect())
    }

    /// Refuses formats for another number of values.
    pub(super) fn check(&self, values: usize) -> Result<(), Refusal> {
        match self {
            Self::Each(formats) if formats.len() != values => Err(Refusal::new(
                "08P01",
                format!("the message has {} format codes for {values} values", formats.len()),
            )),
            _ => Ok(()),
        }
    }
}
