//! PostgreSQL's functions about the catalogue, as far as clients call them.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ScalarUDF;

use super::index::Index;
use super::lake::SETTINGS;
use super::row_function::{RowFunction, integer, oid, text};

/// Functions that say nothing here, since there is nothing of the kind: no constraints, indexes, rules, defaults,
/// partitions, replication.
const NOTHING: &[&str] = &[
    "inet_client_addr",
    "inet_server_addr",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_function_sqlbody",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_partition_constraintdef",
    "pg_get_partkeydef",
    "pg_get_ruledef",
    "pg_get_serial_sequence",
    "pg_get_statisticsobjdef",
    "pg_get_statisticsobjdef_columns",
    "pg_get_triggerdef",
    "pg_tablespace_location",
    "shobj_description",
];

/// Functions that say true of everything that there is.
const TRUE: &[&str] = &[
    "pg_collation_is_visible",
    "pg_conversion_is_visible",
    "pg_function_is_visible",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_opfamily_is_visible",
    "pg_statistics_obj_is_visible",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
    "pg_type_is_visible",
    "row_security_active",
];

/// Functions that say false of everything.
const FALSE: &[&str] = &["pg_is_in_recovery", "pg_is_other_temp_schema", "pg_relation_is_publishable"];

/// Functions that count what is not counted here.
const ZERO: &[&str] = &[
    "pg_backend_pid",
    "pg_database_size",
    "pg_indexes_size",
    "pg_my_temp_schema",
    "pg_relation_size",
    "pg_stat_get_numscans",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "txid_current",
];

/// Whether someone may do something with an object.
const PRIVILEGES: &[&str] = &[
    "has_any_column_privilege",
    "has_column_privilege",
    "has_database_privilege",
    "has_function_privilege",
    "has_language_privilege",
    "has_schema_privilege",
    "has_sequence_privilege",
    "has_server_privilege",
    "has_table_privilege",
    "has_tablespace_privilege",
    "has_type_privilege",
    "pg_has_role",
];

/// What may be done: all else writes.
const GRANTED: &[&str] = &["select", "usage", "connect", "execute", "member"];

/// The functions whose answers depend on the one who asks.
pub(super) fn of_user(user: &str) -> Vec<ScalarUDF> {
    let of = |name| {
        let user = user.to_owned();
        RowFunction::udf(name, DataType::Utf8, move |_| Ok(ScalarValue::from(user.as_str())))
    };
    vec![of("current_user"), of("session_user"), of("user"), of("current_role")]
}

/// The others.
pub(super) fn of_catalogue(index: &Arc<Index>) -> Vec<ScalarUDF> {
    let mut all = vec![
        constant("version", super::version()),
        constant("current_database", super::super::planner::CATALOG.to_owned()),
        constant("current_catalog", super::super::planner::CATALOG.to_owned()),
        constant("current_schema", super::super::planner::SCHEMA.to_owned()),
        constant("pg_client_encoding", "UTF8".to_owned()),
        constant("getdatabaseencoding", "UTF8".to_owned()),
        RowFunction::udf("pg_encoding_to_char", DataType::Utf8, |_| Ok(ScalarValue::from("UTF8"))),
        RowFunction::udf("current_setting", DataType::Utf8, |args| {
            Ok(maybe(setting(text(args, 0)).map(str::to_owned)))
        }),
        RowFunction::udf("pg_size_pretty", DataType::Utf8, |args| {
            Ok(maybe(integer(args, 0).map(|bytes| format!("{bytes} bytes"))))
        }),
        RowFunction::udf("quote_ident", DataType::Utf8, |args| Ok(maybe(text(args, 0).map(quoted)))),
        RowFunction::udf("quote_literal", DataType::Utf8, |args| Ok(maybe(text(args, 0).map(literal)))),
    ];
    all.extend(NOTHING.iter().map(|name| RowFunction::udf(name, DataType::Utf8, |_| Ok(ScalarValue::Utf8(None)))));
    all.extend(TRUE.iter().map(|name| RowFunction::udf(name, DataType::Boolean, |_| Ok(ScalarValue::from(true)))));
    all.extend(FALSE.iter().map(|name| RowFunction::udf(name, DataType::Boolean, |_| Ok(ScalarValue::from(false)))));
    all.extend(ZERO.iter().map(|name| RowFunction::udf(name, DataType::Int64, |_| Ok(ScalarValue::from(0_i64)))));
    all.extend(PRIVILEGES.iter().map(|name| {
        RowFunction::udf(name, DataType::Boolean, |args| {
            let asked = text(args, args.len().saturating_sub(1)).unwrap_or_default().to_lowercase();
            Ok(ScalarValue::from(asked.split(',').any(|one| GRANTED.contains(&one.trim()))))
        })
    }));
    all.extend([like_pattern(), format()]);
    all.extend(super::arrays::functions());
    all.extend(names_of_oids(index));
    all.extend(oids_of_names(index));
    all.extend(about_objects(index));
    all
}

