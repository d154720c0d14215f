//! Arrow's types in SQL's words, and those words as types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

/// A type in SQL's words: `bigint`, `timestamp`, `list of text`.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::UInt8 => "tinyint unsigned".to_owned(),
        DataType::UInt16 => "smallint unsigned".to_owned(),
        DataType::UInt32 => "int unsigned".to_owned(),
        DataType::UInt64 => "bigint unsigned".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "bytea".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Interval(_) => "interval".to_owned(),
        DataType::Duration(_) => "duration".to_owned(),
        DataType::Map(..) => "map".to_owned(),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => format!("list of {}", type_name(item.data_type())),
        DataType::Dictionary(_, values) => type_name(values),
        other => other.to_string(),
    }
}

/// The type that a value of these words has; `None` for words that name none.
///
/// A `timestamp` is in UTC and has microseconds, as the tables' times do. `T[]` is a list of T.
pub fn type_of_name(name: &str) -> Option<DataType> {
    let name = name.trim().to_ascii_lowercase();
    if let Some(item) = name.strip_suffix("[]") {
        return Some(DataType::List(Arc::new(Field::new_list_field(type_of_name(item)?, true))));
    }
    if let Some(digits) = name.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')) {
        let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
        let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        let fits = (1..=38).contains(&precision) && (0..=i16::from(precision)).contains(&i16::from(scale));
        return fits.then_some(DataType::Decimal128(precision, scale));
    }
    Some(match name.as_str() {
        "boolean" | "bool" => DataType::Boolean,
        "tinyint" => DataType::Int8,
        "smallint" => DataType::Int16,
        "int" | "integer" => DataType::Int32,
        "bigint" => DataType::Int64,
        "tinyint unsigned" => DataType::UInt8,
        "smallint unsigned" => DataType::UInt16,
        "int unsigned" => DataType::UInt32,
        "bigint unsigned" => DataType::UInt64,
        "real" => DataType::Float32,
        "double" | "double precision" => DataType::Float64,
        "text" | "varchar" => DataType::Utf8,
        "bytea" => DataType::Binary,
        "date" => DataType::Date32,
        "time" => DataType::Time64(TimeUnit::Microsecond),
        "timestamp" | "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "interval" => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::table_schema;
    use crate::model::signal::Signal;

    #[test]
    fn every_type_of_the_contract_has_a_name_of_sql() {
        for signal in Signal::ALL {
            for field in table_schema(signal, &[]).fields() {
                let name = type_name(field.data_type());
                assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == ' '), "{}: {name}", field.name());
            }
        }
    }

    #[rstest::rstest]
    #[case("text")]
    #[case("bigint unsigned")]
    #[case("decimal(10, 2)")]
    #[case("timestamp")]
    #[case("interval")]
    #[case("bytea")]
    fn a_name_and_its_type_are_each_others(#[case] name: &str) {
        assert_eq!(type_name(&type_of_name(name).unwrap()), name);
    }

    #[rstest::rstest]
    #[case("text[]", Some("list of text"))]
    #[case("BigInt[][]", Some("list of list of bigint"))]
    #[case("decimal(39)", None)]
    #[case("decimal(2, 3)", None)]
    #[case("number", None)]
    #[case("", None)]
    fn lists_are_types_and_other_words_are_none(#[case] name: &str, #[case] expected: Option<&str>) {
        assert_eq!(type_of_name(name).map(|data_type| type_name(&data_type)).as_deref(), expected);
    }
}
