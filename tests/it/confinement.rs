//! SQL from a door reads the lake's tables and views, and nothing else: not a file, not a URL, not the environment.

use std::path::Path;

use serde_json::Value;

use crate::support::logs::{numbered_logs, send_logs};
use crate::support::server::{Home, Server};

/// What is in files that no query may read.
const SECRET: &str = "the-secret-of-a-file";

/// Statements and functions that would read, write or configure something else, in the SQL of several systems.
fn attempts(folder: &Path) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (csv, json, parquet, text) = (path("f.csv"), path("f.json"), path("f.parquet"), path("secret.txt"));
    let mut all: Vec<String> = Vec::new();
    for file in [&csv, &json, &parquet, &text] {
        all.extend([
            format!("select * from '{file}'"),
            format!("select * from \"{file}\""),
            format!("select * from 'file://{file}'"),
            format!("select * from read_csv('{file}')"),
            format!("select * from read_csv_auto('{file}')"),
            format!("select * from read_json('{file}')"),
            format!("select * from read_parquet('{file}')"),
            format!("select * from parquet_scan('{file}')"),
            format!("select * from parquet_metadata('{file}')"),
            format!("select * from read_text('{file}')"),
            format!("select * from read_blob('{file}')"),
            format!("select * from delta_scan('{file}')"),
            format!("select * from file('{file}')"),
            format!("select * from glob('{file}')"),
            format!("select pg_read_file('{file}')"),
            format!("select pg_read_binary_file('{file}')"),
            format!("select read_file('{file}')"),
            format!("select load_file('{file}')"),
            format!("select lo_import('{file}')"),
            format!("copy logs from '{file}'"),
            format!("create external table t stored as csv location '{file}'"),
            format!("create external table t stored as parquet location '{file}'"),
            format!("create external table t stored as json location '{file}'"),
        ]);
    }
    let outside = path("written");
    all.extend([
        format!("copy logs to '{outside}.csv'"),
        format!("copy (select 1) to '{outside}.parquet' stored as parquet"),
        format!("copy (select 1) to program 'touch {outside}'"),
        format!("select 1 into outfile '{outside}'"),
        format!("export database '{outside}'"),
        format!("attach '{outside}' as other"),
        format!("load '{outside}'"),
        format!("install '{outside}'"),
        format!("create function f() returns int as '{outside}' language c"),
        format!("create database d location '{outside}'"),
    ]);
    all.extend(
        [
            "select * from 'http://127.0.0.1:1/f.csv'",
            "select * from 's3://bucket/f.parquet'",
            "select * from read_csv('http://127.0.0.1:1/f.csv')",
            "select * from url('http://127.0.0.1:1/f.csv')",
            "select http_get('http://127.0.0.1:1/')",
            "select getenv('HOME')",
            "select current_setting('data_directory')",
            "select pg_ls_dir('/')",
            "select * from pg_ls_dir('/')",
            "select system('id')",
            "insert into logs (body) values ('x')",
            "insert into logs select * from logs",
            "update logs set body = 'x'",
            "delete from logs",
            "truncate logs",
            "merge into logs using spans on true when matched then delete",
            "drop table logs",
            "drop view requests",
            "drop schema public cascade",
            "alter table logs add column x int",
            "create table t as select 1",
            "create table t (a int)",
            "create view v as select 1",
            "create or replace view requests as select 1",
            "create temporary table t as select 1",
            "create schema s",
            "create function f() returns int as 'select 1' language sql",
            "create index i on logs (body)",
            "set datafusion.catalog.location = '/'",
            "set datafusion.execution.batch_size = 1",
            "reset datafusion.execution.batch_size",
            "prepare p as select 1",
            "execute p",
            "deallocate p",
            "declare c cursor for select 1",
            "begin",
            "call f()",
            "vacuum logs",
            "analyze logs",
            "grant all on logs to public",
            "select 1; drop table logs",
            "explain analyze insert into logs (body) values ('x')",
            "explain copy logs to 'x.csv'",
            "with t as (delete from logs returning *) select * from t",
        ]
        .map(str::to_owned),
    );
    all
}

/// A folder with a file of every kind that a query would like to read.
fn bait(folder: &Path) {
    for name in ["f.csv", "secret.txt"] {
        std::fs::write(folder.join(name), format!("a\n{SECRET}\n")).unwrap();
    }
    std::fs::write(folder.join("f.json"), format!("{{\"a\": \"{SECRET}\"}}\n")).unwrap();
    use parquet::arrow::ArrowWriter;
    let column: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(vec![SECRET]));
    let batch = arrow::array::RecordBatch::try_from_iter([("a", column)]).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(folder.join("f.parquet")).unwrap(), batch.schema(), None);
    let writer = writer.as_mut().unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
}