/// Oid to name: `format_type`, and what a cast of an oid to `regclass` and its like shows.
fn names_of_oids(index: &Arc<Index>) -> Vec<ScalarUDF> {
    let with = |name, of: fn(&Index, u32) -> Option<String>| {
        let index = Arc::clone(index);
        RowFunction::udf(name, DataType::Utf8, move |args| Ok(maybe(oid(args, 0).and_then(|oid| of(&index, oid)))))
    };
    vec![
        with("format_type", |index, oid| Some(index.type_name(oid).unwrap_or_else(|| "???".to_owned()))),
        with("regclass_name", |index, oid| Some(index.relation_name(oid).unwrap_or_else(|| oid.to_string()))),
        with("regtype_name", |index, oid| Some(index.type_name(oid).unwrap_or_else(|| oid.to_string()))),
        with("regnamespace_name", |index, oid| Some(index.schema_name(oid).unwrap_or_else(|| oid.to_string()))),
        with("regrole_name", |_, _| Some(super::OWNER.to_owned())),
        with("pg_get_userbyid", |_, _| Some(super::OWNER.to_owned())),
    ]
}

/// Name to oid: `to_regclass`, and casts of names to `regclass` and its like.
fn oids_of_names(index: &Arc<Index>) -> Vec<ScalarUDF> {
    let with = |name, of: fn(&Index, &str) -> Option<u32>| {
        let index = Arc::clone(index);
        RowFunction::udf(name, DataType::UInt32, move |args| {
            let found = match args.first() {
                Some(value) if value.try_as_str().is_none() => oid(args, 0),
                _ => text(args, 0).and_then(|text| text.parse().ok().or_else(|| of(&index, text))),
            };
            Ok(ScalarValue::UInt32(found))
        })
    };
    vec![
        with("to_regclass", Index::relation_oid),
        with("to_regtype", Index::type_oid),
        with("to_regnamespace", Index::schema_oid),
        with("to_regrole", |_, _| Some(10)),
    ]
}

fn about_objects(index: &Arc<Index>) -> Vec<ScalarUDF> {
    let with = |name, returns, of: fn(&Index, &[ScalarValue]) -> ScalarValue| {
        let index = Arc::clone(index);
        RowFunction::udf(name, returns, move |args| Ok(of(&index, args)))
    };
    vec![
        with("pg_get_viewdef", DataType::Utf8, |index, args| {
            let found = oid(args, 0).or_else(|| text(args, 0).and_then(|name| index.relation_oid(name)));
            maybe(found.and_then(|oid| index.definition(oid)))
        }),
        with("obj_description", DataType::Utf8, |index, args| {
            maybe(oid(args, 0).and_then(|oid| index.comment(oid, 0)))
        }),
        with("col_description", DataType::Utf8, |index, args| {
            maybe(oid(args, 0).zip(integer(args, 1)).and_then(|(oid, number)| index.comment(oid, number)))
        }),
        with("pg_table_is_visible", DataType::Boolean, |index, args| {
            ScalarValue::Boolean(oid(args, 0).map(|oid| index.is_visible(oid)))
        }),
        with("pg_get_function_result", DataType::Utf8, |index, args| {
            maybe(oid(args, 0).and_then(|oid| index.function_usage(oid)).map(|_| "any".to_owned()))
        }),
        with("pg_get_function_arguments", DataType::Utf8, |index, args| {
            maybe(oid(args, 0).and_then(|oid| index.function_usage(oid)))
        }),
        with("pg_get_function_identity_arguments", DataType::Utf8, |index, args| {
            maybe(oid(args, 0).and_then(|oid| index.function_usage(oid)))
        }),
    ]
}

