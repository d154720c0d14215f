//! What clients ask, as they ask it: each file of `tests/catalogue/` is what one client sent for one thing.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;

use crate::error::Result;
use crate::lake::{CloudAccess, LakeRoot};
use crate::query::{Dialect, Pinned, QueryBudget, QueryEngine, QueryStream, Question, SqlObjects, Supervision};

struct Asker {
    engine: QueryEngine,
    _folder: tempfile::TempDir,
}

impl Asker {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = LakeRoot::parse(folder.path().to_str().unwrap(), &CloudAccess::default()).unwrap();
        let budget = QueryBudget {
            max_memory: 64 << 20,
            max_time: Duration::from_secs(600),
            max_rows: None,
            max_scan_bytes: None,
            footer_cache: 1 << 20,
            small_files: 1 << 20,
            span_slack: Duration::from_secs(3600),
        };
        let objects = Arc::new(SqlObjects::built_in().unwrap());
        let engine = QueryEngine::new(root, &budget, objects, tokio::runtime::Handle::current()).unwrap();
        Self { engine, _folder: folder }
    }

    async fn ask(&self, sql: &str, params: Vec<ScalarValue>) -> Result<QueryStream> {
        let (sql, user) = (sql.to_owned(), Some("ada".to_owned()));
        let question = Question { sql, params, dialect: Dialect::Postgres, user, ..Question::default() };
        self.engine.run(Pinned(Vec::new()), question, Supervision::default()).await
    }

    /// The rows of an answer, as texts.
    async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.rows_with(sql, Vec::new()).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    async fn rows_with(&self, sql: &str, params: Vec<ScalarValue>) -> Result<Vec<Vec<String>>> {
        let batches = self.ask(sql, params).await?.collect().await?;
        Ok(batches.iter().flat_map(texts).collect())
    }

    async fn oid(&self, name: &str) -> u32 {
        let batches = self.ask(&format!("SELECT '{name}'::regclass::oid"), Vec::new()).await.unwrap();
        batches.collect().await.unwrap()[0].column(0).as_primitive::<UInt32Type>().value(0)
    }
}

fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()).collect()
}

/// Whether a piece of a file is more than what is said about it.
fn has_sql(piece: &str) -> bool {
    piece.lines().any(|line| !line.trim().is_empty() && !line.starts_with("--"))
}

/// The values of a line that PostgreSQL logged: `-- parameters: $1 = 'r', $2 = NULL`.
fn parameters(statement: &str) -> Vec<ScalarValue> {
    let line = statement.lines().find_map(|line| line.strip_prefix("-- parameters: ")).unwrap_or_default();
    let mut values = Vec::new();
    for one in line.split(", $") {
        let Some((_, value)) = one.split_once(" = ") else { continue };
        values.push(match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
            Some(text) => ScalarValue::from(text),
            None => ScalarValue::Utf8(None),
        });
    }
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_ask_is_answered() {
    let asker = Asker::new();
    let (logs, errors) = (asker.oid("logs").await, asker.oid("errors").await);
    let mut failures = Vec::new();
    let mut count = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalogue");
    for tool in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(tool.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let text = fs::read_to_string(&file).unwrap();
            let text = text.replace("{logs}", &logs.to_string()).replace("{errors}", &errors.to_string());
            for statement in text.split("\n;\n").filter(|piece| has_sql(piece)) {
                count += 1;
                let file = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
                match asker.rows_with(statement, parameters(statement)).await {
                    Ok(_) => {}
                    Err(error) => failures.push(format!("== {file}\n{error}\n{statement}")),
                }
                let prepared =
                    Question { sql: statement.to_owned(), dialect: Dialect::Postgres, ..Question::default() };
                if let Err(error) = asker.engine.prepare(Pinned(Vec::new()), prepared).await {
                    failures.push(format!("== {file} (prepared)\n{error}\n{statement}"));
                }
            }
        }
    }
    assert!(count > 100, "{count}");
    assert!(failures.is_empty(), "{} of {count}\n{}", failures.len(), failures.join("\n"));
}

