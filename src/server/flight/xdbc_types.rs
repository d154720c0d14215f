//! The types of this SQL as JDBC and ODBC know them. Lists, maps and structs have no place there.

use std::sync::LazyLock;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType};

static TYPES: LazyLock<Result<XdbcTypeInfoData, FlightError>> = LazyLock::new(|| {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for info in known() {
        types.append(info);
    }
    types.build()
});

/// The rows of one of XDBC's types, of all where none is named.
pub(super) fn rows(data_type: Option<i32>) -> Result<RecordBatch, FlightError> {
    match &*TYPES {
        Ok(types) => types.record_batch(data_type),
        Err(error) => Err(FlightError::protocol(error.to_string())),
    }
}

/// The columns of those rows.
pub(super) fn schema() -> SchemaRef {
    XdbcTypeInfoDataBuilder::new().schema()
}

fn known() -> Vec<XdbcTypeInfo> {
    use XdbcDataType as Xdbc;
    vec![
        plain("boolean", Xdbc::XdbcBit, 1),
        integer("tinyint", Xdbc::XdbcTinyint, 3, false),
        integer("smallint", Xdbc::XdbcSmallint, 5, false),
        integer("integer", Xdbc::XdbcInteger, 10, false),
        integer("bigint", Xdbc::XdbcBigint, 19, false),
        integer("tinyint unsigned", Xdbc::XdbcTinyint, 3, true),
        integer("smallint unsigned", Xdbc::XdbcSmallint, 5, true),
        integer("integer unsigned", Xdbc::XdbcInteger, 10, true),
        integer("bigint unsigned", Xdbc::XdbcBigint, 20, true),
        float("real", Xdbc::XdbcReal, 24),
        float("double precision", Xdbc::XdbcDouble, 53),
        XdbcTypeInfo {
            create_params: Some(vec!["precision".to_owned(), "scale".to_owned()]),
            fixed_prec_scale: true,
            minimum_scale: Some(0),
            maximum_scale: Some(76),
            ..integer("numeric", Xdbc::XdbcNumeric, 76, false)
        },
        XdbcTypeInfo { case_sensitive: true, ..quoted("varchar", Xdbc::XdbcVarchar, i32::MAX, "'") },
        XdbcTypeInfo { searchable: Searchable::Basic, ..quoted("bytea", Xdbc::XdbcVarbinary, i32::MAX, "X'") },
        quoted("date", Xdbc::XdbcDate, 10, "DATE '"),
        XdbcTypeInfo { maximum_scale: Some(9), ..quoted("time", Xdbc::XdbcTime, 18, "TIME '") },
        XdbcTypeInfo { maximum_scale: Some(9), ..quoted("timestamp", Xdbc::XdbcTimestamp, 29, "TIMESTAMP '") },
        quoted("interval", Xdbc::XdbcInterval, 64, "INTERVAL '"),
    ]
}

fn plain(name: &str, data_type: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type,
        sql_data_type: data_type,
        column_size: Some(size),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        auto_increment: Some(false),
        local_type_name: Some(name.to_owned()),
        ..XdbcTypeInfo::default()
    }
}

fn integer(name: &str, data_type: XdbcDataType, digits: i32, unsigned: bool) -> XdbcTypeInfo {
    XdbcTypeInfo { num_prec_radix: Some(10), unsigned_attribute: Some(unsigned), ..plain(name, data_type, digits) }
}

fn float(name: &str, data_type: XdbcDataType, bits: i32) -> XdbcTypeInfo {
    XdbcTypeInfo { num_prec_radix: Some(2), unsigned_attribute: Some(false), ..plain(name, data_type, bits) }
}

fn quoted(name: &str, data_type: XdbcDataType, size: i32, prefix: &str) -> XdbcTypeInfo {
    let (literal_prefix, literal_suffix) = (Some(prefix.to_owned()), Some("'".to_owned()));
    XdbcTypeInfo { literal_prefix, literal_suffix, ..plain(name, data_type, size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_asked_for_and_have_the_schema() {
        let all = rows(None).unwrap();
        assert_eq!((all.num_rows(), all.schema()), (known().len(), schema()));
        assert_eq!(rows(Some(XdbcDataType::XdbcBigint as i32)).unwrap().num_rows(), 2);
    }
}
