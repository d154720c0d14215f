//! The tables of `pg_catalog` and `information_schema`.
//!
//! ```text
//! sql/pg_catalog/*.sql, sql/information_schema/*.sql   over the tables of lake.rs: what is the lake's own
//! datafusion-pg-catalog                                what is the same in every PostgreSQL: pg_type, pg_am, ...
//! sql/pg_catalog/empty_tables.txt, and its other ones  what can have no rows here
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;
use datafusion_pg_catalog::pg_catalog::{ArrowTable, PgCatalogStaticTables};

/// A table that SQL makes.
#[derive(Debug, Clone, Copy)]
pub(super) struct MadeTable {
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

macro_rules! made {
    ($($schema:literal: $($name:literal),*;)*) => {
        &[$($(MadeTable {
            schema: $schema,
            name: $name,
            sql: include_str!(concat!("../../../sql/", $schema, "/", $name, ".sql")),
        }),*),*]
    };
}

/// The tables that SQL makes.
pub(super) const MADE: &[MadeTable] = made![
    "pg_catalog": "pg_attribute", "pg_class", "pg_database", "pg_description", "pg_namespace", "pg_proc", "pg_roles",
    "pg_settings", "pg_stat_user_tables", "pg_tables", "pg_user", "pg_views";
    "information_schema": "columns", "schemata", "tables", "views";
];

/// Those of them that differ with the one who asks.
pub(super) const OF_USER: [&str; 2] = ["pg_roles", "pg_user"];

/// Tables without rows that nobody else describes: `schema.name: column column ...`, all text.
const EMPTY: &str = include_str!("../../../sql/pg_catalog/empty_tables.txt");

/// A table that is the same for every lake.
#[derive(Debug, Clone)]
pub(super) struct FixedTable {
    pub(super) schema: &'static str,
    pub(super) name: String,
    pub(super) rows: RecordBatch,
}

/// The tables that are the same for every lake, and the keywords.
#[derive(Debug)]
pub(super) struct FixedTables {
    pub(super) tables: Vec<FixedTable>,
    pub(super) keywords: Arc<ArrowTable>,
}

impl FixedTables {
    /// Reads them from the library.
    ///
    /// # Errors
    /// If the library's own files were damaged.
    pub(super) fn new() -> Result<Self> {
        let theirs = PgCatalogStaticTables::try_new()?;
        let mut tables = Vec::new();
        for (name, table, has_rows) in listed(&theirs) {
            let rows = concat_batches(&table.schema(), table.data())?;
            let rows = own_types(&rows)?;
            let rows = if name == "pg_type" { plain_types(&rows)? } else { rows };
            let rows = if has_rows { rows } else { rows.slice(0, 0) };
            tables.push(FixedTable { schema: "pg_catalog", name: name.to_owned(), rows });
        }
        for line in EMPTY.lines() {
            let Some((name, columns)) = line.split_once(':') else { continue };
            let (schema, name) = match name.split_once('.') {
                Some(("information_schema", name)) => ("information_schema", name),
                Some((_, name)) => ("pg_catalog", name),
                None => continue,
            };
            let fields: Vec<_> =
                columns.split_whitespace().map(|column| Field::new(column, DataType::Utf8, true)).collect();
            let rows = own_types(&RecordBatch::new_empty(Arc::new(Schema::new(fields))))?;
            tables.push(FixedTable { schema, name: name.to_owned(), rows });
        }
        Ok(Self { tables, keywords: Arc::clone(&theirs.pg_get_keywords) })
    }

