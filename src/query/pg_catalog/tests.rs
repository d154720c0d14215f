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
            for statement in text.split("\n;\n") {
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

#[tokio::test(flavor = "multi_thread")]
async fn scratch() {
    let asker = Asker::new();
    let Ok(file) = std::env::var("PGCAT_SQL") else { return };
    for statement in fs::read_to_string(file).unwrap().split("\n;\n") {
        let start = std::time::Instant::now();
        println!("-- {statement}");
        match asker.ask(statement, Vec::new()).await {
            Err(error) => println!("{error}"),
            Ok(stream) => {
                println!(
                    "{:?}",
                    stream
                        .schema
                        .fields()
                        .iter()
                        .map(|f| format!("{} {}", f.name(), f.data_type()))
                        .collect::<Vec<_>>()
                );
                match stream.collect().await {
                    Ok(batches) => {
                        for row in batches.iter().flat_map(texts).take(30) {
                            println!("{row:?}")
                        }
                    }
                    Err(error) => println!("{error}"),
                }
            }
        }
        println!("{:?}", start.elapsed());
    }
}