/// The rows that one of a file's statements has, as `a|b|c`.
async fn learned(asker: &Asker, file: &str, beginning: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalogue").join(file);
    let text = fs::read_to_string(path).unwrap().replace("{logs}", &asker.oid("logs").await.to_string());
    let statement = text.split("\n;\n").find(|one| one.contains(beginning)).unwrap_or_else(|| panic!("{beginning}"));
    let rows = asker.rows_with(statement, parameters(statement)).await.unwrap();
    rows.into_iter().map(|row| row.join("|")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_learn_is_so() {
    let asker = Asker::new();
    let has = |rows: &[String], row: &str| assert!(rows.iter().any(|one| one.starts_with(row)), "{row}\n{rows:#?}");
    // Grafana writes the names into queries: those of the search path without a schema.
    let tables = learned(&asker, "grafana/editor.sql", "THEN quote_ident(table_name)").await;
    assert!(["logs", "errors", "system.files"].iter().all(|name| tables.contains(&(*name).to_owned())), "{tables:?}");
    for table in ["parse_ident('logs')", "parse_ident('public.logs')"] {
        let columns = learned(&asker, "grafana/editor.sql", table).await;
        has(&columns, "time|timestamp with time zone");
        has(&columns, "attributes|json");
        assert!(!columns.iter().any(|column| column.starts_with("span_kind")), "those of other tables are not there");
    }
    let fields = learned(&asker, "metabase/sync.sql", "database-is-auto-increment").await;
    has(&fields, "time|timestamptz|1|public|logs|false|");
    has(&fields, "message|text|");
    assert!(
        fields.iter().filter(|field| field.contains("|logs|")).all(|field| !field.contains("|NULL|")),
        "{fields:?}"
    );
    assert!(learned(&asker, "metabase/sync.sql", "fk-table-schema").await.is_empty());
    has(
        &learned(&asker, "metabase/sync.sql", "estimated_row_count").await,
        "public|logs|TABLE|One row a log record.|NULL",
    );
    let oid = asker.oid("logs").await;
    let nodes = learned(&asker, "dbeaver/navigator.sql", "c.relnamespace=2200 AND c.relkind").await;
    has(&nodes, &format!("{oid}|{oid}|logs|2200|"));
    let columns = learned(&asker, "dbeaver/navigator.sql", "as def_value").await;
    has(&columns, &format!("logs|{oid}|time|1184|"));
    has(&learned(&asker, "duckdb/attach.sql", "SELECT oid, nspname").await, "11|pg_catalog");
    has(
        &learned(&asker, "duckdb/attach.sql", "constraint_key").await,
        "2200|attribute_keys|0|time|timestamptz|-1|0|1|",
    );
    has(&learned(&asker, "tokio_postgres/typeinfo.sql", "rngsubtype").await, "json|b|0|NULL|0|pg_catalog|0");
    has(&learned(&asker, "psql/completion.sql", "n.nspname LIKE").await, "logs|NULL");
}

#[tokio::test(flavor = "multi_thread")]
async fn oids_lead_back_to_names() {
    let asker = Asker::new();
    let back = "SELECT c.oid::regclass::text, c.oid::regclass, c.relnamespace::regnamespace FROM pg_class c \
                WHERE c.oid = 'system.files'::regclass";
    assert_eq!(asker.rows(back).await, [["system.files", "system.files", "system"]]);
    let types = "SELECT DISTINCT a.atttypid::regtype::text FROM pg_attribute a WHERE a.attrelid = 'logs'::regclass \
                 AND a.attname IN ('attributes', 'time')  ORDER BY 1";
    assert_eq!(asker.rows(types).await, [["json"], ["timestamp with time zone"]]);
    let unknown = asker.rows_with("SELECT 'nothing'::regclass", Vec::new()).await.unwrap_err();
    assert!(unknown.to_string().contains("there is no table or view nothing"), "{unknown}");
    let twice = asker.oid("errors").await;
    assert_eq!(Asker::new().oid("errors").await, twice, "another server gives the same");
    let me = "SELECT current_user, (SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolcanlogin)";
    assert_eq!(asker.rows(me).await, [["ada", "1"]]);
    let description = "SELECT col_description('logs'::regclass, 2) = (SELECT description FROM pg_description \
                       WHERE objoid = 'logs'::regclass AND objsubid = 2), pg_get_viewdef('errors'::regclass, true) ~ 'SELECT'";
    assert_eq!(asker.rows(description).await, [["true", "true"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_may_be_whether_a_subquery_has_it() {
    let asker = Asker::new();
    let one = async |column: &str| {
        let sql = format!("SELECT {column} FROM pg_namespace n WHERE nspname = 'public' ORDER BY {column}");
        asker.rows(&sql).await.concat().concat()
    };
    for (column, expected) in [
        ("nspname IN (SELECT 'public')", "true"),
        ("nspname NOT IN (SELECT 'public')", "false"),
        ("nspname IN (SELECT relname FROM pg_class WHERE relname = 'no such')", "false"),
        ("nspname NOT IN (SELECT relname FROM pg_class WHERE relname = 'no such')", "true"),
        ("NULL::text IN (SELECT 'public')", "NULL"),
        ("'logs' IN (SELECT relname FROM pg_class c WHERE c.relnamespace = n.oid)", "true"),
        ("'files' IN (SELECT relname FROM pg_class c WHERE c.relnamespace = n.oid)", "false"),
        ("nspname IN (SELECT nspname FROM pg_namespace ORDER BY 1 LIMIT 1)", "false"),
        ("nspname IN (SELECT max(nspname) FROM pg_namespace WHERE nspname < 'q')", "true"),
        ("nspname IN (SELECT 'other' UNION SELECT 'public')", "true"),
        ("CASE WHEN nspname IN (SELECT 'public') THEN 'it' ELSE 'none' END", "it"),
    ] {
        assert_eq!(one(column).await, expected, "{column}");
    }
}
