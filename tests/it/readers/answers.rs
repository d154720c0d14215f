//! The same questions to every reader and to SQL, before and after columns were promoted and a checkpoint was written.

use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fixture;
use super::reader::{READERS, Reader};
use crate::support::otlp_gen;
use crate::support::server::{Home, Server, wait_for};

/// Rows reach files by `POST /v1/flush` alone.
pub const FLUSH_BY_HAND: &str = "[flush]\nage = \"1h\"\n[ingest]\nmax_future = \"36500d\"\n";

pub const PROMOTE: &str = "
[[promoted]]
name = \"tenant\"
type = \"long\"
from = [\"attributes['tenant.id']\", \"resource_attributes['tenant.id']\"]
[[promoted]]
name = \"tier\"
from = [\"attributes['tier']\"]
";

/// More versions than a table needs to get a checkpoint.
const ENOUGH_FLUSHES: u64 = 52;

/// Generated requests of each signal.
const CASES: usize = 40;

#[derive(Debug, Deserialize)]
struct Questions {
    always: Vec<Question>,
    promoted: Vec<Question>,
}

#[derive(Debug, Deserialize, Clone)]
struct Question {
    name: String,
    ask: Value,
    sql: String,
}

impl Question {
    /// The question about a moment: `{last}` is written out.
    fn at(&self, last: &str) -> Self {
        let ask = self.ask.to_string().replace("{last}", last);
        Self { ask: serde_json::from_str(&ask).unwrap(), sql: self.sql.replace("{last}", last), ..self.clone() }
    }
}

async fn store(server: &Server, requests: impl IntoIterator<Item = (&'static str, &'static str, Vec<u8>)>) {
    let client = reqwest::Client::new();
    for (path, content_type, body) in requests {
        let url = format!("{}{path}", server.otlp_http());
        let response = client.post(url).header("content-type", content_type).body(body).send().await.unwrap();
        let (status, reply) = (response.status(), response.bytes().await.unwrap());
        let nothing_rejected = reply.is_empty() || &reply[..] == b"{}";
        assert!(status.is_success() && nothing_rejected, "{status}: {}", String::from_utf8_lossy(&reply));
    }
    server.flush().await;
}

pub async fn store_batch(server: &Server, batch: &str, number: u64) {
    let requests = fixture::requests(batch, number);
    store(server, requests.map(|(path, body)| (path, "application/json", body.to_string().into_bytes()))).await;
}

/// SQL's answer in the readers' form: a list of values a row.
async fn by_sql(server: &Server, query: &str) -> Vec<Value> {
    let rows = server.sql(query).await;
    rows.into_iter().map(|row| row.as_object().unwrap().values().cloned().collect()).collect()
}

/// Asks every reader, side by side, and says where one differs from the expected rows, which come in any order.
fn differences(lake: &Path, readers: &mut [Reader], asked: &[(Question, Vec<Value>)]) -> Vec<String> {
    std::thread::scope(|scope| {
        let running: Vec<_> =
            readers.iter_mut().map(|reader| scope.spawn(|| reader_differences(lake, reader, asked))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn reader_differences(lake: &Path, reader: &mut Reader, asked: &[(Question, Vec<Value>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (question, expected) in asked {
        let expected = sorted(expected.iter().map(|row| as_told_by(reader.name, row)));
        let about = format!("{}: {} {}", reader.name, question.name, question.ask);
        match reader.ask(lake, &question.ask) {
            Err(error) => found.push(format!("{about}\n  {error}")),
            Ok(rows) => {
                let rows = sorted(rows.into_iter());
                let different = rows.iter().zip(&expected).find(|(row, expected)| row != expected);
                if rows.len() != expected.len() || different.is_some() {
                    found.push(format!("{about}\n  {} rows, SQL {}: {different:?}", rows.len(), expected.len()));
                }
            }
        }
    }
    found
}

fn sorted(rows: impl Iterator<Item = Value>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(|row| row.to_string()).collect();
    rows.sort_unstable();
    rows
}

/// Expected rows as a reader has to tell them: ClickHouse's arrays and maps are never NULL, but empty.
fn as_told_by(reader: &str, row: &Value) -> Value {
    let mut row = row.clone();
    if reader == "clickhouse" {
        let columns = row.as_array_mut().unwrap().iter_mut().filter_map(Value::as_object_mut);
        for (name, value) in columns.flat_map(|columns| columns.iter_mut()).filter(|(_, value)| value.is_null()) {
            let list = ["explicit_bounds", "quantiles", "events", "links", "exemplars"].contains(&name.as_str());
            if list || name.ends_with("bucket_counts") {
                *value = json!([]);
            } else if name.ends_with("attributes") || name == "metric_metadata" {
                *value = json!({});
            }
        }
    }
    row
}

/// Everything that is asked of a lake at one moment, with SQL's answers.
async fn asked(server: &Server, questions: &[Question]) -> Vec<(Question, Vec<Value>)> {
    let last = server.sql("select max(time) as last from spans").await[0]["last"].as_str().unwrap().to_owned();
    let mut asked = Vec::new();
    for question in questions.iter().map(|question| question.at(&last)) {
        let answer = by_sql(server, &question.sql).await;
        let shows = !answer.is_empty() && answer != [json!([0])] && answer != [json!([null])];
        assert!(shows, "{}: SQL answers {answer:?}, which shows nothing", question.name);
        asked.push((question, answer));
    }
    asked
}

fn assert_none(differences: &[String], when: &str) {
    assert!(differences.is_empty(), "{when}: {} differences\n{}", differences.len(), differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_gives_sqls_answers_before_and_after_a_promotion() {
    let questions: Questions = toml::from_str(include_str!("questions.toml")).unwrap();
    let mut home = Home::new(FLUSH_BY_HAND);
    let mut readers = READERS.map(Reader::start);
    let server = home.serve();
    store_batch(&server, "old", 0).await;
    store_batch(&server, "old", 1).await;
    assert_none(
        &differences(&home.lake(), &mut readers, &asked(&server, &questions.always).await),
        "before the promotion",
    );
    server.terminate();

    home.reconfigure(&format!("{FLUSH_BY_HAND}{PROMOTE}"));
    let server = home.serve();
    for number in 2..4 {
        store_batch(&server, "new", number).await;
    }
    let every: Vec<_> = questions.always.iter().chain(&questions.promoted).cloned().collect();
    assert_none(&differences(&home.lake(), &mut readers, &asked(&server, &every).await), "after the promotion");

    for number in 0..ENOUGH_FLUSHES {
        let few = fixture::few_spans("new", 1_000 + number).to_string();
        store(&server, [("/v1/traces", "application/json", few.into_bytes())]).await;
    }
    wait_for("a checkpoint", || home.lake().join("spans/_delta_log/_last_checkpoint").is_file().then_some(()));
    let of_spans: Vec<_> = every.into_iter().filter(|question| question.ask[1] == "spans").collect();
    assert_none(&differences(&home.lake(), &mut readers, &asked(&server, &of_spans).await), "after a checkpoint");
}

fn generated<R: Message>(
    path: &'static str,
    strategy: &impl Strategy<Value = R>,
) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut runner = TestRunner::deterministic();
    let mut request = || strategy.new_tree(&mut runner).unwrap().current().encode_to_vec();
    (0..CASES).map(|_| (path, "application/x-protobuf", request())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_gives_every_value_of_every_row() {
    let home = Home::new(FLUSH_BY_HAND);
    let server = home.serve();
    store(&server, generated("/v1/logs", &otlp_gen::logs_request())).await;
    store(&server, generated("/v1/traces", &otlp_gen::spans_request())).await;
    store(&server, generated("/v1/metrics", &otlp_gen::metrics_request())).await;
    let mut asked = Vec::new();
    for table in ["logs", "spans", "metrics"] {
        let question =
            |what: &str, ask: Value| Question { name: format!("{what} of {table}"), ask, sql: String::new() };
        let rows = server.sql(&format!("select * from {table}")).await;
        assert!(rows.len() > CASES, "{} rows of {table} show little", rows.len());
        asked.push((question("rows", json!(["rows", table])), rows.into_iter().map(|row| json!([row])).collect()));
        let columns = server.sql(&format!("describe {table}")).await;
        let columns = columns.into_iter().map(|column| json!([column["column_name"]])).collect();
        asked.push((question("columns", json!(["columns", table])), columns));
    }
    let mut readers = READERS.map(Reader::start);
    assert_none(&differences(&home.lake(), &mut readers, &asked), "generated requests");
}