    /// The rows of one.
    pub(super) fn rows(&self, name: &str) -> Option<&RecordBatch> {
        self.tables.iter().find(|table| table.name == name).map(|table| &table.rows)
    }
}

/// The library's tables: name, rows, whether they hold here. The others are of a PostgreSQL with functions, operators,
/// indexes and constraints of its own.
fn listed(theirs: &PgCatalogStaticTables) -> Vec<(&'static str, &Arc<ArrowTable>, bool)> {
    macro_rules! table {
        ($($name:ident $has_rows:literal),* $(,)?) => {
            vec![$((stringify!($name), &theirs.$name, $has_rows)),*]
        };
    }
    table![
        pg_am true, pg_language true, pg_range true, pg_tablespace true, pg_type true,
        pg_aggregate false, pg_amop false, pg_amproc false, pg_attrdef false, pg_auth_members false, pg_authid false,
        pg_cast false, pg_collation false, pg_constraint false, pg_conversion false, pg_db_role_setting false,
        pg_default_acl false, pg_depend false, pg_enum false, pg_event_trigger false, pg_extension false,
        pg_foreign_data_wrapper false, pg_foreign_server false, pg_foreign_table false, pg_index false, pg_inherits false,
        pg_init_privs false, pg_largeobject false, pg_largeobject_metadata false, pg_opclass false, pg_operator false,
        pg_opfamily false, pg_partitioned_table false, pg_policy false, pg_publication false,
        pg_publication_namespace false, pg_publication_rel false, pg_replication_origin false, pg_rewrite false,
        pg_seclabel false, pg_sequence false, pg_shdepend false, pg_shdescription false, pg_shseclabel false,
        pg_statistic false, pg_statistic_ext false, pg_statistic_ext_data false, pg_subscription false,
        pg_subscription_rel false, pg_trigger false, pg_ts_config false, pg_ts_dict false, pg_ts_parser false,
        pg_ts_template false, pg_user_mapping false,
    ]
}

/// `pg_type` without the rows of PostgreSQL's own tables, and arrays of them.
fn plain_types(rows: &RecordBatch) -> Result<RecordBatch> {
    let composite: HashSet<u32> = {
        let (oids, kinds) = (oid_column(rows, "oid")?, rows.column_by_name("typtype"));
        let kinds = kinds.and_then(|kinds| kinds.as_string_opt::<i32>());
        let of = |row: usize| kinds.is_some_and(|kinds| kinds.value(row) == "c");
        oids.into_iter().enumerate().filter(|(row, _)| of(*row)).map(|(_, oid)| oid).collect()
    };
    let (oids, elements) = (oid_column(rows, "oid")?, oid_column(rows, "typelem")?);
    let kept =
        oids.iter().zip(&elements).map(|(oid, element)| !composite.contains(oid) && !composite.contains(element));
    Ok(filter_record_batch(rows, &BooleanArray::from(kept.collect::<Vec<_>>()))?)
}

fn oid_column(rows: &RecordBatch, name: &str) -> Result<Vec<u32>> {
    use arrow::datatypes::UInt32Type;
    let column = rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<UInt32Type>());
    column.map(|column| column.values().to_vec()).ok_or_else(|| {
        datafusion::common::internal_datafusion_err!("datafusion-pg-catalog's pg_type has no {name}, or not as an oid")
    })
}

/// Columns that hold oids, besides those that are called `oid`.
const OIDS: &[&str] = &[
    "attcollation",
    "attrelid",
    "atttypid",
    "classoid",
    "datdba",
    "dattablespace",
    "nspowner",
    "objoid",
    "prolang",
    "pronamespace",
    "proowner",
    "prorettype",
    "prosupport",
    "provariadic",
    "relam",
    "relfilenode",
    "relid",
    "relnamespace",
    "reloftype",
    "relowner",
    "relrewrite",
    "reltablespace",
    "reltoastrelid",
    "reltype",
    "usesysid",
];

/// Whether a column of this name holds oids.
pub(super) fn is_oid(name: &str) -> bool {
    name == "oid" || OIDS.contains(&name)
}

/// Rows with every oid as an unsigned integer, which is how the PostgreSQL door knows it, and nothing but what the door
/// can write in the metadata.
pub(super) fn own_types(rows: &RecordBatch) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        let oid = field.metadata().contains_key("pg.oid_alias") || is_oid(field.name());
        let data_type = match field.data_type() {
            DataType::Int32 if oid => DataType::UInt32,
            DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
            other => other.clone(),
        };
        let column =
            if oid && *field.data_type() == DataType::Int32 { not_negative(column) } else { Arc::clone(column) };
        columns.push(cast(&column, &data_type)?);
        fields.push(Field::new(field.name(), data_type, true));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Oids that the library holds as negative numbers would be lost.
fn not_negative(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<Int32Type>() {
        Some(values) => Arc::new(values.unary::<_, arrow::datatypes::UInt32Type>(|value| value.cast_unsigned())),
        None => Arc::clone(column),
    }
}

/// A table of these rows.
pub(super) fn provider(rows: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    let schema: SchemaRef = rows.schema();
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![rows]])?))
}

/// Tables by schema and name.
pub(super) type Providers = HashMap<(String, String), Arc<dyn TableProvider>>;
