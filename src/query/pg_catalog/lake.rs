//! What the catalogue tells of: the lake's schemas, tables, views, columns and functions, with their comments.
//!
//! They are the tables of a schema `lake`, which the files in `sql/pg_catalog/` and `sql/information_schema/` read and
//! no client sees.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int16Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;

use super::oids::Oids;
use super::types;

/// A schema.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub(super) oid: u32,
    pub(super) name: String,
    comment: Option<&'static str>,
}

/// A table or a view.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: SchemaRef,
    pub(super) comment: Option<String>,
    /// The query of a view.
    pub(super) definition: Option<String>,
    column_comments: Vec<Option<String>>,
    system: bool,
}

/// A function, or a macro.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) oid: u32,
    pub(super) name: String,
    /// How it is called.
    pub(super) usage: String,
    comment: Option<String>,
    /// `pg_proc.prokind`.
    kind: &'static str,
    returns_rows: bool,
}

/// A table or a view as its maker knows it.
#[derive(Debug, Clone)]
pub(in super::super) struct RelationSource {
    /// Its schema.
    pub(super) schema: &'static str,
    /// Its name.
    pub(super) name: String,
    /// Its columns.
    pub(super) columns: SchemaRef,
    /// What a row of it is.
    pub(super) comment: Option<String>,
    /// What each column is, in the order of `columns`; where it is shorter, the others are not said.
    pub(super) column_comments: Vec<Option<String>>,
    /// The query of a view; `None` for a table.
    pub(super) definition: Option<String>,
}

/// A function as its maker knows it.
#[derive(Debug, Clone)]
pub(in super::super) struct FunctionSource {
    /// Its name.
    pub(super) name: String,
    /// How it is called.
    pub(super) usage: String,
    /// What it says.
    pub(super) comment: Option<String>,
    /// What it is.
    pub(super) kind: FunctionKind,
}

/// What a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum FunctionKind {
    /// A value for each row.
    Scalar,
    /// A value for many rows.
    Aggregate,
    /// A value for each row, from those around it.
    Window,
    /// Rows.
    Table,
}

/// Everything that the catalogue tells of.
#[derive(Debug, Default)]
pub(super) struct Lake {
    oids: Oids,
    pub(super) schemas: Vec<Schema>,
    pub(super) relations: Vec<Relation>,
    pub(super) functions: Vec<Function>,
}

/// The schemas, in the order in which they are given oids.
const SCHEMAS: &[(&str, Option<&str>)] = &[
    ("pg_catalog", Some("what PostgreSQL's clients ask a server about itself")),
    ("information_schema", Some("the same, as the SQL standard has it")),
    ("public", Some("the lake's tables and views")),
    ("system", Some("the lake about itself: its files, history, views and functions")),
];

impl Relation {
    /// Its comment as that of column 0, and those of its columns.
    pub(super) fn comments(&self) -> impl Iterator<Item = (i64, String)> {
        let own = self.comment.iter().map(|comment| (0, comment.clone()));
        let columns = self.column_comments.iter().zip(1..);
        own.chain(columns.filter_map(|(comment, number)| Some((number, comment.clone()?))))
    }
}

impl Lake {
    pub(super) fn new(relations: Vec<RelationSource>, functions: Vec<FunctionSource>) -> Self {
        let mut lake = Self::default();
        for (name, comment) in SCHEMAS {
            let oid = lake.oids.of(name);
            lake.schemas.push(Schema { oid, name: (*name).to_owned(), comment: *comment });
        }
        for source in relations {
            lake.add(source, false);
        }
        for source in functions {
            let oid = lake.oids.of(&format!("function {}", source.name));
            let kind = match source.kind {
                FunctionKind::Scalar | FunctionKind::Table => "f",
                FunctionKind::Aggregate => "a",
                FunctionKind::Window => "w",
            };
            let returns_rows = source.kind == FunctionKind::Table;
            let FunctionSource { name, usage, comment, .. } = source;
            lake.functions.push(Function { oid, name, usage, comment, kind, returns_rows });
        }
        lake
    }

    /// Adds a table of the catalogue itself.
    pub(super) fn add_system(&mut self, schema: &'static str, name: &str, columns: SchemaRef) {
        let (name, comment, column_comments, definition) = (name.to_owned(), None, Vec::new(), None);
        self.add(RelationSource { schema, name, columns, comment, column_comments, definition }, true);
    }

    fn add(&mut self, source: RelationSource, system: bool) {
        let RelationSource { schema, name, columns, comment, column_comments, definition } = source;
        let oid = self.oids.of(&format!("{schema}.{name}"));
        let schema = schema.to_owned();
        self.relations.push(Relation { oid, schema, name, columns, comment, definition, column_comments, system });
    }

    fn schema_oid(&self, name: &str) -> i32 {
        self.schemas.iter().find(|schema| schema.name == name).map_or(0, |schema| int(schema.oid))
    }

    /// `lake.schemas`.
    pub(super) fn schema_rows(&self) -> Result<RecordBatch> {
        let all = &self.schemas;
        batch([
            ("oid", ints(all.iter().map(|one| int(one.oid)))),
            ("name", texts(all.iter().map(|one| Some(one.name.as_str())))),
            ("comment", texts(all.iter().map(|one| one.comment))),
        ])
    }

