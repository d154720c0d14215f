//! The way back: what leaves by `export` and comes in again is the same, whichever way it takes.
//!
//! `TELESTRATA_EXPORT_CASES` sets how many generated requests of each signal make the round.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Output};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prost::Message;
use serde_json::{Value, json};

use crate::support::logs::numbered_logs;
use crate::support::server::{Home, Server, telestrata, wait_for};
use crate::support::{otlp_gen, otlp_json};

const DEFAULT_CASES: usize = 40;
const TABLES: [&str; 3] = ["logs", "spans", "metrics"];
const DAY: u64 = 1_700_000_000;

/// Times of generated records lie up to 2027.
const ANY_TIME: &str = "[flush]\nage = \"1h\"\n[ingest]\nmax_future = \"36500d\"\n";

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A verb on a server.
fn connected(home: &Home, verb: &str, server: &Server) -> Command {
    let mut command = telestrata();
    command.current_dir(home.path()).arg(verb).arg("--connect").arg(server.http());
    command
}

/// Every row of a table but its provenance, in a fixed order.
fn rows(sql: &mut Command, table: &str) -> Vec<String> {
    let query = format!("select * except (ingest_time, source, ingest_principal) from {table}");
    let text = stdout(&run(sql.args([&query, "--format", "ndjson"])));
    let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
    rows.sort_unstable();
    rows
}

fn assert_same(actual: &[String], expected: &[String], table: &str, way: &str) {
    for (actual, expected) in actual.iter().zip(expected) {
        assert_eq!(actual, expected, "{table}, {way}");
    }
    assert_eq!(actual.len(), expected.len(), "{table}, {way}");
}

fn generate<R: Message>(
    strategy: impl Strategy<Value = R>,
    json: impl Fn(&R) -> Value,
    key: &str,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let cases = std::env::var("TELESTRATA_EXPORT_CASES").map_or(DEFAULT_CASES, |text| text.parse().unwrap());
    let mut runner = TestRunner::default();
    let mut request = |number: usize| {
        let request = strategy.new_tree(&mut runner).unwrap().current();
        let mut with_number = json(&request);
        // The same bytes again would be a repeat, which is stored once: an unknown field keeps them apart.
        with_number["number"] = json!(number);
        assert!(with_number[key].is_array());
        (request.encode_to_vec(), with_number.to_string().into_bytes())
    };
    (0..cases).map(&mut request).collect()
}

async fn send(server: &Server, path: &str, content_type: &str, body: Vec<u8>) {
    let request = reqwest::Client::new().post(format!("{}{path}", server.otlp_http()));
    let response = request.header("content-type", content_type).body(body).send().await.unwrap();
    let (status, reply) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{status}: {reply}");
}

/// A hot server -> OTLP/JSON -> a lake of files -> protobuf -> another -> gRPC -> a server -> HTTP -> a server: each has
/// the rows of the one before. Each generated request comes twice, so that most rows do.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_comes_back_the_same_by_every_way() {
    let homes: [Home; 5] = std::array::from_fn(|_| Home::new(ANY_TIME));
    let [first, by_json, by_proto, by_grpc, by_http] = &homes;
    let server = first.serve();
    let requests = [
        ("/v1/logs", generate(otlp_gen::logs_request(), otlp_json::logs, "resourceLogs")),
        ("/v1/traces", generate(otlp_gen::spans_request(), otlp_json::spans, "resourceSpans")),
        ("/v1/metrics", generate(otlp_gen::metrics_request(), otlp_json::metrics, "resourceMetrics")),
    ];
    for (path, requests) in requests {
        for (proto, json) in requests {
            send(&server, path, "application/x-protobuf", proto).await;
            send(&server, path, "application/json", json).await;
        }
    }
    let (grpc, http) = (by_grpc.serve(), by_http.serve());
    for table in TABLES {
        let expected = rows(&mut connected(first, "sql", &server), table);
        assert!(expected.len() > 10, "{} rows of {table}", expected.len());
        let all = ["--table", table, "--json"];
        let count = |output: &Output| {
            let summary = summary(output);
            assert!(output.status.success(), "{output:?}");
            assert_eq!(
                (&summary["left_out"], &summary["lost"]),
                (&json!(0), &json!({"adjusted_count": 0, "resolution": 0}))
            );
            summary["rows"].as_u64().unwrap() as usize
        };

        let file = by_json.path().join(format!("{table}.otlp.jsonl"));
        let exported = run(connected(first, "export", &server).args(all).arg("-o").arg(&file));
        assert_eq!(count(&exported), expected.len());
        stdout(&run(by_json.verb("import").arg(&file)));
        assert_same(&rows(&mut by_json.verb("sql"), table), &expected, table, "OTLP/JSON");

        let file = by_proto.path().join(format!("{table}.pb.zst"));
        assert_eq!(count(&run(by_json.verb("export").args(all).arg("-o").arg(&file))), expected.len());
        stdout(&run(by_proto.verb("import").arg(&file)));
        assert_same(&rows(&mut by_proto.verb("sql"), table), &expected, table, "protobuf");

        let to = ["--protocol", "grpc", "--to", &grpc.otlp_grpc()];
        assert_eq!(count(&run(by_proto.verb("export").args(all).args(to))), expected.len());
        assert_same(&rows(&mut connected(by_grpc, "sql", &grpc), table), &expected, table, "gRPC");

        let to = ["--protocol", "http/protobuf", "--to", &http.otlp_http()];
        assert_eq!(count(&run(connected(by_grpc, "export", &grpc).args(all).args(to))), expected.len());
        http.flush().await;
        assert_same(&rows(&mut connected(by_http, "sql", &http), table), &expected, table, "HTTP");
    }
}