/// A pattern of LIKE with the backslash for its own escape character.
fn like_pattern() -> ScalarUDF {
    RowFunction::udf("like_pattern", DataType::Utf8, |args| {
        let (pattern, escape) = (text(args, 0), text(args, 1).and_then(|text| text.chars().next()));
        let written = pattern.map(|pattern| {
            let mut escaped = false;
            pattern.chars().fold(String::new(), |mut out, char| {
                if !escaped && Some(char) == escape {
                    escaped = true;
                } else {
                    if escaped || char == '\\' {
                        out.push('\\');
                    }
                    out.push(char);
                    escaped = false;
                }
                out
            })
        });
        Ok(maybe(written))
    })
}

/// `format('%I.%s', ...)`: names and texts.
fn format() -> ScalarUDF {
    RowFunction::udf("format", DataType::Utf8, |args| {
        let Some(pattern) = text(args, 0) else { return Ok(ScalarValue::Utf8(None)) };
        let (mut out, mut chars, mut next) = (String::new(), pattern.chars(), 1);
        while let Some(char) = chars.next() {
            if char != '%' {
                out.push(char);
                continue;
            }
            let kind = chars.next();
            if kind == Some('%') {
                out.push('%');
                continue;
            }
            let value = args.get(next).filter(|value| !value.is_null()).map(ScalarValue::to_string);
            next += 1;
            match (kind, value) {
                (Some('s'), value) => out.push_str(&value.unwrap_or_default()),
                (Some('I'), Some(name)) => out.push_str(&quoted(&name)),
                (Some('L'), Some(value)) => out.push_str(&literal(&value)),
                (Some('L'), None) => out.push_str("NULL"),
                (kind, _) => {
                    let kind = kind.map(String::from).unwrap_or_default();
                    return datafusion::common::exec_err!("format has no %{kind} here, or no name for it");
                }
            }
        }
        Ok(maybe(Some(out)))
    })
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn constant(name: &'static str, value: String) -> ScalarUDF {
    RowFunction::udf(name, DataType::Utf8, move |_| Ok(ScalarValue::from(value.as_str())))
}

fn maybe(value: Option<String>) -> ScalarValue {
    ScalarValue::Utf8(value)
}

fn setting(name: Option<&str>) -> Option<&'static str> {
    let name = name?;
    SETTINGS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).map(|(_, setting, _)| *setting)
}

/// A name as SQL must write it.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|char: char| char.is_ascii_lowercase() || char == '_')
        && name.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_');
    if plain && !RESERVED.contains(&name) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// PostgreSQL's reserved words that something of the lake could be called.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "case",
    "cast",
    "check",
    "column",
    "constraint",
    "create",
    "default",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "false",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "into",
    "leading",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "primary",
    "references",
    "select",
    "some",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "when",
    "where",
    "window",
    "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("logs", "logs")]
    #[case("Logs", "\"Logs\"")]
    #[case("order", "\"order\"")]
    #[case("a\"b", "\"a\"\"b\"")]
    #[case("1a", "\"1a\"")]
    fn a_name_is_quoted_where_it_must_be(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(quoted(name), expected);
    }
}
