//! The schema `system`, and the views of a user's folder.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, Server};

/// 2023-11-14T22:13:20Z in seconds.
const DAY: u64 = 1_700_000_000;

async fn logs(server: &Server, service: &str, numbers: std::ops::Range<u64>, second: u64) {
    let client = reqwest::Client::new();
    send_logs(&client, &server.otlp_http(), numbered_logs(service, numbers, second)).await.unwrap();
}

/// What a query is refused with.
async fn refused(server: &Server, sql: &str) -> (u16, String) {
    let request = reqwest::Client::new().post(format!("{}/v1/sql", server.http())).body(sql.to_owned());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn rows(output: &Output) -> Value {
    serde_json::from_str(&said(output)).unwrap()
}

fn log_file(home: &Home, version: u64) -> std::path::PathBuf {
    home.lake().join(format!("logs/_delta_log/{version:020}.json"))
}

/// Two commits of logs, and hot rows: one of 5 logs, one of 7 over two days.
async fn two_commits(home: &Home) -> Server {
    let server = home.serve();
    logs(&server, "one", 0..5, DAY).await;
    server.flush().await;
    logs(&server, "two", 5..10, DAY).await;
    logs(&server, "two", 10..12, DAY + 86_400).await;
    server.flush().await;
    logs(&server, "three", 12..20, DAY).await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_history_are_what_is_in_the_lake() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = two_commits(&home).await;

    let files = server.sql("select * from system.files order by min_service_name, date").await;
    let shown: Vec<_> = files
        .iter()
        .map(|file| {
            json!([
                file["table_name"],
                file["date"],
                file["row_count"],
                file["min_time"],
                file["min_service_name"],
                file["max_service_name"]
            ])
        })
        .collect();
    let expected = [
        json!(["logs", "2023-11-14", 5, "2023-11-14T22:13:20Z", "one", "one"]),
        json!(["logs", "2023-11-14", 5, "2023-11-14T22:13:25Z", "two", "two"]),
        json!(["logs", "2023-11-15", 2, "2023-11-15T22:13:30Z", "two", "two"]),
    ];
    assert_eq!(shown, expected, "hot rows are in no file");
    for file in &files {
        let location = Path::new(file["location"].as_str().unwrap());
        assert_eq!(location.metadata().unwrap().len(), file["size_bytes"].as_u64().unwrap());
        assert!(location.ends_with(format!("logs/{}", file["path"].as_str().unwrap())));
    }
    // Whoever reads just these files reads what the table has, hot rows apart.
    assert_eq!(server.number("select cast(sum(row_count) as bigint) from system.files").await, 12);
    assert_eq!(server.number("select count(*) from logs").await, 20);

    let history = server.sql("select table_name, version, operation, engine_info like 'delta-rs%' as engine, files_added, files_removed, rows_added, bytes_added > 0 as bytes, bytes_removed, data_change, cardinality(transactions) as txns from system.history where table_name = 'logs' order by version desc").await;
    let line = |version, operation: &str, files, rows, change| {
        json!({
            "table_name": "logs", "version": version, "operation": operation, "engine": true, "files_added": files,
            "files_removed": 0, "rows_added": rows, "bytes": files > 0, "bytes_removed": 0, "data_change": change,
            "txns": i32::from(change),
        })
    };
    let expected = [line(2, "WRITE", 2, 7, true), line(1, "WRITE", 1, 5, true), line(0, "CREATE TABLE", 0, 0, false)];
    assert_eq!(history, expected);
    let all = server.sql("select table_name, version from system.history").await;
    assert_eq!((all.len(), &all[0]), (5, &json!({ "table_name": "logs", "version": 2 })), "newest first: {all:?}");
    let txns = server.sql("select txn['app_id'] as app, txn['version'] as version from (select version as v, unnest(transactions) as txn from system.history) order by v").await;
    assert_eq!(txns.len(), 2);
    let (first, second) = (&txns[0], &txns[1]);
    assert!(
        first["app"].as_str().unwrap().starts_with("writer/") && first["app"].as_str().unwrap().ends_with("/logs"),
        "{txns:?}"
    );
    assert_eq!(first["app"], second["app"]);
    assert!(first["version"].as_i64() < second["version"].as_i64(), "{txns:?}");
    let mode = server.sql("select operation_parameters from system.history where version = 1").await;
    let mode: Value = serde_json::from_str(mode[0]["operation_parameters"].as_str().unwrap()).unwrap();
    assert_eq!(mode["mode"], "Append");
    // Both with what else can be asked.
    assert_eq!(server.number("select count(*) from system.history h join system.files f on h.table_name = f.table_name and h.version = 1").await, 3);
    server.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn history_reads_no_more_of_the_log_than_is_asked_for() {
    let home = Home::new("[flush]\nage = \"1h\"\n");
    let server = two_commits(&home).await;
    std::fs::write(log_file(&home, 0), "{}\nno json\n").unwrap();
    // The server has the tables open; its queries read the log's files again.
    let versions = |rows: Vec<Value>| rows.iter().map(|row| row["version"].as_u64().unwrap()).collect::<Vec<_>>();
    let logs = "select version from system.history where table_name = 'logs'";
    assert_eq!(versions(server.sql(&format!("{logs} limit 1")).await), [2]);
    assert_eq!(versions(server.sql(&format!("{logs} and version >= 1 order by 1")).await), [1, 2]);
    assert_eq!(server.sql("select * from system.history where table_name = 'spans'").await.len(), 1);
    let (status, text) = refused(&server, &format!("{logs} order by version")).await;
    assert_eq!(status, 500, "{text}");
    assert!(text.contains("line 2") && text.contains("00000.json") && text.contains("`logs`"), "{text}");
    // What clean-up has taken ends it.
    std::fs::remove_file(log_file(&home, 0)).unwrap();
    assert_eq!(versions(server.sql(logs).await), [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_commit_and_a_lake_of_logs_alone_are_read_from_the_files() {
    let home = Home::new("");
    std::fs::write(home.path().join("logs.jsonl"), numbered_logs("one", 0..5, DAY)).unwrap();
    said(&home.verb("import").arg("logs.jsonl").output().unwrap());
    for table in ["spans", "metrics"] {
        let _ = std::fs::remove_dir_all(home.lake().join(table));
    }
    // By a writer that says nothing of itself.
    std::fs::write(log_file(&home, 2), "{\"txn\":{\"appId\":\"stranger\",\"version\":7}}\n").unwrap();
    let ask = |sql: &str| rows(&home.verb("sql").args([sql, "--format", "json"]).output().unwrap());
    let foreign = ask(
        "select version, operation, engine_info, rows_added, transactions, time > '2024-01-01' as dated from system.history limit 1",
    );
    let expected = json!([{
        "version": 2, "operation": null, "engine_info": null, "rows_added": 0,
        "transactions": [{ "app_id": "stranger", "version": 7 }], "dated": true,
    }]);
    assert_eq!(foreign, expected);
    assert_eq!(
        ask("select table_name, row_count from system.files"),
        json!([{ "table_name": "logs", "row_count": 5 }])
    );
    assert_eq!(ask("select count(*) as n from system.views where name = 'traces'"), json!([{ "n": 1 }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_functions_are_listed_where_names_are_looked_up() {
    let home = Home::new("");
    let server = home.serve();
    let views = server.sql("select name, kind, usage, parameters, summary, file, documentation like '%Cost:%' as told, sql like '%FROM spans%' as text from system.views where name in ('traces', 'trace_tree') order by name").await;
    let expected = [
        json!({ "name": "trace_tree", "kind": "macro", "usage": "trace_tree(trace_id)", "parameters": ["trace_id"],
            "summary": "One row a span of the trace, each below its parent, children by start: the order of the rows.",
            "file": null, "told": true, "text": true }),
        json!({ "name": "traces", "kind": "view", "usage": "traces", "parameters": null,
            "summary": "One row a trace that has at least one span.", "file": null, "told": true, "text": true }),
    ];
    assert_eq!(views, expected);
    let functions = server.sql("select name, kind from system.functions where name in ('trace_tree_of', 'attr', 'abs', 'median', 'lag') order by name").await;
    let function = |name, kind| json!({ "name": name, "kind": kind });
    let expected = [
        function("abs", "scalar"),
        function("attr", "scalar"),
        function("lag", "window"),
        function("median", "aggregate"),
        function("trace_tree_of", "scalar"),
    ];
    assert_eq!(functions, expected);
    let documented = "select name from system.functions where usage like '%array_agg(named_struct(%' and documentation like '%spans%'";
    assert_eq!(
        server.sql(&format!("{documented} order by name")).await,
        [json!({ "name": "critical_path_of" }), json!({ "name": "trace_tree_of" })]
    );

    let tables =
        server.sql("select table_name from information_schema.tables where table_schema = 'system' order by 1").await;
    let names: Vec<_> = tables.iter().map(|row| row["table_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["files", "functions", "history", "jobs", "views"]);
    let columns =
        "select count(*) from information_schema.columns where table_schema = 'system' and table_name = 'files'";
    assert_eq!(server.number(columns).await, 11);
    for sql in [
        "insert into system.files select * from system.files",
        "create view system.mine as select 1",
        "drop table system.history",
        "delete from system.views",
    ] {
        assert_eq!(refused(&server, sql).await.0, 400, "{sql}");
    }
    server.terminate();
    let listed = rows(&home.verb("tables").arg("--json").output().unwrap());
    let kinds = |kind: &str| {
        listed
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["kind"] == kind)
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("system"), ["system.files", "system.history", "system.views", "system.functions", "system.jobs"]);
    assert_eq!(kinds("table"), ["logs", "spans", "metrics"]);
    let text = said(&home.verb("tables").output().unwrap());
    assert!(text.contains("system.history") && text.contains("trace_tree(trace_id)"), "{text}");
}

/// A home whose configuration names a folder with these files.
fn home_with(files: &[(&str, &str)]) -> Home {
    let mut home = Home::new("");
    let folder = home.path().join("views");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    home.reconfigure(&format!("[flush]\nage = \"1h\"\n[query]\nviews = {:?}\n", folder.to_str().unwrap()));
    home
}

const LATEST: &str = "-- One row a service, with its last log.\n--\n--   last  text\nSELECT service_name, max(body) AS last FROM logs GROUP BY service_name ORDER BY service_name DESC\n";
const LOUD: &str = "-- loud(at_least = 3)\n-- One row a service with many logs.\nSELECT service_name, count(*) AS logs FROM logs JOIN latest USING (service_name) GROUP BY service_name HAVING count(*) >= $at_least\n";
const BROKEN: &str = "-- One row too many.\nSELECT nothing_of_the_kind FROM logs\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_users_views_and_macros_are_there_at_every_door() {
    let home =
        home_with(&[("latest.sql", LATEST), ("loud.sql", LOUD), ("broken.sql", BROKEN), ("notes.txt", "not a view")]);
    let server = home.serve();
    logs(&server, "one", 0..5, DAY).await;
    logs(&server, "two", 5..7, DAY).await;
    let latest = json!([{ "service_name": "two", "last": "log 6" }, { "service_name": "one", "last": "log 4" }]);
    let loud = json!([{ "service_name": "one", "logs": 5 }]);
    for when in ["hot", "cold"] {
        assert_eq!(Value::Array(server.sql("select * from latest").await), latest, "{when}");
        assert_eq!(Value::Array(server.sql("select * from loud()").await), loud, "{when}");
        assert_eq!(server.sql("select * from loud(at_least => 1)").await.len(), 2, "{when}");
        server.flush().await;
    }
    // A view that can't be planned is its author's to mend, and in nobody's way until then.
    let (status, text) = refused(&server, "select * from broken").await;
    let file = home.path().join("views/broken.sql");
    assert!(status == 400 && text.contains(file.to_str().unwrap()) && text.contains("nothing_of_the_kind"), "{text}");
    let listed =
        server.sql("select table_name from information_schema.tables where table_name in ('latest', 'broken')").await;
    assert_eq!(listed, [json!({ "table_name": "latest" })]);
    let own = server.sql("select name, kind, file from system.views where file is not null order by name").await;
    assert_eq!(own.len(), 3);
    assert_eq!(own[0], json!({ "name": "broken", "kind": "view", "file": file }));

    let ask = |sql: &str| rows(&home.verb("sql").args([sql, "--format", "json"]).output().unwrap());
    assert_eq!(ask("select * from latest"), latest);
    assert_eq!(ask("select * from loud()"), loud);
    let failed = home.verb("sql").arg("select * from broken").output().unwrap();
    let error = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && error.contains(file.to_str().unwrap()), "{error}");
    let text = said(&home.verb("tables").output().unwrap());
    assert!(text.contains("loud(at_least = 3)") && text.contains("One row a service, with its last log."), "{text}");
}

#[rstest::rstest]
#[case::no_sql("-- One.\nSELECT service_name\nFRON logs\n", ":3:")]
#[case::no_head("SELECT 1\n", ": it has no head comment")]
#[case::unknown_parameter("-- mine(a)\n-- One.\nSELECT $b\n", "$b is no parameter")]
fn a_file_that_is_no_view_stops_the_start_and_is_named(#[case] text: &str, #[case] expected: &str) {
    let home = home_with(&[("mine.sql", text)]);
    let serve = home
        .verb("serve")
        .args([
            "--otlp-grpc",
            "off",
            "--otlp-http",
            "off",
            "--http",
            "127.0.0.1:0",
            "--flight",
            "off",
            "--postgres",
            "off",
        ])
        .output()
        .unwrap();
    let sql = home.verb("sql").arg("select 1").output().unwrap();
    for output in [serve, sql] {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{output:?}");
        assert!(error.contains("views/mine.sql") && error.contains(expected), "{error}");
    }
}