/// A lake of logs, each line one request.
fn lake_of(config: &str, lines: &[String]) -> Home {
    let home = Home::new(config);
    std::fs::write(home.path().join("in.jsonl"), lines.join("\n")).unwrap();
    stdout(&run(home.verb("import").arg("in.jsonl")));
    home
}

/// The requests of a protobuf file.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, next) = after.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = next;
    }
    assert!(rest.is_empty());
    frames
}

/// Equal rows make equal requests, which a receiver could take for retries.
#[tokio::test(flavor = "multi_thread")]
async fn equal_rows_stay_as_many_as_they_are_in_requests_of_bounded_size() {
    const EQUAL: u64 = 10_000;
    let long = "x".repeat(1_000);
    let record = json!({ "timeUnixNano": "1700000000000000000", "body": { "stringValue": long } });
    let line = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": vec![record; 1_000] }] }] }).to_string();
    let home = lake_of("", &vec![line; EQUAL as usize / 1_000]);
    stdout(&run(home.verb("export").args(["--table", "logs", "-o", "all.pb"])));
    let frames = frames(&home.path().join("all.pb"));
    let records = frames.iter().map(|frame| {
        assert!(frame.len() <= 4 << 20, "a request of {} bytes", frame.len());
        let request = ExportLogsServiceRequest::decode(&frame[..]).unwrap();
        let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
        scopes.map(|scope| scope.log_records.len() as u64).sum::<u64>()
    });
    assert_eq!(records.sum::<u64>(), EQUAL);
    let distinct: std::collections::HashSet<_> = frames.iter().collect();
    assert!(distinct.len() < frames.len(), "equal rows make equal requests in a file");

    let target = Home::new("");
    let server = target.serve();
    let to = ["--table", "logs", "--json", "--protocol", "grpc", "--to", &server.otlp_grpc()];
    let exported = run(home.verb("export").args(to));
    assert_eq!(summary(&exported)["rows"], json!(EQUAL), "{exported:?}");
    assert_eq!(server.number("select count(*) from logs").await, EQUAL as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_endpoint_rejects_is_counted_and_what_otlp_can_not_hold_is_left_out() {
    let far = numbered_logs("far", 0..3, 4_000_000_000);
    let home = lake_of(ANY_TIME, &[numbered_logs("near", 0..5, DAY), far]);
    let target = Home::new("");
    let server = target.serve();
    for door in [["grpc", &server.otlp_grpc()], ["http/protobuf", &server.otlp_http()]] {
        let exported =
            run(home.verb("export").args(["--table", "logs", "--json", "--protocol", door[0], "--to", door[1]]));
        assert_eq!(exported.status.code(), Some(3), "{exported:?}");
        let summary = summary(&exported);
        assert_eq!((&summary["rows"], &summary["rejected"], &summary["left_out"]), (&json!(5), &json!(3), &json!(0)));
        assert!(summary["messages"][0].as_str().unwrap().contains("time"), "{summary}");
    }

    let query = "select * replace (nullif(time, timestamp '2023-11-14T22:13:22Z') as time) from logs where service_name = 'near'";
    let exported = run(home.verb("export").args([query, "--json", "-o", "out.otlp.jsonl"]));
    assert_eq!(exported.status.code(), Some(3), "{exported:?}");
    let summary = summary(&exported);
    assert_eq!((&summary["rows"], &summary["left_out"]), (&json!(4), &json!(1)));
    assert!(summary["left_out_because"][0].as_str().unwrap().contains("`time`"), "{summary}");

    let nobody = run(home.verb("export").args(["--table", "logs", "--to", "http://127.0.0.1:1/otlp"]));
    assert_eq!(nobody.status.code(), Some(1));
    assert!(stderr(&nobody).contains("can't connect to http://127.0.0.1:1/otlp"), "{nobody:?}");
}

#[test]
fn a_table_or_a_query_is_written_in_every_format() {
    let home = lake_of("", &[numbered_logs("one", 0..5, DAY), numbered_logs("two", 5..10, DAY)]);
    let read = |name: &str| std::fs::read(home.path().join(name)).unwrap();
    let export = |args: &[&str]| stdout(&run(home.verb("export").args(args)));
    export(&["--table", "logs", "-o", "logs.parquet"]);
    let file = std::fs::File::open(home.path().join("logs.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 1024).unwrap();
    assert_eq!(reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 10);

    let query = "select body from logs where service_name = 'one' order by body limit 2";
    export(&[query, "-o", "q.csv"]);
    assert_eq!(read("q.csv"), b"body\nlog 0\nlog 1\n");
    export(&[query, "-o", "q.tsv.gz"]);
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&read("q.tsv.gz")[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, "body\nlog 0\nlog 1\n");
    export(&[query, "-o", "q.ndjson.zst"]);
    assert_eq!(zstd::decode_all(&read("q.ndjson.zst")[..]).unwrap(), b"{\"body\":\"log 0\"}\n{\"body\":\"log 1\"}\n");
    std::fs::write(home.path().join("q.sql"), query).unwrap();
    assert_eq!(
        export(&["-f", "q.sql", "--format", "csv"]),
        "body\nlog 0\nlog 1\n",
        "the summary is not among the rows"
    );

    let two = ["--table", "logs", "--where", "attr('service.name') = 'two' -- only\n and time > '2023-01-01'"];
    let written = run(home.verb("export").args(two).args(["--json", "-o", "two.otlp.jsonl.gz"]));
    let (written, size) = (summary(&written), read("two.otlp.jsonl.gz").len());
    assert_eq!((&written["rows"], &written["requests"], &written["bytes"]), (&json!(5), &json!(1), &json!(size)));
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&read("two.otlp.jsonl.gz")[..]).read_to_string(&mut text).unwrap();
    let request: Value = serde_json::from_str(text.trim_end()).unwrap();
    let groups = request["resourceLogs"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "rows of one resource are in one group");
    let record = &groups[0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1700000005000000000");
    assert_eq!(record["attributes"][0], json!({ "key": "number", "value": { "intValue": "5" } }));
    export(&["--table", "spans", "-o", "no-spans.pb"]);
    assert!(read("no-spans.pb").is_empty());
}

#[test]
fn mistakes_are_told_before_anything_is_written() {
    let home = lake_of("", &[numbered_logs("one", 0..5, DAY)]);
    std::fs::write(home.path().join("kept.csv"), "before").unwrap();
    let before = std::fs::read_dir(home.path()).unwrap().count();
    let cases: [(&[&str], i32, &str); 12] = [
        (&["--table", "logs", "-o", "logs.xyz"], 2, "give --format"),
        (&["--table", "logs"], 2, "give --format"),
        (&["--table", "logs", "-o", "logs.parquet.zst"], 2, "not compressed as a whole"),
        (&["--table", "logs", "-o", "no/where.csv"], 2, "can't write no/where.csv"),
        (&["--table", "logs", "--to", "https://127.0.0.1:4317"], 2, "plain text only"),
        (&["--table", "logs", "--to", "http://127.0.0.1:4000"], 2, "name the protocol"),
        (&["--table", "logs", "--to", "http://127.0.0.1:4318", "-o", "x.csv"], 2, "cannot be used with"),
        (&["--table", "logs", "--where", "body = 'a' and\n > 5", "-o", "kept.csv"], 1, "line 2, column 2"),
        (&["--table", "logs", "--where", "body = 'a'\n and bodi = 'b'", "-o", "kept.csv"], 1, "line 2, column 6"),
        (&["--table", "logs", "--where", "1=1) or (1=1", "-o", "kept.csv"], 1, "line 1, column 4"),
        (&["select body, time from logs", "-o", "x.otlp.jsonl"], 1, "it lacks time_nanos, attributes"),
        (&["select cast(body as bigint) from logs", "-o", "kept.csv"], 1, "log"),
    ];
    for (args, code, message) in cases {
        let output = run(home.verb("export").args(args));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert!(stderr(&output).contains(message), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(std::fs::read(home.path().join("kept.csv")).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), before, "nothing is left");
}

/// An export that would never end by itself.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_killed_export_leaves_no_file_with_the_good_name() {
    let home = lake_of("", &[numbered_logs("one", 0..1_000, DAY)]);
    let partial = || {
        let entries = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap());
        entries.into_iter().find(|entry| entry.file_name().to_string_lossy().ends_with(".partial"))
    };
    // A thousand million rows: it is not done before it is stopped.
    let endless = "select a.* from logs a cross join logs b cross join logs c";
    for signal in ["-TERM", "-KILL"] {
        let mut export = Running(home.verb("export").args([endless, "-o", "rows.ndjson"]).spawn().unwrap());
        wait_for("the first bytes", || {
            assert!(export.0.try_wait().unwrap().is_none(), "the export ended");
            partial().filter(|file| file.metadata().is_ok_and(|metadata| metadata.len() > 0))
        });
        assert!(Command::new("kill").args([signal, &export.0.id().to_string()]).status().unwrap().success());
        let status = wait_for("the export to stop", || export.0.try_wait().unwrap());
        assert!(!status.success());
        assert!(!home.path().join("rows.ndjson").exists());
        assert_eq!(partial().is_some(), signal == "-KILL", "what is stopped cleans up");
    }
}