    /// `lake.relations`.
    pub(super) fn relation_rows(&self) -> Result<RecordBatch> {
        let all = &self.relations;
        batch([
            ("oid", ints(all.iter().map(|one| int(one.oid)))),
            ("schema_oid", ints(all.iter().map(|one| self.schema_oid(&one.schema)))),
            ("schema_name", texts(all.iter().map(|one| Some(one.schema.as_str())))),
            ("name", texts(all.iter().map(|one| Some(one.name.as_str())))),
            ("kind", texts(all.iter().map(|one| Some(if one.definition.is_some() { "v" } else { "r" })))),
            ("column_count", shorts(all.iter().map(|one| short(one.columns.fields().len())))),
            ("comment", texts(all.iter().map(|one| one.comment.as_deref()))),
            ("definition", texts(all.iter().map(|one| one.definition.as_deref()))),
            ("is_system", booleans(all.iter().map(|one| one.system))),
        ])
    }

    /// `lake.columns`.
    pub(super) fn column_rows(&self) -> Result<RecordBatch> {
        let all: Vec<_> = self
            .relations
            .iter()
            .flat_map(|relation| {
                let fields = relation.columns.fields().iter().enumerate();
                fields.map(move |(index, field)| (relation, index, field, types::of(field.data_type())))
            })
            .collect();
        batch([
            ("relation_oid", ints(all.iter().map(|(relation, ..)| int(relation.oid)))),
            ("schema_name", texts(all.iter().map(|(relation, ..)| Some(relation.schema.as_str())))),
            ("relation_name", texts(all.iter().map(|(relation, ..)| Some(relation.name.as_str())))),
            ("number", shorts(all.iter().map(|(_, index, ..)| short(index + 1)))),
            ("name", texts(all.iter().map(|(_, _, field, _)| Some(field.name().as_str())))),
            ("type_oid", ints(all.iter().map(|(.., pg)| int(pg.oid)))),
            ("type_name", texts(all.iter().map(|(.., pg)| Some(pg.name)))),
            ("type_sql", texts(all.iter().map(|(.., pg)| Some(pg.sql)))),
            ("type_length", shorts(all.iter().map(|(.., pg)| pg.length))),
            ("nullable", booleans(all.iter().map(|(_, _, field, _)| field.is_nullable()))),
            (
                "comment",
                texts(
                    all.iter()
                        .map(|(relation, index, ..)| relation.column_comments.get(*index).and_then(Option::as_deref)),
                ),
            ),
        ])
    }

    /// `lake.functions`.
    pub(super) fn function_rows(&self) -> Result<RecordBatch> {
        let all = &self.functions;
        let schema = self.schema_oid("public");
        batch([
            ("oid", ints(all.iter().map(|one| int(one.oid)))),
            ("name", texts(all.iter().map(|one| Some(one.name.as_str())))),
            ("schema_oid", ints(all.iter().map(|_| schema))),
            ("kind", texts(all.iter().map(|one| Some(one.kind)))),
            ("returns_rows", booleans(all.iter().map(|one| one.returns_rows))),
            ("comment", texts(all.iter().map(|one| one.comment.as_deref()))),
        ])
    }
}

/// `lake.settings`: what `pg_settings`, `current_setting` and their like say.
pub(super) fn setting_rows() -> Result<RecordBatch> {
    batch([
        ("name", texts(SETTINGS.iter().map(|(name, ..)| Some(*name)))),
        ("setting", texts(SETTINGS.iter().map(|(_, setting, _)| Some(*setting)))),
        ("meaning", texts(SETTINGS.iter().map(|(.., meaning)| Some(*meaning)))),
    ])
}

/// Name, value, meaning.
pub(super) const SETTINGS: &[(&str, &str, &str)] = &[
    ("client_encoding", "UTF8", "the encoding of texts"),
    ("DateStyle", "ISO, MDY", "how dates are written"),
    ("default_table_access_method", "delta", "how tables are kept"),
    ("default_transaction_isolation", "repeatable read", "a query sees each table at one moment"),
    ("default_transaction_read_only", "on", "queries only read"),
    ("integer_datetimes", "on", "timestamps are whole microseconds"),
    ("IntervalStyle", "postgres", "how intervals are written"),
    ("lc_collate", "C", "texts are ordered by their bytes"),
    ("lc_ctype", "C.UTF-8", "the character set"),
    ("max_identifier_length", "63", "as PostgreSQL's; longer names are taken"),
    ("max_index_keys", "32", "as PostgreSQL's; there are no indexes"),
    ("search_path", "public", "where unqualified names are looked for, after pg_catalog"),
    ("server_encoding", "UTF8", "the encoding of texts"),
    ("server_version", super::SERVER_VERSION, "the PostgreSQL whose protocol and catalogue this is like"),
    ("server_version_num", super::SERVER_VERSION_NUMBER, "the same as a number"),
    ("standard_conforming_strings", "on", "a backslash is itself in '...'"),
    ("TimeZone", "UTC", "timestamps are in UTC"),
    ("transaction_isolation", "repeatable read", "a query sees each table at one moment"),
    ("transaction_read_only", "on", "queries only read"),
];

/// `lake.roles`: who owns everything, and the one who asks.
pub(super) fn role_rows(user: &str) -> Result<RecordBatch> {
    let mut names = vec![super::OWNER];
    if user != super::OWNER {
        names.push(user);
    }
    batch([
        ("oid", ints((10..).take(names.len()))),
        ("name", texts(names.iter().map(|name| Some(*name)))),
        ("can_login", booleans(names.iter().map(|name| *name == user))),
    ])
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

fn ints(values: impl Iterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

fn shorts(values: impl Iterator<Item = i16>) -> ArrayRef {
    Arc::new(Int16Array::from_iter_values(values))
}

fn booleans(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from_iter(values.map(Some)))
}

/// Every oid fits: `Oids` gives none past `i32::MAX`.
fn int(oid: u32) -> i32 {
    i32::try_from(oid).unwrap_or(i32::MAX)
}

fn short(count: usize) -> i16 {
    i16::try_from(count).unwrap_or(i16::MAX)
}
