//! What PostgreSQL type a column of an Arrow type is sent as.

use arrow::datatypes::DataType;

/// One of PostgreSQL's built-in types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PgType {
    /// Its oid, as in `pg_type.dat`.
    pub(super) oid: u32,
    /// `pg_type.typname`.
    pub(super) name: &'static str,
    /// As SQL writes it: what `format_type` says.
    pub(super) sql: &'static str,
    /// Bytes; -1 where values differ in length.
    pub(super) length: i16,
}

const fn pg_type(oid: u32, name: &'static str, sql: &'static str, length: i16) -> PgType {
    PgType { oid, name, sql, length }
}

const TEXT: PgType = pg_type(25, "text", "text", -1);

/// Built-in types that SQL writes by another name than `typname`, and those that columns of the lake have.
const TYPES: &[PgType] = &[
    pg_type(16, "bool", "boolean", 1),
    pg_type(17, "bytea", "bytea", -1),
    pg_type(18, "char", "\"char\"", 1),
    pg_type(19, "name", "name", 64),
    pg_type(20, "int8", "bigint", 8),
    pg_type(21, "int2", "smallint", 2),
    pg_type(23, "int4", "integer", 4),
    TEXT,
    pg_type(26, "oid", "oid", 4),
    pg_type(114, "json", "json", -1),
    pg_type(700, "float4", "real", 4),
    pg_type(701, "float8", "double precision", 8),
    pg_type(1042, "bpchar", "character", -1),
    pg_type(1043, "varchar", "character varying", -1),
    pg_type(1082, "date", "date", 4),
    pg_type(1083, "time", "time without time zone", 8),
    pg_type(1114, "timestamp", "timestamp without time zone", 8),
    pg_type(1184, "timestamptz", "timestamp with time zone", 8),
    pg_type(1186, "interval", "interval", 16),
    pg_type(1266, "timetz", "time with time zone", 12),
    pg_type(1560, "bit", "bit", -1),
    pg_type(1562, "varbit", "bit varying", -1),
    pg_type(1700, "numeric", "numeric", -1),
];

/// How SQL writes a type: `integer` for `int4`, `integer[]` for `_int4`.
pub(super) fn sql_name(typname: &str) -> String {
    let of = |name: &str| TYPES.iter().find(|one| one.name == name).map_or(name.to_owned(), |one| one.sql.to_owned());
    match typname.strip_prefix('_') {
        Some(element) => format!("{}[]", of(element)),
        None => of(typname),
    }
}

/// `typname` for a name as SQL writes it.
pub(super) fn typname(sql: &str) -> &str {
    match sql {
        "int" => "int4",
        "float" => "float8",
        "decimal" => "numeric",
        _ => TYPES.iter().find(|one| one.sql == sql).map_or(sql, |one| one.name),
    }
}

/// The type that a column of this Arrow type has: maps, lists and structs are JSON.
pub(super) fn of(data_type: &DataType) -> PgType {
    let name = match data_type {
        DataType::Boolean => "bool",
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "int2",
        DataType::Int32 | DataType::UInt16 => "int4",
        DataType::UInt32 => "oid",
        DataType::Int64 => "int8",
        DataType::UInt64 | DataType::Decimal32(..) | DataType::Decimal64(..) => "numeric",
        DataType::Decimal128(..) | DataType::Decimal256(..) => "numeric",
        DataType::Float16 | DataType::Float32 => "float4",
        DataType::Float64 => "float8",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamptz",
        DataType::Duration(_) | DataType::Interval(_) => "interval",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytea",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "json",
        DataType::ListView(_) | DataType::LargeListView(_) => "json",
        DataType::Map(..) | DataType::Struct(_) | DataType::Union(..) => "json",
        DataType::Dictionary(_, values) => return of(values),
        DataType::RunEndEncoded(_, values) => return of(values.data_type()),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
    };
    TYPES.iter().find(|one| one.name == name).copied().unwrap_or(TEXT)
}