async fn ask(server: &Server, query: &str) -> (u16, String) {
    let request = reqwest::Client::new().post(format!("{}/v1/sql", server.http())).body(query.to_owned());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_reads_the_lake_and_nothing_else() {
    let home = Home::new("");
    bait(home.path());
    let server = home.serve();
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("shop", 0..3, 1_700_000_000)).await.unwrap();
    server.flush().await;
    let before = files(home.path());
    let mut wrong = Vec::new();
    for attempt in attempts(home.path()) {
        let (status, text) = ask(&server, &attempt).await;
        if !(400..500).contains(&status) || text.contains(SECRET) {
            wrong.push(format!("{attempt}: {status} {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(files(home.path()), before, "nothing was written");
    assert_eq!(server.number("select count(*) from logs").await, 3);
    assert_eq!(server.number("select count(*) from information_schema.tables where table_name in ('t', 'v')").await, 0);
}

/// What is in the folder, without what a running server writes by itself.
fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// What PostgreSQL's clients say in a session, and what changes nothing but that session. A setting with a dot in its
/// name is kept for its client, as PostgreSQL does; one that is not known is NULL.
const OF_A_SESSION: [&str; 8] = [
    "begin",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "declare c cursor for select 1",
    "reset ",
    "set datafusion.",
    "select current_setting('data_directory')",
];

#[tokio::test(flavor = "multi_thread")]
async fn sql_through_the_postgresql_door_reads_the_lake_and_nothing_else() {
    let home = Home::new("");
    bait(home.path());
    let server = home.serve();
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("shop", 0..3, 1_700_000_000)).await.unwrap();
    server.flush().await;
    let before = files(home.path());
    let address = server.postgres();
    let (host, port) = address.rsplit_once(':').unwrap();
    let url = format!("host={host} port={port} user=ann dbname=telestrata");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut wrong = Vec::new();
    for attempt in attempts(home.path()) {
        if OF_A_SESSION.iter().any(|session| attempt.starts_with(session)) {
            continue;
        }
        if let Ok(answer) = client.simple_query(&attempt).await {
            wrong.push(format!("{attempt}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(files(home.path()), before, "nothing was written");
    let told = client.query_one("select current_setting('data_directory')", &[]).await.unwrap();
    assert_eq!(told.get::<_, Option<String>>(0), None);
    assert_eq!(server.number("select count(*) from logs").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_through_flight_reads_the_lake_and_nothing_else() {
    use arrow_flight::sql::client::FlightSqlServiceClient;
    let home = Home::new("");
    bait(home.path());
    let server = home.serve();
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("shop", 0..3, 1_700_000_000)).await.unwrap();
    server.flush().await;
    let before = files(home.path());
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.flight())).unwrap();
    let mut client = FlightSqlServiceClient::new(channel.connect().await.unwrap());
    let mut wrong = Vec::new();
    for attempt in attempts(home.path()) {
        if client.execute(attempt.clone(), None).await.is_ok()
            || client.prepare(attempt.clone(), None).await.is_ok()
            || client.execute_update(attempt.clone(), None).await.is_ok()
        {
            wrong.push(attempt);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(files(home.path()), before, "nothing was written");
    assert_eq!(server.number("select count(*) from logs").await, 3);
}

/// Every function that a query may call, so that a new one of DataFusion's is looked at by someone.
#[tokio::test(flavor = "multi_thread")]
async fn no_function_tells_of_the_machine() {
    let home = Home::new("");
    let server = home.serve();
    send_logs(&reqwest::Client::new(), &server.otlp_http(), numbered_logs("shop", 0..3, 1_700_000_000)).await.unwrap();
    server.flush().await;
    let names = server.sql("select distinct routine_name as name from information_schema.routines").await;
    let suspicious = ["file", "path", "env", "read", "http", "url", "load", "exec", "system", "shell", "glob", "host"];
    let found: Vec<_> = names
        .iter()
        .filter_map(|row| row["name"].as_str())
        .filter(|name| !name.starts_with("critical_path") && suspicious.iter().any(|part| name.contains(part)))
        .collect();
    assert_eq!(found, Vec::<&str>::new());
    // EXPLAIN names the files that a query reads, for those who may read them; answers do not say where they come from.
    let lake = home.lake().display().to_string();
    for query in [
        "select input_file_name() as it from logs",
        "select file_row_index() as it from logs",
        "select * from logs where no_such_function(body)",
        "select * from nowhere",
        "select * from information_schema.tables",
        "select * from information_schema.df_settings",
        "show all",
    ] {
        let (_, text) = ask(&server, query).await;
        assert!(!text.contains(lake.trim_start_matches('/')), "{query} tells where the lake is: {text}");
    }
}

#[test]
fn the_list_of_attempts_has_each_once() {
    let mut attempts = attempts(Path::new("/tmp"));
    let all = attempts.len();
    attempts.sort();
    attempts.dedup();
    assert_eq!(attempts.len(), all);
    let _: Value = serde_json::json!(attempts);
}
